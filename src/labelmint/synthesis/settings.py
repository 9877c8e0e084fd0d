"""What a finished or a stopped export says of itself in settings.json: what a resume takes from it, and how
another call differs.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelmint.dials import DIALS, LAYOUT_TEMPERATURE

__all__ = ["difference", "read_settings", "stored"]

_OPTIONS = {
    name: f"--{name.replace('_', '-')}"
    for name in (
        "batch_size",
        "device",
        "format",
        "image_format",
        "keep",
        "labels",
        "per_layout",
        "precision",
        "seed",
        "shard",
        "start",
        "style_image",
        "threads",
        "vary",
    )
} | {"n": "-n", "description": "--describe"}


def read_settings(file: Path) -> dict[str, Any] | None:
    """The settings; None when they are missing or damaged."""
    try:
        found = json.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def stored(name: str, *folders: Path) -> int | None:
    """A number from 1 on in the settings of the first of these folders that has it."""
    for folder in folders:
        found = (read_settings(folder / "settings.json") or {}).get(name)
        if isinstance(found, int) and found >= 1:
            return found
    return None


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first setting that differs, with both values and what mends it; None when all are equal.

    A run that draws no layouts had a layout temperature in the settings of former versions, which it never
    heeded.
    """
    for key in sorted({*before, *now}):
        if key == LAYOUT_TEMPERATURE.name and key not in now:
            continue
        if before.get(key) != now.get(key):
            return f"{key} {before.get(key)!r}, now it is {now.get(key)!r}; {_mend(key, before.get(key))}"
    return None


def _mend(key: str, before: Any) -> str:
    if key in DIALS and isinstance(before, int | float | None):
        dial = DIALS[key]
        return f"{f'leave out {dial.option}' if before is None else f'pass {dial.given(before)}'} to resume"
    if key == "style_sha256":
        return (
            "give the same image by --style-image to resume"
            if before
            else "leave out --style-image to resume"
        )
    if key.startswith("upscale"):
        return "give the same run by --upscale to resume" if before else "leave out --upscale to resume"
    if key == "reseed":
        again = " ".join(f"--reseed {name}={seed}" for name, seed in (before or {}).items())
        return f"{f'pass {again}' if again else 'leave out --reseed'} to resume"
    if key == "description" and before is not None:
        return f"pass --describe {shlex.quote(before)} to resume"
    if key not in _OPTIONS:
        return "give the same options to resume"
    if before is None:  # what is not used does not stand there
        return f"leave out {_OPTIONS[key]} to resume"
    value = before.removesuffix("-true") if key == "precision" else before
    each = value if isinstance(value, list) else [value]
    return (
        f"pass {' '.join(_OPTIONS[key] if one is True else f'{_OPTIONS[key]} {one}' for one in each)} to "
        f"resume"
    )
