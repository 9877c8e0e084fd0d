"""Layouts of a data set, varied: each is turned, zoomed and shifted, and objects of another are put into it.

    s = s_i(A p) where no object of s_j was taken, else s_j(B p),    i, j, A, B and the objects drawn for each
    sample

What a few labelled images lack most is other arrangements of their objects. This source makes them without a
prior that would have to be trained: the layouts are as varied as copy-paste makes them, and the image
generator draws each of them as a whole. Where there is a background, objects are put where they touch no
other: else many would run together into shapes that no real layout has. And with them no class has more
objects than in some given layout: to an organ that every scan shows once no second is added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from labelmint.datasets.geometry import mirrored_axes
from labelmint.datasets.objects import object_map
from labelmint.protocols import Dial, Dials
from labelmint.seeds import Seed
from labelmint.types import Array, Kept, LayoutBatch

__all__ = ["VariedLayouts"]

_ZOOM, _SHIFT = 1.4, 0.15  # the largest factor; the largest shift of the base, of the side
_PASTED = 0.7  # share of the layouts that get objects of another
_COUNTED = 256  # layouts at most, to know how many objects of a class one can have
_SPECK = 0.25  # of the largest object's pixels: what is smaller does not count
_TURN = 45.0  # degrees, where right-angle turns keep labels true; a third of it where they do not


class VariedLayouts:
    """LayoutSource that varies given layouts.

    Arguments:
        ids: (N, H, W) symbol indices.
        background: symbols that are no objects; they are never put into another layout.
        augment: "flips" or "mirror", and "turns", where they keep labels true.
        per_layout: samples in a row that share a layout.
        class_of: the class of each symbol; their own unless given.
    """

    dials: tuple[Dial, ...] = ()

    def __init__(
        self,
        ids: Tensor,
        background: Collection[int],
        augment: Collection[str] = (),
        per_layout: int = 1,
        class_of: Sequence[int] | None = None,
    ) -> None:
        if len(ids) == 0 or per_layout < 1:
            raise ValueError(
                f"needs at least one layout and per_layout >= 1, got {len(ids)} and {per_layout}"
            )
        self._ids, self._device = ids.cpu().numpy(), ids.device
        self._background, self._augment, self._per_layout = sorted(background), frozenset(augment), per_layout
        self._class_of = class_of if class_of is not None else range(int(self._ids.max()) + 1)
        counted = [self._counts(one) for one in self._ids[:: -(-len(self._ids) // _COUNTED)]]
        self._most = {k: max(counts[k] for counts in counted) for k in set().union(*counted)}

    def sample(self, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None) -> LayoutBatch:
        """New layouts, one a seed; nothing is kept, as each is moved as a whole."""
        maps = [
            self._one(np.random.default_rng([seed, 4, index // self._per_layout])) for seed, index in seeds
        ]
        return LayoutBatch(torch.from_numpy(np.stack(maps)).to(self._device))

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Maps of so many samples, on both sides of their way to the device."""
        return 2 * batch_size * int(self._ids[0].nbytes)

    def _one(self, rng: np.random.Generator) -> Array:
        from scipy import ndimage  # slow to import, and most runs do without

        base = self._moved(rng, self._ids[rng.integers(len(self._ids))], _SHIFT)
        if rng.random() >= _PASTED:
            return base
        donor = self._moved(rng, self._ids[rng.integers(len(self._ids))], 0.5)
        objects, classes = object_map(donor, None, self._background)
        count = len(classes)
        taken = (
            rng.permutation(np.arange(1, count + 1))[: int(rng.integers(1, count + 1))]
            if count
            else np.array([], int)
        )
        if self._background:
            there = ndimage.binary_dilation(~np.isin(base, self._background), structure=np.ones((3, 3)))
            touching = set(objects[there].tolist())
            taken = self._within(self._counts(base), [one for one in taken if one not in touching], classes)
        return np.where(np.isin(objects, taken), donor, base)

    def _within(self, counts: Counter[int], wanted: Sequence[int], classes: Sequence[int]) -> Array:
        """The wanted objects, in their order, with which no class has more than some layout has."""
        taken = []
        for one in wanted:
            its_class = self._class_of[classes[one - 1]]
            if counts[its_class] < self._most.get(its_class, 0):
                counts[its_class] += 1
                taken.append(one)
        return np.array(taken, int)

    def _counts(self, ids: Array) -> Counter[int]:
        """Objects of each class that are no specks beside the largest of their class."""
        objects, symbols = object_map(ids, None, self._background)
        classes = [self._class_of[symbol] for symbol in symbols]
        sizes = np.bincount(objects.ravel(), minlength=len(classes) + 1)[1:]
        largest: dict[int, int] = {}
        for k, size in zip(classes, sizes.tolist(), strict=True):
            largest[k] = max(largest.get(k, 0), size)
        return Counter(
            k for k, size in zip(classes, sizes.tolist(), strict=True) if size >= _SPECK * largest[k]
        )

    def _moved(self, rng: np.random.Generator, ids: Array, shift: float) -> Array:
        """Flipped, turned, zoomed and shifted; mirrored at the edges."""
        for axis in mirrored_axes(self._augment):
            ids = np.flip(ids, axis) if rng.random() < 0.5 else ids
        turn = _TURN / 3
        if "turns" in self._augment:
            turn, ids = _TURN, np.rot90(ids, int(rng.integers(4)))
        angle, zoom = np.deg2rad(rng.uniform(-turn, turn)), np.exp(rng.uniform(-np.log(_ZOOM), np.log(_ZOOM)))
        height, width = ids.shape
        rows = (np.arange(height) + 0.5 - height / 2)[:, None] / zoom
        columns = (np.arange(width) + 0.5 - width / 2)[None] / zoom
        down, right = rng.uniform(-shift, shift, 2) * ids.shape
        from_rows = np.cos(angle) * rows - np.sin(angle) * columns + height / 2 + down
        from_columns = np.sin(angle) * rows + np.cos(angle) * columns + width / 2 + right
        moved: Array = ids[_mirrored(from_rows, height), _mirrored(from_columns, width)]
        return moved


def _mirrored(places: Array, side: int) -> Array:
    """Pixel indices of places, those beyond an edge mirrored at it."""
    around = np.floor(places).astype(int) % (2 * side)
    return np.where(around < side, around, 2 * side - 1 - around)
