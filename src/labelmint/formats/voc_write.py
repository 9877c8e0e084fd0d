"""Writing the `voc` format: boxes as XML, label maps and instances as palette PNGs, parts as lists of ImageSets.

An XML file holds the objects as they were annotated. Label PNGs are written where boxes do not say it all: where a
pair has no objects, or shapes, or a map that is not painted from its boxes. As soon as one pair has them, all do, for
readers take the pairs from them; `segmented` in the XML says which objects have which instance as their shape. Pairs
with maps alone get no XML. classes.json beside labelmap.txt keeps ids, which labelmap.txt cannot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, dump_classes
from labelmint.formats.format import PLAIN, Part, Writing
from labelmint.formats.images_out import image_name, write_image
from labelmint.formats.label_colors import Color
from labelmint.formats.odd import Odd
from labelmint.formats.painting import PaintedLayout, paint, painted
from labelmint.formats.voc_classes import VOC_COLORS, VOID, ground_of, palette_of
from labelmint.formats.voc_instances import MOST, instances_of
from labelmint.formats.voc_xml import FLAGS, read_sheet, sheet_of
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_aside, write_text
from labelmint.types import AnnotatedImage, Array, ClassSet, Layout, LayoutObject

__all__ = ["write_voc"]

_LISTS: Mapping[Part, str] = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}
_UNLISTED = "default.txt"  # as CVAT calls what is in no part


def write_voc(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write pairs into an empty folder that exists; returns their names.

    Raises InputError for doubled names, ids that are no classes, and label maps whose ids do not fit a palette.
    """
    (folder / "JPEGImages").mkdir()
    names: dict[str, None] = {}
    files = _Files(folder, classes, writing)
    write_each(uniquely_named(pairs, names), files.put)
    if files.mapped:
        write_each(sorted(files.boxes), files.put_boxes_again)
    write_text(folder / "classes.json", dump_classes(classes))
    listed = _labelmap(classes)
    if listed is not None:
        write_text(folder / "labelmap.txt", listed)
    for kind in ("Main", "Segmentation") if files.mapped else ("Main",):
        _write_lists(folder / "ImageSets" / kind, names, writing)
    return list(names)


class _Files:
    """The files of pairs, written by several threads."""

    def __init__(self, folder: Path, classes: ClassSet, writing: Writing) -> None:
        self.folder, self.classes, self.writing = folder, classes, writing
        self.names = _names(classes)
        self.ground = ground_of(classes)
        self.colors = palette_of(classes)
        self.mapped = False  # whether any pair has label PNGs
        self.boxes: set[str] = set()  # the pairs without them

    def put(self, pair: AnnotatedImage) -> None:
        """The image, and the label in the files that it takes."""
        layout = pair.layout
        unknown = {} if isinstance(layout, PaintedLayout) else self.classes.unknown(layout.label_map)
        if unknown:
            raise InputError(f"the label of {pair.name!r} holds ids that are no classes: {sorted(unknown)}")
        write_image(self.folder / "JPEGImages", pair, self.writing)
        self.tell(layout)
        if _boxes_alone(layout, self.ground):
            self.put_sheet(pair, None)
            self.boxes.add(pair.name)
            return
        self.mapped = True
        instances = instances_of(pair.name, layout, self.writing.change)
        self.put_maps(pair.name, layout.label_map, instances.ids)
        if layout.objects:
            self.put_sheet(pair, instances.of_objects)

    def tell(self, layout: Layout) -> None:
        """Tell what becomes of outlines and of true and false."""
        outlines = sum(one.polygons is not None for one in layout.objects)
        flags = sum(isinstance(one.attributes.get(flag), bool) for one in layout.objects for flag in FLAGS)
        self.writing.change(
            "polygons approximated", "outlines are kept as the pixels that they cover", outlines
        )
        self.writing.change(
            "attributes approximated", f"true and false of {', '.join(FLAGS)} become 1 and 0", flags
        )

    def put_sheet(self, pair: AnnotatedImage, instances: Sequence[int | None] | None) -> None:
        """The XML with the objects."""
        (self.folder / "Annotations").mkdir(exist_ok=True)
        text = sheet_of(pair, image_name(pair, self.writing), "JPEGImages", self.names, instances)
        write_text(self.folder / "Annotations" / f"{pair.name}.xml", text)

    def put_maps(self, name: str, label_map: Array, instances: Array | None) -> None:
        """The palette PNGs of a label map and of instances."""
        highest = int(label_map.max(initial=0))
        if highest > IGNORE or (highest == IGNORE and IGNORE not in self.classes.ignore):
            raise InputError(
                f"the label of {name!r} holds the id {highest}; VOC's label PNGs hold classes from 0 to {MOST}, and "
                f"{IGNORE} for what is ignored: give the classes smaller ids, or write the format folder"
            )
        self.put_png("SegmentationClass", name, label_map, self.colors)
        if instances is not None:
            self.put_png("SegmentationObject", name, instances, VOC_COLORS)

    def put_png(self, kind: str, name: str, ids: Array, colors: Sequence[Color]) -> None:
        """A palette PNG whose indices are the ids."""
        (self.folder / kind).mkdir(exist_ok=True)
        picture = Image.fromarray(np.ascontiguousarray(ids.astype(np.uint8)))
        picture.putpalette([part for color in colors for part in color])
        with write_aside(self.folder / kind / f"{name}.png") as aside:
            picture.save(aside, format="PNG", compress_level=6)

    def put_boxes_again(self, name: str) -> None:
        """The label PNGs of a pair that has boxes alone, painted from its XML as readers paint them."""
        sheet = read_sheet(self.folder / "Annotations" / f"{name}.xml", Odd())
        ids = {text: i for i, text in self.names.items()}
        objects = [LayoutObject(class_id=ids[one.name], box=one.box) for one in sheet.objects]
        assert sheet.size is not None
        layout = painted(objects, sheet.size, self.ground)
        self.put_maps(name, layout.label_map, instances_of(name, layout, self.writing.change).ids)


