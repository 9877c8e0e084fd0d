"""The `webdataset` format: tar shards of samples; read where they lie, and written without loss.

train-000000.tar, val-000000.tar, test-000000.tar (or other names: see `format.part_in`), classes.json beside them
  KEY.png (or jpg, jpeg, webp, tiff, bmp)   the image
  KEY.seg.png (or mask.png)                 class ids
  KEY.instances.png                         optional: 0 = none, each other value one object
  KEY.json                                  optional: objects as in `objects_json`, or {"objects": [...]}

The members of a sample follow one another; its key is the name up to the first dot behind the last slash, in which
"%2E" means a dot and "%25" a percent sign. KEY.cls and other members are passed over. `webdataset_write` is the way
back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import classes_of_ids, read_classes
from labelmint.formats.files import Parts, json_value
from labelmint.formats.format import AS_USUAL, KEPT, LOST, Carries, Format, Orientation, Reading, part_in
from labelmint.formats.image_files import image_size, read_ids, read_labelled
from labelmint.formats.images_alone import UNLABELLED
from labelmint.formats.label_colors import MEND_INSTANCES
from labelmint.formats.named_classes import CLASSES
from labelmint.formats.objects_json import as_objects
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.opened import Inside
from labelmint.formats.painting import PaintedLayout, Paints, painted
from labelmint.formats.records import names_of
from labelmint.formats.tar_members import members, read_member
from labelmint.formats.undecoded import undecoded
from labelmint.types import AnnotatedImage, ClassSet, DataSet, Layout

__all__ = ["FORMAT", "holds_images", "read_webdataset"]

_IMAGES = ("png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp")
_LABELS = ("seg.png", "mask.png")
_FORM = "expected samples of KEY.png or KEY.jpg and KEY.seg.png, KEY.mask.png or KEY.json"


@dataclass(frozen=True, slots=True)
class _Sample:
    """Where the members of a sample lie in their shard, each as (offset, size)."""

    shard: Path
    key: str
    image: tuple[int, int] | None = None
    label: tuple[int, int] | None = None
    instances: tuple[int, int] | None = None
    objects: tuple[int, int] | None = None


def read_webdataset(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set, from its folder or one shard. The shards are listed once; label PNGs are decoded here only where
    no classes.json names the classes.
    """
    root = path if path.is_dir() else path.parent
    odd = Odd(reading.strict)
    passed: Counter[str] = Counter()
    found = [sample for shard in _shards(path) for sample in _samples(shard, passed)]
    labelled = not reading.images_alone or any(one.label or one.objects for one in found)
    whole = [one for one in found if one.image and (one.label or one.objects or not labelled)]
    missing = [one.key for one in found if one.image and labelled and not (one.label or one.objects)]
    alone = [one.key for one in found if not one.image]
    for kind, keys in (("image without label", missing), ("label without image", alone)):
        odd.refuse(kind, f"{path}: {len(keys)} samples are an {kind}, first {first_of(keys)}; {_FORM}", keys)
    if not whole:
        raise InputError(f"{path}: no labelled images; {_FORM}")
    if passed:
        kinds = ", ".join(f"{count} of .{kind}" for kind, count in sorted(passed.items())[:5])
        odd.note("other members", f"{path}: members that are not read: {kinds}")
    names = names_of([f"{one.shard.stem}/{one.key}.x" for one in whole], str(path))
    samples = dict(sorted(zip(names, whole, strict=True), key=lambda item: item[0]))
    named, colors = read_classes(root / CLASSES, reading.ignore) if (root / CLASSES).is_file() else (None, {})
    loader = _Loader(samples, colors, named or ClassSet(()), reading.strict, reading.orientation)
    if named is None:
        loader = replace(loader, classes=_classes(loader, reading) if labelled else UNLABELLED)
    of = {name: part_in(one.shard.stem) for name, one in samples.items()}
    return DataSet(
        source=str(path),
        format="webdataset",
        classes=loader.classes,
        names=tuple(samples),
        load=loader,
        **Parts.of(of)._asdict(),
        findings=odd.findings,
    )


