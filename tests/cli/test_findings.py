"""What is odd about pairs is said by every verb that loads them, once, and not with --quiet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Command

from labelmint.cli.options import open_merged
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.splits import split_of
from labelmint.evaluation import gathering
from labelmint.evaluation.subject import Subject
from labelmint.runs.prepare import prepare
from labelmint.types import DataSet
from labelmint.usefulness.plan import StudyOptions
from labelmint.usefulness.real import load_real

EMPTY = "labelmint: empty labels: 1 labels hold no class but background or ignored ids, first 'p05'\n"
GEOMETRY = Geometry(size=(8, 8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve pairs, one of them without an object."""
    path = tmp_path / "data"
    for part in ("images", "labels"):
        (path / part).mkdir(parents=True)
    for k in range(12):
        label = np.zeros((8, 8), np.uint8)
        label[1:4, 1:4] = k != 5
        Image.fromarray(label).save(path / "labels" / f"p{k:02d}.png")
        Image.fromarray(label * 100).save(path / "images" / f"p{k:02d}.png")
    (path / "test.txt").write_text("p10\np11\n")
    return path


def trained(data: DataSet) -> None:
    prepare(data, GEOMETRY, cell=1, group_by=None, seed=0, force=True)


def studied(data: DataSet) -> None:
    load_real(data, GEOMETRY.size, StudyOptions(), lambda event: None)


def evaluated(data: DataSet) -> None:
    about = Subject(
        path=Path("pairs"), system=None, pairs=None, geometry=GEOMETRY, parts=split_of(data), group_by=None
    )
    gathering.load_real(about, data, False, None, lambda event: None)


@pytest.mark.parametrize("loads", [trained, studied, evaluated])
@pytest.mark.parametrize("quiet", [False, True])
def test_loading_for_a_verb_says_what_is_odd(
    loads: object, quiet: bool, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert callable(loads)
    loads(open_merged([data], None, None, "", quiet=quiet))
    assert capfd.readouterr().err == ("" if quiet else EMPTY)


def test_convert_names_objects_without_pixels(command: Command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    Image.new("L", (9, 8)).save(data / "images" / "a.jpg")
    boxes = [[0, 0, 4, 4], [0, 0, 4, 4], [2, 2, 0.2, 0.2], [5.6, 1, 0.3, 5]]
    told = [{"id": k, "image_id": 1, "category_id": 1, "bbox": bbox} for k, bbox in enumerate(boxes)]
    images, kinds = [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 8}], [{"id": 1, "name": "cell"}]
    text = json.dumps({"images": images, "categories": kinds, "annotations": told})
    (data / "instances.json").write_text(text)
    answer = command("convert", data, tmp_path / "a", "--to", "yolo")
    assert "objects without pixels: 2 of 4 objects cover no pixel, first one of 'a'" in answer.err


def test_convert_says_what_is_odd(data: Path, command: Command, tmp_path: Path) -> None:
    told = command("convert", data, tmp_path / "a", "--to", "folder")
    assert told.code == 0 and told.err.count(EMPTY) == 1
    quiet = command("convert", data, tmp_path / "b", "--to", "folder", "--quiet")
    assert quiet.code == 0 and "labelmint:" not in quiet.err
    listed = command("convert", data, tmp_path / "c", "--to", "folder", "--json")
    assert [f"labelmint: empty labels: {text}\n" for text in listed.json["findings"]] == [EMPTY]
