"""Damaged files of every format that is read: only clean errors, and no file outside.

    python -m experiments.fuzz [--format NAME ...] [--count 10000] [--first 0] [--seed 0] [--workers 2] --out DIR

For each format a small set is made (`small_sets`), one of its files damaged, the set read, and each pair loaded. Each
third set's format is found out, and that of the others is named; each second is read as `inspect` does; what was read
of each seventh is written again. That is done in child processes, each with a bound of memory and of time. Scratch
files go where TMPDIR says; a folder in memory is several times faster. The outcome is one of

    read       a data set, all of whose pairs load
    partly     a data set, some of whose pairs are refused when they are loaded
    refused    one line that says what is wrong (InputError)

or a fault: another exception, a message of several lines, a process that died or took too long, or a file that was
written where none should be. Faults are kept under DIR, each with the damaged set and what happened, and the exit code
is 1. One number makes the same damage again: --only NUMBER.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from experiments.damage import damage
from experiments.small_sets import ALONE, SETS, small_set

from labelmint.errors import InputError
from labelmint.formats import read, write

__all__ = ["CLEAN", "Outcome", "fuzz", "main", "outcome_of", "try_one"]

CLEAN = ("read", "partly", "refused")
MEMORY = 1 << 30  # bytes above what a child has when it begins
SECONDS = 30  # of a processor for one damaged set
_LONGEST = 20 * SECONDS  # for it, however busy the machine is


class Outcome(NamedTuple):
    """What became of a damaged set: one of CLEAN, or the name of a fault; what was damaged; and the message."""

    kind: str
    damage: str
    message: str


def outcome_of(
    path: Path, out: Path | None, *, format: str | None, strict: bool, alone: bool
) -> tuple[str, str]:
    """Read a set, load each pair, and write what loads to `out`; the kind of outcome and its message."""
    try:
        data = read(path, format=format, strict=strict, alone=alone)
    except InputError as error:
        return _clean("refused", error)
    loaded, refused = [], None
    for name in data.names:
        try:
            loaded.append(data.load(name))
        except InputError as error:
            refused = error
    if loaded and out is not None:
        with suppress(InputError):
            write(loaded, out, format="folder", classes=data.classes)
    return ("read", "") if refused is None else _clean("partly", refused)


def _clean(kind: str, error: InputError) -> tuple[str, str]:
    message = str(error)
    return ("several lines", message) if "\n" in message or not message else (kind, message)


def try_one(name: str, number: int, seed: int, base: Path, scratch: Path) -> Outcome:
    """Damage a copy of the set `base` and read it in `scratch`/set; what is written anywhere else is a fault."""
    rng = np.random.default_rng((seed, zlib.crc32(name.encode()), number))
    out = scratch / "out" if number % 7 == 0 else None
    format = SETS[name] if number % 3 else None
    _restore(base, scratch)
    what = damage(scratch / "set", rng)
    before = _listing(scratch)
    try:
        strict, alone = number % 2 == 0, name in ALONE
        kind, message = outcome_of(scratch / "set", out, format=format, strict=strict, alone=alone)
    except Exception as error:
        kind, message = type(error).__name__, traceback.format_exc()
    after = {place: facts for place, facts in _listing(scratch).items() if place.split("/")[0] != "out"}
    return Outcome(kind, what, message) if after == before else Outcome("written outside", what, message)


def _restore(base: Path, scratch: Path) -> None:
    """Make `scratch` hold a copy of the set and nothing else; what is there already and is the same is kept."""
    shutil.rmtree(scratch / "out", ignore_errors=True)
    wanted, there = _wanted(base), _listing(scratch / "set") if (scratch / "set").is_dir() else {}
    if not there or {path.name for path in scratch.iterdir()} != {"set"} or there.keys() - wanted.keys():
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.copytree(base, scratch / "set")
        return
    for place, facts in wanted.items():
        if there.get(place) != facts:
            file = scratch / "set" / place
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file)
            file.unlink(missing_ok=True)
            shutil.copy2(base / place, file)


@cache
def _wanted(base: Path) -> dict[str, tuple[int, int]]:
    return _listing(base)


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each entry below a folder, links as they are."""
    found: dict[str, tuple[int, int]] = {}
    waiting = [("", str(folder))]
    while waiting:
        above, path = waiting.pop()
        with os.scandir(path) as entries:
            for entry in entries:
                place, facts = above + entry.name, entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(facts.st_mode):
                    found[place] = (0, 0)
                    waiting.append((f"{place}/", entry.path))
                else:
                    found[place] = (facts.st_size, facts.st_mtime_ns)
    return found


