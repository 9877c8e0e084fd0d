"""The pool of a study: images without labels, the same for all of its arms.

    --unlabelled rest    the images of the training part beyond the n labelled ones of a cell, their labels hidden
    --unlabelled DIR     the images of a folder or of a data set, without those of its own test part

An image of the test part is refused: by its pixels, and by its name where the pool lies in the labelled data. Images
of a cell's labelled pairs, and of those that validate beside them, are left out of the cell's pool.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from labelmint.datasets.pair import Pair
from labelmint.datasets.whole_images import without_labels
from labelmint.errors import InputError
from labelmint.pool.images import digest_of_image, in_channels, load_pool
from labelmint.progress import Report
from labelmint.runs.unlabelled import read_pool
from labelmint.segmenters.training import IGNORED
from labelmint.types import DataSet
from labelmint.usefulness.plan import REST, Cell
from labelmint.usefulness.real import RealPairs

__all__ = ["Unlabelled", "open_unlabelled", "read_unlabelled"]


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Images without labels at the scale of training.

    Attributes:
        real: the labelled data. source: "rest", or where the images lie.
        images: by name, their maps ignored everywhere; those of "rest" are found cell by cell.
        data: where they come from, without labels.
    """

    real: RealPairs
    source: str
    data: DataSet
    images: Mapping[str, Pair]
    _digests: dict[str, bytes] = field(default_factory=dict)

    def of(self, cell: Cell) -> list[Pair]:
        """The pool of a cell, in the order of the names; none of its pairs has a label."""
        names = self.real.pairs(cell)
        known = {*names.training, *names.validation}
        if self.source == REST:
            return [self.images[name] for name in sorted(self.images) if name not in known]
        seen = {digest_of_image(self.real.fitted[name].image) for name in known}
        return [self.images[name] for name in sorted(self.images) if self._digest(name) not in seen]

    def data_of(self, cell: Cell) -> DataSet:
        """The pool of a cell as a data set without labels."""
        return self.data.subset([pair.name for pair in self.of(cell)])

    @property
    def digest(self) -> str:
        """What tells this pool from others: "rest" follows from the data."""
        if self.source == REST:
            return REST
        return _digest_of({name: self._digest(name) for name in self.images})

    def _digest(self, name: str) -> bytes:
        if name not in self._digests:
            self._digests[name] = digest_of_image(self.images[name].image)
        return self._digests[name]


def _digest_of(parts: Mapping[str, bytes]) -> str:
    """SHA-256 of names and of what each stands for."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + parts[name])
    return digest.hexdigest()


def read_unlabelled(source: DataSet | str | Path | None) -> DataSet | str | None:
    """What a pool is, before any image is loaded: its images, "rest", or None where none is asked for.

    Raises InputError where there are no images.
    """
    if source is None or source == REST:
        return None if source is None else REST
    return read_pool(source)


def open_unlabelled(
    given: DataSet | str | None, real: RealPairs, folder: Path, tell: Report
) -> Unlabelled | None:
    """Load the pool, as `read_unlabelled` returns it; None where none is asked for.

    Arguments:
        folder: that takes images which memory does not hold.

    Raises InputError for a pool that holds images of the test part, or none at all, and for color images beside grey
    ones.
    """
    if given is None:
        return None
    if isinstance(given, str):
        hidden = {name: _without_label(real.fitted[name]) for name in real.parts.training}
        return Unlabelled(real=real, source=REST, data=without_labels(real.data), images=hidden)
    pool = load_pool(given, real.geometry, normalize=real.normalize, folder=folder, tell=tell)
    if pool.channels > real.channels:
        raise InputError(
            f"--unlabelled {given.source}: holds color images, and {real.data.source} grey ones; convert them to grey"
        )
    images = [_without_label(pair) for pair in in_channels(pool.pairs, real.channels)]
    _refuse_tested(images, real.parts.test if _within(given, real.data) else (), real.tested, given.source)
    return Unlabelled(
        real=real, source=given.source, data=pool.data, images={pair.name: pair for pair in images}
    )


def _without_label(pair: Pair) -> Pair:
    """The pair with every pixel ignored, which takes no memory, and without objects."""
    ids = np.broadcast_to(np.int16(IGNORED), pair.ids.shape)
    return replace(pair, ids=ids, instances=None, boxes=None)


def _within(pool: DataSet, data: DataSet) -> bool:
    """True if a pool lies in the folder of labelled data: in other folders names mean nothing."""
    places = [Path(one).resolve() for one in data.source.split(" + ")]
    return any(Path(pool.source).resolve().is_relative_to(place) for place in places)


def _refuse_tested(
    images: Sequence[Pair], names: Collection[str], pixels: Mapping[bytes, str], source: str
) -> None:
    """Raise InputError where a pool holds images of the test part.

    Arguments:
        names: of the test part, where they say which image it is.
        pixels: digest -> name of its images at the scale of training, as `digest_of_image`.
    """
    tested = set(names)
    same = {pair.name: pair.name for pair in images if pair.name in tested}
    same |= {
        pair.name: pixels[digest]
        for pair in images
        if np.ptp(pair.image) > 0 and (digest := digest_of_image(pair.image)) in pixels
    }
    if same:
        name, other = next(iter(same.items()))
        raise InputError(
            f"--unlabelled {source}: {len(same)} of its images are of the test part, {name!r} is {other!r} "
            f"for one; nothing may be learned from images that test: leave them out"
        )
