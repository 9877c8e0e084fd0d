"""Training one arm of a study and testing it on the real test part."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from labelmint.evaluation.views import Views
from labelmint.hardware import choose_precision
from labelmint.progress import Report
from labelmint.segmenters.plateau import ArmConfig
from labelmint.storage import write_arrays
from labelmint.usefulness.arms import Arm, ArmResult
from labelmint.usefulness.ground import Ground
from labelmint.usefulness.readings import reading_of
from labelmint.usefulness.scoring import scores
from labelmint.usefulness.settling import Settled

__all__ = ["train_arm"]


def train_arm(
    arm: Arm,
    ground: Ground,
    synthetic: Views | None,
    *,
    config: ArmConfig,
    usual: Settled | None = None,
    seed: int = 0,
    device: torch.device,
    precision: str = "auto",
    report: Report,
    predictions: Path | None = None,
    trials: Path | None = None,
) -> ArmResult:
    """Train a segmenter and test it.

    Arguments:
        ground: whose `validation` or `folds` say which reading holds.
        synthetic: pairs of the views' size and classes; needed where the arm has a ratio.
        usual: what arm A settled on; needed by arms that do not settle anything themselves.
        predictions: an .npz file to write what the segmenter reads from the test views: "read" (N, H, W)
            int16.
        trials: a folder in which an arm that settles something keeps its trainings, to go on with after a stop; None
            keeps none.
    """
    chosen = choose_precision(precision, device)
    reading = reading_of(
        arm,
        ground,
        synthetic,
        config=config,
        seed=seed,
        device=device,
        precision=chosen,
        report=report,
        trials=trials,
    )
    done = reading.settled() if arm.settles else reading.followed(_needed(usual))
    seen = ground.seen(done.settled.recipe)
    read = reading.read(done.network, done.settled.recipe, seen, seen.test)
    if predictions is not None:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(predictions, {"read": read})
    return ArmResult(
        arm=arm.name,
        ratio=None if arm.ratio is None or math.isinf(arm.ratio) else arm.ratio,
        seed=seed,
        settled=done.settled,
        steps=sum(done.settled.phases),
        best_step=done.best_step,
        plateau=done.settled.reached,
        validation_loss=done.validation_loss,
        validation=done.validation,
        test=scores(ground.test.labels, read, ground.classes, ground.foreground),
        seconds=done.seconds,
        device=device.type,
        precision=chosen,
    )


def _needed(usual: Settled | None) -> Settled:
    if usual is None:
        raise ValueError("what arm A settled on is needed")
    return usual
