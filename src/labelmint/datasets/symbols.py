"""Layout symbols: what stands in a map of a layout, as parts and priors see it.

A *symbol* is a class and a color. Where the data have instances, touching ones of a class get different
colors (1, 2, ...), so that a sampled layout separates them again; everything else has color 0. Ignore is a
symbol like a class. Reading a layout back into instances takes the 4-connected pieces of each colored symbol.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from labelmint.types import Array, Layout

__all__ = ["SymbolTable", "color_instances"]

_MAX_COLORS = 4


@dataclass(frozen=True)
class SymbolTable:
    """The symbols of a data set: (class id, color) each, in order of their index 0..S-1."""

    symbols: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.symbols)

    @staticmethod
    def of(pairs: Iterable[tuple[Array, Array | None]]) -> SymbolTable:
        """The symbols that occur in some label maps (H, W) and their colors, ordered by class id, then color."""
        seen: set[tuple[int, int]] = set()
        for label_map, colors in pairs:
            for color in (0,) if colors is None else np.unique(colors).tolist():
                chosen = label_map if colors is None else label_map[colors == color]
                seen |= {(class_id, color) for class_id in np.unique(chosen).tolist()}
        return SymbolTable(tuple(sorted(seen)))

    def with_ignored(self, ignored: int) -> SymbolTable:
        """These symbols and one for a class id that is ignored, if it has none."""
        if any(class_id == ignored for class_id, _ in self.symbols):
            return self
        return SymbolTable(tuple(sorted((*self.symbols, (ignored, 0)))))

    def index(self, label_map: Array, colors: Array | None) -> Array:
        """Symbol indices (H, W) of a label map of known class ids and its colors; a color that is not in the
        table gives way to the nearest below it, or above it where there is none below.
        """
        highest = max(color for _, color in self.symbols)
        width = max(int(label_map.max(initial=0)), *(class_id for class_id, _ in self.symbols), 0) + 1
        lookup = np.zeros((width, highest + 1), dtype=np.int64)
        for i, (class_id, color) in reversed(list(enumerate(self.symbols))):
            lookup[class_id, :color] = i
        for i, (class_id, color) in enumerate(self.symbols):
            lookup[class_id, color:] = i
        clipped = np.zeros_like(label_map) if colors is None else np.minimum(colors, highest)
        found = lookup[label_map, clipped]
        return found.astype(np.uint8 if len(self) <= 256 else np.int16)

    def index_boxes(self, boxes: Array) -> Array:
        """Boxes (N, 5) of class ids as boxes of symbols: the first symbol of each class, whatever its color.

        Boxes of classes without a symbol, which no pixel shows, are left out.
        """
        first = {class_id: k for k, (class_id, _) in reversed(list(enumerate(self.symbols)))}
        rows = [(first[int(row[0])], *row[1:]) for row in boxes.tolist() if int(row[0]) in first]
        return np.array(rows, np.float64).reshape(-1, 5)

    def layout(self, indices: Array, has_instances: bool) -> Layout:
        """Symbol indices (H, W) -> Layout with class ids and, where the data have them, instances."""
        from scipy import ndimage

        class_of = np.array([class_id for class_id, _ in self.symbols])
        dtype = np.uint8 if class_of.max() <= 255 else np.uint16
        label_map = class_of[indices].astype(dtype)
        if not has_instances:
            return Layout(label_map=label_map)
        instances = np.zeros(indices.shape, dtype=np.uint16)
        count = 0
        for i in np.unique(indices):
            if self.symbols[int(i)][1] > 0:
                pieces, n = ndimage.label(indices == i)
                instances[pieces > 0] = pieces[pieces > 0] + count
                count += n
        return Layout(label_map=label_map, instances=instances)


def color_instances(instances: Array, label_map: Array, reach: int) -> Array:
    """Colors (H, W) for an instance map: 0 = no instance, 1.. so that instances of a class within `reach`
    pixels differ (at most four).

    Instances of different classes are told apart by their class; an instance's class is that of most of its
    pixels.

    Greedy in order of first appearance, by the smallest color that no neighbor has. Where four do not suffice
    the least used one among the neighbors is taken; such instances may merge, as at any coarse grid.
    """
    values, first = np.unique(instances, return_index=True)
    ids = [int(i) for i in values[np.argsort(first)] if i > 0]
    neighbors: dict[int, set[int]] = {i: set() for i in ids}
    class_of = _classes_of(instances, label_map, ids)
    for i, j in _touching(instances, reach):
        if class_of[i] == class_of[j]:
            neighbors[i].add(j)
            neighbors[j].add(i)
    color_of: dict[int, int] = {}
    for i in ids:
        taken = [color_of[j] for j in neighbors[i] if j in color_of]
        color_of[i] = min(range(1, _MAX_COLORS + 1), key=lambda color: (taken.count(color), color))
    lookup = np.zeros(int(instances.max(initial=0)) + 1, dtype=np.uint8)
    for i, color in color_of.items():
        lookup[i] = color
    return lookup[instances]


def _touching(instances: Array, reach: int) -> Iterator[tuple[int, int]]:
    """Pairs of instances, of whichever classes, within reach of each other."""
    height, width = instances.shape
    wide = instances.astype(np.int64)
    values = int(wide.max(initial=0)) + 1
    keys = []
    for dy, dx in _ring(reach):
        a = wide[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        b = wide[max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
        where = np.flatnonzero((a != b) & (a > 0) & (b > 0))
        if where.size:
            keys.append(a.ravel()[where] * values + b.ravel()[where])  # numbers sort far faster than columns
    found = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
    return zip((found // values).tolist(), (found % values).tolist(), strict=True)


def _classes_of(instances: Array, label_map: Array, ids: Sequence[int]) -> dict[int, int]:
    """The class that most pixels of each instance have, the lower one in a tie."""
    covered = instances > 0
    width = int(label_map.max(initial=0)) + 1
    keys = instances[covered].astype(np.int64) * width + label_map[covered]
    found, counts = np.unique(keys, return_counts=True)
    owners, classes = found // width, found % width
    most = np.lexsort((classes, -counts, owners))  # by instance, then by pixels, then by class
    # the last one written stays
    first = dict(zip(owners[most[::-1]].tolist(), classes[most[::-1]].tolist(), strict=True))
    return {i: first[i] for i in ids}


def _ring(reach: int) -> list[tuple[int, int]]:
    """Half of the offsets at distances 1, reach / 2 and reach (the other half mirrors them)."""
    offsets = set()
    for r in {1, max(reach // 2, 1), max(reach, 1)}:
        offsets |= {(0, r), (r, 0), (r, r), (r, -r), (r, r // 2), (r, -(r // 2)), (r // 2, r), (r // 2, -r)}
    return sorted(offsets)
