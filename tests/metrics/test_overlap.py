"""Overlap: the scores are those of torchmetrics, MONAI and scikit-learn, and what is ignored does not count."""

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.metrics.overlap import confusion, dice, iou, pixel_accuracy

RNG = np.random.default_rng(0)
LABELS, PREDICTIONS = RNG.integers(0, 4, (2, 5, 9, 7))


def test_counts_are_those_of_scikit_learn_image_by_image() -> None:
    from sklearn.metrics import confusion_matrix

    counts = confusion(LABELS.astype(np.uint8), PREDICTIONS.astype(np.uint8), 5)
    assert counts.dtype == np.int64
    for found, label, prediction in zip(counts, LABELS, PREDICTIONS, strict=True):
        np.testing.assert_array_equal(
            found, confusion_matrix(label.ravel(), prediction.ravel(), labels=range(5))
        )


def test_ignored_pixels_are_left_out() -> None:
    labels = np.where(RNG.random(LABELS.shape) < 0.3, -1, LABELS)
    counts = confusion(labels, PREDICTIONS, 4)
    assert counts.sum(axis=(1, 2)).tolist() == (labels >= 0).sum(axis=(1, 2)).tolist()
    other = np.where(labels < 0, 3 - PREDICTIONS, PREDICTIONS)
    np.testing.assert_array_equal(counts, confusion(labels, other, 4))


def test_scores_are_those_of_torchmetrics() -> None:
    import torch
    from torchmetrics.functional.classification import (
        multiclass_accuracy,
        multiclass_f1_score,
        multiclass_jaccard_index,
    )

    counts = confusion(LABELS, PREDICTIONS, 4)
    prediction, label = torch.from_numpy(PREDICTIONS), torch.from_numpy(LABELS)
    for ours, theirs in (
        (dice(counts), multiclass_f1_score(prediction, label, 4, average=None)),
        (iou(counts), multiclass_jaccard_index(prediction, label, 4, average=None)),
        (pixel_accuracy(counts), multiclass_accuracy(prediction, label, 4, average="micro")),
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


def test_dice_and_iou_are_those_of_monai() -> None:
    import torch
    from monai.metrics import compute_dice, compute_iou

    hot = [torch.nn.functional.one_hot(torch.from_numpy(x), 4).movedim(3, 1) for x in (PREDICTIONS, LABELS)]
    each = confusion(LABELS, PREDICTIONS, 4)
    np.testing.assert_allclose([dice(one) for one in each], compute_dice(*hot).numpy(), rtol=1e-6)
    np.testing.assert_allclose([iou(one) for one in each], compute_iou(*hot).numpy(), rtol=1e-6)


def test_known_answers() -> None:
    same = confusion(LABELS, LABELS, 5)
    assert dice(same).tolist()[:4] == iou(same).tolist()[:4] == [1.0] * 4
    assert np.isnan([dice(same)[4], iou(same)[4]]).all()
    assert pixel_accuracy(same) == 1
    wrong = confusion(LABELS, (LABELS + 1) % 4, 4)
    assert pixel_accuracy(wrong) == 0 == dice(wrong).max() == iou(wrong).max()
    assert np.isnan(pixel_accuracy(confusion(np.full((1, 2, 2), -1), np.zeros((1, 2, 2), int), 2)))
    assert confusion(LABELS[:0], LABELS[:0], 3).shape == (0, 3, 3)


def test_scores_of_a_set_come_from_its_summed_counts() -> None:
    counts = confusion(LABELS, PREDICTIONS, 4)
    for score in (dice, iou, pixel_accuracy):
        np.testing.assert_array_equal(score(counts), score(counts.sum(axis=0)))


@pytest.mark.parametrize(
    ("labels", "predictions", "said"),
    [
        (LABELS, PREDICTIONS[:, :3], "one shape"),
        (LABELS[0], PREDICTIONS[0], "one shape"),
        (LABELS - 2, PREDICTIONS, "labels must be class indices from -1 to 3"),
        (LABELS + 1, PREDICTIONS, "labels must be"),
        (LABELS, PREDICTIONS - 1, "predictions must be class indices from 0 to 3"),
    ],
)
def test_bad_indices_are_refused(labels: np.ndarray, predictions: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        confusion(labels, predictions, 4)
