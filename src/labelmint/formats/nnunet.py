"""The `nnunet` format: nnU-Net's raw data sets of 2-D images; written in `nnunet_write`.

    dataset.json {"channel_names": {"0": "grey"}, "labels": {"background": 0, "cell": 1}, "numTraining": 2,
                  "file_ending": ".png"}        ("modality" and labels {"0": NAME} in older ones)
    imagesTr/NAME_0000.png    labelsTr/NAME.png    imagesTs/, labelsTs/: the test part, where it has labels
    splits_final.json    optional, [{"train": [NAME], "val": [NAME]}]: the parts of imagesTr, by the first fold
    classes.json         optional: see `class_list`; names and colors of the ids in the files, before dataset.json

An image is one file, grey or RGB, or three grey files NAME_0000, _0001, _0002, which become red, green and blue. The
label called "ignore" is ignored. PNG, TIFF and BMP are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.files import finder, read_json
from labelmint.formats.format import AS_USUAL, Carries, Format, Orientation, Part, Reading
from labelmint.formats.image_files import Read, read_image, read_labelled
from labelmint.formats.maps import (
    MapFiles,
    MapLoader,
    Size,
    as_data_set,
    classes_of_table,
    files_below,
    matched,
    own_classes,
    parts_of_folders,
)
from labelmint.formats.maps_write import SEMANTIC
from labelmint.formats.odd import Odd, first_of
from labelmint.types import ClassSet, DataSet

__all__ = ["FORMAT", "read_nnunet"]

_ENDINGS = (".png", ".tif", ".tiff", ".bmp")
_PARTS = ("Tr", "Ts")
_CHANNEL = re.compile(r"(.+)_(\d{4})\Z")


def read_nnunet(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from its folder."""
    path = path.parent if path.is_file() else path
    document = read_json(path / "dataset.json")
    if not isinstance(document, dict):
        raise InputError(f"{path / 'dataset.json'}: expected an object with labels and file_ending")
    ending = _ending(path, document)
    odd = Odd(reading.strict)
    channels = {key: files for part in _PARTS for key, files in _channels(path, part, ending).items()}
    pairs = matched(
        ((key, files[0]) for key, files in channels.items()),
        (
            (f"{part}/{file.name[: -len(ending)]}", file)
            for part in _PARTS
            for file in files_below(path / f"labels{part}", (ending.lower(),))
        ),
        path,
        odd,
    )
    names = {key: key.partition("/")[2] for key in pairs}
    if len(set(names.values())) < len(names):
        names = {key: key.replace("/", "__") for key in pairs}
    own = own_classes(path, reading)
    listed = _classes(path / "dataset.json", document, reading)
    loader = MapLoader(
        orientation=reading.orientation,
        files={
            names[key]: MapFiles(image=image, label=label, images=channels[key])
            for key, (image, label) in pairs.items()
        },
        classes=own or listed,
        image=_image,
        strict=reading.strict,
        mend=f"list them {'in classes.json' if own else 'under labels in dataset.json'}",
    )
    fold = _fold(path / "splits_final.json", [*pairs], [*channels], ending, odd)
    parts = parts_of_folders({names[key]: _part(key, fold) for key in pairs})
    return as_data_set(path, "nnunet", loader, parts, odd)


def _part(key: str, fold: Mapping[str, Part] | None) -> Part | None:
    part, _, name = key.partition("/")
    return "test" if part == "Ts" else "train" if fold is None else fold.get(name)


