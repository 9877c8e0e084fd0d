"""The annotations of a COCO file as objects.

Annotations of the usual form are checked by thousands at once, their numbers in one array; each of another form is
checked alone, which says what is wrong with it. Both come to the same objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.coco_document import Id, as_id
from labelmint.formats.coco_extras import Stated
from labelmint.formats.files import finite
from labelmint.formats.painting import box_of, decode
from labelmint.formats.shapes import TOLERANCE, check_extent, parse_polygons, parse_rle, pixels_of_counts
from labelmint.types import Array, LayoutObject

__all__ = ["STANDARD_KEYS", "Annotations", "Size"]

# the others are attributes
STANDARD_KEYS = ("area", "bbox", "category_id", "id", "image_id", "iscrowd", "segmentation")
_STANDARD = frozenset(STANDARD_KEYS)
_TOGETHER = 4096
Size = tuple[int, int]
Annotation = Mapping[str, Any]


@dataclass(frozen=True)
class Annotations:
    """Reads annotations.

    Arguments:
        sizes: (H, W) of the images, by id.
        ids: category id -> class id.
        ignored: the class id of annotations that are marked `"ignore": 1`.
        listed: ids of the images that the file lists, there or not.
        source: the file, for messages. about: words for an image id, in messages.
        refuse: is called with the error of a bad annotation and its image id.
        stated: ids and areas of the objects that were read.
    """

    sizes: Mapping[Id, Size]
    ids: Mapping[Id, int]
    ignored: int
    listed: frozenset[Id]
    source: str
    about: Callable[[Id], str]
    refuse: Callable[[InputError, Id | None], None]
    stated: dict[Id, Stated] = field(default_factory=dict)

    def objects(self, annotations: list[Any]) -> dict[Id, list[LayoutObject]]:
        """The objects of each image that is there; the list is emptied meanwhile, to hold nothing twice."""
        found: dict[Id, list[LayoutObject]] = {image_id: [] for image_id in self.sizes}
        self.stated.update({image_id: Stated() for image_id in self.sizes})
        for start in range(0, len(annotations), _TOGETHER):
            some = annotations[start : start + _TOGETHER]
            annotations[start : start + _TOGETHER] = [None] * len(some)
            usual = self._usual(some)
            for index, annotation in enumerate(some):
                one = usual[index]
                if one is None:
                    self._alone(annotation, found)
                else:
                    found[annotation["image_id"]].append(one)
                    self.stated[annotation["image_id"]].add(annotation)
        return found

    def _usual(self, some: Sequence[Annotation]) -> list[LayoutObject | None]:
        """The objects of annotations of the usual form, None for each other."""
        made: list[LayoutObject | None] = [None] * len(some)
        kept = [i for i, one in enumerate(some) if self._is_usual(one)]
        if not kept:
            return made
        shapes = [some[i].get("segmentation") for i in kept]
        limits = np.array([self.sizes[some[i]["image_id"]][::-1] for i in kept], dtype=float)
        boxes = _numbers([some[i]["bbox"] for i in kept])
        if boxes is None:
            return made
        good = _sound_boxes(boxes, limits) & self._sound_runs(some, kept, shapes)
        good &= _sound_polygons(shapes, limits)
        boxes[:, 2:] += boxes[:, :2]
        for i, shape, edges, sound in zip(kept, shapes, boxes.tolist(), good.tolist(), strict=True):
            if sound:
                made[i] = self._object(some[i], shape, edges)
        return made

    def _is_usual(self, one: Annotation) -> bool:
        bbox = one.get("bbox")
        return (
            type(one.get("image_id")) is int
            and one["image_id"] in self.sizes
            and type(one.get("category_id")) is int
            and one["category_id"] in self.ids
            and one.get("iscrowd", 0) in _FLAGS
            and type(bbox) is list
            and len(bbox) == 4
            and type(one.get("segmentation")) in _SHAPES
        )

    def _sound_runs(self, some: Sequence[Annotation], kept: Sequence[int], shapes: Sequence[Any]) -> Array:
        """False for run lengths that are not compressed text for the image's size and pixels."""
        good = np.ones(len(kept), dtype=bool)
        at = [k for k, shape in enumerate(shapes) if type(shape) is dict]
        sizes = [self.sizes[some[kept[k]]["image_id"]] for k in at]
        texts = [  # no text is no run lengths
            shapes[k]["counts"]
            if shapes[k].get("size") == list(size) and type(shapes[k].get("counts")) is str
            else ""
            for k, size in zip(at, sizes, strict=True)
        ]
        good[at] = pixels_of_counts(texts) == np.array([h * w for h, w in sizes], dtype=np.int64)
        return good

    def _object(self, one: Annotation, shape: Any, edges: Sequence[float]) -> LayoutObject:
        rle = {"size": shape["size"], "counts": shape["counts"]} if type(shape) is dict else None
        return LayoutObject(
            class_id=self.ignored if one.get("ignore") else self.ids[one["category_id"]],
            box=(edges[0], edges[1], edges[2], edges[3]),
            rle=rle,
            polygons=tuple([tuple(map(float, points)) for points in shape])
            if shape and rle is None
            else None,
            crowd=bool(one.get("iscrowd", 0)),
            attributes={} if one.keys() <= _STANDARD else _attributes(one),
        )

    def _alone(self, annotation: Annotation, found: Mapping[Id, list[LayoutObject]]) -> None:
        image_id = as_id(annotation.get("image_id"))
        try:
            what = f"{self.source}: annotation {annotation.get('id')!r}"
            if image_id is None or image_id not in self.listed:
                raise InputError(
                    f"{what} has the unknown image id {annotation.get('image_id')!r}; list the image, or remove the "
                    f"annotation"
                )
            if image_id in found:
                what += f" of {self.about(image_id)!r}"
                found[image_id].append(self._checked(annotation, self.sizes[image_id], what))
                self.stated[image_id].add(annotation)
        except InputError as error:
            self.refuse(error, image_id)

    def _checked(self, annotation: Annotation, size: Size, what: str) -> LayoutObject:
        category, crowd = as_id(annotation.get("category_id")), annotation.get("iscrowd", 0)
        if category is None or category not in self.ids:
            raise InputError(
                f"{what} has the unknown category id {annotation.get('category_id')!r}; list the category, or remove "
                f"the annotation"
            )
        if crowd not in _FLAGS:
            raise InputError(f"{what} has iscrowd {crowd!r}; expected 0 or 1")
        rle, polygons = _shape(annotation.get("segmentation"), size, what)
        one = LayoutObject(
            class_id=self.ignored if annotation.get("ignore") else self.ids[category],
            box=(0.0, 0.0, 0.0, 0.0),
            rle=rle,
            polygons=polygons,
        )
        return LayoutObject(
            class_id=one.class_id,
            box=_box(annotation, one, size, what),
            rle=rle,
            polygons=polygons,
            crowd=bool(crowd),
            attributes=_attributes(annotation),
        )


