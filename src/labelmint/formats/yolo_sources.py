"""What sets with a text an image share (YOLO, DOTA): each image with its label and part, names, classes that count
from 0, and a loader that reads a label when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.class_list import class_set
from labelmint.formats.format import Orientation, Part
from labelmint.formats.image_files import image_size, read_labelled
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.painting import PaintedLayout, Paints, painted
from labelmint.formats.records import names_of
from labelmint.formats.text_files import read_text
from labelmint.formats.undecoded import undecoded
from labelmint.formats.yolo_layout import IMAGE_WORDS, Tree
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

__all__ = [
    "Bad",
    "Loader",
    "Source",
    "check_labels",
    "counted_from_zero",
    "data_set",
    "labelled",
    "raised",
    "skipped",
    "sources_by_name",
]

Size = tuple[int, int]
Objects = Callable[[str, str, Size], tuple[LayoutObject, ...]]
Bad = Callable[[InputError], None]  # is given the error of a line that cannot be read
Looks = Callable[[str, str, Callable[[], Size], Bad], int]


@dataclass(frozen=True)
class Source:
    """One image and its label, paths below the data set's folder; the label is None where there is none."""

    image: str
    label: str | None
    part: Part | None = None


@dataclass(frozen=True)
class Loader:
    """name -> AnnotatedImage; its label is read when it is asked for.

    Arguments:
        root: the data set's folder. sources: by name.
        objects: label text, its file for messages, and size (H, W) of the image -> objects.
        ground: the id of what no object covers. orientation: of images with an orientation tag; the numbers of their
            labels fit them turned and stored.
    """

    root: Path
    sources: Mapping[str, Source]
    objects: Objects
    ground: int
    orientation: Orientation = "auto"

    def __call__(self, name: str) -> AnnotatedImage:
        file = self.root / self.sources[name].image
        read = read_labelled(file, None, self.orientation)
        layout = self._layout(name, (read.pixels.shape[0], read.pixels.shape[1]))
        return AnnotatedImage(
            name=name, image=read.pixels, layout=layout, provenance=read.text, notes=read.notes
        )

    def layout(self, name: str) -> Layout:
        """The layout alone; the image is not decoded."""
        return self._layout(name, image_size(self.root / self.sources[name].image, self.orientation))

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, decoded and painted when that is asked for, where its file may be copied."""
        file = self.root / self.sources[name].image
        return undecoded(name, file, lambda size: self._layout(name, size, PaintedLayout)) or self(name)

    def files_of(self, name: str) -> tuple[Path, ...]:
        """The files of one pair."""
        source = self.sources[name]
        return tuple(self.root / file for file in (source.image, source.label) if file)

    def _layout(self, name: str, size: Size, paints: Paints = painted) -> Layout:
        label = self.sources[name].label
        file = self.root / label if label else None
        objects = self.objects(read_text(file), str(file), size) if file else ()
        return paints(objects, size, self.ground)


def data_set(
    tree: Tree, format: str, sources: Mapping[str, Source], classes: ClassSet, load: Loader, odd: Odd
) -> DataSet:
    """The data set of some sources, with their parts."""

    def of(part: Part) -> tuple[str, ...] | None:
        return tuple(name for name, one in sources.items() if one.part == part) or None

    return DataSet(
        source=str(tree.root),
        format=format,
        classes=classes,
        names=tuple(sources),
        load=load,
        train=of("train"),
        validation=of("validation"),
        test=of("test"),
        findings=odd.findings,
    )


def raised(error: InputError) -> None:
    """What becomes of a bad line: its error."""
    raise error


def skipped(error: InputError) -> None:
    """What becomes of a bad line when pairs are inspected: nothing; `check_labels` has noted it."""


def check_labels(
    tree: Tree, sources: Mapping[str, Source], looks: Looks, boxes: str, orientation: Orientation, odd: Odd
) -> None:
    """Read all labels once for what is bad in them.

    Arguments:
        looks: is given a label's text, its file, what opens the image for its size (H, W), and what takes the errors of
            bad lines; returns how many objects are cut at the border of their image.
        boxes: what such objects are called. orientation: of images with an orientation tag.
    """
    cut: list[str] = []
    for name, one in sources.items():
        if one.label is None:
            continue
        file = tree.root / one.label

        def bad(error: InputError, name: str = name) -> None:
            odd.refuse_one("bad label", error, name)

        try:
            size = partial(image_size, tree.root / one.image, orientation)
            cut += [name] * looks(read_text(file), str(file), size, bad)
        except InputError as error:
            bad(error)
    if cut:
        text = f"{tree.root}: {len(cut)} {boxes} reach over the border of their image, and are cut there"
        odd.note("over the border", f"{text}, first in {cut[0]!r}", list(dict.fromkeys(cut)))


def labelled(
    tree: Tree, parts: Mapping[Part, Sequence[str]], says: Callable[[Path], bool], odd: Odd
) -> list[Source]:
    """The images of the parts, labelled or not, and all others that have a label or lie beside one that has.

    Arguments:
        tree: the files. parts: the images of each part.
        says: does a text begin like a label of this format?

    Raises InputError where no image has a label.
    """
    part_of: dict[str, Part] = {}
    several: list[str] = []
    for part, images in parts.items():
        several += [image for image in images if image in part_of]
        part_of.update(dict.fromkeys(images, part))
    labels = {image: _one_of(tree, image, tree.labels_of(image), odd) for image in tree.images}
    beside = {image.rpartition("/")[0] for image, label in labels.items() if label}
    sources = [
        Source(image, label, part_of.get(image))
        for image, label in labels.items()
        if label or image in part_of or (not part_of and image.rpartition("/")[0] in beside)
    ]
    if not any(one.label for one in sources):
        raise InputError(
            f"{tree.root}: no labels; expected texts of the images' names in labels/ where those lie in images/, or "
            f"beside them"
        )
    if several:
        text = f"{tree.root}: {len(several)} images are in two parts, first {several[0]!r}"
        odd.note("in two parts", text, several)
    _note(tree, sources, says, odd)
    return sources


def _one_of(tree: Tree, image: str, labels: Sequence[str], odd: Odd) -> str | None:
    """The label of an image; refused where there are several that differ."""
    if len(labels) > 1 and len({(tree.root / label).read_bytes() for label in labels}) > 1:
        text = (
            f"{tree.root / image}: its labels {labels[0]} and {labels[1]} differ; keep the one that is right"
        )
        odd.refuse("several labels", text, [image])
    return next(iter(labels), None)


def _note(tree: Tree, sources: Sequence[Source], says: Callable[[Path], bool], odd: Odd) -> None:
    root = tree.root
    without = [one.image for one in sources if one.label is None]
    if without:
        text = f"{root}: {len(without)} images have no label text and thus no objects, first {without[0]!r}"
        odd.note("without label", text, without)
    read = {one.image for one in sources}
    unread = [image for image in tree.images if image not in read]
    if unread:
        odd.note("other files", f"{root}: {len(unread)} images are not read, first {unread[0]!r}", unread)
    used = {one.label for one in sources}
    folders = {one.label.rpartition("/")[0] for one in sources if one.label}
    alone = [
        text
        for text in tree.texts.values()
        if text not in used and text.rpartition("/")[0] in folders and says(root / text)
    ]
    if alone:
        text = f"{root}: {len(alone)} label texts belong to no image, first {first_of(alone)}; add the images"
        odd.note("label without image", text, alone)


def sources_by_name(sources: Sequence[Source], tree: Tree) -> dict[str, Source]:
    """The sources by names that are unique, in order of name; folders that only say "images" are no part of a name."""
    short = [
        "/".join(piece for piece in one.image.split("/")[:-1] if piece.lower() not in IMAGE_WORDS)
        + "/"
        + one.image.rpartition("/")[2]
        for one in sources
    ]
    files = short if len(set(short)) == len(short) else [one.image for one in sources]
    return dict(sorted(zip(names_of(files, str(tree.root)), sources, strict=True)))


def counted_from_zero(
    names: Mapping[int, str], ignore: Iterable[int], source: Path
) -> tuple[ClassSet, dict[int, int], int]:
    """The classes of names that count from 0, number -> class id, and the id of what no object covers. Each class keeps
    its number as its category.
    """
    infos = [ClassInfo(id=number, name=name, category=number) for number, name in sorted(names.items())]
    try:
        ground = ClassSet(tuple(infos)).ground
        if ground is None:
            shifted = [replace(info, id=info.id + 1) for info in infos]
            infos = [ClassInfo(id=0, name="background"), *shifted]
        classes = class_set(infos, ignore)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    shift = int(ground is None)
    return classes, {number: number + shift for number in names}, ground or 0
