"""Writing the `yolo` format: `data.yaml`, images/PART/NAME and labels/PART/NAME.txt, as ultralytics reads them.

Ultralytics takes no text that has boxes and outlines, and of a set that has both it drops the outlines: where one
object of the set has an outline, boxes become outlines of their four corners, in all texts. A line holds one outline:
that of an object of several pieces, or with holes, runs through all of them (`single_outline`). Shares have 12 digits.
What has no place in a text is left out: crowds, regions to ignore, attributes, shapes without a pixel. Classes are
numbered from 0.

A pair without a part is written to train. Where pairs are named for training and others for nothing, those lie in
images/other, which data.yaml does not name; where no pair has a part, all lie in images/, which is both train and val.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from labelmint.errors import InputError
from labelmint.formats.format import PLAIN, Change, Part, Writing
from labelmint.formats.images_out import is_copied, write_image
from labelmint.formats.painting import level_of
from labelmint.formats.pieces import objects_of
from labelmint.formats.single_outline import single_outline
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, ClassSet, LayoutObject

__all__ = ["write_yolo"]

_FOLDERS: dict[Part, str] = {"train": "train", "validation": "val", "test": "test"}
_OTHER = "other"
_GROUND = "background"  # what readers call the ground that no name means
_CORNERS = "boxes are written as outlines of four corners, for the set has outlines"
_LEVELS = "objects lose their z_order, and lie above others by their size alone"
_CUT = 1e-9  # shares; what reaches less far over the border is not told

Size = tuple[int, int]
Shares = tuple[float, ...]


def write_yolo(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write images, labels and at the end data.yaml into an empty folder that exists; returns the names.

    Raises InputError for a doubled name and an unknown class id.
    """
    numbers = _Numbers(classes)
    names: dict[str, None] = {}
    boxes: list[str] = []  # texts of boxes alone, which become outlines where others are
    places: dict[str, tuple[Path, Path]] = {}  # the folders of images and labels
    others = _others(writing)
    outlined, corners = False, 0  # whether the set has outlines, and how many boxes it has

    def described() -> Iterator[tuple[AnnotatedImage, str, str]]:
        nonlocal outlined, corners
        for pair in uniquely_named(pairs, names):
            part, size = writing.parts.get(pair.name), pair.layout.size
            place = _FOLDERS[part] if part else others
            if place not in places:
                places[place] = folder / "images" / place, folder / "labels" / place
                for one in places[place]:
                    one.mkdir(parents=True)
            said = objects_of(pair.layout, classes, writing.change, ignored=False)
            rows = [(numbers.of(one, pair.name), one) for one in said if numbers.has(one)]
            writing.change("overlaps approximated", _LEVELS, sum(level_of(one) != 0 for _, one in rows))
            lines = [(number, some) for number, one in rows if (some := _shares(one, size, writing.change))]
            apart = sum(len(shares) > 4 for _, shares in lines)
            outlined, corners = outlined or apart > 0, corners + len(lines) - apart
            if lines and not outlined:
                boxes.append(f"{place}/{pair.name}.txt" if place else f"{pair.name}.txt")
            yield pair, place, _text(lines, outlined)

    def put(one: tuple[AnnotatedImage, str, str]) -> None:
        pair, place, text = one
        images, labels = places[place]
        write_image(images, pair, writing)
        _write(labels / f"{pair.name}.txt", text)

    write_each(described(), put, lambda one: is_copied(one[0], writing))
    writing.change("boxes approximated", _CORNERS, corners if outlined else 0)
    writing.change("wide approximated", "classes have ids above 255 and are numbered anew", numbers.wide)
    for name in boxes if outlined else ():
        file = folder / "labels" / name
        _write(file, _text(_parsed(file), outlined))
    write_text(folder / "data.yaml", _data_yaml(places, numbers.names(classes)))
    return list(names)


