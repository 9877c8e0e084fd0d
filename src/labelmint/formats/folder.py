"""The `folder` format: images and label PNGs matched by name; read and written without loss.

images/NAME.{png,jpg,jpeg,tif,tiff,bmp,webp}    labels/NAME.png (or .tif, .bmp, .gif; or masks/, annotations/ and so on:
see `pairing`): class ids, or colors of classes.json
instances/NAME.png    optional: 0 = none, each other value one object
objects/NAME.json     optional, written by labelmint: boxes, shapes and attributes as another format gave them
classes.json, train.txt, val.txt, test.txt    optional: see `class_list`; names, one a line
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set, classes_of_ids, dump_classes, read_classes
from labelmint.formats.files import (
    IMAGE_SUFFIXES,
    Parts,
    dump_json,
    link,
    listed_pairs,
    read_json,
    read_splits,
)
from labelmint.formats.format import (
    AS_USUAL,
    KEPT,
    LOST,
    PLAIN,
    Carries,
    Format,
    Orientation,
    Reading,
    Writing,
)
from labelmint.formats.image_files import read_ids, read_labelled, write_png
from labelmint.formats.images_out import write_image
from labelmint.formats.label_colors import MEND_INSTANCES, Colors, Palettes
from labelmint.formats.objects_json import as_json, as_objects
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.pairing import (
    LABEL_FOLDERS,
    Place,
    file_of_each,
    files_by_key,
    names_of_keys,
    parts_of_paths,
    places,
)
from labelmint.formats.undecoded import undecoded
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, DataSet, Layout

__all__ = ["FORMAT", "Stored", "read_folder", "scanned_classes", "write_folder", "write_pair"]

_PARTS = {"images": ".png", "labels": ".png", "instances": ".png", "objects": ".json"}  # as written here


def read_folder(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set. Label files are decoded here only where no classes.json names the classes."""
    if not path.is_dir():
        raise InputError(f"{path}: the format folder is read from a folder, not from a file")
    found = places(path)
    if not found:
        raise InputError(
            f"{path}: no labelled images; expected images/NAME.png and labels/NAME.png (or masks/, "
            f"annotations/)"
        )
    odd, palettes = Odd(reading.strict), Palettes()
    files = _files(path, found, odd)
    names = tuple(sorted(files.labels))
    file = path / "classes.json"
    named, colors = read_classes(file, reading.ignore) if file.is_file() else (None, {})
    labels = [files.labels[name] for name in names]
    classes = named or scanned_classes(labels, colors, palettes, reading.ignore, odd)
    scanned = named is None and not reading.strict  # what palettes leave in doubt is noted, and read by index
    loader = _Loader(
        files, colors, None if scanned else palettes, classes, reading.strict, reading.orientation
    )
    listed = read_splits(path, names, odd, files.labels)
    parts = files.parts if listed == Parts() else listed
    return DataSet(
        source=str(path),
        format="folder",
        classes=classes,
        names=names,
        load=loader,
        **parts._asdict(),
        findings=odd.findings,
    )


class _Files(NamedTuple):
    """The files of each pair, by its name, and the parts that subfolders make."""

    images: Mapping[str, Path]
    labels: Mapping[str, Path]
    instances: Mapping[str, Path]
    objects: Mapping[str, Path]
    parts: Parts


def _files(path: Path, found: Sequence[Place], odd: Odd) -> _Files:
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    instances: dict[str, Path] = {}
    for place in found:
        prefix = f"{place.part}/" if place.part else ""
        for kept, files in zip((images, labels, instances), _files_at(place, odd), strict=True):
            kept.update({prefix + key: file for key, file in files.items()})
    if not labels:
        raise InputError(
            f"{path}: no image and label have the same name; expected pairs such as images/a.png and labels/a.png"
        )
    given = listed_pairs(path)
    for key in labels:
        labels[key] = given.get(images[key].resolve(), labels[key]) if given else labels[key]
    names = names_of_keys(sorted(labels), str(path))
    objects = {name: file for name in names.values() if (file := path / "objects" / f"{name}.json").is_file()}
    return _Files(
        images={names[key]: images[key] for key in names},
        labels={names[key]: labels[key] for key in names},
        instances={names[key]: file for key, file in instances.items()},
        objects=objects,
        parts=parts_of_paths(names),
    )


