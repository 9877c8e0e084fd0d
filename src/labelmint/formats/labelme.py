"""The `labelme` format: one JSON beside each image, as the program labelme writes it.

NAME.json    {"version", "flags": {}, "shapes": [{"label", "points": [[x, y], ...], "group_id", "shape_type", "flags",
               "description", "mask"}], "imagePath": "NAME.jpg", "imageData": base64 or null, "imageHeight",
               "imageWidth"}
labels.txt   optional: the labels in order, one a line; __ignore__ and _background_ are labelme's own words
classes.json optional, written by labelmint: ids and colors

A polygon is a polygon, a rectangle a box, a circle (center, a point on it) a polygon that departs from it by at most
0.1 pixel, a mask (PNG, its two corner pixels) run lengths. Shapes of one label and one group_id are one object. Lines
and points have no area and are left out. `labelme_write` is the way back.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from math import hypot
from os.path import normpath
from pathlib import Path, PurePosixPath
from typing import Any

from labelmint.errors import InputError
from labelmint.formats.croissant import CROISSANT
from labelmint.formats.files import IMAGE_SUFFIXES, Parts, finite, is_file, read_json, read_splits
from labelmint.formats.format import AS_USUAL, KEPT, Carries, Format, Orientation, Reading
from labelmint.formats.image_files import read_ids
from labelmint.formats.joined_shapes import Shape, clipped, ellipse, joined, of_polygon, of_window
from labelmint.formats.lookup import Lookup, find_image
from labelmint.formats.maps import files_below
from labelmint.formats.named_classes import CLASSES, NamedClasses, classes_of_names
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.opened import Inside
from labelmint.formats.pairing import parts_of_paths
from labelmint.formats.records import Record, RecordLoader, named_before, names_of, size_of
from labelmint.formats.shapes import check_extent, parse_box, parse_polygons
from labelmint.formats.text_files import read_lines
from labelmint.types import DataSet, LayoutObject

__all__ = ["FORMAT", "OWN_KEYS", "read_labelme"]

OWN_KEYS = ("attributes", "box", "crowd")  # of a shape, beside labelme's; labelme keeps them when it saves
_LABELME = ("label", "points", "group_id", "shape_type", "flags", "description", "mask")
_COLORS = ("line_color", "fill_color")  # of labelme before 4.0
_AREAS = ("polygon", "rectangle", "circle", "mask", "oriented_rectangle", "rotation")
_DEEPEST, _LOOKED_AT, _IN_ONE, _HEAD = 4, 80, 30, 1 << 16
_FORM = 'expected labelme\'s {"shapes": [...], "imagePath": "..."}'


def read_labelme(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set, from its folder (folders below are read too) or one JSON file."""
    root = path if path.is_dir() else path.parent
    odd = Odd(reading.strict)
    files = [path] if path.is_file() else sorted(filter(Path.is_file, files_below(root, (".json",))))
    documents = dict(_documents(files, root, odd))
    if not documents:
        raise InputError(f"{path}: no labelme JSON there; {_FORM}")
    classes = _classes(documents, root, reading)
    names = dict(
        zip(documents, names_of([str(file.relative_to(root)) for file in documents], str(path)), strict=True)
    )
    told: Counter[str] = Counter()
    reader = _Reader(root, classes, reading.orientation, odd, told)
    images = {file: reader.image(file, document) for file, document in documents.items()}
    missing = [names[file] for file, image in images.items() if image is None]
    text = f"{root}: {len(missing)} images are missing, first that of {first_of(missing)}; put them beside their JSON"
    odd.refuse("missing image", text, missing)
    twice = named_before(images.items())
    doubled = [names[file] for file in twice]
    text = (
        f"{root}: {len(twice)} JSON files have the image of another, first {first_of(doubled)}; keep one of each, or "
        f"mend its imagePath"
    )
    odd.refuse("doubled names", text, doubled)
    for file in twice:
        del images[file]
    records = {
        names[file]: reader.record(file, documents[file], image)
        for file, image in images.items()
        if image is not None
    }
    if not records:
        raise InputError(f"{path}: none of the images of its {len(documents)} JSON files was found")
    for kind, count in sorted((+told).items()):
        odd.note(kind, f"{root}: {count} {kind}")
    ordered = tuple(sorted(records))
    listed = read_splits(root, ordered, odd)
    below = {file.relative_to(root).as_posix(): names[file] for file in documents if names[file] in records}
    parts = parts_of_paths(below) if listed == Parts() else listed
    _note_unlabelled(root, records, odd)
    return DataSet(
        source=str(path),
        format="labelme",
        classes=classes.classes,
        names=ordered,
        load=RecordLoader(records, str(path), classes.ground, reading.orientation),
        **parts._asdict(),
        findings=odd.findings,
    )


