"""What to do with what is odd: refuse it (training), or note it and go on (inspecting)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labelmint.errors import InputError
from labelmint.types import Finding

__all__ = ["Odd", "first_of"]


@dataclass
class Odd:
    """Collects odd things while a data set is read.

    Arguments:
        strict: True raises the first one as InputError; False keeps all as findings.
    """

    strict: bool = True
    _noted: list[Finding] = field(default_factory=list)
    _repeated: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def note(self, kind: str, text: str, names: Sequence[str] = ()) -> None:
        """Something that a person should know and that stops nothing."""
        self._noted.append(Finding(kind=kind, text=text, names=tuple(names)))

    def refuse(self, kind: str, text: str, names: Sequence[str]) -> None:
        """Something that spoils the data set, known for all names at once; nothing where `names` is empty."""
        if names and self.strict:
            raise InputError(text)
        if names:
            self.note(kind, text, names)

    def refuse_one(self, kind: str, error: InputError, name: str) -> None:
        """One bad record of many: raised as it is, or counted with the others of its kind."""
        if self.strict:
            raise error
        self._repeated.setdefault(kind, []).append((name, str(error)))

    def take(self, other: Odd) -> None:
        """What another has collected, too."""
        self._noted += other._noted
        for kind, records in other._repeated.items():
            self._repeated.setdefault(kind, []).extend(records)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was noted, in the order of reading."""
        return (*self._noted, *(_together(kind, records) for kind, records in self._repeated.items()))


def _together(kind: str, records: Sequence[tuple[str, str]]) -> Finding:
    others = f" (and {len(records) - 1} more such)" if len(records) > 1 else ""
    return Finding(
        kind=kind, text=records[0][1] + others, names=tuple(dict.fromkeys(name for name, _ in records))
    )


_SHOWN = 120  # signs of a name


def first_of(names: Sequence[str]) -> str:
    """The first name in quotes, for a message that is only used where there is one."""
    if not names:
        return "none"
    return repr(names[0] if len(names[0]) <= _SHOWN else f"{names[0][:_SHOWN]}...")
