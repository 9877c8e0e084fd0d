"""Smoothness: how much frames differ from their neighbors (CIMLE's supplement, Figure 4).

    d_f = mean over pixels and channels of |x_(f+1) - x_f|,    in levels of 255,    f = 0 ... F - 2

Frames whose layouts change differ in any case. What their codes add shows beside the same layouts under a fresh code
each, which is how a generator that picks a look at random films them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.storage import write_aside
from labelmint.types import Array

__all__ = ["Differences", "draw_smoothness"]

_DIGITS = 4


@dataclass
class Differences:
    """Differences of neighboring frames, taken one frame after the other.

    Attributes:
        each: d_f of the frames so far. total: (H, W), the sum of |x_(f+1) - x_f| over them, mean over channels.
    """

    each: list[float] = field(default_factory=list)
    total: Array | None = None
    _last: Array | None = None

    def add(self, image: Array) -> None:
        """The next frame, (H, W, C) uint8."""
        if self._last is not None:
            found = np.abs(image.astype(np.int16) - self._last).mean(axis=2)
            self.each.append(round(float(found.mean()), _DIGITS))
            self.total = found if self.total is None else self.total + found
        self._last = image.astype(np.int16)

    @property
    def mean(self) -> float:
        """Mean of d_f."""
        return round(float(np.mean(self.each)), _DIGITS)

    def to_json(self) -> dict[str, Any]:
        """The mean, and each."""
        return {"mean": self.mean, "each": self.each}


def draw_smoothness(shown: Mapping[str, Differences], path: Path) -> None:
    """A PNG of the differences of some movies of the same layouts, each under its name: as curves over frames, and
    where in the image they lie, darker where there are fewer.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 + 2.6 * len(shown), 3.0), dpi=100, layout="constrained")
    widths = [1.8, *[1.0] * len(shown)]
    curves, *maps = figure.subplots(1, 1 + len(shown), width_ratios=widths)
    highest = 0.0
    for name, found in shown.items():
        curves.plot(np.arange(1, len(found.each) + 1), found.each, label=f"{name}: {found.mean:.3g}")
        assert found.total is not None
        highest = max(highest, float(found.total.max()) / len(found.each))
    curves.set_ylim(bottom=0)
    curves.set_xlabel("frame")
    curves.set_ylabel("difference to the frame before")
    curves.grid(alpha=0.3)
    curves.legend(fontsize=8)
    for axes, (name, found) in zip(maps, shown.items(), strict=True):
        assert found.total is not None
        axes.imshow(found.total / len(found.each), cmap="gray", vmin=0, vmax=highest or 1.0)
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
    with write_aside(path) as aside:
        figure.savefig(aside, format="png", metadata={"Software": None})
