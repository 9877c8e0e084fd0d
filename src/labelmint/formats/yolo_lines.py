"""Lines of YOLO's label texts: `class cx cy w h` for a box, `class x1 y1 x2 y2 x3 y3 ...` for an outline, in shares of
the image's width and height.

With `kpt_shape` in data.yaml a box and its keypoints. An oriented box is an outline of four points. Behind a box, with
keypoints or without, a model writes its confidence, a tracker the number of the track, or both in this order:

    class cx cy w h [keypoints] [confidence] [track]

A number behind a box is a track where it is whole and above 1, and any whole one is in a set that has such. Six
numbers are a box with both, not an outline of three points, where all lines of six of a text end in whole numbers that
differ (a track is in an image once) and stand there without a decimal point, as trackers write them, behind a number
from 0 to 1; each is above 1, or the box lies in the image; and no line of the text is longer. In a set that has
outlines and no track above 1 they are outlines all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from labelmint.errors import InputError
from labelmint.formats.shapes import TOLERANCE
from labelmint.types import LayoutObject

__all__ = ["Line", "is_cut", "is_line", "keypoints_of", "lines_of", "object_of", "reaches_out"]

_EDGE = 1e-5  # by which rounded numbers let a box reach over the border, in shares
_DIGITS = 6  # of a pixel, so that a whole pixel that went through shares is a whole pixel again

Bad = Callable[[InputError], None]
Size = tuple[int, int]


class Line(NamedTuple):
    """One object: where it stands, for messages; the number of its class; its shares; and what stands behind a box."""

    what: str
    number: int
    shares: tuple[float, ...]
    keypoints: tuple[float, ...] = ()
    confidence: float | None = None
    track: int | None = None


def is_line(text: str) -> bool:
    """Does a line of text look like one of YOLO's?"""
    words = text.split()
    return len(words) >= 5 and words[0].split(".")[0].isdecimal() and all(map(_is_number, words))


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def lines_of(
    text: str,
    what: str,
    bad: Bad,
    keypoints: tuple[int, int] | None = None,
    *,
    tracks: bool = False,
    points: bool = False,
) -> Iterator[Line]:
    """The objects of a label text.

    Arguments:
        text: the label. what: the file, for messages.
        bad: is given the InputError of each line that cannot be read.
        keypoints: points of an object and numbers of a point, where each line is a box with such.
        tracks: True where a whole number behind a box is a track, 0 and 1 too.
        points: True where six numbers are an outline of three points, however they end.
    """
    rows = [(place, line.split()) for place, line in enumerate(text.splitlines(), 1) if line.strip()]
    six = not points and _are_tracks([words for _, words in rows])
    for place, words in rows:
        try:
            line = _line(words, f"{what}: line {place}", keypoints, six)
        except InputError as error:
            bad(error)
            continue
        if tracks and line.track is None and line.confidence is not None and line.confidence.is_integer():
            line = line._replace(confidence=None, track=int(line.confidence))
        yield line


def _are_tracks(rows: Sequence[Sequence[str]]) -> bool:
    """Are the lines of six numbers of a text boxes, each with a confidence and a track?"""
    six = [words for words in rows if len(words) == 7]
    ends = {words[-1] for words in six}
    return bool(six) and len(ends) == len(six) and all(map(_is_track, six)) and max(map(len, rows)) == 7


def _is_track(words: Sequence[str]) -> bool:
    """May six numbers be a box, a confidence and a track?"""
    if not words[-1].isdecimal() or not all(map(_is_number, words)):
        return False
    _, *shares, confidence, track = map(float, words)
    return 0 <= confidence <= 1 and (track > 1 or _is_box_inside(shares[:4]))


def _is_box_inside(shares: Sequence[float]) -> bool:
    """Are four shares a box in the image?"""
    edges = _corners(shares)
    return min(shares[2:]) > 0 and min(edges) >= -_EDGE and max(edges) <= 1 + _EDGE


def _line(words: Sequence[str], what: str, keypoints: tuple[int, int] | None, six: bool) -> Line:
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
    count, points = len(shares), keypoints[0] * keypoints[1] if keypoints else 0
    for end in dict.fromkeys((4 + points, 4)):
        if count in (end, end + 1) or (count == end + 2 and (six or (points and _is_track(words)))):
            return _with_more(Line(what, int(number), shares[:4], shares[4:end]), shares[end:])
    if count < 6 or count % 2:
        raise InputError(
            f"{what} has {count} numbers after the class; expected 4 of a box, or x and y of at least three points"
            f"{_hint(shares)}"
        )
    return Line(what, int(number), shares)


def _with_more(line: Line, more: Sequence[float]) -> Line:
    """A box with the numbers behind it: none, a confidence or a track, or both."""
    if len(more) == 1 and not (more[0] > 1 and more[0].is_integer()):
        return line._replace(confidence=more[0])
    return line._replace(confidence=more[0] if more[1:] else None, track=int(more[-1]) if more else None)


def keypoints_of(shares: Sequence[float]) -> tuple[int, int] | None:
    """How many keypoints of how many numbers an outline may be, as `kpt_shape` says it, or None: its first four numbers
    are a box in the image, and all points behind them lie in that box, or are 0 0 as those are that nobody sees.
    """
    if len(shares) < 6 or not _is_box_inside(shares[:4]):
        return None
    (x, y, width, height), rest = shares[:4], shares[4:]
    for step in (3, 2):
        points = [rest[i : i + 2] for i in range(0, len(rest), step)]
        visible = step == 2 or set(rest[2::3]) <= {0, 1, 2}
        if (
            len(rest) % step == 0
            and visible
            and all(
                (px, py) == (0, 0) or (abs(px - x) <= width / 2 + _EDGE and abs(py - y) <= height / 2 + _EDGE)
                for px, py in points
            )
        ):
            return len(points), step
    return None


def _hint(shares: Sequence[float]) -> str:
    """What else than an outline a line may be that is refused as one."""
    posed = keypoints_of(shares)
    if posed:
        return f"; for a box with keypoints write kpt_shape: [{posed[0]}, {posed[1]}] into data.yaml"
    if len(shares) > 6 and max(shares[:-1]) <= 1:
        return "; remove what a model or a tracker wrote behind an outline"
    return ""


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
        attributes=_attributes(line, size, keypoints),
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


def _corners(shares: Sequence[float]) -> Sequence[float]:
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
        f"expected shares of its width and height from 0 to 1"
        f"{_hint(line.shares) or ': divide pixels by them, or remove the line'}"
    )


def _attributes(
    line: Line, size: Size, keypoints: tuple[int, int] | None
) -> dict[str, float | int | list[float]]:
    found: dict[str, float | int | list[float]] = {}
    if line.keypoints:
        step = keypoints[1] if keypoints else 2
        scales = (float(size[1]), float(size[0]), *(1.0,) * (step - 2))
        found["keypoints"] = [round(n * scales[i % step], _DIGITS) for i, n in enumerate(line.keypoints)]
    found |= {} if line.confidence is None else {"confidence": line.confidence}
    return found | ({} if line.track is None else {"track_id": line.track})
