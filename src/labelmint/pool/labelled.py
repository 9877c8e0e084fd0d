"""The labelled images that labels are minted from, and who reads each of them without having learned from it.

fewer than 200 labels    every labelled image but the test part is dealt into folds (`segmenters.folds`); the
                         members whose fold it is read it
200 and more             the data's own training part teaches, its validation part is read by all members; where
                         every pair validates or tests, as few ones
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelmint.datasets.class_indices import indexed
from labelmint.datasets.pair import Pair
from labelmint.datasets.splits import split_of
from labelmint.errors import InputError
from labelmint.pool.images import loaded_pairs
from labelmint.pool.seeing import Seeing
from labelmint.progress import Report
from labelmint.segmenters.folds import Lesson, cross_fitted, folds_of, held_out_alike
from labelmint.types import ClassSet, DataSet

__all__ = ["MANY", "Labelled", "dealt", "load_labelled", "with_ignore"]

MANY = 200  # labels from which on some of them are held out from all members


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Labelled pairs of class indices at the scale of training.

    Attributes:
        data: where they come from, without its test part. classes: its classes, with an id for what is ignored.
        pairs: all of them.
        lessons: what each member learns from.
        readers: of each pair the members that read it held out; () for one that all learn from.
        instances: whether any pair tells single objects apart.
    """

    data: DataSet
    classes: ClassSet
    pairs: Sequence[Pair]
    lessons: Sequence[Lesson]
    readers: Sequence[tuple[int, ...]]
    instances: bool

    @property
    def channels(self) -> int:
        """Channels of all images."""
        return int(self.pairs[0].image.shape[2])

    @property
    def foreground(self) -> tuple[int, ...]:
        """Class indices that have objects."""
        without = self.classes.without_objects
        return tuple(k for k, class_id in enumerate(self.classes.ids) if class_id not in without)

    @property
    def apart(self) -> tuple[str, ...]:
        """Names of the pairs that all members are held to, where the data say which; else they follow from the names
        of all pairs.
        """
        if self.cross_fitted or self.data.test is None or not self.data.validation:
            return ()
        return tuple(pair.name for pair, readers in zip(self.pairs, self.readers, strict=True) if readers)

    @property
    def cross_fitted(self) -> bool:
        """True if every pair is held out from some member."""
        return all(self.readers)


def load_labelled(
    data: DataSet, seeing: Seeing, members: int, channels: int, folder: Path, tell: Report
) -> Labelled:
    """Load what labels there are, in at least so many channels; the folder takes pairs that memory does not hold.

    Raises InputError where they can teach nothing.
    """
    if not data.classes.labelled:
        raise InputError(f"{data.source}: holds images without labels; --from needs labelled ones")
    if len(data.classes) < 2:
        raise InputError(
            f"{data.source}: has the one class {data.classes.names[0]!r}, so there is nothing to tell apart; name what "
            f"else its labels mean in classes.json"
        )
    parts = split_of(data, seeing.group_by)
    names = sorted({*parts.training, *parts.validation})
    if not names:
        raise InputError(
            f"{data.source}: all {len(data)} labelled images are of its test part, from which nothing is learned; "
            f"label others, or list in train.txt which are to be learned from"
        )
    loaded = loaded_pairs(
        data,
        names,
        seeing.geometry,
        normalize=seeing.normalize,
        group_by=seeing.group_by,
        folder=folder,
        tell=tell,
        least_channels=channels,
    )
    pairs = [indexed(pair, data.classes) for pair in loaded]
    if len({pair.group for pair in pairs}) < 2:
        raise InputError(
            f"{data.source}: labels of at least 2 images (or groups, with --group-by) are needed, since some must be "
            f"held out from training, and {len({pair.group for pair in pairs})} is there; label more images"
        )
    apart = set(parts.validation) if len(pairs) >= MANY and parts.training else ()
    return dealt(pairs, data.subset(names), members, apart=apart)


def dealt(pairs: Sequence[Pair], data: DataSet, members: int, *, apart: Collection[str] = ()) -> Labelled:
    """Labelled pairs as the members of an ensemble learn from them.

    Arguments:
        pairs: of class indices at the scale of training, of at least two groups. data: where they come from.
        apart: names of those that all members are held to; () deals the pairs into folds.

    Raises InputError where no pair shows any class but background.
    """
    if apart:
        training = [pair for pair in pairs if pair.name not in apart]
        lessons = held_out_alike(training, [pair for pair in pairs if pair.name in apart], members)
        readers = [tuple(range(members)) if pair.name in apart else () for pair in pairs]
    else:
        folds = folds_of(pairs, members)
        lessons = cross_fitted(pairs, folds, members)
        fold_of = {place: turn for turn, fold in enumerate(folds) for place in fold}
        readers = [
            tuple(member for member in range(members) if member % len(folds) == fold_of[place])
            for place in range(len(pairs))
        ]
    found = Labelled(
        data=data,
        classes=with_ignore(data.classes),
        pairs=pairs,
        lessons=lessons,
        readers=readers,
        instances=any(pair.instances is not None for pair in pairs),
    )
    if not any(np.isin(pair.ids, found.foreground).any() for pair in pairs):
        raise InputError(f"{data.source}: no labelled image shows any class but background; label others")
    return found


def with_ignore(classes: ClassSet) -> ClassSet:
    """The classes with an id for what is ignored: their own, or the largest of one byte that is free."""
    if classes.ignore:
        return classes
    free = next(one for one in (*range(255, -1, -1), *range(256, 65536)) if one not in classes.ids)
    return ClassSet(classes.classes, ignore=(free,))
