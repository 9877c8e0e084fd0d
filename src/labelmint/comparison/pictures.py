"""The picture of a comparison: a few test layouts, the real image of each, and what every system draws for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from labelmint.comparison.ground import Ground
from labelmint.datasets.enlarged_layouts import enlarged_layout
from labelmint.pictures import painted, under_heads
from labelmint.reports.results import Picture
from labelmint.types import Array, DataSet, Layout

__all__ = ["NAME", "picture"]

NAME, ROWS = "compare.png", 6
_CELL = 128  # pixels about which a picture is wide


def picture(out: Path, ground: Ground, samples: Mapping[str, DataSet], seed: int) -> Picture:
    """compare.png.

    Arguments:
        samples: of a training of each system; sample i has layout i mod L.
    """
    places = _shown(ground, seed)
    loaded = {
        name: [data.load(data.names[place]).image for place in places] for name, data in samples.items()
    }
    factor = max(round(_CELL / max(ground.views.images.shape[1:3])), 1)
    rows: list[list[Array]] = []
    for row, place in enumerate(places):
        given = ground.layouts[place]  # enlarged: lines of its own pixels would hide small objects
        layout = Layout(label_map=given.ids.astype(np.uint16), instances=given.instances)
        rows.append(
            [
                painted(enlarged_layout(layout, factor), ground.data.classes),
                ground.views.images[place],
                *(images[row] for images in loaded.values()),
            ]
        )
    under_heads(rows, ("layout", "real", *samples), out / NAME)
    return Picture(
        title="One layout, every system",
        file=NAME,
        note=f"Layouts of the test part, drawn at random; the first image of each system, seed {seed}.",
    )


def _shown(ground: Ground, seed: int) -> list[int]:
    """Random layouts that show a foreground class, as far as there are such."""
    shows = [bool(np.isin(labels, ground.real.foreground).any()) for labels in ground.views.labels]
    order = np.random.default_rng(seed).permutation(len(shows)).tolist()
    return sorted(sorted(order, key=lambda place: not shows[place])[:ROWS])
