"""Batches: functions of (seed, step), epochs that show every pair once, image and ids moved alike."""

import numpy as np
import pytest
import torch

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError


def pairs(n: int = 10, seed: int = 0, crop: bool = True) -> Pairs:
    """Images whose pixels equal their ids, so that a wrong move of one of them shows."""
    rng = np.random.default_rng(1)
    ids = [rng.integers(0, 200, (12, 16)).astype(np.uint8) for _ in range(n)]
    geometry = Geometry(size=(8, 8), crop=crop, augment=frozenset({"flips", "turns"}))
    return Pairs([i[..., None] for i in ids], ids, geometry, seed)


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    one, two, other = pairs(), pairs(), pairs(seed=1)
    two.batch(7, 4)  # what was drawn before has no influence
    assert one.batch(3, 4).image.equal(two.batch(3, 4).image)
    assert not one.batch(3, 4).image.equal(one.batch(4, 4).image)
    assert not one.batch(3, 4).image.equal(other.batch(3, 4).image)


def test_one_draw_moves_image_and_ids() -> None:
    batch = pairs().batch(0, 32)
    assert batch.image.shape == (32, 1, 8, 8)
    assert ((batch.image[:, 0] + 1) * 127.5).round().byte().equal(batch.layouts.ids)


def test_every_epoch_shows_every_pair_once() -> None:
    constant = [np.full((8, 8), k, np.uint8) for k in range(10)]
    made = Pairs([c[..., None] for c in constant], constant, Geometry(size=(8, 8)), 0)
    for epoch in range(3):
        seen = torch.cat([made.batch(epoch * 5 + k, 2).layouts.ids[:, 0, 0] for k in range(5)])
        assert seen.sort().values.tolist() == list(range(10))


def test_processes_share_a_batch_without_gaps_or_doubles() -> None:
    whole, made = pairs().batch(2, 6), pairs()
    parts = [made.batch(2, 6, rank, 2) for rank in range(2)]
    for rank, part in enumerate(parts):
        assert part.image.equal(whole.image[rank::2])


def test_the_fixed_view_is_the_middle_and_the_variance_that_of_numpy() -> None:
    made = pairs(3)
    np.testing.assert_array_equal(made.fixed(1, 1).layouts.ids[0].numpy(), made.ids[1][2:10, 4:12])
    expected = np.var(np.stack(made.images).astype(float) / 127.5 - 1)
    assert made.variance == pytest.approx(expected)


def test_a_batch_of_still_pairs_is_their_fixed_views() -> None:
    moving = pairs()
    made = Pairs(moving.images, moving.ids, Geometry(size=(12, 16)), 0)
    assert made.still
    assert not any(
        other.still
        for other in (moving, made.showing(0.5), Pairs(made.images, made.ids, Geometry(size=(8, 16)), 0))
    )
    assert not Pairs(made.images, made.ids, Geometry(size=(12, 16), augment=frozenset({"flips"})), 0).still
    for step in (0, 7):
        fixed = torch.cat([made.fixed(item, 1).image for item in made.items(step, 4)])
        assert made.batch(step, 4).image.equal(fixed)


def with_objects() -> Pairs:
    """Three pairs: with instances and boxes, with neither, with two boxes."""
    ids = [np.full((8, 8), k, np.uint8) for k in range(3)]
    boxes = [np.array([[0, 1.0, 1, 4, 4]]), None, np.array([[2, 0.0, 0, 2, 2], [1, 4, 4, 8, 7]])]
    instances = [np.full((8, 8), 7, np.uint16), None, np.full((8, 8), 400, np.uint16)]
    images = [one[..., None] for one in ids]
    return Pairs(
        images, ids, Geometry(size=(8, 8)), 0, names=("a", "b", "c"), instances=instances, boxes=boxes
    )


def test_a_batch_has_the_instances_and_boxes_of_its_pairs_and_their_numbers() -> None:
    batch = with_objects().fixed(0, 3)
    layouts = batch.layouts
    assert layouts.instances is not None
    assert layouts.boxes is not None
    assert batch.items is not None
    assert layouts.instances[:, 0, 0].tolist() == [7, 0, 400]
    assert layouts.boxes.shape == (3, 2, 5)
    assert layouts.boxes[0].tolist() == [[0, 1, 1, 4, 4], [-1] * 5]
    assert layouts.boxes[1].tolist() == [[-1] * 5] * 2
    assert layouts.boxes[2].tolist() == [[2, 0, 0, 2, 2], [1, 4, 4, 8, 7]]
    assert batch.items.tolist() == [0, 1, 2]
    drawn = with_objects().batch(3, 6)
    assert drawn.items is not None
    assert drawn.items.tolist() == drawn.layouts.ids[:, 0, 0].tolist()


def test_maps_alone_give_a_batch_of_maps_alone_unless_boxes_are_asked_for() -> None:
    plain, boxed = pairs().batch(0, 4), pairs().with_boxes(lambda pair: np.array([[1.0, 0, 0, 9, 9]]))
    assert (plain.layouts.instances, plain.layouts.boxes) == (None, None)
    found = boxed.batch(0, 4)
    assert found.image.equal(plain.image)
    assert found.layouts.boxes is not None
    assert found.layouts.boxes.shape[2] == 5


def test_some_of_the_pairs_keep_their_names_and_objects() -> None:
    some = with_objects().take([2, 0])
    assert (some.names, some.groups) == (("c", "a"), ("c", "a"))
    assert some.fixed(0, 1).layouts.ids[0, 0, 0] == 2
    assert some.digest() == with_objects().take([2, 0]).digest() != with_objects().take([0, 2]).digest()


def test_images_without_labels_are_pairs_with_one_symbol_everywhere() -> None:
    images = [np.full((8, 8, 1), k, np.uint8) for k in range(4)]
    made = Pairs(images, None, Geometry(size=(4, 4), crop=True), 0, source="x")
    assert not made.labelled
    assert not made.batch(0, 3).layouts.ids.any()
    for wrong in (lambda: made.with_boxes(lambda pair: pair.ids), lambda: made.showing(0.5)):
        with pytest.raises(InputError, match="x: has no labels"):
            wrong()
