"""Geometry: one draw moves image and map, and no id is ever invented."""

import numpy as np
import pytest

from labelmint.datasets.geometry import Geometry
from labelmint.errors import InputError

RNG = np.random.default_rng(0)


def _pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """An image that shows its own map, one value a pixel."""
    ids = RNG.permutation(np.arange(height * width)).reshape(height, width).astype(np.uint16)
    return np.stack([ids % 251, ids // 251, ids * 0], axis=-1).astype(np.uint8), ids


def _shown(image: np.ndarray) -> np.ndarray:
    return image[..., 0].astype(int) + 251 * image[..., 1].astype(int)


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("augment", [(), ("flips",), ("mirror",), ("turns",), ("flips", "turns")])
def test_image_and_map_move_alike(crop: bool, augment: tuple[str, ...]) -> None:
    geometry = Geometry(size=(8, 8), crop=crop, augment=frozenset(augment))
    image, ids = _pair(13, 17) if crop else _pair(8, 8)
    image, (ids,) = geometry.fit("a", image, [ids])
    seen = set()
    for k in range(60):
        view, moved = geometry.draw(np.random.default_rng(k), image, ids)
        assert view.shape == (8, 8, 3)
        assert np.array_equal(_shown(view), moved)
        seen.add(moved.tobytes())
    orientations = {(): 1, ("flips",): 4, ("mirror",): 2, ("turns",): 4, ("flips", "turns"): 8}[augment]
    assert len(seen) > 20 if crop else len(seen) == orientations
    view, moved = geometry.center(image, ids)
    assert np.array_equal(_shown(view), moved)
    if crop:
        assert np.array_equal(moved, ids[2:10, 4:12])


@pytest.mark.parametrize("source", [(8, 8), (5, 9), (64, 48), (33, 7), (1, 1)])
@pytest.mark.parametrize("size", [(8, 8), (16, 4)])
def test_resizing_never_invents_an_id_and_keeps_places(
    source: tuple[int, int], size: tuple[int, int]
) -> None:
    halves = np.zeros(source, np.uint16)
    halves[:, source[1] // 2 :] = 700
    image = np.repeat((halves > 0)[..., None].astype(np.uint8) * 200, 1, axis=2)
    fitted, (ids, again) = Geometry(size=size).fit("a", image, [halves, halves])
    assert fitted.shape == (*size, 1)
    assert fitted.dtype == np.uint8
    assert ids.shape == size
    assert ids.dtype == np.uint16
    assert set(np.unique(ids)) <= set(np.unique(halves))
    assert np.array_equal(ids, again)
    if source[1] % 2 == 0:
        assert np.array_equal(ids > 0, fitted[..., 0] > 100)


def test_a_map_of_blocks_survives_enlarging_and_reducing() -> None:
    small = RNG.integers(0, 9, (6, 5)).astype(np.uint8)
    large = np.kron(small, np.ones((4, 4), np.uint8))
    image = np.zeros((24, 20, 1), np.uint8)
    assert np.array_equal(Geometry(size=(6, 5)).fit("a", image, [large])[1][0], small)
    assert np.array_equal(Geometry(size=(24, 20)).fit("a", image[:6, :5], [small])[1][0], large)


def test_scale_resizes_before_the_crop() -> None:
    fitted, (ids,) = Geometry(size=(8, 8), crop=True, scale=0.5).fit(
        "a", np.zeros((20, 30, 3), np.uint8), [np.zeros((20, 30))]
    )
    assert fitted.shape == (10, 15, 3)
    assert ids.shape == (10, 15)


def test_bad_requests_are_refused() -> None:
    for arguments, words in (
        ({"size": (8, 6), "augment": frozenset({"turns"})}, "square"),
        ({"size": (8, 8), "augment": frozenset({"shear"})}, "flips, mirror, turns, zoom"),
        ({"size": (0, 8)}, "at least 1x1"),
        ({"size": (8, 8), "scale": 0.5}, "--crop"),
        ({"size": (8, 8), "scale": 0.0, "crop": True}, "--scale"),
    ):
        with pytest.raises(InputError, match=words):
            Geometry(**arguments)
    with pytest.raises(InputError, match=r"small.png.*7x9 pixels, smaller than the crop of 8x8"):
        Geometry(size=(8, 8), crop=True).fit("small.png", np.zeros((7, 9, 1), np.uint8), [])


@pytest.mark.parametrize("crop", [False, True])
def test_a_zoom_moves_image_and_map_alike(crop: bool) -> None:
    geometry = Geometry(size=(24, 32), crop=crop, augment=frozenset({"zoom"}))
    ids = np.zeros((28, 36) if crop else (24, 32), np.uint8)
    ids[8:18, 11:23] = 1
    image = np.stack([ids * 200] * 3, axis=2)
    areas = []
    for seed in range(40):
        seen, moved = geometry.draw(np.random.default_rng(seed), image, ids)
        assert seen.shape == (24, 32, 3)
        assert moved.shape == (24, 32)
        assert float(((seen[..., 0] > 100) != (moved == 1)).mean()) < 0.03  # only along the edges
        areas.append(int(moved.sum()))
    assert 1.3 * 120 < max(areas) < 1.8 * 120  # magnified
    assert (min(areas) < 0.95 * 120) == crop  # reduced only where there is more to see
    again = geometry.draw(np.random.default_rng(3), image, ids)[1]
    assert (again == geometry.draw(np.random.default_rng(3), image, ids)[1]).all()


@pytest.mark.parametrize("augment", [(), ("flips", "turns"), ("flips", "zoom")])
def test_a_view_around_a_pixel_shows_it_wherever_it_is(augment: tuple[str, ...]) -> None:
    geometry = Geometry(size=(16, 16), crop=True, augment=frozenset(augment))
    image = np.zeros((40, 52, 3), np.uint8)
    starts = set()
    for seed, place in enumerate(
        [(0, 0), (39, 51), (0, 51), (20, 30), (20, 30), (20, 30), (15, 16), (39, 25)] * 5
    ):
        ids = np.zeros((40, 52), np.int16)
        ids[place] = 1
        _, view = geometry.draw(np.random.default_rng(seed), image, ids, around=place)
        # A zoom that reduces takes every other pixel or so: the shown one is inside the cut, but may lie
        # between those taken.
        assert view.any() or "zoom" in augment
        starts.add(tuple(np.argwhere(view)[0]) if view.any() else None)
    assert len(starts) > 10
