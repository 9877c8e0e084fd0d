"""Pascal VOC of other programs, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.formats.test_round_trip import CLASSES, MAP_LAYOUTS, RING, WIDE, box, painted, pair, parts, shaped
from tests.formats.test_voc import SIZE, put, sheet, thing, voc, write_voc

from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet


def test_roboflows_outlines_are_read(tmp_path: Path) -> None:
    outline = "<polygon><x1>1</x1><y1>1</y1><x2>5.5</x2><y2>1</y2><x3>1</x3><y3>4</y3></polygon>"
    (one,) = read(voc(tmp_path, {"a": sheet(thing("cat", (2, 2, 5, 4), outline))}))[0].layout.objects
    assert one.polygons == ((1, 1, 5.5, 1, 1, 4),)
    voc(tmp_path, {"a": sheet(thing("cat", (2, 2, 5, 4), outline.replace("y3", "z3")))})
    with pytest.raises(InputError, match="y3 is ''"):
        read(tmp_path)


REFUSED: dict[str, tuple[str, str]] = {
    "no number": (sheet(thing("cat", ("x", 1, 2, 2))), "xmin is 'x'"),
    "nan": (sheet(thing("cat", ("nan", 1, 2, 2))), "xmin is 'nan'"),
    "huge": (sheet(thing("cat", (1, 1, "9" * 400, 2))), "xmax is"),
    "power": (sheet(thing("cat", (1, 1, "1e999999999", 2))), "xmax is"),
    "swapped": (sheet(thing("cat", (5, 1, 2, 2))), "the minimum first"),
    "outside": (sheet(thing("cat", (1, 1, 50, 2))), "outside its image"),
    "no box": (sheet("<object><name>cat</name></object>"), "lacks a <name> or a <bndbox>"),
    "no name": (sheet(thing(" ", (1, 1, 2, 2))), "lacks a <name>"),
    "deep": (sheet(thing("cat", (1, 1, 2, 2), "<a>" * 40 + "</a>" * 40)), "nested too deeply"),
    "other root": (
        "<annotations><annotation><size></size></annotation></annotations>",
        "the XML of a 'annotations'",
    ),
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]><annotation><size>&b;</size></annotation>', "document type"),
    "no image": (sheet(file_name="../../z.jpg"), "have no image"),
    "other size": (sheet(size=(9, 9)), "says 9x9"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_xml_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    text, words = REFUSED[name]
    voc(tmp_path, {"b": text} if name == "no image" else {"a": text})
    if name == "no image":
        (tmp_path / "JPEGImages" / "b.jpg").rename(tmp_path / "z.txt")
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path)[0]
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_unknown_colors_and_ids_are_refused(tmp_path: Path) -> None:
    voc(tmp_path, {}, {"a": np.full(SIZE, 77, np.uint8)})
    with pytest.raises(InputError, match=r"77 \(48 pixels\).*labelmap"):
        read(tmp_path)[0]
    put(tmp_path / "SegmentationClass" / "a.png", np.full((*SIZE, 3), 9, np.uint8))
    with pytest.raises(InputError, match=r"\[9, 9, 9\] \(48 pixels\).*labelmap"):
        read(tmp_path)[0]


def test_what_voc_cannot_hold_is_refused_when_written(tmp_path: Path) -> None:
    named = ClassSet(
        (ClassInfo(id=0, name="background"), ClassInfo(id=1, name="a"), ClassInfo(id=2, name="a"))
    )
    rows: list[tuple[AnnotatedImage, ClassSet, str]] = [
        (pair("a", MAP_LAYOUTS["wide ids"]), WIDE, "the id 700"),
        (pair("a", painted(box(0, 0, 1, 1))), named, "that of two classes"),
        (pair("a", painted(box(0, 0, 1, 1, class_id=2))), CLASSES, "ids that are no classes"),
    ]
    for one, classes, words in rows:
        with pytest.raises(InputError, match=words):
            write_voc([one], tmp_path / "out", classes)
    write_voc(
        [pair("a", painted(box(0, 0, 1, 1, class_id=700)))], tmp_path / "wide", WIDE
    )  # boxes go by names
    assert read(tmp_path / "wide")[0].layout.objects[0].class_id == 700


def test_damaged_files_end_in_clean_errors(tmp_path: Path) -> None:
    pairs = [
        pair("a", painted(shaped(RING), box(0, 0, 2, 2, pose="Left"))),
        pair("b", painted(shaped(parts((1, 1))))),
    ]
    write_voc(pairs, tmp_path / "out", CLASSES)
    files = sorted(file for file in (tmp_path / "out").rglob("*") if file.is_file())
    for seed in range(20):
        random = np.random.default_rng(seed)
        file = files[random.integers(len(files))]
        whole = file.read_bytes()
        bad = bytearray(whole)
        for _ in range(3):
            bad[random.integers(len(bad))] = random.integers(256)
        file.write_bytes(bytes(bad)[: random.integers(1, len(bad) + 1)])
        try:
            for _ in read(tmp_path / "out"):
                pass
        except InputError as error:
            assert "\n" not in str(error)
        file.write_bytes(whole)


def real(check: Callable[[Path], None]) -> None:
    where = os.environ.get("LABELMINT_DATA")
    if not where:
        pytest.skip("LABELMINT_DATA is not set")
    check(Path(where) / "formats")


def test_sets_of_other_programs() -> None:
    def look(formats: Path) -> None:
        counts = {}
        for name in (
            "voc_dataset/voc_dataset1",
            "voc_dataset/voc_dataset3",
            "kaggle_dataset/relaxed_voc1",
            "kaggle_dataset/relaxed_voc2",
            "roboflow_dataset/voc",
        ):
            data = read(formats / name)
            assert data.format == "voc"
            counts[name.rpartition("/")[2]] = (len(data), sum(len(one.layout.objects) for one in data))
        assert counts == {
            "voc_dataset1": (1, 2),
            "voc_dataset3": (1, 1),
            "relaxed_voc1": (1, 2),
            "relaxed_voc2": (1, 2),
            "voc": (3, 4),
        }

    real(look)


def test_classes_json_is_plain(tmp_path: Path) -> None:
    write_voc([pair("a", painted())], tmp_path / "out", CLASSES)
    assert json.loads((tmp_path / "out" / "classes.json").read_text())["names"]["3"] == "Röhre"
    assert (tmp_path / "out" / "labelmap.txt").read_text(encoding="utf-8").splitlines()[1:] == [
        "background:0,0,0::",
        "cell:9,8,7::",
        "Röhre:128,128,0::",
        "ignored:224,224,192::",
    ]
