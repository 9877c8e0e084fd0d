"""The arms of a study: one segmenter each, trained on real pairs, on synthetic ones, or on both, and tested
on the real test part.

R  real pairs as they are                     S          A + synthetic pairs, `ratio` for each real one in the
   batches
A  R + classical augmentation                 Y          synthetic pairs alone, augmented
C  A + copy-paste                             accuracy   R + synthetic pairs; diversity: synthetic pairs
   alone: without
                                                         augmentation, as the papers measure (their names)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.objects import object_map
from labelmint.datasets.pair import Pair
from labelmint.datasets.pairs import Pairs
from labelmint.evaluation.views import Views
from labelmint.hardware import choose_precision
from labelmint.metrics.boundary import boundary_score
from labelmint.metrics.overlap import confusion, dice, iou
from labelmint.progress import Report
from labelmint.segmenters.copy_paste import CopyPaste
from labelmint.segmenters.dense_unet import DenseUNet, load_encoder_weights
from labelmint.segmenters.judge import Judge
from labelmint.segmenters.lite_unet import LiteUNet
from labelmint.segmenters.mixture import SMALL_TURN, TURN, Mixture
from labelmint.segmenters.plateau import ArmConfig, train_to_plateau
from labelmint.segmenters.unet import SegmenterConfig, UNet
from labelmint.storage import write_arrays
from labelmint.types import Array, Batch

__all__ = ["Arm", "ArmResult", "Ground", "Scores", "arm_named", "batches", "network", "scores", "train_arm"]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What a segmenter is trained on.

    Attributes:
        name: R, A, C, S, Y, accuracy or diversity.
        augmented, copy_paste: what is done to the pairs.
        ratio: synthetic pairs for each real one in the batches; None without synthetic pairs, infinite
            without real ones.
    """

    name: str
    augmented: bool = False
    copy_paste: bool = False
    ratio: float | None = None

    @property
    def key(self) -> str:
        """A name that tells arms of several ratios apart, fit for a file: A, S-0.5, Y."""
        return self.name if self.ratio is None or math.isinf(self.ratio) else f"{self.name}-{self.ratio:g}"


def arm_named(name: str, ratio: float | None = None) -> Arm:
    """The arm of that name; S and accuracy need the ratio."""
    match name:
        case "R":
            return Arm(name=name)
        case "A":
            return Arm(name=name, augmented=True)
        case "C":
            return Arm(name=name, augmented=True, copy_paste=True)
        case "S":
            return Arm(name=name, augmented=True, ratio=ratio)
        case "Y":
            return Arm(name=name, augmented=True, ratio=math.inf)
        case "accuracy":
            return Arm(name=name, ratio=ratio)
        case "diversity":
            return Arm(name=name, ratio=math.inf)
    raise ValueError(f"no arm is called {name!r}")


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The real data of one cell of a study.

    Attributes:
        training: pairs at the scale of training. validation, test: views (tiles) of the real parts.
        classes: K. foreground: class indices that scores are means over.
        backgrounds: class indices that have no objects: copy-paste never pastes them.
        geometry: size, crop and the augmentation that keeps labels true.
    """

    training: Sequence[Pair]
    validation: Views
    test: Views
    classes: int
    foreground: tuple[int, ...]
    backgrounds: frozenset[int]
    geometry: Geometry


class Scores(BaseModel):
    """Agreement with the labels of a real part.

    Attributes:
        confusion: (K, K) counts of pixels by label (rows) and prediction.
        surface: (K,) share of the boundary that lies within 2 pixels of the other's, None where a class has
            none.
        dice: mean over the foreground classes that are labelled or predicted; miou: over all classes that
            are.
        boundary: mean of `surface` over the foreground classes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    confusion: tuple[tuple[int, ...], ...]
    surface: tuple[float | None, ...]
    dice: float
    miou: float
    boundary: float | None
    dice_by_class: tuple[float | None, ...]


