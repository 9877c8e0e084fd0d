"""Thresholds keep what they promise on pixels that they were not set on, and rare classes keep their share."""

import numpy as np
import pytest
import torch
from torch import Tensor

from labelmint.pool.thresholds import Tally, agreement, cuts_for, cuts_keeping, kept
from labelmint.types import Array

RARE = 0.03


def drawn(seed: int, blind: float = 0.0) -> tuple[Tensor, Array]:
    """Probabilities (3, 64, 64) that are calibrated by and large, and labels of which 3 % are of class 2.

    Arguments:
        blind: the share of class 2 that is read as class 0.
    """
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, (64, 64), p=[0.77, 0.2, RARE]).astype(np.int16)
    shown = np.where((labels == 2) & (rng.random(labels.shape) < blind), 0, labels)
    logits = rng.normal(0, 1, (3, 64, 64)) + 2.4 * (np.arange(3)[:, None, None] == shown)
    return torch.from_numpy(logits).softmax(dim=0).float(), labels


def tally_of(seeds: range, blind: float = 0.0) -> Tally:
    tally = Tally(3)
    for seed in seeds:
        tally.add(*drawn(seed, blind))
    return tally


def test_kept_pixels_reach_precision_and_recall_on_other_pixels() -> None:
    seen, other = tally_of(range(10)), tally_of(range(10, 20))
    every = agreement(other, np.zeros(3, np.int64))
    assert min(every.precision.min(), every.recall.min()) < 0.8
    found = agreement(other, cuts_for(seen, 0.9, 0.2))
    assert min(found.precision.min(), found.recall.min()) > 0.88
    assert found.dice.min() > every.dice.min() + 0.05


def test_no_class_loses_more_than_it_may() -> None:
    """One threshold for all takes far more of the rare class than of the others; by class it keeps its share."""
    tally = tally_of(range(10))
    cuts = cuts_for(tally, 0.99, 0.7)
    found = agreement(tally, cuts)
    assert found.kept.min() >= 0.7
    alike = agreement(tally, np.full(3, cuts.max()))
    assert alike.kept[2] < 0.7 <= found.kept[2]


def test_a_ground_that_swallows_a_rare_class_is_doubted() -> None:
    """Precision of the ground hardly shows it, so that recall has to."""
    tally = tally_of(range(10), blind=0.3)
    assert agreement(tally, np.zeros(3, np.int64)).precision[0] > 0.95
    assert cuts_for(tally, 0.95, 0.2)[0] > cuts_for(tally_of(range(10)), 0.95, 0.2)[0]


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_a_share_is_kept_of_each_class(share: float) -> None:
    tally = tally_of(range(4))
    found = agreement(tally, cuts_keeping(tally, share))
    assert (found.kept >= share).all()
    assert (found.kept <= share + 0.05).all() or share == 1


def test_what_is_kept_is_what_was_counted() -> None:
    shares, labels = drawn(0)
    tally = Tally(3)
    labels[:8] = -1
    tally.add(shares, labels)
    cuts = cuts_for(tally, 0.9, 0.5)
    read, sure = kept(shares, cuts)
    seen = labels >= 0
    assert int(((read >= 0) & seen).sum()) == int(tally.confusion(cuts).sum())
    assert int((read == labels)[seen & (read >= 0)].sum()) == int(np.trace(tally.confusion(cuts)))
    assert np.allclose(sure, shares.amax(dim=0).numpy())


def test_a_class_that_was_never_read_gets_the_highest_threshold() -> None:
    tally = Tally(4)
    shares, labels = drawn(1)
    tally.add(torch.cat([shares, torch.zeros(1, 64, 64)]), labels)
    cuts = cuts_for(tally, 0.9, 0.5)
    assert cuts[3] == cuts.max() > 0
    assert np.isnan(agreement(tally, cuts).dice[3])
