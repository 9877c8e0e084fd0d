"""Checks of boxes, polygons and run lengths from files, before any of them reaches pycocotools (which trusts
its input).

COCO's compressed counts: numbers in groups of 5 bits, least first, each group a character from "0" (code 48)
on, bit 6 of its value (32) = more groups follow, and bit 5 of the last one (16) = negative; from the fourth
number on, the difference to the number two places before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.files import finite
from labelmint.types import Array, Polygons

__all__ = [
    "TOLERANCE",
    "check_extent",
    "counts_of",
    "length_between",
    "parse_box",
    "parse_polygons",
    "parse_rle",
    "pixels_of_counts",
    "rle_of_window",
]

TOLERANCE = 2.0  # pixels by which tools let outlines reach over the border

Size = tuple[int, int]


def check_extent(x0: float, y0: float, x1: float, y1: float, size: Size, what: str) -> None:
    """Raise InputError for an extent that reaches more than TOLERANCE pixels outside an image of `size` (H,
    W).
    """
    height, width = size
    if min(x0, y0) < -TOLERANCE or x1 - TOLERANCE > width or y1 - TOLERANCE > height:
        raise InputError(
            f"{what} reaches from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}), outside its image of "
            f"{height}x{width} pixels (height x width); "
            "clip it, or mend the image's size"
        )


def parse_box(value: Any, size: Size, what: str) -> tuple[float, float, float, float]:
    """A box of a JSON list x0, y0, x1, y1; raises InputError for another form or order, and one that lies outside."""
    if not isinstance(value, list) or len(value) != 4 or not all(map(finite, value)):
        raise InputError(f"{what} has box {str(value)[:60]}; expected [x0, y0, x1, y1]")
    x0, y0, x1, y1 = map(float, value)
    if x0 > x1 or y0 > y1:
        raise InputError(
            f"{what} has box {str(value)[:60]}; expected x0, y0, x1, y1 with x0 <= x1 and y0 <= y1"
        )
    check_extent(x0, y0, x1, y1, size, f"{what}: its box")
    return x0, y0, x1, y1


def parse_polygons(value: Sequence[Any], size: Size, what: str) -> Polygons:
    """Polygons of a JSON list of lists x0, y0, x1, y1, ...; raises InputError for another form or points
    outside.
    """
    polygons = []
    for polygon in value:
        if (
            not isinstance(polygon, list)
            or len(polygon) < 6
            or len(polygon) % 2
            or not all(map(finite, polygon))
        ):
            shown = str(polygon)[:60]
            raise InputError(
                f"{what} has a polygon that is no list of at least three points x, y of finite numbers: "
                f"{shown}; remove it where it means a box, or give it its points"
            )
        points = tuple(float(number) for number in polygon)
        xs, ys = points[::2], points[1::2]
        check_extent(min(xs), min(ys), max(xs), max(ys), size, f"{what}: a polygon")
        polygons.append(points)
    return tuple(polygons)


def parse_rle(value: dict[str, Any], size: Size, what: str) -> dict[str, Any]:
    """Run lengths of a JSON object as `{"size": [H, W], "counts": str}`; lists of counts are compressed.

    Raises InputError where the size is not the image's or the counts do not add up to its pixels.
    """
    if value.get("size") != list(size):
        raise InputError(
            f"{what} has run lengths for size {value.get('size')}, but its image is {list(size)} (height, "
            f"width)"
        )
    counts = value.get("counts")
    numbers = counts_of(counts) if isinstance(counts, str) else counts
    if not isinstance(numbers, list) or not all(type(number) is int and number >= 0 for number in numbers):
        raise InputError(
            f"{what} has run lengths that cannot be read; expected a list of counts or COCO's compressed text"
        )
    if sum(numbers) != size[0] * size[1]:
        raise InputError(
            f"{what} has run lengths of {sum(numbers)} pixels in all, but its image has {size[0] * size[1]}"
        )
    return {"size": list(size), "counts": counts if isinstance(counts, str) else _compressed(numbers, size)}


def counts_of(text: str) -> list[int] | None:
    """The numbers of COCO's compressed counts, or None for text that is none."""
    numbers: list[int] = []
    value, shift = 0, 0
    for sign in text:
        group = ord(sign) - 48
        if not 0 <= group < 64 or shift > 60:
            return None
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
        value, shift = 0, 0
    return None if shift else numbers


