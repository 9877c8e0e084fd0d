"""Text, XML and YAML files of formats, read without trust: any Unicode encoding, no entities, no objects, no file that
is larger than `MAX_BYTES`.

JSON has `files.read_json`.
"""

from __future__ import annotations

import codecs
import csv
import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from labelmint.errors import InputError

__all__ = [
    "MAX_BYTES",
    "NO_FILE",
    "no_files_told",
    "read_lines",
    "read_table",
    "read_text",
    "read_xml",
    "read_yaml",
    "split_lines",
    "yaml_value",
]

MAX_BYTES = 1 << 30  # of an annotation file
_DEEPEST = 32  # levels of YAML

NO_FILE = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
_MARKS = (  # UTF-32 before UTF-16, whose mark begins the same
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path) -> str:
    """A text file: UTF-8, or what its byte order mark says. Raises InputError for what is no text, or too large."""
    content = _content(path)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not {encoding.upper()} text at byte {error.start}; save it as UTF-8"
        ) from None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file without outer blanks, empty ones left out."""
    return split_lines(read_text(path))


def split_lines(text: str) -> list[str]:
    """The lines of a text without outer blanks, empty ones left out. They end where files end lines: Python's own
    `splitlines` takes signs that names may hold, such as U+2028, for ends, too.
    """
    return [line.strip() for line in re.split(r"[\r\n]", text) if line.strip()]


def read_table(path: Path) -> list[list[str]]:
    """The rows of a file of comma-separated values, empty ones left out."""
    try:
        return [row for row in csv.reader(StringIO(read_text(path), newline="")) if row]
    except csv.Error as error:
        raise InputError(f"{path}: no table of comma-separated values ({error}); save it again") from None


def read_xml(path: Path) -> Element:
    """The root of an XML file. Raises InputError for what is broken, and for entities and references to other files,
    which a data set has no use for.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    content = _content(path)
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except ParseError as error:
        raise InputError(f"{path}: broken XML ({error}); export it again") from None
    except DefusedXmlException:
        raise InputError(
            f"{path}: holds a document type or entities, which are not read; export it again"
        ) from None
    except (ValueError, LookupError, RecursionError) as error:  # a lookup of an encoding that nobody knows
        raise InputError(f"{path}: broken XML ({error}); export it again") from None
    return root


def read_yaml(path: Path, *, as_text: bool = False) -> Any:
    """The value of a YAML file of plain lists, mappings, numbers and text. Raises InputError for all else, and for
    references ("*name"), by which a small file becomes a huge value.

    Arguments:
        path: the file.
        as_text: True leaves every value and key the text that it is: a class called "no" is not False then.
    """
    return yaml_value(read_text(path), str(path), as_text=as_text)


def yaml_value(text: str, source: str, *, as_text: bool = False) -> Any:
    """`read_yaml` of a text that stands in a file, which messages call `source`."""
    import yaml

    try:
        odd = _odd_yaml(yaml.scan(text, Loader=yaml.SafeLoader))
        value = None if odd else yaml.load(text, Loader=yaml.BaseLoader if as_text else yaml.SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:120]
        raise InputError(f"{source}: broken YAML ({why}); export it again") from None
    if odd:
        raise InputError(f"{source}: {odd}")
    return value


def _odd_yaml(tokens: Iterable[Any]) -> str | None:
    """What of some tokens is not read; looked for before any value is made of them."""
    depth = 0
    for token in tokens:
        name = type(token).__name__
        depth += ("Start" in name and "Stream" not in name) - ("End" in name and "Stream" not in name)
        if name == "AliasToken":
            return "holds references, which are not read; write the values out"
        if depth > _DEEPEST:
            return "is nested too deeply to be a data set"
    return None


def _content(path: Path) -> bytes:
    with no_files_told(path):
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: {path.stat().st_size} bytes, more than the {MAX_BYTES} that are read")
        return path.read_bytes()


@contextmanager
def no_files_told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Within it, a file that is not there, or is none, ends in InputError; it is the one at `path` where the system
    names none.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{error.filename or path}: no such file") from None
    except OSError as error:
        if error.errno not in NO_FILE:
            raise
        raise InputError(
            f"{error.filename or path}: is no file that can be read ({error.strerror})"
        ) from None
