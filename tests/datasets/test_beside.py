"""Labelled pairs and images without labels in one batch."""

import numpy as np
import pytest
import torch

from labelmint.datasets.beside import with_unlabelled
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs

PAIRS = Pairs(
    [np.full((8, 8, 1), 10 + k, np.uint8) for k in range(6)],
    [np.ones((8, 8), np.uint8)] * 6,
    Geometry(size=(8, 8)),
    3,
)
POOL = Pairs([np.full((8, 8, 1), 110 + k, np.uint8) for k in range(9)], None, Geometry(size=(8, 8)), 3)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.8, 1.0])
def test_the_share_is_kept_spread_evenly_and_told(share: float) -> None:
    batch = with_unlabelled(PAIRS, POOL, share, 4, 20)
    assert batch.labelled is not None
    bright = batch.image.mean(dim=(1, 2, 3)) > -0.2
    assert batch.labelled.tolist() == (~bright).tolist() == (batch.layouts.ids[:, 0, 0] == 1).tolist()
    assert int(bright.sum()) == round(20 * share)
    first = int(bright[:10].sum())
    assert abs(first - int(bright[10:].sum())) <= 1


def test_processes_share_a_batch_and_epochs_show_every_image_once() -> None:
    whole = with_unlabelled(PAIRS, POOL, 0.6, 2, 10)
    for rank in range(2):
        part = with_unlabelled(PAIRS, POOL, 0.6, 2, 10, rank, 2)
        mine = slice(5 * rank, 5 * rank + 5)
        assert part.image.equal(whole.image[mine])
        assert part.labelled is not None and whole.labelled is not None
        assert part.labelled.equal(whole.labelled[mine])
    seen = torch.cat([with_unlabelled(PAIRS, POOL, 0.6, step, 10).image[:, 0, 0, 0] for step in range(3)])
    assert len(seen.unique()) == len(PAIRS) + len(POOL)  # 12 of 6 pairs twice, 18 of 9 images twice


def test_each_process_sees_its_share_of_both() -> None:
    for rank in range(2):
        mine = with_unlabelled(PAIRS, POOL, 0.5, 0, 8, rank, 2).labelled
        assert mine is not None and int(mine.sum()) == 2
        alone = with_unlabelled(PAIRS, None, 0.5, 0, 8, rank, 2)
        assert alone.items.equal(PAIRS.batch(0, 8).items[rank::2])