def _shards(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    shards = [file for file in sorted(path.glob("*.tar")) if file.is_file() and not file.name.startswith(".")]
    if not shards:
        raise InputError(f"{path}: no .tar shards there; {_FORM}")
    return shards


def _samples(shard: Path, passed: Counter[str]) -> Iterator[_Sample]:
    """The samples of a shard, in order; kinds of members that are not read are counted."""
    key, places = "", dict[str, tuple[int, int]]()
    for member in members(shard):
        its_key, kind = _split(member.name)
        place = _place_of(kind) if its_key else None
        if place is None:
            passed.update([kind[:20]] if its_key else [])
            continue
        if its_key != key and places:
            yield _Sample(shard, key, **places)
            places = {}
        if place in places:
            raise InputError(
                f"{shard}: the sample {its_key[:80]!r} has two members of kind {kind[:20]!r}; keep one"
            )
        key = its_key
        places[place] = member.offset, member.size
    if places:
        yield _Sample(shard, key, **places)


def _split(name: str) -> tuple[str, str]:
    """The key and the kind of a member; no key for hidden files and those without a kind."""
    folder, slash, file = name.removeprefix("./").rpartition("/")
    stem, _, kind = file.partition(".")
    if not stem or not kind or any(part in ("", "..") for part in folder.split("/") if slash):
        return "", ""
    return f"{folder}{slash}{stem}".replace("%2E", ".").replace("%25", "%"), kind.lower()


def _place_of(kind: str) -> str | None:
    """The field of a sample that a kind of member fills."""
    if kind.removeprefix("image.") in _IMAGES:
        return "image"
    return {**dict.fromkeys(_LABELS, "label"), "instances.png": "instances", "json": "objects"}.get(kind)


def _classes(loader: _Loader, reading: Reading) -> ClassSet:
    """The classes that labels and objects hold, where nothing names them."""
    found: set[int] = set()
    for name, sample in loader.samples.items():
        if sample.label is not None:
            ids = read_ids(loader.inside(sample, sample.label, "label"), colors=loader.colors)
            objects = as_objects(_objects_in(sample), (ids.shape[0], ids.shape[1]), _called(sample, "json"))
            found.update(np.flatnonzero(np.bincount(ids.ravel())).tolist(), (one.class_id for one in objects))
        else:
            found.update({0}, (one.class_id for one in loader.layout(name).objects))
    classes = classes_of_ids(found, reading.ignore)
    if not len(classes):
        raise InputError(f"every pixel is ignored (ids {sorted(found)[:5]}); name the classes in {CLASSES}")
    return classes


@dataclass(frozen=True)
class _Loader:
    """name -> AnnotatedImage; a shard is opened for each member that is read, and read at its place."""

    samples: Mapping[str, _Sample]
    colors: Mapping[tuple[int, int, int], int]
    classes: ClassSet
    strict: bool
    orientation: Orientation

    def __call__(self, name: str) -> AnnotatedImage:
        sample = self.samples[name]
        assert sample.image is not None
        place = self.inside(sample, sample.image, "image")
        read = read_labelled(place, self._stated(sample), self.orientation)
        layout = self._layout(sample, read.pixels.shape[:2])
        return AnnotatedImage(
            name=name, image=read.pixels, layout=layout, provenance=read.text, notes=read.notes
        )

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, decoded when that is asked for, where its image may be copied."""
        sample = self.samples[name]
        assert sample.image is not None
        place = self.inside(sample, sample.image, "image")
        return undecoded(name, place, lambda size: self._layout(sample, size, PaintedLayout)) or self(name)

    def layout(self, name: str) -> Layout:
        """The layout alone; of the image the header is read."""
        sample = self.samples[name]
        assert sample.image is not None
        place = self.inside(sample, sample.image, "image")
        return self._layout(sample, image_size(place, self.orientation, stated=self._stated(sample)))

    def files_of(self, name: str) -> tuple[Path, ...]:
        """The files of one pair."""
        return (self.samples[name].shard,)

    def _stated(self, sample: _Sample) -> tuple[int, int] | None:
        """(H, W) of a sample's label; None where it has objects alone, which state no size."""
        if sample.label is None:
            return None
        return image_size(self.inside(sample, sample.label, "label"), "stored")

    def inside(self, sample: _Sample, place: tuple[int, int], what: str) -> Inside:
        """A member as a picture."""
        return Inside(_called(sample, what), partial(read_member, sample.shard, *place))

    def _layout(self, sample: _Sample, size: tuple[int, ...], paints: Paints = painted) -> Layout:
        height, width = size
        known = (
            self.classes if self.strict and len(self.classes) else None
        )  # none yet while they are looked for
        objects = as_objects(_objects_in(sample), (height, width), _called(sample, "json"), known)
        if sample.label is None:
            ground = (
                self.classes.ground if self.classes.ground is not None else next(iter(self.classes.ignore), 0)
            )
            return paints(objects, (height, width), ground if len(self.classes) else 0)
        label_map = read_ids(self.inside(sample, sample.label, "label"), colors=self.colors)
        instances = None
        if sample.instances is not None:
            place = self.inside(sample, sample.instances, "instances")
            instances = read_ids(place, mend=MEND_INSTANCES).astype(np.uint16)
        for ids in (label_map, instances):
            if ids is not None and ids.shape != (height, width):
                raise InputError(
                    f"{_called(sample, 'label')} is {ids.shape[0]}x{ids.shape[1]} pixels (height x width), "
                    f"but its image {height}x{width}"
                )
        unknown = self.classes.unknown(label_map) if self.strict else {}
        if unknown:
            shown = ", ".join(map(str, list(unknown)[:5]))
            raise InputError(
                f"{_called(sample, 'label')}: ids that are not in the class list: {shown}; add them to "
                f"{CLASSES}, or pass --ignore {next(iter(unknown))}"
            )
        return Layout(label_map=label_map, instances=instances, objects=objects)


def _called(sample: _Sample, what: str) -> str:
    return f"{sample.shard}: {what} of {sample.key!r}"


def _objects_in(sample: _Sample) -> Any:
    """The list of objects of a sample; none where its JSON tells other things."""
    if sample.objects is None:
        return []
    what = _called(sample, "json")
    try:
        text = read_member(sample.shard, *sample.objects).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what}: not UTF-8 text at byte {error.start}") from None
    document = json_value(text, what)
    if isinstance(document, dict) and (sample.label is not None or "objects" in document):
        return document.get("objects", [])
    return document


def _kinds(path: Path) -> set[str | None]:
    """What the first members at a path are; nothing where no shard can be read."""
    try:
        shards = _shards(path) if path.is_dir() or path.suffix.lower() == ".tar" else []
        first = islice(members(shards[0]), 12) if shards else ()
        return {_place_of(_split(member.name)[1]) for member in first}
    except (InputError, OSError):
        return set()


def holds_images(path: Path) -> bool:
    """Do shards of images lie at a path, with labels or without?"""
    return "image" in _kinds(path)


def _recognizes(path: Path) -> bool:
    kinds = _kinds(path)
    return "image" in kinds and bool(kinds & {"label", "objects"})


FORMAT = Format(
    name="webdataset",
    title="WebDataset: tar shards of images, label PNGs and objects; train-, val- and test- as parts",
    recognizes=_recognizes,
    reads=read_webdataset,
    own_parts=True,
    images_alone=True,
    carries=Carries(**dict.fromkeys(Carries().each(), KEPT) | {"spacing": LOST}),
)