def _files_at(place: Place, odd: Odd) -> tuple[dict[str, Path], dict[str, Path], dict[str, Path]]:
    """Images, labels and instances of the pairs at one place, by the keys of the images."""
    images = files_by_key(place.images, IMAGE_SUFFIXES, place.labels, odd)
    label_files = files_by_key(place.labels, place.suffixes, place.images, odd)
    labels = file_of_each(images, label_files)
    _refuse_alone("image without label", images, set(images) - set(labels), place.labels, odd)
    taken = set(labels.values())
    alone = {key for key, file in label_files.items() if file not in taken}
    _refuse_alone("label without image", label_files, alone, place.images, odd)
    folder = place.home / "instances"
    there = files_by_key(folder, place.suffixes, place.images, odd) if folder.is_dir() else {}
    instances = file_of_each(labels, there)
    _others(place.labels, sorted(labels), instances, there, odd)
    return images, labels, instances


class Stored(NamedTuple):
    """A pair that lies in another data set of this format, with the same classes: its name, and that folder."""

    name: str
    folder: Path


def write_folder(
    pairs: Iterable[AnnotatedImage | Stored], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write pairs into an empty folder that exists; returns their names. Files of stored pairs are linked,
    and nothing is encoded twice. Of images without labels images/ is written alone.

    Raises InputError for a doubled name.
    """
    for part in ("images", "labels") if classes.labelled else ("images",):
        (folder / part).mkdir()
    names: dict[str, None] = {}
    write_each(uniquely_named(pairs, names), lambda pair: _put(pair, folder, classes, writing))
    if classes.labelled:
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
    if not classes.labelled:
        return
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
            folder / "objects" / f"{pair.name}.json", dump_json([as_json(one) for one in layout.objects])
        )


def _sixteen_bit(name: str, ids: Array) -> Array:
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) <= 65535:
        raise InputError(f"the ids of {name!r} lie in {ids.min()}..{ids.max()}; a label PNG holds 0..65535")
    return ids.astype(np.uint16)


def _refuse_alone(kind: str, files: Mapping[str, Path], keys: Iterable[str], other: Path, odd: Odd) -> None:
    alone = sorted(keys)
    if alone:
        text = (
            f"{files[alone[0]]}: {kind} ({len(alone)} such files); add {other.name}/{alone[0]}.png, or move "
            f"the file away"
        )
        odd.refuse(kind, text, alone)


def _others(
    labels: Path, names: Sequence[str], instances: Mapping[str, Path], there: Mapping[str, Path], odd: Odd
) -> None:
    """Note instances that fit no pair, pairs that lack them, and label folders that are not read."""
    taken = set(instances.values())
    alone = sorted(name for name, file in there.items() if file not in taken)
    text = (
        f"{labels.parent}: {len(alone)} files of instances/ belong to no pair, first {first_of(alone)}; move "
        f"them away"
    )
    odd.refuse("instances without image", text, alone)
    without = sorted(set(names) - set(instances))
    if there and without:
        odd.note(
            "without instances",
            f"{labels.parent}: {len(without)} pairs have no instances, first {without[0]!r}",
            without,
        )
    unread = [
        n for n in LABEL_FOLDERS if n != labels.name and any((labels.parent / n).glob("*.[pP][nN][gG]"))
    ]
    if unread:
        odd.note(
            "several label folders",
            f"{labels.parent}: labels are read from {labels.name}/, not from {', '.join(unread)}/",
        )


def scanned_classes(
    files: Sequence[Path], colors: Colors, palettes: Palettes, ignore: Sequence[int], odd: Odd
) -> ClassSet:
    """The classes that label files hold, where nothing names them. Raises InputError where all of it is ignored."""
    found: set[int] = set()
    failed: InputError | None = None
    for file in files:
        try:
            ids = read_ids(file, colors=colors, palettes=palettes)
            found.update(np.flatnonzero(np.bincount(ids.ravel())).tolist())
        except InputError as error:
            failed = failed or error
            odd.refuse_one("unreadable label", error, file.stem)
    if failed is not None and not found:  # to inspect: the reason, not what follows from it
        raise failed
    if found == {0, IGNORE} and IGNORE not in ignore:
        text = (
            f"{files[0].parent}: labels hold 0 and 255 only; 255 is read as the class 'object', 0 as the background "
            f"(--ignore 255: as pixels to ignore)"
        )
        odd.note("0 and 255", text)
        return class_set((ClassInfo(id=0, name="background"), ClassInfo(id=IGNORE, name="object")), ignore)
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
    return classes


@dataclass(frozen=True)
class _Loader:
    """name -> AnnotatedImage."""

    files: _Files
    colors: Colors
    palettes: Palettes | None
    classes: ClassSet
    strict: bool
    orientation: Orientation

    def __call__(self, name: str) -> AnnotatedImage:
        layout, file = self.layout(name), self.files.images[name]
        image, text, notes, tag = read_labelled(file, layout.size, self.orientation)
        _same_size(file, image, self.files.labels[name], layout.label_map, tag)
        return AnnotatedImage(name=name, image=image, layout=layout, provenance=text, notes=notes)

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, decoded when that is asked for, where the file of its image may be copied."""
        return undecoded(name, self.files.images[name], lambda size: self.layout(name)) or self(name)

    def files_of(self, name: str) -> tuple[Path, ...]:
        """The files of one pair."""
        files = self.files
        kinds = (files.images, files.labels, files.instances, files.objects)
        return tuple(kind[name] for kind in kinds if name in kind)

    def layout(self, name: str) -> Layout:
        """The layout alone; the image is not opened."""
        file = self.files.labels[name]
        label_map = read_ids(file, colors=self.colors, palettes=self.palettes)
        unknown = self.classes.unknown(label_map) if self.strict else {}
        if unknown:
            raise InputError(
                f"{file}: ids that are not in the class list: {_shown(unknown)}; "
                f"add them to the names in classes.json, or pass --ignore {next(iter(unknown))}"
            )
        instances = None
        if name in self.files.instances:
            instances = read_ids(self.files.instances[name], mend=MEND_INSTANCES).astype(np.uint16)
            _same_size(file, label_map, self.files.instances[name], instances)
        layout = Layout(label_map=label_map, instances=instances)
        objects = self.files.objects.get(name)
        if objects is None:
            return layout
        known = self.classes if self.strict else None
        return replace(layout, objects=as_objects(read_json(objects), layout.size, str(objects), known))


def _same_size(image_file: Path, image: Array, label_file: Path, label: Array, tag: str = "") -> None:
    if image.shape[:2] != label.shape:
        (h, w), (other_h, other_w) = image.shape[:2], label.shape
        raise InputError(
            f"{image_file} is {h}x{w} pixels (height x width){tag} but {label_file} is {other_h}x{other_w}; make "
            f"the label of the image's size"
        )


def _shown(unknown: Mapping[int, int]) -> str:
    first = ", ".join(f"{value} ({count} pixels)" for value, count in list(unknown.items())[:5])
    return first + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")


FORMAT = Format(
    name="folder",
    title="images/ and label PNGs in labels/ (or masks/, annotations/) matched by name",
    recognizes=lambda path: bool(places(path)),
    reads=read_folder,
    writes=write_folder,
    images_alone=True,
    carries=Carries(**dict.fromkeys(Carries().each(), KEPT) | {"spacing": LOST}),  # pairs have no spacing
)