@dataclass(frozen=True)
class _Document:
    """What a JSON says, without the image in it."""

    shapes: list[dict[str, Any]]
    image_path: str
    size: tuple[Any, Any]
    embedded: bool
    flags: Mapping[str, Any] = field(default_factory=dict)


def _documents(files: Sequence[Path], root: Path, odd: Odd) -> Iterator[tuple[Path, _Document]]:
    """Each JSON that is labelme's; others are noted."""
    others = []
    for file in files:
        try:
            document = read_json(file)
        except InputError as error:
            odd.refuse_one("broken JSON", error, file.stem)
            continue
        shapes = document.get("shapes") if isinstance(document, dict) else None
        if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
            others += [str(file.relative_to(root))] if file.name not in (CLASSES, CROISSANT) else []
            continue
        image_path, flags = document.get("imagePath"), document.get("flags")
        yield (
            file,
            _Document(
                shapes=shapes,
                image_path=image_path if isinstance(image_path, str) else "",
                size=(document.get("imageHeight"), document.get("imageWidth")),
                embedded=isinstance(document.get("imageData"), str),
                flags=flags if isinstance(flags, dict) else {},
            ),
        )
    if others:
        odd.note(
            "other files", f"{root}: {len(others)} JSON files are not labelme's, first {others[0]!r}", others
        )


def _classes(documents: Mapping[Path, _Document], root: Path, reading: Reading) -> NamedClasses:
    used = sorted(
        {_label(shape) for document in documents.values() for shape in document.shapes if _area(shape)}
    )
    listed = read_lines(root / "labels.txt") if (root / "labels.txt").is_file() else []
    return classes_of_names([name for name in [*listed, *used] if name], root, reading.ignore)


def _label(shape: Mapping[str, Any]) -> str:
    label = shape.get("label")
    return label if isinstance(label, str) else str(label) if type(label) is int else ""


def _kind(shape: Mapping[str, Any]) -> Any:
    return shape.get("shape_type") or "polygon"  # old versions leave it out


def _area(shape: Mapping[str, Any]) -> bool:
    return _kind(shape) in _AREAS


