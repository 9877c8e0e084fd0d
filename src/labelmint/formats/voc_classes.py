"""The classes and the colors of the `voc` format: classes.json, labelmap.txt, class_names.txt, or VOC's own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set, read_classes
from labelmint.formats.format import Reading
from labelmint.formats.label_colors import Color
from labelmint.formats.text_files import read_lines
from labelmint.formats.voc_xml import Sheet
from labelmint.types import ClassInfo, ClassSet

__all__ = [
    "VOC_COLORS",
    "VOC_NAMES",
    "VOID",
    "classes_of",
    "colors_of",
    "ground_of",
    "ignored_names",
    "palette_of",
    "voc_color",
]

VOC_NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *(
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
)
VOID: Color = (224, 224, 192)


def voc_color(index: int) -> Color:
    """VOC's color of an id: its bits dealt out to red, green and blue in turn, the lowest to the highest place."""
    parts = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            parts[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    return parts[0], parts[1], parts[2]


VOC_COLORS = [voc_color(i) for i in range(256)]


def classes_of(
    path: Path, sheets: Iterable[Sheet], with_maps: bool, reading: Reading
) -> tuple[ClassSet, dict[Color, int]]:
    """The classes, and color -> id for label PNGs in colors."""
    ignore = (*reading.ignore, IGNORE)
    if (path / "classes.json").is_file() and (own := read_classes(path / "classes.json", reading.ignore)[0]):
        return own, colors_of(own)
    listed = path / "labelmap.txt"
    if listed.is_file():
        rows = [_labelmap_row(line, listed) for line in read_lines(listed) if not line.startswith("#")]
        void = {name for name, color in rows if name.lower() in ("ignored", "void", "ignore")}
        infos = [ClassInfo(id=i, name=n, color=c) for i, (n, c) in enumerate(rows) if n not in void]
        colors = {c: IGNORE for n, c in rows if n in void and c}
        return class_set(infos, ignore), colors_of(class_set(infos, ())) | colors
    named = path / "class_names.txt"
    names = [name for name in read_lines(named) if name != "__ignore__"] if named.is_file() else []
    if not names:
        seen = sorted({one.name for sheet in sheets for one in sheet.objects} - {"background"})
        known = with_maps and set(seen) <= set(VOC_NAMES)
        names = ["background", *(VOC_NAMES if known else seen)]
    colored = [
        ClassInfo(id=i, name=n, color=voc_color(i) if with_maps else None) for i, n in enumerate(names)
    ]
    classes = class_set(colored, ignore)
    return classes, colors_of(classes)


def _labelmap_row(line: str, path: Path) -> tuple[str, Color | None]:
    name, _, rest = line.partition(":")
    numbers = rest.partition(":")[0].split(",")
    if not name or not (
        numbers == [""] or (len(numbers) == 3 and all(one.strip().isdecimal() for one in numbers))
    ):
        raise InputError(f"{path}: the line {line[:60]!r}; expected NAME:red,green,blue:parts:actions")
    if numbers == [""]:
        return name, None
    red, green, blue = (int(one) if len(one) < 5 else 256 for one in numbers)
    if max(red, green, blue) > 255:
        raise InputError(f"{path}: the line {line[:60]!r} has a color above 255")
    return name, (red, green, blue)


def ground_of(classes: ClassSet) -> int:
    """The id of what no box covers: the background, else one to ignore."""
    return classes.ground if classes.ground is not None else next(iter(classes.ignore), IGNORE)


def palette_of(classes: ClassSet) -> list[Color]:
    """256 colors of label PNGs: those of the classes where no two ids in use get the same, else VOC's own."""
    usual = [voc_color(i) for i in range(256)]
    own = list(usual)
    for info in classes.classes:
        if info.id <= IGNORE and info.color is not None:
            own[info.id] = info.color
    used = [own[i] for i in _label_ids(classes)]
    return own if len(set(used)) == len(used) else usual


def colors_of(classes: ClassSet) -> dict[Color, int]:
    """Color -> id of what label PNGs of these classes hold, void included."""
    palette = palette_of(classes)
    return {VOID: IGNORE} | {palette[i]: i for i in _label_ids(classes)}


def _label_ids(classes: ClassSet) -> list[int]:
    return [i for i in sorted({*classes.ids, *classes.ignore, IGNORE}) if i <= IGNORE]


def ignored_names(classes: ClassSet) -> dict[str, int]:
    """Names of objects to ignore, as labelmint writes them and as the devkit calls them."""
    first = next(iter(sorted(classes.ignore, key=lambda i: i != IGNORE)), None)
    named = {f"ignore_{i}": i for i in classes.ignore if i != IGNORE}
    return named | ({} if first is None else dict.fromkeys(("ignore", "ignored", "void"), first) | named)
