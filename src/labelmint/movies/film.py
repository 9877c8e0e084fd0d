"""Frames: images of layouts and codes, each with its label.

Frame f is computed in row f mod B of chunk f // B, as samples are, and a chunk that is not full is filled up with
its last frame: so the first frame has the bytes of the sample that `synthesize` draws for its layout and seed, with the
same batch size, device and threads, and the last one those of the other seed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from labelmint.datasets.ranges import Range, restored
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.generators.between import between
from labelmint.movies.scenes import Scenes
from labelmint.progress import Event, Report
from labelmint.protocols import Coded, Dials
from labelmint.runs.labels import labels_of
from labelmint.types import AnnotatedImage, Array

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Film"]


@dataclass(frozen=True, kw_only=True)
class Film:
    """What draws the frames of a movie.

    Arguments:
        system: whose generator is `Coded`. scenes: what is to be shown.
        seed: of the code at the beginning. fresh: True draws each frame f under a code of its own, that of sample
            index + f, instead of one that stays or goes on its way.
        dials: a value for each. batch_size: B.
    """

    system: TrainedSystem
    scenes: Scenes
    seed: int
    dials: Dials
    batch_size: int
    fresh: bool = False

    def frames(self, stage: str, report: Report) -> Iterator[AnnotatedImage]:
        """All frames in order, named by their number."""
        size, count, begin = self.batch_size, len(self.scenes), time.perf_counter()
        for first in range(0, count, size):
            wanted = range(first, min(first + size, count))
            yield from self._chunk(wanted, [*wanted] + [wanted[-1]] * (size - len(wanted)))
            speed = wanted.stop / (time.perf_counter() - begin)
            report(Event(stage, wanted.stop, count, speed, (count - wanted.stop) / speed))

    def _chunk(self, wanted: range, rows: list[int]) -> Iterator[AnnotatedImage]:
        system, images = self.system, cast(Coded, self.system.images)
        source = self.scenes.given.layouts(1)
        drawn = source.sample([(0, self.scenes.rows[frame]) for frame in rows], self.dials)
        seen = system.wired.see(drawn)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            made = images.of_codes(seen.to(system.device), self._codes(images, rows), self.dials)
        pixels, labels = self._pixels(made, rows), labels_of(system.config, drawn, seen, None)
        for row, frame in enumerate(wanted):
            yield AnnotatedImage(name=f"frame_{frame:06d}", image=pixels[row], layout=labels[row])

    def _codes(self, images: Coded, rows: list[int]) -> Tensor | None:
        index, noise = self.scenes.index, images.noise
        if noise is None:
            return None
        if self.fresh:
            return images.codes([(self.seed, index + frame) for frame in rows])
        first = images.codes([(self.seed, index)])
        last = images.codes([(self._to_seed, index)])
        assert first is not None
        assert last is not None
        return between(noise, first, last, self._places(rows))

    @property
    def _to_seed(self) -> int:
        return self.seed if self.scenes.to_seed is None else self.scenes.to_seed

    def _places(self, rows: list[int]) -> Tensor:
        places = self.scenes.places
        return torch.tensor([places[frame] for frame in rows], dtype=torch.float64)

    def _pixels(self, made: Tensor, rows: list[int]) -> Array:
        """Levels of images, in the range of the first sample, on its way to that of the last."""
        ranges, index = self.system.ranges, self.scenes.index
        if ranges is None:
            return EIGHT_BITS.from_unit(made)
        if self.fresh:
            return restored(made, [ranges.range((self.seed, index + frame)) for frame in rows])[0]
        first, last = (ranges.range((seed, index)) for seed in (self.seed, self._to_seed))
        places = self.scenes.places
        return restored(made, [_between(first, last, places[frame]) for frame in rows])[0]


def _between(first: Range, last: Range, t: float) -> Range:
    low, high = ((1 - t) * a + t * b for a, b in zip(first, last, strict=True))
    return Range(low, high)
