"""Objects as JSON: what the `folder` format writes beside its labels, and others that hold JSON.

[{"class_id": 1, "box": [x0, y0, x1, y1], "rle": {"size": [H, W], "counts": text}, "polygons": [[x, y, ...]],
  "crowd": true, "attributes": {}}]    what an object does not have is left out
"""

from __future__ import annotations

from typing import Any

from labelmint.errors import InputError
from labelmint.formats.shapes import parse_box, parse_polygons, parse_rle
from labelmint.types import ClassSet, LayoutObject

__all__ = ["as_json", "as_objects"]

_FIELDS = {"class_id", "box", "rle", "polygons", "crowd", "attributes"}
_HIGHEST = 65535


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


def as_objects(
    document: Any, size: tuple[int, int], source: str, classes: ClassSet | None = None
) -> tuple[LayoutObject, ...]:
    """The objects of a JSON value, for an image of `size` (H, W).

    Raises InputError naming `source` where it is no list of objects as above, and where `classes` are given for an
    object that is of none of them.
    """
    try:
        found = tuple(_as_object(item, size, f"{source}: object {i}") for i, item in enumerate(document))
    except InputError:
        raise
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{source}: not a list of objects as labelmint writes it ({error}); remove the file, or write it "
            f"again"
        ) from None
    known = None if classes is None else {*classes.ids, *classes.ignore}
    for i, one in enumerate(found):
        if known is not None and one.class_id not in known:
            raise InputError(
                f"{source}: object {i} has the class_id {one.class_id}, which is not in the class list; add it to "
                f"the names in classes.json, or pass --ignore {one.class_id}"
            )
    return found


def _as_object(item: dict[str, Any], size: tuple[int, int], what: str) -> LayoutObject:
    if set(item) - _FIELDS:
        raise ValueError(f"unknown keys {sorted(set(item) - _FIELDS)}")
    class_id, crowd = item["class_id"], item.get("crowd", False)
    if type(class_id) is not int or not 0 <= class_id <= _HIGHEST:
        raise InputError(
            f"{what} has the class_id {str(class_id)[:60]}; expected a whole number in 0..{_HIGHEST}"
        )
    if type(crowd) is not bool:
        raise InputError(f"{what} has crowd {str(crowd)[:60]!r}; expected true or false")
    polygons, rle = item.get("polygons"), item.get("rle")
    return LayoutObject(
        class_id=class_id,
        box=parse_box(item["box"], size, what),
        rle=rle and parse_rle(rle, size, what),
        polygons=polygons and parse_polygons(polygons, size, what),
        crowd=crowd,
        attributes=dict(item.get("attributes", {})),
    )
