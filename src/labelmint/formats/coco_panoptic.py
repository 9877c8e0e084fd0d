"""The `coco-panoptic` format: a PNG of segments an image, and a JSON of what each segment is; label map and instances
are read and written exactly.

    annotations/panoptic_{train,val,test}*.json    over images/{train,val,test}/ or images/, as in `coco_files`
    annotations/panoptic_train/NAME.png            segment id = R + 256 G + 256^2 B; 0 is of no segment
    {"images": [...], "categories": [{id, name, isthing, color}], "annotations": [{image_id, file_name,
      "segments_info": [{id, category_id, area, bbox, iscrowd}]}]}

A pixel of no segment is ignored. Each segment of a category that `isthing` is an instance, numbered as listed; sets
that labelmint wrote have the number itself in `instance`. `coco_panoptic_write` is the way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.coco import listed_images, names_of_images, note_renumbered, parts_of, wanted_info
from labelmint.formats.coco_classes import Classes, classes_of, merged
from labelmint.formats.coco_document import Id, as_id, read_document, without_collection
from labelmint.formats.coco_extras import gathered
from labelmint.formats.coco_files import Source, annotation_files, sources
from labelmint.formats.format import AS_USUAL, KEPT, LOST, Carries, Format, Orientation, Reading
from labelmint.formats.image_files import read_image, read_labelled
from labelmint.formats.lookup import Lookup, find_image
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.undecoded import undecoded
from labelmint.types import AnnotatedImage, Array, DataSet, Layout

__all__ = ["FORMAT", "HAS_INSTANCES", "INSTANCE", "read_panoptic"]

INSTANCE = "instance"  # of a segment: its number in the instance map
HAS_INSTANCES = "instances"  # of an annotation: whether the pair has an instance map
_HIGHEST = (1 << 24) - 1


class Segments(NamedTuple):
    """The label of an image: its picture, the image's file, and what each segment id stands for, ids ascending."""

    image: Path
    label: Path
    ids: Array
    classes: Array
    instances: Array | None


