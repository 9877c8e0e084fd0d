"""What is to be shown: the layout of each frame, and where its code lies on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labelmint.errors import InputError
from labelmint.movies.options import MOST_FRAMES, MovieOptions
from labelmint.movies.path import Path, moved
from labelmint.protocols import Coded, Noise
from labelmint.runs.given import Given
from labelmint.types import DataSet

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Kind", "Scenes", "noise_of", "scenes_of"]

Kind = Literal["still", "sequence", "moved"]
_FRAMES = 60


@dataclass(frozen=True, kw_only=True)
class Scenes:
    """The frames of a movie, before they are drawn.

    Attributes:
        kind: a layout that stands still, layouts of a data set in turn, or one in which an object moves.
        given: the layouts. rows: which of them each frame shows. names: of the pairs that they come from, by frame.
        index: of the sample whose codes are taken: that which `synthesize` draws for the first layout.
        to_seed: of the code at the end; None where the code stays, or where there is none.
    """

    kind: Kind
    given: Given
    rows: tuple[int, ...]
    names: tuple[str, ...]
    index: int
    to_seed: int | None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def places(self) -> list[float]:
        """Where the code of each frame lies on its way, from 0 to 1; 0 throughout where it stays."""
        last = len(self) - 1
        return [0.0 if self.to_seed is None else frame / last for frame in range(len(self))]


def scenes_of(system: TrainedSystem, options: MovieOptions) -> Scenes:
    """The frames that are asked for.

    Raises InputError for a system without codes, names of layouts that are none, and whatever `movies.path` and
    `TrainedSystem.given` refuse.
    """
    still = options.sequence is None and options.move is None
    noise = noise_of(system)
    if noise is None and (still or options.to_seed is not None):
        raise InputError(
            f"{system.system} draws one image of a layout here, so there is no code to change; show layouts that "
            f"change, with --sequence or --move and without --to-seed"
        )
    if options.sequence is not None:
        return _sequence(system, options.sequence, options)
    frames = options.frames or _FRAMES
    if options.layouts is None:
        return _stored(system, options, frames)
    name, index = _named(options.layouts.names, options, options.layouts.source)
    one = options.layouts.subset([name])
    if options.move is None:
        to_seed = options.from_seed + 1 if options.to_seed is None else options.to_seed
        rows = (0,) * frames
        return Scenes(
            kind="still",
            given=system.given(one),
            rows=rows,
            names=(name,) * frames,
            index=index,
            to_seed=to_seed,
        )
    walking = moved(one, name, options.move, Path(options.by, options.zoom), frames)
    return Scenes(
        kind="moved",
        given=system.given(walking),
        rows=tuple(range(frames)),
        names=(name,) * frames,
        index=index,
        to_seed=options.to_seed,
    )


def noise_of(system: TrainedSystem) -> Noise | None:
    """The noise that the system's codes consist of; None where a layout has one image.

    Raises InputError for a system that draws tokens, or moves training pairs.
    """
    if not isinstance(system.images, Coded):
        how = "moves the images of training pairs" if system.moves_pairs else "draws an image token by token"
        raise InputError(
            f"{system.path}: {system.system} {how}, so it has no code to change; train spade, bicyclegan, cimle or flow"
        )
    return system.images.noise


def _by_number(name: str) -> list[str | int]:
    """A key that sorts frame-2 before frame-10: texts and numbers of a name in turn."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _sequence(system: TrainedSystem, data: DataSet, options: MovieOptions) -> Scenes:
    frames = len(data) if options.frames is None else options.frames
    if frames > len(data):
        raise InputError(f"--frames {frames}: {data.source} has {len(data)} layouts, one for each frame")
    if frames < 2:
        raise InputError(f"{data.source}: has {frames} layout, and a sequence needs two at least")
    if frames > MOST_FRAMES:
        raise InputError(
            f"{data.source}: has {frames} layouts; take the first with --frames, {MOST_FRAMES} at most"
        )
    names = tuple(sorted(data.names, key=_by_number))[:frames]
    return Scenes(
        kind="sequence",
        given=system.given(data.subset(names)),
        rows=tuple(range(frames)),
        names=names,
        index=0,
        to_seed=options.to_seed,
    )


def _stored(system: TrainedSystem, options: MovieOptions, frames: int) -> Scenes:
    """One of the run's own training layouts, which `synthesize` calls so, too; of none where there are no labels."""
    names = [f"training layout {k}" for k in range(len(system.training_layouts()))]
    name, index = _named(names, options, str(system.path))
    return Scenes(
        kind="still",
        given=system.stored,
        rows=(index,) * frames,
        names=(name,) * frames,
        index=index,
        to_seed=options.from_seed + 1 if options.to_seed is None else options.to_seed,
    )


def _named(names: Sequence[str], options: MovieOptions, source: str) -> tuple[str, int]:
    """Name and place of the layout that is asked for."""
    if options.name is None:
        return names[0], 0
    if options.name not in names:
        raise InputError(
            f"--name {options.name}: {source} has no such layout; the first of {len(names)} are "
            f"{', '.join(repr(one) for one in names[:3])}"
        )
    return options.name, names.index(options.name)
