"""The pictures of a study: synthetic beside real pairs, and what arms read where they differ most."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from labelmint.evaluation.views import ids_of, tiles
from labelmint.pictures import image_grid, overlay, side_by_side
from labelmint.reports.results import Picture
from labelmint.types import Array, Layout
from labelmint.usefulness.arms import POOLED
from labelmint.usefulness.best import best_at
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
    trained = point.arms.get(point.key("S"), {}).get(cell.seed)
    if point.chosen is None or trained is None:
        return None
    count = min(ON_A_SIDE, trained.samples or ON_A_SIDE)  # none is drawn for a picture alone
    synthetic, _ = maker.make(cell, point.chosen.way, count, folder / cell.folder, lambda event: None)
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
    """Test images on which arm A and the best other arm differ most: image, label, what A reads, what the others read;
    None without stored readings. The others are arm S, and those with a pool.
    """
    cell = Cell(point.n, outcome.seeds[0])
    stored = {
        name: _read(folder / cell.folder / f"{point.key(name)}.npz", len(real.test))
        for name in ("A", "S", *POOLED)
        if name in ("A", "S") or point.scores(name)
    }
    known = {name: read for name, read in stored.items() if read is not None}
    usual, others = known.pop("A", None), tuple(known)
    if usual is None or not others:
        return None
    best = best_at(point, outcome)
    shown = best.name if best is not None and best.name in known else others[0]
    differing = ((usual != known[shown]) & (real.test.labels >= 0)).mean(axis=(1, 2))
    cells: list[Array] = []
    for k in np.argsort(-differing, kind="stable")[:ROWS]:
        image = real.test.images[k]
        cells.append(image)
        for indices in (real.test.labels[k], usual[k], *(read[k] for read in known.values())):
            cells.append(overlay(image, Layout(label_map=ids_of(indices, real.classes)), real.classes))
    name = f"readings-{point.n}.png"
    image_grid(cells, folder / name, columns=3 + len(others))
    told = ", ".join(f"what arm {name} reads" for name in ("A", *others))
    note = f"From left to right: test image, its label, {told}; seed {cell.seed}."
    title = f"Where A and {shown} differ most with {point.n} training pairs"
    return Picture(title=title, file=name, note=note)


def _read(file: Path, count: int) -> Array | None:
    """What an arm reads from the test views; None where that is not stored, or damaged: it is for a picture alone."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            found: Array = stored["read"]
    except (FileNotFoundError, BadZipFile, ValueError, EOFError, KeyError):
        return None
    return found if len(found) == count else None
