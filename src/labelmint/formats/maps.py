"""What formats share whose labels are image files: files matched by name, ids or colors read as a label map, and one
loader.

A format says which files belong together and how they are decoded; images are opened when a pair is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set, read_classes
from labelmint.formats.files import IMAGE_SUFFIXES, Parts, finder, is_folder
from labelmint.formats.format import Orientation, Part, Reading
from labelmint.formats.image_files import Read, read_ids, read_labelled
from labelmint.formats.label_colors import MEND, MEND_INSTANCES, Color, Colors, Palettes
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.text_files import read_lines
from labelmint.formats.undecoded import undecoded
from labelmint.formats.walk import folders_of
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

__all__ = [
    "ColoredMaps",
    "MapFiles",
    "MapLoader",
    "Maps",
    "as_data_set",
    "classes_of_table",
    "files_below",
    "ids_of_file",
    "keyed_once",
    "listed_names",
    "matched",
    "own_classes",
    "parts_of_folders",
]

Size = tuple[int, int]
Maps = tuple[Array, Array | None]  # label map and instances, both (H, W)


@dataclass(frozen=True, kw_only=True)
class MapFiles:
    """The files of one pair; `images` are the channels of one image where a format has a file for each."""

    image: Path
    label: Path
    instances: Path | None = None
    images: tuple[Path, ...] = ()


def ids_of_file(files: MapFiles) -> Maps:
    """The maps of a label file that holds the ids, and of instances of the same kind."""
    if files.instances is None:
        return read_ids(files.label), None
    return read_ids(files.label), read_ids(files.instances, mend=MEND_INSTANCES).astype(np.uint16)


@dataclass(frozen=True)
class ColoredMaps:
    """The label maps of files of ids, or of colors.

    Arguments:
        colors, palettes, mend: as `read_ids` has them.
    """

    colors: Colors
    palettes: Palettes | None
    mend: str = MEND

    def __call__(self, files: MapFiles) -> Maps:
        return read_ids(files.label, colors=self.colors, palettes=self.palettes, mend=self.mend), None


def _no_objects(name: str, label_map: Array, instances: Array | None) -> tuple[LayoutObject, ...]:
    return ()


def _image_of(files: MapFiles, size: Size, orientation: Orientation) -> Read:
    return read_labelled(files.image, size, orientation)


@dataclass(frozen=True, kw_only=True)
class MapLoader:
    """name -> AnnotatedImage, its label map read from a file.

    Arguments:
        files: of each pair. classes: of the label maps.
        maps: the label map and the instances of a pair's files.
        objects: the objects of a pair, given its name and maps.
        image: the image of a label of a size (H, W).
        strict: True refuses ids that are no classes.
        mend: what to do about such an id, for the message.
        orientation: of images with an orientation tag.
    """

    files: Mapping[str, MapFiles]
    classes: ClassSet
    maps: Callable[[MapFiles], Maps] = ids_of_file
    objects: Callable[[str, Array, Array | None], tuple[LayoutObject, ...]] = _no_objects
    image: Callable[[MapFiles, Size, Orientation], Read] = _image_of
    strict: bool = True
    mend: str = "mend the label"
    orientation: Orientation = "auto"

    def __call__(self, name: str) -> AnnotatedImage:
        layout = self.layout(name)
        image, text, notes, tag = self.image(self.files[name], layout.size, self.orientation)
        if image.shape[:2] != layout.size:
            (h, w), (other_h, other_w) = image.shape[:2], layout.size
            raise InputError(
                f"{self.files[name].image} is {h}x{w} pixels (height x width){tag} but {self.files[name].label} is "
                f"{other_h}x{other_w}; make the label of the image's size"
            )
        return AnnotatedImage(name=name, image=image, layout=layout, provenance=text, notes=notes)

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, decoded when that is asked for, where the file of its image may be copied."""
        files = self.files[name]
        later = undecoded(name, files.image, lambda size: self.layout(name)) if not files.images else None
        return later or self(name)

    def files_of(self, name: str) -> tuple[Path, ...]:
        """The files of one pair."""
        files = self.files[name]
        return (*files.images, files.image, files.label, *([files.instances] if files.instances else []))

    def layout(self, name: str) -> Layout:
        """The layout alone; the image is not opened."""
        files = self.files[name]
        label_map, instances = self.maps(files)
        unknown = self.classes.unknown(label_map) if self.strict else {}
        if unknown:
            shown = ", ".join(f"{value} ({count} pixels)" for value, count in list(unknown.items())[:5])
            raise InputError(
                f"{files.label}: ids that are no classes of this set: {shown}; {self.mend}, or pass --ignore "
                f"{next(iter(unknown))}"
            )
        if instances is not None and instances.shape != label_map.shape:
            raise InputError(
                f"{files.instances} has {instances.shape} pixels, but {files.label} has {label_map.shape}; use "
                "files of the same image"
            )
        return Layout(
            label_map=label_map, instances=instances, objects=self.objects(name, label_map, instances)
        )


