"""Is a sample a training image in disguise? The decision, by a ratio of distances whose threshold is set on
real data.

    ratio(q) = (d'(q, training) + e) / (d'(q, held out) + e)        d: distance to the nearest item of each
    d'(q)^2  = max(d(q)^2 - grain(q)^2, 0)                          grain: noise of q itself that no other
             image could explain
    copy:    ratio(q) < threshold, or d'(q, training) < 0.5 grey levels and ratio(q) < 0.9

e = 1 grey level: without it two nearly black images could have any ratio. The grain is estimated from second
differences, which edges and slopes hardly touch (Immerkaer, "Fast noise variance estimation", 1996; here by
their median), as it is after smoothing. A sample that lies nearer to a training image than to any real image
that was never trained on is suspicious only as far as real images are not so themselves, so the threshold
comes from them: the held-out groups (patients, slides) are divided into two halves, the items of each half
are measured against the other half, and the threshold is the ratio below which at most a share (1 %) of them
lie; never above 0.75, and never below 0.4, where only real images lie that copy training images themselves
(doubled files, neighboring slices). Samples are measured against both halves, and d(q, held out) is the mean,
so that both face as many images. What a training image explains to half a grey level is a copy, too, unless
held-out images do as well.

Flat images, which deviate from their own mean color by less than 2 grey levels, hold nothing that could be
copied: they are counted apart and never called copies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.metrics.copy_rule import (
    FLAT,
    CopyRule,
    calibrate,
    deviations,
    grains,
    halves,
    ratios,
    without_grain,
)
from labelmint.metrics.nearest_view import NearestViews, nearest_views, share_searched
from labelmint.types import Array

__all__ = ["CopySearch", "Distances", "Memorization", "memorization"]


Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Distances:
    """How far N samples lie from real images.

    Attributes:
        to_training: their nearest training views.
        near, far: (N,) distances to the nearest training view, and to the nearest held-out view as the mean
            over both halves; without the samples' own grain.
        flat: (N,) samples that hold nothing that could be copied.
    """

    to_training: NearestViews
    near: npt.NDArray[np.float64]
    far: npt.NDArray[np.float64]
    flat: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Memorization:
    """What a search for copies among N samples found.

    Attributes:
        rule: as set on the real held-out items.
        to_training: nearest views of the samples, to look at and to draw.
        near, far: (N,) distances to the nearest training view, and to the nearest held-out view as the mean
            over both halves; without the samples' own grain.
        flat: (N,) samples that hold nothing that could be copied.
        copies: (N,) samples that are copies.
        sources: for each copy, in order, the training group that it came from.
        alarms: share of the real held-out items of each half (flat ones left out) that are copies by the rule
            of the other half.
        real_items: how many those are.
    """

    rule: CopyRule
    to_training: NearestViews
    near: npt.NDArray[np.float64]
    far: npt.NDArray[np.float64]
    flat: npt.NDArray[np.bool_]
    copies: npt.NDArray[np.bool_]
    sources: tuple[str, ...]
    alarms: float
    real_items: int

    @property
    def ratios(self) -> npt.NDArray[np.float64]:
        """(N,) of the samples."""
        return ratios(self.near, self.far, self.rule.noise)

    @property
    def copies_per_1000(self) -> float:
        """Among all samples, flat ones included: they are samples, too."""
        return 1000 * float(self.copies.mean())

    @property
    def groups(self) -> dict[str, int]:
        """Training groups that were copied from, and how often; the most copied first."""
        return dict(Counter(self.sources).most_common())


class CopySearch:
    """Real images, ready to be searched for copies of any samples.

    Arguments:
        training, held_out: real images (H_i, W_i, C) uint8 at the scale of the samples, each at least as
            large.
        training_groups, held_out_groups: patient or slide of each image; default each its own.
        beyond, seed: as for `nearest_views`; the seed also places the real views of the rule.
        work_a_query: most work of the search for one image; without it the limit of `nearest_views` is shared
            by all images of a call.

    Raises InputError for groups that are too few, whose number differs from that of the images, or that are
    on both sides.
    """

    def __init__(
        self,
        training: Sequence[Array],
        held_out: Sequence[Array],
        *,
        training_groups: Sequence[str] | None = None,
        held_out_groups: Sequence[str] | None = None,
        beyond: int = 4,
        seed: int = 0,
        work_a_query: float | None = None,
    ) -> None:
        self.sources = _groups(training_groups, training, "training")
        unseen = _groups(held_out_groups, held_out, "held-out")
        if training_groups is not None and held_out_groups is not None and set(self.sources) & set(unseen):
            raise InputError(
                f"group {min(set(self.sources) & set(unseen))!r} is both trained on and held out; put it on "
                f"one side"
            )
        self.training, self.held_out, self.first = training, held_out, halves(unseen)
        self.beyond, self.seed, self.work_a_query = beyond, seed, work_a_query

    def distances(
        self, samples: Sequence[Array] | Array, tell: Tell = lambda step, done, of: None
    ) -> Distances:
        """How far N images (H, W, C) uint8 of one size lie from both sides."""
        images = np.asarray(samples)
        grain = grains(images)
        to_training = self._search("samples in training images", images, self.training, tell)
        to_halves = [
            self._search("samples in held-out images", images, self._half(half), tell)
            for half in (self.first, ~self.first)
        ]
        return Distances(
            to_training=to_training,
            near=without_grain(to_training.distance, grain),
            far=np.mean([without_grain(found.distance, grain) for found in to_halves], axis=0),
            flat=deviations(images) < FLAT,
        )

    def searched(self, size: tuple[int, int]) -> float:
        """Share of the training positions that the search for samples of a size compares; 1 without `work_a_query`,
        where that depends on how many samples there are.
        """
        if self.work_a_query is None:
            return 1.0
        return share_searched(
            size, self.training, beyond=self.beyond, seed=self.seed, work_a_query=self.work_a_query
        )

    def rule(
        self,
        size: tuple[int, int],
        *,
        share: float = 0.01,
        real_views: int = 300,
        tell: Tell = lambda step, done, of: None,
    ) -> tuple[CopyRule, float]:
        """The rule for samples of a size, and the share of real items of each half that are copies by the
        rule of the other.

        Arguments:
            share: of real held-out views that may have the ratio of a copy.
            real_views: about how many views of the held-out images the threshold is set on.
        """
        views, origin = _real_views(self.held_out, size, real_views, self.seed)
        to_training = self._search("held-out views in training images", views, self.training, tell).distance
        to_other = np.zeros(len(views))
        for half in (self.first, ~self.first):
            here = half[origin]
            if here.any():  # of very many images not every one gives a view
                to_other[here] = self._search(
                    "held-out views in each other", views[here], self._half(~half), tell
                ).distance
        grain, real = grains(views), deviations(views) >= FLAT
        near, far = (without_grain(distance, grain)[real] for distance in (to_training, to_other))
        return calibrate(near, far, share=share), _alarms(near, far, self.first[origin][real], share)

    def _half(self, chosen: npt.NDArray[np.bool_]) -> list[Array]:
        return [image for image, here in zip(self.held_out, chosen, strict=True) if here]

    def _search(self, what: str, queries: Array, references: Sequence[Array], tell: Tell) -> NearestViews:
        limit = {} if self.work_a_query is None else {"most_work": self.work_a_query * len(queries)}
        return nearest_views(
            queries,
            references,
            beyond=self.beyond,
            seed=self.seed,
            tell=lambda done, of: tell(what, done, of),
            **limit,
        )


def memorization(
    samples: Sequence[Array] | Array,
    training: Sequence[Array],
    held_out: Sequence[Array],
    *,
    training_groups: Sequence[str] | None = None,
    held_out_groups: Sequence[str] | None = None,
    share: float = 0.01,
    real_views: int = 300,
    beyond: int = 4,
    seed: int = 0,
    tell: Tell = lambda step, done, of: None,
) -> Memorization:
    """Search samples for copies of training images.

    Arguments:
        samples: N images (H, W, C) uint8 of one size.
        training, held_out, training_groups, held_out_groups, beyond, seed: as for `CopySearch`.
        share, real_views: as for its rule.
        tell: called with what is being done, the work done and all of it.

    Raises InputError as `CopySearch` and `nearest_views` do.
    """
    search = CopySearch(
        training,
        held_out,
        training_groups=training_groups,
        held_out_groups=held_out_groups,
        beyond=beyond,
        seed=seed,
    )
    images = np.asarray(samples)
    found = search.distances(images, tell)
    rule, alarms = search.rule(
        (images.shape[1], images.shape[2]), share=share, real_views=real_views, tell=tell
    )
    copies = rule.judge(found.near, found.far, found.flat)
    return Memorization(
        rule=rule,
        to_training=found.to_training,
        near=found.near,
        far=found.far,
        flat=found.flat,
        copies=copies,
        sources=tuple(search.sources[k] for k in found.to_training.reference[copies]),
        alarms=alarms,
        real_items=len(rule.ratios),
    )


def _alarms(near: Array, far: Array, first: Array, share: float) -> float:
    """Share of the real items of each half that are copies by the rule of the other: a rule is not tried on
    what it was set on.
    """
    if first.all() or not first.any():
        return float(calibrate(near, far, share=share).judge(near, far).mean())
    called = np.zeros(len(near), bool)
    for half in (first, ~first):
        called[half] = calibrate(near[~half], far[~half], share=share).judge(near[half], far[half])
    return float(called.mean())


def _groups(groups: Sequence[str] | None, images: Sequence[Array], what: str) -> list[str]:
    if groups is None:
        return [str(k) for k in range(len(images))]
    if len(groups) != len(images):
        raise InputError(
            f"each {what} image needs a group; got {len(images)} images and {len(groups)} groups"
        )
    return list(groups)


def _real_views(
    images: Sequence[Array], size: tuple[int, int], about: int, seed: int
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Random windows of a size and the image of each: about as many as asked for, spread evenly over images
    taken at random; an image of that very size gives itself, once.
    """
    rng = np.random.default_rng(seed)
    times = -(-about // len(images))
    found, origin = [], []
    for k in np.sort(rng.permutation(len(images))[:about]).tolist():
        image = images[k]
        spare = image.shape[0] - size[0], image.shape[1] - size[1]
        for _ in range(times if max(spare) > 0 else 1):
            top, left = (int(rng.integers(side + 1)) for side in spare)
            found.append(image[top : top + size[0], left : left + size[1]])
            origin.append(k)
    return np.stack(found), np.array(origin)
