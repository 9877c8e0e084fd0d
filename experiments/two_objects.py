"""Layouts of one object in the center and one other, as Figure 8 of the MSGNet paper asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from experiments.common import draw

from labelmint.datasets.objects import object_map
from labelmint.metrics.coherence import OneInCenter, scene_objects
from labelmint.runs.given import Given
from labelmint.runs.trained import TrainedSystem
from labelmint.types import AnnotatedImage, Array

__all__ = ["AT_ONCE", "TwoObjects", "images_of", "two_objects"]

AT_ONCE = 16


@dataclass(frozen=True)
class TwoObjects:
    """A layout of two objects: symbols (H, W), masks of the one in the center and the other, the symbol of
    the background.
    """

    symbols: Array
    center: Array
    other: Array
    ground: int

    @property
    def alone(self) -> Array:
        """The symbols without the other object."""
        return np.where(self.other, self.ground, self.symbols).astype(self.symbols.dtype)

    @property
    def cornered(self) -> Array:
        """The symbols with the center object moved into the corner farthest from the other."""
        (rows, columns), (y, x) = (
            np.nonzero(self.center),
            (float(one.mean()) for one in np.nonzero(self.other)),
        )
        height, width = self.center.shape
        down = -rows.min() if y > height / 2 else height - 1 - rows.max()
        across = -columns.min() if x > width / 2 else width - 1 - columns.max()
        moved = np.where(self.center, self.ground, self.symbols)
        moved[rows + down, columns + across] = self.symbols[rows, columns]
        moved[self.other] = self.symbols[self.other]
        return moved.astype(self.symbols.dtype)

    @property
    def distance(self) -> float:
        """Between the nearest pixels of the two, in shares of the longer side."""
        from scipy import ndimage

        nearest: float = ndimage.distance_transform_edt(~self.other)[self.center].min()
        return float(nearest / max(self.center.shape))


def two_objects(system: TrainedSystem, symbols: Array) -> TwoObjects | None:
    """The layout when it keeps the rule and holds two objects, else None; symbols (H, W)."""
    layout, without = (
        system.config.symbol_table.layout(symbols, system.config.has_instances),
        system.classes.without_objects,
    )
    numbered, classes = object_map(layout.label_map, layout.instances, without)
    scene = scene_objects(layout.label_map, layout.instances, without)
    empty = symbols[np.isin(layout.label_map, sorted(without))]
    if len(classes) != 2 or OneInCenter().check(scene) or not empty.size:
        return None
    away = [
        max(abs(x / scene.size[1] - 0.5), abs(y / scene.size[0] - 0.5))
        for x, y in (item.center for item in scene.objects)
    ]
    first = int(np.argmin(away)) + 1
    return TwoObjects(symbols, numbered == first, numbered == 3 - first, int(np.bincount(empty).argmax()))


def images_of(system: TrainedSystem, symbols: Array, seed: int, temperature: float) -> list[AnnotatedImage]:
    """An image for each layout (N, H, W)."""
    given, size = Given(ids=torch.from_numpy(np.ascontiguousarray(symbols))), min(AT_ONCE, len(symbols))
    return draw(system, given, len(symbols), batch_size=size, seed=seed, temperature=temperature)
