"""What a filter says of itself in settings, cards and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["FilterFacts"]

_WEAK = 0.5  # held-out Dice below which a judge tells little


@dataclass(frozen=True, kw_only=True)
class FilterFacts:
    """Plain values, so that they can be stored beside what was filtered.

    Attributes:
        settings: all that decides the verdicts: "mode", "share", "threshold", "real_views", "score", "judge" (the
            SHA-256 of its weights), "real_data" (the digest of what it learned from), and "unlabelled" (that of images
            without labels) where the gate searches these, too.
        dice: of the judge on real validation pairs, from 0 to 1.
    """

    settings: dict[str, Any]
    dice: float

    @property
    def cautions(self) -> tuple[str, ...]:
        """What is doubtful about the judge itself."""
        if self.dice >= _WEAK:
            return ()
        return (
            f"the judge reaches a Dice of only {self.dice:.2f} on real validation pairs: what the filter drops "
            f"and keeps says little",
        )
