"""How far layouts drawn by a run of `boxes` lie from held-out ones, beside the training layouts and independent draws.

    python -m experiments.box_prior RUN DATA [-n 400] [--sheet boxes.png]

Independent draws have the numbers of objects of training layouts; each object has class, size and place of a training
object of its own. DATA is the real set; its test part is held out. Prints the distances of
`metrics.layout_statistics`, and one of overlaps: the Kolmogorov-Smirnov distance of the largest IoU that each box has
with another of its layout.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from experiments.sheet import sheet
from PIL import Image, ImageDraw

from labelmint.datasets.splits import held_out
from labelmint.formats import read
from labelmint.layouts.box_prior import BoxPrior
from labelmint.metrics.coherence import Scene, SceneObject
from labelmint.metrics.layout_statistics import kolmogorov_smirnov, layout_distances, layout_statistics
from labelmint.objectives.box_likelihood import BoxNats
from labelmint.pictures import palette
from labelmint.runs.box_prior import box_prior_of
from labelmint.runs.boxes_for import stored_boxes
from labelmint.runs.trained import TrainedSystem, load
from labelmint.types import Array, ClassSet

AT_ONCE = 50


def rows_of(boxes: Array) -> list[Array]:
    """Boxes (N, 5) of each layout, without the padding."""
    return [some[some[:, 0] >= 0] for some in boxes]


def drawn(run: TrainedSystem, count: int) -> list[Array]:
    """Layouts of the run's prior."""
    prior, found = box_prior_of(run), list[Array]()
    for first in range(0, count, AT_ONCE):
        seeds = [(0, index) for index in range(first, first + AT_ONCE)]
        boxes = prior.sample(seeds, {dial.name: dial.usual for dial in prior.dials}).boxes
        assert boxes is not None
        found += rows_of(boxes.double().numpy())
    return found[:count]


def independent(layouts: Sequence[Array], count: int) -> list[Array]:
    """Layouts whose objects know nothing of each other."""
    rng, every = np.random.default_rng(0), np.concatenate(layouts)
    lengths = rng.choice([len(one) for one in layouts], count)
    return [every[rng.integers(len(every), size=length)] for length in lengths]


def scenes(layouts: Sequence[Array], size: tuple[int, int]) -> list[Scene]:
    """Layouts of boxes as scenes."""
    return [
        Scene(
            size,
            tuple(
                SceneObject(
                    int(one[0]), tuple(one[1:].tolist()), round((one[3] - one[1]) * (one[4] - one[2]))
                )
                for one in layout
            ),
        )
        for layout in layouts
    ]


def overlaps(layouts: Sequence[Array]) -> Array:
    """The largest IoU of each box with another of its layout."""
    found = []
    for layout in layouts:
        low = np.maximum(layout[:, None, 1:3], layout[None, :, 1:3])
        high = np.minimum(layout[:, None, 3:], layout[None, :, 3:])
        both = np.prod(np.clip(high - low, 0, None), axis=2)
        areas = np.prod(layout[:, 3:] - layout[:, 1:3], axis=1)
        shares = both / (areas[:, None] + areas - both)
        np.fill_diagonal(shares, 0)
        found += shares.max(axis=1, initial=0).tolist()
    return np.array(found or [0.0])


def distances(layouts: Sequence[Array], real: Sequence[Array], run: TrainedSystem) -> dict[str, float]:
    """How far two sets of layouts lie apart, means over the classes."""
    kinds = sorted({int(one) for layout in real for one in layout[:, 0]})
    one, other = (layout_statistics(scenes(some, run.size), kinds) for some in (layouts, real))
    found = layout_distances(one, other)
    return {
        "counts": found.total_count_variation,
        "counts by class": float(np.mean([*found.count_variation.values()])),
        "sizes": float(np.mean([*found.area_ks.values()])),
        "places": float(np.mean([*found.occupancy_difference.values()])),
        "co-occurrence": found.cooccurrence_difference,
        "overlaps": kolmogorov_smirnov(overlaps(layouts), overlaps(real)),
    }


def nats_an_object(prior: BoxPrior, layouts: Sequence[Array]) -> float:
    """Nats that the prior needs of layouts, ends included, over their objects."""
    kind_of = {symbol: kind for kind, symbol in enumerate(prior.symbols)}
    written = []
    for layout in layouts:
        kinds = [kind_of[int(symbol)] for symbol in layout[:, 0]]
        written.append(prior.code.encode(np.column_stack([kinds, layout[:, 1:]])))
    nats, total = BoxNats(prior.code, 0.0), 0.0
    with torch.no_grad():
        for first in range(0, len(written), AT_ONCE):
            tokens = torch.from_numpy(np.stack(written[first : first + AT_ONCE]))
            total += float(nats(prior.prior, tokens, None) * len(tokens) * prior.prior.objects)
    return total / max(sum(map(len, layouts)), 1)


def uniform_nats(prior: BoxPrior) -> float:
    """Nats of an object among all that can be written."""
    code = prior.code
    return float(np.log(code.kinds + 1) + 2 * np.log(code.sizes) + 2 * np.log(code.places))


def picture(layout: Array, run: TrainedSystem, classes: ClassSet, factor: int = 2) -> Array:
    """A layout's boxes as outlines."""
    height, width = run.size
    image, colors = Image.new("RGB", (width * factor, height * factor), (255, 255, 255)), palette(classes)
    draw = ImageDraw.Draw(image)
    for symbol, x0, y0, x1, y1 in (layout * [1, *[factor] * 4]).tolist():
        color = colors[run.config.symbols[int(symbol)][0]]
        draw.rectangle(
            (round(x0), round(y0), max(round(x1) - 1, round(x0)), max(round(y1) - 1, round(y0))), None, color
        )
    return np.asarray(image)


def main() -> None:
    """Measure, print, and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("-n", type=int, default=400)
    parser.add_argument("--sheet", type=Path)
    asked = parser.parse_args()
    run, data = load(asked.run, device="cpu"), read(asked.data)
    prior = box_prior_of(run)
    rule = prior.rule
    training = rows_of(stored_boxes(run, rule)[1])
    test = data.subset(held_out(data) or ())
    boxes = run.as_trained.layouts(test).boxes if run.config.boxes is not None else None
    maps = run.layouts_of(test).numpy() if boxes is None else None
    real = rows_of(boxes.double().numpy()) if boxes is not None else [rule.of_map(one) for one in maps]  # type: ignore[union-attr]
    sets = {"prior": drawn(run, asked.n), "training": training, "independent": independent(training, asked.n)}
    print(f"{len(real)} held-out layouts, {sum(map(len, real)) / len(real):.1f} objects each")
    print(
        f"{nats_an_object(prior, real):.2f} nats an object of these, and {uniform_nats(prior):.2f} where all is alike"
    )
    for name, some in sets.items():
        figures = distances(some, real, run)
        mean = sum(map(len, some)) / len(some)
        print(
            json.dumps(
                {"set": name, "objects": round(mean, 2), **{k: round(v, 4) for k, v in figures.items()}}
            )
        )
    if asked.sheet is not None:
        rows = {"held out": real, **sets}
        cells = [[picture(one, run, run.classes) for one in some[:10]] for some in rows.values()]
        sheet(cells, asked.sheet, rows=[*rows])


if __name__ == "__main__":
    main()