@dataclass(frozen=True)
class _Reader:
    """Makes records of documents; what is odd is told, what is left out is counted."""

    root: Path
    classes: NamedClasses
    orientation: Orientation
    odd: Odd
    told: Counter[str]
    lookup: Lookup = field(default_factory=Lookup)

    def image(self, file: Path, document: _Document) -> Path | Inside | None:
        """The image of a JSON, which is in the JSON itself where no file is there; None where it is nowhere."""
        found = self._image_file(file, document.image_path)
        if found is None and document.embedded:
            return Inside(f"{file} (imageData)", partial(_image_data, file))
        return found

    def record(self, file: Path, document: _Document, image: Path | Inside) -> Record:
        """An image and its objects."""
        told = self.told
        told.update({"images have flags, which are not read": int(any(document.flags.values()))})
        size, stated = size_of(document.size, image, self.orientation, str(file))
        shapes = []
        for number, shape in enumerate(document.shapes):
            try:
                if _area(shape):
                    shapes.append(_shape(shape, size, self.classes, f"{file}: shape {number}"))
                    told["shapes without a label are ignored"] += not _label(shape)
                    told["circles are read as polygons, within 0.1 pixels"] += _kind(shape) == "circle"
                else:
                    told[f"shapes of type {str(_kind(shape))[:20]!r} have no area and are left out"] += 1
            except InputError as error:
                self.odd.refuse_one("bad shape", error, file.stem)
        return Record(path=image, size=size, objects=joined(shapes, size), stated=stated)

    def _image_file(self, file: Path, image_path: str) -> Path | None:
        """The image of a JSON: where imagePath says, or under its bare name beside the JSON or in images/. Nothing
        outside of the data set's folder is looked at.
        """
        said = PurePosixPath(image_path.replace("\\", "/"))
        folder = PurePosixPath(file.parent.relative_to(self.root).as_posix())
        places = [] if said.is_absolute() else [normpath(folder / said)]
        bare = [said.name] if said.name else []
        bare += [f"{file.stem}{ending}" for ending in IMAGE_SUFFIXES]
        below = (folder, folder.parent / "images", folder / "images")
        places += [str(where / name) for name in bare for where in below]
        inside = [place for place in places if not place.startswith(("..", "/")) and "\0" not in place]
        return find_image(inside, [self.root], str(file), self.lookup)


def _image_data(file: Path) -> bytes:
    document = read_json(file)
    return _decoded(document.get("imageData") if isinstance(document, dict) else None, f"{file}: imageData")


def _decoded(text: Any, what: str) -> bytes:
    try:
        if isinstance(text, str):
            return b64decode(text.partition(",")[2] if text.startswith("data:") else text)
    except (binascii.Error, ValueError):
        pass
    raise InputError(f"{what} is no base64 text; save the file again with labelme")


def _shape(shape: Mapping[str, Any], size: tuple[int, int], classes: NamedClasses, what: str) -> Shape:
    label = _label(shape)
    class_id = classes.ids[label] if label else classes.ignored
    group = shape.get("group_id")
    one = _object(shape, class_id, size, what)
    box = None if shape.get("box") is None else parse_box(shape["box"], size, what)
    return Shape(one=one, group=group if type(group) is int else None, box=box)


def _object(shape: Mapping[str, Any], class_id: int, size: tuple[int, int], what: str) -> LayoutObject:
    points = shape.get("points")
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 and all(map(finite, point)) for point in points
    ):
        raise InputError(f"{what} has points {str(points)[:60]}; expected a list of [x, y], finite numbers")
    flat = tuple(float(number) for point in points for number in point)
    more: dict[str, Any] = {"attributes": _attributes(shape), "crowd": shape.get("crowd") is True}
    kind = _kind(shape)
    if kind == "rectangle":
        return LayoutObject(class_id=class_id, box=_corners(flat, size, what), **more)
    if kind == "mask":
        return replace(_mask(shape, flat, class_id, size, what), **more)
    if kind == "circle":
        if len(flat) != 4:
            raise InputError(
                f"{what} is a circle of {len(points)} points; expected its center and a point on it"
            )
        radius = hypot(flat[2] - flat[0], flat[3] - flat[1])
        flat = clipped(ellipse(flat[0], flat[1], radius, radius), size, what)
    one = of_polygon(class_id, parse_polygons([list(flat)], size, what)[0], more["attributes"])
    return replace(one, crowd=more["crowd"])


def _corners(flat: Sequence[float], size: tuple[int, int], what: str) -> tuple[float, float, float, float]:
    if len(flat) not in (4, 8):
        raise InputError(f"{what} is a rectangle of {len(flat) // 2} points; expected two corners")
    box = min(flat[::2]), min(flat[1::2]), max(flat[::2]), max(flat[1::2])
    check_extent(*box, size, what)
    return box


