"""The real data of a study, loaded once, and the ground of each of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import Disk
from labelmint.datasets.pair import Pair, digest_of
from labelmint.datasets.splits import Split, split_of
from labelmint.errors import InputError
from labelmint.evaluation.judging import VALIDATION_VIEWS, foreground_of
from labelmint.evaluation.loading import load_parts
from labelmint.evaluation.views import Views, tiles
from labelmint.progress import Report
from labelmint.types import ClassSet, DataSet
from labelmint.usefulness.arms import Ground
from labelmint.usefulness.plan import Cell, StudyOptions, pairs_of_cell

__all__ = ["RealPairs", "load_real"]

TEST_VIEWS = 2000


@dataclass(frozen=True, kw_only=True)
class RealPairs:
    """All real pairs at the scale of training.

    Attributes:
        data: where they come from. parts: the names of the pool, of all validation pairs and of the test
            part.
        geometry: size, crop and the augmentation that keeps labels true. normalize: as the options have it.
        fitted: every pool and validation pair by name. test: views of the test part.
        foreground: class indices that scores are means over.
        digest: SHA-256 of all of it.
    """

    data: DataSet
    parts: Split
    geometry: Geometry
    fitted: dict[str, Pair]
    test: Views
    foreground: tuple[int, ...]
    digest: str
    normalize: str = "none"

    @property
    def classes(self) -> ClassSet:
        """Classes of the data."""
        return self.data.classes

    @property
    def channels(self) -> int:
        """Channels of all images."""
        return int(self.test.images.shape[-1])

    def pairs(self, cell: Cell) -> Split:
        """The names of a cell."""
        return pairs_of_cell(cell, self.parts)

    def ground(self, cell: Cell) -> Ground:
        """What the arms of a cell are trained, validated and tested on."""
        names = self.pairs(cell)
        training, validation = (
            [self.fitted[name] for name in part] for part in (names.training, names.validation)
        )
        return Ground(
            training=training,
            validation=tiles(validation, self.geometry.size, VALIDATION_VIEWS),
            test=self.test,
            classes=len(self.classes),
            foreground=self.foreground,
            backgrounds=frozenset(range(len(self.classes))) - set(self.foreground),
            geometry=self.geometry,
        )

    def check(self, cells: Sequence[Cell]) -> None:
        """Raise InputError for a cell whose training or validation pairs show no foreground class: it can
        learn or choose nothing.
        """
        for cell in cells:
            names = self.pairs(cell)
            for what, part in (("training", names.training), ("validation", names.validation)):
                if not any(np.isin(self.fitted[name].ids, self.foreground).any() for name in part):
                    raise InputError(
                        f"{self.data.source}: no foreground class occurs in the {len(part)} {what} pairs of "
                        f"seed {cell.seed} at "
                        f"--n-train {cell.n}; take a larger --n-train, or another --seed"
                    )


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
    if not parts.training or not parts.validation:
        raise InputError(
            f"{data.source}: pairs to train on and others to validate on are needed; label more images"
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
        digest=digest_of([*learned, *loaded.test], how),
    )
