"""Figures 6 and 7 of the MSGNet paper: what a generator draws for right and for forbidden layouts, beside
what it thinks up itself.

    python -m experiments.coherency --data DIR --out DIR [--msgnet RUN] [--n 24] [--seed 0]

The image half of a msgnet run draws whatever layout it is given: that is pre-MSGNet. It is given layouts of
the test part ("right"), and the same with their rule broken ("forbidden": another second digit in the
composition `pairs`; one, two or all digits moved to the lower half in `upper`). Runs of other systems, as of
cvq-vae, may be given beside it (--other) and draw the same layouts. The whole msgnet is given nothing. DIR
holds a composition of `labelmint datasets make digits` (or multi-mnist), which is told by its rules. Figure 8
needs CLEVR; its rule is `metrics.coherence.OneInCenter`.

For each row, and for real test images and such with their digits exchanged or moved as in the forbidden
layouts ("pasted"), coherency.json holds how many of n break each rule

    layouts       as the labels say
    at_boxes      as a classifier reads the digits that stand at the boxes of the labels; places are those of
                  the labels
    blind         as the images show without any label: a U-Net finds the objects, the classifier reads each
                  by itself
    unet          as the U-Net reads them alone
    learned       (on layouts) the rules that the training part keeps

and read_as_labelled, the share of digits at the boxes that read as their label says, and blind_as_labelled,
the share of images in which the blind reading finds the label's classes, no more and no fewer. Both readers
learn from real training pairs alone. "real" shows what they misread, "pasted" whether they see what is
forbidden: a U-Net has learned which digits go together, and where it is in doubt about one it follows the
other, so that its own reading finds images more coherent than they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from experiments.common import answer, write_json
from experiments.digit_readers import Readers, train_readers
from experiments.forbidden_layouts import background, composition_of, forbidden, in_memory, pasted

import labelmint
from labelmint.datasets.geometry import Geometry
from labelmint.errors import InputError
from labelmint.metrics.coherence import Scene, composition_rules, violations
from labelmint.metrics.learned_rules import learn_rules
from labelmint.pictures import contact_sheet
from labelmint.runs.trained import TrainedSystem
from labelmint.types import AnnotatedImage, ClassSet, DataSet, Layout

__all__ = ["coherency"]

_AT_MOST = 3000  # training pairs that the readers learn from


def coherency(
    data: DataSet,
    system: TrainedSystem,
    out: Path,
    *,
    n: int = 24,
    seed: int = 0,
    judge_steps: int = 800,
    reader_steps: int = 600,
    others: Mapping[str, TrainedSystem] | None = None,
) -> dict[str, Any]:
    """Write right.png, forbidden.png, msgnet.png, real.png, pasted.png and coherency.json; answer what the
    last holds.

    Arguments:
        data: canvases of the composition `pairs` or `upper`, with a test part.
        system: msgnet trained on them.
        out: a folder; the U-Net of the blind reading is kept there.
        n: images a row. seed: of layouts, images and readers.
        judge_steps, reader_steps: of training the two readers.
        others: more systems by name, as cvq-vae, to draw the same right and forbidden layouts: rows
            NAME_right, NAME_forbidden.
    """
    train, test = _parts(data, n)
    if not system.has_layout_prior:
        raise InputError(f"{system.path}: has no layouts of its own; give a run of the system msgnet")
    out.mkdir(parents=True, exist_ok=True)
    training = [_fitted(data.load(name), system.size) for name in train[:_AT_MOST]]
    real = [_fitted(data.load(name), system.size) for name in test[:n]]
    readers = train_readers(data, training, out, seed, judge_steps, reader_steps)
    scenes = [readers.labelled(pair) for pair in training]
    composition = composition_of(scenes, data.source)
    rng = np.random.default_rng(seed)
    right = [readers.labelled(pair) for pair in real]
    wrong = [forbidden(scene, composition, rng) for scene in right]
    given = {"right": in_memory(right, data), "forbidden": in_memory(wrong, data)}
    rows = _drawn(system, given, others or {}, n, seed)
    rows |= {"real": real, "pasted": pasted(real, right, wrong, background(training))}
    for name, pairs in rows.items():
        contact_sheet(pairs, data.classes, out / f"{name}.png", columns=6, limit=n)
    rules = _rules(composition, scenes, data.classes, system)
    found = {
        "composition": composition,
        "rules": [rule.text for rule in rules["layouts"]],
        "n": n,
        "seed": seed,
        "data": data.source,
        "run": str(system.path),
        "weights": system.digest,
        "smallest_object": readers.smallest,
        "judge": readers.judge.about,
        "rows": {name: _figures(pairs, readers, rules) for name, pairs in rows.items()},
    }
    write_json(out / "coherency.json", found)
    return found


def _drawn(
    system: TrainedSystem,
    given: Mapping[str, DataSet],
    others: Mapping[str, TrainedSystem],
    n: int,
    seed: int,
) -> dict[str, list[AnnotatedImage]]:
    """Rows of n images: for given layouts, by the system and by others, and the system's own."""
    rows = {name: list(system.synthesize(n, seed=seed, layouts=row)) for name, row in given.items()}
    for other, drawer in others.items():
        if drawer.size != system.size or drawer.classes != system.classes:
            raise InputError(
                f"{drawer.path}: was trained on images of another size or with other classes than "
                f"{system.path}"
            )
        for name, row in given.items():
            rows[f"{other}_{name}"] = list(drawer.synthesize(n, seed=seed, layouts=row))
    return {**rows, "msgnet": list(system.synthesize(n, seed=seed))}


