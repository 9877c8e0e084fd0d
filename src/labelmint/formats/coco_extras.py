"""What COCO files say beside their objects: ids, licenses, supercategories and other keys, kept with the data set and
given back where it is written as COCO again.

An id is given back where all of its kind in a written file differ; else all of them are counted from 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from labelmint.formats.coco_classes import CLASS_ID, GROUND, MADE_UP, Classes, Merged, color_of
from labelmint.formats.coco_document import Document, Id, as_id
from labelmint.formats.files import finite
from labelmint.formats.format import Part, Writing
from labelmint.types import Finding

__all__ = ["Extras", "Numbers", "Stated", "beside_lists", "gathered"]

_OF_IMAGES = ("id", "file_name", "width", "height")
_OF_CATEGORIES = ("id", "name", CLASS_ID, MADE_UP)
_OURS = "Written by labelmint."
_WRITTEN_BY = "written_by"  # under "info", where the description is that of the data


@dataclass(slots=True)
class Stated:
    """Ids and areas that the annotations of an image state, in the order of its objects; None where they do not."""

    ids: list[Id | None] = field(default_factory=list)
    areas: list[float | None] = field(default_factory=list)

    def add(self, annotation: Mapping[str, Any]) -> None:
        """Take those of the next object in."""
        area = annotation.get("area")
        self.ids.append(as_id(annotation.get("id")))
        self.areas.append(area if finite(area) else None)

    def __iadd__(self, other: Stated) -> Stated:
        self.ids += other.ids
        self.areas += other.areas
        return self


@dataclass(frozen=True)
class Extras:
    """What COCO files say beside their objects.

    Arguments:
        top: what stands beside "images", "annotations" and "categories".
        categories: class id -> the further keys of its category.
        images: name of a pair -> the id and the further keys of its image.
        objects: name of a pair -> what its annotations state; empty for panoptic files.
    """

    top: Mapping[str, Any]
    categories: Mapping[int, Mapping[str, Any]]
    images: Mapping[str, Mapping[str, Any]]
    objects: Mapping[str, Stated] = field(default_factory=dict)

    def __str__(self) -> str:
        """What no other format has, in words; empty where there are no keys, and images are counted from 1."""
        kinds = (self.top, *self.categories.values(), *self.images.values())
        keys = sorted({key for one in kinds for key in one} - {"id"})
        if {one["id"] for one in self.images.values()} == set(range(1, len(self.images) + 1)):
            return ", ".join(keys)
        return ", ".join(["ids of images and objects", *keys])


def gathered(
    documents: Sequence[Document],
    together: Merged,
    classes: Classes,
    names: Sequence[Mapping[Id, str]],
    objects: Mapping[str, Stated],
) -> Extras:
    """The extras of the files of a set.

    Arguments:
        documents: the files. together: their categories. classes: what these mean.
        names: of each file, id of an image -> name of its pair. objects: as `Extras` has them.
    """
    images = {
        names[k][one["id"]]: {key: value for key, value in one.items() if key not in _OF_IMAGES[1:]}
        for k, document in enumerate(documents)
        for one in document.images
        if one["id"] in names[k]
    }
    categories = {}
    for one in together.categories:
        kept = {key: value for key, value in one.items() if key not in _OF_CATEGORIES}
        if color_of(one) is not None:
            del kept["color"]
        if one.get("ignore") is True:
            kept["name"] = one["name"]
        if kept:
            categories[classes.ids[one["id"]]] = kept
    return Extras(_top(documents), categories, images, objects)


def _top(documents: Sequence[Document]) -> dict[str, Any]:
    """What stands beside the lists: of the first file that has it; licenses of all files, where their ids differ."""
    top: dict[str, Any] = {}
    licenses: list[Any] = []
    for document in documents:
        top = {**document.others, **top}
        listed = document.others.get("licenses")
        licenses += [one for one in listed if one not in licenses] if isinstance(listed, list) else []
    ids = [one.get("id") if isinstance(one, dict) else one for one in licenses]
    if "licenses" in top and not any(one in ids[:k] for k, one in enumerate(ids)):
        top["licenses"] = licenses
    said = top.pop("info", None)
    info = {key: value for key, value in said.items() if key != GROUND} if isinstance(said, dict) else {}
    if str(info.get("description")).startswith(_OURS):
        del info["description"]
    return top | ({"info": info} if info else {})


def beside_lists(extras: Extras | None, info: Mapping[str, Any]) -> dict[str, Any]:
    """What is written beside the lists, given what the writer says under "info": its description steps back behind that
    of the data.
    """
    top = {} if extras is None else dict(extras.top)
    kept = top.pop("info", {})
    ours = {_WRITTEN_BY: info["description"]} if "description" in kept else {}
    return top | {"info": {**info, **kept, **ours}}


class Numbers:
    """The ids of images and annotations that are written.

    Arguments:
        writing: with the extras of the data, where they are COCO's. apart: whether each part has a file of its own.
    """

    def __init__(self, writing: Writing, apart: bool) -> None:
        extras = writing.extras
        self.extras = extras if isinstance(extras, Extras) else None
        self._images, self._objects = count(1), count(1)
        self._kept_images: set[str] = set()
        self._kept_objects: set[str] = set()
        if self.extras is None:
            return
        files: dict[Part | None, list[str]] = defaultdict(list)
        for name in self.extras.images:
            files[writing.parts.get(name) if apart else None].append(name)
        images = {name: [one["id"]] for name, one in self.extras.images.items()}
        objects = {name: one.ids for name, one in self.extras.objects.items()}
        for those in files.values():
            self._kept_images |= _told_apart(images, those)
            self._kept_objects |= _told_apart(objects, those)
        self._images = count(_above(images, self._kept_images))
        self._objects = count(_above(objects, self._kept_objects))
        for kind, ids, kept in (
            ("images", images, self._kept_images),
            ("objects", objects, self._kept_objects),
        ):
            anew = sum(number is not None for name in ids.keys() - kept for number in ids[name])
            if anew:
                text = f"{anew} ids of {kind} are counted anew: of some that are written in one file two are equal"
                writing.tell(Finding(kind="ids lost", text=text))

    def image(self, name: str) -> dict[str, Any]:
        """The id and the further keys of the next image."""
        known = self.extras.images.get(name, {}) if self.extras is not None else {}
        return {**known, "id": known["id"] if name in self._kept_images else next(self._images)}

    def annotations(self, name: str) -> Iterator[tuple[Id, float | None]]:
        """The ids of the objects of an image, and the areas that are stated, in order and without end."""
        stated = self.extras.objects.get(name, Stated()) if self.extras is not None else Stated()
        kept = name in self._kept_objects
        for number, area in zip(stated.ids, stated.areas, strict=True):
            yield (number if kept and number is not None else next(self._objects)), area
        yield from ((number, None) for number in self._objects)


def _told_apart(ids: Mapping[str, Sequence[Id | None]], names: Sequence[str]) -> set[str]:
    """The names, if all their ids are there and differ; else none."""
    found = [number for name in names for number in ids.get(name, ())]
    return set(names) if None not in found and len(set(found)) == len(found) else set()


def _above(ids: Mapping[str, Sequence[Id | None]], names: set[str]) -> int:
    """A number above all ids of some names."""
    numbers = (number for name in names for number in ids.get(name, ()) if isinstance(number, int))
    return max(numbers, default=0) + 1
