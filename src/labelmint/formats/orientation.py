"""Photographs with an orientation tag (EXIF 274): turned as viewers show them, or as their pixels lie.

Tags 1 to 8 say how the stored pixels are to be turned and mirrored before they are shown. The size that a label states
decides where only one of the two fits. Where both do, or it states none (YOLO, DOTA, COCO without width and height),
images are taken turned, since so do the tools that make such labels: ultralytics, LabelImg since 2020, labelme, CVAT,
and Hugging Face's datasets. Older LabelImg, and programs that only decode, take the pixels as they lie.
"""

from __future__ import annotations

from labelmint.formats.format import Orientation
from labelmint.types import Array

__all__ = ["oriented", "shown_size", "tag_words", "turned"]

_BACK = {6: 8, 8: 6}  # the tags whose turns undo these; all others undo themselves


def turned(pixels: Array, tag: int, *, back: bool = False) -> Array:
    """Stored pixels (H, W, ...) as a viewer shows them; `back` is the other way."""
    match _BACK.get(tag, tag) if back else tag:
        case 2:
            return pixels[:, ::-1]
        case 3:
            return pixels[::-1, ::-1]
        case 4:
            return pixels[::-1]
        case 5:
            return pixels.swapaxes(0, 1)
        case 6:
            return pixels[::-1].swapaxes(0, 1)
        case 7:
            return pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return pixels.swapaxes(0, 1)[::-1]
        case _:
            return pixels


def shown_size(size: tuple[int, int], tag: int) -> tuple[int, int]:
    """(H, W) of an image as viewers show it, from that of its stored pixels."""
    return (size[1], size[0]) if 5 <= tag <= 8 else size


def oriented(pixels: Array, tag: int, size: tuple[int, int] | None, how: Orientation) -> tuple[Array, bool]:
    """Stored pixels as a label of `size` (H, W) wants them, None where it states none, and whether both ways would have
    fitted undecided.
    """
    if not 2 <= tag <= 8 or how == "stored":
        return pixels, False
    stored = (pixels.shape[0], pixels.shape[1])
    if how == "auto" and size not in (None, shown_size(stored, tag)):
        return pixels, False
    return turned(pixels, tag), how == "auto" and size in (None, stored)


def tag_words(size: tuple[int, int], tag: int) -> str:
    """For a message about sizes: what the tag makes of an image of stored `size`; empty where there is no tag."""
    if not 2 <= tag <= 8:
        return ""
    height, width = shown_size(size, tag)
    return f" (stored {size[0]}x{size[1]}; its orientation tag {tag} shows it as {height}x{width})"
