"""One threshold a class, below whose probability a pixel is ignored, set on pixels that were held out.

Pixel i is read as the class c_i of the largest probability p_i, and kept where p_i >= t(c_i). Of the kept pixels let
n_kc be those labelled k and read as c. Thresholds begin at 0 and rise until

    precision  n_cc / sum_k n_kc >= P    and    recall  n_kk / sum_c n_kc >= P        for every class

Where a precision is missed the threshold of that class rises, where a recall is missed that of the class most of
whose pixels are wrongly labelled so; the class that misses most comes first. Without the second half a background
that swallows a rare class would be kept as a whole, for it hardly notices. No threshold rises so far that less than
a given share of the pixels read as its class is kept: rare and difficult classes keep their share, precise or not.

Probabilities are counted on 200 levels, so that nothing but counts is held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from labelmint.types import Array

__all__ = ["LEVELS", "Agreement", "Tally", "agreement", "cuts_for", "cuts_keeping", "kept"]

LEVELS = 200
Cuts = npt.NDArray[np.int64]


class Tally:
    """Counts (K, K, 200) of held-out pixels by label, class read, and level of its probability."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros((classes, classes, LEVELS), np.int64)

    def add(self, shares: Tensor, labels: Array) -> None:
        """Count the pixels of an image.

        Arguments:
            shares: (K, H, W) probabilities. labels: (H, W) class indices, -1 where ignored.
        """
        top, read = shares.max(dim=0)
        seen = labels >= 0
        places = (labels[seen].astype(np.int64), read.numpy()[seen], _levels(top).numpy()[seen])
        flat = np.ravel_multi_index(places, self.counts.shape)
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    def confusion(self, cuts: Cuts) -> npt.NDArray[np.int64]:
        """Counts (K, K) of the pixels that are kept, by label and class read."""
        return self.above()[:, np.arange(len(cuts)), cuts]

    def above(self) -> npt.NDArray[np.int64]:
        """Counts (K, K, 201) of pixels at each level or above it."""
        found = np.zeros((*self.counts.shape[:2], LEVELS + 1), np.int64)
        found[:, :, :LEVELS] = np.cumsum(self.counts[:, :, ::-1], axis=2)[:, :, ::-1]
        return found


def _levels(top: Tensor) -> Tensor:
    return (top * LEVELS).long().clamp(0, LEVELS - 1)


def kept(shares: Tensor, cuts: Cuts) -> tuple[Array, Array]:
    """The class read at each pixel (H, W) int16, -1 where it is not kept, and its probability (H, W) float32.

    Arguments:
        shares: (K, H, W). cuts: (K,) levels below which a pixel of the class is ignored.
    """
    top, read = shares.max(dim=0)
    sure = _levels(top) >= torch.from_numpy(cuts)[read]
    return torch.where(sure, read, -1).to(torch.int16).numpy(), top.numpy()


def cuts_keeping(tally: Tally, share: float) -> Cuts:
    """For each class the highest level at which at least this share of the pixels read as it is kept."""
    read = tally.counts.sum(axis=0)
    above = np.cumsum(read[:, ::-1], axis=1)[:, ::-1]
    enough = above >= share * read.sum(axis=1, keepdims=True)
    found: Cuts = enough.sum(axis=1) - 1
    return np.where(read.sum(axis=1) > 0, found, 0)


def cuts_for(tally: Tally, precision: float, least: float) -> Cuts:
    """The thresholds above, in levels; a class that no held-out pixel was read as gets the highest of the others.

    Arguments:
        precision: P. least: share of the pixels read as a class that is kept in any case.
    """
    most, above = cuts_keeping(tally, least), tally.above()
    cuts = np.zeros(len(most), np.int64)
    table = above[:, :, 0].copy()
    while True:
        free = cuts < most
        wrong = np.where(free[None], table, 0)
        np.fill_diagonal(wrong, 0)
        missed = (
            np.concatenate(  # a precision, then a recall for each class; infinite where nothing can be done
                [
                    np.where(free, _below(np.diag(table), table.sum(axis=0), precision), np.inf),
                    np.where(wrong.any(axis=1), _below(np.diag(table), table.sum(axis=1), precision), np.inf),
                ]
            )
        )
        first = int(missed.argmin())
        if missed[first] == np.inf:
            break
        rises = first if first < len(cuts) else int(wrong[first - len(cuts)].argmax())
        cuts[rises] += 1
        table[:, rises] = above[:, rises, cuts[rises]]
    never = tally.counts.sum(axis=(0, 2)) == 0
    return np.where(never, cuts.max(initial=0), cuts)


def _below(hits: Array, of: Array, wanted: float) -> Array:
    """Shares that miss what is wanted; infinite for the others."""
    share = np.where(of > 0, hits / np.maximum(of, 1), 1.0)
    return np.where(share < wanted, share, np.inf)


@dataclass(frozen=True)
class Agreement:
    """How well kept pixels agree with their labels; (K,) each, nan where a class has no such pixel.

    Attributes:
        dice, precision, recall: of the kept pixels.
        kept: the share of the pixels read as the class that is kept. overall: that of all pixels.
    """

    dice: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    kept: npt.NDArray[np.float64]
    overall: float


def agreement(tally: Tally, cuts: Cuts) -> Agreement:
    """The agreement on counted pixels."""
    table, every = tally.confusion(cuts), tally.counts.sum(axis=(0, 2))
    hits, read, labelled = np.diag(table).astype(np.float64), table.sum(axis=0), table.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Agreement(
            dice=2 * hits / (read + labelled),
            precision=hits / read,
            recall=hits / labelled,
            kept=read / every,
            overall=float(read.sum() / max(every.sum(), 1)),
        )
