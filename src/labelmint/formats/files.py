"""What every format needs of the file system: JSON, lists of names, safe paths, and folders that appear whole
or not at all.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from labelmint.errors import InputError
from labelmint.formats.format import PARTS, Part
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.text_files import read_text, split_lines
from labelmint.storage import alone, refuse_taken, write_text

__all__ = [
    "IMAGE_SUFFIXES",
    "Parts",
    "dump_json",
    "finder",
    "finite",
    "in_place_of",
    "is_file",
    "is_folder",
    "json_value",
    "link",
    "listed_pairs",
    "new_folder",
    "read_json",
    "read_splits",
    "write_splits",
]


_Find = Callable[[str], str | None]
_VOC = ("1", "0", "-1")  # beside a name: its class is there, there but difficult, not there
_LISTS = ("train.txt", "val.txt", "test.txt")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")


def read_json(path: Path, *, doubled: bool = True) -> Any:
    """A JSON file's value. Raises InputError with the position of what is broken, and for NaN and Infinity.

    Arguments:
        path: the file.
        doubled: False refuses objects with a key that stands twice; else the last one counts.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    return json_value(text, str(path), doubled=doubled)


def json_value(text: str, source: str, *, doubled: bool = True) -> Any:
    """`read_json` of a text that stands in a file, which messages call `source`."""
    hook = None if doubled else _refuse_doubled
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=hook)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{source}: broken JSON at line {error.lineno}, column {error.colno}: {error.msg}; export it again"
        ) from None
    except RecursionError:
        raise InputError(f"{source}: the JSON is nested too deeply to be a data set") from None
    except _ConstantError as error:
        line, column = _place_of(str(error), text)
        raise InputError(
            f"{source}: line {line}, column {column} holds {error}, and numbers must be finite; write a number there, "
            f"or null"
        ) from None
    except ValueError as error:
        raise InputError(f"{source}: broken JSON: {error}") from None


class _ConstantError(ValueError):
    """NaN, Infinity or -Infinity stands in a JSON file."""


def _refuse_constant(value: str) -> None:
    raise _ConstantError(value)


def _place_of(constant: str, text: str) -> tuple[int, int]:
    """Line and column of the first such word that is not within quotes."""
    found = re.finditer(rf'"(?:[^"\\]|\\.)*"|{re.escape(constant)}', text)
    start = next((match.start() for match in found if match.group() == constant), 0)
    return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)


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
    """True if a JSON value is a finite number (true and false are none)."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max  # whole numbers of JSON may be beyond any float


def link(source: Path, target: Path) -> None:
    """Put a file in another place, too: by a hard link, or a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def finder(names: Iterable[str]) -> Callable[[str], str | None]:
    """A look-up of the name that a text means: the very one, else the only one that differs in its Unicode form."""
    exact = set(names)
    forms = Counter(unicodedata.normalize("NFC", name) for name in exact)
    alone = {form: name for name in exact if forms[form := unicodedata.normalize("NFC", name)] == 1}
    return lambda text: text if text in exact else alone.get(unicodedata.normalize("NFC", text))


