"""Boxes in place of a layout: which of its objects have one, and what a label is that says no more than they do.

    boxes(s) = the `most` largest of { (class, x0, y0, x1, y1) of o : o an object of s of a salient class }

Annotated boxes are taken as they are. In maps without them an object is an instance, or a connected piece of a class
where there are none, and has a box around it unless the box is too small. Salient classes are those that are named;
else those with objects that cover at most a tenth of the pixels, for what covers more is a ground that objects stand
on.

A generator that is told boxes alone saw no outlines. So the exact label of its image is the map of filled boxes, with
the background where no box is, if all other classes have boxes, and ignored pixels if some have none, or if there are
as many boxes as there may be and further objects stood beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.objects import boxes_of, largest
from labelmint.datasets.pair import Pair
from labelmint.datasets.symbols import SymbolTable
from labelmint.errors import InputError
from labelmint.formats.painting import paint, painted
from labelmint.types import Array, ClassSet, Layout, LayoutBatch, LayoutObject

__all__ = [
    "MOST_SHARE",
    "BoxCount",
    "BoxRule",
    "BoxSettings",
    "count_boxes",
    "named_classes",
    "salient_classes",
]

MOST_SHARE = 0.1  # of the pixels: a class that covers more has no boxes unless it is named


class BoxSettings(BaseModel):
    """Which objects have boxes."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    salient: str = Field(
        "",
        description="classes with boxes, commas between them; without any, those that cover at most a tenth of "
        "the pixels",
    )
    least_box: float = Field(
        4.0, ge=0, description="square pixels; objects of a map whose boxes are smaller have none"
    )
    most_boxes: int = Field(16, ge=1, le=256, description="boxes of an image at most, the largest")


