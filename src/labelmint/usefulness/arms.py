"""The arms of a study: one segmenter each, trained on real pairs, on synthetic ones, or on both, and tested
on the real test part.

R  real pairs as they are                     S          A + synthetic pairs, `ratio` for each real one in the
   batches
A  R + strong augmentation                    Y          synthetic pairs alone, augmented
C  A + copy-paste                             accuracy   R + synthetic pairs; diversity: synthetic pairs
   alone: without
                                                         augmentation, as the papers measure (their names)
A0 R + narrow augmentation, validated on as many pairs again        A0n  the same, cross-fitted within the n

With a pool of images without labels (`unlabelled`):

ST A + the pool with minted labels, 3 of these images for each labelled one (`teacher`)     S+ST  S on top of ST
FM A + consistency on the pool (`segmenters.consistency`)           TR   A + pairs of `transfer`, as S has others

A settles how long it trains and what its images undergo (`settling`); C, S, Y and the arms with a pool do as A does,
for as many steps, and R and the papers' two train as long. A0 and A0n, the baselines of former versions, settle their
own steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.objects import object_map
from labelmint.datasets.pairs import Pairs
from labelmint.evaluation.views import Views
from labelmint.pool.options import LabelOptions
from labelmint.segmenters.consistency import Consistency
from labelmint.segmenters.copy_paste import CopyPaste
from labelmint.segmenters.dense_unet import DenseUNet, load_encoder_weights
from labelmint.segmenters.lite_unet import LiteUNet
from labelmint.segmenters.mixture import Mixture
from labelmint.segmenters.plateau import ArmConfig
from labelmint.segmenters.unet import SegmenterConfig, UNet
from labelmint.usefulness.ground import Ground, synthetic_seen
from labelmint.usefulness.recipe import ALTERNATIVES, NARROW, PLAIN, STRONG, Recipe, strong_change, turn_of
from labelmint.usefulness.scoring import Scores
from labelmint.usefulness.settling import Settled

__all__ = [
    "ALONE",
    "BESIDE",
    "MINTED",
    "POOLED",
    "USUAL",
    "Arm",
    "ArmResult",
    "arm_named",
    "batches",
    "consistency",
    "network",
]

USUAL = ("R", "A", "C", "S", "Y", "accuracy", "diversity")  # arms that are trained unless others are named
BESIDE = ("A0", "A0n")  # arms that are trained where they are asked for
ALONE = ("R", "A", "C", *BESIDE, "ST", "FM", "TR")  # arms that have one form, whatever the samples are
POOLED = ("ST", "FM", "TR", "S+ST")  # of these those that need a pool
MINTED = (
    LabelOptions.ratio
)  # minted labels for each labelled pair in the batches of ST: as its teacher has them


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What a segmenter is trained on.

    Attributes:
        name: one of `USUAL`, `BESIDE` or `POOLED`.
        recipe: what is done to the pairs; of C, S and Y it is what arm A settles on.
        copy_paste: whether objects are pasted.
        ratio: synthetic pairs for each real one in the batches; None without synthetic pairs, infinite
            without real ones.
        settles: whether the arm finds its own steps. alternatives: names of what it tries beside its recipe.
        extra: whether pairs beside the n validate it, whatever the study's reading is.
        pool: what the pool is to it: its images get "minted" labels, or are read "alike" (consistency); "" where it
            has none.
    """

    name: str
    recipe: Recipe
    copy_paste: bool = False
    ratio: float | None = None
    settles: bool = False
    alternatives: tuple[str, ...] = ()
    extra: bool = False
    pool: Literal["", "minted", "alike"] = ""

    @property
    def key(self) -> str:
        """A name that tells arms of several ratios apart, fit for a file: A, S-0.5, Y."""
        return self.name if self.ratio is None or math.isinf(self.ratio) else f"{self.name}-{self.ratio:g}"