def pixels_of_counts(texts: Sequence[str]) -> Array:
    """The sum of the counts of each compressed text as int64, -1 for text that is none or has a negative count.

    The same as `sum(counts_of(text))` for many at once, but that text with a number above 2**31 is none.
    """
    totals = np.full(len(texts), -1, dtype=np.int64)
    plain = [i for i, text in enumerate(texts) if text and text.isascii()]
    if not plain:
        return totals
    lengths = np.array([len(texts[i]) for i in plain])
    signs = (
        np.frombuffer("".join(texts[i] for i in plain).encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    )
    last = (signs & 32) == 0
    text_of = np.repeat(np.arange(len(plain)), lengths)
    foreign = np.bincount(text_of[(signs < 0) | (signs > 63)], minlength=len(plain)) > 0
    good = last[np.cumsum(lengths) - 1] & ~foreign
    if not good.all():  # the bad ones left out, so that every group below is whole
        rest = [plain[k] for k in np.flatnonzero(good)]
        totals[rest] = pixels_of_counts([texts[i] for i in rest])
        return totals
    begins = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    groups = np.diff(np.append(begins, len(signs)))
    place = np.minimum(np.arange(len(signs)) - np.repeat(begins, groups), 8)
    values = np.add.reduceat((signs & 31) << (5 * place), begins)
    negative = (signs[begins + groups - 1] & 16) > 0
    values -= np.where(negative, np.int64(1) << (5 * np.minimum(groups, 8)), 0)
    owner = text_of[begins]
    counts = _sums_of_every_other(values, np.bincount(owner, minlength=len(plain)))
    odd = (counts < 0) | (counts > 1 << 31) | (groups > 8)
    bad = np.bincount(owner[odd], minlength=len(plain)) > 0
    sums = np.bincount(owner, weights=np.where(odd, 0, counts), minlength=len(plain))  # exact below 2**53
    totals[plain] = np.where(bad, -1, sums.astype(np.int64))
    return totals


def _sums_of_every_other(values: Array, numbers: Array) -> Array:
    """Undo the differences: within each text, from its fourth value on, add what stands two places before."""
    begins = np.cumsum(numbers) - numbers
    place = np.arange(len(values)) - np.repeat(begins, numbers)
    counts = values.copy()
    for first in (1, 2):  # places 1, 3, 5, ... and 2, 4, 6, ...; the one at 0 stands alone
        chosen = np.flatnonzero((place >= first) & ((place - first) % 2 == 0))
        if chosen.size:
            sums = np.cumsum(values[chosen])
            starts = np.flatnonzero(place[chosen] == first)
            before = np.where(starts > 0, sums[starts - 1], 0)
            counts[chosen] = sums - np.repeat(before, np.diff(np.append(starts, len(chosen))))
    return counts


def length_between(low: float, high: float) -> float:
    """The shortest number that leads from `low` to exactly `high`: 10.1 and 30.4 give 20.3, not
    20.299999999999997.
    """
    difference = high - low
    nearby = (np.nextafter(difference, -np.inf), np.nextafter(difference, np.inf))
    candidates = (
        *(round(difference, digits) for digits in range(17)),
        difference,
        *(float(n) for n in nearby),
    )
    return float(next((length for length in candidates if low + length == high), difference))


def _compressed(numbers: list[int], size: Size) -> str:
    from pycocotools import mask as coco

    compressed: bytes = coco.frPyObjects({"size": list(size), "counts": numbers}, *size)["counts"]
    return compressed.decode("ascii")


def rle_of_window(pixels: Array, left: int, top: int, size: Size) -> dict[str, Any]:
    """The run lengths, with text counts, of the true pixels (h, w) of a window inside an image of `size` (H, W).

    The work grows with the window, not with the image.
    """
    height, width = pixels.shape
    framed = np.zeros((width, height + 2), dtype=bool)  # by columns, as run lengths go
    framed[:, 1:-1] = pixels.T
    edges = np.flatnonzero(
        framed[:, 1:] != framed[:, :-1]
    )  # begins and ends of runs by turns, column by column
    columns, rows = np.divmod(edges, height + 1)
    places = (left + columns) * size[0] + top + rows
    # runs that end where the next column begins are one
    same = np.flatnonzero(places[1:-1:2] == places[2::2]) * 2 + 1
    places = np.delete(places, np.concatenate([same, same + 1]))
    counts = np.diff([0, *places.tolist(), size[0] * size[1]]).tolist()
    counts = counts[:-1] if counts[-1] == 0 else counts  # as pycocotools has it
    return {"size": list(size), "counts": _compressed(counts, size)}