class _Numbers:
    """The number of each class: its category where those count from 0 without a gap, else its place by id.

    Readers add a ground called "background" where no name means one, and else take the first that does. So the ground
    has a number where it is called otherwise, or an object is of it: the last; and where there are several backgrounds
    all classes are numbered by id, which puts it before the others.
    """

    def __init__(self, classes: ClassSet) -> None:
        several = len(classes.backgrounds) > 1
        listed = [
            info
            for info in classes.classes
            if several or info.category is not None or info.id != classes.ground
        ]
        categories = [info.category for info in listed]
        counted = not several and {*categories} == {*range(len(listed))}
        self._numbers = {
            info.id: info.category if counted and info.category is not None else place
            for place, info in enumerate(listed)
        }
        self._ignored, self._ground = {*classes.ignore}, classes.ground
        if classes.ground is not None and classes.name_of(classes.ground) != _GROUND:
            self._numbers.setdefault(classes.ground, len(self._numbers))

    def has(self, one: LayoutObject) -> bool:
        """Has an object a place in this format?"""
        return not one.crowd and one.class_id not in self._ignored

    def of(self, one: LayoutObject, name: str) -> int:
        """The number of an object's class."""
        if one.class_id == self._ground:
            self._numbers.setdefault(one.class_id, len(self._numbers))
        if one.class_id not in self._numbers:
            raise InputError(
                f"an object of {name!r} has class id {one.class_id}, which is not in the class list"
            )
        return self._numbers[one.class_id]

    @property
    def wide(self) -> int:
        """How many classes have ids above 255."""
        return sum(i > 255 for i in self._numbers)

    def names(self, classes: ClassSet) -> dict[int, str]:
        """The name of each number, in order."""
        return {
            number: classes.name_of(i) for i, number in sorted(self._numbers.items(), key=lambda two: two[1])
        }


def _others(writing: Writing) -> str:
    """The folder of pairs that are in no part, below images/ and labels/."""
    if not writing.parts:
        return ""
    return _OTHER if "train" in writing.parts.values() else "train"


def _shares(one: LayoutObject, size: Size, change: Change) -> Shares:
    """A box as x and y of its center, width and height, or an outline, in shares of an image of `size` (H, W); nothing
    for a shape without pixels.
    """
    outline = single_outline(one, size, change)
    if outline is None:
        (x0, y0, x1, y1), (height, width) = one.box, size
        shares = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height)
        if all(0 <= share <= 1 for share in shares):
            return shares
        change("boxes approximated", "boxes are cut at the border of their image", 1)
        x0, x1, y0, y1 = (*_inside(width, x0, x1), *_inside(height, y0, y1))  # what readers refuse is cut
        return (x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height
    if not outline:
        change("polygons approximated", "shapes without a pixel are left out", 1)
        return ()
    found = [0.0] * len(outline)
    found[::2] = [x / size[1] for x in outline[::2]]
    found[1::2] = [y / size[0] for y in outline[1::2]]
    if min(found) >= 0 and max(found) <= 1:
        return tuple(found)
    if min(found) < -_CUT or max(found) > 1 + _CUT:
        change("polygons approximated", "outlines are cut at the border of their image", 1)
    return tuple(_inside(1, *found))


def _inside(length: float, *edges: float) -> list[float]:
    return [min(max(edge, 0.0), float(length)) for edge in edges]


def _text(lines: Sequence[tuple[int, Shares]], outlined: bool) -> str:
    """The text of a label; boxes as outlines of their corners where the set has outlines."""
    shown = [
        (number, _corners(shares) if outlined and len(shares) == 4 else shares) for number, shares in lines
    ]
    return "".join([f"{number} {_joined(shares)}\n" for number, shares in shown])


def _joined(shares: Shares) -> str:
    """Shares with blanks between them; the last has a decimal point, since a whole number there is a track."""
    text = " ".join([f"{share:.12f}".rstrip("0").rstrip(".") for share in shares])
    return text if "." in text.rpartition(" ")[2] else f"{text}.0"


def _corners(shares: Shares) -> Shares:
    x, y, width, height = shares
    x0, x1, y0, y1 = (*_inside(1, x - width / 2, x + width / 2), *_inside(1, y - height / 2, y + height / 2))
    return x0, y0, x1, y0, x1, y1, x0, y1


def _write(file: Path, text: str) -> None:
    """Write a text; the folder is no data set before it is whole, so none is written aside."""
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def _parsed(file: Path) -> list[tuple[int, Shares]]:
    """The lines of a text that was written here."""
    rows = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
    return [(int(number), tuple(map(float, shares))) for number, *shares in rows]


def _data_yaml(places: Iterable[str], names: dict[int, str]) -> str:
    import yaml

    there = {*places}
    folders: dict[str, Any] = {key: f"images/{key}" for key in _FOLDERS.values() if key in there}
    first = "images" if "" in there else folders.get("train", [])
    document: dict[str, Any] = {"train": first, "val": folders.get("val", first)}
    document |= {"test": folders["test"]} if "test" in folders else {}
    return yaml.safe_dump(document | {"names": names}, sort_keys=False, allow_unicode=True, width=1 << 20)
