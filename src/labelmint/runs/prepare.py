"""From a data set on disk to pairs in memory: fitted to size, classes and instances turned into symbols."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import as_channels
from labelmint.datasets.splits import Split, split
from labelmint.datasets.symbols import SymbolTable, color_instances
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array, Batch, ClassSet, DataSet

__all__ = ["Prepared", "fit_layouts", "fit_pairs", "prepare"]

FEWEST_PAIRS = 20


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Training and validation pairs, and what the data decided.

    Arguments:
        training, validation: pairs in memory.
        symbols: the table of layout symbols.
        has_instances: whether any pair has an instance map.
        image_channels: 1 when every image is grey, else 3.
        split: the lists of names.
        digest: SHA-256 of all fitted pixels and labels.
    """

    training: Pairs
    validation: Pairs
    symbols: SymbolTable
    has_instances: bool
    image_channels: int
    split: Split
    digest: str

    def training_views(self, at_most: int = 4096) -> Iterator[Batch]:
        """Training pairs as they are drawn in training, one by one, to condition on their layouts where none
        are given.
        """
        # crops of a few large images hold more than one layout each
        count = min(self.training.views, at_most)
        return (self.training.batch(first, 1) for first in range(count))

    @property
    def bytes(self) -> int:
        """Memory that the pairs take."""
        return sum(
            a.nbytes for pairs in (self.training, self.validation) for a in (*pairs.images, *pairs.ids)
        )


