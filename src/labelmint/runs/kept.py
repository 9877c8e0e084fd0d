"""What a system's tokens keep of the layouts of a data set, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.splits import held_out
from labelmint.datasets.token_grid import whole_cells
from labelmint.errors import InputError, named
from labelmint.systems.catalogue import PRESETS, SYSTEMS, settings_of
from labelmint.systems.system import Facts
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.patterns import Patterns
from labelmint.types import Array, DataSet

__all__ = ["Kept", "kept_by"]

_AT_ONCE = 64  # layouts that are counted together


class Kept(NamedTuple):
    """How layouts are written in tokens.

    tokens: in words. grid: (h, w) of a view. written: a label map of class ids (H, W) as it is read again; None
    where a token is a cell of one class.
    """

    tokens: str
    grid: tuple[int, int]
    written: Callable[[Array], Array] | None


def kept_by(
    preset: str,
    geometry: Geometry,
    data: DataSet,
    tell: Callable[[int, int], None] = lambda done, of: None,
    system: str | None = None,
) -> Kept:
    """How a system, that of the preset unless one is named, sees the layouts of these data as that geometry has them.

    Patterns are counted in all pairs but those of the test part, each as a whole; classes stand for symbols,
    as if no instances touched. `tell` is called with (pairs counted, pairs in all). Raises InputError for a
    size that the tokens don't fit, for more classes than there are patterns, and for a preset that the system lacks.
    """
    of = named("system", system or named("preset", preset, PRESETS).system, SYSTEMS)
    size, ids = geometry.size, np.array(sorted({*data.classes.ids, *data.classes.ignore}))
    with torch.device("meta"):  # shapes alone
        wired = of.wire(settings_of(of.name, preset), Facts(1, size, len(ids)))
    tokenizer = wired.stages[0].module
    if not isinstance(tokenizer, CoupledPatterns):
        grid = size[0] // wired.cell, size[1] // wired.cell
        if wired.cell == 1:
            return Kept(f"{of.name}, which takes layouts as they are", grid, None)
        return Kept(f"the {grid[0]}x{grid[1]} cells of one class of {of.name}", grid, None)
    config = tokenizer.config
    patterns = Patterns(len(ids), config.semantic_codebook_size, config.cell)

    def indices(label_map: Array) -> Array:
        found = np.searchsorted(ids, label_map).clip(max=len(ids) - 1)
        known: Array = np.where(ids[found] == label_map, found, 0)  # unknown ids are told by themselves
        return known

    def batches() -> Iterable[torch.Tensor]:
        test = set(held_out(data) or ())
        names = [name for name in data.names if name not in test]
        maps = (
            indices(whole_cells(label_map, (config.cell, config.cell)))
            for label_map in _label_maps(data, names, geometry, tell)
        )
        if geometry.crop:  # of any size
            return (torch.from_numpy(one)[None] for one in maps)
        return (torch.from_numpy(np.stack(some)) for some in iter(lambda: list(islice(maps, _AT_ONCE)), []))

    def written(label_map: Array) -> Array:
        back = patterns.decode(patterns.encode(torch.from_numpy(indices(label_map))[None]))[0]
        read: Array = ids[back.numpy()]
        return read

    patterns.count(batches())
    return Kept(
        f"{len(patterns.table)} patterns of {config.cell}x{config.cell} pixels, as {of.name} has them",
        (size[0] // config.cell, size[1] // config.cell),
        written,
    )


def _label_maps(
    data: DataSet, names: list[str], geometry: Geometry, tell: Callable[[int, int], None]
) -> Iterator[Array]:
    """Label maps that can be read; what is wrong with the others is told elsewhere."""
    for done, name in enumerate(names):
        tell(done + 1, len(names))
        try:
            fitted = geometry.fit_maps(name, [data.layout(name).label_map])[0]
        except (InputError, OSError):
            continue
        yield fitted
