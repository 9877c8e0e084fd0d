"""The `coco` format: instances JSONs in COCO's layout beside or above their pictures; objects are read and written
without loss.

    instances.json {"images": [{id, file_name, width, height}], "categories": [{id, name}],
                    "annotations": [{id, image_id, category_id, bbox: [x, y, w, h], segmentation, area,
                      iscrowd, ...}]}

`coco_files` says where files lie and which belong together, `coco_classes` what categories mean. `coco_write` is the
way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from labelmint.errors import InputError
from labelmint.formats.coco_classes import Classes, Merged, classes_of, merged
from labelmint.formats.coco_document import (
    Document,
    Id,
    read_document,
    scaled_fractions,
    stated_size,
    without_collection,
)
from labelmint.formats.coco_extras import Stated, gathered
from labelmint.formats.coco_files import Pictures, Source, annotation_files, sources
from labelmint.formats.coco_objects import Annotations, Size
from labelmint.formats.files import Parts, read_splits
from labelmint.formats.format import AS_USUAL, KEPT, Carries, Format, Orientation, Reading
from labelmint.formats.image_files import image_size
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.records import Record, RecordLoader, names_of, or_swapped
from labelmint.types import DataSet, LayoutObject

__all__ = [
    "FORMAT",
    "Listed",
    "listed_images",
    "names_of_images",
    "note_renumbered",
    "parts_of",
    "read_coco",
    "wanted_info",
]


def read_coco(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set of objects: from its folder, with all files that belong together, or from one JSON file."""
    odd = Odd(reading.strict)
    chosen = sources(path, odd, "coco")
    with without_collection():
        return _read(path, chosen, reading, odd)


def _read(path: Path, chosen: Sequence[Source], reading: Reading, odd: Odd) -> DataSet:
    documents = [read_document(source.file) for source in chosen]
    origin = str(chosen[0].file if len(chosen) == 1 else path)
    together = merged([(s.file, d.categories) for s, d in zip(chosen, documents, strict=True)], odd)
    marks = any(one.get("ignore") for document in documents for one in document.annotations)
    info = wanted_info(chosen, documents)
    classes = classes_of(together.categories, info, reading.ignore, origin, marks=marks)
    note_renumbered(together.categories, classes, origin, odd)
    listed = [listed_images(s, d, odd, reading.orientation) for s, d in zip(chosen, documents, strict=True)]
    names = names_of_images(listed, chosen, origin)
    records: dict[str, Record] = {}
    stated: dict[str, Stated] = {}
    for i, one in enumerate(listed):
        objects, said = _objects(one, documents[i], _ids(together, i, classes), classes, names[i], odd)
        stated |= {names[i][image_id]: its for image_id, its in said.items()}
        for image_id, name in names[i].items():
            if image_id in one.files:
                records[name] = Record(
                    path=one.files[image_id],
                    size=one.sizes[image_id],
                    objects=tuple(objects[image_id]),
                    stated=image_id in one.stated,
                )
    ordered = tuple(sorted(records))
    return DataSet(
        source=origin,
        format="coco",
        classes=classes.classes,
        names=ordered,
        load=RecordLoader(records, origin, classes.ground, reading.orientation),
        **parts_of(chosen, listed, names, ordered, odd)._asdict(),
        extras=gathered(documents, together, classes, names, stated),
        findings=odd.findings,
    )


class Listed(NamedTuple):
    """The images of one file that are there.

    Arguments:
        source: the file. files, sizes: of each image, by id; of two entries for one picture the first.
        same: id of an entry -> id of the entry that stands for it. below: id -> file name below a folder of pictures.
        stated: ids of images whose size the file states. all: ids of all images that it lists.
    """

    source: Source
    files: dict[Id, Path]
    sizes: dict[Id, Size]
    same: dict[Id, Id]
    below: dict[Id, str]
    stated: set[Id]
    all: frozenset[Id]


def listed_images(source: Source, document: Document, odd: Odd, orientation: Orientation = "auto") -> Listed:
    """Find the images of a file. Raises InputError where none is there, and for two entries of one picture that
    differ.
    """
    pictures, images = Pictures(source), document.images
    one = Listed(source, {}, {}, {}, {}, set(), frozenset(image["id"] for image in images))
    first: dict[Path, Id] = {}
    missing, doubled = [], []
    for image in images:
        found = pictures.find(image)
        if found is None:
            missing.append(str(image.get("file_name") or image.get("coco_url")))
            continue
        stated = stated_size(image, source.file)
        one.stated.update([image["id"]] if stated else [])
        size = stated or image_size(found.file, orientation)
        known = first.setdefault(found.file, image["id"])
        if known == image["id"]:
            one.files[known], one.sizes[known], one.below[known] = found.file, size, found.name
            continue
        if one.sizes[known] != size or one.below[known] != found.name:
            raise InputError(
                f"{source.file}: {found.file} is listed twice, as image {known!r} and image {image['id']!r} of "
                f"another name or size; keep one of them"
            )
        doubled.append(found.name)
        one.same[image["id"]] = known
    _say(source, pictures, len(images), missing, doubled, odd)
    if not one.files:
        raise InputError(
            f"{source.file}: no labelled images; it lists {len(images)} images and none of them was found, first "
            f"{first_of(missing)}; put them into {source.home / 'images'}"
        )
    return one


