"""The `cvat` format: CVAT for images, XML 1.1.

annotations.xml   <annotations><version>1.1</version>
                  <meta><task or project> ... <labels><label><name/><color/><attributes> ...
                  <image id name width height [subset]> and in it the shapes of `cvat_shapes`
images/SUBSET/NAME, images/NAME, or beside the XML

Subsets that are called like a part (`format.part_word`) are that part. `cvat_write` is the way back.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

from labelmint.errors import InputError
from labelmint.formats.cvat_shapes import WITHOUT_AREA, Shapes
from labelmint.formats.files import Parts
from labelmint.formats.format import AS_USUAL, KEPT, Carries, Format, Reading, part_word
from labelmint.formats.lookup import Lookup, find_image
from labelmint.formats.named_classes import CLASSES, classes_of_names
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.records import RecordLoader, named_before, names_of
from labelmint.formats.text_files import read_xml
from labelmint.types import DataSet

__all__ = ["FORMAT", "read_cvat"]

_USUAL = "annotations.xml"
_FORM = "expected CVAT for images 1.1: <annotations> with <image> in it"
_COLOR = re.compile(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})")


def read_cvat(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set, from its folder or one XML file; several XML files of a folder are one set."""
    root = path if path.is_dir() else path.parent
    odd = Odd(reading.strict)
    images: list[_Image] = []
    labels = _Labels()
    for xml in _files(path):
        images += _listed(xml, labels)
    if not images:
        raise InputError(f"{path}: lists no images; {_FORM}")
    lookup = Lookup()
    found = {image: file for image in images if (file := _image_file(image, root, lookup))}
    missing = [image.name for image in images if image not in found]
    there = f"put them into {root / 'images'}"
    text = f"{path}: {len(missing)} of its images are missing, first {first_of(missing)}; {there}"
    odd.refuse("missing image", text, missing)
    if not found:
        raise InputError(f"{path}: none of its {len(images)} images was found; {there}")
    twice = named_before(found.items())
    doubled = [image.name for image in twice]
    text = f"{path}: {len(twice)} images are listed twice, first {first_of(doubled)}; keep one of each"
    odd.refuse("listed twice", text, doubled)
    for image in twice:
        del found[image]
    classes = classes_of_names(labels.names, root, reading.ignore, labels.colors)
    names = names_of([f"{image.subset}/{image.name}" for image in found], str(path))
    told: Counter[str] = Counter()
    read = Shapes(labels.types, classes, reading.orientation, odd, told)
    records = {
        name: read.record(image.element, file, f"{image.file}: image {image.name!r}", name, image.old)
        for name, (image, file) in zip(names, found.items(), strict=True)
    }
    for kind, count in sorted(told.items()):
        odd.note(kind, f"{path}: {count} {kind}")
    ordered = tuple(sorted(records))
    of = {name: part_word(image.subset) for name, image in zip(names, found, strict=True)}
    _note_subsets(path, found, odd)
    return DataSet(
        source=str(path),
        format="cvat",
        classes=classes.classes,
        names=ordered,
        load=RecordLoader(records, str(path), classes.ground, reading.orientation),
        **Parts.of({name: of[name] for name in ordered})._asdict(),
        findings=odd.findings,
    )


class _Image(NamedTuple):
    """An image of an XML; `number` tells apart those of one name; `old` where this package wrote it and called its own
    attributes otherwise.
    """

    name: str
    subset: str
    number: int
    element: Element
    file: Path
    old: bool


@dataclass
class _Labels:
    """The labels of a set, their colors, and the type of each of their attributes."""

    names: dict[str, None] = field(default_factory=dict)
    colors: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    types: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, label: Element) -> None:
        """Take a <label> of the meta data in."""
        name = label.findtext("name") or ""
        if not name or label.findtext("type") == "skeleton" or label.findtext("parent"):
            return
        self.names[name] = None
        color = _COLOR.fullmatch((label.findtext("color") or "").strip())
        if color:
            red, green, blue = (int(part, 16) for part in color.groups())
            self.colors[name] = red, green, blue
        for attribute in label.iterfind("attributes/attribute"):
            self.types[name, attribute.findtext("name") or ""] = attribute.findtext("input_type") or ""


def _listed(file: Path, labels: _Labels) -> list[_Image]:
    """The images of an XML; its labels are added, those of its shapes at the end."""
    root = read_xml(file)
    if root.tag != "annotations":
        raise InputError(f"{file}: its root is <{root.tag[:40]}>; {_FORM}")
    if root.find("track") is not None:
        raise InputError(
            f"{file}: holds tracks (CVAT for video), which are not read; export the task as 'CVAT for images 1.1'"
        )
    for label in root.iterfind("meta//labels/label"):
        labels.add(label)
    own = file.stem if part_word(file.stem) else ""
    old = root.get("generator") is None and (file.parent / CLASSES).is_file()
    images = []
    for number, element in enumerate(root.iterfind("image")):
        name = element.get("name", "")
        if not name:
            raise InputError(f"{file}: image {element.get('id')!r} has no name; export it again")
        images.append(_Image(name, element.get("subset", own), number, element, file, old))
        found = (shape.get("label", "") for shape in element if shape.tag not in WITHOUT_AREA)
        labels.names.update(dict.fromkeys(filter(None, found)))
    return images


def _image_file(image: _Image, root: Path, lookup: Lookup) -> Path | None:
    names = [f"{image.subset}/{image.name}"] if image.subset else []
    names += [image.name, f"default/{image.name}"]
    return find_image(names, [root / "images", root], str(image.file), lookup)


def _note_subsets(path: Path, images: Mapping[_Image, Path], odd: Odd) -> None:
    others = Counter(image.subset for image in images if image.subset and part_word(image.subset) is None)
    for subset, count in sorted(others.items()):
        if subset.lower() != "default":
            text = f"{path}: the subset {subset!r} of {count} images is neither train, validation nor test"
            odd.note("other subset", text)


def _files(path: Path) -> list[Path]:
    """The XML files of CVAT in a folder: that of the usual name alone where it is there."""
    if path.is_file():
        return [path]
    named = (file for file in sorted(path.glob("*.xml")) if not file.name.startswith("."))
    files = [file for file in named if file.is_file() and _is_cvat(file)]
    return [file for file in files if file.name == _USUAL] or files or [path / _USUAL]


def _recognizes(path: Path) -> bool:
    if path.is_file():
        return _is_cvat(path)
    if not path.is_dir():
        return False
    names = nsmallest(20, (one.name for one in os.scandir(path) if one.name.lower().endswith(".xml")))
    files = [file for file in (path / _USUAL, *(path / name for name in names)) if file.is_file()]
    return any(map(_is_cvat, files))


def _is_cvat(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(2048).replace(b"\0", b"")  # UTF-16 too
    return file.suffix.lower() == ".xml" and re.search(rb"<annotations[\s>]", head) is not None


FORMAT = Format(
    name="cvat",
    title="CVAT for images 1.1: annotations.xml beside images/, subsets as parts",
    recognizes=_recognizes,
    reads=read_cvat,
    own_parts=True,
    carries=Carries(
        **dict.fromkeys(
            (
                "boxes",
                "overlaps",
                "polygons",
                "holes",
                "parts",
                "instances",
                "crowds",
                "ignore",
                "wide",
                "colors",
            ),
            KEPT,
        ),
        maps="kept as objects: pieces of each class where no object says it; ground under objects is lost",
        attributes="kept where they are text, numbers, or true and false in all objects of a class; others become text",
    ),
)
