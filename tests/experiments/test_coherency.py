"""The script of Figures 6 and 7: forbidden layouts break the rule and nothing else, and a tiny run goes
through it whole.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from experiments.coherency import main
from experiments.forbidden_layouts import forbidden
from PIL import Image

from labelmint.datasets.digits import make_digits
from labelmint.metrics.coherence import composition_rules, scene_objects, violations


@pytest.mark.parametrize(("composition", "broken"), [("pairs", "one allowed pair"), ("upper", "upper half")])
def test_forbidden_layouts_break_their_rule_and_keep_the_rest(composition: str, broken: str) -> None:
    right = [
        scene_objects(p.layout.label_map, p.layout.instances, (0,)) for p in make_digits(composition, 60)
    ]
    rng = np.random.default_rng(0)
    wrong = [forbidden(scene, composition, rng) for scene in right]
    counts = violations(composition_rules(composition), wrong).counts
    assert counts.pop(broken) == 60
    assert set(counts.values()) <= {0}
    for a, b in zip(right, wrong, strict=True):
        assert [item.area for item in a.objects] == [item.area for item in b.objects]
        assert all(item.box[1] >= 0 and item.box[3] <= 32 for item in b.objects)
        assert (a.counts == b.counts) == (composition == "upper")
        assert len({item.class_id for item in b.objects}) == 2 or composition == "upper"


def test_a_tiny_run_goes_through_whole(digits_folder: Path, tiny_run: Path, tmp_path: Path) -> None:
    said: list[str] = []
    words = [
        "--data",
        str(digits_folder),
        "--out",
        str(tmp_path),
        "--msgnet",
        str(tiny_run),
        "--n",
        "4",
        "--judge-steps",
        "3",
    ]
    assert main([*words, "--reader-steps", "3", "--other", str(tiny_run)], said.append) == 0
    found = json.loads((tmp_path / "coherency.json").read_text())
    assert found["composition"] == "pairs"
    assert list(found["rows"]) == [
        "right",
        "forbidden",
        "msgnet_right",
        "msgnet_forbidden",
        "msgnet",
        "real",
        "pasted",
    ]
    for name, row in found["rows"].items():
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.width > 400
        assert all(row[what]["scenes"] == 4 for what in ("layouts", "at_boxes", "blind", "unet", "learned"))
    assert found["rows"]["real"]["layouts"]["broken"] == 0
    assert found["rows"]["right"]["layouts"]["broken"] == 0
    assert found["rows"]["forbidden"]["layouts"]["broken"] == 4
    assert found["rows"]["msgnet_forbidden"] == found["rows"]["forbidden"]  # the same run, layouts and seed
    assert found["rows"]["pasted"]["layouts"]["broken"] == 4
    assert said[0].startswith("right: of 4 broken: layouts 0")


def test_bad_input_is_refused_in_one_line(
    digits_folder: Path, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", str(tmp_path), "--msgnet", str(tiny_run)]
    assert main(["--data", str(digits_folder), *words, "--n", "13"]) == 2
    assert "test.txt lists 12" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "none"), *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
