"""The coarse step of the search for the nearest view: query and references shrunk to cells, all places one cell
apart compared by matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelmint.metrics.view_distance import GAIN, turned_back
from labelmint.types import Array

if TYPE_CHECKING:
    import torch

__all__ = ["Place", "Scale", "coarse", "cut", "places_of", "shrunk", "thinned"]

_CELLS = 16  # of the shorter side of a view, when coarse
_CANDIDATES = (
    16,
    128,
    512,
)  # places of each query that are looked at again: cells of 1, of 2 or 3, of more pixels, which blur ranks
_PLACE = (16, 64)  # positions compared at once, down and across
_ROWS = 256  # oriented queries compared at once: with _PLACE, the products stay in the processor's cache


@dataclass(frozen=True)
class Scale:
    """How one search is cut: view size in pixels, pixels of a cell, margin of pixels over the border,
    orientations.
    """

    size: tuple[int, int]
    beyond: int
    cell: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cell", max(round(min(self.size) / _CELLS), 1))

    @property
    def cells(self) -> tuple[int, int]:
        return self.size[0] // self.cell, self.size[1] // self.cell

    @property
    def margins(self) -> tuple[int, int]:
        """Pixels of a view left of and above its whole cells."""
        return self.size[0] % self.cell // 2, self.size[1] % self.cell // 2

    @property
    def padding(self) -> int:
        return -(-self.beyond // self.cell) * self.cell

    @property
    def candidates(self) -> int:
        return _CANDIDATES[(self.cell > 1) + (self.cell > 3)]

    @property
    def half(self) -> int:
        """Pixels of the cells between the coarse ones and full resolution; 1 where there are none."""
        return self.cell // 2 if self.cell > 3 else 1

    @property
    def orientations(self) -> tuple[int, ...]:
        return tuple(range(8)) if self.size[0] == self.size[1] else (0, 2, 4, 6)

    def positions(self, reference: Array) -> tuple[int, int]:
        """How many coarse positions there are, down and across."""
        rows, columns = (-(-(side + 2 * self.padding) // self.cell) for side in reference.shape[:2])
        return rows - self.cells[0] + 1, columns - self.cells[1] + 1


@dataclass(frozen=True)
class Place:
    """A block of coarse positions in one reference: the first of them, and how many down and across."""

    reference: int
    first: tuple[int, int]
    count: tuple[int, int]

    @property
    def positions(self) -> int:
        return self.count[0] * self.count[1]


def places_of(reference: int, positions: tuple[int, int]) -> Iterator[Place]:
    for top in range(0, positions[0], _PLACE[0]):
        for left in range(0, positions[1], _PLACE[1]):
            count = min(_PLACE[0], positions[0] - top), min(_PLACE[1], positions[1] - left)
            yield Place(reference, (top, left), count)


def thinned(places: list[Place], most: float, seed: int) -> list[Place]:
    """All places, or a random choice of at most `most` positions (at least one place), in their order."""
    if sum(place.positions for place in places) <= most:
        return places
    order = np.random.default_rng(seed).permutation(len(places))
    kept = int(np.searchsorted(np.cumsum([places[k].positions for k in order]), most, side="right"))
    return [places[k] for k in sorted(order[: max(kept, 1)])]


def shrunk(images: Array, cell: int) -> npt.NDArray[np.float32]:
    """(N, H, W, C) with whole cells -> means of the cells (N, C, h, w) float32."""
    n, height, width, channels = images.shape
    cells = images.reshape(n, height // cell, cell, width // cell, cell, channels).mean(
        axis=(2, 4), dtype=np.float32
    )
    return np.ascontiguousarray(cells.transpose(0, 3, 1, 2))


def cut(image: Array, corner: tuple[int, int], size: tuple[int, int]) -> Array:
    """A window of an image (H, W, C) that may reach over its border, edge pixels repeated."""
    if min(corner) >= 0 and corner[0] + size[0] <= image.shape[0] and corner[1] + size[1] <= image.shape[1]:
        return image[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    rows, columns = (_inside(*along) for along in zip(corner, size, image.shape[:2], strict=True))
    return np.asarray(image[rows[:, None], columns])


@lru_cache(maxsize=1024)
def _inside(first: int, count: int, side: int) -> npt.NDArray[np.int64]:
    """The positions from `first` on, each the nearest that an image has."""
    return np.arange(first, first + count).clip(0, side - 1)


def coarse(
    queries: Array,
    references: Sequence[Array],
    places: list[Place],
    scale: Scale,
    tell: Callable[[int, int], None],
) -> npt.NDArray[np.int64]:
    """The best places of each query: (N, candidates, 4) reference, top, left, orientation; -1 where there are
    not so many.
    """
    rows = _rows(queries, scale)
    best = np.full((len(queries), scale.candidates), -np.inf, np.float32)
    where = np.full((len(queries), scale.candidates, 4), -1, np.int64)
    held, cells = -1, np.zeros(0, np.float32)
    for done, place in enumerate(places, start=1):
        if place.reference != held:
            held, cells = place.reference, _cells(references[place.reference], scale)
        explained, at = _explained(rows, cells, place, scale)
        _keep_best(
            best, where, explained.reshape(-1, len(queries)).T, at.reshape(-1, len(queries)).T, place, scale
        )
        if done % 16 == 0 or done == len(places):
            tell(done, len(places))
    return where


def _rows(queries: Array, scale: Scale) -> torch.Tensor:
    """The shrunk queries in each orientation of the references, without their means: (orientations * N, D)."""
    import torch

    (height, width), (top, left) = scale.cells, scale.margins
    found = []
    for orientation in scale.orientations:
        back = turned_back(queries, orientation)
        whole = back[:, top : top + height * scale.cell, left : left + width * scale.cell]
        flat = shrunk(whole, scale.cell).reshape(len(queries), -1)
        found.append(flat - flat.mean(axis=1, keepdims=True))
    return torch.from_numpy(np.concatenate(found))


def _cells(reference: Array, scale: Scale) -> npt.NDArray[np.float32]:
    """A reference with its repeated edge, shrunk: (C, h, w)."""
    height, width = (
        count + cells - 1 for count, cells in zip(scale.positions(reference), scale.cells, strict=True)
    )
    padded = cut(reference, (-scale.padding, -scale.padding), (height * scale.cell, width * scale.cell))
    return np.asarray(shrunk(padded[None], scale.cell)[0])


def _explained(
    rows: torch.Tensor, cells: npt.NDArray[np.float32], place: Place, scale: Scale
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """How much of each row's variance the best position of a place explains, and which position that is.

    With s = deviation of the view, t = cov / s and y = clip(t, 2/3 s, 3/2 s), the explained part 2 g cov -
    g^2 s^2 is y (2 t - y).
    """
    import torch

    windows = _windows(cells, place, scale)
    deviation = windows.square().mean(dim=0).sqrt()
    windows /= deviation.clamp(min=1e-6) * len(windows)
    low, high = deviation * GAIN[0], deviation * GAIN[1]
    products, fitted = (torch.empty(_ROWS, windows.shape[1]) for _ in range(2))
    values, at = [], []
    for block in rows.split(_ROWS):
        t, y = products[: len(block)], fitted[: len(block)]
        torch.mm(block, windows, out=t)
        torch.clamp(t, low, high, out=y)
        value, position = t.mul_(2).sub_(y).mul_(y).max(dim=1)
        values.append(value.numpy())
        at.append(position.numpy())
    return np.concatenate(values), np.concatenate(at)


def _windows(cells: npt.NDArray[np.float32], place: Place, scale: Scale) -> torch.Tensor:
    """The views at the positions of a place, without their means: (D, positions)."""
    import torch

    (top, left), (down, across), (height, width) = place.first, place.count, scale.cells
    part = torch.from_numpy(cells[:, top : top + down + height - 1, left : left + across + width - 1])
    windows: Any = torch.nn.functional.unfold(part[None], (height, width))[0]
    windows -= windows.mean(dim=0)
    return windows  # type: ignore[no-any-return]


def _keep_best(best: Array, where: Array, explained: Array, at: Array, place: Place, scale: Scale) -> None:
    """Put the (N, orientations) finds of a place among the best of each query, in place of what is worse."""
    better = np.flatnonzero(explained.max(axis=1) > best.min(axis=1))
    if len(better) == 0:
        return
    down, across = np.divmod(at[better], place.count[1])
    top = (down + place.first[0]) * scale.cell - scale.padding - scale.margins[0]
    left = (across + place.first[1]) * scale.cell - scale.padding - scale.margins[1]
    new = np.stack([*np.broadcast_arrays(place.reference, top, left, np.array(scale.orientations))], axis=2)
    values = np.concatenate([best[better], explained[better]], axis=1)
    kept = np.argpartition(-values, best.shape[1] - 1, axis=1)[:, : best.shape[1]]
    best[better] = np.take_along_axis(values, kept, axis=1)
    where[better] = np.take_along_axis(np.concatenate([where[better], new], axis=1), kept[..., None], axis=1)
