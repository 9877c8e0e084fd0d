"""What each file of a minted set says of where the pairs came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image
from tests.synthesis.fakes import Fake, make, rows

import labelmint
from labelmint.datasets.digits import DIGIT_CLASSES
from labelmint.dials import DIALS
from labelmint.formats import read
from labelmint.runs.draw import Draw
from labelmint.runs.origin import SOURCE_TYPE, origin_of
from labelmint.runs.trained import TrainedSystem
from labelmint.synthesis.provenance import class_table, command_of, count_objects, count_pixels
from labelmint.types import ClassInfo, ClassSet, Layout


def test_every_png_the_manifest_and_the_card_say_where_the_pairs_came_from(tmp_path: Path) -> None:
    out = make(tmp_path / "out", seed=7, dials={"temperature": 0.5})
    with Image.open(out / "images" / "synthetic_000009.png") as picture:
        text = dict(picture.info)
    assert text["generator"] == "labelmint"
    assert text["version"] == labelmint.__version__
    assert text["synthetic"] == "true"
    assert text["DigitalSourceType"] == SOURCE_TYPE
    wanted = {
        "system": "fake",
        "weights": "0123",
        "seed": "7",
        "index": "9",
        "temperature": "0.5",
        "batch_size": "4",
    }
    assert wanted.items() <= text.items()
    lines = rows(out)
    assert [line["index"] for line in lines] == list(range(10))
    assert lines[9]["chunk"] == 2
    assert lines[9]["objects"] == {"2": 1, "9": 1}
    assert sum(lines[9]["pixels"].values()) == 256
    assert {"batch_size", "device", "precision", "threads", "weights", "seed"} <= lines[0].keys()
    card = (out / "README.md").read_text()
    for words in ("synthetic", "`fake`", "0123", "-n 10 --seed 7", "| 2 | 11 |", "torch"):
        assert words in card
    assert str(tmp_path) not in card
    assert json.loads((out / "settings.json").read_text())["temperature"] == 0.5
    with Image.open(out / "contact_sheet.png") as picture:
        assert min(picture.size) > 64


@pytest.mark.parametrize("value", [0.7654321, 0.1 + 0.2, 1.0, 0.012345678])
def test_a_dial_is_written_so_that_it_is_read_back(tmp_path: Path, value: float) -> None:
    assert float(DIALS["temperature"].given(value).split()[1]) == value
    assert float(DIALS["truncation"].given(value).split()[-1].split("=")[-1]) == value
    out = make(tmp_path / "out", n=1, dials={"temperature": value})
    with Image.open(out / "images" / "synthetic_000000.png") as picture:
        assert float(picture.info["temperature"]) == value
    words = (out / "README.md").read_text().split()
    assert float(words[words.index("--temperature") + 1]) == value


def test_the_command_that_makes_a_filtered_set_again_names_all_that_decides_it() -> None:
    origin = origin_of(cast(TrainedSystem, Fake()), Draw(seed=0, batch_size=4), 1)
    for percent in (0.0, 5.0, 7.0, 12.3, 29.0, 0.1234567):
        filtered = {"mode": "on", "share": percent / 100, "most": 9, "unlabelled": "abc", "lines": []}
        words = command_of(origin, "-n 1", filtered).split()
        assert float(words[words.index("--filter-share") + 1]) / 100 == percent / 100
        assert words[-2:] == ["--unlabelled", "POOL"]
        filtered.pop("unlabelled")
        assert "--unlabelled" not in command_of(origin, "-n 1", filtered)


def test_names_of_classes_break_no_table() -> None:
    assert class_table({"a|b\nc": 3}, {"a|b\nc": 5})[2:] == ["| a\\|b c | 3 | 100.00 % |"]


def test_given_layouts_and_those_of_the_run_are_named(tmp_path: Path) -> None:
    data = read(make(tmp_path / "layouts", n=3))
    given = rows(make(tmp_path / "given", layouts=data, per_layout=2, n=8))
    assert [row["layout"][-1] for row in given] == list("00112200")
    with Image.open(tmp_path / "given" / "per_layout.png") as sheet:  # four rows of five
        assert 1.1 < sheet.width / sheet.height < 1.4
    assert not (tmp_path / "layouts" / "per_layout.png").exists()
    assert "--layouts DATA --per-layout 2" in (tmp_path / "given" / "README.md").read_text()
    own = make(tmp_path / "own", Fake(own_layouts=False), n=4)
    assert [row["layout"] for row in rows(own)] == [f"training layout {j}" for j in (0, 1, 2, 0)]
    assert "training layouts of the run" in (own / "README.md").read_text()
    assert rows(tmp_path / "layouts")[0]["layout"] is None


def test_counts_follow_instances_or_else_connected_pieces() -> None:
    labels = np.zeros((6, 6), np.uint8)
    labels[0:2], labels[4:6], labels[2, 0] = 1, 1, 255
    assert count_objects(Layout(label_map=labels), DIGIT_CLASSES) == {"0": 2}
    assert count_pixels(Layout(label_map=labels), DIGIT_CLASSES) == {"background": 11, "0": 24, "ignore": 1}
    instances = np.where(labels == 1, 5, 0).astype(np.uint16)
    assert count_objects(Layout(label_map=labels, instances=instances), DIGIT_CLASSES) == {"0": 1}


def test_the_background_of_each_mode_is_not_counted_as_objects() -> None:
    names = ("background FLAIR", "Background", "tumor")
    classes = ClassSet(tuple(ClassInfo(id=k, name=name) for k, name in enumerate(names)))
    labels = np.repeat(np.arange(3, dtype=np.uint8), 4).reshape(6, 2)
    assert count_objects(Layout(label_map=labels), classes) == {"tumor": 1}


def test_the_precision_of_drawing_stands_in_settings_manifest_and_card(tmp_path: Path) -> None:
    single, half = make(tmp_path / "single"), make(tmp_path / "half", Fake(precision="bf16-true"), warn=print)
    for out, precision in ((single, "32-true"), (half, "bf16-true")):
        assert json.loads((out / "settings.json").read_text())["precision"] == precision
        assert {row["precision"] for row in rows(out)} == {precision}
        assert ("--precision bf16" in (out / "README.md").read_text()) == (precision == "bf16-true")
