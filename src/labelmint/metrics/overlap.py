"""Overlap of labels and predictions, from counts of pixels.

    confusion[i, j] = pixels labelled i and predicted j
    Dice_k = 2 TP / (2 TP + FP + FN),   IoU_k = TP / (TP + FP + FN),   accuracy = sum of TP / all pixels

Counts are kept image by image, so that scores of a whole set come from its summed counts and intervals from
resampled images.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["check_indices", "confusion", "dice", "iou", "pixel_accuracy"]


def confusion(labels: Array, predictions: Array, classes: int) -> npt.NDArray[np.int64]:
    """Counts of pixels by label and prediction, image by image.

    Arguments:
        labels: (N, H, W) dense class indices in 0..K-1, -1 where a pixel is left out.
        predictions: (N, H, W) dense class indices in 0..K-1.
        classes: K.

    Returns (N, K, K), rows = label, columns = prediction.
    Raises InputError when the shapes differ or an index is outside its range.
    """
    check_indices(labels, predictions, classes)
    counts = np.zeros((len(labels), classes, classes), np.int64)
    for image, (label, prediction) in enumerate(zip(labels, predictions, strict=True)):
        seen = label >= 0
        joint = label[seen].astype(np.int64) * classes + prediction[seen]
        counts[image] = np.bincount(joint, minlength=classes * classes).reshape(classes, classes)
    return counts


def check_indices(labels: Array, predictions: Array, classes: int) -> None:
    """Raise InputError unless labels and predictions have one shape (N, H, W) and hold indices of the
    classes, labels also -1.
    """
    if labels.shape != predictions.shape or labels.ndim != 3:
        raise InputError(
            f"labels and predictions must have one shape (N, H, W); got {labels.shape} and "
            f"{predictions.shape}"
        )
    _check_range("labels", labels, -1, classes)
    _check_range("predictions", predictions, 0, classes)


def _check_range(name: str, indices: Array, low: int, classes: int) -> None:
    if indices.size and (indices.min() < low or indices.max() >= classes):
        found = f"{indices.min()} to {indices.max()}"
        raise InputError(
            f"{name} must be class indices from {low} to {classes - 1} for {classes} classes; found {found}"
        )


def dice(confusion: Array) -> npt.NDArray[np.float64]:
    """Dice of each class.

    Arguments:
        confusion: (K, K), or (N, K, K) to be summed over images.

    Returns (K,) in [0, 1], NaN where a class is neither labelled nor predicted.
    """
    true, sizes = _true_and_sizes(confusion)
    return _ratio(2 * true, sizes)


def iou(confusion: Array) -> npt.NDArray[np.float64]:
    """Intersection over union of each class: arguments and NaN as for `dice`."""
    true, sizes = _true_and_sizes(confusion)
    return _ratio(true, sizes - true)


def pixel_accuracy(confusion: Array) -> float:
    """Share of the counted pixels whose prediction is their label, in [0, 1]; NaN when none was counted."""
    true, sizes = _true_and_sizes(confusion)
    return float(_ratio(2 * true.sum(keepdims=True), sizes.sum(keepdims=True))[0])


def _true_and_sizes(confusion: Array) -> tuple[Array, Array]:
    """TP, and labelled plus predicted pixels (2 TP + FP + FN), each (K,)."""
    total = confusion.reshape(-1, *confusion.shape[-2:]).sum(axis=0)
    return np.diagonal(total), total.sum(axis=0) + total.sum(axis=1)


def _ratio(part: Array, whole: Array) -> npt.NDArray[np.float64]:
    """part / whole, NaN where the whole is 0."""
    ratio: npt.NDArray[np.float64] = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return ratio