def _boxes_alone(layout: Layout, ground: int) -> bool:
    """Return True where the boxes of a layout say all of it: its maps are those that readers paint from them."""
    if any(one.rle is not None or one.polygons is not None for one in layout.objects):
        return False
    if isinstance(layout, PaintedLayout) and layout.ground == ground:
        return True
    if layout.instances is None:
        return False
    label_map, instances = paint(layout.objects, layout.size, ground)
    return np.array_equal(label_map, layout.label_map) and np.array_equal(instances, layout.instances)


def _names(classes: ClassSet) -> dict[int, str]:
    """Class id -> the name in XML, the ids to ignore included."""
    names = {i: "ignore" if i == IGNORE else f"ignore_{i}" for i in classes.ignore}
    names |= {info.id: info.name for info in classes.classes}
    doubled = [name for name, count in Counter(names.values()).items() if count > 1]
    blank = [name for name in names.values() if not name or name != name.strip()]
    if doubled or blank:
        why = "is that of two classes" if doubled else "is empty or has outer blanks"
        raise InputError(f"the class name {(doubled or blank)[0]!r} {why}; VOC goes by names, so rename it")
    return names


def _labelmap(classes: ClassSet) -> str | None:
    """labelmap.txt, or None where a name cannot stand in it."""
    colors = palette_of(classes)
    rows = [(info.name, colors[info.id] if info.id <= IGNORE else None) for info in classes.classes]
    rows += [("ignored", VOID)] if IGNORE in classes.ignore and "ignored" not in classes.names else []
    if any(color is None or ":" in name or name[0] == "#" or not name.isprintable() for name, color in rows):
        return None
    lines = [f"{name}:{','.join(map(str, color or ()))}::" for name, color in rows]
    return "\n".join(["# label:color_rgb:parts:actions", *lines]) + "\n"


def _write_lists(folder: Path, names: Iterable[str], writing: Writing) -> None:
    """The lists of parts, and that of the names in none."""
    folder.mkdir(parents=True)
    listed: dict[str, list[str]] = {}
    for name in names:
        part = writing.parts.get(name)
        listed.setdefault(_UNLISTED if part is None else _LISTS[part], []).append(name)
    for file, its in listed.items():
        write_text(folder / file, "".join(f"{name}\n" for name in its))
