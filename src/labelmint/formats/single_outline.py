"""One outline of an object, for formats that hold one each."""

from __future__ import annotations

from collections.abc import Sequence

from labelmint.formats.format import Change
from labelmint.formats.outlines import joined, outlines_of
from labelmint.formats.painting import decode, rle_of
from labelmint.types import LayoutObject

__all__ = ["single_outline"]

_PIECES = "objects of several pieces are joined into one outline over lines of no width"
_HOLES = "objects have holes, which are joined to their outline over a line of no width"

Size = tuple[int, int]


def single_outline(one: LayoutObject, size: Size, change: Change) -> Sequence[float] | None:
    """The one outline of an object; None for an object that is its box, and an empty one for a shape without pixels.

    Arguments:
        size: (H, W) of the image. change: is told of pieces and of holes that are joined (`outlines.joined`).
    """
    if one.polygons is not None and len(one.polygons) == 1:
        return one.polygons[0]
    shape = rle_of(one, size)
    if shape is None:
        return None
    if one.polygons:
        outline = joined(one.polygons)
        if (rle_of(LayoutObject(class_id=0, box=one.box, polygons=(outline,)), size) or {}) == shape:
            change("parts approximated", _PIECES, 1)
            return outline
    rings, holes = outlines_of(decode(shape, size))  # pieces that overlap cannot be joined as they are
    change("parts approximated", _PIECES, int(len(rings) > 1))
    change("holes approximated", _HOLES, int(len(holes) > 0))
    return joined([*rings, *holes])
