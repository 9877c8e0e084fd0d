"""Pairs in memory: images with their layouts, drawn into batches by one random draw for all parts of a pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair, collate, digest_of
from labelmint.datasets.ranges import Range
from labelmint.datasets.rarity import Rarity, rarity_of
from labelmint.datasets.rebalancing import RareLooks, Showing, check_rebalance
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.datasets.tiles import tiles_of_all
from labelmint.errors import InputError
from labelmint.types import Array, Batch

__all__ = ["Pairs"]


class Pairs:
    """N pairs at the scale of training, as large as each is there, and how to view them.

    A batch is a function of (seed, step) alone: an epoch is one permutation of the pairs, and each step has a
    random generator of its own. So a run that was stopped goes on as if it never had been.

    Arguments:
        images: (H, W, C) uint8 each.
        ids: maps (H, W) of symbols or class indices; None for images without labels, whose maps then hold 0
            everywhere.
        geometry: size and augmentation of the views.
        seed: of the batches.
        class_of: the class of each symbol that views can be drawn to show.
        names, groups: of the pairs; their numbers, and their names, where None.
        instances: maps (H, W), 0 = none, or None for a pair without.
        boxes: (n, 5) each, as `Pair` has them, or None for a pair without.
        most_boxes: of a view at most, the largest; None for no limit.
        ranges: the levels that each image was spread from, or None.
        styles: the kind of look of each image (`runs.kinds`), -1 = not known; None: of no image.
        source: where the pairs come from, for messages.
    """

    def __init__(
        self,
        images: Sequence[Array],
        ids: Sequence[Array] | None,
        geometry: Geometry,
        seed: int,
        class_of: Mapping[int, int] | None = None,
        *,
        names: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        instances: Sequence[Array | None] | None = None,
        boxes: Sequence[Array | None] | None = None,
        most_boxes: int | None = None,
        ranges: Sequence[Range | None] | None = None,
        styles: Sequence[int] | None = None,
        source: str = "",
    ) -> None:
        count = len(images)
        self.images, self.geometry, self.seed, self.source = images, geometry, seed, source
        self.labelled, self.class_of = ids is not None, dict(class_of or {})
        # one zero stands for all: no memory is taken
        self.ids: Sequence[Array] = (
            ids if ids is not None else [np.broadcast_to(np.uint8(0), one.shape[:2]) for one in images]
        )
        self.names = tuple(names) if names is not None else tuple(map(str, range(count)))
        self.groups = tuple(groups) if groups is not None else self.names
        self.instances: Sequence[Array | None] = instances if instances is not None else [None] * count
        self.boxes: Sequence[Array | None] = boxes if boxes is not None else [None] * count
        self.ranges: Sequence[Range | None] = ranges if ranges is not None else [None] * count
        self.styles: Sequence[int] = styles if styles is not None else [-1] * count
        self.style_shares: tuple[float, ...] = ()
        parts = (self.ids, self.names, self.groups, self.instances, self.boxes, self.ranges, self.styles)
        if {len(part) for part in parts} != {count}:
            raise ValueError(
                f"{count} images need as many maps, names, groups, instances, boxes, ranges and styles"
            )
        self._has_instances = any(one is not None for one in self.instances)
        known = [len(one) for one in self.boxes if one is not None]
        self._limit = most_boxes
        self._most_boxes = min(max(known), most_boxes or max(known)) if known else None
        self._shown, self._rebalance = 0.0, "none"
        self._showing: Showing | None = None
        self._rare: RareLooks | None = None
        self.rarity: Rarity | None = None

    @classmethod
    def of(
        cls,
        pairs: Sequence[Pair],
        geometry: Geometry,
        seed: int,
        class_of: Mapping[int, int] | None = None,
        source: str = "",
        labelled: bool = True,
    ) -> Pairs:
        """Pairs that were made one by one; without labels their maps are left out."""
        return cls(
            [one.image for one in pairs],
            [one.ids for one in pairs] if labelled else None,
            geometry,
            seed,
            class_of,
            names=[one.name for one in pairs],
            groups=[one.group for one in pairs],
            instances=[one.instances for one in pairs],
            boxes=[one.boxes for one in pairs],
            ranges=[one.range for one in pairs],
            styles=[one.style for one in pairs],
            source=source,
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> Pair:
        """One pair, as large as it is at the scale of training."""
        return Pair(
            name=self.names[place],
            group=self.groups[place],
            image=self.images[place],
            ids=self.ids[place],
            instances=self.instances[place],
            boxes=self.boxes[place],
            range=self.ranges[place],
            style=self.styles[place],
        )

    def __iter__(self) -> Iterator[Pair]:
        return (self[place] for place in range(len(self)))

    @property
    def nbytes(self) -> int:
        """Memory that the pairs take."""
        return sum(pair.nbytes for pair in self)

    @property
    def views(self) -> int:
        """Views an epoch: one a pair, or as many crops as cover the area of the images."""
        height, width = self.geometry.size
        return max(round(sum(ids.size for ids in self.ids) / (height * width)), len(self))

    @property
    def variance(self) -> float:
        """Variance of the pixels on [-1, 1]; at least 1e-4, for data without any."""
        return max(EIGHT_BITS.variance(self.images), 1e-4)

    @property
    def still(self) -> bool:
        """True if a batch is `items` of it in their fixed views: nothing is cropped, augmented or shown more
        often.
        """
        chosen = self._showing is not None or self._rare is not None
        return not chosen and all(self.geometry.still(ids) for ids in self.ids)

    def digest(self, how: object = ()) -> str:
        """SHA-256 of all pairs, and of `how`, as `pair.digest_of` has it."""
        return digest_of(self, how)

    def items(self, step: int, size: int) -> list[int]:
        """Which pairs the batch of a step shows, by their place, but for those that are shown more often."""
        return [self._item(step * size + k) for k in range(size)]

    def batch(self, step: int, size: int, rank: int = 0, world: int = 1) -> Batch:
        """The batch of a step: every world-th of its items from `rank` on."""
        return self.some(step, size, range(rank, size, world))

    def some(self, step: int, size: int, rows: Sequence[int]) -> Batch:
        """These rows of the batch of a step of so many pairs."""
        return self.collated([self.view(step, size, k) for k in rows])

    def view(self, step: int, size: int, row: int) -> tuple[Pair, int]:
        """One row of the batch of a step of so many pairs: a view, and the place of the pair that it is of."""
        return self._drawn(step * size + row, self._rng(step, row))

    def collated(self, views: Sequence[tuple[Pair, int]]) -> Batch:
        """Views of pairs, each with the place of its pair, as a batch."""
        return collate(
            [pair for pair, _ in views], [place for _, place in views], self._has_instances, self._most_boxes
        )

    def fixed(self, first: int, size: int) -> Batch:
        """Pairs first ... first + size - 1 in their fixed view, for held-out figures and pictures."""
        places = range(len(self))[first : first + size]
        pairs = ((self[place], place) for place in places)
        return self.collated([(pair.seen(self.geometry.middle(pair.size)), place) for pair, place in pairs])

    def take(self, places: Sequence[int] | Array) -> Pairs:
        """Some of the pairs, in the order of `places`."""
        return self._with([self[int(place)] for place in places], self.geometry)

    def tiles(self, size: tuple[int, int], at_most: int) -> Pairs:
        """Tiles of a size, side by side around the middle of each pair; evenly thinned by a hash where there
        are more than `at_most`. Each has the name and the group of the pair it was cut from.
        """
        return self._with(tiles_of_all([*self], size, at_most), Geometry(size=size))

    def showing(self, share: float) -> Pairs:
        """These pairs, of whose views a share is drawn to show each class as often as the others."""
        if share and not self.labelled:
            raise InputError(f"{self.source}: has no labels, so no class can be shown more often than others")
        return self._chosen(share, self._rebalance)

    def rebalanced(self, how: str) -> Pairs:
        """These pairs, of which rare ones are viewed more often.

        Arguments:
            how: "classes" shows each class as often as the others, "appearance" those of the largest areas in turn,
                each with its rarest looks (`datasets.rebalancing`); "none" all pairs equally often.
        """
        self.check_rebalanced(how)
        return self if how == self._rebalance else self._chosen(self._shown, how)

    def check_rebalanced(self, how: str) -> None:
        """Raise InputError for pairs that can't be rebalanced so."""
        check_rebalance(how)
        if how != "none" and not any(np.isin(one, [*self.class_of]).any() for one in self.ids):
            raise InputError(f"{self.source}: shows no class, so --rebalance {how} has nothing to go by")

    def _chosen(self, share: float, how: str) -> Pairs:
        """These pairs, chosen otherwise."""
        pairs = self._with([*self], self.geometry)
        pairs._rebalance, pairs._shown = how, 1.0 if how == "classes" else share
        if pairs._shown:
            pairs._showing = Showing(self.ids, self.class_of)
        if how == "appearance":
            pairs.rarity = self.rarity or rarity_of(self.images, self.ids, self.class_of)
            pairs._rare = RareLooks(self.ids, pairs.rarity, [*self.class_of.values()])
        return pairs

    def with_boxes(self, boxes_of: Callable[[Pair], Array], most: int | None = None) -> Pairs:
        """These pairs with boxes that a function finds of each, as `Pair` has them.

        Arguments:
            most: boxes of a view at most, the largest; None for no limit.
        """
        if not self.labelled:
            raise InputError(f"{self.source}: has no labels, so there are no objects to draw boxes around")
        return self._with([*self], self.geometry, [boxes_of(pair) for pair in self], most)

    def with_styles(self, styles: Sequence[int], shares: Sequence[float]) -> Pairs:
        """These pairs, the kind of look of each image known, and how often each is among all images learned from."""
        found = self._with(
            [replace(pair, style=style) for pair, style in zip(self, styles, strict=True)], self.geometry
        )
        found.style_shares = tuple(shares)
        return found

    def _with(
        self,
        pairs: Sequence[Pair],
        geometry: Geometry,
        boxes: Sequence[Array | None] | None = None,
        most_boxes: int | None = None,
    ) -> Pairs:
        """Other pairs, viewed under the same seed."""
        found = Pairs(
            [one.image for one in pairs],
            [one.ids for one in pairs] if self.labelled else None,
            geometry,
            self.seed,
            self.class_of,
            names=[one.name for one in pairs],
            groups=[one.group for one in pairs],
            instances=[one.instances for one in pairs],
            boxes=boxes if boxes is not None else [one.boxes for one in pairs],
            most_boxes=most_boxes if boxes is not None else self._limit,
            ranges=[one.range for one in pairs],
            styles=[one.style for one in pairs],
            source=self.source,
        )
        found.style_shares = self.style_shares
        return found

    def _rng(self, step: int, row: int) -> np.random.Generator:
        """The random numbers of a row of a step; those of `default_rng([seed, 1, step]).spawn(...)[row]`."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, 1, step], spawn_key=(row,)))

    def _drawn(self, count: int, rng: np.random.Generator) -> tuple[Pair, int]:
        """A view of the pair whose turn it is after so many, or of one that is chosen."""
        which, around = self._item(count), None
        if self._showing and rng.random() < self._shown:
            which, around = self._showing.choose(rng)
        elif self._rare:
            which, around = self._rare.choose(rng, count)
        pair = self[which]
        return pair.seen(self.geometry.move(rng, pair.size, around)), which

    def _item(self, count: int) -> int:
        epoch, place = divmod(count, len(self))
        if getattr(self, "_epoch", None) != epoch:
            self._epoch, self._order = (
                epoch,
                np.random.default_rng([self.seed, 0, epoch]).permutation(len(self)),
            )
        return int(self._order[place])
