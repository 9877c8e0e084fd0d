"""What `TrainedSystem.synthesize` and `SyntheticPairs` are told becomes a `Draw`, checked against the system."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from labelmint.runs.draw import Draw, asked, at_least
from labelmint.runs.labels import check_labels
from labelmint.runs.streams import check_reseed
from labelmint.runs.style import style_of

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem
    from labelmint.types import DataSet

__all__ = ["draw_of"]


def draw_of(
    system: TrainedSystem,
    *,
    seed: int,
    batch_size: int | None,
    layouts: DataSet | None,
    per_layout: int,
    vary: bool,
    reseed: Mapping[str, int] | None,
    style_image: str | Path | None,
    labels: str | None,
    dials: Mapping[str, float | None],
) -> Draw:
    """The draw; arguments and errors are those of `TrainedSystem.synthesize`."""
    at_least(batch_size=(batch_size, 1))
    values = asked(dials)
    system.resolve(values)
    if batch_size is None:
        batch_size = system.usual_batch(lambda line: warnings.warn(line, UserWarning, stacklevel=5), values)
    given = system.given(layouts, references=system.needs_references) if layouts is not None else None
    check_labels(system.config, labels)
    draw = Draw(
        seed=seed,
        batch_size=batch_size,
        dials=values,
        layouts=given,
        per_layout=per_layout,
        vary=vary,
        reseed=reseed or {},
        style=None if style_image is None else style_of(system, style_image),
        labels=labels,
    )
    check_reseed(system, draw)
    system.check_batch(batch_size, values)
    return draw
