"""Figure 8 of the MSGNet paper: one object in the center, none in the corners, and reflections only where
objects are near.

    python -m experiments.reflection --run RUN --data DIR --out DIR [--layouts 500] [--pairs 32]
    [--judge-steps 800]

RUN learned from `labelmint datasets make clevr-192`. Three questions, each with its pictures, and
reflection.json:

    layouts     do layouts that the run draws keep the rule (`metrics.coherence.OneInCenter`)? Beside them
                those it was trained on and those of the test part; pieces below 0.2 % of the image are
                counted as objects ("strict") or not ("without_specks"). A system without a layout prior draws
                none.
    reflection  layouts of two objects are drawn with and without the second one, with the same random
                numbers. On the pixels of the object in the center
                    change = mean |with - without|,    floor = mean |with - with|, |without - without| of
                                                       other random numbers
                in grey levels, against the distance of the two outlines in shares of the image's side. Where
                the second object is
                mirrored, change / floor falls with the distance: Spearman's correlation, and the near half
                    beside the far half.
                The same random numbers do not hold the rest still: tokens are drawn one after the other, and
                    a changed one changes
                those after it. So change stands beside floor, and neither alone says anything.
    accepted    the layouts of real test pairs, and the same with the object in the center moved into a
                corner: what the image half draws when it is told to. `found`: share of the labelled objects
                of which a U-Net (trained on real pairs) reads at least half as their class; `broken`: images
                that break the rule as it reads them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiments.common import RealData, add_common, answer, at_least, judge_of, open_real, write_json
from experiments.mirrored import mirrored
from experiments.two_objects import AT_ONCE, TwoObjects, images_of, two_objects

import labelmint
from labelmint.datasets.objects import object_map
from labelmint.errors import InputError
from labelmint.metrics.coherence import OneInCenter, Scene, composition_rules, scene_objects, violations
from labelmint.metrics.detection import found_objects
from labelmint.pictures import contact_sheet
from labelmint.runs.trained import TrainedSystem
from labelmint.segmenters.judge import Judge
from labelmint.types import AnnotatedImage

__all__ = ["main", "reflection"]

SPECK = 0.002  # of the image


def reflection(
    real: RealData, judge: Judge, out: Path, *, layouts: int, pairs: int, seed: int, temperature: float
) -> dict[str, Any]:
    """Write the pictures and reflection.json, and answer what it holds.

    Arguments:
        real: the run and its data. judge: trained on them.
        layouts: how many are drawn and checked. pairs: layouts of two objects that images are drawn for.
    """
    system = real.system
    drawn = _drawn_layouts(system, layouts, seed)
    tested = system.layouts_of(real.data.subset(real.about.parts.test[:layouts]))
    from_test = _pick(system, tested, pairs)
    if not from_test:
        raise InputError(
            f"{real.data.source}: no test layout holds one object in the center and one other; make the data "
            f"with "
            "`labelmint datasets make clevr-192`"
        )
    own = _pick(system, drawn, pairs) if drawn is not None else []
    found = {
        "figure": 8,
        **real.origin,
        "seed": seed,
        "temperature": temperature,
        "layout_temperature": system.resolve({}).get("layout_temperature"),
        "judge": judge.about["sha256"],
        "layouts": {
            "drawn": None if drawn is None else _rule(system, drawn),
            "training": _rule(system, system.training_layouts()[:layouts]),
            "test": _rule(system, tested),
        },
        "reflection": {
            "layouts_from": "drawn" if own else "test part",
            **mirrored(system, own or from_test, real, out, seed, temperature),
        },
        "accepted": _accepted(real, judge, from_test, out, seed, temperature),
    }
    if drawn is not None:
        contact_sheet(
            images_of(system, drawn[:16].numpy(), seed, temperature), real.classes, out / "drawn.png"
        )
    write_json(out / "reflection.json", found)
    return found


# Layouts ----------------------------------------------------------------------------------------------------


def _drawn_layouts(system: TrainedSystem, count: int, seed: int) -> torch.Tensor | None:
    """Symbol maps (N, H, W) from the run's own prior; None where it has none."""
    source = system.own_layouts
    if source is None:
        return None
    blocks = [
        [(seed, i) for i in range(first, min(first + AT_ONCE, count))] for first in range(0, count, AT_ONCE)
    ]
    return torch.cat([source.sample(seeds, system.resolve({})).ids.cpu() for seeds in blocks])


def _rule(system: TrainedSystem, layouts: torch.Tensor) -> dict[str, Any]:
    """How many break the rule."""
    table, has_instances, without = (
        system.config.symbol_table,
        system.config.has_instances,
        system.classes.without_objects,
    )
    read = [table.layout(ids, has_instances) for ids in layouts.numpy()]
    speck = max(round(SPECK * read[0].label_map.size), 2)
    found: dict[str, Any] = {"rule": OneInCenter().text}
    for name, smallest in (("strict", 1), ("without_specks", speck)):
        scenes = [scene_objects(one.label_map, one.instances, without, smallest) for one in read]
        broken = violations(composition_rules("center"), scenes)
        found[name] = {
            **broken.summary(),
            "first_reasons": [reasons[0] for reasons in broken.reasons if reasons][:5],
        }
    return found


