"""Rebalancing on a known answer: discs of which one in fifty is red, and how many red ones systems draw.

    python -m experiments.rare_color --out OUT [--systems cimle,mint,flow] [--minutes 10] [--n 1000] [--threads 1]

Each of 1,000 images of 32x32 pixels shows one disc of any place and size on grey; 20 discs are red, the others blue and
nothing but the color tells them apart. Systems are trained without `--rebalance` and with `appearance`, for equal
minutes of the processor, and draw for the layouts of the training part in turn. A disc is red, or blue, where the two
channels of its mean color lie 80 levels apart or more, half of what those of the data do; else it is neither, as a mean
of both would be.

    shown    share of red discs among the views of 400 batches, which is what the training sees
    red, neither    shares among the samples, with 95 % intervals of Wilson
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from experiments.common import answer, at_least, plain, write_json
from scipy.stats import binomtest

import labelmint
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.runs.draw import Draw
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, Layout

__all__ = ["BLUE", "CLASSES", "NEITHER", "RED", "colors_of", "disc", "main", "shown", "wilson"]

SIDE, ALL, RARE, TEST = 32, 1000, 50, 40
CLASSES = ClassSet((ClassInfo(id=0, name="ground"), ClassInfo(id=1, name="disc")))
RED, BLUE, NEITHER = 0, 1, 2
_COLORS = np.array([[200, 60, 50], [50, 70, 200]], np.float64)
_APART = 80  # levels between the first and the last channel
_BATCHES, _BATCH = 400, 16


def disc(index: int) -> AnnotatedImage:
    """One image and its label; every fiftieth is red."""
    rng = np.random.default_rng(index)
    radius, (y, x) = rng.uniform(4, 9), rng.uniform(9, SIDE - 9, 2)
    down, across = np.mgrid[:SIDE, :SIDE]
    labels = (np.hypot(down - y, across - x) < radius).astype(np.uint8)
    color = _COLORS[RED if index % RARE == 0 else BLUE] + rng.uniform(-15, 15)
    image = np.where(labels[..., None] > 0, color, 110 + rng.uniform(-20, 20)) + rng.normal(
        0, 8, (SIDE, SIDE, 1)
    )
    return AnnotatedImage(
        name=f"d{index:04d}", image=image.clip(0, 255).astype(np.uint8), layout=Layout(label_map=labels)
    )


def colors_of(pairs: Iterable[AnnotatedImage]) -> Array:
    """RED, BLUE or NEITHER, of each pair whose label shows a disc."""
    found = []
    for pair in pairs:
        assert pair.image is not None and pair.layout.label_map is not None
        inside = pair.layout.label_map == 1
        if inside.any():
            mean = pair.image[inside].astype(np.float64).mean(axis=0)
            apart = mean[0] - mean[2]
            found.append(RED if apart >= _APART else BLUE if apart <= -_APART else NEITHER)
    return np.array(found)


def shown(how: str, batches: int = _BATCHES) -> float:
    """The share of red discs among the views of a training with a way of rebalancing."""
    made = [disc(index) for index in range(ALL)]
    pairs = Pairs(
        [one.image for one in made if one.image is not None],
        [one.layout.label_map for one in made if one.layout.label_map is not None],
        Geometry(size=(SIDE, SIDE)),
        seed=0,
        class_of={0: 0, 1: 1},
    ).rebalanced(how)
    views = (pairs.view(step, _BATCH, row) for step in range(batches) for row in range(_BATCH))
    return float(np.mean([place % RARE == 0 for _, place in views]))


def wilson(count: int, of: int) -> tuple[float, float]:
    """The interval of Wilson, 95 %, of a share."""
    found = binomtest(count, of).proportion_ci(0.95, "wilson")
    return float(found.low), float(found.high)


def _data(folder: Path) -> Path:
    if not (folder / "test.txt").is_file():
        labelmint.write(
            (disc(index) for index in range(ALL + TEST)), folder, format="folder", classes=CLASSES
        )
        (folder / "test.txt").write_text("".join(f"d{index:04d}\n" for index in range(ALL, ALL + TEST)))
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Train, draw, count, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--systems", default="cimle,mint,flow")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of all trainings")
    parser.add_argument("--n", type=int, default=1000, help="samples of each training")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)

    def work() -> None:
        at_least(1, n=options.n)
        options.out.mkdir(parents=True, exist_ok=True)
        seen = {how: shown(how) for how in ("none", "appearance")}
        rows = [
            _row(options, how, system, seen[how]) for how in seen for system in options.systems.split(",")
        ]
        write_json(
            options.out / "rare_color.json",
            {"minutes": options.minutes, "preset": options.preset, "rows": rows},
        )

    return answer(work)


def _row(options: argparse.Namespace, how: str, name: str, seen: float) -> dict[str, Any]:
    """Train a system, or load it where that is done, and count the colors that it draws."""
    system = labelmint.train(
        _data(options.out / "data"),
        options.out / f"{name}-{how}",
        system=name,
        preset=options.preset,
        size=(SIDE, SIDE),
        rebalance=how,
        settings=options.set,
        max_minutes=options.minutes,
        clock="processor",
        endless=True,
        threads=options.threads,
        report=plain(print),
    )
    chunks = range(-(-options.n // _BATCH))
    drawn = [pair for chunk in chunks for pair in system.chunk(chunk, Draw(seed=0, batch_size=_BATCH))]
    found = colors_of(drawn[: options.n])
    red, neither = (int((found == kind).sum()) for kind in (RED, NEITHER))
    row = {
        "system": name,
        "rebalance": how,
        "shown": seen,
        "discs": len(found),
        "red": red / len(found),
        "red_interval": wilson(red, len(found)),
        "neither": neither / len(found),
    }
    print(row, flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