def _fold(
    file: Path, pairs: Iterable[str], images: Iterable[str], ending: str, odd: Odd
) -> dict[str, Part] | None:
    """The parts of names by the first fold of splits_final.json; None where it is not there.

    Arguments:
        pairs, images: keys of pairs, and of all images. ending: of files, which names may have.
    """
    if not file.is_file():
        return None
    folds = read_json(file)
    first = folds[0] if isinstance(folds, list) and folds else None
    fold: dict[str, Any] = (
        {key: first.get(key) for key in ("train", "val")} if isinstance(first, dict) else {}
    )
    if not fold or not all(isinstance(one, list) and all(map(_is_text, one)) for one in fold.values()):
        raise InputError(
            f'{file}: expected a list of folds, each {{"train": [NAME, ...], "val": [NAME, ...]}}'
        )
    if len(folds) > 1:
        odd.note("folds", f"{file}: has {len(folds)} folds; the first says which pairs train and validate")
    find, there = (
        finder(key.partition("/")[2] for key in keys if key.startswith("Tr/")) for keys in (pairs, images)
    )
    said = {
        part: [name if there(name) else name.removesuffix(ending) for name in fold[part]] for part in fold
    }
    unknown = sorted({name for names in said.values() for name in names if not there(name)})
    text = f"{file}: lists {len(unknown)} names without an image in imagesTr, first {first_of(unknown)}; mend them"
    odd.refuse("listed but missing", text, unknown)
    train, val = ([found for name in said[part] if (found := find(name))] for part in ("train", "val"))
    both = sorted({*train} & {*val})
    if both:
        text = f"{file}: {len(both)} names are in train and in val, first {both[0]!r}; they validate"
        odd.note("in two parts", text, both)
    parts: dict[str, Part] = dict.fromkeys(train, "train")
    return parts | dict.fromkeys(val, "validation")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _ending(path: Path, document: Mapping[str, Any]) -> str:
    ending = document.get("file_ending", ".nii.gz")
    if not isinstance(ending, str) or ending.lower() not in _ENDINGS:
        raise InputError(
            f"{path / 'dataset.json'}: file_ending is {str(ending)[:20]!r}; {', '.join(_ENDINGS)} are read: save the "
            "slices of volumes as 2-D images"
        )
    return ending


def _channels(path: Path, part: str, ending: str) -> dict[str, tuple[Path, ...]]:
    """Key -> the files of an image, one or three."""
    found: dict[str, dict[int, Path]] = {}
    for file in files_below(path / f"images{part}", (ending.lower(),)):
        fits = _CHANNEL.match(file.name[: -len(ending)])
        if fits is None:
            raise InputError(f"{file}: expected a name that ends in _0000{ending}; rename it")
        found.setdefault(f"{part}/{fits.group(1)}", {})[int(fits.group(2))] = file
    for key, files in found.items():
        if sorted(files) not in ([0], [0, 1, 2]):
            raise InputError(
                f"{next(iter(files.values()))}: {key.partition('/')[2]!r} has the channels {sorted(files)[:9]}; one "
                "file (_0000) or three (_0000 to _0002) make an image: leave channels out, or join them"
            )
    return {key: tuple(files[i] for i in sorted(files)) for key, files in found.items()}


def _classes(file: Path, document: Mapping[str, Any], reading: Reading) -> ClassSet:
    labels = document.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise InputError(f'{file}: expected "labels" as an object from names to ids')
    table = dict(_label(file, key, value) for key, value in labels.items())
    if len(table) < len(labels):
        raise InputError(f"{file}: two labels have the same id; give each its own")
    ignored = [i for i, name in table.items() if name.lower() == "ignore"]
    kept = ((i, name, None) for i, name in table.items() if i not in ignored)
    return classes_of_table(kept, (*ignored, *reading.ignore))


def _label(file: Path, key: str, value: Any) -> tuple[int, str]:
    """Id and name: {name: id}, or {id: name} as older ones have it."""
    if type(value) is int and 0 <= value < 65536:
        return value, key
    if isinstance(value, str) and key.isdecimal() and len(key) < 6:
        return int(key), value
    regions = "regions of several ids are not read: give each id a name of its own"
    raise InputError(
        f"{file}: the label {key!r} is {str(value)[:40]}; expected an id from 0 to 65535 ({regions})"
    )


def _image(files: MapFiles, size: Size, orientation: Orientation) -> Read:
    if len(files.images) == 1:
        return read_labelled(files.image, size, orientation)
    channels = [read_image(file) for file in files.images]
    if any(one.shape != channels[0].shape or one.shape[2] != 1 for one in channels):
        raise InputError(f"{files.image}: its three channels must be grey and of one size; save them so")
    return Read(np.concatenate(channels, axis=2), {})


def _first(path: Path) -> Iterator[Path]:
    return (file for file in path.iterdir() if file.is_file()) if path.is_dir() else iter(())


FORMAT = Format(
    name="nnunet",
    title="nnU-Net's raw data set of 2-D images: dataset.json, imagesTr/NAME_0000.png, labelsTr/NAME.png",
    recognizes=lambda path: (
        (path / "dataset.json").is_file()
        and any(all(any(_first(path / f"{kind}{part}")) for kind in ("images", "labels")) for part in _PARTS)
    ),
    reads=read_nnunet,
    own_parts=True,
    image_formats=("png",),
    carries=Carries(**SEMANTIC, wide="kept by name: classes are numbered anew"),
)
