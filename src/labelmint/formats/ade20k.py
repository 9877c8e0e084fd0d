"""The `ade20k` format: ADE20K in its own trees; of scene parsing also written (`ade20k_write`).

    images/{training,validation}/NAME.jpg    annotations/{training,validation}/NAME.png    (scene parsing, 150 classes)

Ids 1 to 150 are the classes, named by objectInfo150.txt (or .csv) where it is there, and 0 is ignored, as the benchmark
does; a classes.json beside the folders goes before. And the full data set, in folders of scenes:

    training/SCENE/NAME.jpg    training/SCENE/NAME_seg.png    training/SCENE/NAME_atr.txt

NAME_seg.png: blue tells the object, as its rank among the blue values of the picture; 0 is none, and ignored.
NAME_atr.txt: a line "object # level of parts # occluded # class # name # attributes" each. Classes are numbered from 1
in order of the alphabet. Parts of objects (NAME_parts_1.png) are not read, and a finding says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE
from labelmint.formats.format import AS_USUAL, Carries, Format, Reading, part_word
from labelmint.formats.image_files import read_image
from labelmint.formats.maps import (
    MapFiles,
    MapLoader,
    Maps,
    as_data_set,
    classes_of_table,
    files_below,
    matched,
    own_classes,
    parts_of_folders,
)
from labelmint.formats.maps_write import SEMANTIC
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.records import names_of
from labelmint.formats.text_files import read_lines
from labelmint.types import DataSet

__all__ = ["FORMAT", "read_ade20k"]

_SPLITS = ("training", "validation", "testing")
_CLASSES = 150
_PHOTOS = (".jpg", ".jpeg", ".png")
_OTHER = re.compile(r"_(seg|parts_\d+)\Z")
_LOOKED_AT = 2000  # files, to find out what lies there


def read_ade20k(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read either tree from its folder."""
    odd = Odd(reading.strict)
    if _is_parsing(path):
        return _parsing(path, reading, odd)
    root = _full_root(path)
    if root is None:
        raise InputError(f"{path}: no labelled images; expected images/training/ with annotations/training/")
    return _full(root, reading, odd)


def _parsing(path: Path, reading: Reading, odd: Odd) -> DataSet:
    """The tree of scene parsing."""
    photos, labels = path / "images", path / "annotations"
    pairs = matched(
        ((_key(file, photos), file) for file in files_below(photos)),
        ((_key(file, labels), file) for file in files_below(labels, (".png",))),
        path,
        odd,
    )
    names = _names(pairs, path)
    own, named = own_classes(path, reading), _object_info(path)
    table = ((i, named.get(i, f"class_{i}"), None) for i in range(1, max(_CLASSES, *named, 0) + 1))
    loader = MapLoader(
        orientation=reading.orientation,
        files={names[key]: MapFiles(image=image, label=label) for key, (image, label) in pairs.items()},
        classes=own or classes_of_table(table, (0, *reading.ignore)),
        strict=reading.strict,
        mend="list them in classes.json" if own else f"ADE20K has 0 to {_CLASSES}",
    )
    parts = parts_of_folders({names[key]: part_word(key.split("/")[0]) for key in pairs})
    return as_data_set(path, "ade20k", loader, parts, odd)


def _object_info(path: Path) -> dict[int, str]:
    """Id -> name of objectInfo150, the first of several names."""
    file = next((one for end in ("txt", "csv") if (one := path / f"objectInfo150.{end}").is_file()), None)
    found = {}
    for line in read_lines(file) if file else ():
        fields = line.split("\t") if "\t" in line else line.split(",", 5)
        if len(fields) > 5 and fields[0].strip().isdecimal() and 0 < (i := int(fields[0][:6])) < IGNORE:
            found[i] = re.split("[,;]", fields[5])[0].strip() or f"class_{i}"
    repeated = {name for name, count in Counter(found.values()).items() if count > 1}
    return {i: f"{name} {i}" if name in repeated else name for i, name in found.items()}