def as_data_set(source: Path, format: str, loader: MapLoader, parts: Parts, odd: Odd) -> DataSet:
    """A data set of label maps, in order of name."""
    return DataSet(
        source=str(source),
        format=format,
        classes=loader.classes,
        names=tuple(sorted(loader.files)),
        load=loader,
        **parts._asdict(),
        findings=odd.findings,
    )


def files_below(folder: Path, suffixes: Sequence[str] = IMAGE_SUFFIXES) -> Iterator[Path]:
    """Files with these endings in a folder and below, in the order of `walk.folders_of`; hidden ones are left out.
    Raises OSError, after the last, for folders that cannot be listed.
    """
    for below, entries in folders_of(folder):
        for entry in entries:
            if entry.name.lower().endswith(tuple(suffixes)) and not is_folder(entry):
                yield folder / below / entry.name


def keyed_once(files: Iterable[tuple[str, Path]], odd: Odd) -> dict[str, Path]:
    """Key -> file, where no two files may have the same key."""
    files = list(files)
    doubled = [key for key, count in Counter(key for key, _ in files).items() if count > 1]
    where = next((file for key, file in files if doubled and key == doubled[0]), None)
    text = f"{where}: {len(doubled)} names stand there twice, first {first_of(doubled)}; keep one of each"
    odd.refuse("doubled names", text, doubled)
    return dict(reversed(files))


def matched(
    images: Iterable[tuple[str, Path]], labels: Iterable[tuple[str, Path]], source: Path, odd: Odd
) -> dict[str, tuple[Path, Path]]:
    """Key of the image -> image and label, of files that have the same key, else of the only ones whose keys differ in
    their Unicode form. Images without a label are no pairs, and a finding says so; a label without its image is
    refused. Raises InputError where no pair is left.
    """
    those, these = keyed_once(images, odd), keyed_once(labels, odd)
    image_of, label_of = finder(set(those) - set(these)), finder(set(these) - set(those))
    for key in set(those) - set(these):
        label = label_of(key)
        if label is not None and image_of(label) == key:
            these[key] = these.pop(label)
    alone = sorted(set(those) - set(these))
    if alone:
        text = f"{source}: {len(alone)} images have no label and are left out, first {those[alone[0]]}"
        odd.note("image without label", text, alone)
    lost = sorted(set(these) - set(those))
    if lost:
        text = (
            f"{these[lost[0]]}: label without image ({len(lost)} such files); add the image, or move it away"
        )
        odd.refuse("label without image", text, lost)
    both = sorted(set(these) & set(those))
    if not both:
        raise InputError(f"{source}: no labelled images; no image has a label of the same name")
    return {key: (those[key], these[key]) for key in both}


def classes_of_table(table: Iterable[tuple[int, str, Color | None]], ignore: Iterable[int]) -> ClassSet:
    """Classes of rows of id, name and color; 255 and `ignore` are ignored."""
    return class_set((ClassInfo(id=i, name=name, color=color) for i, name, color in table), (*ignore, IGNORE))


def own_classes(path: Path, reading: Reading) -> ClassSet | None:
    """The classes of a classes.json in the folder of a data set; None where there is none that names any."""
    file = path / "classes.json"
    return read_classes(file, reading.ignore)[0] if file.is_file() else None


def parts_of_folders(part_of: Mapping[str, Part | None]) -> Parts:
    """The parts of names by their folders; of a training folder alone nothing is said."""
    return Parts() if set(part_of.values()) == {"train"} else Parts.of(part_of)


def listed_names(
    path: Path, known: Mapping[str, str], elsewhere: Iterable[str], odd: Odd
) -> tuple[str, ...] | None:
    """The names of the pairs that a list file names, one a line, further columns and lines with "#" left out; None
    where it names none.

    Arguments:
        path: the list. known: what a line may say -> the name of the pair.
        elsewhere: what lines may say of images that are there without being pairs.
    """
    find, is_elsewhere = finder(known), finder(elsewhere)
    lines = [line for line in read_lines(path) if find(line) or not line.startswith("#")]
    said = [line if find(line) else next(iter(line.split()), line) for line in lines]
    unknown = sorted({one for one in said if not find(one) and not is_elsewhere(one)})
    text = (
        f"{path}: lists {len(unknown)} names without an image, first {first_of(unknown)}; remove them, or add the "
        "files"
    )
    odd.refuse("listed but missing", text, unknown)
    names = tuple(dict.fromkeys(known[key] for one in said if (key := find(one))))
    if not names:
        odd.note("empty part", f"{path}: names no labelled image, so there is no such part")
    return names or None
