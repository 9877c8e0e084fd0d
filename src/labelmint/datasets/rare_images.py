"""The images of a data set in which the look of a class is rarest, as `datasets.rarity` scores it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labelmint.datasets.rarity import mean_colors, scores_of
from labelmint.datasets.scaling import as_channels
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet

__all__ = ["Looks", "rarest"]


class Looks:
    """The looks of classes in pairs that are added one by one; only their mean colors are held.

    Arguments:
        classes: of the pairs; pixels of ids that are none of them are passed over.
    """

    def __init__(self, classes: ClassSet) -> None:
        self._ids = classes.ids
        self._place = np.full(1 << 16, len(self._ids))
        self._place[list(self._ids)] = np.arange(len(self._ids))
        self._names = list[str]()
        self._found = list[tuple[Array, Array]]()

    def add(self, pair: AnnotatedImage) -> None:
        """Take the looks of one more pair."""
        owners = self._place[pair.layout.label_map]
        self._names.append(pair.name)
        self._found.append(mean_colors(as_channels(pair.image, 3), owners, len(self._ids) + 1))

    def rarest(self, each: int) -> dict[int, list[str]]:
        """Names of the rarest images of each class, the rarest first; classes by their area, the largest first.

        Arguments:
            each: images of a class at most.

        Returns nothing where no class was seen.
        """
        if not any(areas[:-1].any() for _, areas in self._found):
            return {}
        colors, areas = (np.stack(part)[:, :-1] for part in zip(*self._found, strict=True))
        scores, total = scores_of(colors, areas), areas.sum(axis=0)
        by_area = sorted(range(len(self._ids)), key=lambda k: -int(total[k]))
        return {
            self._ids[k]: [
                self._names[n] for n in np.argsort(-scores[:, k], kind="stable")[:each] if scores[n, k] > 0
            ]
            for k in by_area
            if total[k]
        }


def rarest(
    data: DataSet, each: int, tell: Callable[[int, int], None] = lambda done, of: None
) -> dict[int, list[str]]:
    """The rarest images of a data set, as `Looks.rarest` has them; pairs that can't be read are passed over.

    Arguments:
        each: images of a class at most. tell: called with (pairs done, pairs in all).

    Raises InputError where no class is seen.
    """
    looks, unread = Looks(data.classes), list[Exception]()
    for done, name in enumerate(data.names):
        try:
            looks.add(data.load(name))
        except (InputError, OSError) as error:  # told as a finding
            unread.append(error)
        finally:
            tell(done + 1, len(data.names))
    found = looks.rarest(each)
    if not found:
        why = f", for {len(unread)} pairs can't be read, first {unread[0]}" if unread else ""
        raise InputError(f"{data.source}: shows no class, so none of its looks is rare{why}")
    return found
