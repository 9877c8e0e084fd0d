"""The nearest view: the distance equals its definition, and the fast search finds what a slow one finds."""

from itertools import product

import numpy as np
import pytest
from scipy import ndimage
from scipy.optimize import minimize

from labelmint.errors import InputError
from labelmint.metrics import coarse_views, nearest_view, view_distance
from labelmint.metrics.coarse_views import Scale
from labelmint.metrics.nearest_view import GAIN, NearestViews, fitted_distance, nearest_views, turned, view
from labelmint.metrics.view_distance import turned_back


def textures(n: int, size: tuple[int, int], channels: int = 3, seed: int = 0) -> list[np.ndarray]:
    """Blobs of several sizes with a little noise."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        fields = [
            ndimage.gaussian_filter(rng.normal(size=(*size, channels)), (s, s, 0)) * s for s in (2, 4, 8)
        ]
        image = 120 + 60 * sum(fields) + rng.normal(0, 2, (*size, channels))
        found.append(image.clip(0, 255).astype(np.uint8))
    return found


def window(image: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """A window that may reach over the border, by padding."""
    padded = np.pad(image, ((8, 8), (8, 8), (0, 0)), mode="edge")
    return padded[top + 8 : top + 8 + size[0], left + 8 : left + 8 + size[1]]


def slow(query: np.ndarray, references: list[np.ndarray], beyond: int) -> float:
    """The definition: every position, every orientation, every reference."""
    height, width = query.shape[:2]
    best = np.inf
    for reference in references:
        tops, lefts = (range(-beyond, reference.shape[k] - query.shape[k] + beyond + 1) for k in (0, 1))
        for top, left in product(tops, lefts):
            for orientation in range(8) if height == width else (0, 2, 4, 6):
                best = min(
                    best,
                    fitted_distance(
                        query, turned(window(reference, top, left, (height, width)), orientation)
                    ),
                )
    return best


@pytest.mark.parametrize("seed", range(4))
def test_the_distance_is_the_smallest_over_gains_and_offsets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    v = rng.integers(0, 256, (6, 5, 3))
    q = (0.3 + 0.6 * seed) * v + rng.normal(0, 20, v.shape)
    a, b = (ndimage.uniform_filter(item, (3, 3, 1))[1:-1, 1:-1] for item in (q, v.astype(float)))
    solved = minimize(
        lambda x: np.mean((a - x[0] * b - x[1]) ** 2), (1, 0), bounds=(GAIN, (None, None)), tol=1e-12
    )
    assert fitted_distance(q, v) == pytest.approx(np.sqrt(solved.fun), rel=1e-5)


@pytest.mark.parametrize(("gain", "offset"), [(2 / 3, 0), (1, -30), (1.2, 15), (1.5, 100)])
def test_another_exposure_is_no_distance(gain: float, offset: float) -> None:
    v = np.random.default_rng(0).normal(100, 30, (8, 8, 3))
    assert fitted_distance(gain * v + offset, v) == pytest.approx(0, abs=1e-4)


def test_a_flat_view_explains_only_a_flat_query_and_no_view_is_scaled_away() -> None:
    textured, flat = textures(1, (16, 16))[0], np.full((16, 16, 3), 90, np.uint8)
    spread = nearest_view.smoothed(textured).std()
    assert fitted_distance(textured, flat) == pytest.approx(spread)
    assert fitted_distance(flat, flat // 2) == 0
    assert fitted_distance(flat, textured) == pytest.approx(GAIN[0] * spread)


def test_another_color_is_a_distance() -> None:
    gray = textures(1, (16, 16), channels=1)[0].astype(float)
    pink, blue = gray + np.array((60, 0, 0)), gray + np.array((0, 0, 60))
    assert fitted_distance(pink, blue) > 30


def test_eight_orientations_differ_and_are_undone() -> None:
    image = textures(1, (8, 8))[0]
    assert len({turned(image, o).tobytes() for o in range(8)}) == 8
    for orientation in range(8):
        np.testing.assert_array_equal(turned_back(turned(image, orientation), orientation), image)


@pytest.mark.parametrize(
    ("view_size", "reference_sizes", "channels"),
    [((16, 16), [(18, 20), (16, 16)], 3), ((12, 12), [(16, 16)] * 3, 1), ((20, 14), [(24, 20), (21, 19)], 3)],
)
def test_the_search_finds_what_its_definition_finds(
    view_size: tuple[int, int], reference_sizes: list[tuple[int, int]], channels: int
) -> None:
    references = [textures(1, size, channels, seed)[0] for seed, size in enumerate(reference_sizes)]
    queries = textures(2, view_size, channels, seed=99)
    found = nearest_views(queries, references, beyond=2)
    for i, query in enumerate(queries):
        best = slow(query, references, 2)
        assert best - 1e-9 <= found.distance[i] <= 1.03 * best
    assert found.searched == 1


def test_coarse_cells_of_several_pixels_lose_little() -> None:
    references = textures(2, (38, 40))
    queries = textures(2, (32, 32), seed=99)
    found = nearest_views(queries, references, beyond=1)
    assert Scale((32, 32), 1).cell == 2
    for i, query in enumerate(queries):
        best = slow(query, references, 1)
        assert best - 1e-9 <= found.distance[i] <= 1.03 * best


@pytest.mark.parametrize(
    "size",
    [
        (32, 32),
        (33, 33),
        *(pytest.param(one, marks=pytest.mark.slow) for one in ((50, 35), (62, 61))),
        (16, 64),
    ],
)
def test_every_view_is_found_where_it_lies(size: tuple[int, int]) -> None:
    references = textures(4, (96, 96)) + textures(2, (64, 101), seed=5)
    rng = np.random.default_rng(1)
    places = []
    for k in range(12):
        reference = k % len(references)
        spare = [references[reference].shape[a] - size[a] for a in (0, 1)]
        turns = range(8) if size[0] == size[1] else (0, 2, 4, 6)
        places.append(
            (reference, *(int(rng.integers(-3, side + 4)) for side in spare), int(rng.choice(turns)))
        )
    queries = [turned(window(references[r], top, left, size), o) for r, top, left, o in places]
    found = nearest_views(queries, references)
    assert found.distance == pytest.approx(0, abs=1e-6)
    assert [
        (r, *p, o)
        for r, p, o in zip(found.reference, found.position.tolist(), found.orientation, strict=True)
    ] == places
    for i, query in enumerate(queries):
        np.testing.assert_array_equal(view(references, found, i), query)


def test_the_distance_is_that_of_the_view_it_names() -> None:
    references, queries = textures(3, (48, 40)), textures(5, (20, 20), seed=7)
    found = nearest_views(queries, references)
    for i, query in enumerate(queries):
        assert fitted_distance(query, view(references, found, i)) == pytest.approx(
            found.distance[i], rel=1e-9
        )


def test_images_of_one_size_are_compared_whole_with_small_shifts() -> None:
    references = textures(20, (16, 16))
    found = nearest_views(references[::-1], references)
    assert found.reference.tolist() == list(range(20))[::-1]
    assert found.distance == pytest.approx(0, abs=1e-9)
    assert np.abs(nearest_views(textures(20, (16, 16), seed=3), references, beyond=2).position).max() <= 2


def test_blocks_and_places_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    references, queries = textures(3, (48, 40)), textures(6, (20, 20), seed=7)
    at_once = nearest_views(queries, references)
    monkeypatch.setattr(nearest_view, "_QUERIES", 4)
    for name, value in (("_PLACE", (3, 2)), ("_ROWS", 5)):
        monkeypatch.setattr(coarse_views, name, value)
    in_parts = nearest_views(queries, references)
    assert in_parts.distance == pytest.approx(at_once.distance, rel=0.03)


def test_too_much_work_is_thinned_and_said_so() -> None:
    references, queries = textures(12, (64, 64)), textures(4, (16, 16), seed=7)
    whole, found, again, other = (
        nearest_views(queries, references, most_work=work, seed=seed)
        for work, seed in ((1e13, 0), (3e8, 0), (3e8, 0), (3e8, 1))
    )
    assert whole.searched == 1
    assert 0.1 < found.searched < 0.9
    assert _same(found, again)
    assert not _same(found, other)
    assert (found.distance >= whole.distance * 0.97).all()
    assert nearest_views(queries, references, most_work=1).searched > 0


def _same(a: NearestViews, b: NearestViews) -> bool:
    return a.distance.tolist() == b.distance.tolist() and a.position.tolist() == b.position.tolist()


def test_flat_images_are_at_no_distance() -> None:
    black = np.zeros((2, 16, 16, 3), np.uint8)
    assert nearest_views(black, black).distance.tolist() == [0, 0]


def test_it_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_view, "_QUERIES", 2)
    told: list[tuple[int, int]] = []
    nearest_views(textures(3, (16, 16)), textures(2, (16, 16)), tell=lambda done, of: told.append((done, of)))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_bad_images_are_refused() -> None:
    good = textures(2, (16, 16))
    for queries, references, match in (
        (good, [], "both sides"),
        ([], good, "both sides"),
        (good, [good[0].astype(float)], "uint8"),
        ([good[0][..., 0]], good, "uint8"),
        (good, [good[0][..., :1]], "channels"),
        (good, [good[0][:15]], "smaller"),
        ([good[0][:3]], good, "4x4"),
        ([good[0], good[1][1:]], good, "one size"),
    ):
        with pytest.raises(InputError, match=match):
            nearest_views(queries, references)
    with pytest.raises(InputError, match="beyond"):
        nearest_views(good, good, beyond=-1)


@pytest.mark.parametrize("size", [(71, 71), (64, 79)])
@pytest.mark.parametrize("beyond", [0, 1, 5])
def test_no_view_reaches_further_over_the_border_than_allowed(size: tuple[int, int], beyond: int) -> None:
    references = textures(1, (79, 82), channels=1) + textures(1, (71, 79), channels=1, seed=1)
    found = nearest_views(textures(2, size, channels=1, seed=2), references, beyond=beyond)
    for reference, position in zip(found.reference, found.position, strict=True):
        assert (position >= -beyond).all()
        assert (position <= np.array(references[reference].shape[:2]) - size + beyond).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_all_windows_leave_what_each_leaves_by_itself(channels: int) -> None:
    rng = np.random.default_rng(0)
    query = rng.uniform(0, 255, (6, 8, channels)).astype(np.float32)
    regions = rng.uniform(0, 255, (3, 9, 10, channels)).astype(np.float32)
    regions[0, 2:8, 1:9] = 1.2 * query + 3
    regions[1] = 7
    found = view_distance.unexplained(query, regions)
    assert found.shape == (3, 4, 3)
    for k, top, left in np.ndindex(*found.shape):
        v = regions[k, top : top + 6, left : left + 8].astype(np.float64)
        q, v = query - query.mean(dtype=np.float64), v - v.mean()
        gain = np.clip((q * v).mean() / max((v * v).mean(), 1e-9), *view_distance.GAIN)
        assert found[k, top, left] == pytest.approx(
            gain**2 * (v * v).mean() - 2 * gain * (q * v).mean(), rel=1e-4, abs=0.1
        )
    assert found[0, 2, 1] == pytest.approx(-np.var(query), rel=1e-4)


def test_regions_of_mixed_orientations_are_told_in_their_order() -> None:
    rng = np.random.default_rng(0)
    query, regions = rng.uniform(0, 255, (8, 8, 2)), rng.uniform(0, 255, (6, 10, 11, 2)).astype(np.float32)
    orientations = np.array([3, 0, 5, 3, 7, 0])
    found = nearest_view._of_all(query, orientations, lambda some: regions[some])
    for k, orientation in enumerate(orientations.tolist()):
        alone = view_distance.unexplained(turned_back(query, orientation), regions[k : k + 1])
        assert np.allclose(found[k], alone[0], rtol=1e-4, atol=0.1)
