"""Class ids, as files hold them, and class indices 0..K-1 in the order of the class list, as segmenters see them.

index -1    what is ignored
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from labelmint.datasets.pair import Pair
from labelmint.types import Array, ClassSet

__all__ = ["ids_of", "indexed", "indices_of"]

_IGNORED = -1


def indices_of(label_map: Array, classes: ClassSet) -> Array:
    """Class ids (H, W) -> class indices int16; ignored ids become -1. Raises ValueError for ids that are
    neither.
    """
    lookup = np.full(max([*classes.ids, *classes.ignore, int(label_map.max(initial=0))]) + 1, -2, np.int16)
    lookup[list(classes.ignore)] = _IGNORED
    lookup[list(classes.ids)] = np.arange(len(classes), dtype=np.int16)
    found: Array = lookup[label_map]
    if (found == -2).any():
        raise ValueError(f"ids that are no classes: {sorted(classes.unknown(label_map))[:5]}")
    return found


def ids_of(indices: Array, classes: ClassSet) -> Array:
    """Class indices -> class ids; -1 becomes the first ignore id."""
    lookup = np.array([*classes.ids, classes.ignore[0] if classes.ignore else 0])
    return lookup[indices].astype(np.uint16)


def indexed(pair: Pair, classes: ClassSet) -> Pair:
    """A pair of class ids as one of class indices, without boxes: no figure looks at them."""
    return replace(pair, ids=indices_of(pair.ids, classes), boxes=None)
