"""A study without networks: arms whose scores are given by a function, and synthetic pairs that are noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmint import study
from labelmint.dials import TEMPERATURE
from labelmint.evaluation.views import Views
from labelmint.progress import Report
from labelmint.reports.results import Results
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout
from labelmint.usefulness.arms import Arm, ArmResult
from labelmint.usefulness.cells import Drawn
from labelmint.usefulness.ground import Ground
from labelmint.usefulness.plan import Cell, Way
from labelmint.usefulness.recipe import STRONG
from labelmint.usefulness.scoring import Scores, scores
from labelmint.usefulness.settling import Settled

SIDE = 8
CLASSES = ClassSet(
    classes=(ClassInfo(id=0, name="background"), ClassInfo(id=1, name="square"), ClassInfo(id=2, name="bar"))
)
COMMON: dict[str, Any] = {
    "preset": "tiny",
    "size": (SIDE, SIDE),
    "device": "cpu",
    "precision": "32",
    "threads": 1,
    "samples": 12,
}
Rule = Callable[[Arm, int, int], tuple[float, float]]  # arm, n, seed -> validation and test Dice


def pairs(count: int, first: int = 0, prefix: str = "p") -> list[AnnotatedImage]:
    """Grey images with a square and a bar."""
    found = []
    for k in range(first, first + count):
        image, label_map = np.full((SIDE, SIDE, 1), k % 200, np.uint8), np.zeros((SIDE, SIDE), np.uint8)
        label_map[:3, :3], label_map[5:7, :] = 1, 2
        image[label_map > 0] += 40
        found.append(AnnotatedImage(name=f"{prefix}{k:03d}", image=image, layout=Layout(label_map=label_map)))
    return found


def data_of(
    made: Sequence[AnnotatedImage],
    test: Sequence[str] = (),
    classes: ClassSet = CLASSES,
    source: str = "memory",
) -> DataSet:
    by_name = {pair.name: pair for pair in made}
    return DataSet(
        source=source,
        format="memory",
        classes=classes,
        names=tuple(sorted(by_name)),
        load=by_name.__getitem__,
        test=tuple(test) or None,
    )


def real_data(count: int = 60) -> DataSet:
    """`count` pairs that may be trained on, 10 of them for tests beside."""
    made = pairs(count + 10)
    return data_of(made, [pair.name for pair in made[:10]])


def with_dice(dice: float) -> Scores:
    plain = scores(np.zeros((1, 4, 4), np.int16), np.zeros((1, 4, 4), np.int16), 3, (1, 2))
    return plain.model_copy(
        update={"dice": dice, "miou": dice, "boundary": dice, "dice_by_class": (1.0, dice, dice)}
    )


class Trainer:
    """Stands in for `train_arm`: scores by rule; `calls` lists what was trained."""

    def __init__(self, rule: Rule, stop_after: int = 10**9, seconds: float = 0.0) -> None:
        self.rule, self.stop_after, self.seconds = rule, stop_after, seconds
        self.calls: list[tuple[str, int, int]] = []
        self.usual: dict[tuple[str, int, int], Settled | None] = {}
        self.grounds: dict[tuple[str, int, int], Ground] = {}

    def __call__(self, arm: Arm, ground: Ground, synthetic: Views | None, **more: Any) -> ArmResult:
        if len(self.calls) >= self.stop_after:
            raise KeyboardInterrupt
        n, seed = len(ground.training), more["seed"]
        self.calls.append((arm.key, n, seed))
        self.usual[arm.key, n, seed], self.grounds[arm.key, n, seed] = more["usual"], ground
        assert (synthetic is None) == (arm.ratio is None)
        validation, test = self.rule(arm, n, seed)
        ratio = None if arm.ratio is None or math.isinf(arm.ratio) else arm.ratio
        return ArmResult(
            arm=arm.name,
            ratio=ratio,
            seed=seed,
            settled=Settled(
                recipe=STRONG,
                phases=(90 + n, 10),
                reached=True,
                dice=validation,
                most_steps=more["config"].most_steps if "config" in more else 8000,
            ),
            steps=100 + n,
            best_step=50,
            plateau=True,
            validation_loss=1 - validation,
            validation=with_dice(validation) if ground.validation is not None else None,
            test=with_dice(test),
            seconds=self.seconds,
            device="cpu",
            precision="32-true",
        )


class Noise:
    """Stands in for generators; `refuses` names the filters that let nothing pass."""

    dials = (TEMPERATURE,)
    from_pool = False

    def __init__(self, refuses: tuple[str, ...] = (), copies: int = 0, expected: float = 0.0) -> None:
        """`copies` of the candidates are near-copies: beside those that are wanted, or of the 5,000 that were
        refused.
        """
        self.refuses, self.copies, self.expected = refuses, copies, expected
        self.calls: list[tuple[int, int, str]] = []

    def expected_seconds(self) -> float:
        return self.expected

    def make(
        self, cell: Cell, way: Way, count: int, folder: Path, report: Report
    ) -> tuple[Views | None, Drawn]:
        self.calls.append((cell.n, cell.seed, way.key))
        if way.filter in self.refuses:
            return None, Drawn(
                seconds=0.0,
                refused="0 of 5000 passed",
                drawn=5000,
                disagreeing=5000 - self.copies,
                copies=self.copies,
            )
        names = tuple(map(str, range(count)))
        rng = np.random.default_rng(cell.seed)
        views = Views(
            names=names,
            groups=names,
            images=rng.integers(0, 255, (count, SIDE, SIDE, 1), np.uint8),
            labels=rng.integers(0, 3, (count, SIDE, SIDE)).astype(np.int16),
            instances=None,
        )
        if way.filter == "off":
            return views, Drawn(seconds=0.0)
        drawn = count + self.copies
        return views, Drawn(seconds=0.0, drawn=drawn, disagreeing=0, copies=self.copies)


def known(gain: float = 0.05, alone: float = 0.4) -> Callable[[Arm, int, int], tuple[float, float]]:
    """A learns 0.5 at 10 pairs and 0.6 with all; S gains the same at every ratio but most at 1; seeds differ
    a little.
    """

    def rule(arm: Arm, n: int, seed: int) -> tuple[float, float]:
        usual = 0.5 + 0.1 * (n > 10) + 0.01 * seed
        by_name = {
            "R": -0.1,
            "A": 0.0,
            "C": 0.01,
            "S": gain + 0.01,
            "Y": alone - usual,
            "accuracy": 0.0,
            "diversity": -0.3,
            "A0": -0.05,
            "A0n": -0.07,
        }
        test = usual + by_name[arm.name] + (0.001 * seed if arm.name == "S" else 0.0)
        return test - 0.02 * abs((arm.ratio or 1.0) - 1.0) * (arm.name == "S"), test

    return rule


def run_study(out: Path, trainer: Trainer, maker: Noise | None = None, **more: Any) -> Results:
    """A study of `real_data`."""
    options = {**COMMON, "n_train": (10, None), "ratios": (0.5, 1.0), "seeds": 2, **more}
    return study(real_data(), out, maker=maker or Noise(), train_arm=trainer, **options)


GAINS = {"ST": 0.08, "FM": 0.03, "TR": 0.01, "S+ST": 0.1, "S": 0.02, "C": 0.01}


def rule(arm: Arm, n: int, seed: int) -> tuple[float, float]:
    """Seeds differ, and the ways differ from each other a little by seed."""
    usual = known()(replace(arm, name="A"), n, seed)[1]
    if arm.name not in GAINS:
        return known()(arm, n, seed)
    return usual, usual + GAINS[arm.name] + 0.001 * seed
