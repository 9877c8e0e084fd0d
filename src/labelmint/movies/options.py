"""What a movie can be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from labelmint.dials import check_ranges
from labelmint.errors import InputError
from labelmint.protocols import Dials
from labelmint.runs.draw import at_least
from labelmint.types import DataSet

__all__ = ["MOST_FRAMES", "MovieOptions"]

MOST_FRAMES = 10_000
_MOST_PER_SECOND, _FARTHEST, _ZOOM = 60.0, 100_000.0, 20.0


@dataclass(frozen=True, kw_only=True)
class MovieOptions:
    """What a movie can be told.

    Arguments:
        layouts: a data set, one of whose layouts is shown; the run's own training layouts unless given.
        name: of that layout; the first unless given.
        sequence: a data set whose layouts are shown one after the other, in order of their names.
        move: a class; its largest object in the layout moves along a path and comes back.
        by: (x, y) how far it moves, in pixels of the layout, to the right and down. zoom: its size at the far end,
            relative to where it began.
        from_seed, to_seed: the code goes from that of one seed to that of the other. Without `to_seed` a layout that
            stands still takes the next seed, and layouts that change are shown under one code.
        frames: how many; 60 unless given, of a sequence all of its layouts, else the first so many.
        per_second: frames a second; between 1 and 60.
        dials: values for what the run heeds, by name.
        batch_size: B, frames drawn at a time; a part of what decides the bytes. None: `TrainedSystem.usual_batch`.

    Raises InputError for values out of range, and for options that do not go together.
    """

    layouts: DataSet | None = None
    name: str | None = None
    sequence: DataSet | None = None
    move: str | None = None
    by: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    from_seed: int = 0
    to_seed: int | None = None
    frames: int | None = None
    per_second: float = 12.0
    dials: Dials = field(default_factory=dict)
    batch_size: int | None = None

    def __post_init__(self) -> None:
        at_least(
            from_seed=(self.from_seed, 0),
            to_seed=(self.to_seed, 0),
            frames=(self.frames, 2 if self.move is None else 3),
            batch_size=(self.batch_size, 1),
        )
        if self.frames is not None and self.frames > MOST_FRAMES:
            raise InputError(f"--frames {self.frames}: expected at most {MOST_FRAMES}")
        if not 1 <= self.per_second <= _MOST_PER_SECOND:
            raise InputError(f"--fps {self.per_second:g}: expected 1 to {_MOST_PER_SECOND:g} frames a second")
        if self.to_seed == self.from_seed:
            raise InputError(
                f"--to-seed {self.to_seed}: that is --from-seed, so the code would stay; give another, or none"
            )
        check_ranges(self.dials)
        self._check_layouts()
        self._check_path()

    def _check_layouts(self) -> None:
        if self.sequence is None:
            return
        unfit: Mapping[str, object] = {
            "--layouts": self.layouts is not None,
            "--name": self.name,
            "--move": self.move,
        }
        for option, given in unfit.items():
            if given:
                raise InputError(
                    f"{option}: does not go with --sequence, which shows all layouts of its data"
                )

    def _check_path(self) -> None:
        if self.move is None:
            if self.by != (0.0, 0.0) or self.zoom != 1.0:
                option = "--zoom" if self.by == (0.0, 0.0) else "--by"
                raise InputError(f"{option}: of what? name the class of the object with --move")
            return
        if not all(math.isfinite(one) and abs(one) <= _FARTHEST for one in self.by):
            raise InputError(
                f"--by {','.join(f'{one:g}' for one in self.by)}: expected pixels to the right and down"
            )
        if not 1 / _ZOOM <= self.zoom <= _ZOOM:  # false for no number
            raise InputError(f"--zoom {self.zoom:g}: expected a factor from {1 / _ZOOM:g} to {_ZOOM:g}")
        if self.by == (0.0, 0.0) and self.zoom == 1.0:
            raise InputError(f"--move {self.move}: where to? give --by DX,DY or --zoom S")
        if self.layouts is None:
            raise InputError(
                f"--move {self.move}: in which layout? give the data that hold it with --layouts"
            )