def _full(root: Path, reading: Reading, odd: Odd) -> DataSet:
    """The full data set."""
    photos, segs, with_parts = {}, {}, []
    for file in (one for split in _SPLITS for one in files_below(root / split, _PHOTOS)):
        ending = _OTHER.search(file.stem)
        key = _key(file, root)
        if ending is None and not re.match(r"instance_\d+", file.stem):
            photos[key] = file
        elif ending is not None and ending.group(1) == "seg":
            segs[key.removesuffix("_seg")] = file
        elif ending is not None and ending.group(1) == "parts_1":
            with_parts.append(key.removesuffix("_parts_1"))
    pairs = matched(photos.items(), segs.items(), root, odd)
    if with_parts:
        some = f"{len(with_parts)} images have some, first {first_of(with_parts)}"
        text = f"{root}: parts of objects are not read; {some}"
        odd.note("parts of objects", text, with_parts)
    rows = {key: _attributes(photo.with_name(f"{photo.stem}_atr.txt")) for key, (photo, _) in pairs.items()}
    ids = {
        name: i for i, name in enumerate(sorted({name for one in rows.values() for name in one.values()}), 1)
    }
    names = _names(pairs, root)
    files = {names[key]: MapFiles(image=photo, label=seg) for key, (photo, seg) in pairs.items()}
    loader = MapLoader(
        orientation=reading.orientation,
        files=files,
        classes=classes_of_table(
            ((i, name, None) for name, i in zip(_short(list(ids)), ids.values(), strict=True)),
            (0, *reading.ignore),
        ),
        maps=_Objects(
            {files[names[key]].label: {n: ids[name] for n, name in one.items()} for key, one in rows.items()}
        ),
        strict=reading.strict,
    )
    parts = parts_of_folders({names[key]: part_word(key.split("/")[0]) for key in pairs})
    return as_data_set(root, "ade20k", loader, parts, odd)


def _attributes(path: Path) -> dict[int, str]:
    """Object -> class, of the objects that are no parts."""
    found = {}
    for line in read_lines(path):
        fields = [field.strip() for field in line.split("#")]
        if len(fields) < 5 or not fields[0].isdecimal() or not fields[1].isdecimal() or len(fields[0]) > 6:
            raise InputError(
                f"{path}: the line {line[:60]!r}; expected object # level # occluded # class # name # ..."
            )
        if int(fields[1][:6]) == 0:
            found[int(fields[0])] = fields[3] or fields[4] or "unnamed"
    return found


def _short(names: list[str]) -> list[str]:
    """The first of the words that mean a class, where no other class has it first, too."""
    first = Counter(name.partition(",")[0].strip() for name in names)
    return [short if first[short := name.partition(",")[0].strip()] == 1 else name for name in names]


@dataclass(frozen=True)
class _Objects:
    """The maps of a NAME_seg.png, with the class of each object."""

    classes: Mapping[Path, Mapping[int, int]]

    def __call__(self, files: MapFiles) -> Maps:
        pixels = read_image(files.label)
        if pixels.shape[2] != 3:
            raise InputError(f"{files.label}: a grey file; ADE20K's _seg.png is colored")
        values, place = np.unique(pixels[:, :, 2], return_inverse=True)
        numbers = np.cumsum(values > 0)
        known = self.classes[files.label]
        unknown = sorted(set(numbers[values > 0].tolist()) - set(known))
        if unknown:
            raise InputError(
                f"{files.label}: holds object {unknown[0]}, which its _atr.txt does not list; take both from one set"
            )
        table = np.array(
            [known.get(n, 0) if v else 0 for v, n in zip(values.tolist(), numbers.tolist(), strict=True)]
        )
        shape = pixels.shape[:2]
        ids = table.astype(np.uint8 if table.max() <= 255 else np.uint16)[place.reshape(shape)]
        return ids, np.where(values > 0, numbers, 0).astype(np.uint16)[place.reshape(shape)]


def _names(keys: Iterable[str], source: Path) -> dict[str, str]:
    """A name for each key; keys have no ending, and what follows a dot in them belongs to the name."""
    ordered = list(keys)
    return dict(zip(ordered, names_of([f"{key}.png" for key in ordered], str(source)), strict=True))


def _key(file: Path, root: Path) -> str:
    return file.relative_to(root).with_suffix("").as_posix()


def _is_parsing(path: Path) -> bool:
    return any(
        (path / "images" / split).is_dir()
        and next(files_below(path / "annotations" / split, (".png",)), None)
        for split in _SPLITS
    )


def _full_root(path: Path) -> Path | None:
    """The folder with training/ and validation/ of the full data set."""
    return next(
        (one for one in (path, path / "images", path / "images" / "ADE") if _holds_segments(one)), None
    )


def _holds_segments(root: Path) -> bool:
    return any(file.stem.endswith("_seg") for split in _SPLITS for file in _some(root / split))


def _some(folder: Path) -> Iterator[Path]:
    return islice(files_below(folder, (".png",)), _LOOKED_AT)


FORMAT = Format(
    name="ade20k",
    title="ADE20K: images/training/ with annotations/training/, or the full set with NAME_seg.png",
    recognizes=lambda path: _is_parsing(path) or _full_root(path) is not None,
    reads=read_ade20k,
    own_parts=True,
    carries=Carries(**SEMANTIC, wide="kept by name: classes are numbered anew"),
)
