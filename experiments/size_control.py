"""Figure 16 of the MSGNet paper (long form): one object from a quarter to four times its size, and where that
fails.

    python -m experiments.size_control --run RUN --data DIR --class NAME --out DIR [--draws 4] [--n 16]
    [--alone]

A training layout that holds one object of the class, of about the median area, is taken; the object's sides
are multiplied by 0.25 ... 4 in 9 even steps of their logarithm, about its own middle, on top of whatever else
is there. With --alone the object stands alone in the middle of the background (which no training layout may
show: digits always come in company). A scale lies within the training range when the object's area does, by
the rule of which `labelmint synthesize --layouts` warns.

size_control.png: a row a draw, a column a scale, green bars within the training range; random numbers are the
same along a row. size_control_iou.png, size_control.json: for each scale, of n draws,

    iou        of the pixels that a U-Net (trained on real pairs) reads as the class, and those of the object
               as the generator saw it
    found      share of the draws with IoU >= 0.5
    read_area  pixels read as the class, over those of the object: 1 where size is obeyed, even when the place
               is not
    as_class   share of the object's pixels that are read as the class

`real` holds the same figures of real test images that hold one object of the class. An object cut by the
border has the area that is left. Where the layout grid keeps no pixel of the object there is nothing to find,
and the figures are null.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiments.common import RealData, add_common, answer, at_least, draw, judge_of, open_real, write_json
from experiments.sheet import sheet

import labelmint
from labelmint.datasets.objects import object_map
from labelmint.errors import InputError
from labelmint.pictures import overlay
from labelmint.runs.given import Given
from labelmint.runs.trained import TrainedSystem
from labelmint.segmenters.judge import Judge
from labelmint.synthesis.size_range import AT_MOST, TOLERANCE, object_sizes
from labelmint.types import AnnotatedImage, Array

__all__ = ["SCALES", "main", "scaled", "size_control"]

SCALES = tuple(float(x) for x in np.geomspace(0.25, 4, 9))


@dataclass(frozen=True)
class _Object:
    """An object of a training layout: symbols (H, W) around it, the background symbol under it, its mask and
    its symbol.
    """

    symbols: Array
    ground: int
    mask: Array
    symbol: int


def size_control(
    real: RealData,
    judge: Judge,
    class_name: str,
    out: Path,
    *,
    draws: int,
    n: int,
    seed: int,
    temperature: float,
    alone: bool,
) -> dict[str, Any]:
    """Write the pictures and size_control.json, and answer what it holds.

    Arguments:
        real: the run and its data. judge: trained on them.
        class_name: of the object. draws: rows of the picture. n: images a scale that figures are of.
        alone: one object on the background instead of its own layout.
    """
    system = real.system
    class_id = _class_id(system, class_name)
    areas = _areas(system, class_id)
    low, high = (1 - TOLERANCE) * areas.min(), (1 + TOLERANCE) * areas.max()
    chosen = _median_object(system, class_id, float(np.median(areas)), alone)
    rows: list[dict[str, Any]] = []
    pictures: list[list[AnnotatedImage]] = []
    for scale in SCALES:
        layout, mask = scaled(chosen.symbols, chosen.mask, scale, chosen.ground, chosen.symbol)
        given, count = Given(ids=torch.from_numpy(layout[None])), max(n, draws)
        pairs = draw(system, given, count, batch_size=count, seed=seed, temperature=temperature)
        pictures.append(pairs[:draws])
        about = {
            "scale": scale,
            "area": int(mask.sum()),
            "area_shown": int((pairs[0].layout.label_map == class_id).sum()),
            "within_training": bool(low <= mask.sum() <= high),
            "n": n,
        }
        rows.append({**about, **_figures(judge, pairs[:n], class_id, real)})
    found = {
        "figure": 16,
        "class": class_name,
        **real.origin,
        "seed": seed,
        "temperature": temperature,
        "alone": alone,
        "judge": judge.about["sha256"],
        "training": {
            "objects": len(areas),
            "layouts": min(len(system.training_layouts()), AT_MOST),
            "tolerance": TOLERANCE,
            "area": {"least": int(areas.min()), "median": float(np.median(areas)), "most": int(areas.max())},
        },
        "scales": rows,
        "real": _of_real(judge, real, class_id),
    }
    _pictures(found, pictures, real, out)
    write_json(out / "size_control.json", found)
    return found


def _class_id(system: TrainedSystem, name: str) -> int:
    known = dict(zip(system.classes.names, system.classes.ids, strict=True))
    if name not in known:
        raise InputError(f"--class {name}: the run has no such class; it has {', '.join(known)}")
    return known[name]


def _areas(system: TrainedSystem, class_id: int) -> Array:
    """Pixels of the class's objects in the training layouts."""
    sizes = object_sizes(system, system.training_layouts()[:AT_MOST])
    if class_id not in sizes:
        raise InputError(
            f"--class {system.classes.name_of(class_id)}: none of the first {AT_MOST} training layouts holds such "
            f"an object"
        )
    return sizes[class_id][:, 0]


