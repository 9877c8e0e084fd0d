"""Lines of YOLO's label texts: `class cx cy w h` for a box, `class x1 y1 x2 y2 x3 y3 ...` for an outline, in shares of
the image's width and height.

Five numbers after the class are a box and the confidence of a model; with `kpt_shape` in data.yaml a box and its
keypoints. An oriented box is an outline of four points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from labelmint.errors import InputError
from labelmint.formats.shapes import TOLERANCE
from labelmint.types import LayoutObject

__all__ = ["Line", "is_cut", "is_line", "lines_of", "object_of", "reaches_out"]

_EDGE = 1e-5  # by which rounded numbers let a box reach over the border, in shares
_DIGITS = 6  # of a pixel, so that a whole pixel that went through shares is a whole pixel again

Bad = Callable[[InputError], None]
Size = tuple[int, int]


class Line(NamedTuple):
    """One object: where it stands, for messages; the number of its class; its shares; and what a model or data.yaml
    adds: one confidence, or keypoints.
    """

    what: str
    number: int
    shares: tuple[float, ...]
    more: tuple[float, ...] = ()


def is_line(text: str) -> bool:
    """Does a line of text look like one of YOLO's?"""
    words = text.split()
    return len(words) >= 5 and words[0].split(".")[0].isdecimal() and all(map(_is_number, words))


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def lines_of(text: str, what: str, bad: Bad, keypoints: tuple[int, int] | None = None) -> Iterator[Line]:
    """The objects of a label text.

    Arguments:
        text: the label. what: the file, for messages.
        bad: is given the InputError of each line that cannot be read.
        keypoints: points of an object and numbers of a point, where each line is a box with such.
    """
    for place, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            yield _line(words, f"{what}: line {place}", keypoints)
        except InputError as error:
            bad(error)


def _line(words: list[str], what: str, keypoints: tuple[int, int] | None) -> Line:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise InputError(
            f"{what} is {' '.join(words)[:60]!r}; expected numbers with blanks between them: class cx cy w h, or "
            f"class x1 y1 x2 y2 x3 y3 ..."
        ) from None
    number, shares = numbers[0], tuple(numbers[1:])
    if not all(map(math.isfinite, numbers)):
        raise InputError(
            f"{what} holds a number that is not finite; write the object anew, or remove the line"
        )
    if not 0 <= number < 65535 or number != int(number):
        raise InputError(f"{what} begins with {words[0][:20]!r}; expected the number of a class, from 0 on")
    count = len(shares)
    pose = keypoints is not None and count == 4 + keypoints[0] * keypoints[1]
    if pose or count in (4, 5):
        return Line(what, int(number), shares[:4], shares[4:])
    if count < 6 or count % 2:
        raise InputError(
            f"{what} has {count} numbers after the class; expected 4 of a box, or x and y of at least three points"
        )
    return Line(what, int(number), shares)


def reaches_out(line: Line) -> bool:
    """Must an object be looked at with the size of its image, because it reaches over the border by more than rounding
    or has a negative size?
    """
    edges = _corners(line.shares)
    return min(edges) < -_EDGE or max(edges) > 1 + _EDGE or (_is_box(line) and min(line.shares[2:]) < 0)


def object_of(
    line: Line, class_id: int, size: Size, keypoints: tuple[int, int] | None = None
) -> LayoutObject:
    """The object of a line in an image of `size` (H, W).

    What reaches over the border by up to `TOLERANCE` pixels stays so, as in other formats. A box of which only the
    edges lie outside is cut at the border. Raises InputError for all else that lies outside.
    """
    pixels, is_box = _pixels(line, size), _is_box(line)
    if is_box and min(line.shares[2:]) < 0:
        raise InputError(f"{line.what} has a box of negative size; write the object anew, or remove the line")
    if is_cut(line, size):
        if not is_box or not all(0 <= share <= 1 for share in line.shares):
            _refuse_outside(line, size)
        pixels = tuple(min(max(edge, 0.0), float(size[1 - i % 2])) for i, edge in enumerate(pixels))
    xs, ys = pixels[::2], pixels[1::2]
    return LayoutObject(
        class_id=class_id,
        box=(min(xs), min(ys), max(xs), max(ys)),
        polygons=None if is_box else (pixels,),
        attributes=_attributes(line.more, size, keypoints),
    )


def is_cut(line: Line, size: Size) -> bool:
    """Does an object reach outside an image of `size` (H, W) by more than `TOLERANCE`?"""
    if not reaches_out(line):
        return False
    pixels = _pixels(line, size)
    xs, ys = pixels[::2], pixels[1::2]
    return min(pixels) < -TOLERANCE or max(xs) > size[1] + TOLERANCE or max(ys) > size[0] + TOLERANCE


def _is_box(line: Line) -> bool:
    return len(line.shares) == 4


def _corners(shares: tuple[float, ...]) -> tuple[float, ...]:
    """x and y of two opposite corners of a box, or of the points of an outline."""
    if len(shares) > 4:
        return shares
    x, y, width, height = shares
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _pixels(line: Line, size: Size) -> tuple[float, ...]:
    """The corners in pixels; 0.0 is added so that no zero is negative."""
    height, width = size
    edges = _corners(line.shares)
    return tuple(round(edge * (height if i % 2 else width), _DIGITS) + 0.0 for i, edge in enumerate(edges))


def _refuse_outside(line: Line, size: Size) -> None:
    worst = max(line.shares, key=lambda share: abs(share - 0.5))
    raise InputError(
        f"{line.what} holds {worst:g}, which lies outside its image of {size[0]}x{size[1]} pixels (height x width); "
        f"expected shares of its width and height from 0 to 1: divide pixels by them, or remove the line"
    )


def _attributes(
    more: tuple[float, ...], size: Size, keypoints: tuple[int, int] | None
) -> dict[str, float | list[float]]:
    if not more:
        return {}
    if len(more) == 1:
        return {"confidence": more[0]}
    step = keypoints[1] if keypoints else 2
    scales = (float(size[1]), float(size[0]), *(1.0,) * (step - 2))
    return {"keypoints": [round(n * scales[i % step], _DIGITS) for i, n in enumerate(more)]}
