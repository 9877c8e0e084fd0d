"""What `compare` refuses, in one line, before anything is trained or written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import digits

import labelmint
from labelmint.errors import InputError
from labelmint.types import DataSet


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
        ({"clock": "sun"}, "--clock sun: expected wall or processor"),
        ({"minutes": float("inf")}, "--minutes inf"),
        ({"seeds": 0}, "--seeds 0"),
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


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is no comparison"):
        labelmint.compare(digits(), tmp_path, systems=("mint", "flow"), preset="tiny", threads=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
