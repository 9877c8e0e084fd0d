"""The pictures of a study: synthetic beside real pairs, and what arms A and S read where they differ most."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelmint.evaluation.views import ids_of, tiles
from labelmint.pictures import image_grid, overlay, side_by_side
from labelmint.reports.results import Picture
from labelmint.types import Array, Layout
from labelmint.usefulness.outcome import Outcome, Point
from labelmint.usefulness.plan import Cell
from labelmint.usefulness.real import RealPairs
from labelmint.usefulness.samples import Maker

__all__ = ["readings", "sheet"]

ON_A_SIDE, ROWS = 12, 6


def sheet(folder: Path, point: Point, outcome: Outcome, real: RealPairs, maker: Maker) -> Picture | None:
    """Real training views of the first cell beside synthetic pairs of the chosen way; None where there are no
    samples.
    """
    cell = Cell(point.n, outcome.seeds[0])
    if point.chosen is None or cell.seed not in point.scores("S"):
        return None
    synthetic, _ = maker.make(cell, point.chosen.way, ON_A_SIDE, folder / cell.folder, lambda event: None)
    if synthetic is None:
        return None
    seen, name = tiles(real.ground(cell).training, real.geometry.size, ON_A_SIDE), f"samples-{point.n}.png"
    sides = [
        [views.pair(i, real.classes) for i in range(min(len(views), ON_A_SIDE))]
        for views in (seen, synthetic)
    ]
    side_by_side(sides[0], sides[1], real.classes, folder / name)
    return Picture(
        title=f"Real and synthetic pairs with {point.n} training pairs",
        file=name,
        note=f"Seed {cell.seed}; {point.chosen.way.words}.",
    )


def readings(folder: Path, point: Point, outcome: Outcome, real: RealPairs) -> Picture | None:
    """Test images on which arm A and arm S differ most: image, label, what A reads, what S reads; None
    without stored readings.
    """
    cell = Cell(point.n, outcome.seeds[0])
    usual, helped = (
        _read(folder / cell.folder / f"{point.key(name)}.npz", len(real.test)) for name in ("A", "S")
    )
    if usual is None or helped is None:
        return None
    differing = ((usual != helped) & (real.test.labels >= 0)).mean(axis=(1, 2))
    cells: list[Array] = []
    for k in np.argsort(-differing, kind="stable")[:ROWS]:
        image = real.test.images[k]
        cells.append(image)
        for indices in (real.test.labels[k], usual[k], helped[k]):
            cells.append(overlay(image, Layout(label_map=ids_of(indices, real.classes)), real.classes))
    name = f"readings-{point.n}.png"
    image_grid(cells, folder / name, columns=4)
    note = f"From left to right: test image, its label, what arm A reads, what arm S reads; seed {cell.seed}."
    return Picture(title=f"Where A and S differ most with {point.n} training pairs", file=name, note=note)


def _read(file: Path, count: int) -> Array | None:
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as stored:
        found: Array = stored["read"]
    return found if len(found) == count else None
