"""Is it a copy? The search for the nearest *view* among larger reference images.

A view of a reference is a window of the size of the query, anywhere in it and up to `beyond` pixels over its
border (edge pixels repeated), in any of 8 orientations (4 where H != W). The distance forgives brightness and
contrast:

    d(q, v)^2 = min over gain g in [2/3, 3/2] and offset b of mean((q - g v - b)^2)
              = var(q) - 2 g cov(q, v) + g^2 var(v),   g = clip(cov(q, v) / var(v), 2/3, 3/2)

over all pixels and channels of both, smoothed (means of 3x3 pixels, inside the image), in grey levels of
0..255. Unsmoothed, the grain of a camera or a little noise outweighs what dim images show, and hides copies
of them. Gain and offset are shared by the channels: another exposure is forgiven, another color is not. The
*view* is scaled, never the query, so that a flat view explains only a flat query (then var(v) = cov = 0 and d
is the deviation of the query itself); and the gain is bounded below, so that no view can be scaled away.

The search narrows down. Coarse: both are shrunk by area averaging, the shorter side of a view to about 16
cells, and all places one cell apart are compared by matrix products. Then the best hundreds of places of each
query again with cells of half the size, where cells are 4 pixels or larger, since half a cell off a copy may
look no better than a stranger. Last, the best of these at full resolution and at every pixel within a cell of
them. The distance is exact for the view that is named; a nearer view is missed only where a step ranks it
below all that go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from labelmint.errors import InputError
from labelmint.types import Array

if TYPE_CHECKING:
    import torch

__all__ = ["GAIN", "NearestViews", "fitted_distance", "nearest_views", "smoothed", "turned", "view"]

GAIN = (2 / 3, 3 / 2)

_CELLS = 16  # of the shorter side of a view, when coarse
_CANDIDATES = (
    16,
    128,
    512,
)  # places of each query that are looked at again: cells of 1, of 2 or 3, of more pixels, which blur ranks
_KEPT = 96  # of these, after a look at cells of half the size; where cells have 4 pixels or more
_EXACT = 4  # of these, views whose distance is computed from the differences
_PLACE = (16, 64)  # positions compared at once, down and across
_ROWS = 256  # oriented queries compared at once: with _PLACE, the products stay in the processor's cache
_QUERIES = 4096  # queries held at once: 8 orientations of 16x16x3 cells are 100 MB
_MOST_WORK = 2e13  # multiplications and additions, some minutes on two cores


@dataclass(frozen=True, kw_only=True)
class NearestViews:
    """The nearest view of each of N queries.

    Attributes:
        reference: (N,) index of the reference image.
        distance: (N,) RMS in grey levels after the brightness fit.
        position: (N, 2) row and column of the view's upper left corner; outside of the reference by at most
            `beyond`.
        orientation: (N,) 0..7, see `turned`.
        size: height and width of the views.
        searched: share of all positions that were compared, 1 unless the work was too much.
    """

    reference: npt.NDArray[np.int64]
    distance: npt.NDArray[np.float64]
    position: npt.NDArray[np.int64]
    orientation: npt.NDArray[np.int64]
    size: tuple[int, int]
    searched: float

    def __len__(self) -> int:
        return len(self.reference)


@dataclass(frozen=True)
class _Scale:
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
class _Place:
    """A block of coarse positions in one reference: the first of them, and how many down and across."""

    reference: int
    first: tuple[int, int]
    count: tuple[int, int]

    @property
    def positions(self) -> int:
        return self.count[0] * self.count[1]


def turned(images: Array, orientation: int) -> Array:
    """Images (..., H, W, C), mirrored left to right if orientation >= 4, then turned left by orientation % 4
    right angles.
    """
    mirrored = images[..., ::-1, :] if orientation >= 4 else images
    return np.rot90(mirrored, orientation % 4, axes=(-3, -2))


def _turned_back(images: Array, orientation: int) -> Array:
    """Undoes `turned`; a reflection undoes itself."""
    return turned(images, orientation if orientation >= 4 else -orientation % 4)


def smoothed(images: Array) -> npt.NDArray[np.float32]:
    """Means over all windows of 3x3 pixels: (..., H, W, C) -> (..., H - 2, W - 2, C)."""
    values = np.asarray(images, np.float32)
    rows = values[..., :-2, :, :] + values[..., 1:-1, :, :] + values[..., 2:, :, :]
    return np.asarray((rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]) / 9)


def fitted_distance(query: Array, view: Array) -> float:
    """d(query, view) of two arrays (H, W, C) of one shape, H and W at least 3."""
    q, v = (smoothed(item).astype(np.float64) for item in (query, view))
    q, v = q - q.mean(), v - v.mean()
    spread = np.mean(v * v)
    gain = np.clip(np.mean(q * v) / spread, *GAIN) if spread > 0 else 1.0
    return float(np.sqrt(np.mean((q - gain * v) ** 2)))


def nearest_views(
    queries: Array | Sequence[Array],
    references: Sequence[Array],
    *,
    beyond: int = 4,
    seed: int = 0,
    most_work: float = _MOST_WORK,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> NearestViews:
    """The nearest view of each query.

    Arguments:
        queries: N images (H, W, C) uint8 of one size.
        references: images (H_i, W_i, C) uint8, each at least as high and wide as the queries.
        beyond: how many pixels a view may reach over the border of its reference, edge pixels repeated.
        seed: which places are left out where the work is too much.
        most_work: floating point operations of the coarse step. Where it would take more, only a random share
            of the places is searched, and `searched` says which share.
        tell: called with the work done and all of it, in steps.

    Raises InputError for wrong shapes or kinds of numbers, a reference smaller than the queries, and nothing
    to compare.
    """
    _check(queries, references, beyond)
    images = np.asarray(queries)
    scale = _Scale((images.shape[1], images.shape[2]), beyond)
    every = [
        place for k, reference in enumerate(references) for place in _places(k, scale.positions(reference))
    ]
    operations = (
        2.0 * len(images) * len(scale.orientations) * scale.cells[0] * scale.cells[1] * images.shape[3]
    )
    places = _thinned(every, most_work / operations, seed)
    halved = [_halved(reference, scale) for reference in references] if scale.half > 1 else []
    blocks = [images[first : first + _QUERIES] for first in range(0, len(images), _QUERIES)]
    found = []
    for done, block in enumerate(blocks):
        candidates = _coarse(block, references, places, scale, _part(tell, done, len(blocks)))
        for query, options in zip(block, candidates, strict=True):
            found.append(
                _fine(query, references, _likely(query, halved, options[options[:, 0] >= 0], scale), scale)
            )
    return NearestViews(
        distance=np.array([one[0] for one in found]),
        reference=np.array([one[1] for one in found]),
        position=np.array([one[2:4] for one in found]),
        orientation=np.array([one[4] for one in found]),
        size=scale.size,
        searched=sum(p.positions for p in places) / sum(p.positions for p in every),
    )


def view(references: Sequence[Array], found: NearestViews, i: int) -> Array:
    """The view that was found for query i, (H, W, C) and turned as the query is; its brightness is not
    fitted.
    """
    top, left = found.position[i]
    height, width = found.size if found.orientation[i] % 2 == 0 else found.size[::-1]
    cut = _cut(references[found.reference[i]], (int(top), int(left)), (height, width))
    return np.ascontiguousarray(turned(cut, int(found.orientation[i])))


def _check(queries: Array | Sequence[Array], references: Sequence[Array], beyond: int) -> None:
    if len(queries) == 0 or len(references) == 0:
        raise InputError(
            f"a search needs images on both sides; got {len(queries)} queries and {len(references)} "
            f"references"
        )
    if beyond < 0:
        raise InputError(f"`beyond` is a number of pixels, 0 or more; got {beyond}")
    shape = queries[0].shape
    if min(shape[:2], default=0) < 4:
        raise InputError(f"the images to search for must be at least 4x4 pixels; got {shape}")
    for what, images in (("query", queries), ("reference", references)):
        for k, image in enumerate(images):
            if image.ndim != 3 or image.dtype != np.uint8:
                raise InputError(
                    f"images to compare must be (H, W, C) uint8; {what} {k} is {image.shape} {image.dtype}"
                )
            if image.shape[2] != shape[2]:
                raise InputError(
                    f"images to compare must have as many channels; {what} {k} has {image.shape[2]}, not "
                    f"{shape[2]}"
                )
    if any(query.shape != shape for query in queries):
        raise InputError("the images to search for must have one size; cut or resize them to one")
    for k, image in enumerate(references):
        if image.shape[0] < shape[0] or image.shape[1] < shape[1]:
            raise InputError(
                f"reference {k} is {image.shape[0]}x{image.shape[1]}, smaller than the {shape[0]}x{shape[1]} "
                f"to find in it"
            )


def _part(tell: Callable[[int, int], None], done: int, of: int) -> Callable[[int, int], None]:
    return lambda step, steps: tell(done * steps + step, of * steps)


def _places(reference: int, positions: tuple[int, int]) -> Iterator[_Place]:
    for top in range(0, positions[0], _PLACE[0]):
        for left in range(0, positions[1], _PLACE[1]):
            count = min(_PLACE[0], positions[0] - top), min(_PLACE[1], positions[1] - left)
            yield _Place(reference, (top, left), count)


def _thinned(places: list[_Place], most: float, seed: int) -> list[_Place]:
    """All places, or a random choice of at most `most` positions (at least one place), in their order."""
    if sum(place.positions for place in places) <= most:
        return places
    order = np.random.default_rng(seed).permutation(len(places))
    kept = int(np.searchsorted(np.cumsum([places[k].positions for k in order]), most, side="right"))
    return [places[k] for k in sorted(order[: max(kept, 1)])]


def _shrunk(images: Array, cell: int) -> npt.NDArray[np.float32]:
    """(N, H, W, C) with whole cells -> means of the cells (N, C, h, w) float32."""
    n, height, width, channels = images.shape
    cells = images.reshape(n, height // cell, cell, width // cell, cell, channels).mean(
        axis=(2, 4), dtype=np.float32
    )
    return np.ascontiguousarray(cells.transpose(0, 3, 1, 2))


def _cut(image: Array, corner: tuple[int, int], size: tuple[int, int]) -> Array:
    """A window of an image (H, W, C) that may reach over its border, edge pixels repeated."""
    if min(corner) >= 0 and corner[0] + size[0] <= image.shape[0] and corner[1] + size[1] <= image.shape[1]:
        return image[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    rows = np.clip(np.arange(corner[0], corner[0] + size[0]), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(corner[1], corner[1] + size[1]), 0, image.shape[1] - 1)
    return np.asarray(image[rows[:, None], columns[None]])


def _coarse(
    queries: Array,
    references: Sequence[Array],
    places: list[_Place],
    scale: _Scale,
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


def _rows(queries: Array, scale: _Scale) -> torch.Tensor:
    """The shrunk queries in each orientation of the references, without their means: (orientations * N, D)."""
    import torch

    (height, width), (top, left) = scale.cells, scale.margins
    found = []
    for orientation in scale.orientations:
        back = _turned_back(queries, orientation)
        whole = back[:, top : top + height * scale.cell, left : left + width * scale.cell]
        flat = _shrunk(whole, scale.cell).reshape(len(queries), -1)
        found.append(flat - flat.mean(axis=1, keepdims=True))
    return torch.from_numpy(np.concatenate(found))


def _cells(reference: Array, scale: _Scale) -> npt.NDArray[np.float32]:
    """A reference with its repeated edge, shrunk: (C, h, w)."""
    height, width = (
        count + cells - 1 for count, cells in zip(scale.positions(reference), scale.cells, strict=True)
    )
    padded = _cut(reference, (-scale.padding, -scale.padding), (height * scale.cell, width * scale.cell))
    return np.asarray(_shrunk(padded[None], scale.cell)[0])


def _explained(
    rows: torch.Tensor, cells: npt.NDArray[np.float32], place: _Place, scale: _Scale
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


def _windows(cells: npt.NDArray[np.float32], place: _Place, scale: _Scale) -> torch.Tensor:
    """The views at the positions of a place, without their means: (D, positions)."""
    import torch

    (top, left), (down, across), (height, width) = place.first, place.count, scale.cells
    part = torch.from_numpy(cells[:, top : top + down + height - 1, left : left + across + width - 1])
    windows: Any = torch.nn.functional.unfold(part[None], (height, width))[0]
    windows -= windows.mean(dim=0)
    return windows  # type: ignore[no-any-return]


def _keep_best(best: Array, where: Array, explained: Array, at: Array, place: _Place, scale: _Scale) -> None:
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


def _halved(reference: Array, scale: _Scale) -> Array:
    """A reference with its repeated edge, shrunk to cells of half the size, uint8; see `_likely` for where
    they lie.
    """
    around = scale.padding + 3 * scale.cell
    height, width = ((side + 2 * around) // scale.half for side in reference.shape[:2])
    padded = _cut(reference, (-around, -around), (height * scale.half, width * scale.half))
    return np.asarray(_shrunk(padded[None], scale.half)[0].transpose(1, 2, 0).round().astype(np.uint8))


def _likely(query: Array, halved: list[Array], options: Array, scale: _Scale) -> Array:
    """The candidates that still look best with cells of half the size."""
    if scale.half == 1 or len(options) <= _KEPT:
        return options
    height, width = (side // scale.half for side in scale.size)
    shift = -(-scale.cell // scale.half)
    cut = (_shrunk(query[None, : height * scale.half, : width * scale.half], scale.half)[0]).transpose(
        1, 2, 0
    )
    corners = (options[:, 1:3] + scale.padding + 3 * scale.cell) // scale.half - shift
    regions = np.stack(
        [
            halved[k][top : top + height + 2 * shift, left : left + width + 2 * shift]
            for k, top, left in np.column_stack([options[:, 0], corners]).tolist()
        ]
    ).astype(np.float32)
    unexplained = _unexplained(cut, regions, options[:, 3]).min(axis=(1, 2))
    return np.asarray(options[np.argpartition(unexplained, _KEPT)[:_KEPT]])


def _fine(
    query: Array, references: Sequence[Array], options: Array, scale: _Scale
) -> tuple[float, int, int, int, int]:
    """The best view within a cell of the candidates: distance, reference, top, left, orientation."""
    highest = np.array([references[k].shape[:2] for k in options[:, 0]]) - scale.size + scale.beyond
    corners = np.clip(options[:, 1:3], -scale.beyond, highest)[..., None] + np.arange(
        -scale.cell, scale.cell + 1
    )
    size = scale.size[0] + 2 * scale.cell, scale.size[1] + 2 * scale.cell
    firsts = zip(options[:, 0].tolist(), corners[:, 0, 0].tolist(), corners[:, 1, 0].tolist(), strict=True)
    regions = np.stack([_cut(references[k], (top, left), size) for k, top, left in firsts])
    unexplained = _unexplained(smoothed(query), smoothed(regions), options[:, 3])
    inside = (corners >= -scale.beyond) & (corners <= highest[..., None])
    unexplained[~(inside[:, 0, :, None] & inside[:, 1, None, :])] = np.inf
    found = []
    for k in np.argsort(unexplained.min(axis=(1, 2)))[:_EXACT].tolist():
        row, column = divmod(int(unexplained[k].argmin()), unexplained.shape[2])
        orientation = int(options[k, 3])
        cut = regions[k, row : row + scale.size[0], column : column + scale.size[1]]
        distance = fitted_distance(_turned_back(query, orientation), cut)
        found.append(
            (distance, int(options[k, 0]), int(corners[k, 0, row]), int(corners[k, 1, column]), orientation)
        )
    return min(found)


def _unexplained(query: Array, regions: Array, orientations: Array) -> npt.NDArray[np.float64]:
    """g^2 var(v) - 2 g cov(q, v) of all views v in the regions (K, H + shifts, W + shifts, C), each for the
    query as it is turned.
    """
    smooth = regions - regions.mean()
    turns = {o: _turned_back(query, o) for o in set(orientations.tolist())}
    height, width, channels = query.shape
    down, across = smooth.shape[1] - height + 1, smooth.shape[2] - width + 1
    # Sums of products with all windows, by the Fourier transform; windows that wrap around lie behind the
    # others.
    shape = [fft.next_fast_len(side, real=True) for side in smooth.shape[1:3]]
    spectra = {o: np.conj(fft.rfft2(turn - turn.mean(), shape, axes=(0, 1))) for o, turn in turns.items()}
    spectrum = fft.rfft2(smooth, shape, axes=(1, 2))
    spectrum *= np.stack([spectra[o] for o in orientations.tolist()])
    # products with ones: faster than sums over 3 channels
    ones, count = np.ones(channels, np.float32), height * width * channels
    covariance = fft.irfft2(spectrum @ ones, shape, axes=(1, 2))[:, :down, :across] / count
    mean, square = (_sums(values @ ones, (height, width)) / count for values in (smooth, np.square(smooth)))
    spread = np.maximum(square - mean**2, 0)
    gain = np.clip(covariance / np.maximum(spread, 1e-9), *GAIN)
    return np.asarray(gain * (gain * spread - 2 * covariance), np.float64)


def _sums(values: Array, size: tuple[int, int]) -> Array:
    """Sums of (K, H, W) over all windows of a size, from running sums."""
    height, width = size
    running = np.pad(values.astype(np.float64), ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    over = running[:, height:] - running[:, :-height]
    return np.asarray(over[:, :, width:] - over[:, :, :-width])
