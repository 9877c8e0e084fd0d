"""What the filter and the gate decide about each candidate, and its form in files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from labelmint.types import Array

__all__ = ["Reason", "Verdict", "reasons"]

_DIGITS = 4


class Reason(StrEnum):
    """Why a candidate is not written."""

    DISAGREES = "disagrees"
    DOUBTFUL = "mostly doubtful"
    NEAR_COPY = "near-copy"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """On one candidate.

    Attributes:
        index: of the candidate. reason: why it is dropped, None when it is accepted.
        agreement: of image and label, from 0 to 1, as the judge sees them.
        distance: to the nearest training view, in RMS grey levels; nearest: name of that training pair;
            ratio: of the distances to training and to held-out images. None where an earlier reason spared
            the search.
        doubtful: (H, W) pixels that are written as ignored; None where there are none.
        read: (H, W) class ids that the judge reads from an image that is dropped; None of others, and once it is
            stored.
    """

    index: int
    reason: Reason | None
    agreement: float
    distance: float | None = None
    ratio: float | None = None
    nearest: str | None = None
    doubtful: Array | None = None
    read: Array | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """For manifest.jsonl and rejected.jsonl."""
        return {
            "agreement": round(self.agreement, _DIGITS),
            "distance_to_training": None if self.distance is None else round(self.distance, _DIGITS),
            "copy_ratio": None if self.ratio is None else round(self.ratio, _DIGITS),
            "nearest_training": self.nearest,
            **({} if self.doubtful is None else {"ignored_pixels": int(self.doubtful.sum())}),
        }


def reasons(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How many were dropped, by reason, every reason named."""
    found = Counter(verdict.reason for verdict in verdicts)
    return {reason.value: found[reason] for reason in Reason}
