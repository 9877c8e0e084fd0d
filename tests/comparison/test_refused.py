"""What `compare` refuses, in one line, before anything is trained or written."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.comparison.made_up import measured
from tests.helpers import digits

import labelmint
from labelmint.comparison import compare as module
from labelmint.comparison.entrants import Entrant
from labelmint.comparison.measured import read_measured, report_folder, write_measured
from labelmint.comparison.options import ComparisonOptions
from labelmint.comparison.planning import planned
from labelmint.datasets.geometry import Geometry
from labelmint.errors import InputError
from labelmint.nn.efficientnet import LITE0
from labelmint.storage import alone
from labelmint.types import ClassSet, DataSet


def untested() -> DataSet:
    return replace(digits(), test=None, train=None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"systems": ("mint",)}, "at least two systems"),
        ({"systems": ("mint", "flo")}, "did you mean 'flow'"),
        ({"systems": ("mint", "mint")}, "mint is named twice"),
        ({"systems": ("mint", "mint@")}, "expected SYSTEM or SYSTEM@VARIANT"),
        ({"systems": ("mint", "mint@../x")}, "expected SYSTEM or SYSTEM@VARIANT"),
        ({"settings": ("mint@wide:generator.steps=3",)}, "'mint@wide' is not compared"),
        ({"minutes": 0}, "--minutes 0"),
        ({"n": 10**15}, "-n 1000000000000000: "),
        ({"clock": "sun"}, "--clock sun: expected wall or processor"),
        ({"minutes": float("inf")}, "--minutes inf"),
        ({"seeds": 0}, "--seeds 0"),
        ({"seeds": 10**9}, "--seeds 1000000000: expected 1 to 1000"),
        ({"n": 5}, "-n 5: a comparison needs at least 20"),
        ({"preset": "smal"}, "did you mean 'small'"),
        ({"preset": "pix2pix-256"}, "has no sizes for mint"),
        (
            {"systems": ("mint", "pix2pix"), "preset": "tiny", "size": (24, 40)},
            "--size 24x40: does not fit pix2pix; 32x32 fits all that are compared",
        ),
        ({"settings": ("generator.steps=3",)}, "of which system?"),
        ({"settings": ("spade:generator.steps=3",)}, "'spade' is not compared; expected one of mint, flow"),
        ({"settings": ("flow:generator.stepz=3",)}, "did you mean 'generator.steps'"),
        (
            {"systems": ("mint", "svqvae-t"), "settings": ("svqvae-t:tokenizer.reference=true",)},
            "leave it out",
        ),
        ({"data": untested}, "has no test part"),
        ({"augment": ("spins",)}, "spins"),
        ({"device": "tpu"}, "--device tpu: expected auto, cpu"),
        ({"precision": "8"}, "--precision 8: expected auto, 32 or bf16"),
    ],
)
def test_bad_requests_get_one_line_and_write_nothing(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    options = {"systems": ("mint", "flow"), "preset": "tiny", "threads": 1} | change
    data = options.pop("data", digits)()
    with pytest.raises(InputError) as refusal:
        labelmint.compare(data, tmp_path / "out", **options)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": untested}, "has no test part"),
        (
            {"data": lambda: replace(digits(), classes=ClassSet(digits().classes.classes[:1]))},
            "the one class",
        ),
        ({"settings": ("flow:generator.stepz=3",)}, "did you mean 'generator.steps'"),
    ],
)
def test_what_is_refused_is_not_planned(change: dict[str, Any], said: str) -> None:
    options = {"systems": ("mint", "flow"), "preset": "tiny", "threads": 1} | change
    data = options.pop("data", digits)()
    with pytest.raises(InputError, match=said):
        planned(data, ComparisonOptions(**options))


def test_features_are_asked_for_of_all_systems_of_a_comparison_or_of_none(tmp_path: Path) -> None:
    ground: Any = SimpleNamespace(about=SimpleNamespace(geometry=Geometry(size=(32, 32))), digest="0")
    options = ComparisonOptions(systems=("mint", "flow"))
    for name, begun in (("with", replace(options, features=LITE0)), ("without", options)):
        module._claim(tmp_path / name, ground, begun)
        module._claim(tmp_path / name, ground, begun)
        (tmp_path / name / "runs").mkdir()
    for name, other in (("with", options), ("without", replace(options, features=LITE0))):
        with pytest.raises(InputError, match=r"another comparison \(features differs\)"):
            module._claim(tmp_path / name, ground, other)
    mark = tmp_path / "without" / "request.json"
    before = json.loads(mark.read_text())
    del before["features"]  # as earlier versions marked it
    mark.write_text(json.dumps(before))
    module._claim(tmp_path / "without", ground, options)


@pytest.mark.parametrize(
    ("values", "report", "said"),
    [
        (b"", "{}", "values.npz: is damaged"),
        (b"PK\x03\x04 and no more", "{}", "values.npz: is damaged"),
        (b"text", "{}", "values.npz: is damaged"),
        (None, "{}", "report.json: has format version None, expected 1"),
        (None, "no", "report.json: is no JSON"),
    ],
)
def test_what_is_damaged_is_named_and_made_again_by_the_same_command(
    tmp_path: Path, values: bytes | None, report: str, said: str
) -> None:
    folder = report_folder(tmp_path, Entrant("flow", 0))
    write_measured(tmp_path, measured("flow"))
    (folder / "report.json").write_text(report)
    if values is not None:
        (folder / "values.npz").write_bytes(values)
    with pytest.raises(InputError) as refusal:
        read_measured(tmp_path, Entrant("flow", 0))
    assert said in str(refusal.value) and "labelmint evaluate" not in str(refusal.value)
    assert str(refusal.value).endswith(f"; remove {folder}, and the same command makes it again")


def test_the_disk_must_hold_the_samples_of_all_trainings_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def enough(folder: Path, pairs: int, *, n: int, labelled: bool) -> None:
        asked.append(pairs)
        raise InputError("no more of this comparison")

    monkeypatch.setattr(module, "check_space", enough)
    done = tmp_path / "out" / "samples" / "mint-0" / "manifest.jsonl"
    for _ in range(2):
        with pytest.raises(InputError, match="no more"):
            labelmint.compare(
                digits(), tmp_path / "out", systems=("mint", "flow"), seeds=2, preset="tiny", n=50
            )
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
        (tmp_path / "out" / "request.json").write_text("{}")
        monkeypatch.setattr(module, "check_claim", lambda *claimed: None)
    assert asked == [4 * 50, 3 * 50]


def test_a_report_whose_run_or_samples_are_gone_is_not_taken_for_what_is_asked_for(tmp_path: Path) -> None:
    entrant = Entrant("flow", 0)
    run, samples, report = (tmp_path / name / "flow-0" for name in ("runs", "samples", "reports"))
    assert module._known(tmp_path, entrant) is None
    write_measured(tmp_path, measured("flow"))
    for file in (run / "config.json", samples / "manifest.jsonl"):
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    assert module._known(tmp_path, entrant) is not None
    (run / "config.json").unlink()
    with pytest.raises(InputError) as refusal:
        module._known(tmp_path, entrant)
    assert str(refusal.value).startswith(f"{run}: is gone")
    assert f"remove {report} and {samples}, " in str(refusal.value)
    (run / "config.json").write_text("{}")
    shutil.rmtree(samples)
    with pytest.raises(InputError, match=f"{samples}: is gone.*; remove {report}, and"):
        module._known(tmp_path, entrant)


@pytest.mark.parametrize("left", ["judge", "runs", "samples", "reports"])
def test_whatever_is_left_of_a_comparison_is_not_gone_on_with_on_other_data(
    tmp_path: Path, left: str
) -> None:
    options, geometry = ComparisonOptions(systems=("mint", "flow")), Geometry(size=(32, 32))
    for digest in ("0", "1"):  # where nothing is made yet, the folder is marked anew
        ground: Any = SimpleNamespace(about=SimpleNamespace(geometry=geometry), digest=digest)
        module._claim(tmp_path, ground, options)
    (tmp_path / left).mkdir()
    ground.digest = "2"
    with pytest.raises(InputError, match=r"another comparison \(the data have changed\)"):
        module._claim(tmp_path, ground, options)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where memory does not hold the pairs, which then lie in cache/ of the comparison's folder."""
    monkeypatch.setattr("labelmint.evaluation.loading.room", lambda: 100)
    data = digits()
    path = labelmint.write(data, tmp_path / "data", format="folder", classes=data.classes)
    out, others = tmp_path / "out", tmp_path / "out" / "cache" / "thesis.txt"
    others.parent.mkdir(parents=True)
    for file in (others, out / "notes.txt"):
        file.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="exists and is no comparison"):
        labelmint.compare(path, out, systems=("mint", "flow"), preset="tiny", threads=1)
    assert others.read_text(encoding="utf-8") == "mine"
    assert sorted(file.name for file in out.rglob("*")) == ["cache", "notes.txt", "thesis.txt"]


def test_two_commands_do_not_work_on_one_comparison_at_once(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(InputError, match="another command works there"):
        labelmint.compare(digits(), tmp_path, systems=("mint", "flow"), preset="tiny", threads=1)
    assert [*tmp_path.iterdir()] == []
