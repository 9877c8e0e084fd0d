"""classes.json of the `folder` format: names, colors, ignored ids, and COCO's category ids where they differ.

    {"names": {"0": "background", "1": "cell"}, "colors": {"1": [255, 0, 0]}, "ignore": [255], "categories":
    {"1": 7}}

`names` and `colors` may be lists, where place i means id i. The names alone are taken too: {"0": "background", "1":
"cell"}, {"background": 0, "cell": 1}, or a list of them.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmint.errors import InputError
from labelmint.formats.files import read_json
from labelmint.formats.label_colors import Color
from labelmint.types import ClassInfo, ClassSet

__all__ = ["IGNORE", "class_set", "classes_of_ids", "dump_classes", "read_classes", "without_shared_colors"]

IGNORE = 255
_KEYS = ("names", "colors", "ignore", "categories")


def class_set(classes: Iterable[ClassInfo], ignore: Iterable[int]) -> ClassSet:
    """Classes less those that are to be ignored; 255 is ignored too unless it is a class."""
    ignored = set(ignore)
    return ClassSet(tuple(info for info in classes if info.id not in ignored), (*sorted(ignored), IGNORE))


def classes_of_ids(ids: Iterable[int], ignore: Iterable[int]) -> ClassSet:
    """Classes for ids without names: 0 is "background", 3 is "class_3"; 255 and `ignore` are ignored."""
    ignored = {*ignore, IGNORE}
    return class_set((ClassInfo(id=i, name=_name(i)) for i in sorted(set(ids) - ignored)), ignored)


def read_classes(path: Path, ignore: Sequence[int]) -> tuple[ClassSet | None, dict[Color, int]]:
    """The classes of a classes.json (None where it neither names nor colors any), and color -> id, ignored
    ids included.

    Raises InputError for a file of another form.
    """
    document = _as_document(path, read_json(path))
    names = {i: _as_text(path, name) for i, name in _by_id(path, document, "names").items()}
    colors = {i: _as_color(path, color) for i, color in _by_id(path, document, "colors").items()}
    categories = {
        i: _as_id(path, "categories", value) for i, value in _by_id(path, document, "categories").items()
    }
    ignored = {*ignore, *_ignored(path, document)}
    meaning = {color: i for i, color in colors.items()}
    if len(meaning) < len(colors):
        raise InputError(f'{path}: two ids have the same color in "colors"; give each its own')
    if not names and not colors:
        return None, meaning
    ids = sorted({*names, *(i for i in colors if i != IGNORE)})
    infos = [
        ClassInfo(id=i, name=names.get(i, _name(i)), color=colors.get(i), category=categories.get(i))
        for i in ids
    ]
    return class_set(infos, ignored), meaning


def _as_document(path: Path, content: Any) -> dict[str, Any]:
    """The object with names, colors and so on; names alone are put under "names". Raises InputError for a key that is
    none of these, which would else be passed over.
    """
    if isinstance(content, list) and content and all(isinstance(name, str) for name in content):
        return {"names": content}
    if not isinstance(content, dict):
        raise InputError(f'{path}: expected an object like {{"names": {{"0": "background", "1": "cell"}}}}')
    if content and all(key.isascii() and key.isdigit() for key in content):
        return {"names": content}
    if content and not set(content) & set(_KEYS) and all(type(value) is int for value in content.values()):
        if len(set(content.values())) < len(content):
            raise InputError(f"{path}: two class names have the same id; give each its own")
        return {"names": {str(value): name for name, value in content.items()}}
    unknown = next((key for key in content if key not in _KEYS), None)
    if unknown is not None:
        near = difflib.get_close_matches(unknown.lower(), _KEYS, 1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"{path}: the unknown key {unknown!r}; {meant}expected {', '.join(map(repr, _KEYS))}"
        )
    return content


def without_shared_colors(infos: Sequence[ClassInfo]) -> list[ClassInfo]:
    """The classes, without the colors that several share: these tell nothing apart."""
    often = Counter(info.color for info in infos)
    return [replace(info, color=info.color if often[info.color] == 1 else None) for info in infos]


def dump_classes(classes: ClassSet) -> str:
    """The text of a classes.json; colors that classes share are left out, as `read_classes` refuses them."""
    colored = without_shared_colors(classes.classes)
    colors = {str(info.id): list(info.color) for info in colored if info.color is not None}
    categories = {str(info.id): info.category for info in classes.classes if info.category is not None}
    document: dict[str, Any] = {
        "names": {str(info.id): info.name for info in classes.classes},
        "ignore": list(classes.ignore),
    }
    document |= {"colors": colors} if colors else {}
    document |= {"categories": categories} if categories else {}
    return json.dumps(document, indent=1) + "\n"


def _name(class_id: int) -> str:
    return "background" if class_id == 0 else f"class_{class_id}"


def _by_id(path: Path, document: Mapping[str, Any], key: str) -> dict[int, Any]:
    value = document.get(key, {})
    if isinstance(value, list):
        return dict(enumerate(value))
    if not isinstance(value, dict):
        raise InputError(f'{path}: "{key}" must be a list or an object from ids to values, got {value!r}')
    return {_as_id(path, key, i): content for i, content in value.items()}


def _ignored(path: Path, document: Mapping[str, Any]) -> list[int]:
    value = document.get("ignore", [])
    if not isinstance(value, list):
        raise InputError(f'{path}: "ignore" must be a list of ids, got {value!r}')
    return [_as_id(path, "ignore", i) for i in value]


def _as_id(path: Path, key: str, value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise InputError(f'{path}: {value!r} in "{key}" is no class id; expected a number from 0 to 65535')


def _as_text(path: Path, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f'{path}: the class name {value!r} in "names" must be text')
    return value


def _as_color(path: Path, value: Any) -> Color:
    if (
        not isinstance(value, list)
        or len(value) != 3
        or not all(type(part) is int and 0 <= part <= 255 for part in value)
    ):
        raise InputError(
            f'{path}: the color {value!r} in "colors" must be [red, green, blue], each from 0 to 255'
        )
    return value[0], value[1], value[2]