_ARMS = (
    Arm(name="R", recipe=PLAIN),
    Arm(name="A", recipe=STRONG, settles=True, alternatives=tuple(ALTERNATIVES)),
    Arm(name="C", recipe=STRONG, copy_paste=True),
    Arm(name="S", recipe=STRONG, ratio=1.0),
    Arm(name="Y", recipe=STRONG, ratio=math.inf),
    Arm(name="accuracy", recipe=PLAIN, ratio=1.0),
    Arm(name="diversity", recipe=PLAIN, ratio=math.inf),
    Arm(name="A0", recipe=NARROW, settles=True, extra=True),
    Arm(name="A0n", recipe=NARROW, settles=True),
    Arm(name="ST", recipe=STRONG, pool="minted"),
    Arm(name="FM", recipe=STRONG, pool="alike"),
    Arm(name="TR", recipe=STRONG, ratio=1.0),
    Arm(name="S+ST", recipe=STRONG, ratio=1.0, pool="minted"),
)
_OF_A_RATIO = ("S", "S+ST", "accuracy")


def arm_named(name: str, ratio: float | None = None) -> Arm:
    """The arm of that name; S, S+ST and accuracy take the ratio. Raises ValueError for other names."""
    for arm in _ARMS:
        if arm.name == name:
            return replace(arm, ratio=ratio) if name in _OF_A_RATIO else arm
    raise ValueError(f"no arm is called {name!r}")


class ArmResult(BaseModel):
    """One trained arm.

    Attributes:
        settled: what it trained by. steps: of training. plateau: False when the step limit came first.
        best_step: whose weights were kept, by validation loss; None where no other pairs validated.
        validation_loss, validation: on pairs beside, or of A when it was cross-fitted; else None.
        seconds: of the final training. device, precision: of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    arm: str
    ratio: float | None
    seed: int
    settled: Settled
    steps: int
    best_step: int | None
    plateau: bool
    validation_loss: float | None
    validation: Scores | None
    test: Scores
    seconds: float
    device: str
    precision: str


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


def batches(arm: Arm, ground: Ground, synthetic: Views | None, recipe: Recipe, seed: int) -> Mixture:
    """What the arm's segmenter is trained on, as a recipe has it; the ground has its images already."""
    training, geometry = ground.to_train(ground.training, recipe), ground.geometry
    ratio, real, made = arm.ratio or 0.0, None, None
    if recipe.augmentation == "none":
        geometry = replace(geometry, augment=frozenset())
    if not math.isinf(ratio):
        real = Pairs.of(training, geometry, seed)
    if ratio and synthetic is not None:
        seen = synthetic_seen(synthetic, recipe)
        made = Pairs(list(seen.images), list(seen.labels), geometry, seed)
    paste = None
    if arm.copy_paste:
        objects = [object_map(one.ids, one.instances, ground.backgrounds)[0] for one in training]
        images, labels = [one.image for one in training], [one.ids for one in training]
        paste = CopyPaste(images, labels, objects, geometry)
    return Mixture(
        real,
        made,
        ratio=ratio,
        turn=turn_of(geometry) if recipe.augmentation == "narrow" else None,
        copy_paste=paste,
        seed=seed,
        foreground=ground.foreground,
        change=strong_change(recipe, geometry),
        further=_minted(arm, ground, recipe, geometry, seed),
    )


def _minted(
    arm: Arm, ground: Ground, recipe: Recipe, geometry: Geometry, seed: int
) -> list[tuple[Pairs, float]]:
    """The pool with minted labels and its weight; nothing where the teacher was sure of nothing."""
    if arm.pool != "minted" or not ground.minted:
        return []
    return [(Pairs.of(ground.to_train(ground.minted, recipe), geometry, seed), MINTED)]


def consistency(arm: Arm, ground: Ground, recipe: Recipe, seed: int) -> Consistency | None:
    """The loss of the pool that an arm adds; None where it adds none. The strong change always mixes views."""
    change = strong_change(recipe.model_copy(update={"mixed": True}), ground.geometry)
    if arm.pool != "alike" or change is None or not ground.unlabelled:
        return None
    pool = Pairs.of(ground.to_train(ground.unlabelled, recipe), ground.geometry, seed)
    return Consistency(pool, change, seed=seed)