# in children ------------------------------------------------------------------------------------------------


class _Child:
    """A process that tries numbers one after the other."""

    def __init__(self, format: str, seed: int, base: Path, scratch: Path) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self.scratch = scratch
        self.process = context.Process(target=_work, args=(theirs, format, seed, base, scratch), daemon=True)
        self.process.start()
        theirs.close()
        self.number, self.since = -1, 0.0

    def give(self, number: int) -> None:
        self.number, self.since = number, time.monotonic()
        self.pipe.send(number)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _work(pipe: Connection, format: str, seed: int, base: Path, scratch: Path) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError):
        while True:
            number = pipe.recv()
            resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + SECONDS, -1))
            pipe.send(tuple(try_one(format, number, seed, base, scratch)))


def fuzz(
    format: str, numbers: Sequence[int], seed: int, workers: int, out: Path
) -> Iterator[tuple[int, Outcome]]:
    """The outcome of each number, as they come; what is left of a fault is kept below `out`."""
    with tempfile.TemporaryDirectory(prefix="labelmint-fuzz-") as folder:
        home, base = Path(folder), Path(folder) / "base"
        small_set(format, base)
        waiting = iter(numbers)
        children: list[_Child] = []
        for index in range(min(workers, len(numbers))):
            children.append(_Child(format, seed, base, home / f"{index}"))
            children[-1].give(next(waiting))
        while children:
            for index, child in enumerate(list(children)):
                outcome = _outcome(child)
                if outcome is None:
                    continue
                if outcome.kind not in CLEAN:
                    _keep(child.scratch / "set", out / f"{format}-{child.number}", outcome)
                yield child.number, outcome
                if not child.process.is_alive():
                    child.end()
                    child = children[index] = _Child(format, seed, base, child.scratch)
                number = next(waiting, None)
                if number is not None:
                    child.give(number)
                else:
                    child.end()
                    child.number = -1
            children = [child for child in children if child.number >= 0]
            wait([child.pipe for child in children], timeout=1.0) if children else None


def _outcome(child: _Child) -> Outcome | None:
    """What a child says, if it says anything yet; one that takes too long is ended."""
    try:
        if child.pipe.poll(0):
            return Outcome(*child.pipe.recv())
    except (EOFError, OSError):
        child.process.join()
        if child.process.exitcode == -signal.SIGXCPU:
            return Outcome("took too long", "?", f"more than {SECONDS} s of a processor")
        return Outcome("died", "?", f"exit code {child.process.exitcode}")
    if time.monotonic() - child.since > _LONGEST:
        child.process.kill()
        child.process.join()
        return Outcome("took too long", "?", f"more than {_LONGEST} s")
    return None


def _keep(damaged: Path, place: Path, outcome: Outcome) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    if damaged.is_dir():
        shutil.copytree(damaged, place / "set", symlinks=True)
    (place / "outcome.txt").write_text(
        "\n".join(map(str, outcome)) + "\n", encoding="utf-8", errors="replace"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz the formats, print counts by outcome; 1 where there was a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--format", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first set, to go on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", type=int, help="one number, in this process")
    parser.add_argument("--out", type=Path, required=True, help="where faults are kept")
    given: Any = parser.parse_args(arguments)
    faults = 0
    for format in given.format:
        if given.only is not None:
            base, scratch = given.out / "base", given.out / "scratch"
            shutil.rmtree(base, ignore_errors=True)
            small_set(format, base)
            print(*try_one(format, given.only, given.seed, base, scratch), sep="\n")
            continue
        begin = time.monotonic()
        counts: Counter[str] = Counter()
        shown: Counter[tuple[str, str]] = Counter()
        numbers = range(given.first, given.first + given.count)
        for number, outcome in fuzz(format, numbers, given.seed, given.workers, given.out):
            counts[outcome.kind] += 1
            if outcome.kind not in CLEAN:
                faults += 1
                last = outcome.message.strip().splitlines()[-1:] or [""]
                shown[outcome.kind, last[0][:100]] += 1
                if shown[outcome.kind, last[0][:100]] == 1:
                    print(f"  {format} {number}: {outcome.kind} after {outcome.damage}: {last[0][:200]}")
        said = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
        print(f"{format}: {sum(counts.values())} damaged sets in {time.monotonic() - begin:.0f} s: {said}")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
