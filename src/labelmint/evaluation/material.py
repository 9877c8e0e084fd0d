"""All that the figures of an evaluation are computed on, gathered once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labelmint.datasets.pair import Pair
from labelmint.evaluation.views import Views
from labelmint.progress import Event, Report
from labelmint.segmenters.judge import Judge
from labelmint.types import Array, ClassSet

__all__ = ["Material", "teller"]

FEATURES = 64  # dimensions that features are reduced to


@dataclass
class Material:
    """Real and synthetic pairs at one size, and the judge.

    Attributes:
        folder: of the report; pictures go there.
        classes: of the real data. foreground: class indices without the background.
        training, validation, test: real pairs at the scale of training.
        seen: views of the training pairs. real: views of the test pairs. synthetic: all samples.
        judge: trained on the training pairs.
        drawn_layouts: whether the layouts of the samples were drawn, not taken from training pairs.
        seed: of resamples and draws.
        report: takes progress.
        resamples: of the bootstrap of each interval.
    """

    folder: Path
    classes: ClassSet
    foreground: tuple[int, ...]
    training: list[Pair]
    validation: list[Pair]
    test: list[Pair]
    seen: Views
    real: Views
    synthetic: Views
    judge: Judge
    drawn_layouts: bool
    seed: int
    report: Report
    resamples: int = 200
    readings: dict[str, Array] = field(default_factory=dict)  # what the judge reads, by set
    vectors: dict[str, Array] = field(default_factory=dict)  # its features, by set

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of all views."""
        return int(self.real.images.shape[1]), int(self.real.images.shape[2])

    @property
    def backgrounds(self) -> frozenset[int]:
        """Class ids that have no objects, ignored ones included."""
        ids = self.classes.ids
        return frozenset({*(i for k, i in enumerate(ids) if k not in self.foreground), *self.classes.ignore})

    def reading(self, which: str) -> Array:
        """Class indices (N, H, W) that the judge reads from the images of "seen", "real" or "synthetic"."""
        if which not in self.readings:
            self.readings[which] = self.judge.predict(
                self._views(which).images, teller(self.report, f"judge reads {which}")
            )
        return self.readings[which]

    def features(self, which: str) -> Array:
        """The judge's features (N, D) of "seen", "real" or "synthetic", D <= 64: the main axes of those of
        training views, as a whole of variance 1.
        """
        if not self.vectors:
            raw = {
                name: self.judge.features(self._views(name).images) for name in ("seen", "real", "synthetic")
            }
            center = raw["seen"].mean(axis=0)
            _, values, axes = np.linalg.svd(raw["seen"] - center, full_matrices=False)
            kept = axes[: min(FEATURES, max(int((values > 1e-6 * values[0]).sum()), 1))]
            scale = max(float(np.sqrt(((raw["seen"] - center) @ kept.T).var(axis=0).sum())), 1e-12)
            self.vectors = {name: (value - center) @ kept.T / scale for name, value in raw.items()}
        return self.vectors[which]

    def _views(self, which: str) -> Views:
        return {"seen": self.seen, "real": self.real, "synthetic": self.synthetic}[which]


def teller(report: Report, stage: str) -> Callable[[int, int], None]:
    """A function of (done, of) that reports progress of a stage."""
    return lambda done, of: report(Event(stage, done, of))
