"""What `labelmint label` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from labelmint.errors import InputError
from labelmint.pool.seeing import Seeing
from labelmint.segmenters.plateau import ArmConfig

__all__ = ["LabelOptions"]

_MOST_MEMBERS, _MOST_ROUNDS = 20, 5


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Seeing):
    """How labels are minted for images without any.

    Arguments:
        members: segmenters of the ensemble, at least 3. rounds: in each after the first they are trained anew, on the
            labels and on their own minted ones.
        ratio: minted pairs for each labelled one in the batches of these rounds.
        agreement: precision and recall of each class that thresholds are set for, among held-out pixels.
        least_kept: share of the pixels read as a class that is kept in any case.
        recolored: whether polarity and color are changed in training; False where these tell the classes.
        spread: whether half of the views are of images spread from their own 0.5 to their 99.5 percentile, and images
            are read as they are and spread.
        ensemble: folder of the segmenters; OUT-ensemble unless given.
        format, image_format: what is written, as for `convert`.
        unlabelled_format: of the images without labels; found out unless given.
        segmenter: sizes and training of a member.

    Raises InputError for values out of range.
    """

    members: int = 3
    rounds: int = 2
    ratio: float = 3.0
    agreement: float = 0.95
    least_kept: float = 0.8
    recolored: bool = True
    spread: bool = True
    ensemble: str | Path | None = None
    format: str = "folder"
    image_format: str | None = None
    unlabelled_format: str | None = None
    segmenter: ArmConfig = field(default_factory=ArmConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 3 <= self.members <= _MOST_MEMBERS:
            raise InputError(f"--members {self.members}: expected 3 to {_MOST_MEMBERS} segmenters")
        if not 1 <= self.rounds <= _MOST_ROUNDS:
            raise InputError(f"--rounds {self.rounds}: expected 1 to {_MOST_ROUNDS}")
        if not 0 < self.ratio <= 100:
            raise InputError(
                f"--ratio {self.ratio:g}: expected more than 0 and at most 100 minted pairs a real one"
            )
        if not 0 < self.agreement < 1:
            raise InputError(f"--agreement {self.agreement:g}: expected a share between 0 and 1, as in 0.95")
        if not 0 < self.least_kept <= 1:
            raise InputError(
                f"--least-kept {self.least_kept:g}: expected a share above 0 and at most 1, as in 0.8"
            )

    @property
    def both_ways(self) -> bool:
        """True if images are seen as they are and spread: not where all are spread anyway."""
        return self.spread and self.normalize == "none"
