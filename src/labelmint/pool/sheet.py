"""Sheets of pictures for people: each picture under its caption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from labelmint.storage import write_aside
from labelmint.types import Array

__all__ = ["write_sheet"]

_CELL, _GAP, _LINE = 150, 8, 20  # pixels of a picture's longer side, between pictures, and of a caption
_SIGNS = 21  # of a caption


def write_sheet(path: Path, pictures: Sequence[Array], captions: Sequence[str], columns: int) -> None:
    """Write pictures (H, W, C) uint8 of any sizes in rows as a PNG; of long captions the end is shown, where names
    tend to differ.
    """
    rows, columns = -(-len(pictures) // columns), min(columns, len(pictures))
    step = (_CELL + _GAP, _LINE + _CELL + _GAP)
    sheet = Image.new("RGB", (columns * step[0] + _GAP, rows * step[1] + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(place, columns)
        left, top = _GAP + column * step[0], _GAP + row * step[1]
        shown = caption if len(caption) <= _SIGNS else f"...{caption[3 - _SIGNS :]}"
        draw.text((left, top), shown, fill=(30, 30, 30), font=font)
        sheet.paste(_cell(picture), (left, top + _LINE))
    with write_aside(path) as aside:
        sheet.save(aside, "PNG")


def _cell(picture: Array) -> Image.Image:
    """Enlarged with every pixel seen as it is, or shrunk."""
    whole = Image.fromarray(np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture)
    factor = _CELL / max(whole.size)
    size = (max(round(whole.width * factor), 1), max(round(whole.height * factor), 1))
    return whole.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX)