# Layouts ----------------------------------------------------------------------------------------------------


def scaled(symbols: Array, mask: Array, scale: float, ground: int, symbol: int) -> tuple[Array, Array]:
    """The layout with its object `scale` times as wide and high about its middle, and the new mask; both (H,
    W).

    Arguments:
        symbols: (H, W). mask: (H, W) of the object. ground: symbol where it leaves a gap. symbol: its own.
    """
    rows, columns = np.nonzero(mask)
    middle = (rows.min() + rows.max() + 1) / 2, (columns.min() + columns.max() + 1) / 2
    # Each new pixel's middle is looked up where it lay before; beyond the picture there was nothing of the
    # object.
    sources = [
        np.floor((np.arange(side) + 0.5 - at) / scale + at).astype(int)
        for side, at in zip(mask.shape, middle, strict=True)
    ]
    inside = [(one >= 0) & (one < side) for one, side in zip(sources, mask.shape, strict=True)]
    looked_up = mask[
        np.ix_(*(np.clip(one, 0, side - 1) for one, side in zip(sources, mask.shape, strict=True)))
    ]
    new = looked_up & inside[0][:, None] & inside[1][None]
    layout = symbols.copy()
    layout[mask] = ground
    layout[new] = symbol
    return layout, new


def _median_object(system: TrainedSystem, class_id: int, median: float, alone: bool) -> _Object:
    """The object nearest to the median area of all that are the only one of their class and touch no border."""
    table, has_instances = system.config.symbol_table, system.config.has_instances
    without = system.classes.without_objects
    best: tuple[float, _Object] | None = None
    for ids in system.training_layouts()[:AT_MOST].numpy():
        layout = table.layout(ids, has_instances)
        numbered, classes = object_map(layout.label_map, layout.instances, without)
        if classes.count(class_id) != 1:
            continue
        mask = numbered == classes.index(class_id) + 1
        away = abs(float(mask.sum()) - median)
        if _touches_border(mask) or (best is not None and away >= best[0]):
            continue
        nothing = ids[np.isin(layout.label_map, sorted(without))]
        if nothing.size:
            best = (
                away,
                _Object(ids, int(np.bincount(nothing).argmax()), mask, int(np.bincount(ids[mask]).argmax())),
            )
    if best is None:
        raise InputError(
            f"{system.path}: no training layout holds just one object of class "
            f"{system.classes.name_of(class_id)!r} that stands on a "
            "background and touches no border; choose another --class"
        )
    return _centered(best[1]) if alone else best[1]


def _touches_border(mask: Array) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def _centered(one: _Object) -> _Object:
    """The object in the middle of nothing but background."""
    rows, columns = np.nonzero(one.mask)
    shift = [
        round((side - ends.min() - ends.max() - 1) / 2)
        for side, ends in zip(one.mask.shape, (rows, columns), strict=True)
    ]
    # it touches no border and moves to the middle: nothing comes round
    mask = np.roll(one.mask, shift, axis=(0, 1))
    symbols = np.full_like(one.symbols, one.ground)
    symbols[mask] = one.symbol
    return _Object(symbols, one.ground, mask, one.symbol)


# Figures ----------------------------------------------------------------------------------------------------


def _figures(judge: Judge, pairs: Sequence[AnnotatedImage], class_id: int, real: RealData) -> dict[str, Any]:
    place = real.classes.ids.index(class_id)
    read = judge.predict(np.stack([pair.image for pair in pairs])) == place
    return _agreement(np.stack([pair.layout.label_map == class_id for pair in pairs]), read)


def _agreement(asked: Array, read: Array) -> dict[str, Any]:
    """Means over the images of masks (N, H, W) that ask for something."""
    kept = asked.any(axis=(1, 2))
    if not kept.any():
        return {"iou": None, "iou_sd": None, "found": None, "read_area": None, "as_class": None}
    asked, read = asked[kept], read[kept]
    both, either = (x.sum(axis=(1, 2)) for x in (asked & read, asked | read))
    iou, wanted = both / either, asked.sum(axis=(1, 2))
    return {
        "iou": float(iou.mean()),
        "iou_sd": float(iou.std()),
        "found": float((iou >= 0.5).mean()),
        "read_area": float((read.sum(axis=(1, 2)) / wanted).mean()),
        "as_class": float((both / wanted).mean()),
    }


