"""GTA-5's game scenes at 256x512 (height x width), as CIMLE's supplement has them: 12,403 images to train on.

SOURCE/images/NNNNN.png
SOURCE/labels/NNNNN.png    Cityscapes' class ids, and 34 for license plates
SOURCE/split.mat           the authors' parts: 12,403 to train on, 6,382 to validate on, 6,181 to test on

Images shrink by area averages; a label takes the class that most of its pixels have. The 19 classes that Cityscapes
evaluates are numbered as there; all other pixels are ignored. A pair whose label has another size than its image is
left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labelmint.datasets.cityscapes import CITYSCAPES_CLASSES, shrink_ids
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.prepared import Prepared, held_out, original_folder
from labelmint.errors import InputError
from labelmint.formats.cityscapes import EVALUATED
from labelmint.formats.class_list import IGNORE
from labelmint.formats.format import Reading
from labelmint.formats.gta5 import GTA5_LABELS, read_gta5
from labelmint.types import AnnotatedImage, DataSet, Layout

__all__ = ["prepare_gta5"]

GROUP_BY = r"^(\d{3})"  # a hundred frames in a row, which show the same streets

_EXPECTED = "the folder of GTA-5 with images/NNNNN.png and labels/NNNNN.png"
_TRAIN_ID = np.full(IGNORE + 1, IGNORE, np.uint8)
_TRAIN_ID[list(EVALUATED)] = range(len(EVALUATED))
_HUNDRED = 3  # of the digits of a name


def prepare_gta5(source: str | Path, *, size: tuple[int, int] = (256, 512)) -> Prepared:
    """Scenes named by their numbers, class ids 0 to 18, all other pixels ignored (255).

    Arguments:
        source: folder with GTA-5 as published; any of its ten parts will do.
        size: (H, W), no larger than the originals.

    The parts are those of split.mat; without it a tenth of the hundreds of frames are for testing, by a hash of their
    first digits.

    Raises InputError for a folder without pairs, unknown label ids, and images smaller than wanted.
    """
    folder = original_folder(source, _EXPECTED)
    if not (folder / "images").is_dir() or not (folder / "labels").is_dir():
        raise InputError(f"{folder}: no images/ with labels/ beside it; --source takes {_EXPECTED}")
    data = read_gta5(folder, Reading(ignore=()))
    named = data.train is not None
    hundreds = held_out(name[:_HUNDRED] for name in data.names)
    test = data.test or () if named else [name for name in data.names if name[:_HUNDRED] in hundreds]
    listed = {*(data.train or ()), *(data.validation or ()), *test}
    return Prepared(
        name="gta5",
        source=str(folder),
        classes=CITYSCAPES_CLASSES,
        items=tuple(name for name in data.names if not named or name in listed),
        pairs_of=lambda name: _pairs(data, name, size),
        test=frozenset(test),
        validation=frozenset(data.validation or ()),
        group_by="" if named else GROUP_BY,
        choices={"size": list(size)},
        findings=data.findings,
    )


def _pairs(data: DataSet, name: str, size: tuple[int, int]) -> Iterator[AnnotatedImage]:
    pair = data.load(name)
    ids, own = pair.layout.label_map, pair.layout.size
    highest = int(ids[ids != IGNORE].max(initial=0))
    if highest >= len(GTA5_LABELS):  # which a classes.json there may name
        raise InputError(f"{data.source}: {name!r} holds the id {highest}, which is none of GTA-5's")
    if size[0] > own[0] or size[1] > own[1]:
        raise InputError(
            f"{data.source}: {name!r} is {own[0]}x{own[1]} pixels, less than the {size[0]}x{size[1]} that are wanted"
        )
    small, _ = Geometry(size=size).fit(name, pair.image, [])
    yield AnnotatedImage(name=name, image=small, layout=Layout(label_map=shrink_ids(_TRAIN_ID[ids], size)))