@contextmanager
def new_folder(path: str | os.PathLike[str], *, clears: bool = True) -> Iterator[Path]:
    """A folder to fill that takes its place at `path` when the block ends, and vanishes when the block fails.

    Arguments:
        path: of the folder.
        clears: whether what a killed process left beside it goes first: it is looked for among all that lies there.

    Raises InputError when `path` is a file or holds anything already.
    """
    target = Path(path).resolve()
    if clears:
        _clear(target)
    refuse_taken(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _mine(target, "partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with alone(partial):
            yield partial
            if target.is_dir():
                target.rmdir()
            partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def in_place_of(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to fill that takes the place of another when the block ends; that one stays whole until then. Where a
    process is killed in between, the next one that writes there puts the new folder in its place.
    """
    target = Path(path).resolve()
    _clear(target)
    new, old = _mine(target, "new"), _mine(target, "old")
    with new_folder(new) as folder:
        yield folder
    target.rename(old)
    new.rename(target)
    shutil.rmtree(old)


def _mine(target: Path, what: str) -> Path:
    """A hidden folder beside a target that names who fills it: this machine and this process."""
    return target.with_name(f".{target.name}.{_machine()}-{os.getpid()}.{what}")


def _machine() -> str:
    """Eight characters for the name of this machine, as long a name as it may have."""
    return sha256(platform.node().encode()).hexdigest()[:8]


def _clear(target: Path) -> None:
    """Remove the folders that killed processes of this machine left beside a target; a whole one that was to take its
    place does so. What cannot be tidied (of another user, say) stays, and nothing is said of it.
    """
    who = rf"{_machine()}-(\d+)"  # the processes of another machine are not known here
    form = re.compile(rf"\.+{re.escape(target.name)}\.{who}\.(partial|new|old)(\.{who}\.partial)?")
    beside: list[re.Match[str]] = []
    with suppress(OSError), os.scandir(target.parent) as entries:
        beside += filter(None, (form.fullmatch(entry.name) for entry in entries))
    for found in sorted(beside, key=itemgetter(0)):  # the new one of a process before its old one
        left = target.with_name(found[0])
        old = left.with_suffix(".old")
        if _runs(int(found[1])):
            continue
        with suppress(InputError, OSError), alone(left):  # in another container it may still be filled
            if old.is_dir() and left.with_suffix(".new").is_dir() and not target.exists():
                left.with_suffix(".new").rename(target)
            shutil.rmtree(left, ignore_errors=True)


def _runs(process: int) -> bool:
    """Return False where no process of this machine has a number."""
    if sys.platform == "win32":  # there it would be ended by being asked
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def is_file(entry: os.DirEntry[str]) -> bool:
    """Return True for a file or a link to one; a link to itself, of which systems make an error, is none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Return True for a folder or a link to one that may be looked at."""
    try:
        return entry.is_dir()
    except OSError:
        return False


class Parts(NamedTuple):
    """The names of the parts of a data set, each None where the files have no such part."""

    train: tuple[str, ...] | None = None
    validation: tuple[str, ...] | None = None
    test: tuple[str, ...] | None = None

    @staticmethod
    def of(part_of: Mapping[str, str | None]) -> Parts:
        """The parts of names, each in its order; a part that has none is not there."""
        found = {part: tuple(name for name, its in part_of.items() if its == part) for part in Parts._fields}
        return Parts(**{part: names or None for part, names in found.items()})

    def of_each(self) -> dict[str, Part]:
        """The part of each name; of one in several that which is looked at least: test before validation."""
        found: dict[str, Part] = {}
        for part in PARTS:
            found.update(dict.fromkeys(getattr(self, part) or (), part))
        return found


def read_splits(
    folder: Path, names: Sequence[str], odd: Odd, labels: Mapping[str, Path] | None = None
) -> Parts:
    """The names in train.txt, val.txt and test.txt, None for a file that is not there.

    Arguments:
        labels: the label file of each name, where there are such: a list may name it beside the image.
    """
    return Parts(*(_listed(folder / file, names, labels or {}, odd) for file in _LISTS))


def listed_pairs(folder: Path) -> dict[Path, Path]:
    """The label file of each image file in train.txt, val.txt and test.txt, where these name both and both exist."""
    found = {}
    for file in _LISTS:
        for line in _lines(folder / file) or ():
            words = _words(line)
            image, label = (_below(folder, word) for word in words) if len(words) == 2 else (None, None)
            if image is not None and label is not None:
                found[image.resolve()] = label
    return found


def _lines(path: Path) -> list[str] | None:
    """The lines of a list that hold something, None where it is not there."""
    if not path.is_file():
        return None
    try:
        return split_lines(path.read_text(encoding="utf-8-sig", errors="surrogateescape"))
    except ValueError:
        raise InputError(f"{path}: not a text file; expected one name a line") from None


def _words(line: str) -> list[str]:
    return re.split(r"[\s,;]+", line)


def _below(folder: Path, word: str) -> Path | None:
    """The file that a path below a folder names, None where there is none."""
    relative = PurePosixPath(word.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or "\0" in word:
        return None
    return folder / relative if (folder / relative).is_file() else None


def _listed(path: Path, names: Sequence[str], labels: Mapping[str, Path], odd: Odd) -> tuple[str, ...] | None:
    lines = _lines(path)
    if lines is None:
        return None
    if not lines:
        odd.refuse("empty list", f"{path}: is empty; write one name a line, or remove the file", [path.name])
        return None
    find = finder(names)
    listed = [name for line in lines if (name := _as_pair(line, find, labels, path)) is not None]
    unknown = sorted(set(listed) - set(names))
    text = (
        f"{path}: lists {len(unknown)} names without a pair, first {first_of(unknown)}; remove them, or add "
        f"the files"
    )
    odd.refuse("listed but missing", text, unknown)
    there = set(names)
    return tuple(name for name in dict.fromkeys(listed) if name in there)


def _as_pair(line: str, find: _Find, labels: Mapping[str, Path], path: Path) -> str | None:
    """The pair that a line means: a name or a file of it, alone, before 1 (VOC; None before -1, "not there"), or before
    its label file. Raises InputError for another label than the one that is read.
    """
    words = _words(line)
    if find(line) or not _are_columns(words):
        return _as_name(line, find) or line
    name = _as_name(words[0], find)
    if name is None or len(words) > 2:
        several = words[0].lower().endswith(IMAGE_SUFFIXES)  # else a folder whose name has a space
        return line if several else _as_name(line, find) or line
    if words[1] in _VOC:
        return name if words[1] != "-1" else None
    given = _below(path.parent, words[1]) if name in labels else None
    if (given is not None and given.samefile(labels[name])) or _as_name(words[1], find) == name:
        return name
    raise InputError(
        f"{path}: gives {words[0]!r} the label {words[1]!r}, which is not the one that is read with it; list the "
        f"image alone, or put its label where the list says"
    )


def _are_columns(words: Sequence[str]) -> bool:
    """Return True where the words of a line are columns, and not the parts of a name with spaces."""
    files = all(word.lower().endswith(IMAGE_SUFFIXES) for word in words)
    if len(words) != 2:
        return len(words) > 2 and files
    return files or words[1] in _VOC or "/" in words[1] or "\\" in words[1]


def _as_name(text: str, find: _Find) -> str | None:
    """The pair that a text means, by its Unicode form: a name, or the path of a file of that name."""
    file = PurePosixPath(text.replace("\\", "/"))
    without = file.stem if file.suffix.lower() in IMAGE_SUFFIXES else file.name
    joined = ("__".join((*file.parts[k:-1], without)) for k in range(len(file.parts)))
    return next((name for one in (text, *joined, file.name) if (name := find(one))), None)


def write_splits(folder: Path, written: Sequence[str], parts: Parts) -> None:
    """train.txt, val.txt and test.txt with those of their names that were written; none for a part without any."""
    there = set(written)
    for file, names in zip(_LISTS, parts, strict=True):
        listed = [name for name in names or () if name in there]
        if listed:
            write_text(folder / file, "".join(f"{name}\n" for name in listed))
