"""The kinds of look of images, on images whose kinds are known."""

import numpy as np
import pytest

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.runs.kinds import styles_of

rng = np.random.default_rng(0)


def pairs(*bright: int, labelled: bool = True) -> Pairs:
    """Noise around a brightness each."""
    images = [np.clip(level + rng.normal(0, 8, (16, 16, 1)), 0, 255).astype(np.uint8) for level in bright]
    ids = [np.zeros((16, 16), np.uint8)] * len(images) if labelled else None
    return Pairs(images, ids, Geometry(size=(16, 16)), 0, source="few")


def test_kinds_are_found_among_all_images_and_held_out_ones_belong_to_the_nearest() -> None:
    found = styles_of(pairs(40, 42, 44), pairs(38, 215), pairs(41, *[210] * 5, labelled=False), 2, 0)
    dark, bright = found.training[0], 1 - found.training[0]
    assert bright == 0  # most images are bright, and the kinds with most images come first
    assert found.training.tolist() == [dark] * 3
    assert found.pool.tolist() == [dark, *[bright] * 5]
    assert found.validation.tolist() == [dark, bright]
    assert found.shares.tolist() == pytest.approx([5 / 9, 4 / 9])
    assert found.labelled.tolist() == [0, 3]


def test_held_out_images_have_no_say_in_the_kinds_but_in_older_runs() -> None:
    ramp, own = np.add.outer(np.linspace(-20, 20, 16), np.linspace(-20, 20, 16)), np.random.default_rng(0)

    def images(smooth: list[int], rough: list[int]) -> Pairs:
        levels = [level + ramp for level in smooth] + [level + own.normal(0, 40, (16, 16)) for level in rough]
        shown = [np.clip(one, 0, 255).astype(np.uint8)[..., None] for one in levels]
        return Pairs(shown, [np.zeros((16, 16), np.uint8)] * len(shown), Geometry(size=(16, 16)), 0)

    learned, usual, many = images([60, 160], [70, 150]), images([50], []), images([100] * 80, [100] * 80)
    for alone in (True, False):
        one, other = (
            styles_of(learned, held_out, None, 2, 0, alone).training.tolist() for held_out in (usual, many)
        )
        assert (one == other) == alone


def test_more_kinds_than_images_are_refused() -> None:
    with pytest.raises(InputError, match=r"generator.styles=4: few has 3 images to learn from"):
        styles_of(pairs(1, 2, 3), pairs(1), None, 4, 0)
