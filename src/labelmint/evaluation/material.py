"""All that the figures of an evaluation are computed on, gathered once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labelmint.datasets.pair import Pair
from labelmint.evaluation.views import Views
from labelmint.metrics.bootstrap import half_interval, interval
from labelmint.progress import Event, Report
from labelmint.segmenters.judge import Judge
from labelmint.types import Array, ClassSet

__all__ = ["Material", "teller"]

FEATURES = 64  # dimensions that features are reduced to
FEWEST_LAYOUTS = 10  # shared by samples, for an interval by halves: of 5, 95 % intervals of a mean hold 82 %


class Axes(NamedTuple):
    """What features are told by: a center (D,), axes (k, D), k <= 64, and a scale."""

    center: Array
    kept: Array
    scale: float

    @classmethod
    def of(cls, seen: Array) -> Axes:
        """The main axes of the features (N, D) of training views, which then have a variance of 1 as a whole."""
        center = seen.mean(axis=0)
        _, values, axes = np.linalg.svd(seen - center, full_matrices=False)
        kept = axes[: min(FEATURES, max(int((values > 1e-6 * values[0]).sum()), 1))]
        return cls(center, kept, max(float(np.sqrt(((seen - center) @ kept.T).var(axis=0).sum())), 1e-12))

    def tell(self, features: Array) -> Array:
        """Features (N, D) as (N, k)."""
        told: Array = (features - self.center) @ self.kept.T / self.scale
        return told


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
    axes: Axes | None = None  # that features are told by

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
        if self.axes is None:
            raw = self.judge.features(self.seen.images)
            self.axes = Axes.of(raw)
            self.vectors["seen"] = self.axes.tell(raw)
        if which not in self.vectors:
            self.vectors[which] = self.axes.tell(self.judge.features(self._views(which).images))
        return self.vectors[which]

    def interval(
        self, statistic: Callable[[Array], float], groups: Sequence[str]
    ) -> tuple[float | None, float | None]:
        """The bootstrap interval of a statistic of samples, which takes their indices; `groups` are their layouts,
        which are resampled whole. (None, None) for one layout: it says nothing about how layouts differ.
        """
        if len(set(groups)) < 2:
            return None, None
        return interval(statistic, len(groups), self.resamples, self.seed, groups=groups)

    def half_interval(
        self, statistic: Callable[[Array], float], value: float, groups: Sequence[str], repeats: int
    ) -> tuple[float | None, float | None]:
        """The interval by halves of a distance of samples, which is `value` for all; otherwise as `interval`. (None,
        None) where samples share layouts and these are fewer than 10, or one has over half of the samples: halves of
        so few say too little of how layouts differ.
        """
        sizes = Counter(groups).values()
        if len(sizes) < 2 or (max(sizes) > 1 and len(sizes) < FEWEST_LAYOUTS) or 2 * max(sizes) > len(groups):
            return None, None
        return half_interval(statistic, value, len(groups), repeats, self.seed, groups=groups)

    def beside(self, synthetic: Views, folder: Path) -> Material:
        """Other samples beside the same real pairs, of which nothing is read twice."""
        return replace(
            self,
            synthetic=synthetic,
            folder=folder,
            readings=_of_real(self.readings),
            vectors=_of_real(self.vectors),
        )

    def _views(self, which: str) -> Views:
        return {"seen": self.seen, "real": self.real, "synthetic": self.synthetic}[which]


def _of_real(found: dict[str, Array]) -> dict[str, Array]:
    return {name: value for name, value in found.items() if name != "synthetic"}


def teller(report: Report, stage: str) -> Callable[[int, int], None]:
    """A function of (done, of) that reports progress of a stage."""
    return lambda done, of: report(Event(stage, done, of))
