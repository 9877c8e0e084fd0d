"""The `voc` format: Pascal VOC's boxes in XML, its label maps in palette PNGs, its lists of parts; read here and
written by `voc_write`.

    JPEGImages/NAME.jpg    Annotations/NAME.xml: see `voc_xml`
    SegmentationClass/NAME.png    SegmentationObject/NAME.png: indices or VOC's colors are ids, 255 is ignored
    ImageSets/{Main,Segmentation}/{train,val,trainval,test}.txt    labelmap.txt: NAME:r,g,b:parts:actions, of CVAT

Loose layouts, too: images/ beside annotations/NAME.xml, XML beside its image, SPLIT/NAME.xml as Roboflow has it.

What a set holds decides. With XML alone the objects are the boxes, and the maps are painted from them. With
SegmentationClass the pairs are the images that have such a PNG, and the label map is that PNG, instances those of
SegmentationObject. Boxes of XML beside it are the objects: object i takes the pixels of instance i + 1 as its shape, as
VOC numbers them, where its class and its box are that instance's, else those of the one that fits best; other boxes
stay boxes. Images that have boxes alone in such a set are left out, and a finding says how many.

Classes are those of classes.json (as labelmint writes it), labelmap.txt or class_names.txt; without them VOC's own 20
where there are label maps, else the names in the XML in order of the alphabet, from 1 on. 0 is "background".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE
from labelmint.formats.files import finder
from labelmint.formats.format import AS_USUAL, KEPT, Carries, Format, Orientation, Reading
from labelmint.formats.image_files import image_size, read_ids
from labelmint.formats.instance_shapes import with_instances
from labelmint.formats.label_colors import Color, Palettes
from labelmint.formats.maps import MapFiles, MapLoader, Maps, as_data_set, files_below, matched
from labelmint.formats.odd import Odd
from labelmint.formats.painting import object_at, windows
from labelmint.formats.records import Record, RecordLoader, names_of
from labelmint.formats.shapes import check_extent
from labelmint.formats.voc_classes import VOC_COLORS, classes_of, ground_of, ignored_names
from labelmint.formats.voc_files import (
    below,
    images_in,
    images_of,
    parts_of,
    roots_of,
    unlabelled_of,
    xml_files,
    xml_places,
)
from labelmint.formats.voc_xml import Sheet, read_sheet
from labelmint.types import Array, ClassSet, DataSet, LayoutObject

__all__ = ["FORMAT", "read_voc"]

_MEND = "say what they mean in labelmap.txt (a line NAME:red,green,blue:: each), or pass another format"
_MEND_INSTANCES = "save SegmentationObject with VOC's colors"
_NOWHERE = slice(0, 0), slice(0, 0)
_INSTANCE_COLORS = {color: i for i, color in enumerate(VOC_COLORS)}


def read_voc(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from its folder. XML files are parsed once, here; PNGs when a pair is loaded."""
    if not path.is_dir():
        raise InputError(f"{path}: the format voc is read from a folder, not from a file")
    odd = Odd(reading.strict)
    sheets = [read_sheet(file, odd) for file in xml_files(path)]
    masks = list(files_below(path / "SegmentationClass", (".png",)))
    if not sheets and not masks:
        raise InputError(
            f"{path}: no labelled images; expected JPEGImages/ with Annotations/NAME.xml or label PNGs"
        )
    found = images_of(path, sheets, odd)
    classes, colors = classes_of(path, sheets, bool(masks), reading)
    objects = _objects(path, found, classes, reading.orientation, odd)
    if masks:
        return _with_maps(path, masks, found, objects, classes, colors, reading, odd)
    return _with_boxes(path, found, objects, classes, reading.orientation, odd)


