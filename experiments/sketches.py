"""From a sketch to an image: a label map whose one class besides the ground is `line`.

    python -m experiments.sketches make --data DATA --out SKETCHES [--sigma 3]
    labelmint train SKETCHES --out RUN --system pix2pix --size 64x64 --crop --scale 0.5
    python -m experiments.sketches draw --run RUN --data SKETCHES --out OUT [--draws 6]

`make` writes a data set of the images of DATA, each labelled with the edges that Canny (1986) finds in it, which are
what a person would draw of it; parts of the data are kept. `draw` writes sketches.png: sketches of the test part, each
beside its real image and several images that the run draws for it; below them sketches that belong to no image, of
ellipses of random places and sizes, as a person might draw them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiments.common import add_common, answer, at_least, open_real
from experiments.sheet import sheet
from scipy import ndimage
from skimage.feature import canny

import labelmint
from labelmint.datasets.scaling import as_channels
from labelmint.errors import InputError
from labelmint.runs.draw import Draw
from labelmint.runs.given import Given
from labelmint.runs.trained import TrainedSystem
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, Layout

__all__ = ["LINES", "edges", "ellipses", "main", "make"]

LINES = ClassSet((ClassInfo(id=0, name="ground"), ClassInfo(id=1, name="line")))
_ROWS, _BY_HAND, _ELLIPSES = 4, 3, 7


def edges(image: Array, sigma: float) -> Array:
    """(H, W) uint8, 1 where an image (H, W, C) has an edge, three pixels wide, so that half the size keeps it."""
    grey = image.astype(np.float64).reshape(*image.shape[:2], -1).mean(axis=2)
    span = float(np.ptp(grey)) or 1.0
    find: Any = canny
    found = find((grey - grey.min()) / span, sigma=sigma)
    lines: Array = ndimage.binary_dilation(found, np.ones((3, 3), bool)).astype(np.uint8)
    return lines


def make(data: Path, out: Path, sigma: float) -> None:
    """Write the data set of sketches."""
    if sigma <= 0:
        raise InputError(f"--sigma {sigma}: expected more than 0")
    labelmint.write(_sketched(labelmint.read(data), sigma), out, format="folder", classes=LINES)
    for part in ("train.txt", "val.txt", "test.txt"):
        if (data / part).is_file():
            shutil.copy(data / part, out / part)


def _sketched(pairs: Iterable[AnnotatedImage], sigma: float) -> Iterator[AnnotatedImage]:
    for pair in pairs:
        if pair.image is not None:
            yield AnnotatedImage(
                name=pair.name, image=pair.image, layout=Layout(label_map=edges(pair.image, sigma))
            )


def ellipses(size: tuple[int, int], seed: int) -> Array:
    """(H, W) uint8, 1 on the outlines of ellipses that do not touch each other, two pixels wide."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[: size[0], : size[1]]
    taken, lines = np.zeros(size, bool), np.zeros(size, np.uint8)
    for _ in range(20 * _ELLIPSES):
        y, x = down - rng.uniform(0, size[0]), across - rng.uniform(0, size[1])
        turn, half = rng.uniform(0, np.pi), rng.uniform(0.06, 0.16, 2) * min(size)
        along, aside = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        from_center = np.hypot(along / half[0], aside / half[1])
        if not (taken & (from_center < 1.6)).any():
            taken |= from_center < 1.6
            lines[(from_center < 1) & (np.hypot(along / (half[0] - 2), aside / (half[1] - 2)) >= 1)] = 1
    return lines


def _draw(chosen: argparse.Namespace) -> None:
    at_least(1, draws=chosen.draws)
    chosen.out.mkdir(parents=True, exist_ok=True)
    real = open_real(chosen.run, labelmint.read(chosen.data), at_most=chosen.at_most)
    if [info.name for info in real.classes.classes] != [info.name for info in LINES.classes]:
        raise InputError(
            f"{chosen.data}: holds no sketches; make them by `python -m experiments.sketches make`"
        )
    shown = [k for k in range(len(real.real.labels)) if real.real.labels[k].any()][:_ROWS]
    images: list[Array] = [as_channels(real.real.images[k], 3) for k in shown]
    maps: list[Array] = [real.real.labels[k] for k in shown]
    by_hand = [ellipses(maps[0].shape[:2], seed) for seed in range(_BY_HAND)]
    drawn = _drawn(real.system, maps + by_hand, chosen.draws)
    blank = np.full_like(images[0], 255)
    cells = [
        [_ink(lines), real_image, *own]
        for lines, real_image, own in zip(maps + by_hand, images + [blank] * _BY_HAND, drawn, strict=True)
    ]
    columns = ["sketch", "real", *(f"draw {place}" for place in range(1, chosen.draws + 1))]
    sheet(cells, chosen.out / "sketches.png", columns=columns)
    print(f"wrote {chosen.out / 'sketches.png'}")


def _drawn(system: TrainedSystem, maps: list[Array], draws: int) -> list[list[Array]]:
    """So many images of each sketch."""
    given = Given(ids=torch.from_numpy(np.stack(maps)))
    how = Draw(batch_size=draws, layouts=given, per_layout=draws)
    drawn = [[pair.image for pair in system.chunk(chunk, how)] for chunk in range(len(maps))]
    return [[as_channels(image, 3) for image in row if image is not None] for row in drawn]


def _ink(lines: Array) -> Array:
    """A sketch (H, W) as a picture (H, W, 3)."""
    return np.where(lines[..., None] > 0, 0, 255).repeat(3, axis=2).astype(np.uint8)


def main(arguments: list[str] | None = None) -> int:
    """Make sketches, or draw for them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make", help="write a data set of sketches")
    making.add_argument("--data", type=Path, required=True, help="images with labels, which are left out")
    making.add_argument("--out", type=Path, required=True, help="a new folder")
    making.add_argument(
        "--sigma", type=float, default=3.0, help="of the blur before edges are sought, pixels"
    )
    drawing = verbs.add_parser("draw", help="write a picture of what a run draws")
    add_common(drawing, draws=False, judges=False)
    drawing.add_argument("--draws", type=int, default=6, help="images of each sketch")
    chosen = parser.parse_args(arguments)
    return answer(
        lambda: make(chosen.data, chosen.out, chosen.sigma) if chosen.verb == "make" else _draw(chosen)
    )


if __name__ == "__main__":
    sys.exit(main())
