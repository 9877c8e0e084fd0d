"""Layouts of digits with the rule of their composition broken, and images of such from the ink of real digits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from labelmint.datasets.canvas import PAIRS
from labelmint.errors import InputError
from labelmint.metrics.coherence import Scene, SceneObject, composition_rules, violations
from labelmint.types import AnnotatedImage, Array, DataSet, Layout

__all__ = ["background", "composition_of", "forbidden", "in_memory", "pasted"]

COMPOSITIONS = ("pairs", "upper")


def composition_of(scenes: Sequence[Scene], source: str) -> str:
    """The composition whose rules all training scenes keep; raises InputError where there is none."""
    for composition in COMPOSITIONS:
        if not violations(composition_rules(composition), scenes).broken:
            return composition
    raise InputError(
        f"{source}: its training part keeps the rules of none of the compositions {', '.join(COMPOSITIONS)}; "
        "make it with `labelmint datasets make digits --composition pairs`"
    )


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


def in_memory(scenes: Sequence[Scene], data: DataSet) -> DataSet:
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


def background(pairs: Sequence[AnnotatedImage]) -> Array:
    """What lies under the digits: a low quantile, for digits only brighten, and in the middle they lie half
    of the time.
    """
    return np.quantile([pair.image for pair in pairs], 0.05, axis=0, method="lower").astype(np.uint8)


def pasted(
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
