"""The real data of a study, loaded once, and the ground of each of its cells."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import Disk
from labelmint.datasets.pair import Pair, digest_of
from labelmint.datasets.ranges import Range, range_of
from labelmint.datasets.splits import Split, split_of
from labelmint.errors import InputError
from labelmint.evaluation.judging import VALIDATION_VIEWS, foreground_of
from labelmint.evaluation.loading import load_parts
from labelmint.evaluation.views import Views, tiles
from labelmint.pool.images import digest_of_image
from labelmint.progress import Report
from labelmint.types import ClassSet, DataSet
from labelmint.usefulness.folds import held_for_generator, two_folds
from labelmint.usefulness.ground import Ground
from labelmint.usefulness.order import in_order
from labelmint.usefulness.plan import Cell, StudyOptions, pairs_of_cell

__all__ = ["MOST_APART", "RealPairs", "load_real"]

TEST_VIEWS, MOST_APART = 2000, 100
_FOLDS = 2  # of pairs that validate each other


@dataclass(frozen=True, kw_only=True)
class RealPairs:
    """All real pairs at the scale of training.

    Attributes:
        data: where they come from. parts: the names of the pool, of all validation pairs and of the test
            part.
        geometry: size, crop and the augmentation that keeps labels true. normalize, validation: as the options have
            them.
        fitted: every pool and validation pair by name. test: views of the test part.
        foreground: class indices that scores are means over.
        digest: SHA-256 of all of it but the instances. instances: that of those, None where there are none.
        ranges: the levels that each image uses, by the name of its pair.
        apart: whole images of the test part, at most 100, by a hash, where it is asked whether pairs may be shared.
        tested: digest (`pool.images.digest_of_image`) -> name of the images of the test part.
        folder: that takes what memory does not hold; None for none.
    """

    data: DataSet
    parts: Split
    geometry: Geometry
    fitted: dict[str, Pair]
    test: Views
    foreground: tuple[int, ...]
    digest: str
    instances: str | None = None
    normalize: str = "none"
    validation: str = "within"
    ranges: Mapping[str, Range] = field(default_factory=dict)
    apart: Sequence[Pair] = ()
    tested: Mapping[bytes, str] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def classes(self) -> ClassSet:
        """Classes of the data."""
        return self.data.classes

    @property
    def channels(self) -> int:
        """Channels of all images."""
        return int(self.test.images.shape[-1])

    def pairs(self, cell: Cell, validation: str = "") -> Split:
        """The names of a cell, in the study's reading unless another is named."""
        return pairs_of_cell(cell, self.parts, validation or self.validation)

    def ground(self, cell: Cell, validation: str = "") -> Ground:
        """What the arms of a cell are trained, validated and tested on, in the same reading."""
        names = self.pairs(cell, validation)
        training, beside = (
            [self.fitted[name] for name in part] for part in (names.training, names.validation)
        )
        return Ground(
            training=training,
            validation=tiles(beside, self.geometry.size, VALIDATION_VIEWS) if beside else None,
            folds=() if beside else two_folds(training, self.foreground, cell.seed),
            ranges=self.ranges,
            test=self.test,
            classes=len(self.classes),
            foreground=self.foreground,
            backgrounds=frozenset(range(len(self.classes))) - set(self.foreground),
            geometry=self.geometry,
            normalized=self.normalize != "none",
            folder=self.folder,
        )

    def of_generator(self, cell: Cell) -> Split:
        """The names that the generator of a cell trains on, and those that it is held to: the cell's validation
        pairs, or where it has none a few of its n pairs.
        """
        names = self.pairs(cell)
        if names.validation:
            return names
        pairs = [self.fitted[name] for name in names.training]
        held = set(held_for_generator(pairs, self.foreground, cell.seed))
        training, beside = (
            tuple(name for place, name in enumerate(names.training) if (place in held) == kept)
            for kept in (False, True)
        )
        return replace(names, training=training, validation=beside)

    def check(self, cells: Sequence[Cell], generators: bool) -> None:
        """Raise InputError for a cell of which a part that is learned from, or held to, shows no foreground class:
        it can learn or choose nothing.
        """
        for cell in cells:
            for what, part in self._parts_of(cell, generators).items():
                if not any(np.isin(self.fitted[name].ids, self.foreground).any() for name in part):
                    raise InputError(
                        f"{self.data.source}: no foreground class occurs in the {len(part)} {what} of "
                        f"seed {cell.seed} at "
                        f"--n-train {cell.n}; take a larger --n-train, or another --seed"
                    )

    def _parts_of(self, cell: Cell, generators: bool) -> dict[str, Sequence[str]]:
        ground, names = self.ground(cell), self.pairs(cell)
        parts: dict[str, Sequence[str]] = {"training pairs": names.training}
        parts |= {"validation pairs": names.validation} if names.validation else {}
        for k, fold in enumerate(ground.folds, start=1):
            parts[f"pairs of fold {k}"] = [names.training[place] for place in fold]
        if generators and ground.folds:
            held = self.of_generator(cell)
            parts["pairs that train the generator"] = held.training
            parts["pairs that the generator is held to"] = held.validation
        return parts


