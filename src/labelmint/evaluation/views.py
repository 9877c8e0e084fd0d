"""Real and synthetic pairs at one size, as arrays that figures are computed on.

Where training cuts crops, a real image becomes tiles of the crop's size, side by side; else it is resized, as
in training. Labels hold class *indices* 0..K-1 in the order of the class list, and -1 where they are ignored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.scaling import as_channels
from labelmint.datasets.splits import group_of
from labelmint.errors import InputError
from labelmint.segmenters.training import IGNORED
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet, Layout

__all__ = [
    "Fitted",
    "Views",
    "data_digest",
    "digest_of_pixels",
    "fit",
    "in_channels",
    "tiles",
    "view_digests",
    "views_of_samples",
]

Tell = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """One pair at the scale of training, as large as it is there: image (H, W, C) uint8, labels (H, W) int16
    indices.
    """

    name: str
    group: str
    image: Array
    labels: Array
    instances: Array | None


@dataclass(frozen=True, kw_only=True)
class Views:
    """N pairs of one size.

    Attributes:
        names: (N,) of the pairs they were cut from. groups: (N,) of patients, slides, or the names again.
        images: (N, H, W, C) uint8. labels: (N, H, W) int16. instances: (N, H, W), or None unless every pair
            has them.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    images: Array
    labels: Array
    instances: Array | None

    def __len__(self) -> int:
        return len(self.names)

    def take(self, index: Sequence[int] | Array) -> Views:
        """Some of them, in the order of `index`."""
        chosen = np.asarray(index, dtype=np.int64)
        return replace(
            self,
            names=tuple(self.names[i] for i in chosen),
            groups=tuple(self.groups[i] for i in chosen),
            images=self.images[chosen],
            labels=self.labels[chosen],
            instances=None if self.instances is None else self.instances[chosen],
        )

    def pair(self, i: int, classes: ClassSet) -> AnnotatedImage:
        """View i as an annotated image, to draw it."""
        return AnnotatedImage(
            name=self.names[i], image=self.images[i], layout=Layout(label_map=ids_of(self.labels[i], classes))
        )


def indices_of(label_map: Array, classes: ClassSet) -> Array:
    """Class ids (H, W) -> class indices int16; ignored ids become -1. Raises ValueError for ids that are
    neither.
    """
    lookup = np.full(max([*classes.ids, *classes.ignore, int(label_map.max(initial=0))]) + 1, -2, np.int16)
    lookup[list(classes.ignore)] = IGNORED
    lookup[list(classes.ids)] = np.arange(len(classes), dtype=np.int16)
    found: Array = lookup[label_map]
    if (found == -2).any():
        raise ValueError(f"ids that are no classes: {sorted(classes.unknown(label_map))[:5]}")
    return found


def ids_of(indices: Array, classes: ClassSet) -> Array:
    """Class indices -> class ids; -1 becomes the first ignore id."""
    lookup = np.array([*classes.ids, classes.ignore[0] if classes.ignore else 0])
    return lookup[indices].astype(np.uint16)


def fit(
    data: DataSet,
    names: Sequence[str],
    geometry: Geometry,
    channels: int | None,
    group_by: str | None,
    tell: Tell = lambda done, of: None,
    available: int = 1 << 62,
) -> list[Fitted]:
    """Pairs of a data set at the scale of training, images with as many channels as they have where
    `channels` is None.

    Raises InputError for labels with unknown ids, naming the pair, and for pairs that together need more than
    the available bytes.
    """
    found, taken = [], 0
    for done, name in enumerate(names, start=1):
        pair = data.load(name)
        maps = [_indices(data, pair)] + ([] if pair.layout.instances is None else [pair.layout.instances])
        image, maps = geometry.fit(name, pair.image, maps)
        image = image if channels is None else _with_channels(image, channels, data.source, name)
        found.append(
            Fitted(
                name=name,
                group=group_of(name, group_by),
                image=image,
                labels=maps[0],
                instances=maps[1] if len(maps) > 1 else None,
            )
        )
        taken += image.nbytes + sum(part.nbytes for part in maps)
        if taken * len(names) / done > available:
            need, have = taken * len(names) / done / 2**30, available / 2**30
            raise InputError(
                f"{data.source}: {len(names)} pairs need about {need:.1f} GiB of memory and {have:.1f} GiB "
                f"can be had; "
                "take a smaller --size, or with --crop a smaller --scale"
            )
        if done % 50 == 0 or done == len(names):
            tell(done, len(names))
    return found


def _indices(data: DataSet, pair: AnnotatedImage) -> Array:
    try:
        return indices_of(pair.layout.label_map, data.classes)
    except ValueError as error:
        raise InputError(
            f"{data.source}: the label of {pair.name!r} holds {error}; list them in classes.json, or pass "
            f"--ignore"
        ) from None


