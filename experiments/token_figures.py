"""What a run's tokens keep of images and of layouts, for the tables of this folder.

Batches are on the CPU; a run works where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from experiments.common import two_stage
from torch import Tensor

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.metrics.boundary import boundary_score
from labelmint.metrics.frechet import frechet_distance
from labelmint.metrics.overlap import confusion, iou
from labelmint.pictures import overlay
from labelmint.protocols import LayoutTokenizer, Tokenizer
from labelmint.runs.trained import TrainedSystem
from labelmint.segmenters.judge import Judge
from labelmint.types import Array, Batch, Layout

__all__ = [
    "AT_ONCE",
    "class_colors",
    "classes_of",
    "frechet",
    "images_back",
    "layout_codes",
    "layouts_back",
    "pixels",
    "ssim",
    "views",
]

AT_ONCE = 32


def views(pairs: Pairs, n: int, *, crops: bool) -> list[Batch]:
    """At least n random crops, a multiple of those drawn at once, or else every pair's one view, at most n of
    them.
    """
    if crops:
        return [pairs.batch(step, AT_ONCE) for step in range(-(-n // AT_ONCE))]
    n = min(n, len(pairs))
    return [pairs.fixed(first, min(AT_ONCE, n - first)) for first in range(0, n, AT_ONCE)]


def pixels(images: Tensor) -> Array:
    """(B, C, H, W) in [-1, 1] -> (B, H, W, C) uint8."""
    return EIGHT_BITS.from_unit(images.cpu())


def classes_of(ids: Tensor, system: TrainedSystem) -> Array:
    """Class indices of symbol ids; -1 for ignored ones."""
    index = {class_id: k for k, class_id in enumerate(system.classes.ids)}
    table = np.array([index.get(class_id, -1) for class_id, _ in system.config.symbol_table.symbols])
    found: Array = table[ids.cpu().numpy()]
    return found


def class_colors(ids: Tensor, system: TrainedSystem) -> list[Array]:
    """Layouts of symbol ids in their classes' colors, ignored pixels as the first class."""
    labels = np.array(system.classes.ids)[np.maximum(classes_of(ids, system), 0)]
    black = np.zeros((*labels.shape[1:], 3), np.uint8)
    return [overlay(black, Layout(label_map=one), system.classes) for one in labels]


def ssim(real: Array, made: Array) -> float:
    """Structural similarity of images (B, H, W, C) uint8, the mean."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).float() for x in (real, made))
    return float(cast(Tensor, structural_similarity_index_measure(a, b, data_range=255.0)))


def frechet(judge: Judge, real: Array, made: Array) -> float | None:
    """Between the judge's features; None where there are too few images."""
    a, b = judge.features(real), judge.features(made)
    return frechet_distance(a, b) if min(len(a), len(b)) > a.shape[1] else None


@torch.no_grad()
def images_back(
    tokenizer: Tokenizer, batches: Sequence[Batch], device: torch.device
) -> tuple[Tensor, dict[str, float]]:
    """Images after their tokens, and how far they are from what they were: mse, ssim."""
    there = (batch.to(device) for batch in batches)
    made = torch.cat([tokenizer.decode(tokenizer.encode(batch), batch.layouts).cpu() for batch in there])
    real = torch.cat([batch.image for batch in batches])
    return made, {"mse": float((made - real).square().mean()), "ssim": ssim(pixels(real), pixels(made))}


@torch.no_grad()
def layouts_back(
    codes: LayoutTokenizer, written: Tensor, ids: Tensor, system: TrainedSystem
) -> tuple[Tensor, dict[str, float]]:
    """Layouts of the tokens `written`, and how far they are from the ids that were: misread, miou,
    boundaries.

    The symbols are those of the system.

    Pixels that were ignored do not count; those that come back ignored count as the first class.
    """
    back = torch.cat([codes.decode_layouts(some.to(system.device)).cpu() for some in written.split(AT_ONCE)])
    labels, read = classes_of(ids, system), np.maximum(classes_of(back, system), 0)
    counts = confusion(labels, read, len(system.classes)).sum(axis=0)
    labelled = counts.sum(axis=1) > 0
    hits, sizes = boundary_score(labels, read, len(system.classes))
    return back, {
        "misread": float(1 - counts.trace() / counts.sum()),
        "miou": float(iou(counts)[labelled].mean()),
        "boundaries": float(1 - hits.sum() / sizes.sum()),
    }


def layout_codes(system: TrainedSystem) -> LayoutTokenizer:
    """What writes layouts in the tokens that they pass through."""
    return two_stage(system).written.of_layouts
