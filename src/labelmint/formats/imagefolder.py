"""The `imagefolder` format: Hugging Face's image folder with its metadata; read and written without loss.

metadata.jsonl (or .csv), in the folder itself or in train/, validation/ and test/ (also below data/), a row an image:
  file_name              of the image, relative to the metadata
  objects                {"bbox": [[x, y, w, h], ...], "categories" (or category, label, labels): [0, ...]}
  label_file_name        (or mask_file_name, annotation_file_name and the like): PNG of class ids
README.md   optional: names of the classes in its YAML head (dataset_info, features, class_label)

Objects may have a "segmentation": lists of polygons, or as written here JSON text of polygons or of COCO's run lengths,
which hold holes and several parts. As written here they also have "crowd" and "attributes" (JSON text), rows have a
"name" and an "instances_file_name", and a classes.json has the ids and colors.

Where there are label PNGs, class ids are their values and the categories of objects; where there are objects alone,
a category k is class k + 1, and the ground is 0, unless the names have a background. `imagefolder_write` is the way
back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import classes_of_ids, read_classes
from labelmint.formats.files import Parts, finite, json_value
from labelmint.formats.format import (
    AS_USUAL,
    KEPT,
    LOST,
    Carries,
    Format,
    Orientation,
    Part,
    Reading,
    part_of_folders,
    part_word,
)
from labelmint.formats.image_files import image_size, read_ids, read_labelled
from labelmint.formats.images_alone import UNLABELLED
from labelmint.formats.label_colors import MEND_INSTANCES
from labelmint.formats.lookup import Lookup, find_image
from labelmint.formats.named_classes import CLASSES, classes_of_names
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.painting import PaintedLayout, Paints, painted
from labelmint.formats.records import named_before, names_of
from labelmint.formats.shapes import check_extent, parse_polygons, parse_rle
from labelmint.formats.text_files import read_table, read_text, yaml_value
from labelmint.formats.undecoded import undecoded
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

__all__ = ["FORMAT", "OTHERS", "read_imagefolder"]

OTHERS = "other"  # where the pairs of no part lie if there are parts
_METADATA = ("metadata.jsonl", "metadata.csv")
_CATEGORIES = ("category", "categories", "label", "labels", "category_id")
_LABELS = ("label", "mask", "annotation", "segmentation", "seg", "semantic", "labels", "masks", "annotations")
_OWN = ("segmentation", "crowd", "attributes")
_IMPLIED = ("id", "area", "bbox_id")  # columns of objects that follow from the others
_FORM = 'expected rows like {"file_name": "a.png", "objects": {"bbox": [[x, y, w, h]], "categories": [0]}}'


def read_imagefolder(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from its folder."""
    odd = Odd(reading.strict)
    lookup = Lookup()
    rows = [row for file, part in _metadata(path) for row in _rows(file, part, lookup)]
    if not rows:
        raise InputError(f"{path}: no rows in its metadata; {_FORM}")
    missing = [row.file_name for row in rows if row.image is None]
    text = f"{path}: {len(missing)} of its images are missing, first {first_of(missing)}; put them in place"
    odd.refuse("missing image", text, missing)
    twice = set(named_before(enumerate(row.image for row in rows)))
    doubled = [row.file_name for number, row in enumerate(rows) if number in twice]
    text = f"{path}: {len(doubled)} images are listed twice, first {first_of(doubled)}; keep one row of each"
    odd.refuse("listed twice", text, doubled)
    rows = [row for number, row in enumerate(rows) if row.image is not None and number not in twice]
    if not rows:
        raise InputError(f"{path}: none of its {len(missing)} images was found; put them in place")
    bare = [row.file_name for row in rows if row.label is None and row.objects is None]
    unlabelled = len(bare) == len(rows) and reading.images_alone
    if len(bare) == len(rows) and not unlabelled:
        raise InputError(f"{path}: its metadata holds no objects and no label files; {_FORM}")
    if not unlabelled:
        odd.refuse(
            "image without label", f"{path}: {len(bare)} rows hold no label, first {first_of(bare)}", bare
        )
        rows = [row for row in rows if row.label is not None or row.objects is not None]
    classes, ids, ground = (UNLABELLED, {}, 0) if unlabelled else _classes(path, rows, reading)
    names = names_of(
        [row.file_name if row.part is None else f"{row.part}/{row.file_name}" for row in rows], str(path)
    )
    by_name = dict(sorted(zip(names, rows, strict=True)))
    parts = Parts.of({name: row.part for name, row in by_name.items() if row.part is not None})
    return DataSet(
        source=str(path),
        format="imagefolder",
        classes=classes,
        names=tuple(by_name),
        load=_Loader(
            by_name,
            classes,
            ids,
            ground,
            _colors(path, reading),
            str(path),
            reading.strict,
            reading.orientation,
        ),
        **parts._asdict(),
        findings=odd.findings,
    )


