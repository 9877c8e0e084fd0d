"""Is the second object mirrored in the one in the center? Images with and without it, as `experiments.reflection`
says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from experiments.common import RealData
from experiments.sheet import sheet
from experiments.two_objects import TwoObjects, images_of

from labelmint.pictures import overlay
from labelmint.runs.trained import TrainedSystem
from labelmint.types import AnnotatedImage, Array

__all__ = ["mirrored"]

SHOWN = 8


def mirrored(
    system: TrainedSystem, chosen: list[TwoObjects], real: RealData, out: Path, seed: int, temperature: float
) -> dict[str, Any]:
    """Write reflection.png, and answer change and floor of each layout, by distance.

    Arguments:
        chosen: the layouts. seed: of their images; the floor also takes the next one.
    """
    chosen = sorted(chosen, key=lambda one: one.distance)
    both, alone = (np.stack([getattr(one, name) for one in chosen]) for name in ("symbols", "alone"))
    with_it = [images_of(system, both, s, temperature) for s in (seed, seed + 1)]
    without_it = [images_of(system, alone, s, temperature) for s in (seed, seed + 1)]
    rows = []
    for i, one in enumerate(chosen):
        (a, c), (b, d) = ([_levels(drawn[i]) for drawn in side] for side in (with_it, without_it))
        change = np.mean([_apart(a, b, one.center), _apart(c, d, one.center)])
        floor = np.mean([_apart(a, c, one.center), _apart(b, d, one.center)])
        rows.append({"distance": one.distance, "change": float(change), "floor": float(floor)})
    _show(chosen, with_it, without_it[0], rows, real, out)
    return {"n": len(rows), **_summary(rows), "pairs": rows}


def _levels(pair: AnnotatedImage) -> Array:
    return pair.image.astype(np.float64)


def _apart(a: Array, b: Array, where: Array) -> float:
    return float(np.abs(a - b)[where].mean())


def _summary(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Near and far halves by distance (rows are in its order), and the rank correlation."""
    half = len(rows) // 2
    halves = {"near": rows[:half], "far": rows[half:]} if half else {"far": rows}
    found: dict[str, Any] = {
        name: {key: float(np.mean([row[key] for row in part])) for key in ("distance", "change", "floor")}
        for name, part in halves.items()
    }
    ratios, distances = (
        [row["change"] / max(row["floor"], 1e-9) for row in rows],
        [row["distance"] for row in rows],
    )
    found["spearman"] = _spearman(ratios, distances)
    return found


def _spearman(ratios: Sequence[float], distances: Sequence[float]) -> dict[str, float] | None:
    """The correlation of change / floor and distance; None below 4 pairs and where one does not vary."""
    from scipy.stats import spearmanr

    if len(ratios) < 4 or len(set(ratios)) < 2 or len(set(distances)) < 2:
        return None
    result: Any = spearmanr(ratios, distances)
    return {"rho": float(result.statistic), "p": float(result.pvalue)}


def _show(
    chosen: list[TwoObjects],
    with_it: list[list[AnnotatedImage]],
    without_it: list[AnnotatedImage],
    rows: list[dict[str, float]],
    real: RealData,
    out: Path,
) -> None:
    """reflection.png: from the nearest pair to the farthest."""
    picked = np.unique(np.linspace(0, len(chosen) - 1, min(SHOWN, len(chosen))).round().astype(int)).tolist()
    maps = {
        i: np.where(chosen[i].center, np.abs(_levels(with_it[0][i]) - _levels(without_it[i])).mean(axis=2), 0)
        for i in picked
    }
    most = max(max(float(one.max()) for one in maps.values()), 1.0)
    cells = []
    for i in picked:
        first, other, alone = with_it[0][i], with_it[1][i], without_it[i]
        shade = (255 - 255 * maps[i] / most).round().astype(np.uint8)
        cells.append(
            [
                overlay(first.image, first.layout, real.classes),
                first.image,
                alone.image,
                shade[..., None],
                other.image,
            ]
        )
    titles = [f"{rows[i]['distance']:.2f}" for i in picked]
    heads = ["layout", "with it", "without", "change", "other numbers"]
    sheet(cells, out / "reflection.png", columns=heads, rows=titles)
