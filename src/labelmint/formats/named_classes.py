"""Classes of formats that tell them by their names, without ids.

The ground is the first name that means background, else a class 0 "background" that the format does not name; the
others are numbered in order. A classes.json beside the files, as this package writes it, decides ids, colors and
ignored ids where it is there. `__ignore__` is the word for what is to be ignored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set, dump_classes, read_classes, without_shared_colors
from labelmint.storage import write_text
from labelmint.types import ClassInfo, ClassSet

__all__ = ["CLASSES", "IGNORED", "NamedClasses", "classes_of_names", "labels_of", "write_classes"]

CLASSES = "classes.json"
IGNORED = "__ignore__"

Color = tuple[int, int, int]


@dataclass(frozen=True)
class NamedClasses:
    """Classes that are told by their names.

    Arguments:
        classes: the classes. ids: label -> id, ignore ids included. ground: the id of what no object covers.
    """

    classes: ClassSet
    ids: Mapping[str, int]
    ground: int

    @property
    def ignored(self) -> int:
        """The id of regions to ignore."""
        return _main(self.classes) if self.classes.ignore else self.ids[IGNORED]


def classes_of_names(
    names: Iterable[str], folder: Path, ignore: Sequence[int] = (), colors: Mapping[str, Color] | None = None
) -> NamedClasses:
    """The classes of names in their order, or those of the classes.json in a folder and the names that it lacks.

    Arguments:
        names: as the format gives them; a name that stands twice counts once.
        folder: of the data set.
        ignore: class ids to ignore.
        colors: of names.
    """
    file = folder / CLASSES
    told = read_classes(file, ignore)[0] if file.is_file() else None
    ordered = list(dict.fromkeys(name for name in names if name != IGNORED))
    if told is not None:
        return _with_others(told, ordered, ignore)
    ground = next((name for name in ordered if _is_ground(name)), "background")
    free = (i for i in count() if i != IGNORE)
    ids = {name: next(free) for name in dict.fromkeys((ground, *ordered))}
    if len(ids) > 65535:
        raise InputError(f"{folder}: {len(ids)} classes, and at most 65535 can be told apart")
    infos = [ClassInfo(id=i, name=name, color=(colors or {}).get(name)) for name, i in ids.items()]
    classes = class_set(without_shared_colors(infos), ignore)
    return NamedClasses(classes, {**ids, IGNORED: IGNORE}, ids[ground])


def labels_of(classes: ClassSet) -> dict[int, str]:
    """Class id -> the word for it, each its own: the name, with the id where several have that name, and words for
    ignore ids.
    """
    often = Counter(info.name for info in classes.classes)
    labels = {info.id: info.name for info in classes.classes}
    for info in classes.classes:
        if often[info.name] > 1 or info.name == IGNORED or not info.name.strip():
            labels[info.id] = f"{info.name} ({info.id})".strip()
    for i in classes.ignore:
        labels[i] = IGNORED if i == _main(classes) else f"{IGNORED} ({i})"
    return labels


def write_classes(folder: Path, classes: ClassSet) -> None:
    """Write the classes.json that `classes_of_names` reads."""
    write_text(folder / CLASSES, dump_classes(classes))


def _main(classes: ClassSet) -> int:
    """The ignore id that stands for all regions to ignore."""
    return IGNORE if IGNORE in classes.ignore else next(iter(classes.ignore), IGNORE)


def _with_others(told: ClassSet, names: Sequence[str], ignore: Sequence[int]) -> NamedClasses:
    spare = _main(told) if told.ignore else next(i for i in count(IGNORE + 1) if i not in told.ids)
    ids = {label: i for i, label in labels_of(told).items()} | {IGNORED: spare}
    free = (i for i in count(1) if i not in {*told.ids, *told.ignore, IGNORE, spare})
    others = {name: next(free) for name in names if name not in ids}
    infos = [*told.classes, *(ClassInfo(id=i, name=name) for name, i in others.items())]
    classes = class_set(infos, {*told.ignore, *ignore, spare})
    return NamedClasses(classes, ids | others, spare if told.ground is None else told.ground)


def _is_ground(name: str) -> bool:
    return ClassSet((ClassInfo(id=0, name=name),)).ground is not None