@dataclass(frozen=True, order=True)
class _Row:
    """A row of metadata, with the files that it names."""

    file_name: str
    part: Part | None = None
    image: Path | None = None
    label: Path | None = None
    instances: Path | None = None
    objects: tuple[Mapping[str, Any], ...] | None = field(default=None, compare=False)


def _metadata(path: Path) -> Iterator[tuple[Path, Part | None]]:
    """The metadata files of a folder, each with its part."""
    places: list[tuple[Path, Part | None]] = [(path, None), (path / OTHERS, None)]
    for folder in (path, path / "data"):
        below = sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
        places += [(one, part) for one in below if (part := part_word(one.name))]
    for folder, place_part in places:
        file = next((folder / name for name in _METADATA if (folder / name).is_file()), None)
        if file is not None:
            yield file, place_part


def _rows(file: Path, part: Part | None, lookup: Lookup) -> Iterator[_Row]:
    for number, row in enumerate(_table(file), 1):
        what = f"{file}: row {number}"
        if not isinstance(row, dict):
            raise InputError(f"{what} is no object; {_FORM}")
        labels = {key[: -len("_file_name")]: key for key in row if key.endswith("_file_name") and row[key]}
        image = next(
            (key for key in ("file_name", "image_file_name", labels.get("img", "")) if row.get(key)), None
        )
        if image is None:
            raise InputError(f"{what} has no file_name; {_FORM}")
        label = next((labels[key] for key in _LABELS if key in labels), None)
        yield _Row(
            file_name=str(row[image]),
            part=part or part_of_folders(str(row[image])),
            image=find_image([row[image]], [file.parent], what, lookup),
            label=_beside(row[label], file, what, lookup) if label else None,
            instances=_beside(row[labels["instances"]], file, what, lookup)
            if "instances" in labels
            else None,
            objects=_columns(row["objects"], what) if row.get("objects") is not None else None,
        )


def _beside(file_name: Any, file: Path, what: str, lookup: Lookup) -> Path:
    found = find_image([file_name], [file.parent], what, lookup)
    if found is None:
        raise InputError(f"{what}: the file {file_name!r} is missing; put it beside {file.name}")
    return found


def _table(file: Path) -> Iterator[Any]:
    if file.suffix == ".jsonl":
        # not splitlines: JSON may hold other line separators
        for number, line in enumerate(read_text(file).split("\n"), 1):
            if line.strip():
                yield json_value(line, f"{file}, line {number}")
        return
    head, *rows = read_table(file) or [[]]
    for number, row in enumerate(rows, 1):
        if len(row) > len(head):
            raise InputError(
                f"{file}: row {number} has {len(row)} values for {len(head)} columns; save it again"
            )
        yield dict(zip_longest(head, row))


def _columns(objects: Any, what: str) -> tuple[Mapping[str, Any], ...]:
    """The objects of a row, from columns or a list of objects; in CSV they are JSON text."""
    if isinstance(objects, str):
        objects = json_value(objects, f"{what}: objects") if objects.strip() else []
    if isinstance(objects, dict):
        lists = {key: column for key, column in objects.items() if isinstance(column, list)}
        count = len(lists.get("bbox", ()))
        odd = next((key for key, column in lists.items() if len(column) != count), None)
        if odd is not None:
            raise InputError(
                f"{what}: objects have {count} bbox but {len(lists[odd])} of {odd!r}; expected as many"
            )
        objects = [{key: column[i] for key, column in lists.items()} for i in range(count)]
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise InputError(f"{what} has objects that are neither columns nor a list; {_FORM}")
    return tuple(objects)


