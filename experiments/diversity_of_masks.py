"""Figure 10 of the MSGNet paper: several images for one training layout; are they different, and are they the
training image?

    python -m experiments.diversity_of_masks --run RUN --data DIR --out DIR [--k 8] [--each 5]

For each of k training layouts `each` images are drawn. diversity_of_masks.png: the real image, the draws, the
last one under its layout, and the nearest view of any training image to the first. diversity_of_masks.json:
distances, mean and number of

    pixels     RMS in grey levels, on the pixels of the layout's objects
    features   Euclidean, on features of a U-Net trained on real pairs, in standard deviations of the training
               views' as a whole

    draws          between two draws of one layout
    to_own         from a draw to the real image of its layout
    to_own_test    the same for k layouts of the test part, whose images the run never saw
    real           between real images of different layouts (pixels: on the objects of one of them, so that it
                   is also a distance between objects and what else stands there; an upper mark, not a goal)

0 between draws would be one image drawn over and over; `draws` near `real` is all the variety there is. A
draw shares its layout with a training image, which no other image does, so it lies nearer to that one than to
others without being a copy, and the search for copies of `labelmint evaluate` (also here, with the share of
draws whose nearest training view is of the image that their layout came from) says more than it should. The
fair question is whether draws lie nearer to the images of training layouts (`to_own`) than to those of test
layouts (`to_own_test`): by the means, and `nearer`, the share of all pairs of a training and a test layout's
draw in which the first is the nearer one to its own image; 0.5 is no memory. LPIPS, which others report,
needs weights that labelmint does not load by itself: `labelmint evaluate --lpips-weights`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from experiments.common import RealData, add_common, answer, at_least, draw, judge_of, open_real, write_json
from experiments.sheet import sheet

import labelmint
from labelmint.datasets.pair import Pair
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.metrics.memorization import Memorization, memorization
from labelmint.metrics.nearest_view import nearest_views, view
from labelmint.pictures import overlay
from labelmint.runs.given import Given
from labelmint.segmenters.judge import Judge
from labelmint.types import AnnotatedImage, Array

__all__ = ["diversity_of_masks", "main", "on_objects"]

AT_ONCE = 16


def diversity_of_masks(
    real: RealData, judge: Judge, out: Path, *, k: int, each: int, seed: int, temperature: float
) -> dict[str, Any]:
    """Write diversity_of_masks.png and .json, and answer what the second holds.

    Arguments:
        real: the run and its data. judge: trained on them.
        k: training layouts, and as many of the test part, spread evenly over those that hold objects. each:
            images of one layout.
    """
    names, images, groups = _drawn(real, real.training, k, each, seed, temperature)
    _, test_images, test_groups = _drawn(real, real.test, k, each, seed + k, temperature)
    drawn = np.stack([pair.image for group in groups for pair in group])
    training = [one.image for one in real.training]
    copies = _copies(drawn, training, real, seed)
    found_views = copies.to_training if copies is not None else nearest_views(drawn, training, seed=seed)
    sources = [real.training[j].name for j in found_views.reference]
    own = [source == names[i // each] for i, source in enumerate(sources)]
    found = {
        "figure": 10,
        "run": str(real.system.path),
        "system": real.system.system,
        "weights": real.system.digest,
        "seed": seed,
        "data": real.data.source,
        "temperature": temperature,
        "layouts": names,
        "each": each,
        "judge": judge.about["sha256"],
        "pixels": _pixel_distances(images, groups, test_images, test_groups, real.classes.without_objects),
        "features": _feature_distances(judge, real, images, groups, test_images, test_groups),
        "copies": {
            "nearest_is_own": float(np.mean(own)),
            "draws": len(drawn),
            "training_images": len(training),
            "distance": float(np.mean(found_views.distance)),
            "copies": int(copies.copies.sum()) if copies is not None else None,
            "alarms_of_real": copies.alarms if copies is not None else None,
        },
    }
    cells = [
        [
            images[i],
            *(pair.image for pair in group),
            overlay(group[-1].image, group[-1].layout, real.classes),
            view(training, found_views, i * each),
        ]
        for i, group in enumerate(groups)
    ]
    heads = ["real", *(f"draw {j + 1}" for j in range(each)), "label", "nearest"]
    sheet(cells, out / "diversity_of_masks.png", columns=heads)
    write_json(out / "diversity_of_masks.json", found)
    return found


def _drawn(
    real: RealData, part: Sequence[Pair], k: int, each: int, seed: int, temperature: float
) -> tuple[list[str], list[Array], list[list[AnnotatedImage]]]:
    """Names, real images, and the draws for each of k pairs of a part."""
    system = real.system
    holding = [one.name for one in part if np.isin(one.ids, real.foreground).any()]
    if len(holding) < k:
        raise InputError(
            f"{real.data.source}: --k {k} asks for as many layouts with objects of the training and of the "
            f"test part, and one of "
            f"them has {len(holding)} of those that were loaded; take fewer, or a larger --at-most"
        )
    names = sorted(holding[i] for i in np.linspace(0, len(holding) - 1, k).round().astype(int))
    batch = system.pairs_of(real.data.subset(names)).fixed(0, k)
    images = list(EIGHT_BITS.from_unit(batch.image))
    groups = []
    for i in range(k):
        given = Given(ids=batch.layouts.ids[i : i + 1])
        at_once = min(each, AT_ONCE)
        groups.append(draw(system, given, each, batch_size=at_once, seed=seed + i, temperature=temperature))
    return names, images, groups


def _copies(drawn: Array, training: Sequence[Array], real: RealData, seed: int) -> Memorization | None:
    """The search for copies; None where too few held-out images are there to set its rule."""
    held_out = [*real.validation, *real.test]
    try:
        return memorization(
            drawn,
            training,
            [one.image for one in held_out],
            training_groups=[one.group for one in real.training],
            held_out_groups=[one.group for one in held_out],
            seed=seed,
        )
    except InputError:
        return None


# Distances --------------------------------------------------------------------------------------------------


def on_objects(a: Array, b: Array, objects: Array) -> float:
    """RMS difference of two images (H, W, C) in grey levels over the pixels of a mask (H, W) that is not
    empty.
    """
    return float(np.sqrt(np.square(a.astype(np.float64) - b.astype(np.float64))[objects].mean()))


def _pixel_distances(
    images: list[Array],
    groups: list[list[AnnotatedImage]],
    test_images: list[Array],
    test_groups: list[list[AnnotatedImage]],
    without: frozenset[int],
) -> dict[str, Any]:
    def mask(group: list[AnnotatedImage]) -> Array:
        return ~np.isin(group[0].layout.label_map, sorted(without))

    def to_own(real: list[Array], drawn: list[list[AnnotatedImage]]) -> list[float]:
        return [
            on_objects(pair.image, image, mask(group))
            for image, group in zip(real, drawn, strict=True)
            if mask(group).any()
            for pair in group
        ]

    # a coarse layout grid can lose all that is thin
    kept = [i for i, group in enumerate(groups) if mask(group).any()]
    draws = [
        on_objects(a.image, b.image, mask(groups[i])) for i in kept for a, b in combinations(groups[i], 2)
    ]
    others = [
        on_objects(images[i], images[j], mask(groups[i])) for i in kept for j in range(len(images)) if j != i
    ]
    return _summary(draws, to_own(images, groups), to_own(test_images, test_groups), others)


def _feature_distances(
    judge: Judge,
    real: RealData,
    images: list[Array],
    groups: list[list[AnnotatedImage]],
    test_images: list[Array],
    test_groups: list[list[AnnotatedImage]],
) -> dict[str, Any]:
    scale = max(float(np.sqrt(judge.features(real.seen.images).var(axis=0).sum())), 1e-12)

    def features(some: Sequence[Array]) -> Array:
        return judge.features(np.stack(some)) / scale

    def to_own(own: Array, drawn: list[Array]) -> list[float]:
        return [
            float(np.linalg.norm(one - mine)) for mine, group in zip(own, drawn, strict=True) for one in group
        ]

    own, drawn, drawn_test = (
        features(images),
        *([features([pair.image for pair in group]) for group in one] for one in (groups, test_groups)),
    )
    draws = [float(np.linalg.norm(a - b)) for group in drawn for a, b in combinations(group, 2)]
    others = [float(np.linalg.norm(a - b)) for a, b in combinations(own, 2)]
    return _summary(draws, to_own(own, drawn), to_own(features(test_images), drawn_test), others)


def _summary(
    draws: list[float], to_own: list[float], to_own_test: list[float], real: list[float]
) -> dict[str, Any]:
    """Means with their numbers, and the share of pairs in which a draw of a training layout is the nearer one
    (ties count half).
    """
    apart = np.subtract.outer(np.array(to_own), np.array(to_own_test))
    nearer = float(((apart < 0) + 0.5 * (apart == 0)).mean()) if apart.size else None
    means = {"draws": draws, "to_own": to_own, "to_own_test": to_own_test, "real": real}
    return {**{name: _mean(values) for name, values in means.items()}, "nearer": nearer}


def _mean(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": float(np.mean(values)) if values else None, "n": len(values)}


# Command ----------------------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command; answers its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.diversity_of_masks", description="Figure 10 of the MSGNet paper."
    )
    add_common(parser)
    parser.add_argument("--k", type=int, default=8, help="training layouts, and as many of the test part")
    parser.add_argument("--each", type=int, default=5, help="images of each")
    chosen = parser.parse_args(words)

    def work() -> None:
        at_least(1, k=chosen.k, judge_steps=chosen.judge_steps, at_most=chosen.at_most)
        at_least(2, each=chosen.each)
        real = open_real(
            chosen.run, labelmint.read(chosen.data), device=chosen.device, at_most=chosen.at_most
        )
        judge = judge_of(real, chosen.out, chosen, tell)
        found = diversity_of_masks(
            real,
            judge,
            chosen.out,
            k=chosen.k,
            each=chosen.each,
            seed=chosen.seed,
            temperature=chosen.temperature,
        )
        for what, unit in (
            ("pixels", "grey levels on objects"),
            ("features", "standard deviations of the U-Net's features"),
        ):
            parts = ", ".join(
                f"{name} {_number(found[what][name])}" for name in ("draws", "to_own", "to_own_test", "real")
            )
            nearer = found[what]["nearer"]
            tell(f"{what}: {parts} ({unit}); nearer to own: {'-' if nearer is None else f'{nearer:.2f}'}")
        copies = found["copies"]
        judged = (
            "not judged: too few held-out images"
            if copies["copies"] is None
            else f"{copies['copies']} copies"
        )
        tell(
            f"of {copies['draws']} draws: {judged}; nearest training view is the layout's own image for "
            f"{copies['nearest_is_own']:.0%}"
        )

    return answer(work)


def _number(one: dict[str, Any]) -> str:
    return "-" if one["mean"] is None else f"{one['mean']:.2f} (n {one['n']})"


if __name__ == "__main__":
    sys.exit(main())