def _mask(
    shape: Mapping[str, Any], flat: Sequence[float], class_id: int, size: tuple[int, int], what: str
) -> LayoutObject:
    """A mask: a PNG between two corner pixels, both inside of it."""
    if len(flat) != 4:
        raise InputError(f"{what} is a mask of {len(flat) // 2} points; expected its two corners")
    check_extent(flat[0], flat[1], flat[2], flat[3], size, what)
    x0, y0, x1, y1 = (int(number) for number in flat)
    content = partial(_decoded, shape.get("mask"), f"{what}: mask")
    pixels = read_ids(Inside(f"{what}: mask", content)) > 0
    height, width = pixels.shape
    if (y1 - y0 - height, x1 - x0 - width) not in ((-1, -1), (0, 0)):
        raise InputError(
            f"{what} has a mask of {height}x{width} pixels (height x width) between ({x0}, {y0}) and ({x1}, {y1}); "
            "save the file again with labelme"
        )
    return of_window(class_id, pixels, x0, y0, size, what)


def _attributes(shape: Mapping[str, Any]) -> dict[str, Any]:
    """All that a shape says beside its label and form."""
    own = shape.get("attributes")
    found = {key: shape[key] for key in ("flags", "description") if shape.get(key)}
    other = {key: value for key, value in shape.items() if key not in (*_LABELME, *_COLORS, *OWN_KEYS)}
    attributes = own if isinstance(own, dict) else {} if own is None else {"attributes": own}
    return found | other | attributes


def _note_unlabelled(root: Path, records: Mapping[str, Record], odd: Odd) -> None:
    """Note images beside JSON files that have none."""
    paths = {record.path for record in records.values() if isinstance(record.path, Path)}
    folders = {path.parent for path in paths}
    images = (
        file for folder in folders for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES
    )
    alone = sorted(file.name for file in images if file not in paths and not file.name.startswith("."))
    if alone:
        odd.note(
            "images without JSON", f"{root}: {len(alone)} images have no JSON, first {alone[0]!r}", alone
        )


def _recognizes(path: Path) -> bool:
    if path.is_file():
        return path.suffix.lower() == ".json" and _is_labelme(path)
    files = islice(_json_files(path, 0), _LOOKED_AT)
    return any(_is_labelme(file) for file in files)


def _json_files(folder: Path, depth: int) -> Iterator[Path]:
    """Some JSON files of a folder and of those below."""
    try:
        entries = sorted(
            (one for one in os.scandir(folder) if not one.name.startswith(".")), key=lambda one: one.name
        )
    except OSError:
        return
    files = (one for one in entries if one.name.lower().endswith(".json") and is_file(one))
    yield from (Path(one.path) for one in islice(files, _IN_ONE))
    if depth < _DEEPEST:
        for below in (one for one in entries if "." not in one.name and one.is_dir()):
            yield from _json_files(Path(below.path), depth + 1)


def _is_labelme(file: Path) -> bool:
    """True where the beginning and the end of a JSON hold labelme's words (an image may lie between them)."""
    with file.open("rb") as stream:
        ends = stream.read(_HEAD)
        if len(ends) == _HEAD:
            stream.seek(max(file.stat().st_size - _HEAD, 0))
            ends += stream.read(_HEAD)
    return b'"shapes"' in ends and any(
        word in ends for word in (b'"imagePath"', b'"imageHeight"', b'"imageData"')
    )


FORMAT = Format(
    name="labelme",
    title="a labelme JSON beside each image: polygons, rectangles, circles, masks, groups",
    recognizes=_recognizes,
    reads=read_labelme,
    carries=Carries(
        **dict.fromkeys(
            (
                "boxes",
                "overlaps",
                "polygons",
                "holes",
                "parts",
                "instances",
                "attributes",
                "crowds",
                "ignore",
                "wide",
                "colors",
            ),
            KEPT,
        ),
        maps="kept as objects: pieces of each class where no object says it; ground under objects is lost",
    ),
)