_FLAGS = (0, 1)
_SHAPES = (list, dict, type(None))


def _attributes(annotation: Annotation) -> dict[str, Any]:
    return {key: value for key, value in annotation.items() if key not in _STANDARD}


def _numbers(lists: Sequence[Sequence[Any]]) -> Array | None:
    """Lists of four numbers as an array (N, 4); None where some hold anything else."""
    if not set(map(type, chain.from_iterable(lists))) <= {int, float}:
        return None
    try:
        return np.array(lists, dtype=float)
    except OverflowError:
        return None


def _sound_boxes(boxes: Array, limits: Array) -> Array:
    """True for boxes x, y, w, h that are finite, not negative in size and within their images (W, H)."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    within = (low >= -TOLERANCE) & (high <= limits + TOLERANCE) & (boxes[:, 2:] >= 0)
    return np.asarray(within.all(axis=1) & np.isfinite(boxes).all(axis=1))


def _sound_polygons(shapes: Sequence[Any], limits: Array) -> Array:
    """True for shapes that are no list, or one of polygons of at least three points within their images."""
    good = np.ones(len(shapes), dtype=bool)
    owners: list[int] = []
    polygons: list[list[Any]] = []
    for k, shape in enumerate(shapes):
        if not shape or type(shape) is dict:
            continue
        for one in shape:
            if type(one) is not list or len(one) < 6 or len(one) % 2:
                good[k] = False
                break
        else:
            owners.extend([k] * len(shape))
            polygons.extend(shape)
    if not polygons:
        return good
    starts = np.cumsum([0, *(len(one) // 2 for one in polygons[:-1])])
    sound = np.zeros(len(polygons), dtype=bool)
    if set(map(type, chain.from_iterable(polygons))) <= {int, float}:
        sound = _sound_points(polygons, starts, limits[owners])
    good[np.array(owners)[~sound]] = False
    return good


def _sound_points(polygons: Sequence[Sequence[float]], starts: Array, limits: Array) -> Array:
    """True for polygons whose points are finite and within their images, by where each starts in all points."""
    try:
        points = np.fromiter(chain.from_iterable(polygons), dtype=float).reshape(-1, 2)
    except OverflowError:
        return np.zeros(len(polygons), dtype=bool)
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    within = (low >= -TOLERANCE) & (high <= limits + TOLERANCE)  # false for NaN, which passes through both
    return np.asarray((within & np.isfinite(low) & np.isfinite(high)).all(axis=1))


def _shape(value: Any, size: Size, what: str) -> tuple[dict[str, Any] | None, Any]:
    """The run lengths or the polygons of a segmentation; none of them for one that is left empty."""
    if not value:
        return None, None
    if isinstance(value, dict):
        return parse_rle(value, size, what), None
    if not isinstance(value, list):
        raise InputError(f"{what} has a segmentation that is neither polygons nor run lengths")
    parts = [value] if all(map(finite, value)) else [one for one in value if one != []]
    runs = [one for one in parts if isinstance(one, dict)]
    if runs and len(runs) == len(parts):
        return _joined([parse_rle(one, size, f"{what}, part {i}") for i, one in enumerate(runs)]), None
    return None, parse_polygons(parts, size, what) or None


def _joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Run lengths of all pixels of several."""
    if len(parts) == 1:
        return parts[0]
    from pycocotools import mask as coco

    rle = coco.merge([{"size": one["size"], "counts": one["counts"]} for one in parts])
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def _box(
    annotation: Annotation, one: LayoutObject, size: Size, what: str
) -> tuple[float, float, float, float]:
    """The box of bbox, or around the shape where bbox is left out."""
    bbox = annotation.get("bbox")
    if bbox is None or (bbox == [] and (one.rle or one.polygons)):
        return _box_around(one, size, what)
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(finite, bbox)) or min(bbox[2:]) < 0:
        raise InputError(
            f"{what} has bbox {str(bbox)[:60]}; expected [x, y, width, height], finite and not negative in size"
        )
    x, y, width, height = map(float, bbox)
    check_extent(x, y, x + width, y + height, size, f"{what}: its box")
    return x, y, x + width, y + height


def _box_around(one: LayoutObject, size: Size, what: str) -> tuple[float, float, float, float]:
    if one.polygons:
        xs, ys = ([x for polygon in one.polygons for x in polygon[i::2]] for i in (0, 1))
        return min(xs), min(ys), max(xs), max(ys)
    if one.rle:
        return box_of(decode(one.rle, size))
    raise InputError(f"{what} has neither bbox nor segmentation")
