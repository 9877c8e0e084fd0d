"""The categories of COCO files as classes: one list for all files of a set, and what no object covers.

A class has its category's id. Where 0 is a category that is no background, every class id is the category id + 1; ids
that no label map can hold are numbered anew. Both keep the category id in `ClassInfo.category`. What labelmint wrote
says of itself what else it means: `class_id` in a category, `"ignore": true` in one of regions to ignore, and the
class of what no object covers under "info".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set
from labelmint.formats.coco_document import Id
from labelmint.formats.odd import Odd
from labelmint.types import ClassInfo, ClassSet

__all__ = ["CLASS_ID", "GROUND", "MADE_UP", "Classes", "Merged", "classes_of", "color_of", "merged"]

GROUND = "ground"  # under "info": the class of what no object covers, where it is not 0, "background"; null for none
CLASS_ID = "class_id"  # of a category whose id does not say it
MADE_UP = "made_up"  # of a category whose id was free, where its class had none
_UNSAID = object()
_MOST = 65535

Category = Mapping[str, Any]


class Classes(NamedTuple):
    """What the categories of a set mean.

    Arguments:
        classes: of the set. ids: category id -> class id, or an id to ignore.
        ground: the class, or an id to ignore, of what no object covers.
        ignored: the id of objects that are marked to be ignored.
    """

    classes: ClassSet
    ids: Mapping[Id, int]
    ground: int
    ignored: int


class Merged(NamedTuple):
    """The categories of all files, and for each file its category ids as they are in that list."""

    categories: list[Category]
    ids: list[Mapping[Id, Id]]


def merged(lists: Sequence[tuple[Path, Sequence[Category]]], odd: Odd) -> Merged:
    """One list of the categories of several files: by id and name where these agree, else by name.

    Raises InputError for a category without a name.
    """
    named = [_told_apart(path, categories, odd) for path, categories in lists]
    known = {(one["id"], _key(one)) for categories in named for one in categories}
    if len(known) == len({i for i, _ in known}) == len({key for _, key in known}):
        together = {one["id"]: one for categories in named for one in categories}
        return Merged(list(together.values()), [{one["id"]: one["id"] for one in part} for part in named])
    paths = " and ".join(str(path) for path, _ in lists[:2])
    odd.note("category lists differ", f"{paths} number their categories otherwise; they are joined by name")
    return _by_name(named)


def _by_name(lists: Sequence[Sequence[Category]]) -> Merged:
    together: dict[str, Category] = {}
    ids: list[Mapping[Id, Id]] = []
    for categories in lists:
        here: dict[Id, Id] = {}
        for one in categories:
            if _key(one) not in together:
                taken = {other["id"] for other in together.values()}
                later = {other["id"] for other in categories}
                number = (
                    one["id"]
                    if one["id"] not in taken
                    else next(n for n in count(1) if n not in taken | later)
                )
                together[_key(one)] = {**one, "id": number}
            here[one["id"]] = together[_key(one)]["id"]
        ids.append(here)
    return Merged(list(together.values()), ids)


def _key(category: Category) -> str:
    return f"{category['name']}\n{category['id']}" if _is_marked(category) else str(category["name"])


def _told_apart(path: Path, categories: Sequence[Category], odd: Odd) -> list[Category]:
    """Categories whose names differ: of those that have one name all but the first get their id added."""
    seen: set[str] = set()
    doubled = []
    found: list[Category] = []
    for one in categories:
        name = one.get("name")
        if not isinstance(name, str):
            raise InputError(f"{path}: the category {one!r} needs a number as id and text as name")
        if name in seen and not _is_marked(one):
            doubled.append(name)
            one = {**one, "name": f"{name} ({one['id']})"}
        seen.add(str(one["name"]))
        found.append(one)
    if doubled:
        text = f"{path}: {len(doubled)} categories have the name of another, first {doubled[0]!r}; their ids are added"
        odd.note("doubled category names", text, doubled)
    return found


def classes_of(
    categories: Sequence[Category],
    info: Any,
    ignore: Iterable[int],
    source: str,
    *,
    void: bool = False,
    marks: bool = False,
) -> Classes:
    """What categories mean.

    Arguments:
        info: what stands under "info". ignore: further ids to ignore. source: for messages.
        void: True where every pixel has a category, or is to be ignored, as in panoptic files.
        marks: True where some objects are marked to be ignored.
    """
    own = info.get(GROUND, _UNSAID) if isinstance(info, dict) else _UNSAID
    real = [one for one in categories if not _is_marked(one)]
    marked = [one for one in categories if _is_marked(one)]
    ground = _own_ground(own)
    named = {one["id"]: one["name"] for one in real} | ({} if ground is None else {ground.id: ground.name})
    try:
        background = ClassSet(
            tuple(ClassInfo(id=i, name=name) for i, name in enumerate(named.values()))
        ).backgrounds
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    shifted = own is _UNSAID and not void and not background and any(one["id"] == 0 for one in real)
    ids = _numbers(real, int(shifted), own is _UNSAID and not void and not background)
    infos = [_info(one, ids[one["id"]]) for one in real]
    if ground is not None:
        infos.append(ground)
    elif own is _UNSAID and not background and not void:
        infos.append(ClassInfo(id=0, name="background"))
    try:
        ids |= _ignored(marked, {one.id for one in infos})
        regions = [ids[one["id"]] for one in marked]
        classes = class_set(infos, (*ignore, *regions))
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    ignored = next(iter((*regions, *(i for i in (IGNORE, *classes.ignore) if i in classes.ignore))), None)
    if ignored is None:  # 255 is a class, and nothing else stands for "ignore"
        ignored = next(n for n in count(1) if n not in classes.ids)
        if own is None or void or marks:
            classes = ClassSet(classes.classes, (ignored,))
    if void:
        return Classes(classes, ids, IGNORE if IGNORE in classes.ignore else ignored, ignored)
    covers = classes.ground if ground is None else ground.id
    return Classes(classes, ids, ignored if covers is None else covers, ignored)


def _own_ground(own: Any) -> ClassInfo | None:
    if not isinstance(own, dict) or type(own.get("id")) is not int or not isinstance(own.get("name"), str):
        return None
    return ClassInfo(id=own["id"], name=own["name"], color=color_of(own))


def _numbers(categories: Sequence[Category], shift: int, zero_taken: bool) -> dict[Id, int]:
    """Category id -> class id."""
    said = {one["id"]: one.get(CLASS_ID) for one in categories}
    if said and all(type(number) is int and 0 <= number <= _MOST for number in said.values()):
        return {i: int(number or 0) for i, number in said.items()}
    usual = [one["id"] for one in categories if _fits(one["id"])]
    ids = {i: i + shift for i in usual}
    taken = {*ids.values(), IGNORE} | ({0} if zero_taken else set())
    free = (number for number in count(1) if number not in taken)
    others = [one["id"] for one in categories if not _fits(one["id"])]
    return ids | {i: next(free) for i in sorted(others, key=lambda i: (isinstance(i, str), i))}


def _ignored(marked: Sequence[Category], taken: set[int]) -> dict[Id, int]:
    """Category id -> an id to ignore that is no class."""
    ids: dict[Id, int] = {}
    for one in marked:
        number = one.get(CLASS_ID, one["id"])
        clashes = not _fits(number) or number in taken or number in ids.values()
        ids[one["id"]] = (
            next(n for n in (IGNORE, *range(1, _MOST)) if n not in taken and n not in ids.values())
            if clashes
            else number
        )
    return ids


def _info(category: Category, class_id: int) -> ClassInfo:
    number = category["id"]
    known = isinstance(number, int) and number != class_id and category.get(MADE_UP) is not True
    other = number if known else None
    return ClassInfo(id=class_id, name=category["name"], color=color_of(category), category=other)


def _fits(number: Any) -> bool:
    return type(number) is int and 0 <= number <= _MOST


def _is_marked(category: Category) -> bool:
    return category.get("ignore") is True


def color_of(category: Category) -> tuple[int, int, int] | None:
    """The color of a category, where it has a sound one."""
    color = category.get("color")
    if not isinstance(color, list) or len(color) != 3:
        return None
    sound = all(type(part) is int and 0 <= part <= 255 for part in color)
    return (color[0], color[1], color[2]) if sound else None