def _rules(
    composition: str, scenes: Sequence[Scene], classes: ClassSet, system: TrainedSystem
) -> dict[str, Any]:
    """The rules of the composition for labels and for images, and those that the training scenes keep."""
    names, grain = dict(zip(classes.ids, classes.names, strict=True)), system.wired.reach / min(system.size)
    return {
        "layouts": composition_rules(composition),
        "images": composition_rules(composition, tolerance=system.size[0] / 16),
        "learned": learn_rules(scenes, names, grain=grain),
    }


def _figures(pairs: Sequence[AnnotatedImage], readers: Readers, rules: dict[str, Any]) -> dict[str, Any]:
    """The figures of one row."""
    labels, unet = [readers.labelled(pair) for pair in pairs], readers.unet(pairs)
    at_boxes, blind = (
        [readers.read(*both) for both in zip(pairs, scenes, strict=True)] for scenes in (labels, unet)
    )
    same = [
        a.class_id == b.class_id
        for x, y in zip(labels, at_boxes, strict=True)
        for a, b in zip(x.objects, y.objects, strict=True)
    ]
    return {
        "layouts": violations(rules["layouts"], labels).summary(),
        "at_boxes": violations(rules["images"], at_boxes).summary(),
        "blind": violations(rules["images"], blind).summary(),
        "unet": violations(rules["images"], unet).summary(),
        "learned": violations(rules["learned"], labels).summary(),
        "read_as_labelled": float(np.mean(same)) if same else None,
        "blind_as_labelled": float(
            np.mean([a.counts == b.counts for a, b in zip(labels, blind, strict=True)])
        ),
    }


# Data -------------------------------------------------------------------------------------------------------


def _parts(data: DataSet, n: int) -> tuple[list[str], list[str]]:
    """Names to train on and to test on."""
    test = list(data.test or ())
    if n < 1 or n > len(test):
        raise InputError(
            f"{data.source}: --n {n} takes as many test pairs, and test.txt lists {len(test)}; expected 1 to "
            f"as many"
        )
    held_out = set(test)
    return [name for name in data.train or data.names if name not in held_out], test


def _fitted(pair: AnnotatedImage, size: tuple[int, int]) -> AnnotatedImage:
    """A real pair at the size of the run, without its list of objects."""
    maps = [pair.layout.label_map] + ([] if pair.layout.instances is None else [pair.layout.instances])
    image, maps = Geometry(size=size).fit(pair.name, pair.image, maps)
    layout = Layout(label_map=maps[0], instances=maps[1] if len(maps) > 1 else None)
    return AnnotatedImage(name=pair.name, image=image, layout=layout)


# Command ----------------------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command; answers its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.coherency", description="Figures 6 and 7 of the MSGNet paper."
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="canvases of digits, composition pairs or upper"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for pictures and coherency.json")
    parser.add_argument(
        "--msgnet", type=Path, help="a run on these data; without it one is trained in OUT/msgnet"
    )
    parser.add_argument(
        "--other",
        action="append",
        default=[],
        metavar="RUN",
        help="one more run on these data, as of cvq-vae, to draw the given layouts; repeatable",
    )
    parser.add_argument("--n", type=int, default=24, help="images a row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=30, help="of training, without --msgnet")
    parser.add_argument(
        "--judge-steps", type=int, default=800, help="of the U-Net that reads images without labels"
    )
    parser.add_argument("--reader-steps", type=int, default=600, help="of the classifier that reads boxes")
    options = parser.parse_args(words)
    return answer(lambda: _work(options, tell))


def _work(options: argparse.Namespace, tell: Callable[[str], None]) -> None:
    data = labelmint.read(options.data)
    _parts(data, options.n)
    if options.msgnet is None:
        labelmint.train(
            data,
            options.out / "msgnet",
            system="msgnet",
            preset="tiny",
            size=data[0].layout.size,
            seed=options.seed,
            max_minutes=options.minutes,
        )
    system = labelmint.load(options.msgnet or options.out / "msgnet")
    found = coherency(
        data,
        system,
        options.out,
        n=options.n,
        seed=options.seed,
        judge_steps=options.judge_steps,
        reader_steps=options.reader_steps,
        others={one.system: one for one in map(labelmint.load, options.other)},
    )
    for name, row in found["rows"].items():
        counts = ", ".join(
            f"{what} {row[what]['broken']}" for what in ("layouts", "at_boxes", "blind", "unet", "learned")
        )
        tell(f"{name}: of {options.n} broken: {counts}")


if __name__ == "__main__":
    sys.exit(main())
