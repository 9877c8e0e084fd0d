"""The swap test of `bachgan-apart`: does another foreground leave the background as it was, and the reverse, and does
each change its own side?

    python -m experiments.swap_test --run RUN --data DIR --out DIR [--n 64] [--rows 6]

For n layouts of the test part an image is drawn, then again with `reseed` of the foreground alone and of the background
alone. swap_test.json: the figures of `labelmint.metrics.swap`, which of its aims they miss, and how many pixels and
crops they are of. Object pixels are those that the real map shows within boxes, or all within boxes where the data have
boxes alone. Features are those of a U-Net trained on real pairs; crops are boxes of at least 6 pixels a side, and
windows of half the image's sides that no box touches, enlarged to 32x32. Two real crops are of one kind where the boxes
are of one class, and where the windows stand at one place. swap_test.png: a layout a row, the real image, the drawn
one, and each code drawn anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from experiments.common import RealData, add_common, answer, at_least, judge_of, open_real, write_json
from experiments.sheet import sheet
from PIL import Image

import labelmint
from labelmint.datasets.scaling import EIGHT_BITS, as_channels
from labelmint.errors import InputError
from labelmint.generators.apart import ApartGenerator
from labelmint.generators.network import OneNetwork
from labelmint.metrics.swap import AIMS, border_gradient, missed, moved, share_changed
from labelmint.runs.draw import Draw
from labelmint.segmenters.judge import Judge
from labelmint.types import Array

__all__ = ["main", "swap_test"]

LEAST_SIDE, CROP, AT_ONCE, SHOWN = 6, 32, 32, 3  # pixels; pixels; images; draws of each code in the picture
CHANGED, LEAKED = 16, 8  # grey levels


class Scenes(NamedTuple):
    """What is drawn, and what is real: (N, H, W, C) images and (N, H, W) masks."""

    real: Array
    plain: Array
    foreground: Array
    background: Array
    inside: Array
    objects: Array
    boxes: list[Array]


def swap_test(real: RealData, judge: Judge, out: Path, *, n: int, rows: int, seed: int) -> dict[str, Any]:
    """Write swap_test.png and .json, and return what the second holds."""
    scenes, names = _scenes(real, n, seed)
    outside = ~scenes.inside
    cuts = [_cut(scenes, part) for part in ("objects", "windows")]
    (objects, kinds), (windows, places) = cuts
    figures = {
        "leak": share_changed(scenes.plain, scenes.foreground, outside, LEAKED),
        "kept": 1 - share_changed(scenes.plain, scenes.background, scenes.objects, CHANGED),
        "foreground": share_changed(scenes.plain, scenes.foreground, scenes.inside, CHANGED),
        "background": share_changed(scenes.plain, scenes.background, outside, CHANGED),
        "objects_moved": _moved(judge, objects, "foreground", kinds),
        "backgrounds_moved": _moved(judge, windows, "background", places),
        "border": border_gradient(scenes.plain, scenes.inside) / border_gradient(scenes.real, scenes.inside),
    }
    found = {
        **real.origin,
        "seed": seed,
        "judge": judge.about["sha256"],
        "figures": {name: value if np.isfinite(value) else None for name, value in figures.items()},
        "missed": missed(figures),
        "kept_in_boxes": 1 - share_changed(scenes.plain, scenes.background, scenes.inside, CHANGED),
        "border_anew": border_gradient(scenes.foreground, scenes.inside)
        / border_gradient(scenes.real, scenes.inside),
        "n": {
            "layouts": n,
            "pixels_outside": int(outside.sum()),
            "pixels_inside": int(scenes.inside.sum()),
            "object_pixels": int(scenes.objects.sum()),
            "objects": len(kinds),
            "windows": len(places),
        },
    }
    _picture(real, scenes, names, rows, seed, out)
    write_json(out / "swap_test.json", found)
    return found


def _scenes(real: RealData, n: int, seed: int) -> tuple[Scenes, list[str]]:
    system, held = real.system, [pair.name for pair in real.test]
    network = system.images.network if isinstance(system.images, OneNetwork) else None
    if not isinstance(network, ApartGenerator):
        raise InputError(f"{system.path}: {system.system} has no code of the foreground; train bachgan-apart")
    if len(held) < n:
        raise InputError(f"--n {n}: there are {len(held)} test pairs; take fewer")
    names = [held[k] for k in np.linspace(0, len(held) - 1, n).round().astype(int)]
    batch = system.pairs_of(real.data.subset(names)).fixed(0, n)
    seen = network.rule.see(batch.layouts)
    assert seen.boxes is not None
    boxes = [some[some[:, 0] >= 0] for some in seen.boxes.double().numpy()]
    inside = np.stack([_inside(some, (seen.ids.shape[1], seen.ids.shape[2])) for some in boxes])
    shown = np.isin(batch.layouts.ids.numpy(), list(network.rule.first)) & inside
    plain, foreground, background = (
        _drawn(real, names, seed, reseed)
        for reseed in ({}, {"foreground": seed + 1}, {"background": seed + 1})
    )
    scenes = Scenes(
        real=EIGHT_BITS.from_unit(batch.image),
        plain=plain,
        foreground=foreground,
        background=background,
        inside=inside,
        objects=shown if shown.any() else inside,
        boxes=boxes,
    )
    return scenes, names


def _inside(boxes: Array, size: tuple[int, int]) -> Array:
    """Pixels (H, W) whose centers lie in a box."""
    y, x = np.arange(size[0])[:, None] + 0.5, np.arange(size[1]) + 0.5
    found = np.zeros(size, bool)
    for _, x0, y0, x1, y1 in boxes:
        found |= (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    return found


def _drawn(real: RealData, names: Sequence[str], seed: int, reseed: dict[str, int]) -> Array:
    """Images of layouts, one each."""
    system = real.system
    given = system.given(system.pairs_of(real.data.subset(names)))
    how = Draw(seed=seed, batch_size=min(AT_ONCE, len(names)), layouts=given, reseed=reseed)
    chunks = -(-len(names) // how.batch_size)
    return np.stack([pair.image for k in range(chunks) for pair in system.chunk(k, how)][: len(names)])


def _cut(scenes: Scenes, part: str) -> tuple[dict[str, Array], list[int]]:
    """Crops (n, 32, 32, C) of all four kinds of images, and what kind each is of."""
    height, width = scenes.inside.shape[1:]
    places = [(y, x) for y in (0, height // 4, height // 2) for x in (0, width // 4, width // 2)]
    spots: list[tuple[int, int, tuple[int, int, int, int]]] = []
    for k, boxes in enumerate(scenes.boxes):
        if part == "objects":
            whole = [(int(s), *(round(side) for side in sides)) for s, *sides in boxes.tolist()]
            spots += [
                (k, s, (x0, y0, x1, y1)) for s, x0, y0, x1, y1 in whole if min(x1 - x0, y1 - y0) >= LEAST_SIDE
            ]
        else:
            windows = [(x, y, x + width // 2, y + height // 2) for y, x in places]
            spots += [
                (k, place, (x0, y0, x1, y1))
                for place, (x0, y0, x1, y1) in enumerate(windows)
                if not scenes.inside[k, y0:y1, x0:x1].any()
            ]
    crops = {
        name: np.array([_enlarged(getattr(scenes, name)[k], box) for k, _, box in spots], np.uint8)
        for name in ("real", "plain", "foreground", "background")
    }
    return crops, [kind for _, kind, _ in spots]


def _enlarged(image: Array, box: tuple[int, int, int, int]) -> Array:
    cut = Image.fromarray(as_channels(image, 3)).crop(box).resize((CROP, CROP), Image.Resampling.BILINEAR)
    return np.asarray(cut)[..., : image.shape[2]]


def _moved(judge: Judge, crops: dict[str, Array], anew: str, kinds: Sequence[int]) -> float:
    if not kinds:
        return float("nan")
    before, after, real = (judge.features(crops[name]) for name in ("plain", anew, "real"))
    return moved(before, after, real, kinds)


def _picture(real: RealData, scenes: Scenes, names: Sequence[str], rows: int, seed: int, out: Path) -> None:
    shown = sorted({*np.linspace(0, len(names) - 1, min(rows, len(names))).round().astype(int).tolist()})
    anew = [
        _drawn(real, names, seed, {stream: seed + k})
        for stream in ("foreground", "background")
        for k in range(1, SHOWN + 1)
    ]
    cells = [
        [
            scenes.real[k],
            _outlined(scenes.plain[k], scenes.boxes[k]),
            scenes.plain[k],
            *(one[k] for one in anew),
        ]
        for k in shown
    ]
    heads = ["real", "boxes", "drawn", *["foreground\nanew"] * SHOWN, *["background\nanew"] * SHOWN]
    sheet(cells, out / "swap_test.png", columns=heads)


def _outlined(image: Array, boxes: Array) -> Array:
    """An image with its boxes drawn in red, or white where it is grey."""
    found = image.copy()
    for x0, y0, x1, y1 in boxes[:, 1:].round().astype(int).tolist():
        for rows, columns in ((slice(y0, y1), [x0, x1 - 1]), ([y0, y1 - 1], slice(x0, x1))):
            found[rows, columns] = [255, 0, 0] if image.shape[2] == 3 else [255]
    return found


# Command ----------------------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.swap_test", description="The swap test of bachgan-apart."
    )
    add_common(parser, draws=False)
    parser.add_argument("--n", type=int, default=64, help="layouts of the test part (default 64)")
    parser.add_argument("--rows", type=int, default=6, help="of the picture (default 6)")
    chosen = parser.parse_args(words)

    def work() -> None:
        at_least(1, rows=chosen.rows, judge_steps=chosen.judge_steps, at_most=chosen.at_most)
        at_least(2, n=chosen.n)
        real = open_real(
            chosen.run, labelmint.read(chosen.data), device=chosen.device, at_most=chosen.at_most
        )
        judge = judge_of(real, chosen.out, chosen, tell)
        found = swap_test(real, judge, chosen.out, n=chosen.n, rows=chosen.rows, seed=chosen.seed)
        for name, (least, most) in AIMS.items():
            value, verdict = found["figures"][name], "missed" if name in found["missed"] else "met"
            shown = "not measured" if value is None else f"{value:.3f}"
            tell(f"{name}: {shown}, aim {least:g} to {most:g}, {verdict}")

    return answer(work)


if __name__ == "__main__":
    sys.exit(main())
