"""The pool: images without labels, at the scale of training.

A folder is read as images alone: those of its images/ where it has one. Where that would read labels as images
it has a format of labels and no such folder; then, and where a format is named, the images of the format are
taken without their labels. Names of a test part are left out: whoever is tested on these images must not have
learned from them. So are images whose pixels a labelled one has, or one of the test part of the labelled data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelmint.datasets.fitting import fitted, fitted_image
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import shelved
from labelmint.datasets.pair import Pair
from labelmint.datasets.scaling import as_channels
from labelmint.datasets.splits import held_out
from labelmint.datasets.whole_images import without_labels
from labelmint.errors import InputError
from labelmint.progress import Event, Report
from labelmint.types import Array, DataSet

__all__ = ["Pool", "digest_of_image", "in_channels", "load_pool", "loaded_pairs", "looks_of_test"]

_LISTED = 3  # names in an error


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Images of a pool.

    Attributes:
        data: the images, without labels. pairs: the same at the scale of training, in the order of its names.
        left_out: what is not among them, in words.
    """

    data: DataSet
    pairs: Sequence[Pair]
    left_out: tuple[str, ...]

    @property
    def channels(self) -> int:
        """Channels of all images."""
        return int(self.pairs[0].image.shape[2])

    def beside(self, labelled: Sequence[Pair], tested: Collection[bytes] = ()) -> Pool:
        """The pool in as many channels as labelled pairs at the same scale, without the images that are among them, or
        in the test part of these data.

        Arguments:
            tested: what the test part looks like, by `looks_of_test`.

        Raises InputError where nothing is left.
        """
        known = {_look(pair.image) for pair in labelled}
        every = in_channels(self.pairs, int(labelled[0].image.shape[2])) if labelled else self.pairs
        looks, source = [_look(pair.image) for pair in every], self.data.source
        pairs = [pair for pair, look in zip(every, looks, strict=True) if look not in {*known, *tested}]
        counts = {
            "labelled already": sum(look in known for look in looks),
            "of the test part of the labelled data": sum(
                look in tested and look not in known for look in looks
            ),
        }
        gone = [f"{count} images are {what}" for what, count in counts.items() if count]
        if not pairs:
            raise InputError(
                f"{source}: all {len(every)} images are labelled already, or of the labelled test part; name "
                f"a folder with others"
            )
        return Pool(
            data=self.data.subset([pair.name for pair in pairs]),
            pairs=pairs,
            left_out=(*self.left_out, *(f"{source}: {one} and are left out" for one in gone)),
        )


def load_pool(data: DataSet, geometry: Geometry, *, normalize: str, folder: Path, tell: Report) -> Pool:
    """Load every image of a pool but those of a test part, all in as many channels.

    Arguments:
        data: as `open_pool` opens it. folder: that takes images which memory does not hold.

    Raises InputError where nothing is left, for images that can't be read, which it names, and as
    `datasets.fitting.fitted` does.
    """
    tested = set(held_out(data) or ())
    names = [name for name in data.names if name not in tested]
    if not names:
        raise InputError(
            f"{data.source}: all {len(data)} images are of its test part; name a folder with others"
        )
    try:
        pairs = loaded_pairs(
            data, names, geometry, normalize=normalize, group_by=None, folder=folder, tell=tell
        )
    except InputError as error:
        _refuse_damaged(data, names)
        raise error from None
    left_out = [f"{data.source}: {len(tested)} images of its test part are left out"] if tested else []
    return Pool(data=data.subset(names), pairs=pairs, left_out=tuple(left_out))


def _refuse_damaged(data: DataSet, names: Sequence[str]) -> None:
    """Raise InputError that names the images which can't be read, so that all can be mended at once; none where all
    can be.
    """
    reasons: dict[str, str] = {}
    for name in names:
        try:
            _ = data.load(name).image
        except InputError as error:
            reasons[name] = str(error)
    if reasons:
        listed = ", ".join(map(repr, list(reasons)[:_LISTED]))
        listed += f" and {len(reasons) - _LISTED} more" if len(reasons) > _LISTED else ""
        raise InputError(
            f"{data.source}: {len(reasons)} of {len(names)} images can't be read: {listed}; mend these files, or move "
            f"them out of the folder. The first: {next(iter(reasons.values()))}"
        )


def loaded_pairs(
    data: DataSet,
    names: Sequence[str],
    geometry: Geometry,
    *,
    normalize: str,
    group_by: str | None,
    folder: Path,
    tell: Report,
    least_channels: int = 1,
) -> list[Pair]:
    """Pairs of a data set at the scale of training, all with as many channels as any has, or more.

    Arguments:
        folder: that takes pairs which memory does not hold.

    Raises InputError as `datasets.fitting.fitted` does.
    """
    what = "load labelled images" if data.classes.labelled else "load the pool"
    pairs = fitted(
        data,
        names,
        geometry,
        group_by=group_by,
        normalize=normalize,
        tell=lambda done, of: tell(Event(what, done, of)),
    )
    found = shelved(pairs, len(names), folder, data.source)
    return in_channels(found, max([least_channels, *(pair.image.shape[2] for pair in found)]))


def in_channels(pairs: Sequence[Pair], channels: int) -> list[Pair]:
    """The pairs with images of as many channels; grey ones are repeated, which takes no memory."""
    return [
        pair
        if pair.image.shape[2] == channels
        else replace(pair, image=np.broadcast_to(pair.image, (*pair.size, channels)))
        for pair in pairs
    ]


def looks_of_test(data: DataSet, geometry: Geometry, *, normalize: str) -> frozenset[bytes]:
    """What the images of the test part of labelled data look like at the scale of training; their labels are not
    opened. Images that can't be read or cropped have no look: none of a pool equals them.
    """
    images, found = without_labels(data), set()
    for name in sorted({*(held_out(data) or ())} & {*data.names}):
        with suppress(InputError):
            image = images.load(name).image
            found.add(_look(fitted_image(name, name, image, geometry, channels=None, normalize=normalize)[0]))
    return frozenset(found)


def _look(image: Array) -> bytes:
    """A digest that is the same for a grey image that is stored in color."""
    return digest_of_image(as_channels(image, 3))


def digest_of_image(image: Array) -> bytes:
    """SHA-256 of shape and pixels."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()