def _with_boxes(
    path: Path,
    found: Mapping[Path, Sheet],
    objects: Mapping[Path, tuple[LayoutObject, ...]],
    classes: ClassSet,
    orientation: Orientation,
    odd: Odd,
) -> DataSet:
    """The set of XML alone: an image with an XML file is a pair."""
    if not found:
        raise InputError(f"{path}: no labelled images; no image lies where its XML says")
    names = dict(zip(found, names_of([below(path, file) for file in found], str(path)), strict=True))
    records = {
        names[file]: Record(
            path=file,
            size=sheet.size or image_size(file, orientation),
            objects=objects[file],
            stated=sheet.size is not None,
        )
        for file, sheet in found.items()
    }
    unlabelled = unlabelled_of(path, found, odd)
    return DataSet(
        source=str(path),
        format="voc",
        classes=classes,
        names=tuple(sorted(records)),
        load=RecordLoader(records, str(path), ground_of(classes), orientation),
        **parts_of(path, {file: names[file] for file in sorted(found)}, unlabelled, odd)._asdict(),
        findings=odd.findings,
    )


def _with_maps(
    path: Path,
    masks: Sequence[Path],
    found: Mapping[Path, Sheet],
    objects: Mapping[Path, tuple[LayoutObject, ...]],
    classes: ClassSet,
    colors: Mapping[Color, int],
    reading: Reading,
    odd: Odd,
) -> DataSet:
    """The set with label maps: an image with a label PNG is a pair."""
    images = {file: file.stem for root in roots_of(path) for file in images_in(root)}
    map_of = finder(mask.stem for mask in masks)
    without = dict.fromkeys(file for file in found if not map_of(file.stem))
    if without:
        text = (
            f"{path}: {len(without)} images have boxes and no label map, first {next(iter(without))}; they are left "
            f"out (to read all boxes in place of label maps, move SegmentationClass/ away)"
        )
        odd.note("boxes without label map", text, [file.stem for file in without])
    pairs = matched(
        ((name, file) for file, name in images.items() if file not in without),
        ((mask.stem, mask) for mask in masks),
        path,
        odd,
    )
    files = {}
    for name, (image, label) in pairs.items():
        instances = path / "SegmentationObject" / label.name
        files[name] = MapFiles(image=image, label=label, instances=instances if instances.is_file() else None)
    drawn = {name: objects.get(image, ()) for name, (image, _) in pairs.items()}
    apart = [name for name, one in drawn.items() if one and files[name].instances is None]
    if apart:
        text = (
            f"{path}: {len(apart)} label maps have boxes beside them and no SegmentationObject; formats that hold "
            "objects alone get the boxes, and what the maps say beside them"
        )
        odd.note("label maps beside boxes", text, apart)
    loader = MapLoader(
        orientation=reading.orientation,
        files=files,
        classes=classes,
        maps=_Maps(colors, Palettes(_MEND) if reading.strict else None),
        objects=_Objects(drawn, _said(pairs, found, drawn)),
        strict=reading.strict,
        mend="list them in labelmap.txt",
    )
    unlabelled = {file: file.stem for file in images if file.stem not in pairs}
    parts = parts_of(path, {image: name for name, (image, _) in pairs.items()}, unlabelled, odd)
    return as_data_set(path, "voc", loader, parts, odd)


def _said(
    pairs: Mapping[str, tuple[Path, Path]],
    found: Mapping[Path, Sheet],
    drawn: Mapping[str, tuple[LayoutObject, ...]],
) -> dict[str, tuple[int | None, ...]]:
    """The instance that is the shape of each object, of pairs that labelmint wrote."""
    own = {name: found[image] for name, (image, _) in pairs.items() if image in found and found[image].own}
    marked = {name: tuple(one.instance for one in sheet.objects) for name, sheet in own.items()}
    return {name: marks for name, marks in marked.items() if len(marks) == len(drawn[name])}


@dataclass(frozen=True)
class _Maps:
    """The maps of a pair's PNGs. 255 of SegmentationObject is a border, and no object."""

    colors: Mapping[Color, int]
    palettes: Palettes | None

    def __call__(self, files: MapFiles) -> Maps:
        label_map = read_ids(files.label, colors=self.colors, palettes=self.palettes, mend=_MEND)
        if files.instances is None:
            return label_map, None
        instances = read_ids(files.instances, colors=_INSTANCE_COLORS, mend=_MEND_INSTANCES)
        return label_map, np.where(instances == IGNORE, 0, instances).astype(np.uint16)


