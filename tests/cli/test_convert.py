"""The verbs `convert` and `formats`: what they write and say, and what they refuse in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Command

import labelmint
from labelmint.contracts import difference
from labelmint.formats import FORMATS


def test_a_set_comes_back_from_another_format(command: Command, digits_folder: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    answer = command("convert", digits_folder, there, "--to", "coco")
    assert answer.code == 0, answer.err
    assert f"wrote 60 pairs to {there} (format coco" in answer.out
    assert command("convert", there, back, "--to", "folder", "--json").json["pairs"] == 60
    first, last = labelmint.read(digits_folder), labelmint.read(back)
    assert (first.names, first.train, first.test) == (last.names, last.train, last.test)
    same = [(out / "images" / f"{first.names[0]}.png").read_bytes() for out in (digits_folder, back)]
    assert same[0] == same[1]
    assert first.classes.names == last.classes.names
    for name in first.names[:5]:
        one, other = first.load(name), last.load(name)
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.layout.label_map, other.layout.label_map)


def test_images_are_written_as_asked_for(command: Command, digits_folder: Path, tmp_path: Path) -> None:
    first = labelmint.read(digits_folder)
    for kind in ("webp", "tiff", "jpg"):
        answer = command("convert", digits_folder, tmp_path / kind, "--to", "folder", "--image-format", kind)
        assert answer.code == 0, answer.err
        assert {file.suffix for file in (tmp_path / kind / "images").iterdir()} == {f".{kind}"}
    assert difference(first[0], labelmint.read(tmp_path / "tiff")[0]) is None


def test_sets_become_one_by_the_names_of_their_classes(
    command: Command, digits_folder: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(digits_folder, tmp_path / "other"))
    names = json.loads((other / "classes.json").read_text(encoding="utf-8"))
    names["names"]["10"] = "ten"
    (other / "classes.json").write_text(json.dumps(names), encoding="utf-8")
    answer = command("convert", digits_folder, other, tmp_path / "both", "--to", "folder")
    assert answer.code == 0, answer.err
    both = labelmint.read(tmp_path / "both")
    assert len(both) == 120
    assert {name.partition("-")[0] for name in both.names} == {"digits", "other"}
    assert "ten" in both.classes.names and "9" in both.classes.names


def test_what_is_odd_is_said_unless_quiet(command: Command, digits_folder: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(digits_folder, tmp_path / "data"))
    (data / "images" / "notes.txt").write_text("x")
    loud = command("convert", data, tmp_path / "a", "--to", "coco")
    assert "other files: " in loud.err and "notes.txt" in loud.err
    quiet = command("convert", data, tmp_path / "b", "--to", "coco", "--quiet")
    assert "notes.txt" not in quiet.err
    written = [
        {file.relative_to(out): file.read_bytes() for file in out.rglob("*") if file.is_file()}
        for out in (tmp_path / "a", tmp_path / "b")
    ]
    assert written[0] == written[1] != {}


def test_quiet_leaves_all_findings_in_the_document(
    command: Command, digits_folder: Path, tmp_path: Path
) -> None:
    names = json.loads((digits_folder / "classes.json").read_text(encoding="utf-8"))
    data = tmp_path / "data"
    for kind in ("images", "labels"):
        (data / kind).mkdir(parents=True)
        shutil.copy(digits_folder / kind / f"{labelmint.read(digits_folder).names[0]}.png", data / kind)
    (data / "classes.json").write_text(json.dumps(names), encoding="utf-8")
    loud = command("convert", data, tmp_path / "a", "--to", "nnunet", "--json")
    quiet = command("convert", data, tmp_path / "b", "--to", "nnunet", "--json", "--quiet")
    assert quiet.json["findings"] == loud.json["findings"]
    assert any("never" in text for text in quiet.json["findings"])  # classes that no pair has
    assert "never" in loud.err and "never" not in quiet.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{data}", "--to", "coco"), "expected the data and the folder to write"),
        (("{nowhere}", "{out}", "--to", "coco"), "no such file or folder"),
        (("{data}", "{out}", "--to", "cocoa"), "unknown"),
        (("{data}", "{out}", "--to", "bbbc041"), "is read only"),
        (("{data}", "{data}", "--to", "coco"), "not an empty folder"),
        (("{data}", "{data}", "{out}", "--to", "coco"), "given twice"),
        (("{data}", "{data}/new", "--to", "coco"), "lies inside of"),
        (("{torn}", "{data}", "{data}/images/new", "--to", "coco"), "lies inside of"),
        (("{data}/classes.json", "{data}/new", "--to", "coco"), "lies in the folder of classes.json"),
        (("{data}", "{out}", "--to", "nnunet", "--image-format", "jpg"), "holds png images alone"),
        (("{nowhere}", "{data}", "--to", "coco"), "not an empty folder"),  # before anything is read
        (("{nowhere}", "{out}", "--to", "cocoa"), "is unknown"),
        (("{nowhere}", "{out}", "--to", "coco", "--image-format", "gif"), "expected one of png, jpg"),
        (("{data}", "{out}", "--to", "coco", "--image-format", "gif"), "expected one of png, jpg"),
        (("{data}", "{out}", "--to", "coco", "--format-in", "xyz"), "unknown format"),
        (("{data}", "{out}", "--to", "coco", "--ignore", "a"), "--ignore"),
        (("{data}", "{out}", "--to", "coco", "--orientation", "up"), "expected one of auto, turned, stored"),
        (("{data}", "{out}", "--to", "coco", "--merge", "{nowhere}"), "nowhere"),
        (("{torn}", "{out}", "--to", "coco"), "cut short"),
    ],
)
def test_bad_requests_get_one_line_and_write_nothing(
    command: Command, digits_folder: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    torn = tmp_path / "torn"
    if "{torn}" in words:
        shutil.copytree(digits_folder, torn)
        file = min((torn / "images").iterdir())
        file.write_bytes(file.read_bytes()[:60])
    places = {"data": digits_folder, "out": tmp_path / "out", "nowhere": tmp_path / "nowhere", "torn": torn}
    answer = command("convert", *(word.format(**places) for word in words))
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_the_formats_are_listed_with_what_they_lose(command: Command) -> None:
    answer = command("formats")
    assert all(name in answer.out for name in FORMATS)
    rows = {row["name"]: row for row in command("formats", "--json").json}
    assert rows.keys() == FORMATS.keys()
    assert rows["folder"]["read"] and rows["folder"]["written"] and not rows["bbbc041"]["written"]
    assert rows["folder"]["carries"]["holes"] == "kept"
