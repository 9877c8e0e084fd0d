"""Boundary scores are MONAI's surface Dice inside the image; borders and ignored pixels make no boundary."""

import time
import warnings

import numpy as np
import pytest
import torch
from monai.metrics.surface_dice import compute_surface_dice
from scipy.ndimage import gaussian_filter

from labelmint.errors import InputError
from labelmint.metrics.boundary import boundary_score


def blobs(seed: int, count: int, side: int, classes: int, margin: int = 4) -> np.ndarray:
    """Smooth random regions of all classes, class 0 around them."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(size=(count, classes, side, side)), (0, 0, 4, 4))
    ids = noise.argmax(axis=1).astype(np.int16)
    inside = np.zeros((side, side), bool)
    inside[margin:-margin, margin:-margin] = True
    return np.where(inside, ids, 0).astype(np.int16)


def disturbed(ids: np.ndarray, seed: int) -> np.ndarray:
    """Every region shifted by up to three pixels, image by image, and some of them gone."""
    rng = np.random.default_rng(seed)
    moved = np.stack([np.roll(one, tuple(rng.integers(-3, 4, 2)), axis=(0, 1)) for one in ids])
    return np.where((moved == ids.max()) & (rng.random((len(ids), 1, 1)) < 0.3), 0, moved)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_the_kind_of_whole_numbers_of_the_predictions_changes_nothing(dtype: type) -> None:
    labels = blobs(0, 2, 24, 3)
    labels[:, 8:12] = -1
    predictions = disturbed(blobs(0, 2, 24, 3), 1)
    wanted = boundary_score(labels, predictions, 3)
    for found, same in zip(boundary_score(labels, predictions.astype(dtype), 3), wanted, strict=True):
        assert np.array_equal(found, same)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 1.5, 2.0, 3.2])
def test_foreground_scores_are_those_of_monai(tolerance: float) -> None:
    labels = blobs(0, 6, 32, 4)
    predictions = disturbed(labels, 1)
    predictions[0], labels[1] = 0, 0  # nothing found, nothing there
    hits, sizes = boundary_score(labels, predictions, 4, tolerance)
    one_hot = [
        torch.from_numpy(np.stack([ids == k for k in range(4)], axis=1)).float()
        for ids in (predictions, labels)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are on one side only
        oracle = compute_surface_dice(*one_hot, class_thresholds=[tolerance] * 3).numpy()
    ours = np.divide(hits, sizes, out=np.full(hits.shape, np.nan), where=sizes > 0)[:, 1:]
    assert np.allclose(ours, oracle, atol=1e-6, equal_nan=True)
    assert len(np.unique(ours[np.isfinite(ours)])) > 4  # not all 0 or 1


def test_no_boundary_at_the_border_of_the_image_nor_around_ignored_pixels() -> None:
    labels = np.zeros((1, 12, 12), np.int16)
    labels[:, :, 6:] = 1  # both classes reach three borders
    hits, sizes = boundary_score(labels, labels, 2)
    assert sizes.tolist() == hits.tolist() == [[24, 24]]
    labels[:, 4:8, 5:7] = -1
    wrong = 1 - np.maximum(labels, 0)
    wrong[labels < 0] = np.random.default_rng(0).integers(0, 2, 8)
    hits, sizes = boundary_score(labels, wrong, 2, tolerance=1)
    assert sizes.tolist() == hits.tolist() == [[16, 16]]  # eight rows on each side
    assert boundary_score(np.zeros((1, 8, 8), int), np.zeros((1, 8, 8), int), 2)[1].tolist() == [[0, 0]]


def test_a_shift_within_the_tolerance_costs_nothing_and_one_beyond_costs_it_all() -> None:
    labels = np.zeros((3, 24, 24), np.int64)
    predictions = labels.copy()
    labels[:, 8:16] = 1
    for image, shift in enumerate((1, 2, 3)):
        predictions[image, 8 + shift : 16 + shift] = 1
    hits, sizes = boundary_score(labels, predictions, 2)
    assert (hits[:2] == sizes[:2]).all()
    assert (hits[2] == 0).all()


def test_what_ignored_pixels_are_read_as_changes_nothing() -> None:
    labels = blobs(2, 3, 24, 3, margin=2)
    predictions = disturbed(labels, 3)
    labels[:, 5:15, 10:20] = -1
    other = np.where(labels < 0, (predictions + 1) % 3, predictions)
    assert (other != predictions).any()
    for ours, theirs in zip(
        boundary_score(labels, predictions, 3), boundary_score(labels, other, 3), strict=True
    ):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("classes", [2, 12])
def test_it_is_fast(classes: int) -> None:
    labels = np.tile(blobs(4, 4, 128, classes), (25, 1, 1))
    predictions = disturbed(labels, 5)
    begin = time.process_time()
    boundary_score(labels, predictions, classes)
    assert time.process_time() - begin < (1 if classes == 2 else 4)


def test_other_shapes_indices_and_tolerances_are_refused() -> None:
    good = np.zeros((1, 4, 4), int)
    with pytest.raises(InputError, match="one shape"):
        boundary_score(good, good[:, :3], 2)
    with pytest.raises(InputError, match="predictions must be class indices from 0 to 1"):
        boundary_score(good, good - 1, 2)
    for tolerance in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="tolerance"):
            boundary_score(good, good, 2, tolerance)