@dataclass(frozen=True)
class _Objects:
    """The boxes of a pair with the pixels of their instances; `said` where the XML tells which have which."""

    boxes: Mapping[str, tuple[LayoutObject, ...]]
    said: Mapping[str, tuple[int | None, ...]]

    def __call__(self, name: str, label_map: Array, instances: Array | None) -> tuple[LayoutObject, ...]:
        boxes = self.boxes.get(name, ())
        if not boxes or instances is None:
            return boxes
        if name not in self.said:
            return with_instances(boxes, label_map, instances)
        found = dict(windows(instances))
        return tuple(
            one if number is None else _shaped(one, number, found.get(number, _NOWHERE), instances)
            for one, number in zip(boxes, self.said[name], strict=True)
        )


def _shaped(one: LayoutObject, number: int, window: tuple[slice, slice], instances: Array) -> LayoutObject:
    """A box with the pixels of an instance as its shape."""
    place = window, instances[window] == number
    return replace(one, rle=object_at(one.class_id, place, instances.shape).rle)


def _objects(
    path: Path, found: Mapping[Path, Sheet], classes: ClassSet, orientation: Orientation, odd: Odd
) -> dict[Path, tuple[LayoutObject, ...]]:
    """The objects of each image. Sets whose boxes begin at 0 do not count pixels from 1, as VOC does: then the numbers
    are taken as edges, and a finding says so.
    """
    ids = ignored_names(classes) | {info.name: info.id for info in classes.classes}
    from_zero = [
        file
        for file, sheet in found.items()
        if not sheet.own and any(min(one.box[:2]) < 0 for one in sheet.objects)
    ]
    if from_zero:
        text = (
            f"{path}: boxes of {len(from_zero)} images begin at 0, first {from_zero[0].name!r}, so all are taken as "
            "edges that count from 0 (VOC counts pixels from 1)"
        )
        odd.note("boxes from 0", text, [file.stem for file in from_zero])
    return {
        file: tuple(_object_list(sheet, file, orientation, bool(from_zero) and not sheet.own, ids, odd))
        for file, sheet in found.items()
    }


def _object_list(
    sheet: Sheet, file: Path, orientation: Orientation, from_zero: bool, ids: Mapping[str, int], odd: Odd
) -> Iterator[LayoutObject]:
    if not sheet.objects:
        return
    size = sheet.size or image_size(file, orientation)
    for index, one in enumerate(sheet.objects):
        what = f"{sheet.path}: object {index}"
        x0, y0, x1, y1 = one.box
        box = (round(x0 + 1, 9), round(y0 + 1, 9), x1, y1) if from_zero else one.box
        try:
            if one.name not in ids:
                raise InputError(
                    f"{what} has the name {one.name!r}, which is no class; list it in labelmap.txt"
                )
            check_extent(*box, size, f"{what}: its box")
            polygons = one.polygons(size, what)
        except InputError as error:
            odd.refuse_one("bad object", error, file.stem)
            continue
        yield LayoutObject(class_id=ids[one.name], box=box, polygons=polygons, attributes=one.attributes)


def _recognized(path: Path) -> bool:
    if not path.is_dir():
        return False
    maps = (path / "SegmentationClass").is_dir() and (path / "JPEGImages").is_dir()
    return maps or any(xml_places(path))


FORMAT = Format(
    name="voc",
    title="Pascal VOC: JPEGImages/, boxes in Annotations/NAME.xml, label maps in SegmentationClass/ and -Object/",
    recognizes=_recognized,
    reads=read_voc,
    carries=Carries(
        maps=KEPT,
        boxes=KEPT,
        overlaps="kept for boxes; of shapes the pixels that lie above",
        polygons="kept as the pixels that they cover",
        holes=KEPT,
        parts=KEPT,
        instances="kept up to 254 an image; ids above are numbered anew",
        attributes="kept; true and false of truncated, difficult and occluded become 1 and 0",
        ignore=KEPT,
        wide="refused in label maps, kept where boxes say all",
        colors=KEPT,
        splits=KEPT,
    ),
    own_parts=True,
)
