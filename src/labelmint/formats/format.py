"""What a format is: how it is found, how it is read and written, and what it carries.

A format is one `Format` record in a file of its own; `formats.FORMATS` lists them in the order in which they are
tried. Converting is reading with one and writing with another, over objects and maps as they were annotated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, ClassSet, DataSet, Finding

__all__ = [
    "AS_USUAL",
    "IMAGE_FORMATS",
    "KEPT",
    "LOST",
    "ORIENTATIONS",
    "PARTS",
    "PART_WORDS",
    "PLAIN",
    "Carries",
    "Change",
    "Format",
    "ImageFormat",
    "Orientation",
    "Part",
    "Reading",
    "Writing",
    "held_image_format",
    "image_format_named",
    "part_in",
    "part_of_folders",
    "part_word",
    "unsaid",
]

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
PART_WORDS: Mapping[Part, tuple[str, ...]] = MappingProxyType(  # what people call them, the usual word first
    {
        "train": ("train", "training", "trainval"),
        "validation": ("val", "valid", "validation", "dev", "minival"),
        "test": ("test", "testing", "eval"),
    }
)
_PART_OF = {word: part for part, words in PART_WORDS.items() for word in words}
_NAME_OF_PART = re.compile(r"(?:obj_)?([a-z]+?)(?:_data)?(?:[-_]?20\d\d)?")
Orientation = Literal["auto", "turned", "stored"]
ORIENTATIONS: tuple[Orientation, ...] = ("auto", "turned", "stored")
ImageFormat = Literal["png", "jpg", "webp", "tiff"]
IMAGE_FORMATS: tuple[ImageFormat, ...] = ("png", "jpg", "webp", "tiff")

KEPT, LOST = "kept", "lost"


def part_word(name: str) -> Part | None:
    """The part that a name of a folder, a list or a subset means as a whole: train, Valid, obj_test_data, val2017."""
    found = _NAME_OF_PART.fullmatch(name.lower())
    return _PART_OF.get(found.group(1)) if found else None


def part_of_folders(file: str) -> Part | None:
    """The part that the folders in the path of a file mean, the innermost that means one."""
    found = map(part_word, reversed(file.replace("\\", "/").split("/")[:-1]))
    return next((part for part in found if part), None)


def part_in(name: str) -> Part | None:
    """The part that a word in a name means, the first of its kind: "instances_val2017" is of validation."""
    words = re.findall("[a-z]+", name.lower())
    return next((part for part in PARTS for word in words if _PART_OF.get(word) == part), None)


def image_format_named(name: str) -> ImageFormat:
    """A format of images by its name; raises InputError for an unknown one."""
    found = next((one for one in IMAGE_FORMATS if one == name), None)
    if found is None:
        raise InputError(f"--image-format {name}: expected one of {', '.join(IMAGE_FORMATS)}")
    return found


@dataclass(frozen=True, kw_only=True)
class Carries:
    """What comes back from a format as it was written: `KEPT`, `LOST`, or in words for the documentation by how much it
    is approximated, or that writing it is refused. What is lost of the pairs at hand is counted (`losses`); what is
    approximated of them the writer says (`Writing.change`).

    Arguments:
        maps: a class for every pixel, where no objects say it.
        boxes: objects that are boxes, to the float. overlaps: what lies under another object.
        polygons: outlines, to the float. holes, parts: of objects. instances: which pixels are one object.
        attributes: further facts of an object. crowds: COCO's iscrowd.
        ignore: pixels that mean "ignore". wide: class ids above 255. colors: of classes. empty: pairs without objects.
        spacing: size of a pixel. splits: which pairs train, validate and test.
    """

    maps: str = LOST
    boxes: str = LOST
    overlaps: str = LOST
    polygons: str = LOST
    holes: str = LOST
    parts: str = LOST
    instances: str = LOST
    attributes: str = LOST
    crowds: str = LOST
    ignore: str = LOST
    wide: str = LOST
    colors: str = LOST
    empty: str = KEPT
    spacing: str = LOST
    splits: str = KEPT

    def each(self) -> dict[str, str]:
        """What is said of each feature, by its name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How labelled images are read.

    Arguments:
        ignore: class ids to ignore beside 255.
        strict: False (to inspect) turns what can be passed over into findings in place of errors.
        orientation: of photographs that carry an orientation tag: "turned" as viewers show them, "stored" as the
            pixels lie; "auto" decides by the size that the labels have, and where both fit, or they state none, takes
            them turned, which is what annotation tools show.
        images_alone: whether data of the format without any label are read, too, as images without labels.
    """

    ignore: tuple[int, ...] = ()
    strict: bool = True
    orientation: Orientation = "auto"
    images_alone: bool = False


Change = Callable[[str, str, int | Mapping[str, int]], None]


def unsaid(kind: str, what: str, count: int | Mapping[str, int]) -> None:
    """Say nothing of a change."""


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How labelled images are written.

    Arguments:
        parts: the part of each pair, by its name; pairs that are not named are in none.
        image_format: of the images; a label is never written in a format that changes it. None: files that may be
            copied (`undecoded`) stay as they are, and all other images become PNG.
        extras: what data of this format say beside their pairs (`DataSet.extras`).
        tell: is told what else could not be kept of this set, beside what `Carries` says of the format.
        change: is told by the writer, from any thread, what becomes of what the format cannot hold as it is: a kind as
            of findings, the words that follow a count, and the count, by class names where it is one of pixels.
    """

    parts: Mapping[str, Part] = field(default_factory=lambda: MappingProxyType({}))
    image_format: ImageFormat | None = None
    extras: object | None = None
    tell: Callable[[Finding], None] = lambda finding: None
    change: Change = unsaid