def _with_channels(image: Array, channels: int, source: str, name: str) -> Array:
    if image.shape[2] > channels:
        raise InputError(
            f"{source}: {name!r} is a color image, and those trained on are grey; convert it to grey, or "
            f"train on color images"
        )
    return as_channels(image, channels)


def in_channels(fitted: Sequence[Fitted], channels: int) -> list[Fitted]:
    """The same pairs with grey images repeated to that many channels."""
    return [replace(one, image=as_channels(one.image, channels)) for one in fitted]


def tiles(fitted: Sequence[Fitted], size: tuple[int, int], at_most: int = 2000) -> Views:
    """Tiles of a size, side by side around the middle of each pair; evenly thinned by a hash where there are
    more than `at_most`.
    """
    places = [
        (k, top, left) for k, one in enumerate(fitted) for top, left in _corners(one.labels.shape, size)
    ]
    if len(places) > at_most:
        places = sorted(sorted(places, key=lambda place: _hash(fitted[place[0]].name, *place[1:]))[:at_most])
    cuts = [(fitted[k], (slice(top, top + size[0]), slice(left, left + size[1]))) for k, top, left in places]
    has_instances = all(one.instances is not None for one, _ in cuts)
    return Views(
        names=tuple(one.name for one, _ in cuts),
        groups=tuple(one.group for one, _ in cuts),
        images=np.stack([one.image[where] for one, where in cuts]),
        labels=np.stack([one.labels[where] for one, where in cuts]),
        instances=np.stack([one.instances[where] for one, where in cuts if one.instances is not None])
        if has_instances
        else None,
    )


def view_digests(fitted: Sequence[Fitted], size: tuple[int, int]) -> dict[bytes, str]:
    """SHA-256 of the pixels of every tile that is not of one color -> the name of its pair."""
    found = {}
    for one in fitted:
        for top, left in _corners(one.labels.shape, size):
            tile = one.image[top : top + size[0], left : left + size[1]]
            if np.ptp(tile) > 0:
                found[digest_of_pixels(tile)] = one.name
    return found


def data_digest(fitted: Sequence[Fitted], how: object = ()) -> str:
    """SHA-256 of the names, pixels and labels of pairs, and of `how`, whose repr must not vary."""
    digest = hashlib.sha256(repr(how).encode())
    for one in fitted:
        digest.update(one.name.encode("utf-8", "surrogateescape"))
        digest.update(one.image.tobytes())
        digest.update(one.labels.tobytes())
    return digest.hexdigest()


def digest_of_pixels(image: Array) -> bytes:
    """SHA-256 of pixels."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()


def _corners(shape: tuple[int, ...], size: tuple[int, int]) -> list[tuple[int, int]]:
    starts = []
    for have, want in zip(shape, size, strict=True):
        count = have // want
        starts.append([(have - count * want) // 2 + k * want for k in range(count)])
    return [(top, left) for top in starts[0] for left in starts[1]]


def _hash(name: str, top: int, left: int) -> bytes:
    return hashlib.sha256(f"{name} {top} {left}".encode()).digest()


def views_of_samples(
    data: DataSet,
    classes: ClassSet,
    size: tuple[int, int],
    channels: int,
    tell: Tell = lambda done, of: None,
    available: int = 1 << 62,
) -> Views:
    """Synthetic pairs, which must have the size of the comparison and the classes of the real data; raises
    InputError otherwise.
    """
    numbers = dict(zip(classes.names, classes.ids, strict=True))
    for info in data.classes.classes:
        if numbers.get(info.name, info.id) != info.id:
            raise InputError(
                f"{data.source}: class {info.name!r} has id {info.id} there and {numbers[info.name]} in the "
                f"real data; "
                "give both the same class list"
            )
    found = []
    needed = len(data.names) * size[0] * size[1] * (channels + 6) * 2  # twice: one by one, and stacked
    if needed > available:
        raise InputError(
            f"{data.source}: {len(data.names)} pairs need about {needed / 2**30:.1f} GiB of memory; give "
            f"fewer"
        )
    for done, name in enumerate(data.names, start=1):
        pair = data.load(name)
        if pair.layout.size != size:
            raise InputError(
                f"{data.source}: {name!r} is {pair.layout.size[0]}x{pair.layout.size[1]} pixels and the "
                f"comparison is at "
                f"{size[0]}x{size[1]}; give --size as the synthetic images are"
            )
        try:
            labels = indices_of(pair.layout.label_map, classes)
        except ValueError as error:
            raise InputError(
                f"{data.source}: the label of {name!r} holds {error}; the real data has {list(classes.ids)}"
            ) from None
        image = _with_channels(pair.image, channels, data.source, name)
        found.append(
            Fitted(name=name, group=name, image=image, labels=labels, instances=pair.layout.instances)
        )
        if done % 50 == 0 or done == len(data.names):
            tell(done, len(data.names))
    return tiles(found, size, at_most=len(found))
