"""Which samples have one layout: they are no independent evidence, and are resampled together.

A run without a layout prior takes its training layouts in turn, and `--per-layout K` draws K images of each; the
manifest beside the samples says so. Images of one painted layout are of one layout, too. Samples of any other making
have a layout each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labelmint.types import DataSet

__all__ = ["layout_groups"]


def layout_groups(data: DataSet) -> dict[str, str]:
    """The layout of each sample that manifest.jsonl names, by the sample's name; {} where it is missing or can't be
    read.
    """
    folder = Path(data.source)
    try:
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        text = (folder / "manifest.jsonl").read_text(encoding="utf-8", errors="surrogateescape")
        lines = [line for line in text.split("\n") if line]  # names may hold what else `splitlines` splits at
        each = int(settings.get("per_layout", 1))
        return {row["name"]: _layout(row, each) for row in map(json.loads, lines)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        return {}


def _layout(row: dict[str, Any], per_layout: int) -> str:
    """The layout of a sample: that of the pair that was moved, the one that was painted, that was taken, or that was
    drawn. Painted ones are named after what they were painted on, and told apart by their digest.
    """
    if row.get("painted"):
        return f"painted {row['layouts_digest']}"
    taken = row.get("pair") or row.get("layout")
    return str(taken) if taken else f"seed {row['seed']}, layout {row['index'] // per_layout}"
