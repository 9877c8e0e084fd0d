"""The numbers of classes in formats that have rules for them: which each class gets, and pairs that are numbered so.

What is ignored has one number in such a format, whatever ids the data have for it. Names tell classes before and after,
and a classes.json beside the files says the numbers that lie in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set
from labelmint.formats.format import Change
from labelmint.formats.painting import PaintedLayout
from labelmint.types import AnnotatedImage, Array, ClassSet, Layout

__all__ = ["Numbers", "counted", "numbered", "renumbered"]

Numbers = Callable[[ClassSet], Mapping[int, int]]

_SHOWN = 3  # classes that are named when it is told
_HIGHEST = 65535


def counted(
    classes: ClassSet, *, first: int, most: int, ignored: int, ground: int | None = None
) -> dict[int, int]:
    """The number of each class, and of each id to ignore.

    Classes keep their ids where these lie from `first` to `most`, else all count from `first` on in the order of their
    ids, past `ignored` and 255. The background gets the number `ground`, unless that is None.
    """
    others = [i for i in classes.ids if ground is None or i != classes.ground]
    free = (number for number in count(first) if number not in (ignored, IGNORE))
    fitting = all(first <= i <= most and i not in (ignored, ground) for i in others)
    found = {i: i if fitting else next(free) for i in others}
    if ground is not None and classes.ground is not None:
        found[classes.ground] = ground
    return found | dict.fromkeys(classes.ignore, ignored)


def numbered(classes: ClassSet, numbers: Mapping[int, int]) -> ClassSet:
    """The classes under their numbers."""
    infos = [replace(info, id=numbers.get(info.id, info.id)) for info in classes.classes]
    return class_set(infos, [numbers.get(i, i) for i in classes.ignore])


def renumbered(
    pairs: Iterable[AnnotatedImage], classes: ClassSet, numbers: Mapping[int, int], change: Change
) -> Iterator[AnnotatedImage]:
    """The pairs under the numbers of their classes; `change` is told once which classes have others than before, and of
    ids to ignore that become one.

    Raises InputError for a label map with ids that are no classes.
    """
    anew = [info for info in classes.classes if numbers[info.id] != info.id]
    for kind, what, some in (
        ("wide approximated", "have ids above 255 and", [info for info in anew if info.id > IGNORE]),
        ("numbers", "", [info for info in anew if info.id <= IGNORE]),
    ):
        shown = ", ".join(f"{info.name} {info.id} becomes {numbers[info.id]}" for info in some[:_SHOWN])
        more = " ..." if len(some) > _SHOWN else ""
        change(kind, f"classes {what} are numbered anew: {shown}{more}".replace("  ", " "), len(some))
    main = IGNORE if IGNORE in classes.ignore else next(iter(classes.ignore), IGNORE)
    merged = [i for i in classes.ignore if i not in (main, numbers[i])]
    table = _table(numbers)
    for pair in pairs:
        layout = _layout(pair, classes, table)
        for i in merged:
            change(
                "ignore ids",
                f"images hold pixels to ignore of id {i}, which becomes {numbers[i]}",
                _has(pair.layout, i),
            )
        yield pair if layout is pair.layout else pair.with_layout(layout)


def _has(layout: Layout, class_id: int) -> int:
    """1 for a layout with an id, 0 for others."""
    if isinstance(layout, PaintedLayout):
        return int(layout.ground == class_id or any(one.class_id == class_id for one in layout.objects))
    return int((layout.label_map == class_id).any())


def _table(numbers: Mapping[int, int]) -> Array:
    """The number of each id; an id that is no class is its own."""
    highest = max(numbers.values(), default=0)
    table = np.arange(_HIGHEST + 1, dtype=np.uint16)
    table[list(numbers)] = list(numbers.values())
    return table.astype(np.uint8) if highest <= IGNORE else table


def _layout(pair: AnnotatedImage, classes: ClassSet, table: Array) -> Layout:
    layout = pair.layout
    known = {*classes.ids, *classes.ignore}
    strange = {one.class_id for one in layout.objects} - known
    if isinstance(layout, PaintedLayout):
        strange |= {layout.ground} - known
    else:
        strange |= classes.unknown(layout.label_map).keys()
    if strange:
        raise InputError(f"the label of {pair.name!r} holds ids that are no classes: {sorted(strange)}")
    if all(table[i] == i for i in known):
        return layout
    objects = tuple(replace(one, class_id=int(table[one.class_id])) for one in layout.objects)
    if isinstance(layout, PaintedLayout):
        return PaintedLayout(objects, layout.size, int(table[layout.ground]))
    return Layout(label_map=table[layout.label_map], instances=layout.instances, objects=objects)
