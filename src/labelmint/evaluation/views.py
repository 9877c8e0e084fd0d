"""Real and synthetic pairs at one size, as arrays that figures are computed on.

Where training cuts crops, a real image becomes tiles of the crop's size, side by side; else it is resized, as
in training. Labels hold class *indices* 0..K-1 in the order of the class list, and -1 where they are ignored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelmint.datasets.class_indices import ids_of, indexed, indices_of
from labelmint.datasets.fitting import Tell, fitted
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.datasets.ranges import normalized
from labelmint.datasets.scaling import as_channels
from labelmint.datasets.tiles import tiles_of, tiles_of_all
from labelmint.errors import InputError
from labelmint.evaluation.layout_groups import layout_groups
from labelmint.segmenters.training import IGNORED
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet, Layout

__all__ = [
    "Views",
    "digest_of_pixels",
    "fit",
    "ids_of",
    "in_channels",
    "indexed",
    "indices_of",
    "tiles",
    "view_digests",
    "views_of_samples",
]


@dataclass(frozen=True, kw_only=True)
class Views:
    """N pairs of one size.

    Attributes:
        names: (N,) of the pairs they were cut from. groups: (N,) of patients, slides, or the names again; of samples,
            their layouts.
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


def fit(
    data: DataSet,
    names: Sequence[str],
    geometry: Geometry,
    channels: int | None,
    group_by: str | None,
    normalize: str = "none",
) -> list[Pair]:
    """Pairs of a data set at the scale of training, images with as many channels as they have where
    `channels` is None.

    Raises InputError as `datasets.fitting.fitted` does.
    """
    loaded = fitted(data, names, geometry, channels=channels, group_by=group_by, normalize=normalize)
    return [indexed(one, data.classes) for one in loaded]


def _with_channels(image: Array, channels: int, source: str, name: str) -> Array:
    if image.shape[2] > channels:
        raise InputError(
            f"{source}: {name!r} is a color image, and those trained on are grey; convert it to grey, or "
            f"train on color images"
        )
    return as_channels(image, channels)


def in_channels(pairs: Sequence[Pair], channels: int) -> list[Pair]:
    """Return the pairs with grey images repeated to n channels."""
    return [replace(one, image=as_channels(one.image, channels)) for one in pairs]


def tiles(pairs: Sequence[Pair], size: tuple[int, int], at_most: int = 2000) -> Views:
    """Tiles of a size, side by side around the middle of each pair; evenly thinned by a hash where there are
    more than `at_most`.
    """
    cuts = tiles_of_all(pairs, size, at_most)
    has_instances = all(one.instances is not None for one in cuts)
    return Views(
        names=tuple(one.name for one in cuts),
        groups=tuple(one.group for one in cuts),
        images=np.stack([one.image for one in cuts]),
        labels=np.stack([one.ids for one in cuts]),
        instances=np.stack([one.instances for one in cuts if one.instances is not None])
        if has_instances
        else None,
    )


def view_digests(pairs: Sequence[Pair], size: tuple[int, int]) -> dict[bytes, str]:
    """SHA-256 of the pixels of every tile that is not of one color -> the name of its pair."""
    found = {}
    for one in pairs:
        for move in tiles_of(one.ids.shape, size):
            tile = move.image(one.image)
            if np.ptp(tile) > 0:
                found[digest_of_pixels(tile)] = one.name
    return found


def digest_of_pixels(image: Array) -> bytes:
    """SHA-256 of pixels."""
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()


def views_of_samples(
    data: DataSet,
    classes: ClassSet,
    size: tuple[int, int],
    channels: int,
    tell: Tell = lambda done, of: None,
    available: int = 1 << 62,
    normalize: str = "none",
) -> Views:
    """Synthetic pairs, which must have the size of the comparison and the classes of the real data, or no labels;
    raises InputError otherwise.
    """
    numbers = dict(zip(classes.names, classes.ids, strict=True))
    for info in data.classes.classes:
        if numbers.get(info.name, info.id) != info.id:
            raise InputError(
                f"{data.source}: class {info.name!r} has id {info.id} there and {numbers[info.name]} in the "
                f"real data; "
                "give both the same class list"
            )
    found, groups = [], layout_groups(data)
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
            labels = (
                indices_of(pair.layout.label_map, classes)
                if data.classes.labelled
                else np.full(size, IGNORED, np.int16)
            )
        except ValueError as error:
            raise InputError(
                f"{data.source}: the label of {name!r} holds {error}; the real data has {list(classes.ids)}"
            ) from None
        image = _with_channels(normalized(pair.image, normalize), channels, data.source, name)
        group = groups.get(name, name)
        found.append(Pair(name=name, group=group, image=image, ids=labels, instances=pair.layout.instances))
        if done % 50 == 0 or done == len(data.names):
            tell(done, len(data.names))
    return tiles(found, size, at_most=len(found))
