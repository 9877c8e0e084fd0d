"""From a data set on disk to pairs in memory: fitted to size, classes and instances turned into symbols."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelmint.datasets.fitting import check_ids, fitted, fitted_image, fitted_layout
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import Disk, Shelf, Stored
from labelmint.datasets.origins import digest_of_origins
from labelmint.datasets.pair import Pair, padded
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS, as_channels
from labelmint.datasets.splits import Split, split_of
from labelmint.datasets.symbols import SymbolTable, color_instances
from labelmint.datasets.watching import told, told_again
from labelmint.datasets.whole_images import without_labels
from labelmint.errors import InputError
from labelmint.layouts.boxes import (
    BoxCount,
    BoxRule,
    BoxSettings,
    count_boxes,
    named_classes,
    salient_classes,
)
from labelmint.runs.unlabelled import Pool
from labelmint.types import Array, Batch, ClassSet, DataSet, Finding, LayoutBatch

__all__ = ["AsTrained", "Prepared", "prepare"]

FEWEST_PAIRS = 20
_VERSION = "prepare 1"  # of what is kept on the disk


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Training and validation pairs, and what the data decided.

    Arguments:
        training, validation: pairs, in memory or mapped into it.
        symbols: the table of layout symbols.
        has_instances: whether any pair has an instance map.
        image_channels: 1 when every image is grey, else 3.
        split: the lists of names.
        digest: SHA-256 of all fitted pixels and labels.
        salient: ids of the classes whose objects have boxes, and boxes: how many have; None where the system sees none.
        boxes_digest: SHA-256 of these boxes, which instances decide, too; "" where the system sees none.
        pool: images without labels beside the pairs, or None.
    """

    training: Pairs
    validation: Pairs
    symbols: SymbolTable
    has_instances: bool
    image_channels: int
    split: Split
    digest: str
    salient: tuple[int, ...] | None = None
    boxes: BoxCount | None = None
    boxes_digest: str = ""
    pool: Pool | None = None

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
        pool = 0 if self.pool is None else self.pool.pairs.nbytes
        return self.training.nbytes + self.validation.nbytes + pool

    @property
    def lists(self) -> dict[str, Any]:
        """The lists of names, as a run stores them."""
        pool = {} if self.pool is None else {"unlabelled": list(self.pool.pairs.names)}
        return {**self.split.to_json(), **pool}


