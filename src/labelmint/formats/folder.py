"""The `folder` format: images and label PNGs matched by name; read and written without loss.

images/NAME.{png,jpg,jpeg,tif,tiff,bmp}    labels/NAME.png (or masks/, annotations/): class ids, or colors of
classes.json
instances/NAME.png    optional: 0 = none, each other value one object
objects/NAME.json     optional, written by labelmint: boxes, shapes and attributes as another format gave them
classes.json, train.txt, test.txt    optional: see `class_list`; names, one a line
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set, classes_of_ids, dump_classes, read_classes
from labelmint.formats.files import (
    IMAGE_SUFFIXES,
    dump_json,
    finite,
    link,
    read_json,
    read_splits,
    uniquely_named,
    write_each,
)
from labelmint.formats.format import AS_USUAL, KEPT, LOST, PLAIN, Carries, Format, Reading, Writing
from labelmint.formats.image_files import read_ids, read_image_and_text, write_png
from labelmint.formats.images_out import write_image
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.shapes import parse_polygons, parse_rle
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet, Layout, LayoutObject

__all__ = ["FORMAT", "LABEL_FOLDERS", "Stored", "label_folder", "read_folder", "write_folder", "write_pair"]

LABEL_FOLDERS = ("labels", "masks", "annotations")

_PARTS = {"images": ".png", "labels": ".png", "instances": ".png", "objects": ".json"}  # as written here
_FIELDS = {"class_id", "box", "rle", "polygons", "crowd", "attributes"}


def label_folder(path: Path) -> Path | None:
    """The folder of label PNGs beside images/, or None where there is none."""
    if not (path / "images").is_dir():
        return None
    return next(
        (path / name for name in LABEL_FOLDERS if (path / name).is_dir() and _files(path / name, (".png",))),
        None,
    )


def read_folder(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set. Label files are decoded here only where no classes.json names the classes."""
    ignore, strict = reading.ignore, reading.strict
    if not path.is_dir():
        raise InputError(f"{path}: the format folder is read from a folder, not from a file")
    labels = label_folder(path)
    if labels is None:
        raise InputError(
            f"{path}: no labelled images; expected images/NAME.png and labels/NAME.png (or masks/, "
            f"annotations/)"
        )
    odd = Odd(strict)
    images = _by_name(path / "images", IMAGE_SUFFIXES, odd)
    label_files = _by_name(labels, (".png",), odd)
    instance_files = _by_name(path / "instances", (".png",), odd) if (path / "instances").is_dir() else {}
    names = _pairs(images, label_files, odd)
    _others(labels, names, instance_files, odd)
    named, colors = (
        read_classes(path / "classes.json", ignore) if (path / "classes.json").is_file() else (None, {})
    )
    classes = named or _scan([label_files[name] for name in names], colors, ignore, odd)
    objects = {name: file for name in names if (file := path / "objects" / f"{name}.json").is_file()}
    loader = _Loader(images, label_files, instance_files, objects, colors, classes, strict)
    parts = read_splits(path, names, odd)
    return DataSet(
        source=str(path),
        format="folder",
        classes=classes,
        names=names,
        load=loader,
        **parts._asdict(),
        findings=odd.findings,
    )


class Stored(NamedTuple):
    """A pair that lies in another data set of this format, with the same classes: its name, and that folder."""

    name: str
    folder: Path


