"""What a comparison can be told."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import get_args

from labelmint.errors import InputError, named
from labelmint.evaluation.subject import FEWEST_SAMPLES
from labelmint.nn.efficientnet import LITE0
from labelmint.seeds import several
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.systems.catalogue import SYSTEMS
from labelmint.training.clock import ClockKind

__all__ = ["ComparisonOptions", "system_of"]


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """What a comparison can be told.

    Arguments:
        systems: names of at least two; `labelmint systems` lists them. "spade@plain" is spade as a variant, which has
            settings of its own.
        minutes: time of each training.
        clock: which counts them: "wall", or "processor", the work of each thread, fair on a machine that does other
            work too.
        endless: whether the last part of each system learns until they are over, however many steps its preset has.
        seeds, seed: trainings of each system, and the seed of the first.
        n: samples of each training, for the layouts of the test part in turn.
        preset, size, crop, scale, augment, normalize, rebalance, group_by: of every training, as for `train`.
        settings: single values of one system or variant, as in "flow:generator.widths=64,96".
        judge: sizes and training of the judge.
        features: of another network, for a Fréchet distance of theirs: "efficientnet-lite0"; none unless given.
        resamples: of the bootstrap of each interval.
        device, precision, threads: where and how to compute, the same for all.

    Raises InputError for values out of range, unknown systems, and fewer than two of them.
    """

    systems: tuple[str, ...]
    minutes: float = 30.0
    clock: ClockKind = "wall"
    endless: bool = True
    seeds: int = 1
    seed: int = 0
    n: int = 400
    preset: str = "small"
    size: tuple[int, int] | None = None
    crop: bool = False
    scale: float = 1.0
    augment: tuple[str, ...] = ()
    normalize: str = "none"
    rebalance: str = "none"
    settings: tuple[str, ...] = ()
    group_by: str | None = None
    judge: SegmenterConfig = field(default_factory=SegmenterConfig)
    features: str | None = None
    resamples: int = 200
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in self.systems:
            named("system", system_of(name), SYSTEMS)
            if not re.fullmatch(r"[^@]+(@[a-z0-9-]{1,20})?", name):
                raise InputError(
                    f"--systems {name}: expected SYSTEM or SYSTEM@VARIANT, the variant in at most 20 letters a to z, "
                    f"digits and hyphens"
                )
            if self.systems.count(name) > 1:
                raise InputError(f"--systems {','.join(self.systems)}: {name} is named twice")
        if len(self.systems) < 2:
            raise InputError(
                f"--systems {','.join(self.systems)}: a comparison needs at least two systems, as in mint,flow"
            )
        if not (self.minutes > 0 and math.isfinite(self.minutes)):
            raise InputError(f"--minutes {self.minutes:g}: expected more than 0")
        if self.clock not in get_args(ClockKind):
            raise InputError(f"--clock {self.clock}: expected wall or processor")
        if self.features is not None:
            named("network of --features", self.features, {LITE0: None})
        several(self.seed, self.seeds)
        if self.n < FEWEST_SAMPLES:
            raise InputError(
                f"-n {self.n}: a comparison needs at least {FEWEST_SAMPLES} samples of each training"
            )

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds of the trainings of each system."""
        return several(self.seed, self.seeds)


def system_of(name: str) -> str:
    """The system of an entry of `systems`, be it a variant or not."""
    return name.partition("@")[0]
