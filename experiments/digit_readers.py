"""Two ways to read digits from images: a classifier of what stands in a box, and a U-Net that finds the boxes."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.evaluation.object_reader import ObjectReader, cut
from labelmint.metrics.coherence import Scene, scene_objects
from labelmint.segmenters.judge import Judge, train_judge
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet, Layout, LayoutObject

__all__ = ["Readers", "train_readers"]

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
        """The objects, each with the class that the image shows in its box, whatever stands elsewhere."""
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


def train_readers(
    data: DataSet, training: Sequence[AnnotatedImage], out: Path, seed: int, judge_steps: int, steps: int
) -> Readers:
    """Readers that learned from these pairs of a data set; the U-Net is kept in the folder.

    Raises InputError where the pairs hold no object.
    """
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
