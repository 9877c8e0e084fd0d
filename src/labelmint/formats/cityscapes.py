"""The `cityscapes` format: Cityscapes in its own tree; written in `cityscapes_write`.

    leftImg8bit/{train,val,test}/CITY/NAME_leftImg8bit.png
    gtFine/{train,val,test}/CITY/NAME_gtFine_labelIds.png       class ids 0 to 33
    gtFine/{train,val,test}/CITY/NAME_gtFine_instanceIds.png    class id, or class id * 1000 + number of the object

instanceIds alone are enough, labelIds alone, too. Ids stay as they are in the files, each with its name, those that
Cityscapes does not evaluate included: nothing but 255 is ignored unless `ignore` says so. (`prepare cityscapes` makes a
set of its own: smaller images, the 19 evaluated classes renumbered from 0, all others ignored.) A classes.json beside
the folders names other classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.files import finder
from labelmint.formats.format import AS_USUAL, KEPT, Carries, Format, Reading, part_word
from labelmint.formats.image_files import read_ids
from labelmint.formats.label_colors import Color
from labelmint.formats.maps import (
    MapFiles,
    MapLoader,
    Maps,
    as_data_set,
    classes_of_table,
    files_below,
    keyed_once,
    matched,
    own_classes,
    parts_of_folders,
)
from labelmint.formats.odd import Odd
from labelmint.types import Array, DataSet

__all__ = ["EVALUATED", "FORMAT", "LABELS", "STEP", "apart", "read_cityscapes"]

# id: name and color, as the data set's own scripts define them; ids whose color another has before them have none
LABELS: Sequence[tuple[str, Color | None]] = (
    ("unlabeled", (0, 0, 0)),
    ("ego vehicle", None),
    ("rectification border", None),
    ("out of roi", None),
    ("static", None),
    ("dynamic", (111, 74, 0)),
    ("ground", (81, 0, 81)),
    ("road", (128, 64, 128)),
    ("sidewalk", (244, 35, 232)),
    ("parking", (250, 170, 160)),
    ("rail track", (230, 150, 140)),
    ("building", (70, 70, 70)),
    ("wall", (102, 102, 156)),
    ("fence", (190, 153, 153)),
    ("guard rail", (180, 165, 180)),
    ("bridge", (150, 100, 100)),
    ("tunnel", (150, 120, 90)),
    ("pole", (153, 153, 153)),
    ("polegroup", None),
    ("traffic light", (250, 170, 30)),
    ("traffic sign", (220, 220, 0)),
    ("vegetation", (107, 142, 35)),
    ("terrain", (152, 251, 152)),
    ("sky", (70, 130, 180)),
    ("person", (220, 20, 60)),
    ("rider", (255, 0, 0)),
    ("car", (0, 0, 142)),
    ("truck", (0, 0, 70)),
    ("bus", (0, 60, 100)),
    ("caravan", (0, 0, 90)),
    ("trailer", (0, 0, 110)),
    ("train", (0, 80, 100)),
    ("motorcycle", (0, 0, 230)),
    ("bicycle", (119, 11, 32)),
)
EVALUATED = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)  # in the order of their train ids, from 0 on

STEP = 1000  # between the values of instanceIds of two classes

_IMAGE_END = "_leftImg8bit.png"
_LABELS = ("gtFine", "gtCoarse")


def read_cityscapes(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from the folder that holds leftImg8bit/ and gtFine/ (or gtCoarse/)."""
    kind = next((name for name in _LABELS if (path / name).is_dir()), None)
    if kind is None or not (path / "leftImg8bit").is_dir():
        raise InputError(
            f"{path}: no labelled images; expected leftImg8bit/ and gtFine/, each with train/CITY/"
        )
    odd = Odd(reading.strict)
    ids = keyed_once(_ending(path / kind, f"_{kind}_labelIds.png"), odd)
    instances = keyed_once(_ending(path / kind, f"_{kind}_instanceIds.png"), odd)
    labels = instances | ids
    pairs = matched(_ending(path / "leftImg8bit", _IMAGE_END), labels.items(), path, odd)
    instances_of = finder(instances)
    files = {
        name: MapFiles(image=image, label=label, instances=instances.get(instances_of(name) or name))
        for name, (image, label) in pairs.items()
    }
    own = own_classes(path, reading)
    loader = MapLoader(
        orientation=reading.orientation,
        files=files,
        classes=own or classes_of_table(((i, *row) for i, row in enumerate(LABELS)), reading.ignore),
        maps=_maps,
        strict=reading.strict,
        mend="list them in classes.json" if own else f"Cityscapes has 0 to {len(LABELS) - 1}",
    )
    parts = parts_of_folders({name: part_word(_part(one.image)) for name, one in files.items()})
    return as_data_set(path, "cityscapes", loader, parts, odd)


def _ending(folder: Path, end: str) -> Iterator[tuple[str, Path]]:
    """Name and file of the files whose names end so."""
    return ((file.name.removesuffix(end), file) for file in files_below(folder, (end.lower(),)))


def _part(image: Path) -> str:
    return image.parent.parent.name.lower()


def apart(values: Array, step: int) -> Maps:
    """Class ids and instances of values `id * step + number`; values below `step` are ids alone."""
    whole = values.astype(np.uint16)
    one = whole >= step
    return np.where(one, whole // step, whole), np.where(one, whole, 0)


def _maps(files: MapFiles) -> Maps:
    if files.instances is None:
        return read_ids(files.label), None
    label_map, instances = apart(read_ids(files.instances), STEP)
    return (label_map if files.label == files.instances else read_ids(files.label)), instances


FORMAT = Format(
    name="cityscapes",
    title="Cityscapes: leftImg8bit/ and gtFine/ with labelIds or instanceIds",
    recognizes=lambda path: (
        (path / "leftImg8bit").is_dir() and any((path / name).is_dir() for name in _LABELS)
    ),
    reads=read_cityscapes,
    own_parts=True,
    image_formats=("png",),
    carries=Carries(
        maps=KEPT,
        boxes="kept as the pixels that they cover",
        polygons="kept as the pixels that they cover",
        holes=KEPT,
        parts=KEPT,
        instances="kept under numbers by class, up to 1000 a class and image, for classes from 1 to 64",
        ignore=KEPT,
        wide="kept by name: classes are numbered anew",
        colors=KEPT,
    ),
)
