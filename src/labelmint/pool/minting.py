"""A minted label: what an ensemble reads from an image, without what it doubts and without what no layout shows.

The ensemble reads at the scale of training. Its probabilities are brought to the image's own size by bilinear
interpolation before a class is read and the threshold applied, so that outlines are as smooth as the probabilities
are. Layouts are checked at the scale of training; an object at the image's own size is refused where most of its
pixels are of refused ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional

from labelmint.datasets.class_indices import ids_of
from labelmint.datasets.objects import object_map
from labelmint.pool.check import Check
from labelmint.pool.thresholds import Cuts, kept
from labelmint.segmenters.ensemble import Ensemble
from labelmint.types import Array, ClassSet, Layout

__all__ = ["Minted", "Minter"]


@dataclass(frozen=True, kw_only=True)
class Minted:
    """The label of one image.

    Attributes:
        layout: at the image's own size. doubt: (H, W) 1 - the probability of the class read. kept: share of the pixels
            that have a class. refused: objects that became ignore, by rule.
    """

    layout: Layout
    doubt: Array
    kept: float
    refused: Counter[str]


class Minter:
    """Minting of labels.

    Arguments:
        cuts: thresholds of the classes (`pool.thresholds`). check: what labelled layouts show.
        instances: whether objects are told apart.
    """

    def __init__(
        self, ensemble: Ensemble, cuts: Cuts, check: Check, classes: ClassSet, *, instances: bool
    ) -> None:
        self.ensemble, self._cuts, self._check = ensemble, cuts, check
        self._classes, self._instances = classes, instances

    def at_training(self, image: Array) -> Array:
        """Class indices (H, W) int16 of an image at the scale of training, -1 where ignored."""
        return self._checked(self.ensemble.probabilities(image))[0]

    def at(self, image: Array, size: tuple[int, int]) -> Minted:
        """The label of an image (H, W, C) uint8 at the scale of training, at its own size."""
        shares = self.ensemble.probabilities(image)
        _, gone, refused = self._checked(shares)
        if size != tuple(shares.shape[1:]):
            shares = functional.interpolate(shares[None], size, mode="bilinear", align_corners=False)[0]
        ids, sure = kept(shares, self._cuts)
        if gone.any():
            ids = self._without_refused(ids, _nearest(gone, size))
        label_map = ids_of(ids, self._classes)
        label_map = label_map.astype(np.uint8) if int(label_map.max()) < 256 else label_map
        instances = None
        if self._instances:
            instances = object_map(label_map, None, self._classes.without_objects)[0].astype(np.uint16)
        return Minted(
            layout=Layout(label_map=label_map, instances=instances),
            doubt=1 - sure,
            kept=float((ids >= 0).mean()),
            refused=refused,
        )

    def _checked(self, shares: Tensor) -> tuple[Array, Array, Counter[str]]:
        """What is kept at the scale of training, where objects were refused, and how many, by rule."""
        ids, sure = kept(shares, self._cuts)
        checked = self._check(ids, sure)
        return checked.ids, (ids >= 0) & (checked.ids < 0), checked.refused

    def _without_refused(self, ids: Array, gone: Array) -> Array:
        numbered, classes = object_map(ids, None, {-1, *self._check.without})
        pixels = np.bincount(numbered.ravel(), minlength=len(classes) + 1)
        refused = np.bincount(numbered.ravel(), gone.ravel(), len(classes) + 1)
        drop = 2 * refused > pixels
        drop[0] = False
        return np.where(drop[numbered], -1, ids)


def _nearest(mask: Array, size: tuple[int, int]) -> Array:
    rows, columns = (
        ((np.arange(n) + 0.5) * o / n).astype(int) for n, o in zip(size, mask.shape, strict=True)
    )
    found: Array = mask[rows[:, None], columns[None]]
    return found
