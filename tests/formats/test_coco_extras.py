"""What COCO says beside its objects comes back where COCO is written again: ids, areas, licenses, keys of no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelmint.formats import read, write
from labelmint.types import Finding

Document = dict[str, Any]


def document(first: int = 1768, name: str = "a") -> Document:
    """Two images of 8 x 6 pixels, one without an annotation; three annotations, the last without area."""
    one = {"image_id": 397133, "category_id": 18, "iscrowd": 0, "bbox": [1, 1, 4, 3]}
    return {
        "info": {"description": "Dogs", "year": 2020},
        "licenses": [{"id": 1, "name": "CC-BY"}, {"id": 4, "name": "CC0"}],
        "type": "instances",
        "images": [
            {
                "id": 397133,
                "file_name": f"{name}.png",
                "width": 8,
                "height": 6,
                "license": 4,
                "date_captured": "2013",
            },
            {"id": 7, "file_name": f"{name}0.png", "width": 8, "height": 6, "extra": {"name": "x"}},
        ],
        "annotations": [
            one | {"id": first, "area": 22.5, "segmentation": [[1, 1, 5, 1, 5, 4]], "keypoints": [1, 1, 2]},
            one | {"id": first + 2, "area": 12, "segmentation": []},
            one | {"id": first + 1, "category_id": 90, "segmentation": []},
        ],
        "categories": [
            {"id": 18, "name": "dog", "supercategory": "animal", "keypoints": ["nose"], "skeleton": [[1, 1]]},
            {"id": 90, "name": "cat", "supercategory": "animal", "color": "#ff0000"},
        ],
    }


def put(path: Path, said: Document) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said))
    for k, one in enumerate(said["images"]):
        file = (path.parent.parent if path.parent.name == "annotations" else path.parent) / "images"
        file.mkdir(exist_ok=True)
        Image.fromarray(np.full((6, 8, 3), k, np.uint8)).save(file / one["file_name"])


def again(path: Path, out: Path, *told: str) -> dict[str, Document]:
    """The files of the set when it is written again, which tells of lost ids how these texts begin."""
    data = read(path)
    said: list[Finding] = []
    write(data, out, format="coco", classes=data.classes, tell=said.append)
    lost = [one.text for one in said if one.kind == "ids lost"]
    assert len(lost) == len(told) and all(map(str.startswith, lost, told))
    files = [*out.glob("*.json"), *out.glob("annotations/*.json")]
    return {file.name: json.loads(file.read_text()) for file in files if file.name != "croissant.json"}


def ids(said: Document) -> tuple[list[Any], list[Any], list[Any]]:
    annotations = said["annotations"]
    return (
        sorted(one["id"] for one in said["images"]),
        sorted(one["id"] for one in annotations),
        sorted(one["image_id"] for one in annotations),
    )


def test_all_of_a_file_comes_back(tmp_path: Path) -> None:
    said = document()
    put(tmp_path / "set" / "instances.json", said)
    back = again(tmp_path / "set", tmp_path / "out")["instances.json"]
    said["annotations"][2]["area"] = 12.0  # which was left out
    for key in ("images", "categories", "annotations"):
        assert sorted(back[key], key=lambda one: one["id"]) == sorted(said[key], key=lambda one: one["id"])
    assert back["licenses"] == said["licenses"] and back["type"] == "instances"
    assert back["info"].items() >= said["info"].items() and "labelmint" in back["info"]["written_by"]


def test_every_part_keeps_its_own_ids(tmp_path: Path) -> None:
    for part, name in (("train", "a"), ("val", "b")):
        put(tmp_path / "set" / "annotations" / f"instances_{part}.json", document(name=name))
    back = again(tmp_path / "set", tmp_path / "out")
    assert ids(back["instances_train.json"]) == ids(back["instances_val.json"]) == ids(document())
    assert back["instances_val.json"]["licenses"] == document()["licenses"]


def test_ids_that_would_clash_are_counted_anew(tmp_path: Path) -> None:
    for subset, name, first in (("north", "a", 1768), ("south", "b", 1)):
        (tmp_path / "set" / "images" / subset).mkdir(parents=True)
        put(tmp_path / "set" / "annotations" / f"instances_{subset}.json", document(first, name))
    (back,) = again(tmp_path / "set", tmp_path / "out", "4 ids of images are counted anew").values()
    images, annotations, owners = ids(back)
    assert images == [1, 2, 3, 4] and set(owners) < set(images)
    assert annotations == [1, 2, 3, 1768, 1769, 1770]  # which differ


@pytest.mark.parametrize("number", [None, 1770, [1]])
def test_annotations_without_ids_of_their_own_are_counted(number: Any, tmp_path: Path) -> None:
    said = document()
    said["annotations"][0]["id"] = number
    put(tmp_path / "set" / "instances.json", said)
    lost = ["3 ids of objects"] if number == 1770 else ["2 ids of objects"]
    back = again(tmp_path / "set", tmp_path / "out", *lost)["instances.json"]
    assert ids(back)[0] == [7, 397133]
    assert ids(back)[1] == [1, 2, 3]


def test_what_another_format_has_no_place_for_is_said(tmp_path: Path) -> None:
    put(tmp_path / "set" / "instances.json", document())
    told: list[Finding] = []
    data = read(tmp_path / "set")
    write(data, tmp_path / "out", format="labelme", classes=data.classes, tell=told.append)
    (text,) = [one.text for one in told if one.kind == "extras lost"]
    assert (
        "ids of images and objects, color, date_captured, extra, info, keypoints, license, licenses" in text
    )
    again(tmp_path / "out", tmp_path / "plain")
    data, told = read(tmp_path / "plain"), []
    write(data, tmp_path / "last", format="labelme", classes=data.classes, tell=told.append)
    assert "extras lost" not in [one.kind for one in told]  # of one that says no more than its objects


def test_panoptic_files_keep_theirs(tmp_path: Path) -> None:
    said = document()
    put(tmp_path / "set" / "instances.json", said)
    data = read(tmp_path / "set")
    out = write(data, tmp_path / "one", format="coco-panoptic", classes=data.classes)
    written = json.loads((out / "panoptic.json").read_text())
    for key in ("licenses", "info"):
        written[key] = said[key]
    for k, one in enumerate(written["images"]):
        one |= {"id": one["id"] + 70, "license": 4}
        written["annotations"][k]["image_id"] += 70
    for one in written["categories"]:
        one["supercategory"] = "animal"
    (out / "panoptic.json").write_text(json.dumps(written))
    data = read(out)
    back = json.loads(
        (
            write(data, tmp_path / "two", format="coco-panoptic", classes=data.classes) / "panoptic.json"
        ).read_text()
    )
    assert back["images"] == written["images"] and back["licenses"] == said["licenses"]
    assert back["categories"] == written["categories"] and back["info"]["year"] == 2020
    assert [one["image_id"] for one in back["annotations"]] == [71, 72]