class ArmResult(BaseModel):
    """One trained arm.

    Attributes:
        steps: of training. best_step: whose weights were kept, by validation loss. plateau: False when the
            step limit came first.
        validation_loss: of the kept weights. seconds: of training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    arm: str
    ratio: float | None
    seed: int
    steps: int
    best_step: int
    plateau: bool
    validation_loss: float
    validation: Scores
    test: Scores
    seconds: float
    device: str
    precision: str


def train_arm(
    arm: Arm,
    ground: Ground,
    synthetic: Views | None,
    *,
    config: ArmConfig,
    least_steps: int = 0,
    seed: int = 0,
    device: torch.device,
    precision: str = "auto",
    report: Report,
    predictions: Path | None = None,
) -> ArmResult:
    """Train a segmenter to the plateau of its validation loss and test it.

    Arguments:
        synthetic: pairs of the views' size and classes; needed where the arm has a ratio.
        least_steps: what arm A needed; no arm gets fewer.
        predictions: an .npz file to write what the segmenter reads from the test views: "read" (N, H, W)
            int16.
    """
    ratio = arm.ratio or 0.0
    segmenter = network(ground, config, seed).to(device)
    chosen = choose_precision(precision, device)
    done = train_to_plateau(
        segmenter,
        batches(arm, ground, synthetic, seed),
        _fixed(ground.validation),
        config,
        least_steps=least_steps,
        epoch=_epoch(ground, config),
        bfloat16=chosen == "bf16-mixed",
        report=report,
        stage=f"arm {arm.key}",
    )
    reader = Judge(segmenter, {})
    read = reader.predict(ground.test.images)
    if predictions is not None:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(predictions, {"read": read})
    return ArmResult(
        arm=arm.name,
        ratio=None if math.isinf(ratio) else arm.ratio,
        seed=seed,
        steps=done.steps,
        best_step=done.best_step,
        plateau=done.reached,
        validation_loss=done.validation_loss,
        validation=_scored(ground, ground.validation, reader.predict(ground.validation.images)),
        test=_scored(ground, ground.test, read),
        seconds=done.seconds,
        device=device.type,
        precision=chosen,
    )


def _epoch(ground: Ground, config: ArmConfig) -> int:
    """Steps that see the area of the real training pairs once."""
    seen = int(ground.test.labels[0].size) * config.batch_size
    return math.ceil(sum(one.ids.size for one in ground.training) / seen)


def _scored(ground: Ground, views: Views, read: Array) -> Scores:
    return scores(views.labels, read, ground.classes, ground.foreground)


def scores(labels: Array, read: Array, classes: int, foreground: Sequence[int]) -> Scores:
    """Scores of class indices read (N, H, W) against labels (N, H, W), -1 where ignored."""
    counts = confusion(labels, read, classes).sum(axis=0)
    hits, sizes = (part.sum(axis=0) for part in boundary_score(labels, read, classes))
    of_class, surface = dice(counts), np.divide(hits, sizes, out=np.full(classes, np.nan), where=sizes > 0)
    chosen = list(foreground)
    return Scores(
        confusion=tuple(tuple(int(value) for value in row) for row in counts),
        surface=_or_none(surface),
        dice_by_class=_or_none(of_class),
        dice=_mean(of_class[chosen]),
        miou=_mean(iou(counts)),
        boundary=None if np.isnan(surface[chosen]).all() else _mean(surface[chosen]),
    )


def _or_none(values: Array) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else float(value) for value in values)


def _mean(values: Array) -> float:
    """Mean of those that there are, 0 when there is none."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else 0.0


def network(ground: Ground, config: ArmConfig, seed: int) -> UNet | DenseUNet | LiteUNet:
    """The untrained segmenter; the same weights for the same seed."""
    channels = ground.test.images.shape[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if config.network == "unet":
            sizes = SegmenterConfig(channels=config.channels, residual_units=config.residual_units)
            return UNet(channels, ground.classes, sizes).to_fast_layout()
        if config.network == "lite0":
            return LiteUNet(channels, ground.classes).to_fast_layout()
        dense = DenseUNet(channels, ground.classes, depth=config.depth)
    if config.encoder_weights is not None:
        load_encoder_weights(dense, config.encoder_weights)
    return dense.to_fast_layout()


def batches(arm: Arm, ground: Ground, synthetic: Views | None, seed: int) -> Mixture:
    """What the arm's segmenter is trained on."""
    geometry, ratio, real, made = ground.geometry, arm.ratio or 0.0, None, None
    if not arm.augmented:
        geometry = replace(geometry, augment=frozenset())
    images, labels = [one.image for one in ground.training], [one.ids for one in ground.training]
    if not math.isinf(ratio):
        real = Pairs.of(ground.training, geometry, seed)
    if ratio and synthetic is not None:
        made = Pairs(list(synthetic.images), list(synthetic.labels), geometry, seed)
    paste = None
    if arm.copy_paste:
        objects = [object_map(one.ids, one.instances, ground.backgrounds)[0] for one in ground.training]
        paste = CopyPaste(images, labels, objects, geometry)
    turn = TURN if "turns" in geometry.augment else SMALL_TURN
    return Mixture(
        real,
        made,
        ratio=ratio,
        turn=turn if arm.augmented else None,
        copy_paste=paste,
        seed=seed,
        foreground=ground.foreground,
    )


def _fixed(views: Views) -> Batch:
    """All views as one batch."""
    size = (int(views.images.shape[1]), int(views.images.shape[2]))
    return Pairs(list(views.images), list(views.labels), Geometry(size=size), 0).fixed(0, len(views))
