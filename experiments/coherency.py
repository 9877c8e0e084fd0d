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
import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import labelmint
from labelmint.datasets.canvas import PAIRS
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.evaluation.object_reader import ObjectReader, cut
from labelmint.metrics.coherence import Scene, SceneObject, composition_rules, scene_objects, violations
from labelmint.metrics.learned_rules import learn_rules
from labelmint.pictures import contact_sheet
from labelmint.runs.trained import TrainedSystem
from labelmint.segmenters.judge import Judge, train_judge
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet, Layout, LayoutObject

__all__ = ["coherency", "forbidden"]

COMPOSITIONS = ("pairs", "upper")
_AT_MOST = 3000  # training pairs that the readers learn from
_NARROWEST = 4  # pixels of the shorter side of a box; scraps of a label are no digits
_MERGE = 0.5


@dataclass(frozen=True)
class Readers:
    """Two ways to read digits from images, and what counts as an object: at least `smallest` pixels."""

    digits: ObjectReader
    judge: Judge
    classes: ClassSet
    without: frozenset[int]
    smallest: int

    def labelled(self, pair: AnnotatedImage) -> Scene:
        """The objects of a label."""
        return _broad(
            scene_objects(pair.layout.label_map, pair.layout.instances, self.without, self.smallest)
        )

    def read(self, pair: AnnotatedImage, scene: Scene) -> Scene:
        """The same objects, each with the class that the image shows in its box, whatever stands elsewhere."""
        objects = tuple(LayoutObject(class_id=item.class_id, box=item.box) for item in scene.objects)
        crops, _ = cut(
            [dataclasses.replace(pair, layout=Layout(label_map=pair.layout.label_map, objects=objects))]
        )
        read = self.digits.read(crops).tolist()
        return Scene(
            scene.size,
            tuple(dataclasses.replace(item, class_id=k) for item, k in zip(scene.objects, read, strict=True)),
        )

    def unet(self, pairs: Sequence[AnnotatedImage]) -> list[Scene]:
        """The objects that the images show to the U-Net; labels are not looked at."""
        maps = np.array(self.classes.ids)[self.judge.predict(np.stack([pair.image for pair in pairs]))]
        return [_broad(scene_objects(one, None, self.without, self.smallest, merge=_MERGE)) for one in maps]


