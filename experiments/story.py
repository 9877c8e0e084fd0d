"""The first picture of the documentation: data, layouts, images, verdict, cut from the sheet of a demo.

    python experiments/story.py docs/demo.png docs/story.png --verdict "74 %" --says "of 371 digits are read as ..."

The sheet shows labels over images, p = 0.6 x + 0.4 c inside and p = c on borders, with x gray and c a class's color.
So the layout alone comes back from the chroma p - mean(p), which is 0.4 or 1 times that of c whatever x is. The first
real pairs and the first synthetic ones are shown, none chosen.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from labelmint.pictures import palette
from labelmint.types import Array, ClassInfo, ClassSet

__all__ = ["layout_of", "story"]

_CELL, _TOP, _STEP, _LEFT, _RIGHT = 128, 32, 134, (6, 270), (564, 828)  # pixels of a demo's sheet
_PANEL, _GAP, _HEAD, _EDGE = 2 * _CELL + 6, 70, 44, 16
_INK, _FADED = (30, 30, 30), (110, 110, 110)


def layout_of(overlay: Array, colors: Array) -> Array:
    """The layout that was laid over a gray image, in the colors of its classes on white, (H, W, 3) uint8.

    Arguments:
        overlay: (H, W, 3) uint8.
        colors: (K, 3), those of the classes.
    """

    def chroma(values: Array) -> Array:
        colored: Array = values - values.mean(axis=-1, keepdims=True)
        return colored

    shown = np.concatenate([np.full((1, 3), 225), colors, colors])
    known = np.concatenate([np.zeros((1, 3)), 0.4 * chroma(colors), chroma(colors)])
    apart = np.square(chroma(overlay.astype(float))[:, :, None] - known).sum(-1)
    layout: Array = shown[apart.argmin(-1)].astype(np.uint8)
    return layout


def story(demo: Array, verdict: str, says: str) -> Image.Image:
    """Four panels in the order of the work, two a line."""
    digits = ClassSet(tuple(ClassInfo(id=k + 1, name=str(k)) for k in range(10)))
    colors = np.array(list(palette(digits).values()), float)

    def cells(columns: tuple[int, int], over: int) -> list[Array]:
        tops = (_TOP, _TOP + _STEP)
        return [demo[y : y + _CELL, x + over : x + over + _CELL] for y in tops for x in columns]

    data = [cells(_LEFT, 0)[0], cells(_LEFT, 130)[0], cells(_LEFT, 0)[1], cells(_LEFT, 130)[1]]
    layouts = [layout_of(cell, colors) for cell in cells(_RIGHT, 130)]
    size = (2 * (_PANEL + _EDGE) + _GAP, 2 * (_PANEL + _HEAD + _EDGE) + _GAP // 2)
    picture = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    panels = [("1  your labelled images", data), ("2  new layouts are drawn", layouts)]
    panels += [("3  images for them", cells(_RIGHT, 0)), ("4  and the verdict", [])]
    for k, (title, shown) in enumerate(panels):
        x = _EDGE + (k % 2) * (_PANEL + _GAP)
        y = _EDGE + (k // 2) * (_PANEL + _HEAD + _GAP // 2)
        draw.text((x, y), title, _INK, ImageFont.load_default(size=24))
        for at, cell in enumerate(shown):
            picture.paste(
                Image.fromarray(cell), (x + at % 2 * (_CELL + 6), y + _HEAD + at // 2 * (_CELL + 6))
            )
        if not shown:
            draw.text((x, y + _HEAD), verdict, (0, 121, 107), ImageFont.load_default(size=72))
            text = "\n".join(textwrap.wrap(says, 24))
            draw.text((x, y + _HEAD + 96), text, _INK, ImageFont.load_default(size=22), spacing=8)
    for y in (_EDGE + _HEAD + _PANEL // 2, _EDGE + 2 * _HEAD + 3 * _PANEL // 2 + _GAP // 2):
        x = _EDGE + _PANEL + _GAP // 2
        draw.line((x - 20, y, x + 8, y), _FADED, 5)
        draw.polygon([(x + 6, y - 12), (x + 24, y), (x + 6, y + 12)], _FADED)
    return picture


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("demo", type=Path, help="the sheet of `labelmint demo`")
    parser.add_argument("out", type=Path)
    parser.add_argument("--verdict", required=True, help="the figure")
    parser.add_argument("--says", required=True, help="what it means")
    given = parser.parse_args()
    with Image.open(given.demo) as sheet:
        story(np.asarray(sheet.convert("RGB")), given.verdict, given.says).save(given.out, optimize=True)


if __name__ == "__main__":
    main()
