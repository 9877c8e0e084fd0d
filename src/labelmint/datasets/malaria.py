"""Malaria as MSGNet has it (Section 4.3, Appendix A.3): patches of BBBC041's blood smears, infected cells
against all else.

SOURCE/training.json, test.json    BBBC041v1 as it is unpacked; or one annotations.json, with train.txt and
                                   test.txt and val.txt if wanted
SOURCE/images/

Each image is scaled to 256x256 whatever its shape, its boxes alike, and cut into patches of 96x96 that
overlap by 60 %: every 38 pixels, five each way; the last 8 rows and columns are left. Boxes are painted
filled.

Which patches? The papers say "10,000 from 1208 images". BBBC041's 1208 training images hold 30,200 such
patches, 9,874 of which touch an infected cell; with a sixth patch flush to the border it would be 43,488 and
13,364. So the patches that touch an infected cell are the default, on the grid of five.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.prepared import Prepared, held_out, original_folder
from labelmint.errors import InputError
from labelmint.formats.bbbc041 import CATEGORIES, read_bbbc041
from labelmint.formats.class_list import IGNORE
from labelmint.formats.painting import paint
from labelmint.formats.records import Record, RecordLoader
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

__all__ = ["INFECTED", "PATCH", "SCALED", "STRIDE", "prepare_malaria"]

SCALED = 256
PATCH = 96
STRIDE = 38  # 40 % of 96, rounded down
INFECTED = ("trophozoite", "ring", "schizont", "gametocyte")
GROUP_BY = r"^(.+)_y\d+_x\d+$"

_EXPECTED = (
    "the folder of BBBC041 with training.json, test.json and images/, or with one annotations.json and "
    "images/"
)
_BACKGROUND = ClassInfo(id=0, name="background", color=(0, 0, 0))
_INFECTED = ClassInfo(id=1, name="infected", color=(0, 0, 255))  # the colors of the paper's figures
_UNINFECTED = ClassInfo(id=2, name="uninfected", color=(255, 0, 0))

Place = tuple[int, int]  # top, left
_T = TypeVar("_T")


def prepare_malaria(
    source: str | Path,
    *,
    keep_cells: bool = False,
    only_infected: bool = True,
    n: int | None = None,
    seed: int = 0,
) -> Prepared:
    """Patches named IMAGE_y038_x076, (96, 96, 3), with their boxes.

    Arguments:
        source: folder with BBBC041 in its original layout.
        keep_cells: uninfected cells (red blood cells, leukocytes) as a class of their own; the papers merge
            them into the background.
        only_infected: leave out patches that touch no infected cell.
        n: at most so many training patches, drawn by `seed`; the others are thinned alike. None keeps all.
        seed: of that draw.

    Cells called "difficult" are ignored (255), neither infected nor not. The split is training.json against
    test.json, or that of train.txt, test.txt and val.txt, or a tenth of the images by a hash of their names.

    Raises InputError for a folder without these files, categories that are not BBBC041's, and as
    `read_bbbc041` does.
    """
    if n is not None and n < 1:
        raise InputError(f"-n {n}: expected at least 1 patch")
    folder = original_folder(source, _EXPECTED)
    sets, listed, validation = _read(folder)
    classes = ClassSet((_BACKGROUND, _INFECTED, *([_UNINFECTED] if keep_cells else [])))
    loaders = {name: data for data in sets for name in data.names}
    meanings = {data.source: _meaning(data, keep_cells) for data in sets}
    scaled = {
        name: _scaled(_record(data, name), meanings[data.source]) for name, data in sorted(loaders.items())
    }
    every = {name: _places(objects, only_infected) for name, objects in scaled.items()}
    others = (name for name, found in every.items() if found and name not in validation)
    test = held_out(others) if listed is None else listed
    places = every if n is None else _thinned(every, (test, validation), n, seed)

    def pairs_of(name: str) -> Iterator[AnnotatedImage]:
        return _patches(loaders[name].load(name), scaled[name], places[name])

    return Prepared(
        name="malaria",
        source=str(folder),
        classes=classes,
        items=tuple(name for name in places if places[name]),
        pairs_of=pairs_of,
        test=test,
        validation=validation,
        group_by=GROUP_BY,
        choices={"keep_cells": keep_cells, "only_infected": only_infected, "n": n, "seed": seed},
    )


def _read(folder: Path) -> tuple[list[DataSet], frozenset[str] | None, frozenset[str]]:
    """The annotated images, the names of those to test on where files say so, and of those to validate on."""
    training, tested, both = (folder / f"{name}.json" for name in ("training", "test", "annotations"))
    if training.is_file():
        sets = [read_bbbc041(file) for file in (training, tested) if file.is_file()]
        shared = sorted(set(sets[0].names) & set(sets[1].names)) if len(sets) == 2 else []
        if shared:
            raise InputError(
                f"{tested}: {shared[0]!r} is in training.json too ({len(shared)} such images); keep it in one"
            )
        return sets, frozenset(sets[1].names) if len(sets) == 2 else None, frozenset()
    if not both.is_file():
        inner = next((sub for sub in sorted(folder.iterdir()) if (sub / "training.json").is_file()), None)
        mend = f"did you mean --source {inner}?" if inner else f"--source takes {_EXPECTED}"
        raise InputError(f"{folder}: lacks training.json; {mend}")
    data = read_bbbc041(both)
    test, validation = (None if part is None else frozenset(part) for part in (data.test, data.validation))
    if data.train is not None:
        data = data.subset(sorted({*data.train, *(test or ()), *(validation or ())}))
    return [data], test, validation or frozenset()


def _record(data: DataSet, name: str) -> Record:
    """What the JSON says of an image, so that patches can be chosen before any image is decoded."""
    assert isinstance(data.load, RecordLoader)
    return data.load.records[name]


def _meaning(data: DataSet, keep_cells: bool) -> dict[int, int | None]:
    """Class id as read -> class id here, None for what is background."""
    others = sorted(set(data.classes.names) - {*CATEGORIES, "background"})
    if others:
        raise InputError(
            f"{data.source}: the category {others[0]!r} is not BBBC041's; expected {', '.join(CATEGORIES)}"
        )
    plain = _UNINFECTED.id if keep_cells else None
    return {info.id: _INFECTED.id if info.name in INFECTED else plain for info in data.classes.classes} | {
        IGNORE: IGNORE
    }


def _scaled(record: Record, meaning: dict[int, int | None]) -> tuple[LayoutObject, ...]:
    """The objects that are no background, in the pixels of the scaled image."""
    down, right = SCALED / record.size[0], SCALED / record.size[1]
    found = []
    for one in record.objects:
        class_id, (x0, y0, x1, y1) = meaning[one.class_id], one.box
        if class_id is not None:
            box = (x0 * right, y0 * down, x1 * right, y1 * down)
            found.append(LayoutObject(class_id=class_id, box=box, attributes=one.attributes))
    return tuple(found)


def _places(objects: Sequence[LayoutObject], only_infected: bool) -> list[Place]:
    starts = range(0, SCALED - PATCH + 1, STRIDE)
    infected = paint(objects, (SCALED, SCALED))[0] == _INFECTED.id
    return [
        (top, left)
        for top in starts
        for left in starts
        if not only_infected or infected[top : top + PATCH, left : left + PATCH].any()
    ]


def _thinned(
    places: dict[str, list[Place]], held_out: Sequence[frozenset[str]], n: int, seed: int
) -> dict[str, list[Place]]:
    """n training places, and as large a share of those of each part that is held out: those whose hashes come first, so
    that n keeps what less keeps.
    """
    training = places.keys() - frozenset().union(*held_out)
    every, *others = (
        [(name, place) for name, found in places.items() if name in part for place in found]
        for part in (training, *held_out)
    )
    share = min(n / len(every), 1.0) if every else 1.0
    kept = set(_first(every, n, seed))
    for part in others:
        kept |= {*_first(part, max(round(share * len(part)), 1), seed)}
    return {name: [place for place in found if (name, place) in kept] for name, found in places.items()}


def _first(patches: Sequence[_T], count: int, seed: int) -> list[_T]:
    return sorted(patches, key=lambda patch: hashlib.sha256(f"{seed} {patch}".encode()).digest())[:count]


def _patches(
    pair: AnnotatedImage, objects: Sequence[LayoutObject], places: Sequence[Place]
) -> Iterator[AnnotatedImage]:
    image, _ = Geometry(size=(SCALED, SCALED)).fit(pair.name, pair.image, [])
    for top, left in places:
        inside = [cut for one in objects if (cut := _cut(one, top, left)) is not None]
        label_map, instances = paint(inside, (PATCH, PATCH))
        yield AnnotatedImage(
            name=f"{pair.name}_y{top:03d}_x{left:03d}",
            image=image[top : top + PATCH, left : left + PATCH],
            layout=Layout(label_map=label_map, instances=instances, objects=tuple(inside)),
        )


def _cut(one: LayoutObject, top: int, left: int) -> LayoutObject | None:
    """An object's part in a patch; None where that part covers no pixel's center."""
    x0, y0, x1, y1 = one.box
    box = (max(x0 - left, 0.0), max(y0 - top, 0.0), min(x1 - left, float(PATCH)), min(y1 - top, float(PATCH)))
    if box[0] >= box[2] or box[1] >= box[3]:
        return None
    cut = LayoutObject(class_id=one.class_id, box=box, attributes=one.attributes)
    return cut if paint([cut], (PATCH, PATCH))[1].any() else None
