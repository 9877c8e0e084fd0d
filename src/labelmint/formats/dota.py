"""The `dota` format, read only: oriented boxes in a text an image, as DOTA and Roboflow's "yolo_obb" have them.

    SPLIT/images/NAME.png    SPLIT/labelTxt/NAME.txt: x1 y1 x2 y2 x3 y3 x4 y4 class difficulty, in pixels

Lines such as `imagesource:GoogleEarth` and `gsd:0.15` stand before the objects. Each object is a polygon of four points
with its difficulty as an attribute. Classes are in the order of data.yaml where it lies there, else of their names;
0 is "background". Oriented boxes reach over the border of an image that was cut from a larger one: they are cut there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from labelmint.errors import InputError
from labelmint.formats.format import AS_USUAL, KEPT, Carries, Format, Orientation, Reading
from labelmint.formats.joined_shapes import inside
from labelmint.formats.odd import Odd
from labelmint.formats.shapes import TOLERANCE
from labelmint.formats.yolo_config import class_names, config_of, parts_of
from labelmint.formats.yolo_layout import Tree, known_place, tree_of
from labelmint.formats.yolo_sources import (
    Bad,
    Loader,
    Source,
    check_labels,
    counted_from_zero,
    data_set,
    labelled,
    raised,
    skipped,
    sources_by_name,
)
from labelmint.types import DataSet, LayoutObject

__all__ = ["FORMAT", "read_dota"]

_WORDS = ("labeltxt*",)
_HEADS = ("imagesource", "gsd")

Size = tuple[int, int]


class _Line(NamedTuple):
    """One object: where it stands, for messages; its class; its corners; and its difficulty where it has one."""

    what: str
    name: str
    corners: tuple[float, ...]
    difficulty: int | None


def read_dota(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from its folder, or from the data.yaml in it."""
    odd = Odd(reading.strict)
    config = config_of(path)
    tree = _tree(path if path.is_dir() else path.parent)
    sources = sources_by_name(labelled(tree, parts_of(tree, config, odd), _says, odd), tree)
    listed = class_names(tree, config, odd)
    found = _check(tree, sources, listed, reading.orientation, odd)
    names = listed or dict(enumerate(sorted(found)))
    classes, ids, ground = counted_from_zero(names, reading.ignore, tree.root)
    by_name = {name: ids[number] for number, name in reversed(names.items())}

    bad = raised if reading.strict else skipped

    def objects(text: str, what: str, size: Size) -> tuple[LayoutObject, ...]:
        lines = lines_of(text, what, bad)
        return tuple(one for line in lines if (one := _object(line, by_name, size, bad)))

    loader = Loader(tree.root, sources, objects, ground, reading.orientation)
    return data_set(tree, "dota", sources, classes, loader, odd)


def _tree(root: Path, *, all_of_it: bool = True) -> Tree:
    tree = tree_of(root, all_of_it=all_of_it, usual=() if all_of_it else _WORDS)
    return Tree(tree.root, tree.files, tree.folders, words=_WORDS, beside=False)


def lines_of(text: str, what: str, bad: Bad) -> Iterator[_Line]:
    """The objects of a label text; `bad` is given the InputError of each line that cannot be read."""
    for place, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].split(":")[0].lower() in _HEADS:
            continue
        try:
            yield _line(words, f"{what}: line {place}")
        except InputError as error:
            bad(error)


def _line(words: list[str], what: str) -> _Line:
    try:
        corners = tuple(float(word) for word in words[:8])
        difficulty = int(words[9]) if len(words) == 10 else None
    except ValueError:
        corners, difficulty = (), None
    if len(corners) < 8 or len(words) not in (9, 10) or not all(map(math.isfinite, corners)):
        raise InputError(
            f"{what} is {' '.join(words)[:60]!r}; expected x1 y1 x2 y2 x3 y3 x4 y4 in pixels, a class and a difficulty"
        )
    return _Line(what, words[8], corners, difficulty)


def _object(line: _Line, ids: Mapping[str, int], size: Size, bad: Bad) -> LayoutObject | None:
    polygon = line.corners
    if _is_cut(line, size):
        polygon = inside(polygon, size)
    if line.name not in ids:
        bad(
            InputError(
                f"{line.what} has the class {line.name[:60]!r}, which data.yaml does not name; add it there"
            )
        )
        return None
    if not polygon:
        (height, width), shown = size, ", ".join(f"{n:g}" for n in line.corners)
        bad(
            InputError(
                f"{line.what} has corners {shown}, all outside its image of {height}x{width} pixels (height x width); "
                f"expected pixels; remove the line, or use the image that was annotated"
            )
        )
        return None
    xs, ys = polygon[::2], polygon[1::2]
    return LayoutObject(
        class_id=ids[line.name],
        box=(min(xs), min(ys), max(xs), max(ys)),
        polygons=(polygon,),
        attributes={} if line.difficulty is None else {"difficulty": line.difficulty},
    )


def _is_cut(line: _Line, size: Size) -> bool:
    """Does an object reach outside an image of `size` (H, W) by more than `TOLERANCE`?"""
    xs, ys = line.corners[::2], line.corners[1::2]
    return min(xs + ys) < -TOLERANCE or max(xs) > size[1] + TOLERANCE or max(ys) > size[0] + TOLERANCE


def _check(
    tree: Tree,
    sources: Mapping[str, Source],
    listed: Mapping[int, str] | None,
    orientation: Orientation,
    odd: Odd,
) -> set[str]:
    """Read all labels for what is bad in them; the names of classes that they hold."""
    found: set[str] = set()

    def looks(text: str, what: str, size_of: Callable[[], Size], bad: Bad) -> int:
        lines = list(lines_of(text, what, bad))
        size = size_of() if lines else (0, 0)
        found.update(line.name for line in lines)
        known = dict.fromkeys(listed.values() if listed else found, 0)
        return sum(_object(line, known, size, bad) is not None and _is_cut(line, size) for line in lines)

    check_labels(tree, sources, looks, "oriented boxes", orientation, odd)
    return found


def _says(label: Path) -> bool:
    """Does a text begin like a label, after the lines about the image?"""
    try:
        with label.open("rb") as file:
            text = file.read(4096).decode("utf-8-sig", "ignore")
    except OSError:
        return False
    first = next((line for line in text.splitlines() if line.strip() and ":" not in line), "").split()
    try:
        return len(first) in (9, 10) and all(math.isfinite(float(word)) for word in first[:8])
    except ValueError:
        return False


def _recognizes(path: Path) -> bool:
    try:
        tree = _tree(path if path.is_dir() else path.parent, all_of_it=False)
        if path.is_file() and path.suffix.lower() not in (".yaml", ".yml"):
            return False
        words = [Path(folder).name.lower() for folder in tree.folders]
        words = [word for word in words if word.startswith("labeltxt")]
        usual = [image for image in tree.images if words and known_place(image)]
        labels = (label for image in usual for label in tree.labels_of(image))
        return any(_says(tree.root / label) for _, label in zip(range(20), labels, strict=False))
    except (OSError, InputError, ValueError):
        return False


FORMAT = Format(
    name="dota",
    title="DOTA: oriented boxes in a text an image in labelTxt/, also Roboflow's yolo_obb",
    recognizes=_recognizes,
    reads=read_dota,
    own_parts=True,
    carries=Carries(polygons=KEPT, overlaps=KEPT, attributes="the difficulty is kept"),
)
