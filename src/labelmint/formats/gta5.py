"""The `gta5` format: GTA-5's game scenes ("Playing for Data") as they are published; read only.

    images/NNNNN.png      24,966 of them, most of 1052x1914 pixels (height x width)
    labels/NNNNN.png      palette PNGs: the indices are Cityscapes' class ids, 0 to 33, and 34 for license plates
    split.mat             optional: trainIds, valIds and testIds, the numbers of the images; else train.txt and so on

The palette shows Cityscapes' colors, of which several classes have one, so indices are read and not colors. Labels
that were saved as RGB are read by the colors. Some labels have another size than their image; these pairs are left out,
and a finding names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.cityscapes import LABELS
from labelmint.formats.files import Parts, read_splits
from labelmint.formats.format import AS_USUAL, PARTS, Format, Part, Reading
from labelmint.formats.image_files import read_ids
from labelmint.formats.label_colors import Color
from labelmint.formats.maps import (
    MapFiles,
    MapLoader,
    Maps,
    as_data_set,
    classes_of_table,
    files_below,
    matched,
    own_classes,
)
from labelmint.formats.mat_files import read_mat
from labelmint.formats.odd import Odd, first_of
from labelmint.types import DataSet

__all__ = ["FORMAT", "GTA5_LABELS", "read_gta5"]

GTA5_LABELS = (*LABELS, ("license plate", None))

_PNG, _IHDR, _PALETTE = (
    b"\x89PNG\r\n\x1a\n",
    24,
    3,
)  # signature, bytes up to the size's end, and a type of color
_HEAD = 4096  # bytes within which a palette begins
_KNOWN = (7, 11, 26)  # road, building and car: whose colors in a palette tell it
_NAME = re.compile(r"\d{5}\.png")
_SPLIT, _MAPPING = "split.mat", "mapping.mat"
_IDS: Mapping[str, Part] = dict(zip(("trainIds", "valIds", "testIds"), PARTS, strict=True))
_COLORS = {color: class_id for class_id, (_, color) in enumerate(GTA5_LABELS) if color is not None}
_MEND = "GTA-5 has 0 to 34, in the colors of Cityscapes"


def read_gta5(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from the folder that holds images/ and labels/."""
    if not (path / "images").is_dir() or not (path / "labels").is_dir():
        raise InputError(f"{path}: no labelled images; expected images/NNNNN.png and labels/NNNNN.png")
    odd = Odd(reading.strict)
    images, labels = ((one.stem, one) for one in files_below(path / "images")), _labels(path)
    pairs = matched(images, labels, path, odd)
    files = _of_one_size(pairs, path, odd)
    own = own_classes(path, reading)
    table: Iterator[tuple[int, str, Color | None]] = ((i, *row) for i, row in enumerate(GTA5_LABELS))
    loader = MapLoader(
        orientation=reading.orientation,
        files=files,
        classes=own or classes_of_table(table, reading.ignore),
        maps=_maps,
        strict=reading.strict,
        mend="list them in classes.json" if own else _MEND,
    )
    split = path / _SPLIT
    parts = _parts(split, pairs, files, odd) if split.is_file() else read_splits(path, sorted(files), odd)
    return as_data_set(path, "gta5", loader, parts, odd)


def _labels(path: Path) -> Iterator[tuple[str, Path]]:
    return ((one.stem, one) for one in files_below(path / "labels", (".png",)))


def _of_one_size(pairs: Mapping[str, tuple[Path, Path]], path: Path, odd: Odd) -> dict[str, MapFiles]:
    """The pairs without those whose label has another size than the image, by the headers of both."""
    kept, wrong = dict[str, MapFiles](), dict[str, str]()
    for name, (image, label) in pairs.items():
        sizes = [_size(image), _size(label)]
        if None in sizes or sizes[0] == sizes[1]:  # what is no PNG is told when it is read
            kept[name] = MapFiles(image=image, label=label)
        else:
            wrong[name] = f"{image} ({sizes[0]}, its label {sizes[1]})"
    if wrong:
        told = f"{len(wrong)} labels have another size than their image and are left out, first that of"
        odd.note("sizes differ", f"{path}: {told} {next(iter(wrong.values()))}", tuple(wrong))
    if not kept:
        raise InputError(f"{path}: no labelled images; every label has another size than its image")
    return kept


def _size(file: Path) -> str | None:
    """ "1052x1914", from the header of a PNG; None for any other file."""
    head = _head(file, _IHDR)
    if head[:8] != _PNG or head[12:16] != b"IHDR":
        return None
    return f"{int.from_bytes(head[20:24], 'big')}x{int.from_bytes(head[16:20], 'big')}"


def _head(file: Path, count: int) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(count)
    except OSError:
        return b""


def _maps(files: MapFiles) -> Maps:
    """Ids of a palette file are its indices, whatever colors it shows."""
    indexed = bool(_palette(files.label))
    return read_ids(files.label, colors=None if indexed else _COLORS, mend=_MEND), None


def _palette(file: Path) -> bytes:
    """Red, green and blue of the entries of a palette PNG; nothing for another file."""
    head = _head(file, _HEAD)
    if head[:8] != _PNG or head[25:26] != bytes([_PALETTE]):
        return b""
    at = len(_PNG)
    while at + 8 <= len(head):
        length, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind == b"PLTE":
            return head[at + 8 : at + 8 + length]
        at += 12 + length
    return b""


def _parts(file: Path, pairs: Iterable[str], kept: Iterable[str], odd: Odd) -> Parts:
    """The parts that split.mat names, of the pairs that are kept."""
    numbers = _numbers(file)
    part_of: dict[str, Part | None] = {}
    for key, part in _IDS.items():
        for number in numbers[key]:
            if part_of.setdefault(f"{number:05d}", part) != part:
                raise InputError(f"{file}: image {number} is in two parts; restore the file, or remove it")
    missing = sorted(set(part_of) - set(pairs))
    if missing:
        text = f"{file}: {len(missing)} of its images are not there as pairs, first {first_of(missing)}"
        odd.note("listed but missing", text, missing)
    return Parts.of({name: part_of.get(name) for name in kept})


def _numbers(file: Path) -> dict[str, list[int]]:
    """The numbers of the images of each part."""
    try:
        found = read_mat(file, _IDS)
        return {key: [int(one) for one in found[key]] for key in _IDS}
    except (ValueError, KeyError, OverflowError):
        raise InputError(
            f"{file}: not GTA-5's split, a MATLAB file with {', '.join(_IDS)}; restore it, or remove it and name the "
            f"parts in train.txt, val.txt and test.txt"
        ) from None


def _recognizes(path: Path) -> bool:
    """Is it in the tree of the folder format, with numbers for names and a palette of Cityscapes' colors, or with a
    file of the authors'?
    """
    if not (path / "images").is_dir() or not (path / "labels").is_dir() or (path / "classes.json").exists():
        return False
    first = next(_labels(path), None)
    if first is None or not _NAME.fullmatch(first[1].name):
        return False
    palette = _palette(first[1])
    shown = all(palette[3 * i : 3 * i + 3] == bytes(LABELS[i][1] or ()) for i in _KNOWN)
    return shown or (path / _SPLIT).is_file() or (path / _MAPPING).is_file()


FORMAT = Format(
    name="gta5",
    title="GTA-5's game scenes: images/ and labels/ in Cityscapes' palette, with split.mat",
    recognizes=_recognizes,
    reads=read_gta5,
    own_parts=True,
)