def _broad(scene: Scene) -> Scene:
    """A scene without the scraps that are too narrow to be read."""
    return Scene(
        scene.size,
        tuple(item for item in scene.objects if min(np.subtract(item.box[2:], item.box[:2])) >= _NARROWEST),
    )


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
    readers = _readers(data, training, out, seed, judge_steps, reader_steps)
    scenes = [readers.labelled(pair) for pair in training]
    composition = _composition(scenes, data.source)
    rng = np.random.default_rng(seed)
    right = [readers.labelled(pair) for pair in real]
    given = {"right": right, "forbidden": [forbidden(scene, composition, rng) for scene in right]}
    rows = {
        name: list(system.synthesize(n, seed=seed, layouts=_in_memory(row, data)))
        for name, row in given.items()
    }
    for other, drawer in (others or {}).items():
        if drawer.size != system.size or drawer.classes != system.classes:
            raise InputError(
                f"{drawer.path}: was trained on images of another size or with other classes than "
                f"{system.path}"
            )
        rows |= {
            f"{other}_{name}": list(drawer.synthesize(n, seed=seed, layouts=_in_memory(row, data)))
            for name, row in given.items()
        }
    rows |= {"msgnet": list(system.synthesize(n, seed=seed)), "real": real}
    rows["pasted"] = _pasted(real, right, given["forbidden"], _background(training))
    rules = {
        "layouts": composition_rules(composition),
        "images": composition_rules(composition, tolerance=system.size[0] / 16),
    }
    names, grain = (
        dict(zip(data.classes.ids, data.classes.names, strict=True)),
        system.wired.reach / min(system.size),
    )
    rules["learned"] = learn_rules(scenes, names, grain=grain)
    for name, pairs in rows.items():
        contact_sheet(pairs, data.classes, out / f"{name}.png", columns=6, limit=n)
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
    (out / "coherency.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


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


# Layouts ----------------------------------------------------------------------------------------------------


def forbidden(scene: Scene, composition: str, rng: np.random.Generator) -> Scene:
    """A scene with the rule of its composition broken: another second digit, or digits in the lower half."""
    first, *others = scene.objects
    if composition == "pairs":
        allowed = {frozenset((a + 1, b + 1)) for a, b in PAIRS}
        wrong = [
            k for k in range(1, 11) if k != first.class_id and frozenset((k, first.class_id)) not in allowed
        ]
        changed = dataclasses.replace(others[0], class_id=int(rng.choice(wrong)))
        return Scene(scene.size, (first, changed, *others[1:]))
    count = int(rng.integers(1, len(scene.objects) + 1))
    return Scene(
        scene.size,
        tuple(_lowered(item, scene.size[0] // 2 * (k < count)) for k, item in enumerate(scene.objects)),
    )


def _lowered(item: SceneObject, by: int) -> SceneObject:
    x0, y0, x1, y1 = item.box
    return dataclasses.replace(item, box=(x0, y0 + by, x1, y1 + by))


def _in_memory(scenes: Sequence[Scene], data: DataSet) -> DataSet:
    """Scenes as a data set of layouts under black images; objects fill their boxes."""
    pairs = {f"layout_{i:06d}": _painted(f"layout_{i:06d}", scene) for i, scene in enumerate(scenes)}
    return DataSet(
        source="layouts given",
        format="memory",
        classes=data.classes,
        names=tuple(pairs),
        load=pairs.__getitem__,
    )


def _painted(name: str, scene: Scene) -> AnnotatedImage:
    labels, instances = np.zeros(scene.size, np.uint8), np.zeros(scene.size, np.uint8)
    for k, item in enumerate(scene.objects, start=1):
        x0, y0, x1, y1 = (round(value) for value in item.box)
        labels[y0:y1, x0:x1], instances[y0:y1, x0:x1] = item.class_id, k
    layout = Layout(label_map=labels, instances=instances)
    return AnnotatedImage(name=name, image=np.zeros((*scene.size, 1), np.uint8), layout=layout)


def _background(pairs: Sequence[AnnotatedImage]) -> Array:
    """What lies under the digits: a low quantile, for digits only brighten, and in the middle they lie half
    of the time.
    """
    return np.quantile([pair.image for pair in pairs], 0.05, axis=0, method="lower").astype(np.uint8)


def _pasted(
    real: Sequence[AnnotatedImage], right: Sequence[Scene], wrong: Sequence[Scene], background: Array
) -> list[AnnotatedImage]:
    """Images of forbidden scenes from the ink of real test digits: what a generator would draw that did as it
    was told.
    """
    ink = [np.where(pair.image > background, pair.image, 0) for pair in real]
    stock = [(item.class_id, ink[k], item.box) for k, scene in enumerate(right) for item in scene.objects]
    found = []
    for k, (before, scene) in enumerate(zip(right, wrong, strict=True)):
        image = background.copy()
        for old, new in zip(before.objects, scene.objects, strict=True):
            # Its own ink where the digit only moved, another canvas's where it was exchanged.
            source, box = ink[k], old.box
            if old.class_id != new.class_id:
                source, box = next(
                    ((one, where) for class_id, one, where in stock if class_id == new.class_id),
                    (ink[k], old.box),
                )
            x0, y0, x1, y1 = (round(value) for value in box)
            left, top = round(new.box[0]), round(new.box[1])
            cell = image[top : top + y1 - y0, left : left + x1 - x0]
            np.maximum(cell, source[y0:y1, x0:x1][: len(cell), : cell.shape[1]], out=cell)
        pair = _painted(real[k].name, scene)
        found.append(dataclasses.replace(pair, image=image))
    return found


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


def _composition(scenes: Sequence[Scene], source: str) -> str:
    """The composition whose rules all training scenes keep."""
    for composition in COMPOSITIONS:
        if not violations(composition_rules(composition), scenes).broken:
            return composition
    raise InputError(
        f"{source}: its training part keeps the rules of none of the compositions {', '.join(COMPOSITIONS)}; "
        "make it with `labelmint datasets make digits --composition pairs`"
    )


# Readers ----------------------------------------------------------------------------------------------------


def _readers(
    data: DataSet, training: Sequence[AnnotatedImage], out: Path, seed: int, judge_steps: int, steps: int
) -> Readers:
    without = data.classes.without_objects
    areas = [
        item.area
        for p in training
        for item in scene_objects(p.layout.label_map, p.layout.instances, without).objects
    ]
    if not areas:
        raise InputError(f"{data.source}: the training part holds no objects")
    digits = ObjectReader.train(*cut(training), seed=seed, steps=steps)
    judge = _judge(data.classes, training, out, seed, judge_steps)
    return Readers(digits, judge, data.classes, without, smallest=round(float(np.median(areas)) / 4))


def _judge(classes: ClassSet, training: Sequence[AnnotatedImage], out: Path, seed: int, steps: int) -> Judge:
    """A U-Net trained on nine tenths of the pairs, its weights chosen on the last tenth."""
    lookup = np.zeros(max(classes.ids) + 1, np.int16)
    lookup[list(classes.ids)] = np.arange(len(classes))
    images, labels = [pair.image for pair in training], [lookup[pair.layout.label_map] for pair in training]
    count = len(training) - max(len(training) // 10, 1)
    geometry = Geometry(size=training[0].layout.size)

    def pairs(part: slice) -> Pairs:
        return Pairs(images[part], labels[part], geometry, seed)

    return train_judge(
        out,
        _digest([*images, *labels], seed),
        pairs(slice(count)),
        pairs(slice(count, None)),
        image_channels=images[0].shape[2],
        classes=len(classes),
        foreground=tuple(range(1, len(classes))),
        config=SegmenterConfig(channels=(16, 32, 64, 128), steps=steps, evaluate_every=max(steps // 8, 1)),
        device=torch.device("cpu"),
        report=lambda event: None,
    )


def _digest(arrays: Sequence[Array], seed: int) -> str:
    digest = hashlib.sha256(str(seed).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


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
    try:
        data = labelmint.read(options.data)
        _parts(data, options.n)
        if options.msgnet is None:
            run, size = options.out / "msgnet", data[0].layout.size
            labelmint.train(
                data,
                run,
                system="msgnet",
                preset="tiny",
                size=size,
                seed=options.seed,
                max_minutes=options.minutes,
            )
        system = labelmint.load(options.msgnet or options.out / "msgnet")
        steps = {"judge_steps": options.judge_steps, "reader_steps": options.reader_steps}
        loaded = [labelmint.load(path) for path in options.other]
        others = {one.system: one for one in loaded}
        found = coherency(data, system, options.out, n=options.n, seed=options.seed, others=others, **steps)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, row in found["rows"].items():
        counts = ", ".join(
            f"{what} {row[what]['broken']}" for what in ("layouts", "at_boxes", "blind", "unet", "learned")
        )
        tell(f"{name}: of {options.n} broken: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
