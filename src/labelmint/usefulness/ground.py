"""The real data of one cell of a study, as its arms see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import shelved
from labelmint.datasets.pair import Pair
from labelmint.datasets.ranges import Range, normalized
from labelmint.evaluation.judging import VALIDATION_VIEWS
from labelmint.evaluation.views import Views, tiles
from labelmint.usefulness.recipe import Recipe

__all__ = ["Ground", "synthetic_seen"]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The real data of one cell of a study.

    Attributes:
        training: pairs at the scale of training. test: views (tiles) of the test part.
        validation: views of pairs beside the training pairs; None where the training pairs are all labels
            that there are, and are cross-fitted.
        folds: places of the training pairs in each of two folds; empty where other pairs validate.
        classes: K. foreground: class indices that scores are means over.
        backgrounds: class indices that have no objects: copy-paste never pastes them.
        geometry: size, crop and the augmentation that keeps labels true.
        ranges: the levels that each image uses, by the name of its pair.
        normalized: whether all images are spread from their own ranges already.
        unlabelled: images without labels, every pixel ignored. minted: those of them that have minted labels. Both
            are empty for arms without a pool.
        folder: that takes images which are spread where memory does not hold them; None for none.
    """

    training: Sequence[Pair]
    validation: Views | None
    test: Views
    classes: int
    foreground: tuple[int, ...]
    backgrounds: frozenset[int]
    geometry: Geometry
    folds: tuple[tuple[int, ...], ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)
    normalized: bool = False
    unlabelled: Sequence[Pair] = ()
    minted: Sequence[Pair] = ()
    folder: Path | None = None

    def seen(self, recipe: Recipe) -> Ground:
        """The ground as a recipe has its images: as they are, or each spread from its own range."""
        if not recipe.normalize:
            return self
        training, unlabelled, minted = (
            self._all_spread(part) for part in (self.training, self.unlabelled, self.minted)
        )
        validation = None if self.validation is None else self._spread(self.validation)
        test = self._spread(self.test)
        return replace(
            self,
            training=training,
            validation=validation,
            test=test,
            normalized=True,
            unlabelled=unlabelled,
            minted=minted,
        )

    def to_train(self, pairs: Sequence[Pair], recipe: Recipe) -> Sequence[Pair]:
        """Some of its pairs with each image as it is, and where the recipe asks for it spread beside that: half of the
        views are spread.
        """
        return pairs if not recipe.spread or self.normalized else [*pairs, *self._all_spread(pairs)]

    def to_read(self, recipe: Recipe, views: Views) -> list[Views]:
        """Some of its views as a segmenter reads them: as they are, and where the recipe asks for it spread, too."""
        return [views] if not recipe.spread or self.normalized else [views, self._spread(views)]

    def fold(self, k: int) -> Ground:
        """The ground of cross-fitting: the pairs of fold k train, those of the other validate. Labels that were minted
        from all pairs have seen those of the other fold, and are left out.
        """
        mine, other = ([self.training[place] for place in self.folds[which]] for which in (k, 1 - k))
        held_out = tiles(other, self.geometry.size, VALIDATION_VIEWS)
        return replace(self, training=mine, validation=held_out, folds=(), minted=())

    def _all_spread(self, pairs: Sequence[Pair]) -> list[Pair]:
        spread = (replace(one, image=normalized(one.image, "image")) for one in pairs)
        if self.folder is None:
            return list(spread)
        return shelved(spread, len(pairs), self.folder, "the images that are spread")

    def _spread(self, views: Views) -> Views:
        """Views of images that are spread as a whole; a view of an image that is no pair's by itself."""
        images = [
            self.ranges[name].spread(image) if name in self.ranges else normalized(image, "image")
            for name, image in zip(views.names, views.images, strict=True)
        ]
        return replace(views, images=np.stack(images))


def synthetic_seen(views: Views, recipe: Recipe) -> Views:
    """Synthetic pairs as a recipe has their images: as they are, spread, or both."""
    if not recipe.normalize and not recipe.spread:
        return views
    spread = replace(views, images=np.stack([normalized(image, "image") for image in views.images]))
    if recipe.normalize:
        return spread
    twice = views.take([*range(len(views))] * 2)
    return replace(twice, images=np.concatenate([views.images, spread.images]))
