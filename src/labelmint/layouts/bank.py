"""The bank of backgrounds: the layouts of the training pairs, a part of the run, and what they lend to a query.

A query's boxes retrieve the m layouts of the highest score (`layouts.retrieval`). Where fewer have anything in common
with it, as with a query without boxes, the others are drawn by the query's seed, of all that are left. Of a training
pair's own query its layout is left out, and those of its group, which would show the generator what it has to guess.

What a layout lends is its background: its classes without boxes. Where it shows an object or is not labelled it lends
nothing; a bank that lends objects too lends all that is labelled. It is stored on the grid of 64 cells a side and lent
at the run's size, each pixel with the cell at its center.

References:
    BachGAN: High-Resolution Image Synthesis from Salient Object Layout (Li et al., 2020): Section 3.1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from labelmint.datasets.objects import largest
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.tiles import tiles_of
from labelmint.layouts.retrieval import (
    CELLS,
    Tables,
    in_cells,
    nearest,
    shown_boxes,
    shown_maps,
    tables_bytes,
    tables_of,
)
from labelmint.seeds import Seed, uniforms
from labelmint.types import Array

__all__ = ["CHANCE", "MOST_LAYOUTS", "BackgroundBank", "Similarity"]

MOST_LAYOUTS = 20_000  # in a bank
CHANCE = "background"  # the stream of what is drawn where nothing is alike
Similarity: TypeAlias = Literal["boxes", "map"]


class BackgroundBank(nn.Module):
    """Layouts and the search among them. They are part of the module's state, however many they are, stay on the CPU,
    and are shared by its copies. An empty bank lends nothing.

    Arguments:
        class_of: the class of each symbol; of classes there are K.
        salient: classes that have boxes. ignored: the class of what is not labelled.
        size: (H, W) of the layouts. most_boxes: of one.
        similarity: whether a query's boxes are compared with boxes, or with maps.
        objects: whether classes that have boxes are lent, too.

    Attributes:
        nothing: K, which stands for a pixel for which no background is lent.
    """

    def __init__(
        self,
        class_of: Sequence[int],
        salient: Sequence[int],
        ignored: int,
        size: tuple[int, int],
        most_boxes: int,
        similarity: Similarity,
        objects: bool = False,
    ) -> None:
        super().__init__()
        self.class_of, self.salient = np.array(class_of), frozenset(salient)
        self.size, self.most_boxes, self.similarity = size, most_boxes, similarity
        self.nothing = int(self.class_of.max()) + 1
        kept = [k for k in range(self.nothing) if k != ignored and (objects or k not in self.salient)]
        self._lent = np.full(self.nothing + 1, self.nothing, np.uint8 if self.nothing < 256 else np.int16)
        self._lent[kept] = kept
        self._held = _Held.nothing()

    def fill(self, pairs: Pairs, most: int = MOST_LAYOUTS) -> None:
        """Take the layouts of training pairs in place of all others: of whole images, or of tiles side by side.

        Arguments:
            most: layouts; of more, evenly many are left out.
        """
        number = {name: k for k, name in enumerate(dict.fromkeys(pairs.groups))}
        group_of = np.array([number[name] for name in pairs.groups], np.int64)
        views = [(k, move) for k in range(len(pairs)) for move in tiles_of(pairs.ids[k].shape, self.size)]
        if len(views) > most:
            views = [views[k * len(views) // most] for k in range(most)]
        maps = np.zeros((len(views), CELLS, CELLS), self._lent.dtype)
        boxes = np.full((len(views), self.most_boxes, 5), -1, np.int16)
        rows, columns = (_centers(CELLS, side) for side in self.size)
        for row, (k, move) in enumerate(views):
            maps[row] = self.class_of[move.ids(pairs.ids[k])[rows[:, None], columns]]
            some = pairs.boxes[k]
            if some is not None:
                found = self._in_cells(largest(move.boxes(some), self.most_boxes))
                boxes[row, : len(found)] = found
        self._held = _Held(maps, boxes, group_of[[k for k, _ in views]], group_of)

    def __len__(self) -> int:
        """Layouts that it holds."""
        return len(self._held.maps)

    @property
    def nbytes(self) -> int:
        """Memory that its layouts take, and the tables that they are searched by, once these are made."""
        held = self._held
        tables = () if held.searched is None else held.searched
        every = [part for each in tables for part in (each if isinstance(each, list) else [each])]
        return sum(part.nbytes for part in (*held.parts().values(), *every))

    def filled_bytes(self, layouts: int, boxes: int) -> int:
        """What `nbytes` will be at most: of so many layouts, the fullest of which has so many boxes."""
        count, shown = min(layouts, MOST_LAYOUTS), min(boxes, self.most_boxes, len(self.salient))
        cells = CELLS * CELLS * self._lent.itemsize
        held = count * (cells + 10 * self.most_boxes + 8) + 8 * layouts
        return held + tables_bytes(self.nothing, shown, count)

    def places(self, boxes: Array, count: int, seed: Seed, item: int | None = None) -> Array:
        """Places (at most `count`,) of layouts in the bank, the best first; fewer only of a bank that has no more.

        Arguments:
            boxes: (n, 5) of the query, symbols and pixels.
            seed: of its sample. item: the training pair that it is of; None for any other.
        """
        held = self._held
        left_out = None if item is None else held.groups == held.group_of[item]
        found = nearest(held.tables(self), self._in_cells(boxes), count, left_out)
        if len(found) == count:
            return found
        free = np.arange(len(self)) if left_out is None else np.flatnonzero(~left_out)
        others = np.setdiff1d(free, found, assume_unique=True)
        order = uniforms([seed], CHANCE, len(others))[0].numpy().argsort(kind="stable")
        return np.concatenate([found, others[order[: count - len(found)]]])

    def lend(
        self, boxes: Sequence[Array], count: int, seeds: Sequence[Seed], items: Sequence[int | None]
    ) -> Tensor:
        """Backgrounds (B, count, H, W) of queries: classes, and `nothing`; of each as `places` has it."""
        lent = np.full((len(boxes), count, *self.size), self.nothing, self._lent.dtype)
        rows, columns = (_centers(side, CELLS) for side in self.size)
        for row, (own, seed, item) in enumerate(zip(boxes, seeds, items, strict=True)):
            for k, place in enumerate(self.places(own, count, seed, item)):
                lent[row, k] = self._lent[self._held.maps[place][rows[:, None], columns]]
        return torch.from_numpy(lent)

    def _in_cells(self, boxes: Array) -> Array:
        """Boxes of symbols and pixels as those of classes and cells."""
        found = in_cells(boxes, self.size)
        found[:, 0] = self.class_of[found[:, 0]]
        return found

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, part in self._held.parts().items():
            destination[f"{prefix}{name}"] = torch.from_numpy(part)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *others: Any
    ) -> None:  # others: metadata, strict, missing, unexpected and errors
        keys = {name: f"{prefix}{name}" for name in self._held.parts()}
        missing = [key for key in keys.values() if key not in state_dict]
        others[2].extend(missing)
        if not missing:
            self._held = _Held(**{name: state_dict[key].cpu().numpy() for name, key in keys.items()})


class _Held:
    """What a bank holds of N layouts, cut from P training pairs. It never changes, so copies share it.

    Arguments:
        maps: (N, 64, 64) classes. boxes: (N, n, 5) int16, class and cells, padded with -1.
        groups: (N,) the group of each layout's pair. group_of: (P,) that of each pair.
    """

    def __init__(self, maps: Array, boxes: Array, groups: Array, group_of: Array) -> None:
        self.maps, self.boxes, self.groups, self.group_of = maps, boxes, groups, group_of
        self.searched: Tables | None = None

    @staticmethod
    def nothing() -> _Held:
        """No layouts."""
        none = np.zeros(0, np.int64)
        return _Held(np.zeros((0, CELLS, CELLS), np.uint8), np.zeros((0, 1, 5), np.int16), none, none)

    def parts(self) -> dict[str, Array]:
        """By the name of the argument."""
        return {name: getattr(self, name) for name in ("maps", "boxes", "groups", "group_of")}

    def tables(self, bank: BackgroundBank) -> Tables:
        """Made when they are first needed."""
        if self.searched is None:
            shown = (
                shown_boxes(self.boxes, bank.nothing)
                if bank.similarity == "boxes"
                else shown_maps(self.maps, bank.nothing, bank.salient)
            )
            self.searched = tables_of(shown, len(self.maps))
        return self.searched

    def __deepcopy__(self, memo: Any) -> _Held:
        return self


def _centers(wanted: int, there: int) -> Array:
    """The places (wanted,) of `there` that lie at the centers of `wanted`."""
    places: Array = ((np.arange(wanted) + 0.5) * there / wanted).astype(np.int64)
    return places
