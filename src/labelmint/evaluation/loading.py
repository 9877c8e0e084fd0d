"""The real pairs of all parts of a data set, at the scale of training: in memory, or where that does not hold them
mapped from the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from labelmint.datasets.fitting import fitted
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import Disk, Shelf, Stored
from labelmint.datasets.origins import digest_of_origins
from labelmint.datasets.pair import Pair
from labelmint.datasets.scaling import as_channels
from labelmint.datasets.splits import Split
from labelmint.datasets.watching import told, told_again
from labelmint.evaluation.material import teller
from labelmint.evaluation.views import indexed
from labelmint.hardware import available_memory
from labelmint.progress import Report
from labelmint.types import DataSet, Finding

__all__ = ["LoadedParts", "load_parts", "room"]

_PARTS = ("test", "validation", "training")
_VERSION = "parts 1"  # of what is kept on the disk


class LoadedParts(NamedTuple):
    """The pairs of each part.

    training, validation, test: class indices, and images of `channels` channels.
    tested: the test part with class ids, boxes and the channels that each image has.
    known: ids in the maps of training and validation pairs.
    """

    training: list[Pair]
    validation: list[Pair]
    test: list[Pair]
    tested: list[Pair]
    channels: int
    known: frozenset[int]


def room() -> int:
    """Half of the free memory: the other half is for working on them."""
    return int(available_memory(torch.device("cpu")) // 2)


def load_parts(
    data: DataSet,
    parts: Split,
    geometry: Geometry,
    *,
    channels: int | None,
    group_by: str | None,
    normalize: str,
    disk: Disk | None,
    tell: Report,
) -> LoadedParts:
    """Load every pair of the parts once, or find them where a command that was stopped has kept them.

    Arguments:
        geometry, group_by, normalize: as `datasets.fitting.fitted` has them.
        channels: of the images; as many as any has where None.
        disk: that takes pairs where memory does not hold them; None for none.

    Raises InputError as `fitted` does, and for pairs that memory does not hold where there is no disk.
    """
    names = {part: getattr(parts, part) for part in _PARTS}
    every = [name for some in names.values() for name in some]
    how = (_VERSION, geometry.size, geometry.crop, geometry.scale, channels, group_by, normalize, parts)
    name = digest_of_origins(data, every, how, disk.folder) if disk is not None and disk.named else None

    def fit() -> Iterator[Pair]:
        for part, some in names.items():
            yield from fitted(
                data,
                some,
                geometry,
                channels=channels,
                group_by=group_by,
                normalize=normalize,
                tell=teller(tell, f"load {part}"),
            )

    with Shelf(available=room(), disk=disk, source=data.source, name=name) as shelf:
        kept = shelf.stored()
        if kept is None:
            loaded = shelf.keep(fit(), len(every))
            kept = _kept(data, {part: len(some) for part, some in names.items()}, loaded, channels, shelf)
        else:
            told_again(data, [Finding(kind=kind, text=text) for kind, text in kept.facts["findings"]])
    return LoadedParts(
        **kept.parts, channels=int(kept.facts["channels"]), known=frozenset(kept.facts["known"])
    )


def _kept(
    data: DataSet, counts: Mapping[str, int], loaded: list[Pair], channels: int | None, shelf: Shelf
) -> Stored:
    """The pairs with class indices and as many channels, by part, and what all of them decide."""
    findings = [(one.kind, one.text) for one in told(data)]
    many = channels or max(one.image.shape[2] for one in loaded)
    known: set[int] = set()
    for one in loaded[counts["test"] :]:
        known.update(np.unique(one.ids).tolist())
    seen = shelf.keep(
        (replace(indexed(one, data.classes), image=as_channels(one.image, many)) for one in loaded),
        len(loaded),
    )
    parts, first = {"tested": loaded[: counts["test"]]}, 0
    for part, count in counts.items():
        parts[part] = seen[first : first + count]
        first += count
    kept = Stored(parts, {"channels": many, "known": sorted(known), "findings": findings})
    shelf.close(*kept)
    return kept