@dataclass(frozen=True, kw_only=True)
class BoxRule:
    """Which boxes stand for a layout.

    Arguments:
        first: for each id that objects with boxes have in maps, the id that their boxes have: the first symbol of
            its class.
        grounds: ids of what no box covers, the one that it is written with first; empty where some class that is no
            ground has no boxes, so that nothing is known beside them. Nor is it of a layout that has as many boxes as
            there may be: others like it had further objects.
        ignored: the id of what is not known.
        least: square pixels below which an object of a map has no box. most: boxes of a layout.
    """

    first: Mapping[int, int]
    grounds: tuple[int, ...]
    ignored: int
    least: float = 0.0
    most: int = 16

    @staticmethod
    def of(table: SymbolTable, classes: ClassSet, salient: Iterable[int], settings: BoxSettings) -> BoxRule:
        """The rule for maps of symbols. The table has one for what is ignored, as `with_ignored` sees to; else what is
        not known has a number beyond all symbols.
        """
        symbols, chosen, places = table.symbols, frozenset(salient), range(len(table))
        first = {one: k for k, (one, _) in reversed(list(enumerate(symbols))) if one in chosen}
        beside = [k for k in places if symbols[k][0] not in {*chosen, *classes.ignore}]
        known = all(symbols[k][0] in classes.without_objects for k in beside)
        return BoxRule(
            first={k: first[symbols[k][0]] for k in places if symbols[k][0] in chosen},
            grounds=tuple(beside) if known else (),
            ignored=next((k for k in places if symbols[k][0] in classes.ignore), len(table)),
            least=settings.least_box,
            most=settings.most_boxes,
        )

    def beside(self, boxes: Array) -> tuple[int, ...]:
        """Ids of what is known to be where none of a layout's boxes (N, 5) is; empty where nothing is."""
        return self.grounds if len(boxes) < self.most else ()

    def found(self, pair: Pair) -> tuple[Array, int]:
        """Boxes (N, 5) of a pair, in its own pixels, however many; and how many objects are too small for one."""
        if pair.boxes is not None:
            return self._salient(pair.boxes), 0
        around = self._salient(self._around(pair.ids, pair.instances))
        areas = np.prod(around[:, 3:] - around[:, 1:3], axis=1)
        return around[areas >= self.least], int((areas < self.least).sum())

    def of_pair(self, pair: Pair) -> Array:
        """Its boxes (N, 5), however many: a view shows some of them."""
        return self.found(pair)[0]

    def of_map(self, ids: Array) -> Array:
        """Boxes (N, 5), N <= `most`, of a map (H, W) of symbols, whose touching objects differ in theirs."""
        blank = np.zeros((*ids.shape, 1), np.uint8)
        return largest(self.of_pair(Pair(name="", group="", image=blank, ids=ids)), self.most)

    def see(self, layouts: LayoutBatch) -> LayoutBatch:
        """Layouts as a generator of boxes sees them: `most` boxes each, and the maps of these filled.

        Layouts without boxes have those of their maps.
        """
        rows = _rows(layouts.boxes) if layouts.boxes is not None else [self.of_map(i) for i in _maps(layouts)]
        _, *size = layouts.ids.shape
        maps = [self._filled(boxes, (size[0], size[1])).astype(np.int16) for boxes in rows]
        device, boxes = layouts.ids.device, torch.full((len(rows), self.most, 5), -1.0)
        for row, some in enumerate(rows):
            boxes[row, : len(some)] = torch.from_numpy(some)
        return LayoutBatch(torch.from_numpy(np.stack(maps)).to(device), boxes=boxes.to(device))

    def labels(self, seen: LayoutBatch, table: SymbolTable, unknown: int = 0) -> list[Layout]:
        """Layouts that were seen as labels: their boxes as objects, and the maps of these filled.

        Arguments:
            unknown: the class id of what is not known, where no symbol of the table stands for that.
        """
        class_of, (_, height, width) = [*(one for one, _ in table.symbols), unknown], seen.ids.shape
        assert seen.boxes is not None
        return [
            painted(_objects(boxes, class_of), (height, width), class_of[self._ground(boxes)])
            for boxes in _rows(seen.boxes)
        ]

    def whole(self, drawn: LayoutBatch, seen: LayoutBatch) -> Array:
        """The maps (B, H, W) that layouts were drawn with, whatever boxes do not tell as ignored: classes without
        boxes, objects left out, and the ground where it is not known.
        """
        assert seen.boxes is not None
        found = []
        for ids, boxes in zip(_maps(drawn), _rows(seen.boxes), strict=True):
            known = np.isin(ids, self.beside(boxes))
            for symbol in sorted(set(self.first.values())):
                own = [k for k, first in self.first.items() if first == symbol]
                within = _objects(boxes[boxes[:, 0] == symbol], {symbol: 1})
                known |= np.isin(ids, own) & (paint(within, ids.shape)[0] > 0)
            found.append(np.where(known, ids, self.ignored))
        return np.stack(found).astype(np.int16)

    def _salient(self, boxes: Array) -> Array:
        kept = [(self.first[int(row[0])], *row[1:]) for row in boxes.tolist() if int(row[0]) in self.first]
        return np.array(kept, np.float64).reshape(-1, 5)

    def _around(self, ids: Array, instances: Array | None) -> Array:
        """Boxes of instances, and of the pieces of what is of no instance."""
        passed_over = set(np.unique(ids).tolist()) - self.first.keys()
        if instances is None:
            return boxes_of(ids, None, passed_over)
        free = np.where(instances == 0, ids.astype(np.int32), -1)
        return np.concatenate([boxes_of(ids, instances, passed_over), boxes_of(free, None, passed_over)])

    def _filled(self, boxes: Array, size: tuple[int, int]) -> Array:
        return paint(_objects(boxes, range(max([*self.first.values(), 0]) + 1)), size, self._ground(boxes))[0]

    def _ground(self, boxes: Array) -> int:
        return next(iter(self.beside(boxes)), self.ignored)


def _maps(layouts: LayoutBatch) -> Iterable[Array]:
    return layouts.ids.cpu().numpy()


def _rows(boxes: Tensor) -> list[Array]:
    """The boxes (N, 5) of each layout, without the padding."""
    return [some[some[:, 0] >= 0] for some in boxes.cpu().double().numpy()]


def _objects(boxes: Array, class_of: Mapping[int, int] | Sequence[int]) -> tuple[LayoutObject, ...]:
    return tuple(
        LayoutObject(class_id=class_of[int(symbol)], box=(x0, y0, x1, y1))
        for symbol, x0, y0, x1, y1 in boxes.tolist()
    )