def _category(one: Mapping[str, Any]) -> Any:
    return next((one[key] for key in _CATEGORIES if key in one), None)


def _classes(path: Path, rows: Sequence[_Row], reading: Reading) -> tuple[ClassSet, dict[Any, int], int]:
    """The classes; the class id of each category, a number or a name; and the id of what no object covers."""
    names = _class_names(path / "README.md")
    used = {
        _category(one) for row in rows for one in row.objects or () if isinstance(_category(one), str | int)
    }
    words = sorted(word for word in used if isinstance(word, str))
    numbers = sorted(number for number in used if type(number) is int and 0 <= number <= 65535)
    labels = [row.label for row in rows if row.label is not None]
    if not names and not words and not labels:
        names = [f"class_{i}" for i in range(numbers[-1] + 1)] if numbers else []
    if (path / CLASSES).is_file() or not labels:
        told = classes_of_names([*names, *words], path, reading.ignore)
        by_place = {k: told.ids[name] for k, name in enumerate(names) if name in told.ids}
        ids: dict[Any, int] = {**told.ids, **(by_place if names else {i: i for i in told.classes.ids})}
        alone = not (path / CLASSES).is_file()
        shifted = {told.ids.get(name, -1): k for k, name in enumerate(names)} if alone else {}
        shifted = {class_id: k for class_id, k in shifted.items() if class_id == k + 1}
        infos = [replace(one, category=shifted.get(one.id, one.category)) for one in told.classes.classes]
        return ClassSet(tuple(infos), told.classes.ignore), ids, told.ground
    found = set(range(len(names))) if names else _ids_of(labels)
    classes = classes_of_ids({*found, *numbers}, reading.ignore)
    infos = [replace(one, name=names[one.id]) if one.id < len(names) else one for one in classes.classes]
    free = (i for i in count(1) if i not in {*classes.ids, *classes.ignore})
    infos += [ClassInfo(id=next(free), name=word) for word in words if word not in names]
    named = ClassSet(tuple(infos), classes.ignore)
    return named, {info.name: info.id for info in infos} | {i: i for i in named.ids}, named.ground or 0


def _ids_of(files: Iterable[Path]) -> set[int]:
    found: set[int] = set()
    for file in files:
        found.update(np.flatnonzero(np.bincount(read_ids(file).ravel())).tolist())
    return found


def _class_names(readme: Path) -> list[str]:
    """The names of the classes in the YAML head of a README, or none."""
    if not readme.is_file():
        return []
    text = read_text(readme)
    head = text[4:].partition("\n---")[0] if text.startswith("---\n") else ""
    document = yaml_value(head, str(readme)) if "class_label" in head else None
    found = next(_labels(document), None)
    if isinstance(found, dict):
        found = [found[key] for key in sorted(found, key=lambda key: (len(str(key)), str(key)))]
    return [str(name) for name in found] if isinstance(found, list) else []


def _labels(value: Any) -> Iterator[Any]:
    """The names of each class_label in a value of YAML."""
    if isinstance(value, dict):
        label = value.get("class_label")
        if isinstance(label, dict):
            yield label.get("names")
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _labels(one)


def _colors(path: Path, reading: Reading) -> Mapping[tuple[int, int, int], int]:
    return read_classes(path / CLASSES, reading.ignore)[1] if (path / CLASSES).is_file() else {}


