"""A layout is its own code: symbols on a grid of cells.

A *symbol* is a class and a color. Where the data have instances, touching ones of a class get different
colors (1, 2, ...), so that a sampled layout separates them again; everything else has color 0. Ignore is a
symbol like a class.

    reduce:   a cell takes the symbol that covers most of its pixels; no symbol is invented
    enlarge:  one-hot cells, bilinearly, then the largest share wins; no symbol is invented
    as_seen:  enlarge(reduce(s)), the layout that the image prior sees in training, as it sees a sampled one
              later

Reading a layout back into instances takes the 4-connected pieces of each colored symbol.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labelmint.protocols import Stream
from labelmint.types import Array, Batch, Layout, LayoutBatch

__all__ = ["LabelMap", "SymbolTable", "area_fractions", "color_instances"]

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
    for dy, dx in _ring(reach):
        a = instances[
            max(dy, 0) : instances.shape[0] + min(dy, 0), max(dx, 0) : instances.shape[1] + min(dx, 0)
        ]
        b = instances[
            max(-dy, 0) : instances.shape[0] + min(-dy, 0), max(-dx, 0) : instances.shape[1] + min(-dx, 0)
        ]
        touching = (a > 0) & (b > 0) & (a != b)
        for i, j in np.unique(np.stack([a[touching], b[touching]]), axis=1).T.tolist():
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


def _classes_of(instances: Array, label_map: Array, ids: Sequence[int]) -> dict[int, int]:
    """The class that most pixels of each instance have, the lower one in a tie."""
    covered = instances > 0
    width = int(label_map.max(initial=0)) + 1
    # numbers sort far faster than columns
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


def _neighbors(cells: int, pixels: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each pixel of an axis the two cells around its center, and the weight of the second."""
    place = ((torch.arange(pixels, device=device) + 0.5) * cells / pixels - 0.5).clamp(0, cells - 1)
    first = place.floor().long()
    return first, (first + 1).clamp(max=cells - 1), place - first


def area_fractions(ids: Tensor, grid: tuple[int, int], symbols: int) -> Tensor:
    """Share of each symbol in each cell, (B, H, W) -> (B, S, h, w) floats that sum to 1 over S.

    Counts by scattering, so that no full-resolution one-hot is ever built. H and W must be multiples of h and
    w.
    """
    batch, height, width = ids.shape
    rows, columns = grid
    cell = torch.arange(height, device=ids.device)[:, None] // (height // rows) * columns
    cell = cell + torch.arange(width, device=ids.device)[None] // (width // columns)
    flat = (cell * symbols)[None] + ids.long()
    counts = torch.zeros(batch, rows * columns * symbols, device=ids.device)
    counts.scatter_add_(1, flat.flatten(1), torch.ones((), device=ids.device).expand(batch, height * width))
    share = counts.view(batch, rows, columns, symbols).permute(0, 3, 1, 2)
    return share * (rows * columns / (height * width))


class LabelMap:
    """Tokenizer of layouts: one stream "layout" of S symbols on an (h, w) grid; decoding answers symbol ids
    at full size.

    Arguments:
        symbols: S.
        grid: (h, w); must divide the size.
        size: (H, W).
    """

    def __init__(self, symbols: int, grid: tuple[int, int], size: tuple[int, int]) -> None:
        if size[0] % grid[0] or size[1] % grid[1]:
            raise ValueError(f"a layout of {size} pixels can't be cut into a grid of {grid} cells")
        self.symbols, self.grid, self.size = symbols, grid, size

    @property
    def streams(self) -> tuple[Stream, ...]:
        """One stream."""
        return (Stream("layout", self.symbols, self.grid),)

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens (B, h, w)."""
        return {"layout": self.encode_layouts(batch.layouts)}

    def decode(self, tokens: dict[str, Tensor], layouts: LayoutBatch | None = None) -> Tensor:
        """Symbol ids (B, H, W); a layout is its own code and needs no other."""
        return self.decode_layouts(tokens["layout"])

    def encode_layouts(self, layouts: LayoutBatch) -> Tensor:
        """As a LayoutTokenizer: reduce."""
        return self.reduce(layouts.ids)

    def decode_layouts(self, tokens: Tensor) -> Tensor:
        """As a LayoutTokenizer: enlarge."""
        return self.enlarge(tokens)

    def reduce(self, ids: Tensor) -> Tensor:
        """(B, H, W) -> (B, h, w): the symbol that covers most of a cell, the lowest index among equals."""
        if self.grid == self.size:
            return ids.long()
        return area_fractions(ids, self.grid, self.symbols).argmax(dim=1)

    def enlarge(self, tokens: Tensor) -> Tensor:
        """(B, h, w) -> (B, H, W): bilinear shares of the one-hot cells, the largest wins, the lowest symbol
        among equals.

        Only the four cells around a pixel have a share in it, so no one-hot is built.
        """
        if self.grid == self.size:
            return tokens.to(torch.int16)
        (top, bottom, down), (left, right, across) = (
            _neighbors(n, size, tokens.device) for n, size in zip(self.grid, self.size, strict=True)
        )
        down, across = down[:, None], across[None]
        corners = [
            tokens[:, row][:, :, column].to(torch.int16) for row in (top, bottom) for column in (left, right)
        ]
        weights = [v * u for v in (1 - down, down) for u in (1 - across, across)]
        best_share, best = torch.full(corners[0].shape, -1.0, device=tokens.device), corners[0]
        for candidate in corners:
            share = sum(
                (weight * (corner == candidate) for weight, corner in zip(weights, corners, strict=True)),
                start=0 * down,
            )
            better = (share > best_share + 1e-6) | ((share > best_share - 1e-6) & (candidate < best))
            best_share, best = torch.where(better, share, best_share), torch.where(better, candidate, best)
        return best

    def as_seen(self, layouts: LayoutBatch) -> LayoutBatch:
        """The layouts after reducing and enlarging: what the image prior is shown."""
        return LayoutBatch(self.enlarge(self.reduce(layouts.ids)))
