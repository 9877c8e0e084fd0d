"""Lines of YOLO's label texts: `class cx cy w h` for a box, `class x1 y1 x2 y2 x3 y3 ...` for an outline, in shares of
the image's width and height.

Five numbers after the class are a box and the confidence of a model; with `kpt_shape` in data.yaml a box and its
keypoints. An oriented box is an outline of four points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.shapes import TOLERANCE
from labelmint.types import Array, LayoutObject

__all__ = ["EDGE", "Line", "is_cut", "is_line", "lines_of", "object_of", "reaches_out"]

EDGE = 1e-4  # by which rounded numbers let a box reach over the border, in shares
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
    """Does an object reach over the border of its image, by more than rounding?"""
    if len(line.shares) > 4:
        return min(line.shares) < -EDGE or max(line.shares) > 1 + EDGE
    x, y, width, height = line.shares
    return (
        min(x - width / 2, y - height / 2, width, height) < -EDGE
        or max(x + width / 2, y + height / 2) > 1 + EDGE
    )


def object_of(
    line: Line, class_id: int, size: Size, keypoints: tuple[int, int] | None = None
) -> LayoutObject:
    """The object of a line in an image of `size` (H, W).

    What reaches over the border by up to `TOLERANCE` pixels stays so, as in other formats. A box of which only the
    edges lie outside is cut at the border. Raises InputError for all else that lies outside.
    """
    pixels, is_box = _pixels(line, size), len(line.shares) == 4
    if is_box and min(line.shares[2:]) < 0:
        raise InputError(f"{line.what} has a box of negative size; write the object anew, or remove the line")
    if is_cut(line, size):
        if not is_box or not all(0 <= share <= 1 for share in line.shares):
            _refuse_outside(line, size)
        pixels = pixels.clip(0, size[::-1])
    (x0, y0), (x1, y1) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
    return LayoutObject(
        class_id=class_id,
        box=(x0, y0, x1, y1),
        polygons=None if is_box else (tuple(pixels.ravel().tolist()),),
        attributes=_attributes(line.more, size, keypoints),
    )


def is_cut(line: Line, size: Size) -> bool:
    """Does an object reach outside an image of `size` (H, W) by more than `TOLERANCE`?"""
    pixels = _pixels(line, size)
    return bool(pixels.min() < -TOLERANCE or (pixels > np.array(size[::-1]) + TOLERANCE).any())


def _pixels(line: Line, size: Size) -> Array:
    """(N, 2) x and y in pixels: two opposite corners of a box, or the points of an outline."""
    points = np.array(line.shares).reshape(-1, 2)
    if len(points) == 2:
        points = points[0] + np.array([[-0.5], [0.5]]) * points[1]
    return np.round(points * np.array(size[::-1], dtype=np.float64), _DIGITS) + 0.0


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
