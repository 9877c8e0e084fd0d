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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.metrics.coarse_views import Place, Scale, coarse, cut, places_of, shrunk, thinned
from labelmint.metrics.view_distance import GAIN, fitted_distance, smoothed, turned, turned_back, unexplained
from labelmint.types import Array

__all__ = [
    "GAIN",
    "NearestViews",
    "fitted_distance",
    "nearest_views",
    "share_searched",
    "smoothed",
    "turned",
    "view",
]


_KEPT = 96  # of these, after a look at cells of half the size; where cells have 4 pixels or more
_EXACT = 4  # of these, views whose distance is computed from the differences
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
    scale = Scale((images.shape[1], images.shape[2]), beyond)
    places, searched = _places(references, scale, images.shape[3], most_work / len(images), seed)
    halved = [_halved(reference, scale) for reference in references] if scale.half > 1 else []
    blocks = [images[first : first + _QUERIES] for first in range(0, len(images), _QUERIES)]
    found = []
    for done, block in enumerate(blocks):
        candidates = coarse(block, references, places, scale, _part(tell, done, len(blocks)))
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
        searched=searched,
    )


def share_searched(
    size: tuple[int, int], references: Sequence[Array], *, beyond: int = 4, seed: int = 0, work_a_query: float
) -> float:
    """Share of all positions in references (H_i, W_i, C) that a search with so much work for each of its queries
    compares, as `NearestViews.searched` says afterwards.
    """
    return _places(references, Scale(size, beyond), references[0].shape[2], work_a_query, seed)[1]


def view(references: Sequence[Array], found: NearestViews, i: int) -> Array:
    """The view that was found for query i, (H, W, C) and turned as the query is; its brightness is not
    fitted.
    """
    top, left = found.position[i]
    height, width = found.size if found.orientation[i] % 2 == 0 else found.size[::-1]
    part = cut(references[found.reference[i]], (int(top), int(left)), (height, width))
    return np.ascontiguousarray(turned(part, int(found.orientation[i])))


def _places(
    references: Sequence[Array], scale: Scale, channels: int, work_a_query: float, seed: int
) -> tuple[list[Place], float]:
    """The places that are compared, and the share of all positions that they are."""
    every = [
        place for k, reference in enumerate(references) for place in places_of(k, scale.positions(reference))
    ]
    operations = 2.0 * len(scale.orientations) * scale.cells[0] * scale.cells[1] * channels
    places = thinned(every, work_a_query / operations, seed)
    return places, sum(p.positions for p in places) / sum(p.positions for p in every)


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


def _halved(reference: Array, scale: Scale) -> Array:
    """A reference with its repeated edge, shrunk to cells of half the size, uint8; see `_likely` for where
    they lie.
    """
    around = scale.padding + 3 * scale.cell
    height, width = ((side + 2 * around) // scale.half for side in reference.shape[:2])
    padded = cut(reference, (-around, -around), (height * scale.half, width * scale.half))
    return np.asarray(shrunk(padded[None], scale.half)[0].transpose(1, 2, 0).round().astype(np.uint8))


def _likely(query: Array, halved: list[Array], options: Array, scale: Scale) -> Array:
    """The candidates that still look best with cells of half the size."""
    if scale.half == 1 or len(options) <= _KEPT:
        return options
    height, width = (side // scale.half for side in scale.size)
    shift = -(-scale.cell // scale.half)
    part = (shrunk(query[None, : height * scale.half, : width * scale.half], scale.half)[0]).transpose(
        1, 2, 0
    )
    corners = (options[:, 1:3] + scale.padding + 3 * scale.cell) // scale.half - shift
    places = np.column_stack([options[:, 0], corners]).tolist()

    def regions(some: list[int]) -> Array:
        windows = [
            halved[k][top : top + height + 2 * shift, left : left + width + 2 * shift]
            for k, top, left in (places[i] for i in some)
        ]
        return np.stack(windows).astype(np.float32)

    left = _of_all(part, options[:, 3], regions)
    return np.asarray(options[np.argpartition(left.min(axis=(1, 2)), _KEPT)[:_KEPT]])


def _fine(
    query: Array, references: Sequence[Array], options: Array, scale: Scale
) -> tuple[float, int, int, int, int]:
    """The best view within a cell of the candidates: distance, reference, top, left, orientation."""
    highest = np.array([references[k].shape[:2] for k in options[:, 0]]) - scale.size + scale.beyond
    corners = np.clip(options[:, 1:3], -scale.beyond, highest)[..., None] + np.arange(
        -scale.cell, scale.cell + 1
    )
    size = scale.size[0] + 2 * scale.cell, scale.size[1] + 2 * scale.cell
    firsts = np.column_stack([options[:, 0], corners[:, :, 0]]).tolist()

    def region(i: int) -> Array:
        k, top, left = firsts[i]
        return cut(references[k], (top, left), size)

    left = _of_all(smoothed(query), options[:, 3], lambda some: smoothed(np.stack([region(i) for i in some])))
    inside = (corners >= -scale.beyond) & (corners <= highest[..., None])
    left[~(inside[:, 0, :, None] & inside[:, 1, None, :])] = np.inf
    found = []
    for k in np.argsort(left.min(axis=(1, 2)))[:_EXACT].tolist():
        row, column = divmod(int(left[k].argmin()), left.shape[2])
        orientation = int(options[k, 3])
        part = region(k)[row : row + scale.size[0], column : column + scale.size[1]]
        distance = fitted_distance(turned_back(query, orientation), part)
        found.append(
            (distance, int(options[k, 0]), int(corners[k, 0, row]), int(corners[k, 1, column]), orientation)
        )
    return min(found)


def _of_all(query: Array, orientations: Array, regions: Callable[[list[int]], Array]) -> Array:
    """What `unexplained` says of all regions, each for the query as it is turned: one orientation after the other,
    which processors' caches hold.
    """
    groups = {o: np.flatnonzero(orientations == o) for o in sorted(set(orientations.tolist()))}
    found = [unexplained(turned_back(query, o), regions(some.tolist())) for o, some in groups.items()]
    order = np.argsort(np.concatenate(list(groups.values())))
    return np.asarray(np.concatenate(found)[order])
