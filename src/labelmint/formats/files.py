"""What every format needs of the file system: JSON, lists of names, safe paths, and folders that appear whole
or not at all.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple, Protocol, TypeVar

from labelmint.errors import InputError
from labelmint.formats.format import PARTS, Part
from labelmint.formats.odd import Odd, first_of
from labelmint.storage import write_text

__all__ = [
    "IMAGE_SUFFIXES",
    "Parts",
    "check_name",
    "dump_json",
    "find_image",
    "finite",
    "link",
    "new_folder",
    "read_json",
    "read_splits",
    "uniquely_named",
    "write_each",
    "write_splits",
]


class Named(Protocol):
    """Has a name."""

    @property
    def name(self) -> str:
        """The name of a pair."""


_WRITERS = 8
T = TypeVar("T")
N = TypeVar("N", bound=Named)

_LISTS = ("train.txt", "val.txt", "test.txt")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def read_json(path: Path, *, doubled: bool = True) -> Any:
    """A JSON file's value. Raises InputError with the position of what is broken, and for NaN and Infinity.

    Arguments:
        path: the file.
        doubled: False refuses objects with a key that stands twice; else the last one counts.
    """
    hook = None if doubled else _refuse_doubled
    try:
        return json.loads(
            path.read_text(encoding="utf-8-sig"), parse_constant=_refuse_constant, object_pairs_hook=hook
        )
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: broken JSON at line {error.lineno}, column {error.colno}: {error.msg}; export it again"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text at byte {error.start}; JSON is expected") from None
    except RecursionError:
        raise InputError(f"{path}: the JSON is nested too deeply to be a data set") from None
    except ValueError as error:
        raise InputError(f"{path}: broken JSON: {error}") from None


def _refuse_constant(value: str) -> None:
    raise ValueError(f"it holds {value}, and numbers must be finite")


def _refuse_doubled(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key {key!r} stands twice")
        seen[key] = value
    return seen


def dump_json(value: Any) -> str:
    """JSON with sorted keys on one line, the same text for equal values. Raises InputError for what JSON
    cannot hold.
    """
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise InputError(f"an attribute cannot be written as JSON: {error}") from None


def finite(value: Any) -> bool:
    """True if a JSON value is a finite number that a float can hold (true and false are none)."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def write_each(items: Iterable[T], write: Callable[[T], None]) -> None:
    """Write every item, in threads while the next ones are made; few wait at any time, and the first error
    ends it.
    """
    workers = min(_cores(), _WRITERS)
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                if len(waiting) == 2 * workers:
                    waiting.popleft().result()
                waiting.append(pool.submit(write, item))
            for one in waiting:
                one.result()
        except BaseException as error:
            pool.shutdown(cancel_futures=True)
            failed = next(
                (one.exception() for one in waiting if not one.cancelled() and one.exception()), None
            )
            if failed is not None and isinstance(error, Exception):
                raise failed from None
            raise


def _cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def link(source: Path, target: Path) -> None:
    """Put a file in another place, too: by a hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def check_name(name: str) -> None:
    """Raise InputError for a name of a pair that cannot be a file's."""
    if not name or name.startswith(".") or any(sign in name for sign in "/\\\0\r\n") or name != name.strip():
        raise InputError(
            f"{name!r} cannot name a pair: expected a file name without folder, leading dot or outer spaces"
        )


def uniquely_named(pairs: Iterable[N], names: dict[str, None]) -> Iterator[N]:
    """The pairs, whose names are added to `names`. Raises InputError for a doubled name, and one that cannot
    be a file's.
    """
    for pair in pairs:
        check_name(pair.name)
        if pair.name in names:
            raise InputError(f"two pairs are named {pair.name!r}; names must differ")
        names[pair.name] = None
        yield pair


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to fill that takes its place at `path` when the block ends, and vanishes when the block fails.

    Raises InputError when `path` is a file or holds anything already.
    """
    target = Path(path).resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: exists already and is not an empty folder; name another, or remove it")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def find_image(file_name: Any, roots: Iterable[Path], source: str) -> Path | None:
    """The first of `roots` / `file_name` that exists, or None. Raises InputError for a name that leaves the
    folder.
    """
    if not isinstance(file_name, str) or not file_name.strip():
        raise InputError(f"{source}: an image's file name must be text, got {file_name!r}")
    relative = PurePosixPath(file_name.replace("\\", "/"))
    if (
        relative.is_absolute()
        or ".." in relative.parts
        or PureWindowsPath(file_name).drive
        or "\0" in file_name
    ):
        raise InputError(
            f"{source}: the file name {file_name!r} leaves the folder; expected a path below the data set's "
            f"images/"
        )
    try:
        return next((path for path in (root / relative for root in roots) if path.is_file()), None)
    except OSError:
        raise InputError(
            f"{source}: the file name {file_name[:60]!r}... of {len(file_name)} signs is too long to be a file's"
        ) from None


class Parts(NamedTuple):
    """The names of the parts of a data set, each None where the files have no such part."""

    train: tuple[str, ...] | None = None
    validation: tuple[str, ...] | None = None
    test: tuple[str, ...] | None = None

    @staticmethod
    def of(part_of: Mapping[str, str]) -> Parts:
        """The parts of names, each in its order; a part that has none is not there."""
        found = {part: tuple(name for name, its in part_of.items() if its == part) for part in Parts._fields}
        return Parts(**{part: names or None for part, names in found.items()})

    def of_each(self) -> dict[str, Part]:
        """The part of each name; of one in several that which is looked at least: test before validation."""
        found: dict[str, Part] = {}
        for part in PARTS:
            found.update(dict.fromkeys(getattr(self, part) or (), part))
        return found


def read_splits(folder: Path, names: Sequence[str], odd: Odd) -> Parts:
    """The names in train.txt, val.txt and test.txt, None for a file that is not there."""
    parts = Parts(*(_listed(folder / file, names, odd) for file in _LISTS))
    for (one, these), (other, those) in combinations(zip(_LISTS, parts, strict=True), 2):
        both = sorted(set(these or ()) & set(those or ()))
        if both:
            text = f"{folder}: {len(both)} names are in {one} and in {other}, first {both[0]!r}"
            odd.note("in two parts", text, both)
    return parts


def _listed(path: Path, names: Sequence[str], odd: Odd) -> tuple[str, ...] | None:
    if not path.is_file():
        return None
    known = set(names)
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except ValueError:
        raise InputError(f"{path}: not a text file; expected one name a line") from None
    listed = [_as_name(line.strip(), known) for line in lines if line.strip()]
    unknown = sorted(set(listed) - known)
    text = (
        f"{path}: lists {len(unknown)} names without a pair, first {first_of(unknown)}; remove them, or add "
        f"the files"
    )
    odd.refuse("listed but missing", text, unknown)
    return tuple(name for name in dict.fromkeys(listed) if name in known)


def _as_name(line: str, known: set[str]) -> str:
    """The pair that a line means: a name, or a file of that name."""
    file = PurePosixPath(line)
    without = file.stem if file.suffix.lower() in IMAGE_SUFFIXES else file.name
    return next((name for name in (line, file.name, without) if name in known), line)


def write_splits(folder: Path, written: Sequence[str], parts: Parts) -> None:
    """train.txt, val.txt and test.txt with those of their names that were written."""
    there = set(written)
    for file, names in zip(_LISTS, parts, strict=True):
        if names is not None:
            write_text(folder / file, "".join(f"{name}\n" for name in names if name in there))
