"""Drawing until enough candidates are accepted.

    round 1: 1.1 n + 2 candidates;   a later round: 1.1 (n - accepted) / share accepted so far, + 2;   at most
                                     512

A round is judged at once, because the search for copies takes as long for a few candidates as for some
hundreds. Its verdicts are stored, so that a resumed export makes the same rounds and judges nothing twice. A
candidate's verdict does not depend on its round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.progress import Event, Report
from labelmint.synthesis.chunks import ChunkFolder
from labelmint.synthesis.filter import Filter
from labelmint.synthesis.verdicts import Reason, Verdict, reasons
from labelmint.types import Array

__all__ = ["AT_ONCE", "FACTOR", "Selection", "TooFewPassed", "cautions_of", "judged", "select", "selected"]

FACTOR = 10  # candidates for each pair that is wanted, at most, unless told otherwise
AT_ONCE = 512  # candidates that are judged together
_MARGIN, _SPARE, _LOWEST_RATE = 1.1, 2, 0.05


class TooFewPassed(InputError):
    """The candidates are used up before n were accepted; `counts` says what became of them by reason, `drawn`
    how many there were.
    """

    def __init__(self, message: str, drawn: int, counts: dict[str, int]) -> None:
        super().__init__(message)
        self.drawn, self.counts = drawn, counts


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Candidates up to the last one that is needed, each with its verdict.

    Attributes:
        verdicts: by rising index. copy_threshold: on the ratio of the gate.
        searched: share of the positions in training images that the gate compared.
    """

    verdicts: tuple[Verdict, ...]
    copy_threshold: float
    searched: float = 1.0

    @property
    def accepted(self) -> tuple[Verdict, ...]:
        """Candidates that are written."""
        return tuple(verdict for verdict in self.verdicts if verdict.reason is None)

    @property
    def rejected(self) -> tuple[Verdict, ...]:
        """Candidates that are not written."""
        return tuple(verdict for verdict in self.verdicts if verdict.reason is not None)

    @property
    def outcome(self) -> dict[str, Any]:
        """Counts, for settings.json."""
        return {
            "drawn": len(self.verdicts),
            "accepted": len(self.accepted),
            "dropped": reasons(self.verdicts),
            "copy_threshold": round(self.copy_threshold, 4),
            **({"searched": round(self.searched, 4)} if self.searched < 1 else {}),
        }

    @property
    def cautions(self) -> tuple[str, ...]:
        """What is doubtful about the search for copies."""
        return cautions_of(self.searched)


def select(
    sieve: Filter,
    folder: ChunkFolder,
    draw: Callable[[Sequence[int]], None],
    *,
    n: int,
    start: int,
    most: int,
    batch_size: int,
    report: Report,
) -> Selection:
    """Judge candidates start, start + 1, ... until n are accepted.

    Arguments:
        folder: of the chunks, where the verdicts are stored, too.
        draw: draws those of some chunks that are missing in the folder.
        most: candidates at most; raises TooFewPassed when fewer than n of them are accepted.
    """
    assert sieve.gate is not None, "prepare() comes first"
    found: list[Verdict] = []
    accepted = 0
    while accepted < n:
        first = start + len(found)
        if len(found) >= most:
            raise TooFewPassed(_too_few(found, n, sieve, folder.path), len(found), reasons(found))
        verdicts = folder.load_verdicts(first)
        size = min(_round(n - accepted, accepted, len(found)), most - len(found))
        indices = range(first, first + (size if verdicts is None else len(verdicts)))
        chunks = range(first // batch_size, -(-indices.stop // batch_size))
        draw(chunks)  # of those that were judged before, too: a chunk may have been damaged since
        if verdicts is None:
            verdicts = judged(sieve, folder, chunks, indices, report)
            folder.save_verdicts(verdicts)
            verdicts = [replace(verdict, read=None) for verdict in verdicts]
        found += verdicts
        accepted = sum(verdict.reason is None for verdict in found)
        report(Event("accepted", min(accepted, n), n))
    return selected(found, n, sieve.gate.rule.threshold, sieve.gate.searched)


def selected(found: Sequence[Verdict], n: int, copy_threshold: float, searched: float) -> Selection:
    """The verdicts up to that on the n-th candidate that is accepted; there are that many."""
    places = [place for place, verdict in enumerate(found) if verdict.reason is None]
    needed = tuple(found[: places[n - 1] + 1])
    return Selection(verdicts=needed, copy_threshold=copy_threshold, searched=searched)


def cautions_of(searched: float) -> tuple[str, ...]:
    """What is to be said where the gate compares only a share of the positions in training images."""
    if searched >= 1:
        return ()
    return (
        f"only {100 * searched:.2g} % of the positions in the training images are searched for copies: copies of what "
        f"lies elsewhere are not withheld, and the nearest training image that is named is that of these positions",
    )


def _round(missing: int, accepted: int, seen: int) -> int:
    rate = max(accepted / seen, _LOWEST_RATE) if seen else 1.0
    return min(math.ceil(_MARGIN * missing / rate) + _SPARE, AT_ONCE)


def judged(
    sieve: Filter, folder: ChunkFolder, chunks: Sequence[int], indices: range, report: Report
) -> list[Verdict]:
    """Verdicts on those candidates of some chunks, which were drawn, that are among the indices."""
    verdicts: list[Verdict] = []
    images: list[Array] = []
    for done, chunk in enumerate(chunks, start=1):
        drawn = folder.pairs(chunk)
        # The whole chunk is read, so that what the judge computes does not depend on where a round begins.
        for index, verdict in zip(drawn, sieve.reading(list(drawn.values())), strict=True):
            if index in indices:
                verdicts.append(replace(verdict, index=index))
                images.append(drawn[index].image)
        report(Event("judge reads candidates", done, len(chunks)))
    return sieve.withheld(verdicts, np.stack(images), report)


def _too_few(found: Sequence[Verdict], n: int, sieve: Filter, path: Path) -> str:
    counts = reasons(found)
    accepted, copies = len(found) - sum(counts.values()), counts[Reason.NEAR_COPY.value]
    dropped = sum(counts.values()) - copies
    return (
        f"{path}: of {len(found)} candidates {accepted} passed the filter and {n} are wanted ({dropped} "
        f"dropped for an agreement under "
        f"{sieve.threshold:.2f} or for doubtful pixels, {copies} withheld as near-copies); pass --resume "
        f"with a higher "
        "--most-candidates, or remove that folder and take a smaller -n, a smaller --filter-share or "
        "--filter off, or train longer"
    )