def _say(
    source: Source, pictures: Pictures, count: int, missing: Sequence[str], doubled: Sequence[str], odd: Odd
) -> None:
    """What was odd about the images of a file."""
    file = source.file
    text = (
        f"{file}: {len(missing)} of its images are missing, first {first_of(missing)}; put them into "
        f"{source.home / 'images'}"
    )
    odd.refuse("missing image", text, missing)
    if doubled:
        text = f"{file}: {len(doubled)} images are listed twice, first {first_of(doubled)}; their objects are joined"
        odd.note("listed twice", text, doubled)
    if pictures.guessed:
        text = (
            f"{file}: {len(pictures.guessed)} of {count} file names lead elsewhere, first "
            f"{first_of(pictures.guessed)}; the pictures of the same bare name are taken"
        )
        odd.note("found by bare name", text, pictures.guessed)


def names_of_images(listed: Sequence[Listed], chosen: Sequence[Source], origin: str) -> list[dict[Id, str]]:
    """A name for each image of each file. Raises InputError where one picture is of two files."""
    owner: dict[Path, Source] = {}
    for one in listed:
        for file in one.files.values():
            other = owner.setdefault(file, one.source)
            if other is not one.source:
                raise InputError(
                    f"{file} is listed in {other.file} and in {one.source.file}; keep it in one of them"
                )
    files = [name for one in listed for name in one.below.values()]
    if len(chosen) > 1 and len({Path(name).stem for name in files}) < len(files):
        files = [f"{one.source.tag}/{name}" for one in listed for name in one.below.values()]
    names = iter(names_of(files, origin))
    return [{image_id: next(names) for image_id in one.below} for one in listed]


def _objects(
    one: Listed,
    document: Document,
    ids: Mapping[Id, int],
    classes: Classes,
    names: Mapping[Id, str],
    odd: Odd,
) -> tuple[dict[Id, list[LayoutObject]], dict[Id, Stated]]:
    """The objects of each image, and what their annotations state."""
    file = one.source.file
    sizes = one.sizes | {other: one.sizes[first] for other, first in one.same.items()}
    fractions = scaled_fractions(document, sizes)
    if fractions:
        text = f"{file}: the {fractions} objects lie between 0 and 1: taken as fractions of their images, not as pixels"
        odd.note("fractions", text)
    marked = [str(a.get("id")) for a in document.annotations if a.get("ignore")]
    if marked:
        text = f'{file}: {len(marked)} annotations are marked "ignore": their pixels are ignored ({classes.ignored})'
        odd.note("ignored annotations", text)

    def refuse(error: InputError, image_id: Id | None) -> None:
        known = one.same.get(image_id, image_id) if image_id is not None else None
        if known in one.files and known is not None:
            error = or_swapped(error, one.files[known], one.sizes[known], str(file))
        odd.refuse_one("bad annotation", error, names.get(known, "") if known is not None else "")

    reader = Annotations(
        sizes=sizes,
        ids=ids,
        ignored=classes.ignored,
        listed=one.all,
        source=str(file),
        about=lambda image_id: names.get(one.same.get(image_id, image_id), ""),
        refuse=refuse,
    )
    found = reader.objects(document.annotations)
    for other, first in one.same.items():
        found[first] += found.pop(other)
        reader.stated[first] += reader.stated.pop(other)
    return found, reader.stated


def note_renumbered(categories: Sequence[Mapping[str, Any]], classes: Classes, origin: str, odd: Odd) -> None:
    """Say which category ids are none that a label map can hold."""
    others = [one for one in categories if not isinstance(one["id"], int) or not 0 <= one["id"] <= 65535]
    if others:
        text = (
            f"{origin}: {len(others)} category ids are no numbers from 0 to 65535, first {others[0]['id']!r}, which "
            f"is class {classes.ids[others[0]['id']]} here"
        )
        odd.note("renumbered", text, [str(one["name"]) for one in others])


def _ids(together: Merged, index: int, classes: Classes) -> dict[Id, int]:
    """Category id of one file -> class id."""
    return {own: classes.ids[joined] for own, joined in together.ids[index].items()}


def wanted_info(chosen: Sequence[Source], documents: Sequence[Document]) -> object:
    """What the files say under "info" of what no object covers; raises InputError where they differ."""
    said = [one.info for one in documents]
    for source, info in zip(chosen, said, strict=True):
        if info.get("ground", "") != said[0].get("ground", ""):
            raise InputError(
                f"{source.file} and {chosen[0].file} differ in the ground that they state under info; read them apart"
            )
    return said[0]


def parts_of(
    chosen: Sequence[Source],
    listed: Sequence[Listed],
    names: Sequence[Mapping[Id, str]],
    ordered: Sequence[str],
    odd: Odd,
) -> Parts:
    """The parts of a set: of its lists of names where there are some, else of its annotation files."""
    lists = read_splits(chosen[0].home, ordered, odd)
    if len(chosen) == 1 or any(part is not None for part in lists):
        return lists
    return Parts.of(
        {
            name: source.part or ""
            for source, one, its in zip(chosen, listed, names, strict=True)
            for image_id, name in its.items()
            if image_id in one.files
        }
    )


FORMAT = Format(
    name="coco",
    title="COCO instances JSONs with polygons, run lengths, boxes and crowds, one or one a part, over images/",
    recognizes=lambda path: bool(annotation_files(path)),
    reads=read_coco,
    own_parts=True,
    shares_colors=True,
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
            ),
            KEPT,
        ),
        maps="kept as objects: pieces of each class where no object says it; ground under objects is lost",
        wide=KEPT,
        colors=KEPT,
    ),
)