AS_USUAL, PLAIN = Reading(), Writing()


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format of labelled images on disk.

    Arguments:
        name: as in `--format`. title: what lies where, in a line.
        recognizes: does the format lie at a path (its folder, or its annotation file)? It looks at names and at the
            beginnings of files alone, and never raises InputError.
        reads: opens a data set; None for a format that is only written. Raises InputError naming the file that is bad,
            what was expected, and what mends it.
        writes: writes pairs, taken one by one, into an empty folder that exists, and returns their names in order;
            None for a format that is only read.
        carries: what comes back from it.
        own_parts: True where the format itself says which pairs train, validate and test; else `train.txt`, `val.txt`
            and `test.txt` beside it do.
        shares_colors: True where several classes may have one color, because none is told by it.
        image_formats: in which its images may be written.
        numbers: the number that each class, and each id to ignore, gets where it is written; None: its id.
        images_alone: True where images without labels are written, too, and read by what learns from these alone.
        one_class: True where a label is one class an image, and all that says more is refused.
    """

    name: str
    title: str
    recognizes: Callable[[Path], bool]
    reads: Callable[[Path, Reading], DataSet] | None = None
    writes: Callable[[Iterable[AnnotatedImage], Path, ClassSet, Writing], list[str]] | None = None
    carries: Carries = Carries()
    own_parts: bool = False
    shares_colors: bool = False
    image_formats: tuple[ImageFormat, ...] = IMAGE_FORMATS
    numbers: Callable[[ClassSet], Mapping[int, int]] | None = None
    images_alone: bool = False
    one_class: bool = False

    def fits(self, path: Path) -> bool:
        """Return whether the format lies at a path; what cannot be listed is no sign of it, and reading tells of it."""
        try:
            return self.recognizes(path)
        except OSError:
            return False


def held_image_format(format: Format, name: str | None) -> ImageFormat | None:
    """The format of images by its name; without one that of a format which holds no other, else None.

    Raises InputError for one that is unknown or that the format does not hold.
    """
    held = format.image_formats
    chosen = image_format_named(name) if name else held[0] if len(held) == 1 else None
    if chosen is not None and chosen not in held:
        raise InputError(
            f"--image-format {name}: the format {format.name} holds {' or '.join(held)} images alone"
        )
    return chosen