def prepare(
    data: DataSet,
    geometry: Geometry,
    *,
    cell: int,
    group_by: str | None,
    seed: int,
    force: bool,
    parts: Split | None = None,
    normalize: str = "none",
    boxes: BoxSettings | None = None,
    available: int = 1 << 62,
    disk: Disk | None = None,
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
        normalize: "image" spreads each image from its own range (`datasets.ranges`).
        boxes: which objects have boxes, for a system that sees these; else None.
        available: bytes of memory that the pairs may take. disk: that takes those that need more; None for none.
        tell: called with (pairs loaded, pairs in all).
    """
    if boxes is not None:
        named_classes(data.classes, boxes)  # before anything is loaded
    if parts is None:
        parts = split_of(data, group_by)
    names = [*parts.training, *parts.validation]
    data = data.subset(names)  # which refuses names that it lacks
    if len(names) < FEWEST_PAIRS and not force:
        raise InputError(
            f"{data.source}: only {len(names)} pairs to train on, fewer than {FEWEST_PAIRS}; "
            "label more images, or pass --force to go on all the same"
        )
    if not parts.training or not parts.validation:
        mend = "let --group-by find more than one group" if group_by else "label more images"
        raise InputError(f"{data.source}: pairs to train on and others to validate on are needed; {mend}")
    seen = (geometry.size, geometry.crop, geometry.scale, cell, group_by, normalize)
    how = (_VERSION, *seen, parts, *([] if boxes is None else ["boxes"]))
    name = digest_of_origins(data, names, how, disk.folder) if disk is not None and disk.named else None
    with Shelf(available=available, disk=disk, source=data.source, name=name) as shelf:
        kept = shelf.stored()
        if kept is None:
            loaded = shelf.keep(
                fitted(data, names, geometry, group_by=group_by, normalize=normalize, tell=tell), len(names)
            )
            kept = _in_all(data, parts, loaded, cell, shelf, told(data), boxes is not None)
        else:
            told_again(data, [Finding(kind=kind, text=text) for kind, text in kept.facts["findings"]])
    prepared = _assemble(data, parts, kept, geometry, seed)
    return prepared if boxes is None else _with_boxes(prepared, data.classes, boxes)


def _in_all(
    data: DataSet,
    parts: Split,
    loaded: Sequence[Pair],
    cell: int,
    shelf: Shelf,
    findings: Sequence[Finding],
    boxed: bool,
) -> Stored:
    """The pairs as a run sees them, and what all of them decide."""
    channels = max(one.image.shape[2] for one in loaded)
    # colored twice, so that no colors are held
    symbols = SymbolTable.of((one.ids, _colors(one, cell)) for one in loaded)
    if boxed:
        symbols = symbols.with_ignored(_ignored(data))
    digest = hashlib.sha256(repr((parts, symbols, data.classes)).encode())
    seen = shelf.keep(
        (_in_symbols(one, _colors(one, cell), symbols, channels) for one in loaded), len(loaded)
    )
    for one in seen:
        for part in (one.image, one.ids, one.boxes):
            digest.update(b"" if part is None else part.tobytes())
    kept = Stored(
        {"pairs": seen},
        {
            "channels": channels,
            "symbols": symbols.symbols,
            "digest": digest.hexdigest(),
            "findings": [(one.kind, one.text) for one in findings],
        },
    )
    shelf.close(*kept)
    return kept


def _assemble(data: DataSet, parts: Split, kept: Stored, geometry: Geometry, seed: int) -> Prepared:
    symbols = SymbolTable(tuple((class_id, color) for class_id, color in kept.facts["symbols"]))
    seen, count = kept.parts["pairs"], len(parts.training)
    class_of = {
        k: class_id for k, (class_id, _) in enumerate(symbols.symbols) if class_id not in data.classes.ignore
    }
    return Prepared(
        training=Pairs.of(seen[:count], geometry, seed, class_of, data.source, data.classes.labelled),
        validation=Pairs.of(seen[count:], geometry, seed, None, data.source, data.classes.labelled),
        symbols=symbols,
        has_instances=any(color > 0 for _, color in symbols.symbols),
        image_channels=int(kept.facts["channels"]),
        split=parts,
        digest=str(kept.facts["digest"]),
    )


def _ignored(data: DataSet) -> int:
    """The id of what boxes do not tell."""
    if not data.classes.ignore:
        raise InputError(
            f"{data.source}: no id is left for pixels to ignore (255 is a class), and boxes do not tell all; give one "
            f"with --ignore"
        )
    return data.classes.ignore[0]


def _with_boxes(prepared: Prepared, classes: ClassSet, settings: BoxSettings) -> Prepared:
    """The pairs with their boxes."""
    table, counts = prepared.symbols, Counter[int]()
    for pair in prepared.training:
        counts.update(dict(enumerate(np.bincount(pair.ids.ravel(), minlength=len(table)).tolist())))
    pixels = Counter[int]()
    for symbol, (class_id, _) in enumerate(table.symbols):
        pixels[class_id] += counts[symbol]
    salient = salient_classes(pixels, classes, settings)
    rule = BoxRule.of(table, classes, salient, settings)
    training, validation = (
        pairs.with_boxes(rule.of_pair, rule.most) for pairs in (prepared.training, prepared.validation)
    )
    class_of = [class_id for class_id, _ in table.symbols]
    count = count_boxes(prepared.training, rule, training.geometry, class_of, pixels, classes, settings)
    if not any(some is not None and len(some) for some in training.boxes):
        raise InputError(f"{training.source}: {_without_boxes(training, classes, salient, count)}")
    digest = hashlib.sha256()
    for pairs in (training, validation):
        for some in pairs.boxes:
            assert some is not None
            digest.update(repr(some.tolist()).encode())
    return replace(
        prepared,
        training=training,
        validation=validation,
        salient=salient,
        boxes=count,
        boxes_digest=digest.hexdigest(),
    )


def _without_boxes(pairs: Pairs, classes: ClassSet, salient: Sequence[int], count: BoxCount) -> str:
    """What is said of pairs that have no box at all, and what mends it."""
    (height, width), names = pairs.geometry.size, ", ".join(map(classes.name_of, salient))
    none = f"no object of {names} has a box at {height}x{width} pixels"
    if not count.small:
        return f"{none}; name classes that have objects with salient=CLASS"
    return (
        f"{none}: {count.small:,} are smaller than least_box={count.settings.least_box:g} square pixels; take a lower "
        f"one, or a larger --size"
    )


def _colors(pair: Pair, cell: int) -> Array | None:
    return None if pair.instances is None else color_instances(pair.instances, pair.ids, cell)


def _in_symbols(pair: Pair, colors: Array | None, symbols: SymbolTable, channels: int) -> Pair:
    """A pair of class ids as a run sees it."""
    return replace(
        pair,
        image=as_channels(pair.image, channels),
        ids=symbols.index(pair.ids, colors),
        boxes=None if pair.boxes is None else symbols.index_boxes(pair.boxes),
    )


@dataclass(frozen=True, kw_only=True)
class AsTrained:
    """How a run sees pairs of any data set.

    Arguments:
        geometry: size and crop, without augmentation.
        symbols, classes: of the run. cell: pixels a layout cell, as in `prepare`.
        channels: of the run's images. seed: of the batches. normalize: as in `prepare`.
        whole: whether the run sees one class of an image as a whole, or without classes no label at all.
        boxes: which a run sees that sees boxes; else None.
    """

    geometry: Geometry
    symbols: SymbolTable
    classes: ClassSet
    cell: int
    channels: int
    seed: int
    normalize: str = "none"
    whole: bool = False
    boxes: BoxRule | None = None

    def layouts(self, data: DataSet) -> LayoutBatch:
        """A data set's layouts, to draw images for them; crops are taken from the middle, and no image is resized.

        Raises InputError for no layouts, and for classes that the run was not trained on, by id or by name.
        """
        self._check_names(data)
        data = data if self.classes.labelled else without_labels(data)
        found = [self._layout(data, name) for name in data.names]
        if not found:
            raise InputError(f"{data.source}: no layouts to draw images for")
        ids = torch.from_numpy(np.stack([one.ids for one in found]))
        return LayoutBatch(
            ids, boxes=padded([one.boxes for one in found], self.boxes.most) if self.boxes else None
        )

    def pairs(self, data: DataSet) -> Pairs:
        """All pairs of a data set; raises InputError as `layouts` does, and for color images where the run
        was trained on grey ones.
        """
        data = data if self.classes.labelled else without_labels(data)
        loaded = fitted(data, data.names, self.geometry, channels=self.channels, normalize=self.normalize)
        return self.seen(data, loaded)

    def image(self, file: str, pixels: Array) -> Tensor:
        """An image (H, W, C) of a file, by itself, as the run sees images: (1, C, H, W) in [-1, 1], in its middle view.

        Raises InputError for a color image where the run was trained on grey ones, and for one smaller than its crops.
        """
        found, _ = fitted_image(
            file, file, pixels, self.geometry, channels=self.channels, normalize=self.normalize
        )
        height, width, _ = found.shape
        return EIGHT_BITS.to_unit(np.stack([self.geometry.middle((height, width)).image(found)]))

    def seen(self, data: DataSet, loaded: Iterable[Pair]) -> Pairs:
        """Pairs of a data set that were loaded before (`datasets.fitting.fitted`) under the same geometry."""
        self._check_names(data)
        pairs = []
        for one in loaded:
            if not self.classes.labelled:
                one = replace(
                    one, ids=np.broadcast_to(np.uint8(0), one.ids.shape), instances=None, boxes=None
                )
            one = replace(one, ids=self._known(data, one.name, one.ids))
            pairs.append(_in_symbols(one, _colors(one, self.cell), self.symbols, self.channels))
        found = Pairs.of(pairs, self.geometry, self.seed, None, data.source, self.classes.labelled)
        return found if self.boxes is None else found.with_boxes(self.boxes.of_pair, self.boxes.most)

    def _layout(self, data: DataSet, name: str) -> Pair:
        """A layout alone: a pair with a blank image."""
        layout = data.layout(name)
        check_ids(data, name, layout)
        ids, instances, boxes = fitted_layout(name, layout, self.geometry)
        ids = self._known(data, name, ids)
        blank = np.zeros((*ids.shape, 1), np.uint8)
        whole = Pair(name=name, group=name, image=blank, ids=ids, instances=instances, boxes=boxes)
        whole = _in_symbols(whole, _colors(whole, self.cell), self.symbols, 1)
        if self.boxes is not None:
            whole = replace(whole, boxes=self.boxes.of_pair(whole))
        return whole.seen(self.geometry.middle(whole.size))

    def _check_names(self, data: DataSet) -> None:
        for info in data.classes.classes:
            if info.id in self.classes.ids and self.classes.name_of(info.id) != info.name:
                raise InputError(
                    f"{data.source}: class {info.id} is {info.name!r} there and "
                    f"{self.classes.name_of(info.id)!r} in the run; give layouts with the run's classes"
                )

    def _known(self, data: DataSet, name: str, ids: Array) -> Array:
        """The ids of a layout; where it has an id of its own for what is ignored, that of the run. Raises InputError
        for others that the run does not know.
        """
        known = {class_id for class_id, _ in self.symbols.symbols}
        strange, ignored = sorted(set(np.unique(ids).tolist()) - known), known & {*self.classes.ignore}
        if strange and ignored and {*data.classes.ignore}.issuperset(strange):
            ids = np.where(np.isin(ids, strange), min(ignored), ids)
        elif strange:
            raise InputError(
                f"{data.source}: the layout of {name!r} holds class ids that the run was not trained on: "
                f"{strange[:5]}"
            )
        if self.whole and len(np.unique(ids)) > 1:
            raise InputError(
                f"{data.source}: the layout of {name!r} holds several classes, and the run knows one class an image"
            )
        return ids
