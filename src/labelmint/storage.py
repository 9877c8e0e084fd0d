"""Files that are there whole or not at all: every one is written aside, under a hidden name, and then renamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelmint.types import Array

__all__ = ["write_arrays", "write_aside", "write_json", "write_text"]


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well, and else goes."""
    aside = path.with_name(f".{path.name}.partial")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with lines that end in a line feed; names from the file system may hold other bytes."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Write a value as indented JSON."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays as .npz; nothing is pickled."""
    import numpy as np

    with write_aside(path) as aside, aside.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
