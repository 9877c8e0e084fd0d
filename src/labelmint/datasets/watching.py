"""What is odd about pairs, found while they are loaded for something else: nothing is decoded twice.

data = watched(data, tell=print)       # loads as before, and counts each pair once
...                                    # pairs are loaded
told(data)                             # where loading ends: what was odd, each finding once
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labelmint.datasets.ahead import ahead
from labelmint.datasets.oddities import of_pairs
from labelmint.datasets.origins import files_of
from labelmint.datasets.tally import Tally, count
from labelmint.types import AnnotatedImage, DataSet, Finding, Layout

__all__ = ["changed", "loaded", "told", "told_again", "watched"]


@dataclass
class _Watched:
    """The loader of a data set that tallies each pair when it is first loaded."""

    data: DataSet
    tell: Callable[[Finding], None]
    tally: Tally = field(default_factory=Tally)
    seen: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)

    def __call__(self, name: str) -> AnnotatedImage:
        pair = self.data.load(name)
        self.look(pair)
        return pair

    def look(self, pair: AnnotatedImage) -> None:
        """Tally a pair that was loaded, once."""
        if pair.name not in self.seen:
            self.seen.add(pair.name)
            count(self.tally, self.data, pair, self.data.classes.without_objects)

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, undecoded where it may be; what its objects say is tallied then."""
        pair = self.data.undecoded(name)
        self.look(pair)
        return pair

    def layout(self, name: str) -> Layout:
        """The layout alone, which is not tallied."""
        return self.data.layout(name)

    def files_of(self, name: str) -> tuple[Path, ...] | None:
        """The files of one pair, where its loader knows them."""
        return files_of(self.data, name)

    def speak(self) -> list[Finding]:
        """Tell what was odd so far and was not told before, and return it."""
        return self.say(of_pairs(self.data, self.tally))

    def say(self, findings: Iterable[Finding]) -> list[Finding]:
        """Tell those that were not told before, and return them."""
        found = [one for one in findings if one.text not in self.said]
        for finding in found:
            self.said.add(finding.text)
            self.tell(finding)
        return found


def watched(data: DataSet, tell: Callable[[Finding], None]) -> DataSet:
    """Return the data set, whose pairs are looked at while they are loaded.

    Arguments:
        tell: is given each finding when loading has ended (`told`).
    """
    return dataclasses.replace(data, load=_Watched(data, tell))


def changed(data: DataSet, change: Callable[[DataSet], DataSet]) -> DataSet:
    """Return what a change makes of the data set, or of the part of one that it is, looked at as before."""
    if not isinstance(data.load, _Watched):
        return change(data)
    unwatched = dataclasses.replace(data, load=data.load.data.load)
    return watched(change(unwatched), data.load.tell)


def loaded(data: DataSet, names: Sequence[str]) -> Iterator[AnnotatedImage]:
    """Some pairs in their order, decoded ahead (`datasets.ahead`) and looked at one by one in that order."""
    if not isinstance(data.load, _Watched):
        yield from ahead(data.load, names)
        return
    for pair in ahead(data.load.data.load, names):
        data.load.look(pair)
        yield pair


def told(data: DataSet) -> list[Finding]:
    """Loading has ended: tell what was odd about the pairs, and return it; nothing where nobody watches."""
    return data.load.speak() if isinstance(data.load, _Watched) else []


def told_again(data: DataSet, findings: Iterable[Finding]) -> None:
    """Tell what was found when the pairs, which are kept, were loaded; nothing where nobody watches."""
    if isinstance(data.load, _Watched):
        data.load.say(findings)