def prepare(
    data: DataSet,
    geometry: Geometry,
    *,
    cell: int,
    group_by: str | None,
    seed: int,
    force: bool,
    parts: Split | None = None,
    available: int = 1 << 62,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Prepared:
    """Load every training pair once.

    Arguments:
        data: the data set.
        geometry: size, crop, augmentation.
        cell: pixels a layout cell; instances nearer than this to each other are colored apart.
        group_by, seed: of the split and the batches.
        force: go on with fewer than 20 pairs.
        parts: which pairs to train and validate on, instead of the split by hash.
        available: bytes that the pairs may take.
        tell: called with (pairs loaded, pairs in all).
    """
    if parts is None:
        parts = split(data.names, data.train, data.test, group_by=group_by)
    data = data.subset([*parts.training, *parts.validation])  # which refuses names that it lacks
    if len(parts.training) + len(parts.validation) < FEWEST_PAIRS and not force:
        raise InputError(
            f"{data.source}: only {len(parts.training) + len(parts.validation)} pairs to train on, fewer "
            f"than {FEWEST_PAIRS}; "
            "label more images, or pass --force to go on all the same"
        )
    if not parts.training or not parts.validation:
        mend = "let --group-by find more than one group" if group_by else "label more images"
        raise InputError(f"{data.source}: pairs to train on and others to validate on are needed; {mend}")
    names = [*parts.training, *parts.validation]
    loaded, taken = [], 0
    for done, name in enumerate(names, start=1):
        loaded.append(_fit(data, data.load(name), geometry, cell))
        taken += sum(part.nbytes for part in loaded[-1] if part is not None)
        if taken * len(names) / done > available:
            need, have = taken * len(names) / done / 2**30, available / 2**30
            raise InputError(
                f"{data.source}: {len(names)} pairs need about {need:.1f} GiB of memory and {have:.1f} GiB "
                f"are free; "
                "take a smaller --size, or with --crop a smaller --scale"
            )
        tell(done, len(names))
    return _assemble(data, parts, loaded, geometry, seed)


def _fit(
    data: DataSet, pair: AnnotatedImage, geometry: Geometry, cell: int
) -> tuple[Array, Array, Array | None]:
    """Image, label map and colors of a pair at the size of training (larger when it will be cropped)."""
    known = {*data.classes.ids, *data.classes.ignore}
    strange = next((one.class_id for one in pair.layout.objects if one.class_id not in known), None)
    if strange is not None:
        raise InputError(
            f"{data.source}: an object of {pair.name!r} has class id {strange}, which is no class; list it "
            f"in classes.json"
        )
    unknown = data.classes.unknown(pair.layout.label_map)
    if unknown:
        shown = ", ".join(f"{value} ({count} pixels)" for value, count in list(unknown.items())[:5])
        raise InputError(
            f"{data.source}: the label of {pair.name!r} holds ids that are no classes: {shown}; list them in "
            f"classes.json, or pass --ignore"
        )
    maps = [pair.layout.label_map] + ([] if pair.layout.instances is None else [pair.layout.instances])
    image, maps = geometry.fit(pair.name, pair.image, maps)
    colors = color_instances(maps[1], maps[0], cell) if len(maps) > 1 else None
    return image, maps[0], colors


def _assemble(
    data: DataSet,
    parts: Split,
    loaded: Sequence[tuple[Array, Array, Array | None]],
    geometry: Geometry,
    seed: int,
) -> Prepared:
    channels = max(image.shape[2] for image, _, _ in loaded)
    symbols = SymbolTable.of((labels, colors) for _, labels, colors in loaded)
    digest = hashlib.sha256(repr((parts, symbols, data.classes)).encode())
    images, ids = [], []
    for image, labels, colors in loaded:
        images.append(as_channels(image, channels))
        ids.append(symbols.index(labels, colors))
        digest.update(images[-1].tobytes())
        digest.update(ids[-1].tobytes())
    count = len(parts.training)
    class_of = {
        k: class_id for k, (class_id, _) in enumerate(symbols.symbols) if class_id not in data.classes.ignore
    }
    return Prepared(
        training=Pairs(images[:count], ids[:count], geometry, seed, class_of),
        validation=Pairs(images[count:], ids[count:], geometry, seed),
        symbols=symbols,
        has_instances=any(color > 0 for _, color in symbols.symbols),
        image_channels=channels,
        split=parts,
        digest=digest.hexdigest(),
    )


def fit_layouts(
    data: DataSet, geometry: Geometry, symbols: SymbolTable, classes: ClassSet, cell: int
) -> Array:
    """Symbol maps (N, H, W) of a data set's layouts, to draw images for them; crops are taken from the
    middle.

    Raises InputError for classes that the run was not trained on, by id or by name.
    """
    maps = [
        geometry.center(image, ids)[1] for image, ids in _as_trained(data, geometry, symbols, classes, cell)
    ]
    if not maps:
        raise InputError(f"{data.source}: no layouts to draw images for")
    return np.stack(maps)


def fit_pairs(
    data: DataSet,
    geometry: Geometry,
    symbols: SymbolTable,
    classes: ClassSet,
    cell: int,
    channels: int,
    seed: int,
) -> Pairs:
    """All pairs of a data set as a run of those symbols and image channels sees them; raises InputError as
    `fit_layouts` does.
    """
    images, ids = [], []
    for image, indices in _as_trained(data, geometry, symbols, classes, cell):
        if image.shape[2] > channels:
            raise InputError(f"{data.source}: holds color images, and the run was trained on grey ones")
        images.append(as_channels(image, channels))
        ids.append(indices)
    return Pairs(images, ids, geometry, seed)


def _as_trained(
    data: DataSet, geometry: Geometry, symbols: SymbolTable, classes: ClassSet, cell: int
) -> Iterator[tuple[Array, Array]]:
    """Image and symbol indices of each pair, at the scale of training."""
    for info in data.classes.classes:
        if info.id in classes.ids and classes.name_of(info.id) != info.name:
            raise InputError(
                f"{data.source}: class {info.id} is {info.name!r} there and {classes.name_of(info.id)!r} in "
                f"the run; "
                "give layouts with the run's classes"
            )
    known = {class_id for class_id, _ in symbols.symbols}
    for pair in data:
        image, labels, colors = _fit(data, pair, geometry, cell)
        strange = sorted(set(np.unique(labels).tolist()) - known)
        if strange:
            raise InputError(
                f"{data.source}: the layout of {pair.name!r} holds class ids that the run was not trained "
                f"on: {strange[:5]}"
            )
        yield image, symbols.index(labels, colors)
