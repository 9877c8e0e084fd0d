"""What the page asks for, checked: a request's JSON object, and the values in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labelmint.errors import InputError

if TYPE_CHECKING:
    from starlette.requests import Request

    from labelmint.protocols import Dials

__all__ = ["MOST_BYTES", "body_of", "dials_in", "text_in", "whole_in"]

MOST_BYTES = 64 << 20  # of a request
LARGEST_SEED = 2**53 - 1  # whole numbers that JavaScript has exactly
_MOST_DIGITS = len(str(LARGEST_SEED))
_LONGEST_TOLD = 80  # characters of a value that an error repeats


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises InputError for anything else, and for more than `MOST_BYTES`."""
    found = bytearray()
    async for part in request.stream():
        found += part
        if len(found) > MOST_BYTES:
            raise InputError(f"the request is larger than {MOST_BYTES >> 20} MB")
    try:
        content = json.loads(bytes(found) or b"{}")
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError("the request is no JSON object")
    return content


def whole_in(
    body: Mapping[str, Any], name: str, least: int, most: int = LARGEST_SEED, usual: int | None = None
) -> int:
    """A whole number; raises InputError for anything else, and for one out of range."""
    value = body.get(name, usual)
    if isinstance(value, str) and value.isdecimal() and len(value) <= _MOST_DIGITS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        got = "another value" if len(repr(value)) > _LONGEST_TOLD else repr(value)
        raise InputError(f"{name}: expected a whole number from {least} to {most}, got {got}")
    return value


def text_in(body: Mapping[str, Any], name: str, most: int = 1000) -> str:
    """A text that says something; raises InputError for anything else."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise InputError(f"{name}: expected a text of 1 to {most} characters")
    return value.strip()


def dials_in(body: Mapping[str, Any]) -> Dials:
    """Values of dials by name; raises InputError for what is no number. Names and ranges are the system's to check."""
    given = body.get("dials", {})
    if not isinstance(given, dict):
        raise InputError("dials: expected values by name")
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{name}: expected a number, got {value!r}")
    try:
        return {str(name): float(value) for name, value in given.items()}
    except OverflowError:
        raise InputError("dials: a number is out of range") from None
