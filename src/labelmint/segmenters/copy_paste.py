"""Copy-paste (Ghiasi et al. 2021): objects of one training pair, pasted into another at another place and
size.

    x' = a x_donor(A p) + (1 - a) x,   s' alike;   a: 1 on some of the donor's objects

An object is an instance where the data have them, else a connected piece of a foreground class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.types import Array

__all__ = ["CopyPaste"]

_SHARE = 0.5  # of the pairs that get something pasted
_ZOOM = 1.4
_LABELS = 1 << 12  # more than there are classes


class CopyPaste:
    """Pasting among a set of pairs.

    Arguments:
        images, labels: of the donors: (H, W, C) uint8, and (H, W) class indices with -1 for ignored pixels.
        objects: (H, W) for each donor: 1, 2, ... on its objects, 0 where there are none.
        geometry: the views of the data set.
    """

    def __init__(
        self, images: Sequence[Array], labels: Sequence[Array], objects: Sequence[Array], geometry: Geometry
    ) -> None:
        self._images, self._geometry = images, geometry
        # One map moves with the image: both numbers in one.
        self._maps = [
            objs.astype(np.int64) * _LABELS + labels_of + 1
            for objs, labels_of in zip(objects, labels, strict=True)
        ]

    def __call__(self, rng: np.random.Generator, image: Array, labels: Array) -> tuple[Array, Array]:
        """A view (H, W, C) with its labels (H, W), half of the time with objects of another view pasted in."""
        if rng.random() >= _SHARE:
            return image, labels
        donor = int(rng.integers(len(self._images)))
        pasted, packed = self._geometry.draw(rng, self._images[donor], self._maps[donor])
        pasted, packed = _zoomed(rng, pasted, packed)
        objects, ids = packed // _LABELS, packed % _LABELS - 1
        there = np.unique(objects[objects > 0])
        if not len(there):
            return image, labels
        taken = rng.permutation(there)[: int(rng.integers(1, len(there) + 1))]
        where = np.isin(objects, taken)
        return np.where(where[..., None], pasted, image), np.where(where, ids, labels).astype(labels.dtype)


def _zoomed(rng: np.random.Generator, image: Array, packed: Array) -> tuple[Array, Array]:
    """Image and map at another size and place, nothing where they do not reach."""
    zoom = float(np.exp(rng.uniform(-np.log(_ZOOM), np.log(_ZOOM))))
    places = []
    for side in packed.shape:
        shift = rng.uniform(-0.5, 0.5) * side
        places.append(np.floor((np.arange(side) + 0.5 - side / 2) / zoom + side / 2 + shift).astype(int))
    rows, columns = places
    inside = ((rows >= 0) & (rows < packed.shape[0]))[:, None] & (
        (columns >= 0) & (columns < packed.shape[1])
    )[None]
    at = np.ix_(rows.clip(0, packed.shape[0] - 1), columns.clip(0, packed.shape[1] - 1))
    return image[at], np.where(inside, packed[at], 0)