def read_panoptic(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from its folder, with all parts, or from one JSON file."""
    odd = Odd(reading.strict)
    chosen = sources(path, odd, "coco-panoptic", panoptic=True)
    with without_collection():
        documents = [read_document(source.file) for source in chosen]
        origin = str(chosen[0].file if len(chosen) == 1 else path)
        together = merged([(s.file, d.categories) for s, d in zip(chosen, documents, strict=True)], odd)
        classes = classes_of(
            together.categories, wanted_info(chosen, documents), reading.ignore, origin, void=True
        )
        note_renumbered(together.categories, classes, origin, odd)
        listed = [listed_images(s, d, odd) for s, d in zip(chosen, documents, strict=True)]
        names = names_of_images(listed, chosen, origin)
        things = {one["id"] for one in together.categories if one.get("isthing")}
        records: dict[str, Segments] = {}
        for i, document in enumerate(documents):
            reader = _Reader(chosen[i], classes, together.ids[i], things)
            found = reader.all(document.annotations, listed[i].files, odd, names[i])
            without = [names[i][image_id] for image_id in listed[i].files if image_id not in found]
            text = f"{chosen[i].file}: {len(without)} images have no annotation, first {first_of(without)}; remove them"
            odd.refuse("image without label", text, without)
            records |= {names[i][image_id]: segments for image_id, segments in found.items()}
    if not records:
        raise InputError(f"{origin}: no labelled images; it has no annotations of images that are there")
    ordered = tuple(sorted(records))
    return DataSet(
        source=origin,
        format="coco-panoptic",
        classes=classes.classes,
        names=ordered,
        load=_Loader(records, classes, reading.orientation),
        **parts_of(chosen, listed, names, ordered, odd)._asdict(),
        extras=gathered(documents, together, classes, names, {}),
        findings=odd.findings,
    )


@dataclass(frozen=True)
class _Reader:
    """Reads the annotations of one file.

    Arguments:
        joined: its category ids -> those of the list that all files have. things: of that list.
    """

    source: Source
    classes: Classes
    joined: Mapping[Id, Id]
    things: set[Id]
    lookup: Lookup = field(default_factory=Lookup)

    def all(
        self, annotations: Sequence[Any], files: Mapping[Id, Path], odd: Odd, names: Mapping[Id, str]
    ) -> dict[Id, Segments]:
        """The segments of each image."""
        folder, found = _folder(self.source), dict[Id, Segments]()
        for one in annotations:
            image_id = as_id(one.get("image_id"))
            what = f"{self.source.file}: the annotation of image {one.get('image_id')!r}"
            try:
                if image_id is None or image_id in found:
                    raise InputError(
                        f"{what} stands there twice, or its image_id is no id; keep one an image"
                    )
                if image_id in files:
                    found[image_id] = self._segments(one, files[image_id], folder, what)
            except InputError as error:
                odd.refuse_one(
                    "bad annotation", error, names.get(image_id, "") if image_id is not None else ""
                )
        return found

    def _segments(self, one: Mapping[str, Any], image: Path, folder: Path, what: str) -> Segments:
        label = find_image([one.get("file_name")], [folder], what, self.lookup)
        if label is None:
            raise InputError(f"{what}: its label {one.get('file_name')!r} is missing; put it into {folder}")
        listed = one.get("segments_info")
        if not isinstance(listed, list) or not all(isinstance(segment, dict) for segment in listed):
            raise InputError(f'{what}: expected "segments_info" as a list of {{id, category_id}}')
        number, rows, told = 0, dict[int, tuple[int, int]](), HAS_INSTANCES in one
        for segment in listed:
            segment_id, category = as_id(segment.get("id")), as_id(segment.get("category_id"))
            if not isinstance(segment_id, int) or not 0 < segment_id <= _HIGHEST or segment_id in rows:
                raise InputError(
                    f"{what}: segment id {segment.get('id')!r} is doubled, or not from 1 to {_HIGHEST}"
                )
            if category not in self.joined or category is None:
                raise InputError(
                    f"{what}: segment {segment_id} has the unknown category id {segment.get('category_id')!r}; list it"
                )
            thing = self.joined[category] in self.things
            number += thing
            own = segment.get(INSTANCE, 0) if told else number * thing
            instance = own if type(own) is int and 0 <= own <= 65535 else 0
            rows[segment_id] = self.classes.ids[self.joined[category]], instance
        ids = sorted(rows)
        has = one[HAS_INSTANCES] is True if told else bool(self.things)
        instances = np.array([rows[i][1] for i in ids], dtype=np.uint16) if has else None
        return Segments(image, label, np.array(ids), np.array([rows[i][0] for i in ids]), instances)


def _folder(source: Source) -> Path:
    """The folder of label PNGs: named like the JSON, beside it or beside annotations/."""
    stem = source.file.stem
    folders = (source.file.parent / stem, source.home / stem, source.home / "annotations" / stem)
    return next((folder for folder in folders if folder.is_dir()), folders[0])


@dataclass(frozen=True)
class _Loader:
    """name -> AnnotatedImage."""

    records: Mapping[str, Segments]
    classes: Classes
    orientation: Orientation

    def __call__(self, name: str) -> AnnotatedImage:
        record = self.records[name]
        layout = self.layout(name)
        image, text, notes, tag = read_labelled(record.image, layout.size, self.orientation)
        if image.shape[:2] != layout.size:
            (height, width), (rows, columns) = image.shape[:2], layout.size
            raise InputError(
                f"{record.image} is {height}x{width} pixels (height x width){tag}, but {record.label} is "
                f"{rows}x{columns}; use the images that were annotated"
            )
        return AnnotatedImage(name=name, image=image, layout=layout, provenance=text, notes=notes)

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, decoded when that is asked for, where the file of its image may be copied."""
        return undecoded(name, self.records[name].image, lambda size: self.layout(name)) or self(name)

    def files_of(self, name: str) -> tuple[Path, ...]:
        """The files of one pair."""
        return self.records[name].image, self.records[name].label

    def layout(self, name: str) -> Layout:
        """The maps of one pair; its image is not decoded."""
        record = self.records[name]
        codes = _codes(record.label)
        values, place = np.unique(codes, return_inverse=True)
        at = np.searchsorted(record.ids, values)
        known = np.isin(values, record.ids)
        unknown = [int(value) for value in values[~known] if value]
        if unknown:
            raise InputError(
                f"{record.label}: holds segments that the JSON does not list: {unknown[:5]}; export both again together"
            )
        at = np.where(known, np.minimum(at, max(len(record.ids) - 1, 0)), 0)
        ids = record.classes if len(record.classes) else np.zeros(1, dtype=int)
        classes = np.where(known, ids[at], self.classes.ground)
        label_map = classes[place.reshape(codes.shape)]
        kind = np.uint8 if int(label_map.max(initial=0)) <= 255 else np.uint16
        instances = None
        if record.instances is not None:
            numbers = record.instances if len(record.ids) else np.zeros(1, dtype=np.uint16)
            instances = np.where(known, numbers[at], 0).astype(np.uint16)[place.reshape(codes.shape)]
        return Layout(label_map=label_map.astype(kind), instances=instances)


def _codes(path: Path) -> Array:
    """Segment ids (H, W) of a label PNG."""
    pixels = read_image(path)
    if pixels.shape[2] != 3:
        raise InputError(f"{path}: a grey label; expected segment ids as colors, R + 256 G + 65536 B")
    codes: Array = pixels.astype(np.uint32) @ np.array([1, 256, 65536], dtype=np.uint32)
    return codes


FORMAT = Format(
    name="coco-panoptic",
    title="COCO panoptic: PNGs of segment ids as colors, and a JSON of their categories",
    recognizes=lambda path: bool(annotation_files(path, panoptic=True)),
    reads=read_panoptic,
    own_parts=True,
    shares_colors=True,
    carries=Carries(
        maps=KEPT,
        boxes="kept as the pixels that they cover",
        overlaps=LOST,
        polygons="kept as the pixels that they cover",
        holes=KEPT,
        parts=KEPT,
        instances=KEPT,
        ignore=KEPT,
        wide=KEPT,
        colors=KEPT,
    ),
)
