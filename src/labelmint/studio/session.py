"""What is drawn and what is kept in the studio, without HTTP: one person, one run.

    sheet      what a view shows: the pairs of its last draw alone, so that any number of draws take no more memory
    kept       pairs that were chosen, in the order of choosing; they stay until they are dropped or the studio stops

Sample i of a draw is that of `synthesize` with the same seed, dials and batch size (`TrainedSystem.chunk`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from labelmint.errors import InputError
from labelmint.runs.origin import Origin, origin_of
from labelmint.studio.nearest import Nearest, Neighbor, no_neighbors
from labelmint.synthesis.chosen import SETTINGS, Chosen, write_chosen
from labelmint.systems.catalogue import check_mints

if TYPE_CHECKING:
    from pathlib import Path

    from labelmint.runs.draw import Draw
    from labelmint.runs.trained import TrainedSystem
    from labelmint.studio.checking import Checking
    from labelmint.types import AnnotatedImage, DataSet

__all__ = ["BATCH_SIZE", "MOST_AT_ONCE", "Sample", "Session", "Sheet"]

BATCH_SIZE = 4  # pairs drawn at a time unless told otherwise: the first is soon there
MOST_AT_ONCE = 64  # pairs of a draw
_MOST_KEPT = 1 << 30  # bytes


@dataclass(frozen=True, kw_only=True)
class Sample(Chosen):
    """A pair that was drawn, with the key that tells it from all others of this session."""

    key: str

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

    def took(self, samples: Iterable[Sample]) -> list[Sample]:
        """Add pairs, and return them."""
        found = [*samples]
        self.samples |= {one.key: one for one in found}
        return found


class _About(NamedTuple):
    """What the samples of a draw have in common."""

    view: str
    number: int
    origin: Origin
    facts: Mapping[str, Any]

    def sample(
        self, pair: AnnotatedImage, index: int, source: str | None, place: int | None = None
    ) -> Sample:
        """A sample of the draw; `place` tells samples of one index apart."""
        texts = {name: str(value).lower() for name, value in self.facts.items()}
        return Sample(
            key=f"{self.view}-{self.number}-{index if place is None else place}",
            pair=replace(pair, provenance={**pair.provenance, **texts}) if texts else pair,
            origin=self.origin,
            index=index,
            source=source,
            facts=self.facts,
        )


class Session:
    """One person's work with one run.

    Arguments:
        system: as `labelmint.load` returns it.
        data: labelled images to take layouts and nearest training images from, or None.
        out: the folder to export to.
        batch_size: B, pairs drawn at a time; a part of what decides their bytes.
        report: folder of an evaluation; the newest beside the run where None. checking: minted labels to check.

    Attributes:
        sheets: what each view shows, by its name. kept: pairs by key. notes: what a view remembers, by its name.

    Raises InputError for a run that draws no images of its own, as those of rdn.
    """

    def __init__(
        self,
        system: TrainedSystem,
        data: DataSet | None = None,
        out: Path | None = None,
        batch_size: int = BATCH_SIZE,
        *,
        report: Path | None = None,
        checking: Checking | None = None,
    ) -> None:
        check_mints(system.system, system.path)
        self.system, self.data, self.out, self.batch_size = system, data, out, batch_size
        self.report, self.checking = report, checking
        self.sheets: dict[str, Sheet] = {}
        self.kept: dict[str, Sample] = {}
        self.notes: dict[str, object] = {}
        self._exported: frozenset[str] = frozenset()
        self._written: tuple[int, ...] | None = None  # which folder the last export is
        self.threads = torch.get_num_threads()
        self._drawing, self._numbers = Lock(), itertools.count(1)
        self._nearest: Nearest | None = None
        self._neighbors: dict[str, Neighbor] = {}

    def draw(
        self,
        view: str,
        draw: Draw,
        indices: range,
        *,
        sources: Sequence[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> Iterator[list[Sample]]:
        """Draw pairs for a view, some at a time; they take the place of those that it showed.

        A draw ends early when the next one of the same view begins.

        Arguments:
            draw: with the session's batch size. indices: of the samples, in order.
            sources: names of given layouts, which samples take in turn. facts: as in `Sample`.

        Raises InputError for more than `MOST_AT_ONCE` pairs, a run that is gone, and whatever drawing refuses.
        """
        sheet, origin = self._sheet(view, draw, len(indices)), origin_of(self.system, draw, self.threads)
        about = _About(view, sheet.number, origin, facts or {})
        size = draw.batch_size

        def drawn() -> Iterator[list[Sample]]:
            for chunk in range(indices.start // size, -(-indices.stop // size)):
                with self._drawing, torch.no_grad():
                    if self.sheets[view] is not sheet:
                        return
                    pairs = self.system.chunk(chunk, replace(draw, wanted=indices))
                yield sheet.took(
                    about.sample(
                        pair, index, sources[index // draw.per_layout % len(sources)] if sources else None
                    )
                    for index, pair in enumerate(pairs, chunk * size)
                    if index in indices
                )

        return drawn()

    def film(
        self, view: str, draw: Draw, to_seed: int, frames: int, *, facts: Mapping[str, Any] | None = None
    ) -> Iterator[list[Sample]]:
        """The first of a draw's given layouts while its code goes from the seed of the draw to another
        (`movies.film`); frames come one by one, as those of `draw`.

        Raises InputError as `draw` does, for equal seeds, and for a run whose images have no code.
        """
        from labelmint.movies.film import Film
        from labelmint.movies.scenes import Scenes, noise_of

        if noise_of(self.system) is None:
            raise InputError(
                f"{self.system.system} draws one image of a layout, so there is no code to change"
            )
        if to_seed == draw.seed:
            raise InputError(
                f"to seed {to_seed}: that is where the code begins, so it would stay; give another"
            )
        sheet, origin = self._sheet(view, draw, frames), origin_of(self.system, draw, self.threads)
        given = draw.layouts or self.system.stored
        name = given.names[0] if given.names else "training layout 0"
        scenes = Scenes(
            kind="still", given=given, rows=(0,) * frames, names=(name,) * frames, index=0, to_seed=to_seed
        )
        film = Film(
            system=self.system,
            scenes=scenes,
            seed=draw.seed,
            dials=dict(origin.dials),
            batch_size=draw.batch_size,
        )

        def drawn() -> Iterator[list[Sample]]:
            pairs = film.frames("frames", lambda event: None)
            for frame, place in enumerate(scenes.places):
                with self._drawing, torch.no_grad():
                    if self.sheets[view] is not sheet:
                        return
                    pair = next(pairs)
                moved = {**(facts or {}), "to_seed": to_seed, "frame": frame, "place": round(place, 6)}
                about = _About(view, sheet.number, origin, moved)
                found = about.sample(replace(pair, provenance=origin.texts(0)), 0, name, frame)
                yield sheet.took([found])

        return drawn()

    def _sheet(self, view: str, draw: Draw, wanted: int) -> Sheet:
        """A new sheet for a view, after all that can be refused before drawing was."""
        if not 1 <= wanted <= MOST_AT_ONCE:
            raise InputError(f"n: expected 1 to {MOST_AT_ONCE} pairs at a time, got {wanted}")
        self.check_run()
        self.system.resolve(draw.dials, draws_layouts=draw.draws_layouts)
        sheet = self.sheets[view] = Sheet(next(self._numbers), wanted)
        return sheet

    def export(self, format: str) -> list[str]:
        """Write what is kept to `out` as a data set; a later export of the session takes the place of an earlier one.

        Returns what the format does not carry, a line each. Raises what `write_chosen` raises.
        """
        if self.out is None:
            raise InputError("this session has no folder to export to")
        kept = dict(self.kept)
        again = self._written is not None and self._written == _mark_of(self.out)
        lost = write_chosen([*kept.values()], self.out, self.system.classes, format, again=again)
        self._exported, self._written = frozenset(kept), _mark_of(self.out)
        return lost

    @property
    def unexported(self) -> int:
        """How many kept pairs no export holds."""
        return len(self.kept.keys() - self._exported)

    def nearest(self, key: str) -> Neighbor:
        """The training image nearest to a pair. Raises InputError where there are none, or no such pair."""
        sample = self.sample(key)
        known = self._neighbors.get(key)
        if known is not None:
            return known
        reason = no_neighbors(self.system, self.data)
        if reason is not None or self.data is None:
            raise InputError(reason or "")
        with self._drawing:
            self._nearest = self._nearest or Nearest(self.system, self.data)
            found = self._nearest.of(sample.pair.image)
        held = [key for key in self._neighbors if key in self.kept or self._is_shown(key)]
        self._neighbors = {**{key: self._neighbors[key] for key in held}, key: found}
        return found

    def _is_shown(self, key: str) -> bool:
        return any(key in sheet.samples for sheet in self.sheets.values())

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
        if how == "keep" and key not in self.kept:
            if sum(one.nbytes for one in self.kept.values()) + sample.nbytes > _MOST_KEPT:
                raise InputError(
                    f"{len(self.kept)} kept pairs take {_MOST_KEPT >> 30} GiB of memory; export them and start again"
                )
            self.kept[key] = sample
        if how != "keep":
            self.kept.pop(key, None)
        for sheet in self.sheets.values():
            if key in sheet.samples:
                (sheet.dropped.add if how == "drop" else sheet.dropped.discard)(key)

    def mark_of(self, key: str) -> str:
        """ "keep", "drop" or ""."""
        if key in self.kept:
            return "keep"
        return "drop" if any(key in sheet.dropped for sheet in self.sheets.values()) else ""


def _mark_of(folder: Path) -> tuple[int, ...] | None:
    """What tells an export from any folder that takes its place, which may have its number anew; None for no export."""
    try:
        found, written = folder.stat(), (folder / SETTINGS).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, written.st_ino, written.st_mtime_ns, written.st_size
