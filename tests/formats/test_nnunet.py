"""The parts of nnU-Net's data sets: each name of a fold is a pair's, or it is told."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from tests.formats.samples import box, painted, pair

from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.types import ClassInfo, ClassSet

CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell")))


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """A set of the pairs a, b, c and é."""
    names = ("a", "b", "c", unicodedata.normalize("NFC", "é"))
    pairs = [pair(name, painted(box(1, 1, 4, 4))) for name in names]
    return write(pairs, tmp_path / "set", format="nnunet", classes=CLASSES)


def fold(four: Path, train: list[str], val: list[str]) -> None:
    text = json.dumps([{"train": train, "val": val}])
    (four / "splits_final.json").write_text(text, encoding="utf-8")


def test_names_of_a_fold_may_have_endings_and_another_unicode_form(four: Path) -> None:
    fold(four, ["a.png", "b.png"], ["c.png", unicodedata.normalize("NFD", "é")])
    data = read(four)
    assert (data.train, data.validation) == (("a", "b"), ("c", unicodedata.normalize("NFC", "é")))


def test_names_of_a_fold_that_are_no_pairs_are_told(four: Path) -> None:
    fold(four, ["a", "b"], ["z", "y"])
    with pytest.raises(InputError, match=r"splits_final\.json: lists 2 names without an image .* first 'y'"):
        read(four)
    data = read(four, strict=False)
    assert "listed but missing" in {one.kind for one in data.findings}


def test_images_without_a_label_may_stand_in_a_fold(four: Path) -> None:
    (four / "labelsTr" / "b.png").unlink()
    fold(four, ["a", "b"], ["c"])
    assert (read(four).train, read(four).validation) == (("a",), ("c",))


def test_a_name_in_both_lists_of_a_fold_is_told(four: Path) -> None:
    fold(four, ["a", "b"], ["b", "c"])
    data = read(four)
    assert (data.train, data.validation) == (("a",), ("b", "c"))
    assert [one.names for one in data.findings if one.kind == "in two parts"] == [("b",)]