def _of_real(judge: Judge, real: RealData, class_id: int) -> dict[str, Any]:
    """The same figures of test views that hold one object of the class."""
    place, without = real.classes.ids.index(class_id), real.classes.without_objects
    ids = np.array(real.classes.ids)
    chosen = []
    for i, labels in enumerate(real.real.labels):
        instances = None if real.real.instances is None else real.real.instances[i]
        if place in labels and object_map(ids[labels], instances, without)[1].count(class_id) == 1:
            chosen.append(i)
    if not chosen:
        return {"n": 0, "iou": None}
    read = judge.predict(real.real.images[chosen]) == place
    return {"n": len(chosen), **_agreement(real.real.labels[chosen] == place, read)}


def _pictures(found: dict[str, Any], pictures: list[list[AnnotatedImage]], real: RealData, out: Path) -> None:
    from matplotlib.figure import Figure

    titles = [f"x {row['scale']:.2f}\n{row['area']} px" for row in found["scales"]]
    layouts = [overlay(pairs[0].image, pairs[0].layout, real.classes) for pairs in pictures]
    cells = [layouts, *([pairs[k].image for pairs in pictures] for k in range(len(pictures[0])))]
    rows = ["layout", *(f"draw {k + 1}" for k in range(len(pictures[0])))]
    marks = [row["within_training"] for row in found["scales"]]
    sheet(cells, out / "size_control.png", columns=titles, rows=rows, marks=marks)
    figure = Figure(figsize=(6, 3.6), dpi=100, layout="constrained")
    axes = figure.subplots()
    shown = [row for row in found["scales"] if row["iou"] is not None]
    for what, style in (("iou", "o-"), ("found", "s--"), ("as_class", "^:")):
        axes.plot(
            [row["scale"] for row in shown],
            [row[what] for row in shown],
            style,
            label=what.replace("_", " "),
            markersize=4,
        )
    area = found["training"]["area"]
    low, high = (
        ((1 + sign * TOLERANCE) * area[name] / area["median"]) ** 0.5
        for sign, name in ((-1, "least"), (1, "most"))
    )
    axes.axvspan(low, high, color="green", alpha=0.15, label="areas trained on")
    if found["real"]["iou"] is not None:
        axes.axhline(
            found["real"]["iou"], color="grey", linewidth=1, label=f"iou, real ({found['real']['n']})"
        )
    axes.set_xscale("log", base=2)
    axes.set(xlabel="sides, in those of the median training object", ylim=(0, 1.02), title=found["class"])
    axes.legend(fontsize=8)
    figure.savefig(out / "size_control_iou.png")


# Command ----------------------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command; answers its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.size_control", description="Figure 16 of the MSGNet paper."
    )
    add_common(parser)
    parser.add_argument(
        "--class", dest="class_name", required=True, metavar="NAME", help="whose size is changed"
    )
    parser.add_argument("--draws", type=int, default=4, help="rows of the picture")
    parser.add_argument("--n", type=int, default=16, help="images a scale that figures are of")
    parser.add_argument(
        "--alone", action="store_true", help="the object alone in the middle of the background"
    )
    chosen = parser.parse_args(words)
    return answer(lambda: _work(chosen, tell))


def _work(chosen: argparse.Namespace, tell: Callable[[str], None]) -> None:
    at_least(1, draws=chosen.draws, n=chosen.n, judge_steps=chosen.judge_steps, at_most=chosen.at_most)
    real = open_real(chosen.run, labelmint.read(chosen.data), device=chosen.device, at_most=chosen.at_most)
    _class_id(real.system, chosen.class_name)
    found = size_control(
        real,
        judge_of(real, chosen.out, chosen, tell),
        chosen.class_name,
        chosen.out,
        draws=chosen.draws,
        n=chosen.n,
        seed=chosen.seed,
        temperature=chosen.temperature,
        alone=chosen.alone,
    )
    area = found["training"]["area"]
    tell(
        f"{chosen.class_name}: trained on {area['least']} to {area['most']} pixels, median {area['median']:g}"
    )
    for row in found["scales"]:
        place = "within" if row["within_training"] else "outside"
        score = (
            "nothing left on the layout grid"
            if row["iou"] is None
            else f"IoU {row['iou']:.2f}, found {row['found']:.0%}"
        )
        tell(f"x {row['scale']:.2f}: {row['area']} pixels, {place}: {score} of {row['n']}")
    if found["real"]["iou"] is not None:
        tell(f"real test images: IoU {found['real']['iou']:.2f} of {found['real']['n']}")


if __name__ == "__main__":
    sys.exit(main())
