"""Sheets: rows of images of one size, with titles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from labelmint.datasets.scaling import as_channels
from labelmint.types import Array

__all__ = ["sheet"]

_PAPER, _INK, _GOOD, _BAD = (255, 255, 255), (30, 30, 30), (40, 150, 60), (200, 60, 40)
_SIDE, _GAP, _LINE = 96, 4, 16


def sheet(
    cells: Sequence[Sequence[Array]],
    path: Path,
    *,
    columns: Sequence[str] = (),
    rows: Sequence[str] = (),
    marks: Sequence[bool] | None = None,
) -> Array:
    """Write rows of images (H, W, C) uint8 of one size, with titles.

    Arguments:
        cells: one list a row.
        columns, rows: titles; a line break in a column's starts another line.
        marks: for each column whether its bar is green or red; None draws no bars.
    """
    font = ImageFont.load_default(size=12)
    height, width = cells[0][0].shape[:2]
    factor = max(round(_SIDE / max(height, width)), 1)
    across, down = width * factor + _GAP, height * factor + _GAP
    lines = [title.split("\n") for title in columns]
    across = max([across, *(round(font.getlength(text)) + 2 * _GAP for title in lines for text in title)])
    left = max([0, *(round(font.getlength(text)) + 2 * _GAP for text in rows)])
    top = _LINE * max([0, *(len(title) for title in lines)]) + 2 * _GAP + (8 if marks is not None else 0)
    picture = Image.new(
        "RGB", (left + across * max(len(row) for row in cells) + _GAP, top + down * len(cells)), _PAPER
    )
    draw = ImageDraw.Draw(picture)
    for k, title in enumerate(lines):
        draw.multiline_text(
            (left + k * across + _GAP, _GAP), "\n".join(title), fill=_INK, font=font, spacing=3
        )
    for k, good in enumerate(marks or ()):
        x = left + k * across + _GAP
        draw.rectangle((x, top - 8, x + across - 2 * _GAP, top - 4), fill=_GOOD if good else _BAD)
    for i, row in enumerate(cells):
        if i < len(rows):
            draw.text((_GAP, top + i * down + down // 2 - 10), rows[i], fill=_INK, font=font)
        for k, image in enumerate(row):
            grey = as_channels(image, 3)
            enlarged = Image.fromarray(np.ascontiguousarray(grey)).resize(
                (width * factor, height * factor), Image.Resampling.NEAREST
            )
            picture.paste(enlarged, (left + k * across + _GAP, top + i * down))
    aside = path.with_name(f".{path.name}.partial")
    picture.save(aside, format="PNG")
    aside.replace(path)
    return np.asarray(picture)
