"""Cityscapes at 128x256 (height x width), as in MSGNet's short paper, Section 5.6: 19 classes, val for
testing.

SOURCE/leftImg8bit/{train,val}/CITY/NAME_leftImg8bit.png
SOURCE/gtFine/{train,val}/CITY/NAME_gtFine_labelIds.png (or NAME_gtFine_labelTrainIds.png)

Images shrink by area averages; a label takes the class that most of its pixels have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.prepared import Prepared, held_out, original_folder
from labelmint.errors import InputError
from labelmint.formats.cityscapes import EVALUATED, LABELS
from labelmint.formats.class_list import IGNORE
from labelmint.formats.image_files import read_ids, read_image
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, Layout

__all__ = ["CITYSCAPES_CLASSES", "prepare_cityscapes", "shrink_ids"]

GROUP_BY = r"^([^_]+)_"

_EXPECTED = "the folder of Cityscapes with leftImg8bit/{train,val}/CITY/ and gtFine/{train,val}/CITY/"
_IMAGE_END = "_leftImg8bit.png"

# train id: name, color and label id
_OFFICIAL = tuple((*LABELS[label_id], label_id) for label_id in EVALUATED)
CITYSCAPES_CLASSES = ClassSet(
    tuple(ClassInfo(id=i, name=name, color=color) for i, (name, color, _) in enumerate(_OFFICIAL))
)
_LABEL_IDS = dict.fromkeys((*range(34), IGNORE), IGNORE) | {
    label_id: i for i, (_, _, label_id) in enumerate(_OFFICIAL)
}
_TRAIN_IDS = {i: i for i in (*range(len(_OFFICIAL)), IGNORE)}
_KINDS = {"_gtFine_labelIds.png": _LABEL_IDS, "_gtFine_labelTrainIds.png": _TRAIN_IDS}


def prepare_cityscapes(source: str | Path, *, size: tuple[int, int] = (128, 256)) -> Prepared:
    """Street scenes named CITY_SEQUENCE_FRAME, class ids 0 to 18, all other pixels ignored (255).

    Arguments:
        source: folder with Cityscapes in its original layout. Only images are read that have fine labels.
        size: (H, W), no larger than the originals.

    val is for testing; without val, a tenth of the cities by a hash of their names.

    Raises InputError for a folder without them, images without a label, sizes that differ, and unknown label
    ids.
    """
    folder = original_folder(source, _EXPECTED)
    found = {part: _images(folder, part) for part in ("train", "val")}
    files = {**found["train"], **found["val"]}
    if not files:
        raise InputError(f"{folder}: no leftImg8bit/train/CITY/*{_IMAGE_END}; --source takes {_EXPECTED}")
    shared = sorted(set(found["train"]) & set(found["val"]))
    if shared:
        raise InputError(
            f"{folder}: {shared[0]!r} is in train and in val ({len(shared)} such images); keep it in one"
        )
    labels = {name: _label_file(folder, image) for name, image in files.items()}
    cities = held_out(_city(name) for name in files)
    test = (
        set(found["val"])
        if found["train"] and found["val"]
        else {name for name in files if _city(name) in cities}
    )
    return Prepared(
        name="cityscapes",
        source=str(folder),
        classes=CITYSCAPES_CLASSES,
        items=tuple(sorted(files)),
        pairs_of=lambda name: iter([_pair(name, files[name], labels[name], size)]),
        test=frozenset(test),
        group_by=GROUP_BY,
        choices={"size": list(size)},
    )


def shrink_ids(ids: Array, size: tuple[int, int]) -> Array:
    """A label map (H, W) uint8 at a smaller size: each new pixel takes the id that most of its old ones have,
    the lowest in a tie.

    Raises InputError for a size larger than the map.
    """
    if size[0] > ids.shape[0] or size[1] > ids.shape[1] or min(size) < 1:
        raise InputError(
            f"a label of {ids.shape[0]}x{ids.shape[1]} pixels cannot be shrunk to {size[0]}x{size[1]}"
        )
    rows, columns = (
        ((np.arange(old) + 0.5) * new / old).astype(np.int64)
        for new, old in zip(size, ids.shape, strict=True)
    )
    present, dense = np.unique(ids, return_inverse=True)
    cells = (rows[:, None] * size[1] + columns[None]) * len(present) + dense.reshape(ids.shape)
    counts = np.bincount(cells.ravel(), minlength=size[0] * size[1] * len(present))
    best: Array = present[counts.reshape(*size, len(present)).argmax(axis=-1)]
    return best


def _images(folder: Path, part: str) -> dict[str, Path]:
    """Name -> image file of train or val."""
    found: dict[str, Path] = {}
    for file in sorted((folder / "leftImg8bit" / part).glob(f"*/*{_IMAGE_END}")):
        name = file.name.removesuffix(_IMAGE_END)
        if not file.name.startswith("."):
            if _city(name) != file.parent.name:
                raise InputError(
                    f"{file}: a name of the city {_city(name)!r} in the folder of {file.parent.name!r}; move "
                    f"it back"
                )
            found[name] = file
    return found


def _city(name: str) -> str:
    return name.partition("_")[0]


def _label_file(folder: Path, image: Path) -> Path:
    part, city, name = image.parent.parent.name, image.parent.name, image.name.removesuffix(_IMAGE_END)
    place = folder / "gtFine" / part / city
    file = next((place / f"{name}{end}" for end in _KINDS if (place / f"{name}{end}").is_file()), None)
    if file is None:
        raise InputError(
            f"{image}: no label for it; expected {place / f'{name}{next(iter(_KINDS))}'} "
            f"(gtFine_trainvaltest.zip)"
        )
    return file


def _pair(name: str, image_file: Path, label_file: Path, size: tuple[int, int]) -> AnnotatedImage:
    image, ids = read_image(image_file), _train_ids(label_file)
    if image.shape[:2] != ids.shape:
        raise InputError(
            f"{label_file}: {ids.shape} pixels, but its image has {image.shape[:2]}; use the originals of "
            f"both"
        )
    if size[0] > ids.shape[0] or size[1] > ids.shape[1]:
        raise InputError(
            f"{image_file}: {ids.shape[0]}x{ids.shape[1]} pixels, less than the {size[0]}x{size[1]} that are "
            f"wanted"
        )
    small, _ = Geometry(size=size).fit(name, image, [])
    return AnnotatedImage(name=name, image=small, layout=Layout(label_map=shrink_ids(ids, size)))


def _train_ids(file: Path) -> Array:
    meaning = next(ids for end, ids in _KINDS.items() if file.name.endswith(end))
    raw = read_ids(file)
    unknown = sorted(set(np.unique(raw).tolist()) - set(meaning))
    if unknown:
        raise InputError(
            f"{file}: holds the id {unknown[0]}, which is none of Cityscapes'; expected {_range(meaning)} or "
            f"255"
        )
    table = np.full(IGNORE + 1, IGNORE, dtype=np.uint8)
    table[list(meaning)] = list(meaning.values())
    return table[raw]


def _range(meaning: dict[int, int]) -> str:
    return f"0..{max(set(meaning) - {IGNORE})}"
