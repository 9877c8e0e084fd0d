"""What a study knows so far: arms, samples and what these give away, by number of pairs and seed, and the forms that a
choice is among.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from labelmint.usefulness.cells import Drawn, Record
from labelmint.usefulness.outcome import Candidate, Point, choose
from labelmint.usefulness.plan import Cell, StudyOptions, Way
from labelmint.usefulness.settling import Settled
from labelmint.usefulness.sharing import Shared

__all__ = ["Known"]


class Known:
    """All that is known.

    Arguments:
        ways: of drawing samples that this call asks for, by number of pairs; more may come.
    """

    def __init__(self, options: StudyOptions, ways: Mapping[int, Sequence[Way]]) -> None:
        self._options, self._ways = options, ways
        self._arms: dict[tuple[int, str], dict[int, Record]] = {}
        self._drawn: dict[tuple[int, Way], dict[int, Drawn]] = {}
        self._shared: dict[int, dict[int, Shared]] = {}
        self._earlier: dict[int, list[Candidate]] = {}

    def take_arm(self, cell: Cell, key: str, record: Record) -> None:
        """Take in an arm."""
        self._arms.setdefault((cell.n, key), {})[cell.seed] = record

    def take_drawn(self, cell: Cell, way: Way, drawn: Drawn) -> None:
        """Take in samples."""
        self._drawn.setdefault((cell.n, way), {})[cell.seed] = drawn

    def take_shared(self, cell: Cell, found: Shared) -> None:
        """Take in what the samples of a cell give away."""
        self._shared.setdefault(cell.n, {})[cell.seed] = found

    def take_earlier(self, n: int, one: Candidate) -> None:
        """Take in a form that an earlier call was about."""
        self._earlier.setdefault(n, []).append(one)

    @property
    def ratios(self) -> tuple[float, ...]:
        """The ratios that this call asks for."""
        return tuple(dict.fromkeys(self._options.ratios))

    def has(self, cell: Cell, key: str) -> bool:
        """True if an arm of a cell is known."""
        return cell.seed in self._arms.get((cell.n, key), {})

    def settled(self, cell: Cell) -> Settled | None:
        """What arm A of a cell settled on; None while it is not trained."""
        record = self._arms.get((cell.n, "A"), {}).get(cell.seed)
        return None if record is None else record.result.settled

    def refused(self, n: int) -> set[Way]:
        """The ways in which the filter let too few samples pass, under any seed."""
        return {
            way
            for (at, way), found in self._drawn.items()
            if at == n and any(one.refused for one in found.values())
        }

    def candidates(self, n: int) -> tuple[Candidate, ...]:
        """What this call is about, and then what an earlier one was about: the most usual first."""
        asked = [Candidate(ratio, way) for way in self._ways.get(n, ()) for ratio in self.ratios]
        earlier = sorted(self._earlier.get(n, ()), key=self._unusual)
        return tuple(dict.fromkeys([*asked, *earlier]))

    def _unusual(self, one: Candidate) -> tuple[bool, bool, bool, str]:
        usual = self._options
        return (
            one.ratio != self.ratios[0],
            one.way.filter != usual.filter,
            one.way.vary != (usual.layouts == "varied"),
            one.key,
        )

    def chosen(self, n: int) -> Candidate | None:
        """The form that is chosen; None while that can't be told."""
        return choose(self.candidates(n), self._arms_at(n))

    def drawable(self, n: int) -> Candidate | None:
        """The first form, of which the filter let any samples pass."""
        refused = {
            way
            for (at, way), found in self._drawn.items()
            if at == n and all(one.refused for one in found.values())
        }
        return next((one for one in self.candidates(n) if one.way not in refused), None)

    def point(self, n: int, asked: Set[str]) -> Point:
        """All that is known at a number of pairs."""
        candidates = self.candidates(n)
        ways = (one.way for one in candidates)
        return Point(
            n=n,
            arms=self._arms_at(n),
            candidates=candidates,
            chosen=self.chosen(n),
            drawn={way: self._drawn[n, way] for way in ways if (n, way) in self._drawn},
            asked=frozenset(asked),
            shared=self._shared.get(n, {}),
        )

    def _arms_at(self, n: int) -> dict[str, dict[int, Record]]:
        return {key: records for (at, key), records in self._arms.items() if at == n}
