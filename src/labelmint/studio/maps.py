"""Maps of class ids and objects on their way to the page and back: base64 of unsigned 16-bit numbers, the low byte
first, row after row.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from labelmint.errors import InputError

if TYPE_CHECKING:
    from labelmint.types import Array

__all__ = ["map_for_page", "map_in"]


def map_for_page(numbers: Array) -> str:
    """A map (H, W) of numbers up to 65535 as text."""
    return base64.b64encode(numbers.astype("<u2").tobytes()).decode()


def map_in(body: Mapping[str, Any], name: str, size: tuple[int, int]) -> Array:
    """A map (H, W) uint16. Raises InputError for what is none of this size."""
    text = body.get(name)
    try:
        numbers = np.frombuffer(base64.b64decode(text if isinstance(text, str) else "", validate=True), "<u2")
    except (binascii.Error, ValueError):
        numbers = np.zeros(0, "<u2")
    if numbers.size != size[0] * size[1]:
        raise InputError(f"{name}: expected a map of {size[0]}x{size[1]} pixels, got {numbers.size} numbers")
    return numbers.reshape(size).astype(np.uint16)
