"""The parts of a data set: the same words mean them in every format, and what is in none is said."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from tests.formats.samples import box, in_parts, painted, pair

from labelmint.formats import read, write
from labelmint.formats.format import PART_WORDS, part_in, part_word
from labelmint.types import ClassInfo, ClassSet, DataSet

CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell")))
ALIKE = [(part, word) for part, words in PART_WORDS.items() for word in words]


@pytest.mark.parametrize(("part", "word"), ALIKE)
def test_a_word_means_its_part_in_every_form(part: str, word: str) -> None:
    forms = (word, word.title(), f"{word}2017", f"{word}_2017", f"obj_{word}_data")
    assert {part_word(form) for form in forms} == {part}
    assert part_in(f"instances_{word}2017.json") == part_in(f"set-{word}-0000") == part
    assert part_word(f"my{word}") is part_word(f"{word}annot") is part_in(f"my{word}") is None


@pytest.mark.parametrize("word", ["Valid", "dev"])
@pytest.mark.parametrize("format", ["folder", "yolo", "coco", "imagefolder", "labelme"])
def test_folders_are_parts_by_the_same_words(format: str, word: str, tmp_path: Path) -> None:
    for name, folder in (("a", "train"), ("b", word)):
        write([pair(name, painted(box(1, 1, 4, 4)))], tmp_path / folder, format=format, classes=CLASSES)
    data = read(tmp_path)
    assert (data.format, data.train, data.validation, data.test) == (format, ("a",), ("b",), None)


@pytest.mark.parametrize("word", ["valid", "dev"])
def test_shards_and_subsets_are_parts_by_the_same_words(word: str, tmp_path: Path) -> None:
    shards = write(in_parts(), tmp_path / "shards", format="webdataset", classes=in_parts().classes)
    (shards / "val-000000.tar").rename(shards / f"{word}-000000.tar")
    assert read(shards).validation == ("c", "d")
    cvat = write(in_parts(), tmp_path / "cvat", format="cvat", classes=in_parts().classes)
    text = (cvat / "annotations.xml").read_text(encoding="utf-8").replace('"Validation"', f'"{word}"')
    (cvat / "annotations.xml").write_text(text, encoding="utf-8")
    next((cvat / "images").glob("[vV]alidation")).rename(cvat / "images" / word)
    assert read(cvat).validation == ("c", "d")


@pytest.mark.parametrize("format", ["folder", "coco", "yolo", "voc", "labelme", "imagefolder", "webdataset"])
def test_pairs_in_no_part_are_said(format: str, tmp_path: Path) -> None:
    data = read(write(in_parts(), tmp_path / "set", format=format, classes=in_parts().classes))
    told = [one.names for one in data.findings if one.kind == "in no part"]
    assert told == [("f",)]


@pytest.mark.parametrize(("format", "lists"), [("voc", "ImageSets/Main"), ("coco", "")])
def test_names_in_two_parts_are_said(format: str, lists: str, tmp_path: Path) -> None:
    pairs = [pair(name, painted(box(1, 1, 4, 4))) for name in "ab"]
    out = write(pairs, tmp_path / "set", format=format, classes=CLASSES)
    (out / lists).mkdir(parents=True, exist_ok=True)
    for part, text in (("train", "a\nb\n"), ("val", "a\n"), ("test", "b\n")):
        (out / lists / f"{part}.txt").write_text(text)
    data = read(out)
    assert (data.train, data.validation, data.test) == (("a", "b"), ("a",), ("b",))
    assert [(one.kind, one.names) for one in data.findings] == [
        ("in two parts", ("a",)),
        ("in two parts", ("b",)),
    ]


@pytest.mark.parametrize("format", ["folder", "labelme", "voc"])
def test_names_with_line_separators_of_unicode_are_listed_whole(format: str, tmp_path: Path) -> None:
    names = ("a\u2028b", "c\u2029d")
    pairs = {name: pair(name, painted(box(1, 1, 4, 4))) for name in names}
    data = DataSet(
        source="two",
        format="two",
        classes=CLASSES,
        names=names,
        load=pairs.__getitem__,
        train=names[:1],
        test=names[1:],
    )
    back = read(write(data, tmp_path / "set", format=format, classes=CLASSES))
    assert (back.names, back.train, back.test) == (names, names[:1], names[1:])


def test_lists_beside_labelme_folders_win(tmp_path: Path) -> None:
    for name, folder in (("a", "train"), ("b", "val")):
        write([pair(name, painted(box(1, 1, 4, 4)))], tmp_path / folder, format="labelme", classes=CLASSES)
    (tmp_path / "test.txt").write_text("a\n")
    data = read(tmp_path)
    assert (data.train, data.validation, data.test) == (None, None, ("a",))


def test_names_that_differ_in_their_unicode_form_alone_keep_their_parts(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    pairs = [pair(name, painted(box(1, 1, 4, 4))) for name in (composed, apart, "a")]
    out = write(pairs, tmp_path / "set", format="folder", classes=CLASSES)
    (out / "train.txt").write_text(f"{composed}\n", encoding="utf-8")
    (out / "test.txt").write_text(f"{apart}\na\n", encoding="utf-8")
    data = read(out)
    assert (data.train, data.test) == ((composed,), (apart, "a"))