@dataclass(frozen=True)
class _Loader:
    """name -> AnnotatedImage."""

    rows: Mapping[str, _Row]
    classes: ClassSet
    ids: Mapping[Any, int]
    ground: int
    colors: Mapping[tuple[int, int, int], int]
    source: str
    strict: bool
    orientation: Orientation

    def __call__(self, name: str) -> AnnotatedImage:
        row = self.rows[name]
        assert row.image is not None
        read = read_labelled(row.image, _stated(row), self.orientation)
        layout = self._layout(row, (read.pixels.shape[0], read.pixels.shape[1]))
        return AnnotatedImage(
            name=name, image=read.pixels, layout=layout, provenance=read.text, notes=read.notes
        )

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, decoded when that is asked for, where the file of its image may be copied."""
        row = self.rows[name]
        assert row.image is not None
        return undecoded(name, row.image, lambda size: self._layout(row, size, PaintedLayout)) or self(name)

    def layout(self, name: str) -> Layout:
        """The layout alone; of the image the header is read."""
        row = self.rows[name]
        assert row.image is not None
        return self._layout(row, image_size(row.image, self.orientation, stated=_stated(row)))

    def files_of(self, name: str) -> tuple[Path, ...]:
        """The files of one pair."""
        row = self.rows[name]
        return tuple(file for file in (row.image, row.label, row.instances) if file is not None)

    def _layout(self, row: _Row, size: tuple[int, int], paints: Paints = painted) -> Layout:
        what = f"{self.source}: {row.file_name!r}"
        objects = tuple(
            _object(one, self.ids, size, f"{what}: object {i}") for i, one in enumerate(row.objects or ())
        )
        if row.label is None:
            return paints(objects, size, self.ground)
        label_map = read_ids(row.label, colors=self.colors)
        unknown = self.classes.unknown(label_map) if self.strict else {}
        if unknown:
            raise InputError(
                f"{row.label}: ids that are not in the class list: {', '.join(map(str, list(unknown)[:5]))}; "
                f"name them in README.md, or pass --ignore {next(iter(unknown))}"
            )
        instances = None
        if row.instances is not None:
            instances = read_ids(row.instances, mend=MEND_INSTANCES).astype(np.uint16)
        for file, ids in ((row.label, label_map), (row.instances, instances)):
            if ids is not None and ids.shape != size:
                raise InputError(
                    f"{file} is {ids.shape[0]}x{ids.shape[1]} pixels but its image {size[0]}x{size[1]}"
                )
        return Layout(label_map=label_map, instances=instances, objects=objects)


def _stated(row: _Row) -> tuple[int, int] | None:
    """(H, W) of a row's label PNG; None where it has objects alone, which state no size."""
    return None if row.label is None else image_size(row.label, "stored")


def _object(one: Mapping[str, Any], ids: Mapping[Any, int], size: tuple[int, int], what: str) -> LayoutObject:
    bbox, category = one.get("bbox"), _category(one)
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(finite, bbox)) or min(bbox[2:]) < 0:
        raise InputError(f"{what} has bbox {str(bbox)[:60]}; expected [x, y, width, height], finite")
    if not isinstance(category, str | int) or category not in ids:
        raise InputError(f"{what} has the unknown category {str(category)[:40]!r}; name it in README.md")
    x, y, width, height = map(float, bbox)
    check_extent(x, y, x + width, y + height, size, what)
    outline = one.get("segmentation") or None
    if isinstance(outline, str):
        outline = json_value(outline, f"{what}: segmentation")
    if outline is not None and not isinstance(outline, list | dict):
        raise InputError(f"{what} has a segmentation that is neither polygons nor run lengths")
    if isinstance(outline, list) and outline and all(map(finite, outline)):
        outline = [outline]  # one polygon without a list around it
    said = one.get("attributes")
    attributes = json_value(said, f"{what}: attributes") if isinstance(said, str) and said else {}
    known = (*_CATEGORIES, *_OWN, *_IMPLIED, "bbox")
    return LayoutObject(
        class_id=ids[category],
        box=(x, y, x + width, y + height),
        rle=parse_rle(outline, size, what) if isinstance(outline, dict) else None,
        polygons=parse_polygons(outline, size, what) if isinstance(outline, list) else None,
        crowd=one.get("crowd") is True,
        attributes={key: value for key, value in one.items() if key not in known}
        | (attributes if isinstance(attributes, dict) else {}),
    )


def _recognizes(path: Path) -> bool:
    return path.is_dir() and any(_begins(file) for file, _ in islice(_metadata(path), 8))


def _begins(file: Path) -> bool:
    with file.open("rb") as stream:
        return b"file_name" in stream.read(1 << 16)


FORMAT = Format(
    name="imagefolder",
    title="Hugging Face's image folder: metadata.jsonl with objects, or files of labels, in train/, validation/, test/",
    recognizes=_recognizes,
    reads=read_imagefolder,
    own_parts=True,
    images_alone=True,
    carries=Carries(**dict.fromkeys(Carries().each(), KEPT) | {"spacing": LOST}),
)