def _pick(system: TrainedSystem, layouts: torch.Tensor, count: int) -> list[TwoObjects]:
    found = (two_objects(system, ids) for ids in layouts.numpy())
    return [one for one in found if one is not None][:count]


# What is accepted -------------------------------------------------------------------------------------------


def _accepted(
    real: RealData, judge: Judge, chosen: list[TwoObjects], out: Path, seed: int, temperature: float
) -> dict[str, Any]:
    """Images for right layouts and for such with nothing in the center."""
    found: dict[str, Any] = {"n": len(chosen), "layouts_from": "test part"}
    for name, symbols in (
        ("right", [one.symbols for one in chosen]),
        ("wrong", [one.cornered for one in chosen]),
    ):
        pairs = images_of(real.system, np.stack(symbols), seed, temperature)
        contact_sheet(pairs[:12], real.classes, out / f"{name}.png")
        found[name] = _read(real, judge, pairs)
    found["real"] = _read(
        real, judge, [real.real.pair(i, real.classes) for i in range(min(len(real.real), 256))]
    )
    return found


def _read(real: RealData, judge: Judge, pairs: Sequence[AnnotatedImage]) -> dict[str, Any]:
    """What the judge finds of the labelled objects, and how many images break the rule as it reads them."""
    without, ids = real.classes.without_objects, np.array(real.classes.ids)
    readings = judge.predict(np.stack([pair.image for pair in pairs]))
    found, scenes, labelled = [], [], []
    for pair, reading in zip(pairs, readings, strict=True):
        numbered, classes = object_map(pair.layout.label_map, pair.layout.instances, without)
        found += found_objects(numbered, [real.classes.ids.index(k) for k in classes], reading).tolist()
        speck = max(round(SPECK * reading.size), 4)
        scenes.append(scene_objects(ids[reading], None, without, speck, merge=0.5))
        labelled.append(
            Scene(
                pair.layout.size, scene_objects(pair.layout.label_map, pair.layout.instances, without).objects
            )
        )
    rules = composition_rules("center")
    return {
        "images": len(pairs),
        "objects": len(found),
        "found": float(np.mean(found)) if found else None,
        "labels_broken": violations(rules, labelled).broken,
        "broken": violations(rules, scenes).broken,
    }


# Command ----------------------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command; answers its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.reflection", description="Figure 8 of the MSGNet paper."
    )
    add_common(parser)
    parser.add_argument("--layouts", type=int, default=500, help="drawn and checked by the rule")
    parser.add_argument(
        "--pairs",
        type=int,
        default=32,
        help="layouts of two objects that are drawn with and without the second",
    )
    chosen = parser.parse_args(words)
    return answer(lambda: _work(chosen, tell))


def _work(chosen: argparse.Namespace, tell: Callable[[str], None]) -> None:
    at_least(
        1, layouts=chosen.layouts, pairs=chosen.pairs, judge_steps=chosen.judge_steps, at_most=chosen.at_most
    )
    real = open_real(chosen.run, labelmint.read(chosen.data), device=chosen.device, at_most=chosen.at_most)
    found = reflection(
        real,
        judge_of(real, chosen.out, chosen, tell),
        chosen.out,
        layouts=chosen.layouts,
        pairs=chosen.pairs,
        seed=chosen.seed,
        temperature=chosen.temperature,
    )
    for line in _lines(found):
        tell(line)


def _lines(found: dict[str, Any]) -> list[str]:
    lines = []
    for name, one in found["layouts"].items():
        what = (
            "the system draws none"
            if one is None
            else (
                f"{one['strict']['broken']} of {one['strict']['scenes']} break the rule, "
                f"{one['without_specks']['broken']} without specks"
            )
        )
        lines.append(f"layouts, {name}: {what}")
    mirrored = found["reflection"]
    for name in ("near", "far"):
        if name in mirrored:
            one = mirrored[name]
            lines.append(
                f"{name}: distance {one['distance']:.2f}, change {one['change']:.1f}, floor "
                f"{one['floor']:.1f} grey levels"
            )
    rank = mirrored["spearman"]
    lines.append(
        f"rank correlation over {mirrored['n']}: "
        + (f"{rank['rho']:.2f}, p {rank['p']:.2g}" if rank else "not defined")
    )
    for name in ("right", "wrong", "real"):
        one = found["accepted"][name]
        share = (
            "none labelled"
            if one["found"] is None
            else f"{one['found']:.0%} of {one['objects']} objects found"
        )
        lines.append(f"{name}: {share}; {one['broken']} of {one['images']} images break the rule as read")
    return lines


if __name__ == "__main__":
    sys.exit(main())
