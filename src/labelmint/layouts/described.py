"""Layouts of boxes drawn for a description: by a prior under constraints, then by rejection, then not at all.

    candidate k of a layout ~ p(s given wishes_k),    k = 0 ... 19,    the first that the checker finds to meet all

Objects that a description forbids and no constraint could, such as those of "no rings on the left", and those that it
has too many of are left out of a candidate before it is checked. Where none of 20 candidates meets all, drawing stops
and says what could not be met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from labelmint.datasets.objects import largest
from labelmint.errors import InputError
from labelmint.layouts.asked import NEAR, wishes_for
from labelmint.layouts.boxes import BoxRule
from labelmint.layouts.description import Description
from labelmint.layouts.lexicon import in_quotes
from labelmint.layouts.usual import Usual
from labelmint.layouts.wishes import Wishes
from labelmint.layouts.wishes_met import Met, forbidden, wishes_met
from labelmint.protocols import Dial, Dials
from labelmint.seeds import Seed, stream_of
from labelmint.types import Array, Kept, LayoutBatch

__all__ = ["MOST_CANDIDATES", "BoxSource", "DescribedLayouts", "Found", "Unmet"]

MOST_CANDIDATES = 20
_STREAM = "description"


class Unmet(InputError):
    """A description that some layout can't be drawn for; with the same seed it never can.

    Attributes:
        rows: which of a batch do not meet it. layouts: the batch, in which these are the nearest that were drawn; None
            where none could be.
    """

    def __init__(self, message: str, rows: Sequence[int] = (), layouts: LayoutBatch | None = None) -> None:
        super().__init__(message)
        self.rows, self.layouts = tuple(rows), layouts


class BoxSource(Protocol):
    """A layout source of boxes that heeds wishes, as `layouts.box_prior` is one."""

    @property
    def dials(self) -> tuple[Dial, ...]:
        """What it heeds when it draws."""

    def sample(
        self,
        seeds: Sequence[Seed],
        dials: Dials,
        kept: Kept | None = None,
        wishes: Sequence[Wishes | None] | None = None,
    ) -> LayoutBatch:
        """Boxes (B, N, 5) in pixels, row r of seed r and wishes r alone."""

    def check(self, wishes: Wishes) -> None:
        """Raise InputError for wishes that it can't draw."""

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Memory that drawing takes."""


@dataclass(frozen=True)
class Found:
    """The best candidate for a layout.

    Attributes:
        boxes: (N, 5), symbols and corners in pixels. met: which wishes it meets.
        candidates: how many were drawn. failed: of these, how many did not meet each wish.
    """

    boxes: Array
    met: Met
    candidates: int
    failed: tuple[int, ...]


class DescribedLayouts:
    """LayoutSource of layouts that meet a description.

    Arguments:
        description: what is wished. source: draws boxes.
        rule: which boxes stand for a layout. class_of: the class id of each symbol. usual: the data's objects.
        size: (H, W) of layouts. most: boxes of a layout that are taken, the largest; None for those of the rule.
    """

    def __init__(
        self,
        description: Description,
        source: BoxSource,
        rule: BoxRule,
        class_of: Sequence[int],
        usual: Usual,
        size: tuple[int, int],
        most: int | None = None,
    ) -> None:
        self.description, self.rule, self.usual, self.size = description, rule, usual, size
        self.most = rule.most if most is None else min(most, rule.most)
        self._source, self._class_of = source, np.array(class_of)
        self._boxed = frozenset(int(self._class_of[symbol]) for symbol in rule.first.values())

    @property
    def dials(self) -> tuple[Dial, ...]:
        """Dials of the source of boxes."""
        return self._source.dials

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Memory that the source of boxes takes."""
        return self._source.drawing_bytes(batch_size, dials)

    def sample(self, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None) -> LayoutBatch:
        """Boxes that meet the description, and the maps of these filled; nothing is kept.

        Raises Unmet where 20 candidates for a layout do not meet it.
        """
        found = self.found(seeds, dials)
        layouts = self.layouts([one.boxes for one in found])
        missing = [row for row, one in enumerate(found) if not one.met.all]
        if missing:
            raise Unmet(self._unmet(found[missing[0]]), missing, layouts)
        return layouts

    def layouts(self, rows: Sequence[Array]) -> LayoutBatch:
        """Layouts of boxes (N, 5)."""
        boxes = torch.full((len(rows), max(self.rule.most, *map(len, rows)), 5), -1.0)
        for row, some in enumerate(rows):
            boxes[row, : len(some)] = torch.from_numpy(some)
        return self.rule.see(LayoutBatch(torch.zeros(len(rows), *self.size, dtype=torch.uint8), boxes=boxes))

    def objects(self, boxes: Array) -> Array:
        """Objects (N, 5) of boxes (N, 5): class ids, and corners in widths and heights of the image."""
        scale = [self.size[1], self.size[0], self.size[1], self.size[0]]
        return np.concatenate([self._class_of[boxes[:, :1].astype(int)], boxes[:, 1:] / scale], axis=1)

    def found(self, seeds: Sequence[Seed], dials: Dials) -> list[Found]:
        """The first candidate for each layout that meets all, or the one of 20 that meets most."""
        best: dict[int, Found] = {}
        failed = [np.zeros(len(self.description.wishes()), int) for _ in seeds]
        for number in range(MOST_CANDIDATES):
            rows = [row for row in range(len(seeds)) if row not in best or not best[row].met.all]
            if not rows:
                break
            for row, boxes in zip(
                rows, self._candidates([seeds[row] for row in rows], number, dials), strict=True
            ):
                met = wishes_met(self.description, self.objects(boxes), self.size, self.usual)
                failed[row] += ~np.array(met.wishes, bool)
                before = best.get(row)
                keep = before is not None and sum(before.met.wishes) >= sum(met.wishes)
                kept, its = (before.boxes, before.met) if before is not None and keep else (boxes, met)
                best[row] = Found(kept, its, number + 1, tuple(failed[row].tolist()))
        return [best[row] for row in range(len(seeds))]

    def unasked(self, seeds: Sequence[Seed], dials: Dials) -> list[Array]:
        """Boxes (N, 5) of layouts as the source draws them without a description, to compare with."""
        drawn = self._source.sample(seeds, dials)
        assert drawn.boxes is not None
        return [padded[padded[:, 0] >= 0] for padded in drawn.boxes.cpu().double().numpy()]

    def _candidates(self, seeds: Sequence[Seed], number: int, dials: Dials) -> list[Array]:
        """Candidate `number` for each layout, (N, 5) boxes, N <= most, without what is forbidden."""
        wishes = [self._asked(seed, number) for seed in seeds]
        drawn = self._source.sample([_of_candidate(seed, number) for seed in seeds], dials, None, wishes)
        assert drawn.boxes is not None
        found = []
        for padded in drawn.boxes.cpu().double().numpy():
            boxes = padded[padded[:, 0] >= 0]
            away = forbidden(self.description, self.objects(boxes), self.size, self.usual)
            found.append(largest(boxes[~away], self.most))
        return found

    def _asked(self, seed: Seed, number: int) -> Wishes:
        """Wishes for a candidate, as near to where relations put objects as the source can draw."""
        for near in NEAR:
            rng = np.random.default_rng(_dice(seed, number))
            wishes = wishes_for(self.description, self.usual, self.size, self._boxed, self.most, rng, near)
            try:
                self._source.check(wishes)
            except InputError as error:
                reason = error
            else:
                return wishes
        raise Unmet(f"{in_quotes(self.description.text)}: {reason}")

    def _unmet(self, found: Found) -> str:
        wishes = zip(self.description.wishes(), found.met.wishes, found.failed, strict=True)
        missing = [f"{wish} (in {count} of {found.candidates})" for wish, met, count in wishes if not met]
        return (
            f"{in_quotes(self.description.text)}: {found.candidates} candidates for one layout, and the best of them "
            f"does not meet: {', '.join(missing)}; wish for less at once"
        )


def _dice(seed: Seed, number: int) -> list[int]:
    return [seed[0], stream_of(_STREAM), seed[1], number]


def _of_candidate(seed: Seed, number: int) -> Seed:
    """The seed of a candidate: that of the layout for the first, others for the next."""
    if number == 0:
        return seed
    anew = np.random.SeedSequence([seed[0], stream_of(_STREAM), number]).generate_state(1, np.uint32)
    return int(anew[0]), seed[1]
