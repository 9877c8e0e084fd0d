"""Annotated images of every kind that formats are to keep, for their round trips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.contracts import check_format
from labelmint.formats import FORMATS, WRITABLE, read, write
from labelmint.formats.painting import objects_from_instances, paint
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

HOLDING_LAYOUTS = tuple(name for name in WRITABLE if not FORMATS[name].one_class)
SIZE = (9, 12)
CLASSES = ClassSet(
    (
        ClassInfo(id=0, name="background"),
        ClassInfo(id=1, name="cell", color=(9, 8, 7)),
        ClassInfo(id=3, name="Röhre & <Co>"),
        ClassInfo(id=700, name="far"),
    ),
    ignore=(255, 9),
)
ROADS = ClassSet((ClassInfo(id=0, name="road"), ClassInfo(id=1, name="car"), ClassInfo(id=2, name="bus")))
RING = np.pad(np.pad(np.zeros((2, 3), dtype=np.uint8), 2, constant_values=1), ((1, 2), (2, 3)))


def pair(name: str, layout: Layout, **provenance: str) -> AnnotatedImage:
    """A layout with an image of noise."""
    image = np.random.default_rng(len(name)).integers(0, 256, (*layout.size, 3), dtype=np.uint8)
    return AnnotatedImage(name=name, image=image, layout=layout, provenance=provenance)


def painted(*objects: LayoutObject) -> Layout:
    """The layout that formats of objects give for these."""
    label_map, instances = paint(objects, SIZE)
    return Layout(label_map=label_map, instances=instances, objects=objects)


def box(*edges: float, class_id: int = 1, crowd: bool = False, **attributes: Any) -> LayoutObject:
    """An object that is its box."""
    x0, y0, x1, y1 = edges
    return LayoutObject(class_id=class_id, box=(x0, y0, x1, y1), crowd=crowd, attributes=attributes)


def shaped(binary: np.ndarray, class_id: int = 1, crowd: bool = False, **attributes: Any) -> LayoutObject:
    """An object of run lengths."""
    (one,) = objects_from_instances(binary * class_id, (binary > 0).astype(np.uint16))
    return LayoutObject(class_id=class_id, box=one.box, rle=one.rle, crowd=crowd, attributes=attributes)


def outline(
    *polygons: tuple[float, ...], box: tuple[float, float, float, float], **more: Any
) -> LayoutObject:
    """An object of polygons."""
    return LayoutObject(class_id=more.pop("class_id", 1), box=box, polygons=polygons, attributes=more)


def _dots(*places: tuple[int, int]) -> np.ndarray:
    binary = np.zeros(SIZE, dtype=np.uint8)
    binary[tuple(zip(*places, strict=True))] = 1
    return binary


_TWO = ((1.5, 1.0, 9.0, 1.0, 5.0, 8.0), (0.0, 0.25, 2.0, 0.25, 0.1, 2.0))
OBJECTS = {
    "hole": painted(shaped(RING)),
    "several parts": painted(shaped(_dots((0, 0), (0, 1), (5, 5), (8, 11)))),
    "one pixel": painted(shaped(_dots((8, 11))), box(0, 0, 1, 1, class_id=3)),
    "no pixel": painted(
        LayoutObject(class_id=1, box=(2.0, 2.0, 2.0, 3.0), rle={"size": list(SIZE), "counts": "\\3"})
    ),
    "overlaps": painted(box(1, 1, 6, 6), box(3, 3, 9, 8, class_id=3), box(1, 1, 6, 6), shaped(RING, 3)),
    "touching instances": painted(box(0, 0, 4, 4), box(4, 0, 8, 4), box(0, 4, 4, 9)),
    "crowd": painted(shaped(RING, crowd=True), box(0, 0, 12, 9, class_id=3, crowd=True)),
    "between pixels": painted(box(10.1, 0.3, 11.399999999999999, 8.7), box(-1.25, -0.1, 2.3, 9.9)),
    "polygons": painted(
        outline(*_TWO, box=(0.0, 0.25, 9.0, 8.0)), outline(_TWO[0], box=(1.5, 1.0, 9.0, 8.0))
    ),
    "another box": painted(
        outline(*_TWO, box=(1.0, 1.0, 9.5, 8.0)), outline(*_TWO, box=(0.0, 0.25, 9.0, 8.0))
    ),
    "levels": painted(
        box(0, 0, 9, 9, z_order=5),
        box(2, 2, 4, 4, class_id=3),
        shaped(RING, 3, z_order=-1),
        box(1, 1, 3, 3, z_order=5),
    ),
    "names of formats": painted(
        LayoutObject(
            class_id=1, box=(0, 0, 3, 3), attributes={"crowd": True, "box": "[0, 0, 1, 1]", "group_id": 0}
        ),
        LayoutObject(class_id=3, box=(4, 0, 7, 3), crowd=True, attributes={"crowd": "dense", "box": 3.5}),
    ),
    "groups": painted(box(0, 0, 3, 3, group_id=4), shaped(RING, group_id=1), shaped(RING, group_id=1)),
    "attributes": painted(
        box(0, 0, 3, 3, score=0.25, truncated=True, who='Ä \n<&>" '), shaped(RING, occluded=True)
    ),
    "ignored": painted(
        box(1, 1, 3, 3, class_id=255), box(4, 4, 9, 9, class_id=9), box(4, 4, 6, 6, class_id=700)
    ),
    "empty": painted(),
}
MAPS = {
    "map only": Layout(label_map=RING),
    "instances": Layout(label_map=RING, instances=RING.astype(np.uint16) * 65535),
    "wide ids": Layout(label_map=RING.astype(np.uint16) * 700),
    "ignored map": Layout(label_map=np.where(RING == 1, 255, 9).astype(np.uint8)),
    "one line": Layout(label_map=np.ones((1, 20), dtype=np.uint8)),
}


def pairs_of(layouts: dict[str, Layout]) -> list[AnnotatedImage]:
    """A pair of each layout, with a name that has dots and signs."""
    return [
        pair(f"{name} ü.%2E.{i}", layout, seed="4", note="für")
        for i, (name, layout) in enumerate(layouts.items())
    ]


def check(format: str, pairs: Sequence[AnnotatedImage], classes: ClassSet, path: Path) -> None:
    """The laws of a format: what is written is read, and two writes are alike."""

    def write_it(some: Iterable[AnnotatedImage], to: Path, of: ClassSet) -> object:
        return write(some, to, format=format, classes=of)

    check_format(lambda to: read(to), write_it, pairs, classes, path)


def in_parts(classes: ClassSet = CLASSES) -> DataSet:
    """Six pairs, two of them in each of three parts but one, which is in none."""
    pairs = {name: pair(name, painted(box(i, 0, i + 2, 2))) for i, name in enumerate("abcdef")}
    load: Callable[[str], AnnotatedImage] = pairs.__getitem__
    return DataSet(
        source="six",
        format="six",
        classes=classes,
        names=tuple(pairs),
        load=load,
        train=("a", "b"),
        validation=("c", "d"),
        test=("e",),
    )
