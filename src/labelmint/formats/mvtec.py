"""The `mvtec` format: the sets of defects of MVTec AD, one category; read only.

    test/KIND/NAME.png, train/good/NAME.png    the images, by the kind of their defect
    ground_truth/KIND/NAME_mask.png            not 0 where the defect is

Class 0 is "background", and each kind in order of the alphabet is a class. Images of "good" things have no mask, and
nothing is on them. The folders train and test are parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.files import Parts
from labelmint.formats.format import AS_USUAL, Format, Reading, part_word
from labelmint.formats.image_files import image_size, read_ids
from labelmint.formats.maps import (
    MapFiles,
    MapLoader,
    Maps,
    as_data_set,
    classes_of_table,
    files_below,
    matched,
)
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.records import names_of
from labelmint.types import DataSet

__all__ = ["FORMAT", "read_mvtec"]

_MASKS, _GOOD, _END = "ground_truth", "good", "_mask"
_FORM = "expected test/KIND/NAME.png with ground_truth/KIND/NAME_mask.png"


def read_mvtec(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read one category from its folder."""
    kinds = _kinds(path)
    if not kinds:
        raise InputError(f"{path}: no masks of defects; {_FORM}")
    odd = Odd(reading.strict)
    classes = classes_of_table(
        [(0, "background", None), *((i, kind, None) for i, kind in enumerate(kinds, 1))], reading.ignore
    )
    images = _images(path)
    sound = [file for file in images if file.parent.name not in kinds]
    told = sorted({file.parent.name for file in sound} - {_GOOD})
    if told:
        text = f"{path}: {_MASKS}/ has no folder for {first_of(told)}; nothing is taken to be on images of that kind"
        odd.note("kinds without masks", text, told)
    masks = [
        (f"{kind}/{file.stem.removesuffix(_END)}", file)
        for kind in kinds
        for file in files_below(path / _MASKS / kind, (f"{_END}.png",))
    ]
    spoilt = [(f"{one.parent.name}/{one.stem}", one) for one in images if one.parent.name in kinds]
    pairs = matched(spoilt, masks, path, odd)
    files = {image: MapFiles(image=image, label=mask) for image, mask in pairs.values()}
    files |= {image: MapFiles(image=image, label=image) for image in sound}
    ordered = sorted(files)
    names = names_of([image.relative_to(path).as_posix() for image in ordered], str(path))
    loader = MapLoader(
        files={name: files[image] for name, image in zip(names, ordered, strict=True)},
        classes=classes,
        maps=_Defects({kind: i for i, kind in enumerate(kinds, 1)}),
        strict=reading.strict,
        orientation=reading.orientation,
    )
    of = {name: part_word(image.parent.parent.name) for name, image in zip(names, ordered, strict=True)}
    return as_data_set(path, "mvtec", loader, Parts.of(of), odd)


@dataclass(frozen=True)
class _Defects:
    """The label map of a mask: the id of its kind where it is not 0; of an image that is its own label, nothing."""

    ids: Mapping[str, int]

    def __call__(self, files: MapFiles) -> Maps:
        if files.label == files.image:
            return np.zeros(image_size(files.image), dtype=np.uint8), None
        kind = self.ids[files.label.parent.name]
        return np.where(read_ids(files.label) > 0, np.uint16(kind), np.uint16(0)), None


def _kinds(path: Path) -> list[str]:
    """The kinds of defects that have masks."""
    folder = path / _MASKS
    below = sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    return [one.name for one in below if next(files_below(one, (f"{_END}.png",)), None)]


def _images(path: Path) -> list[Path]:
    """The images of all parts and kinds."""
    parts = sorted(one for one in path.iterdir() if one.is_dir() and one.name != _MASKS)
    return [file for part in parts for file in files_below(part) if file.parent.parent == part]


def _recognizes(path: Path) -> bool:
    kinds = _kinds(path) if path.is_dir() else []
    parts = (one for one in path.iterdir() if one.is_dir() and one.name != _MASKS) if kinds else ()
    return any((part / kinds[0]).is_dir() for part in parts)


FORMAT = Format(
    name="mvtec",
    title="MVTec AD: a category's train/good/, test/KIND/ and ground_truth/KIND/NAME_mask.png",
    recognizes=_recognizes,
    reads=read_mvtec,
    own_parts=True,
)