def write_folder(
    pairs: Iterable[AnnotatedImage | Stored], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write pairs into an empty folder that exists; returns their names. Files of stored pairs are linked,
    and nothing is encoded twice.

    Raises InputError for a doubled name.
    """
    for part in ("images", "labels"):
        (folder / part).mkdir()
    names: dict[str, None] = {}
    write_each(uniquely_named(pairs, names), lambda pair: _put(pair, folder, classes, writing))
    write_text(folder / "classes.json", dump_classes(classes))
    return list(names)


def _put(pair: AnnotatedImage | Stored, folder: Path, classes: ClassSet, writing: Writing) -> None:
    if isinstance(pair, AnnotatedImage):
        write_pair(pair, folder, classes, writing)
        return
    files = (pair.folder / part / f"{pair.name}{suffix}" for part, suffix in _PARTS.items())
    for file in filter(Path.is_file, files):
        target = folder / file.parent.name
        target.mkdir(exist_ok=True)
        link(file, target / file.name)


def write_pair(pair: AnnotatedImage, folder: Path, classes: ClassSet, writing: Writing = PLAIN) -> None:
    """Write one pair into a folder with images/ and labels/; raises InputError for ids that are no classes."""
    layout = pair.layout
    unknown = classes.unknown(layout.label_map)
    if unknown:
        raise InputError(f"the label of {pair.name!r} holds ids that are no classes: {_shown(unknown)}")
    write_image(folder / "images", pair, writing)
    eight_bit = layout.label_map.dtype == np.uint8
    write_png(
        folder / "labels" / f"{pair.name}.png",
        layout.label_map if eight_bit else _sixteen_bit(pair.name, layout.label_map),
    )
    if layout.instances is not None:
        (folder / "instances").mkdir(exist_ok=True)
        write_png(folder / "instances" / f"{pair.name}.png", _sixteen_bit(pair.name, layout.instances))
    if layout.objects:
        (folder / "objects").mkdir(exist_ok=True)
        write_text(
            folder / "objects" / f"{pair.name}.json", dump_json([_as_json(one) for one in layout.objects])
        )


def _sixteen_bit(name: str, ids: Array) -> Array:
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) <= 65535:
        raise InputError(f"the ids of {name!r} lie in {ids.min()}..{ids.max()}; a label PNG holds 0..65535")
    return ids.astype(np.uint16)


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files of these kinds, hidden ones left out, in order of name."""
    found = (
        file for file in folder.iterdir() if file.suffix.lower() in suffixes and not file.name.startswith(".")
    )
    return sorted(file for file in found if file.is_file())


def _by_name(folder: Path, suffixes: Sequence[str], odd: Odd) -> dict[str, Path]:
    """Name -> file of those suffixes; what else lies there is noted."""
    files = _files(folder, suffixes)
    taken = {file.name for file in files}
    others = sorted(
        file.name for file in folder.iterdir() if file.name not in taken and not file.name.startswith(".")
    )
    if others:
        odd.note("other files", f"{folder}: {len(others)} entries are not read, first {others[0]!r}", others)
    doubled = [name for name, count in Counter(file.stem for file in files).items() if count > 1]
    text = (
        f"{folder}: {len(doubled)} names stand there twice with different endings, first "
        f"{first_of(doubled)}; keep one of each"
    )
    odd.refuse("doubled names", text, doubled)
    return {file.stem: file for file in reversed(files)}


def _pairs(images: Mapping[str, Path], labels: Mapping[str, Path], odd: Odd) -> tuple[str, ...]:
    for kind, these, those in (
        ("image without label", images, labels),
        ("label without image", labels, images),
    ):
        alone = sorted(set(these) - set(those))
        if alone:
            other = next(iter(those.values())).parent.name if those else kind.split()[-1] + "s"
            text = (
                f"{these[alone[0]]}: {kind} ({len(alone)} such files); add {other}/{alone[0]}.png, or move "
                f"the file away"
            )
            odd.refuse(kind, text, alone)
    names = tuple(sorted(set(images) & set(labels)))
    if not names:
        raise InputError(
            "no image and label have the same name; expected pairs such as images/a.png and labels/a.png"
        )
    return names


def _others(labels: Path, names: Sequence[str], instances: Mapping[str, Path], odd: Odd) -> None:
    """Note instances that fit no pair, pairs that lack them, and label folders that are not read."""
    alone = sorted(set(instances) - set(names))
    text = (
        f"{labels.parent}: {len(alone)} files of instances/ belong to no pair, first {first_of(alone)}; move "
        f"them away"
    )
    odd.refuse("instances without image", text, alone)
    without = sorted(set(names) - set(instances))
    if instances and without:
        odd.note(
            "without instances",
            f"{labels.parent}: {len(without)} pairs have no instances, first {without[0]!r}",
            without,
        )
    unread = [
        n
        for n in LABEL_FOLDERS
        if n != labels.name and (labels.parent / n).is_dir() and _files(labels.parent / n, (".png",))
    ]
    if unread:
        odd.note(
            "several label folders",
            f"{labels.parent}: labels are read from {labels.name}/, not from {', '.join(unread)}/",
        )


def _scan(
    files: Sequence[Path], colors: Mapping[tuple[int, int, int], int], ignore: Sequence[int], odd: Odd
) -> ClassSet:
    """The classes that label files hold, where nothing names them."""
    found: set[int] = set()
    for file in files:
        try:
            found.update(np.flatnonzero(np.bincount(read_ids(file, colors=colors).ravel())).tolist())
        except InputError as error:
            odd.refuse_one("unreadable label", error, file.stem)
    classes = classes_of_ids(found, ignore)
    if not len(classes):
        raise InputError(
            f"{files[0].parent}: every pixel is ignored (ids {sorted(found)}); name the classes in "
            f"classes.json"
        )
    if IGNORE in classes.ignore and IGNORE in found and len(classes) == 1:
        odd.note(
            "one class and 255",
            f"{files[0].parent}: labels hold {classes.ids[0]} and 255 only, and 255 is ignored; if it means "
            f"a class, write a "
            f'classes.json: {{"names": {{"{classes.ids[0]}": "background", "255": "object"}}}}',
        )
    return class_set(classes.classes, classes.ignore)


@dataclass(frozen=True)
class _Loader:
    """name -> AnnotatedImage."""

    images: Mapping[str, Path]
    labels: Mapping[str, Path]
    instances: Mapping[str, Path]
    objects: Mapping[str, Path]
    colors: Mapping[tuple[int, int, int], int]
    classes: ClassSet
    strict: bool

    def __call__(self, name: str) -> AnnotatedImage:
        image, text = read_image_and_text(self.images[name])
        layout = self.layout(name)
        _same_size(self.images[name], image, self.labels[name], layout.label_map)
        return AnnotatedImage(name=name, image=image, layout=layout, provenance=text)

    def layout(self, name: str) -> Layout:
        """The layout alone; the image is not opened."""
        label_map = read_ids(self.labels[name], colors=self.colors)
        unknown = self.classes.unknown(label_map) if self.strict else {}
        if unknown:
            raise InputError(
                f"{self.labels[name]}: ids that are not in the class list: {_shown(unknown)}; "
                f"add them to the names in classes.json, or pass --ignore {next(iter(unknown))}"
            )
        instances = None
        if name in self.instances:
            instances = read_ids(self.instances[name]).astype(np.uint16)
            _same_size(self.labels[name], label_map, self.instances[name], instances)
        objects = _read_objects(self.objects[name], label_map.shape) if name in self.objects else ()
        return Layout(label_map=label_map, instances=instances, objects=objects)


def _same_size(image_file: Path, image: Array, label_file: Path, label: Array) -> None:
    if image.shape[:2] != label.shape:
        (h, w), (other_h, other_w) = image.shape[:2], label.shape
        raise InputError(
            f"{image_file} is {h}x{w} pixels (height x width) but {label_file} is {other_h}x{other_w}; make "
            f"the label of the image's size"
        )


def _shown(unknown: Mapping[int, int]) -> str:
    first = ", ".join(f"{value} ({count} pixels)" for value, count in list(unknown.items())[:5])
    return first + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")


def _as_json(one: LayoutObject) -> dict[str, Any]:
    """An object as JSON, what it does not have left out."""
    full: dict[str, Any] = {
        "rle": one.rle and {"size": list(one.rle["size"]), "counts": one.rle["counts"]},
        "polygons": one.polygons and [list(polygon) for polygon in one.polygons],
        "crowd": one.crowd,
        "attributes": dict(one.attributes),
    }
    return {"class_id": one.class_id, "box": list(one.box)} | {
        key: value for key, value in full.items() if value
    }


def _read_objects(path: Path, size: tuple[int, ...]) -> tuple[LayoutObject, ...]:
    document = read_json(path)
    try:
        return tuple(
            _as_object(item, (size[0], size[1]), f"{path}: object {i}") for i, item in enumerate(document)
        )
    except InputError:
        raise
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: not a list of objects as labelmint writes it ({error}); remove the file, or write it "
            f"again"
        ) from None


def _as_object(item: dict[str, Any], size: tuple[int, int], what: str) -> LayoutObject:
    if set(item) - _FIELDS:
        raise ValueError(f"unknown keys {sorted(set(item) - _FIELDS)}")
    x0, y0, x1, y1 = (float(edge) for edge in item["box"] if finite(edge))
    polygons, rle = item.get("polygons"), item.get("rle")
    return LayoutObject(
        class_id=int(item["class_id"]),
        box=(x0, y0, x1, y1),
        rle=rle and parse_rle(rle, size, what),
        polygons=polygons and parse_polygons(polygons, size, what),
        crowd=bool(item.get("crowd", False)),
        attributes=dict(item.get("attributes", {})),
    )


FORMAT = Format(
    name="folder",
    title="images/ and label PNGs in labels/ (or masks/, annotations/) matched by name",
    recognizes=lambda path: path if path.is_dir() and label_folder(path) else None,
    reads=read_folder,
    writes=write_folder,
    carries=Carries(**dict.fromkeys(Carries().each(), KEPT) | {"spacing": LOST}),  # pairs have no spacing
)
