"""Ranges: color is kept, what was spread comes back, and what no level holds is counted."""

import numpy as np
import pytest
import torch

from labelmint.datasets.fitting import fitted
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.ranges import Range, check_normalize, normalized, range_of, restored
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout

RNG = np.random.default_rng(0)
DIM = RNG.integers(40, 91, (32, 32, 3)).astype(np.uint8)


def test_a_dim_image_takes_all_levels_and_its_colors_keep_their_order() -> None:
    seen = normalized(DIM, "image")
    assert (seen.min(), seen.max()) == (0, 255)
    assert range_of(DIM) == Range(40, 90)
    brighter = DIM[..., 0] > DIM[..., 1].astype(int) + 1
    assert (seen[..., 0] > seen[..., 1])[brighter].all()
    assert normalized(DIM, "none") is DIM


def test_few_pixels_do_not_set_the_range() -> None:
    image = DIM.copy()
    image[0, :3] = 255
    assert range_of(image) == Range(40, 90)
    assert normalized(image, "image")[0, 0].tolist() == [255] * 3


def test_what_was_spread_comes_back_to_a_level() -> None:
    ranges = [range_of(DIM), Range(0, 255)]
    unit = EIGHT_BITS.to_unit(np.stack([ranges[0].spread(DIM), DIM]))
    found, clipped = restored(unit, ranges)
    assert np.abs(found[0].astype(int) - DIM).max() <= 1
    np.testing.assert_array_equal(found[1], DIM)
    assert clipped == [0, 0]


def test_values_that_no_level_holds_are_counted() -> None:
    images = torch.full((2, 1, 2, 2), 1.0)
    images[1, 0, 0, 0], images[1, 0, 1, 1] = 1.5, -9.0
    found, clipped = restored(images, [Range(100, 200), Range(100, 250)])
    assert found[0].ravel().tolist() == [200] * 4
    assert found[1].ravel().tolist() == [255, 250, 250, 0]
    assert clipped == [0, 2]


def test_an_image_of_one_level_and_an_unknown_word() -> None:
    assert not normalized(np.full((4, 4, 1), 70, np.uint8), "image").any()
    with pytest.raises(InputError, match="--normalize group: expected one of none, image"):
        check_normalize("group")


def test_a_pair_keeps_the_range_that_it_was_loaded_from() -> None:
    pair = AnnotatedImage(name="a", image=DIM, layout=Layout(label_map=np.zeros((32, 32), np.uint8)))
    classes = ClassSet((ClassInfo(id=0, name="x"),))
    data = DataSet(source="s", format="memory", classes=classes, names=("a",), load=lambda name: pair)
    spread, plain = (
        next(fitted(data, ["a"], Geometry(size=(32, 32)), normalize=how)) for how in ("image", "none")
    )
    assert spread.range == Range(40, 90)
    np.testing.assert_array_equal(spread.image, normalized(DIM, "image"))
    assert plain.range is None
    np.testing.assert_array_equal(plain.image, DIM)