# Which classes, and what is left out ------------------------------------------------------------------------


def named_classes(classes: ClassSet, settings: BoxSettings) -> tuple[int, ...]:
    """Ids of the classes that are named; raises InputError for a name that is no class."""
    by_name = {info.name: info.id for info in classes.classes}
    asked = [name.strip() for name in settings.salient.split(",") if name.strip()]
    unknown = [name for name in asked if name not in by_name]
    if unknown:
        raise InputError(
            f"salient={settings.salient}: there is no class {unknown[0]!r}; there are {', '.join(by_name)}"
        )
    return tuple(sorted({by_name[name] for name in asked}))


def salient_classes(pixels: Mapping[int, int], classes: ClassSet, settings: BoxSettings) -> tuple[int, ...]:
    """Ids of the classes whose objects have boxes; where every class covers more than a tenth of the pixels, all that
    are no ground.

    Arguments:
        pixels: of each class id that any pair shows, over the training part.

    Raises InputError for a name that is no class or that no pair shows, and where no class has objects.
    """
    chosen = named_classes(classes, settings)
    if chosen:
        unseen = [classes.name_of(one) for one in chosen if one not in pixels]
        if unseen:
            raise InputError(f"salient={settings.salient}: no pair shows {unseen[0]!r}; leave it out")
        return chosen
    objects = [one for one in classes.ids if one in pixels and one not in classes.without_objects]
    if not objects:
        raise InputError(
            "boxes are drawn around objects, and these labels show no class that has any; name one that has with "
            "salient=CLASS"
        )
    total = sum(pixels.values())
    return tuple(one for one in objects if pixels[one] <= MOST_SHARE * total) or tuple(objects)


@dataclass(kw_only=True)
class BoxCount:
    """What has boxes and what has not.

    Attributes:
        boxes: by class id. small: objects of maps that are too small. beyond: boxes that an image has too many.
        fullest: the most that an image has.
        without: share of the pixels of each class without boxes that is no background, by name.
    """

    settings: BoxSettings
    boxes: Counter[int] = field(default_factory=Counter)
    small: int = 0
    beyond: int = 0
    fullest: int = 0
    without: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line."""
        left = [
            *([f"{self.small:,} smaller than {self.settings.least_box:g} pixels"] if self.small else []),
            *([f"{self.beyond:,} beyond {self.settings.most_boxes} an image"] if self.beyond else []),
        ]
        others = ", ".join(f"{name} ({share:.1%} of the pixels)" for name, share in self.without.items())
        parts = [
            f"{self.boxes.total():,} boxes of {len(self.boxes)} class{'' if len(self.boxes) == 1 else 'es'}",
            *([f"left out: {', '.join(left)}"] if left else []),
            *([f"without boxes: {others}"] if others else []),
        ]
        return "; ".join(parts)


def count_boxes(
    pairs: Iterable[Pair],
    rule: BoxRule,
    geometry: Geometry | None,
    class_of: Mapping[int, int] | Sequence[int],
    pixels: Mapping[int, int],
    classes: ClassSet,
    settings: BoxSettings,
) -> BoxCount:
    """Count the boxes of pairs.

    Arguments:
        geometry: of the views, of which that in the middle counts; None for whole images.
        class_of: the class id of each id in the pairs. pixels: by class id.
    """
    count, total = BoxCount(settings=settings), max(sum(pixels.values()), 1)
    for pair in pairs:
        found, small = rule.found(pair)
        seen = found if geometry is None else geometry.middle(pair.size).boxes(found)
        kept = largest(seen, rule.most)
        count.boxes.update(class_of[int(symbol)] for symbol in kept[:, 0])
        count.small += small
        count.beyond += len(seen) - len(kept)
        count.fullest = max(count.fullest, len(kept))
    salient = {class_of[one] for one in rule.first}
    count.without = {
        classes.name_of(one): number / total
        for one, number in sorted(pixels.items())
        if number and one not in {*salient, *classes.without_objects}
    }
    return count
