"""Objects as JSON: what the `folder` format writes beside its labels, and others that hold JSON.

[{"class_id": 1, "box": [x0, y0, x1, y1], "rle": {"size": [H, W], "counts": text}, "polygons": [[x, y, ...]],
  "crowd": true, "attributes": {}}]    what an object does not have is left out
"""

from __future__ import annotations

from typing import Any

from labelmint.errors import InputError
from labelmint.formats.files import finite
from labelmint.formats.shapes import parse_polygons, parse_rle
from labelmint.types import LayoutObject

__all__ = ["as_json", "as_objects"]

_FIELDS = {"class_id", "box", "rle", "polygons", "crowd", "attributes"}


def as_json(one: LayoutObject) -> dict[str, Any]:
    """An object as JSON, what it does not have left out."""
    full: dict[str, Any] = {
        "rle": one.rle and {"size": list(one.rle["size"]), "counts": one.rle["counts"]},
        "polygons": one.polygons and [list(polygon) for polygon in one.polygons],
        "crowd": one.crowd,
        "attributes": dict(one.attributes),
    }
    return {"class_id": one.class_id, "box": list(one.box)} | {
        key: value for key, value in full.items() if value
    }


def as_objects(document: Any, size: tuple[int, int], source: str) -> tuple[LayoutObject, ...]:
    """The objects of a JSON value, for an image of `size` (H, W).

    Raises InputError naming `source` where it is no list of objects as above.
    """
    try:
        return tuple(_as_object(item, size, f"{source}: object {i}") for i, item in enumerate(document))
    except InputError:
        raise
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{source}: not a list of objects as labelmint writes it ({error}); remove the file, or write it "
            f"again"
        ) from None


def _as_object(item: dict[str, Any], size: tuple[int, int], what: str) -> LayoutObject:
    if set(item) - _FIELDS:
        raise ValueError(f"unknown keys {sorted(set(item) - _FIELDS)}")
    x0, y0, x1, y1 = (float(edge) for edge in item["box"] if finite(edge))
    polygons, rle = item.get("polygons"), item.get("rle")
    return LayoutObject(
        class_id=int(item["class_id"]),
        box=(x0, y0, x1, y1),
        rle=rle and parse_rle(rle, size, what),
        polygons=polygons and parse_polygons(polygons, size, what),
        crowd=bool(item.get("crowd", False)),
        attributes=dict(item.get("attributes", {})),
    )
