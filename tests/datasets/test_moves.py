"""The laws of moves: image, map, instances and boxes of a pair go to the same view."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.moves import LEAST_SHARE, Move, clipped
from labelmint.datasets.objects import boxes_of
from labelmint.datasets.pair import Pair
from labelmint.types import Array

WAYS: tuple[tuple[str, ...], ...] = (
    (),
    ("flips",),
    ("mirror",),
    ("turns",),
    ("zoom",),
    ("flips", "turns", "zoom"),
)


def blocks(size: tuple[int, int], corners: Sequence[tuple[int, int, int, int]]) -> Pair:
    """A pair whose objects are filled boxes; object k has class k and instance number 10 k."""
    ids = np.zeros(size, np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(corners, start=1):
        ids[y0:y1, x0:x1] = number
    boxes = np.array([(k, *corner) for k, corner in enumerate(corners, start=1)], np.float64)
    return Pair(
        name="a",
        group="a",
        image=(ids * 20)[..., None],
        ids=ids,
        instances=ids.astype(np.uint16) * 10,
        boxes=boxes,
    )


def drawn(pair: Pair, geometry: Geometry, seed: int) -> Pair:
    return pair.seen(geometry.move(np.random.default_rng(seed), pair.size))


def box_of(mask: Array) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("augment", WAYS)
def test_a_one_pixel_object_stays_under_its_label_and_its_box_around_it(
    crop: bool, augment: tuple[str, ...]
) -> None:
    geometry, shown = Geometry(size=(16, 16), crop=crop, augment=frozenset(augment)), 0
    size = (23, 30) if crop else (16, 16)
    rng = np.random.default_rng(1)
    for seed in range(200):
        x, y = int(rng.integers(size[1])), int(rng.integers(size[0]))
        view = drawn(blocks(size, [(x, y, x + 1, y + 1)]), geometry, seed)
        assert view.instances is not None
        assert view.boxes is not None
        assert ((view.ids == 1) == (view.instances == 10)).all()
        if "zoom" not in augment:
            assert ((view.ids == 1) == (view.image[..., 0] == 20)).all()
            assert view.ids.any() == (len(view.boxes) == 1)
        for _, x0, y0, x1, y1 in view.boxes:
            shown += 1
            assert view.ids[int((y0 + y1) / 2), int((x0 + x1) / 2)] == 1
    assert shown >= 10


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("augment", WAYS)
def test_the_box_of_a_moved_instance_is_the_moved_box_to_a_pixel(
    crop: bool, augment: tuple[str, ...]
) -> None:
    geometry = Geometry(size=(24, 24), crop=crop, augment=frozenset(augment))
    pair = blocks(
        (37, 41) if crop else (24, 24), [(2, 3, 11, 9), (12, 1, 15, 20), (17, 14, 24, 22), (5, 12, 9, 13)]
    )
    counts = set()
    for seed in range(60):
        view = drawn(pair, geometry, seed)
        assert view.instances is not None
        assert view.boxes is not None
        numbers = view.boxes[:, 0].astype(int).tolist()
        assert numbers == sorted(numbers)  # the order is kept
        counts.add(len(numbers))
        for number, *corners in view.boxes.tolist():
            np.testing.assert_allclose(corners, box_of(view.instances == 10 * number), atol=1)
    assert len(counts) > 1 if crop else counts == {4}


@pytest.mark.parametrize("size", [(16, 16), (40, 20), (80, 120)])
def test_resizing_takes_boxes_where_it_takes_the_map(size: tuple[int, int]) -> None:
    pair, geometry = blocks((40, 60), [(3, 4, 22, 31), (30, 8, 58, 12)]), Geometry(size=size)
    ids = geometry.fit_maps("a", [pair.ids])[0]
    assert pair.boxes is not None
    for number, *corners in geometry.fit_boxes("a", pair.boxes, pair.size).tolist():
        np.testing.assert_allclose(corners, box_of(ids == number), atol=max(1, size[0] / 40, size[1] / 60))


def test_mirroring_twice_is_the_identity_and_so_are_four_turns() -> None:
    pair = blocks((9, 9), [(0, 1, 4, 3), (5, 5, 9, 8)])
    for move in (
        Move(size=(9, 9), top=0, left=0, mirrored=(0,)),
        Move(size=(9, 9), top=0, left=0, mirrored=(0, 1)),
        Move(size=(9, 9), top=0, left=0, quarters=2),
    ):
        once, twice = pair.seen(move), pair.seen(move).seen(move)
        assert not np.array_equal(once.ids, pair.ids)
        for name in ("image", "ids", "instances", "boxes"):
            np.testing.assert_array_equal(getattr(twice, name), getattr(pair, name))
    quarter = Move(size=(9, 9), top=0, left=0, quarters=1)
    turned = pair.seen(quarter).seen(quarter).seen(quarter).seen(quarter)
    np.testing.assert_array_equal(turned.boxes, pair.boxes)  # type: ignore[arg-type]


def test_an_instance_keeps_its_number_and_a_pair_without_objects_has_none_anywhere() -> None:
    geometry = Geometry(size=(12, 12), crop=True, augment=frozenset({"flips", "turns"}))
    pair = blocks((30, 30), [(2, 2, 14, 14), (10, 16, 30, 25)])
    for seed in range(20):
        view = drawn(pair, geometry, seed)
        assert view.instances is not None
        assert set(np.unique(view.instances).tolist()) <= {0, 10, 20}
    bare = drawn(replace(pair, instances=None, boxes=None), geometry, 0)
    assert (bare.instances, bare.boxes) == (None, None)


def test_a_box_of_which_little_is_left_or_that_is_below_a_pixel_is_left_out() -> None:
    boxes = np.array(
        [
            [0, -8.0, 0, 2 - 1e-6, 4],  # just under a fifth of it is inside
            [1, -8.0, 0, 2, 4],
            [2, 3.0, 3, 3.9, 4],  # smaller than a pixel
            [3, 3.0, 3, 4, 4],
            [4, 20.0, 3, 24, 9],  # outside
        ]
    )
    assert LEAST_SHARE == 0.2
    found = clipped(boxes, (8, 16))
    assert found[:, 0].tolist() == [1, 3]
    assert found[0].tolist() == [1, 0, 0, 2, 4]


def test_boxes_are_found_in_a_map_of_pieces_and_of_instances() -> None:
    ids = np.zeros((6, 8), np.int16)
    ids[1:3, 1:4], ids[4:6, 5:8], ids[0, 7] = 2, 2, -1
    pieces = boxes_of(ids, None, (0,))
    assert pieces.tolist() == [[2, 1, 1, 4, 3], [2, 5, 4, 8, 6]]
    together = boxes_of(ids, (ids == 2).astype(np.uint16) * 9, (0,))
    assert together.tolist() == [[2, 1, 1, 8, 6]]
    assert boxes_of(np.zeros((3, 3), np.uint8), None, (0,)).shape == (0, 5)
