"""The images of a data set in which the look of a class is rarest, as `datasets.rarity` scores it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labelmint.datasets.rarity import mean_colors, scores_of
from labelmint.datasets.scaling import as_channels
from labelmint.errors import InputError
from labelmint.types import DataSet

__all__ = ["rarest"]


def rarest(
    data: DataSet, each: int, tell: Callable[[int, int], None] = lambda done, of: None
) -> dict[int, list[str]]:
    """Names of the rarest images of each class, the rarest first; classes by their area, the largest first.

    Arguments:
        data: pairs that can't be read, and pixels of ids that are no classes, are passed over.
        each: images of a class at most. tell: called with (pairs done, pairs in all).

    Raises InputError where no class is seen.
    """
    ids = data.classes.ids
    place = np.full(1 << 16, len(ids))
    place[list(ids)] = np.arange(len(ids))
    names, found = [], []
    for done, name in enumerate(data.names):
        try:
            pair = data.load(name)
        except (InputError, OSError):  # told as a finding
            continue
        finally:
            tell(done + 1, len(data.names))
        names.append(name)
        found.append(mean_colors(as_channels(pair.image, 3), place[pair.layout.label_map], len(ids) + 1))
    if not found or not any(areas[:-1].any() for _, areas in found):
        raise InputError(f"{data.source}: shows no class, so none of its looks is rare")
    colors, areas = (np.stack(each)[:, :-1] for each in zip(*found, strict=True))
    scores, total = scores_of(colors, areas), areas.sum(axis=0)
    by_area = sorted(range(len(ids)), key=lambda k: -int(total[k]))
    return {
        ids[k]: [names[n] for n in np.argsort(-scores[:, k], kind="stable")[:each] if scores[n, k] > 0]
        for k in by_area
        if total[k]
    }
