"""Agreement: that of the formula, blind to what is ignored, and lower for every kind of false label."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from labelmint.segmenters.agreement import agreement_scores, doubt_thresholds, read_pairs

K, SIDE = 3, 20


class Sure:
    """A judge that reads class k from the grey level 100 k, and is as sure as it is told."""

    def __init__(self, sure: float = 0.97) -> None:
        self.sure = sure

    def probabilities(self, images: np.ndarray) -> Iterator[tuple[slice, torch.Tensor]]:
        for first in range(0, len(images), 2):
            shown = torch.from_numpy(images[first : first + 2, ..., 0] // 100).long()
            shares = torch.full((len(shown), K, SIDE, SIDE), (1 - self.sure) / (K - 1))
            yield slice(first, first + 2), shares.scatter(1, shown[:, None], self.sure)


def labels() -> np.ndarray:
    """Background, a square of class 1, and a thin line of class 2."""
    found = np.zeros((1, SIDE, SIDE), np.int16)
    found[0, 3:9, 3:9], found[0, 15, 2:18] = 1, 2
    return found


def image_of(shown: np.ndarray) -> np.ndarray:
    return (100 * np.maximum(shown, 0)).astype(np.uint8)[..., None]


def score(shown: np.ndarray, label: np.ndarray, sure: float = 0.97) -> float:
    return float(agreement_scores(Sure(sure), image_of(shown), label)[0])  # type: ignore[arg-type]


def by_definition(shares: np.ndarray, label: np.ndarray) -> float:
    """The module's formula, pixel by pixel, of (K, H, W) and (H, W)."""
    places = [(i, j) for i in range(SIDE) for j in range(SIDE) if label[i, j] >= 0]
    e, top, bottom = 0.01 * len(places), 0.0, 0.0
    for k in range(K):
        hits = sum(shares[k][p] for p in places if label[p] == k)
        held, seen = sum(label[p] == k for p in places), sum(shares[k][p] for p in places)
        weight = 1.0 if held else min(seen / e, 1.0)
        top += weight * (2 * hits + e) / (held + seen + e)
        bottom += weight
    return float(top / bottom * np.exp(np.mean([np.log(max(shares[label[p]][p], 1e-6)) for p in places])))


def test_it_is_the_formula() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([0.3] * K, (4, SIDE, SIDE)).transpose(0, 3, 1, 2).astype(np.float32)
    drawn = rng.integers(-1, K, (4, SIDE, SIDE)).astype(np.int16)
    drawn[3] = np.where(drawn[3] == 2, 0, drawn[3])

    class Given:
        def probabilities(self, images: np.ndarray) -> Iterator[tuple[slice, torch.Tensor]]:
            yield slice(0, 3), torch.from_numpy(shares[:3])
            yield slice(3, 4), torch.from_numpy(shares[3:])

    found = read_pairs(Given(), image_of(drawn), drawn)  # type: ignore[arg-type]
    assert found.scores == pytest.approx(
        [by_definition(s, d) for s, d in zip(shares, drawn, strict=True)], abs=1e-6
    )
    assert np.array_equal(found.read, shares.argmax(axis=1))
    assert np.array_equal(found.labelled == 1, drawn < 0)


def test_true_labels_agree_and_every_false_one_agrees_less() -> None:
    true = labels()
    without_line, without_square, other_class, moved, empty = (true.copy() for _ in range(5))
    without_line[true == 2], without_square[true == 1], other_class[true == 1], empty[:] = 0, 0, 2, 0
    moved = np.roll(true, 3, axis=(1, 2))
    best = score(true, true)
    assert best > 0.85
    for false in (without_line, without_square, other_class, moved, empty):
        assert score(true, false) < best - 0.15
        assert score(false, true) < best - 0.15  # what the label says and the image does not show


def test_a_thin_line_counts_more_than_as_many_pixels_of_the_background() -> None:
    true, frayed = labels(), labels()
    without_line = np.where(true == 2, 0, true)
    frayed[0, 9, 3:9], frayed[0, 3:9, 9], frayed[0, 2, 3:7] = 1, 1, 1  # 16 pixels of an outline
    assert (without_line != true).sum() == (frayed != true).sum() == 16
    assert score(true, without_line) < score(true, frayed) - 0.1


def test_background_alone_and_ignored_pixels() -> None:
    true, nothing = labels(), np.zeros((1, SIDE, SIDE), np.int16)
    assert score(nothing, nothing, sure=0.999) > 0.95
    ignored = np.where(true == 1, -1, true)
    # whatever the image shows there
    assert score(true, ignored) == pytest.approx(score(np.where(true == 1, 2, true), ignored))
    assert score(true, np.full_like(true, -1)) == 0


def test_doubts_are_quantiles_by_class_and_rare_classes_take_that_of_all() -> None:
    rng = np.random.default_rng(1)
    found, drawn = rng.random((5, 40, 40)), rng.choice([-1, 0, 1], (5, 40, 40))
    drawn[0, 0, :7] = 2
    doubts = doubt_thresholds(found, drawn, 4, 0.01)
    for k in (0, 1):
        assert (found[drawn == k] < doubts[k]).mean() == pytest.approx(0.01, abs=1e-3)
    assert doubts[2] == doubts[3]
    assert (found[drawn >= 0] < doubts[2]).mean() == pytest.approx(0.01, abs=1e-3)