def load_real(
    data: DataSet, size: tuple[int, int], options: StudyOptions, tell: Report, disk: Disk | None = None
) -> RealPairs:
    """Load what a study needs; the disk takes the pairs where memory does not hold them. Raises InputError for data
    that can't be studied.
    """
    geometry = Geometry(size=size, crop=options.crop, scale=options.scale, augment=frozenset(options.augment))
    parts = split_of(data, options.group_by)
    if not parts.test:
        raise InputError(
            f"{data.source}: has no test part; write the names of some pairs that were never trained on into "
            f"test.txt, one a line"
        )
    if not parts.training or (options.validation == "extra" and not parts.validation):
        raise InputError(
            f"{data.source}: pairs to train on and others to validate on are needed; label more images"
        )
    if options.validation == "within" and len(parts.training) < _FOLDS:
        raise InputError(
            f"{data.source}: has {len(parts.training)} training pair beside its test and validation parts, and with "
            f"--validation within at least {_FOLDS} are needed, one for each fold; label more images"
        )
    loaded = load_parts(
        data,
        parts,
        geometry,
        channels=None,
        group_by=options.group_by,
        normalize=options.normalize,
        disk=disk,
        tell=tell,
    )
    learned = [*loaded.training, *loaded.validation]
    test = tiles(loaded.test, size, TEST_VIEWS)
    how: Any = (size, options.crop, options.scale, sorted(options.augment), options.group_by, data.classes)
    return RealPairs(
        data=data,
        parts=parts,
        geometry=geometry,
        fitted={one.name: one for one in learned},
        test=test,
        foreground=foreground_of(data, test),
        normalize=options.normalize,
        validation=options.validation,
        ranges={one.name: range_of(one.image) for one in (*learned, *loaded.test)},
        digest=digest_of([*learned, *loaded.test], how),
        instances=_digest_of_instances(learned),
        apart=_apart(loaded.test, parts, options.seed) if options.share else (),
        tested={digest_of_image(one.image): one.name for one in loaded.test},
        folder=None if disk is None else disk.folder,
    )


def _digest_of_instances(pairs: Sequence[Pair]) -> str | None:
    """SHA-256 of what tells the objects of pairs apart; None where nothing does."""
    digest = hashlib.sha256()
    for one in pairs:
        if one.instances is not None:
            digest.update(one.name.encode("utf-8", "surrogateescape") + one.instances.tobytes())
    return digest.hexdigest() if any(one.instances is not None for one in pairs) else None


def _apart(pairs: Sequence[Pair], parts: Split, seed: int) -> list[Pair]:
    """At most 100 of the pairs of the test part."""
    by_name = {one.name: one for one in pairs}
    return [by_name[name] for name in in_order(list(by_name), seed, parts.groups)[:MOST_APART]]
