"""Smaller formats whose labels are image files, each in its own tree; read only.

    camvid       {train,val,test}/NAME.png    {train,val,test}annot/NAME.png    label_colors.txt ("r g b NAME" a line)
    common-segmentation    images/NAME.png    masks/NAME.png    dataset_meta.json {"label_map": {"0": NAME},
                 "segmentation_colors": [[r, g, b]]}
    kitti-segmentation     {training,testing}/image_2/NAME.png    .../instance/NAME.png: Cityscapes' id * 256 + number
    synthia      RGB/NAME.png    GTTXT/NAME.txt: ids, or GT/NAME.png: the colors of SYNTHIA-RAND-CVPR16

Labels in colors are read by the colors' meaning, grey and palette ones by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.cityscapes import LABELS, apart
from labelmint.formats.files import Parts, read_json
from labelmint.formats.format import AS_USUAL, Format, Reading, part_word
from labelmint.formats.image_files import read_ids
from labelmint.formats.label_colors import Color, Palettes
from labelmint.formats.maps import (
    ColoredMaps,
    MapFiles,
    MapLoader,
    Maps,
    as_data_set,
    classes_of_table,
    files_below,
    matched,
)
from labelmint.formats.odd import Odd
from labelmint.formats.text_files import read_lines
from labelmint.types import DataSet

__all__ = ["COMMON", "FORMATS"]

Rows = list[tuple[int, str, Color | None]]
Found = Iterable[tuple[str, Path]]

_SPLITS = ("train", "val", "test", "training", "testing")

_CAMVID = (
    *(
        ("Void", (0, 0, 0)),
        ("Animal", (64, 128, 64)),
        ("Archway", (192, 0, 128)),
        ("Bicyclist", (0, 128, 192)),
    ),
    *(("Bridge", (0, 128, 64)), ("Building", (128, 0, 0)), ("Car", (64, 0, 128))),
    *(("CartLuggagePram", (64, 0, 192)), ("Child", (192, 128, 64)), ("Column_Pole", (192, 192, 128))),
    *(("Fence", (64, 64, 128)), ("LaneMkgsDriv", (128, 0, 192)), ("LaneMkgsNonDriv", (192, 0, 64))),
    *(("Misc_Text", (128, 128, 64)), ("MotorcycleScooter", (192, 0, 192)), ("OtherMoving", (128, 64, 64))),
    *(("ParkingBlock", (64, 192, 128)), ("Pedestrian", (64, 64, 0)), ("Road", (128, 64, 128))),
    *(("RoadShoulder", (128, 128, 192)), ("Sidewalk", (0, 0, 192)), ("SignSymbol", (192, 128, 128))),
    *(("Sky", (128, 128, 128)), ("SUVPickupTruck", (64, 128, 192)), ("TrafficCone", (0, 0, 64))),
    *(("TrafficLight", (0, 64, 64)), ("Train", (192, 64, 128)), ("Tree", (128, 128, 0))),
    *(
        ("Truck_Bus", (192, 128, 192)),
        ("Tunnel", (64, 0, 64)),
        ("VegetationMisc", (192, 192, 0)),
        ("Wall", (64, 192, 0)),
    ),
)
_CAMVID_IDS = (
    "Sky Building Pole Road Pavement Tree SignSymbol Fence Car Pedestrian Bicyclist"  # 11 is unlabelled
)
_SYNTHIA = (
    *(("Void", (0, 0, 0)), ("Sky", (128, 128, 128)), ("Building", (128, 0, 0)), ("Road", (128, 64, 128))),
    *(
        ("Sidewalk", (0, 0, 192)),
        ("Fence", (64, 64, 128)),
        ("Vegetation", (128, 128, 0)),
        ("Pole", (192, 192, 128)),
    ),
    *(
        ("Car", (64, 0, 128)),
        ("Sign", (192, 128, 128)),
        ("Pedestrian", (64, 64, 0)),
        ("Cyclist", (0, 128, 192)),
    ),
    *(("Lanemarking", (0, 175, 0)), ("TrafficLight", (0, 128, 128))),
)


def _kitti_maps(files: MapFiles) -> Maps:
    """The maps of values id * 256 + number, where number 0 is no object; values below 256 are ids alone."""
    values = read_ids(files.label).astype(np.uint16)
    numbered = (values >= 256) & (values % 256 > 0)
    return apart(values, 256)[0], np.where(numbered, values, np.uint16(0))


def _open(
    path: Path,
    format: str,
    images: Found,
    labels: Found,
    rows: Rows,
    reading: Reading,
    maps: Callable[[MapFiles], Maps],
    ignore: Iterable[int] = (),
) -> DataSet:
    """A data set of images and labels whose keys are "PART/NAME", or NAME alone."""
    odd = Odd(reading.strict)
    pairs = matched(images, labels, path, odd)
    names = {key: key.rpartition("/")[2] for key in pairs}
    if len(set(names.values())) < len(names):
        names = {key: key.replace("/", "__") for key in pairs}
    loader = MapLoader(
        orientation=reading.orientation,
        files={names[key]: MapFiles(image=image, label=label) for key, (image, label) in pairs.items()},
        classes=classes_of_table(rows, (*ignore, *reading.ignore)),
        maps=maps,
        strict=reading.strict,
    )
    part_of = {names[key]: part_word(key.rpartition("/")[0]) for key in pairs}
    alone = format == "kitti-segmentation" and set(part_of.values()) == {
        "train"
    }  # its test part has no labels
    return as_data_set(path, format, loader, Parts() if alone else Parts.of(part_of), odd)


def _keyed(
    folders: Mapping[str, Path], suffixes: Iterable[str] = (".png", ".jpg", ".jpeg", ".tif", ".bmp")
) -> Found:
    return (
        (f"{part}/{file.stem}" if part else file.stem, file)
        for part, folder in folders.items()
        for file in files_below(folder, tuple(suffixes))
    )


def _colored(rows: Rows, ignore: Mapping[Color, int], mend: str, reading: Reading) -> ColoredMaps:
    colors = {color: i for i, _, color in rows if color is not None} | dict(ignore)
    return ColoredMaps(colors, Palettes(mend) if reading.strict else None, mend)


def _camvid_splits(path: Path) -> list[str]:
    return [one for one in _SPLITS if (path / one).is_dir() and (path / f"{one}annot").is_dir()]


def _read_camvid(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    splits = _camvid_splits(path)
    labels = list(_keyed({one: path / f"{one}annot" for one in splits}, (".png",)))
    listed = path / "label_colors.txt"
    rows: Rows = [(i, name, color) for i, (name, color) in enumerate(_CAMVID)]
    ignore: tuple[int, ...] = ()
    if listed.is_file():
        rows = [
            _color_row(i, line, listed)
            for i, line in enumerate(read_lines(listed))
            if not line.startswith("#")
        ]
    elif labels and not _in_colors(labels[0][1]):
        rows, ignore = [(i, name, None) for i, name in enumerate(_CAMVID_IDS.split())], (11,)
    images = _keyed({one: path / one for one in splits})
    return _open(
        path,
        "camvid",
        images,
        labels,
        rows,
        reading,
        _colored(rows, {}, "list them in label_colors.txt", reading),
        ignore,
    )


def _in_colors(label: Path) -> bool:
    try:
        read_ids(label)
    except InputError:
        return True
    return False


def _color_row(i: int, line: str, path: Path) -> tuple[int, str, Color]:
    fields = line.split()
    if len(fields) < 4 or not all(one.isdecimal() and len(one) < 4 and int(one) < 256 for one in fields[:3]):
        raise InputError(f"{path}: the line {line[:60]!r}; expected RED GREEN BLUE NAME")
    return i, " ".join(fields[3:]), (int(fields[0]), int(fields[1]), int(fields[2]))


def _read_common(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    meta = path / "dataset_meta.json"
    document = read_json(meta)
    names = document.get("label_map") if isinstance(document, dict) else None
    colors = document.get("segmentation_colors", []) if isinstance(document, dict) else []
    if not isinstance(names, dict) or not isinstance(colors, list):
        raise InputError(
            f'{meta}: expected "label_map" as an object from ids to names, and "segmentation_colors" as a list'
        )
    rows: Rows = []
    for place, (key, name) in enumerate(names.items()):
        if not key.isdecimal() or len(key) > 5 or not isinstance(name, str):
            raise InputError(f"{meta}: {key!r}: {str(name)[:40]!r} in label_map; expected an id and a name")
        rows.append((int(key), name, _color_of(colors[place], meta) if place < len(colors) else None))
    return _open(
        path,
        "common-segmentation",
        _keyed({"": path / "images"}),
        _keyed({"": path / "masks"}, (".png",)),
        rows,
        reading,
        _colored(rows, {}, "list them in segmentation_colors of dataset_meta.json", reading),
    )


def _color_of(value: Any, meta: Path) -> Color:
    if (
        not isinstance(value, list)
        or len(value) != 3
        or not all(type(one) is int and 0 <= one < 256 for one in value)
    ):
        raise InputError(
            f"{meta}: the color {str(value)[:40]}; expected [red, green, blue], each from 0 to 255"
        )
    return value[0], value[1], value[2]


def _kitti_splits(path: Path) -> list[str]:
    return [s for s in _SPLITS if (path / s / "image_2").is_dir() and (path / s / "instance").is_dir()]


def _read_kitti(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    splits = _kitti_splits(path)
    rows: Rows = [(i, name, color) for i, (name, color) in enumerate(LABELS)]
    images = _keyed({one: path / one / "image_2" for one in splits})
    labels = _keyed({one: path / one / "instance" for one in splits}, (".png",))
    return _open(path, "kitti-segmentation", images, labels, rows, reading, _kitti_maps)


def _read_synthia(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    rows: Rows = [(i, name, color) for i, (name, color) in enumerate(_SYNTHIA)]
    images, other = _keyed({"": path / "RGB"}), {(0, 172, 0): 12}  # of lane markings in other releases
    if next(files_below(path / "GTTXT", (".txt",)), None):
        return _open(
            path, "synthia", images, _keyed({"": path / "GTTXT"}, (".txt",)), rows, reading, _text_maps
        )
    maps = _colored(rows, other, "take the set in its own colors", reading)
    return _open(path, "synthia", images, _keyed({"": path / "GT"}, (".png",)), rows, reading, maps)


def _text_maps(files: MapFiles) -> Maps:
    """The label map of a text file: ids with blanks between them, a row a line."""
    lines = [line.split() for line in read_lines(files.label)]
    numbers = [one for line in lines for one in line]
    if not numbers or len({len(line) for line in lines}) > 1:
        raise InputError(f"{files.label}: expected lines of equally many class ids")
    if not all(one.isdecimal() and len(one) < 4 for one in set(numbers)):
        raise InputError(f"{files.label}: expected class ids with blanks between them, a row a line")
    return np.array(numbers).astype(np.uint16).reshape(len(lines), -1), None


COMMON = Format(
    name="common-segmentation",
    title="images/ and masks/ with dataset_meta.json, which names classes and colors",
    recognizes=lambda path: all((path / name).exists() for name in ("dataset_meta.json", "images", "masks")),
    reads=_read_common,
)
FORMATS = (
    Format(
        name="camvid",
        title="CamVid: train/ and trainannot/, val/ and valannot/, test/ and testannot/",
        recognizes=lambda path: bool(_camvid_splits(path)),
        reads=_read_camvid,
        own_parts=True,
    ),
    Format(
        name="kitti-segmentation",
        title="KITTI's segmentation: training/image_2/ and training/instance/",
        recognizes=lambda path: bool(_kitti_splits(path)),
        reads=_read_kitti,
        own_parts=True,
    ),
    Format(
        name="synthia",
        title="SYNTHIA-RAND: RGB/ and GT/ in colors",
        recognizes=lambda path: (path / "RGB").is_dir() and any(files_below(path / "GT", (".png",))),
        reads=_read_synthia,
    ),
)
