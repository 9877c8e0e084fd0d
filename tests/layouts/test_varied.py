"""Layouts varied from a few: new ones, made of what is there, and the same for the same seed."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from labelmint.layouts.varied import VariedLayouts


def two() -> torch.Tensor:
    ids = np.zeros((2, 32, 32), np.uint8)
    ids[0, 6:14, 6:14] = 1
    ids[1, 16:26, 12:26] = 2
    return torch.from_numpy(ids)


def source(per_layout: int = 1) -> VariedLayouts:
    return VariedLayouts(two(), background=[0], augment=["flips", "turns"], per_layout=per_layout)


def test_samples_are_new_and_varied_and_of_the_symbols_that_there_are() -> None:
    found = source().sample([(0, i) for i in range(64)], {}).ids
    assert found.shape == (64, 32, 32)
    assert found.dtype == torch.uint8
    assert set(found.unique().tolist()) == {0, 1, 2}
    assert len({one.numpy().tobytes() for one in found}) > 55
    together = [bool((one == 1).any() and (one == 2).any()) for one in found]
    assert 5 < sum(together) < 59  # objects of one layout came into the other


def test_objects_are_put_where_they_touch_no_other_unless_there_is_no_background() -> None:
    ids = torch.zeros(2, 32, 32, dtype=torch.uint8)
    ids[0, 4:28, 4:28], ids[1, 8:12, 8:12] = 1, 2
    seeds = [(0, i) for i in range(200)]
    together = 0
    for one in VariedLayouts(ids, background=[0]).sample(seeds, {}).ids.numpy():
        around = ndimage.binary_dilation(one == 1, structure=np.ones((3, 3)))
        assert not (around & (one == 2)).any()
        together += bool((one == 1).any() and (one == 2).any())
    assert together > 3
    over = VariedLayouts(ids + 1, background=[]).sample(seeds, {}).ids
    assert any((ndimage.binary_dilation(one == 2) & (one == 3)).any() for one in over.numpy())


def test_a_sample_depends_on_its_seed_alone() -> None:
    whole = source().sample([(7, i) for i in range(8)], {}).ids
    assert torch.equal(source().sample([(7, 5)], {}).ids[0], whole[5])
    assert not torch.equal(source().sample([(8, 5)], {}).ids[0], whole[5])


def test_samples_of_one_layout_share_it() -> None:
    found = source(per_layout=3).sample([(0, i) for i in range(6)], {}).ids
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[2], found[3])


def test_a_layout_without_objects_stays_without() -> None:
    empty = VariedLayouts(torch.zeros(1, 16, 16, dtype=torch.uint8), background=[0])
    assert int(empty.sample([(0, i) for i in range(10)], {}).ids.sum()) == 0


def test_sizes_change_within_the_factor() -> None:
    ids = torch.zeros(1, 64, 64, dtype=torch.uint8)
    ids[0, 26:38, 26:38] = 1
    areas = (
        VariedLayouts(ids, background=[0, 1])
        .sample([(0, i) for i in range(40)], {})
        .ids.float()
        .sum(dim=(1, 2))
        / 144
    )
    assert float(areas.max()) < 2.1  # 1.4^2 and a pixel's rounding
    assert 0.4 < float(areas.median()) < 1.9
    assert float(areas.max() / areas.min()) > 2


def test_no_layouts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        VariedLayouts(two()[:0], background=[0])


def test_no_class_gets_more_objects_than_some_layout_has() -> None:
    ids = torch.zeros(2, 96, 96, dtype=torch.uint8)  # objects in the middle, which no move mirrors at an edge
    ids[0, 36:44, 36:44], ids[0, 50, 40], ids[0, 50:58, 50:58] = 1, 1, 2  # a speck counts for nothing
    ids[1, 36:44, 50:58], ids[1, 36:44, 36:44], ids[1, 50:58, 36:44] = 1, 2, 2
    seen: dict[int, set[int]] = {1: set(), 2: set()}
    for one in (
        VariedLayouts(ids, background=[0], augment=["flips"])
        .sample([(0, i) for i in range(150)], {})
        .ids.numpy()
    ):
        for k, counts in seen.items():
            counts.add(int(sum(np.bincount(ndimage.label(one == k)[0].ravel())[1:] >= 16)))
    assert seen == {1: {1}, 2: {1, 2}}


def test_objects_of_one_class_in_two_colors_are_counted_together() -> None:
    ids = torch.zeros(2, 96, 96, dtype=torch.uint8)
    ids[0, 36:44, 36:44] = 1
    ids[1, 50:58, 50:58] = 2  # another color of the same class
    found = (
        VariedLayouts(ids, background=[0], augment=["flips"], class_of=[0, 1, 1])
        .sample([(0, i) for i in range(100)], {})
        .ids
    )
    assert all(len(set(one.unique().tolist()) - {0}) == 1 for one in found)
    apart = VariedLayouts(ids, background=[0], augment=["flips"]).sample([(0, i) for i in range(100)], {}).ids
    assert any(len(set(one.unique().tolist()) - {0}) == 2 for one in apart)
