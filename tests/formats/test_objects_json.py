"""Objects that lie as JSON beside labels: what is no object of the set is refused in one line, or found."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.formats.samples import CLASSES, box, painted, pair

from labelmint.datasets.inspection import inspect
from labelmint.errors import InputError
from labelmint.formats import read, write

SOUND = {"class_id": 1, "box": [0, 0, 3, 3]}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "negative": ({"class_id": -1}, "class_id -1; expected a whole number in 0..65535"),
    "too large": ({"class_id": 65536}, "class_id 65536"),
    "between": ({"class_id": 1.7}, "class_id 1.7"),
    "true": ({"class_id": True}, "class_id True"),
    "no bool": ({"crowd": "no"}, "crowd 'no'; expected true or false"),
    "turned round": ({"box": [5, 5, 2, 2]}, "x0 <= x1"),
    "far outside": ({"box": [0, 0, 90, 2]}, "outside its image of 9x12"),
}


def folder_with(document: object, path: Path) -> Path:
    """A set of one pair whose objects are this JSON."""
    write([pair("a", painted(box(0, 0, 3, 3)))], path, format="folder", classes=CLASSES)
    (path / "objects" / "a.json").write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_object_is_refused(case: str, tmp_path: Path) -> None:
    change, words = BAD[case]
    path = folder_with([SOUND, SOUND | change], tmp_path / "a")
    with pytest.raises(InputError, match="object 1") as error:
        list(read(path))
    assert words in str(error.value) and "\n" not in str(error.value)
    assert [one.kind for one in inspect(read(path, strict=False)).findings if words in one.text] == [
        "unreadable"
    ]


def test_objects_of_no_class_are_refused_and_found(tmp_path: Path) -> None:
    path = folder_with([SOUND, SOUND | {"class_id": 8}, SOUND | {"class_id": 9}], tmp_path / "a")
    with pytest.raises(InputError, match="object 1 has the class_id 8, which is not in the class list"):
        list(read(path))  # 9 is ignored
    found = inspect(read(path, strict=False)).findings
    assert [one.text[:58] for one in found if one.kind == "unknown ids"] == [
        "1 objects are of ids that are no classes: 8 (1 objects); a"
    ]
    assert len(list(read(path, ignore=[8]))) == 1


def test_shards_of_objects_alone_are_checked_before_they_are_painted(tmp_path: Path) -> None:
    stream = BytesIO()
    Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(stream, format="PNG")
    members = {"a.png": stream.getvalue(), "a.json": json.dumps([SOUND | {"class_id": -1}]).encode()}
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, BytesIO(content))
    with pytest.raises(InputError, match=r"a\.tar: json of 'a': object 0 has the class_id -1"):
        read(tmp_path, strict=False)
