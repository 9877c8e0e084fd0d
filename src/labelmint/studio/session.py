"""What is drawn and what is kept in the studio, without HTTP: one person, one run.

    sheet      what a view shows: the pairs of its last draw alone, so that any number of draws take no more memory
    kept       pairs that were chosen, in the order of choosing; they stay until they are dropped or the studio stops

Sample i of a draw is that of `synthesize` with the same seed, dials and batch size (`TrainedSystem.chunk`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import torch

from labelmint.errors import InputError
from labelmint.runs.origin import Origin, origin_of

if TYPE_CHECKING:
    from pathlib import Path

    from labelmint.runs.draw import Draw
    from labelmint.runs.trained import TrainedSystem
    from labelmint.types import AnnotatedImage, DataSet

__all__ = ["BATCH_SIZE", "MOST_AT_ONCE", "Sample", "Session", "Sheet"]

BATCH_SIZE = 4  # pairs drawn at a time unless told otherwise: the first is soon there
MOST_AT_ONCE = 64  # pairs of a draw
_MOST_KEPT = 1 << 30  # bytes


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A pair that was drawn.

    Attributes:
        key: tells it from all others of this session. view: that drew it.
        pair, origin, index: itself, and what decides it.
        source: name of the layout that it was drawn for; None where that was drawn, too.
        painted: whether that layout was painted by hand.
    """

    key: str
    view: str
    pair: AnnotatedImage
    origin: Origin
    index: int
    source: str | None = None
    painted: bool = False

    @property
    def nbytes(self) -> int:
        """Memory that its arrays take."""
        layout = self.pair.layout
        instances = 0 if layout.instances is None else layout.instances.nbytes
        return self.pair.image.nbytes + layout.label_map.nbytes + instances


@dataclass
class Sheet:
    """The pairs of a view's last draw, by key; `wanted` is how many there will be."""

    number: int
    wanted: int
    samples: dict[str, Sample] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)


class Session:
    """One person's work with one run.

    Arguments:
        system: as `labelmint.load` returns it.
        data: labelled images to take layouts and nearest training images from, or None.
        out: the folder to export to.
        batch_size: B, pairs drawn at a time; a part of what decides their bytes.

    Attributes:
        sheets: what each view shows, by its name. kept: pairs by key.
    """

    def __init__(
        self,
        system: TrainedSystem,
        data: DataSet | None = None,
        out: Path | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self.system, self.data, self.out, self.batch_size = system, data, out, batch_size
        self.sheets: dict[str, Sheet] = {}
        self.kept: dict[str, Sample] = {}
        self._exported: frozenset[str] = frozenset()
        self.threads = torch.get_num_threads()
        self._drawing, self._numbers = Lock(), itertools.count(1)

    def draw(
        self, view: str, draw: Draw, indices: range, *, sources: Sequence[str] = (), painted: bool = False
    ) -> Iterator[list[Sample]]:
        """Draw pairs for a view, some at a time; they take the place of those that it showed.

        A draw ends early when the next one of the same view begins.

        Arguments:
            draw: with the session's batch size. indices: of the samples, in order.
            sources: names of given layouts, which samples take in turn. painted: whether these were painted by hand.

        Raises InputError for more than `MOST_AT_ONCE` pairs, a run that is gone, and whatever drawing refuses.
        """
        if not 1 <= len(indices) <= MOST_AT_ONCE:
            raise InputError(f"n: expected 1 to {MOST_AT_ONCE} pairs at a time, got {len(indices)}")
        self.check_run()
        origin = origin_of(self.system, draw, self.threads)  # which refuses unknown dials
        sheet = self.sheets[view] = Sheet(next(self._numbers), len(indices))
        size = draw.batch_size
        return self._drawn(view, draw, indices, sheet, origin, [*sources], painted, size)

    def _drawn(
        self,
        view: str,
        draw: Draw,
        indices: range,
        sheet: Sheet,
        origin: Origin,
        sources: list[str],
        painted: bool,
        size: int,
    ) -> Iterator[list[Sample]]:
        for chunk in range(indices.start // size, -(-indices.stop // size)):
            with self._drawing:
                if self.sheets[view] is not sheet:
                    return
                with torch.no_grad():
                    pairs = self.system.chunk(chunk, draw)
            found = [
                Sample(
                    key=f"{view}-{sheet.number}-{index}",
                    view=view,
                    pair=pair,
                    origin=origin,
                    index=index,
                    source=sources[index // draw.per_layout % len(sources)] if sources else None,
                    painted=painted,
                )
                for index, pair in enumerate(pairs, chunk * size)
                if index in indices
            ]
            sheet.samples |= {one.key: one for one in found}
            yield found

    @property
    def unexported(self) -> int:
        """How many kept pairs no export holds."""
        return len(self.kept.keys() - self._exported)

    def check_run(self) -> None:
        """Raise InputError where the run's folder is gone."""
        if not (self.system.path / "config.json").is_file():
            raise InputError(
                f"{self.system.path}: the run is no longer there, so nothing more is drawn; what was kept can still be "
                f"exported"
            )

    def sample(self, key: str) -> Sample:
        """A pair that is shown or kept. Raises InputError for any other."""
        for samples in (self.kept, *(sheet.samples for sheet in self.sheets.values())):
            if key in samples:
                return samples[key]
        raise InputError(f"there is no pair {key!r} any more; draw it again")

    def mark(self, key: str, how: str) -> None:
        """Keep a pair, drop it, or neither ("keep", "drop", ""). Raises InputError for an unknown pair or mark, and
        where memory for what is kept is used up.
        """
        sample = self.sample(key)
        if how not in ("keep", "drop", ""):
            raise InputError(f"mark: expected keep, drop or nothing, got {how!r}")
        sheet = self.sheets.get(sample.view)
        if how == "keep" and key not in self.kept:
            if sum(one.nbytes for one in self.kept.values()) + sample.nbytes > _MOST_KEPT:
                raise InputError(
                    f"{len(self.kept)} kept pairs take {_MOST_KEPT >> 30} GiB of memory; export them and start again"
                )
            self.kept[key] = sample
        if how != "keep":
            self.kept.pop(key, None)
        if sheet is not None and key in sheet.samples:
            (sheet.dropped.add if how == "drop" else sheet.dropped.discard)(key)

    def mark_of(self, key: str) -> str:
        """ "keep", "drop" or ""."""
        if key in self.kept:
            return "keep"
        return "drop" if any(key in sheet.dropped for sheet in self.sheets.values()) else ""
