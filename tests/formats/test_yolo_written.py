"""YOLO as it is written: what comes back, what has no place in it, and damaged files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.formats.test_yolo import BOX, CLASSES, NAMES, SIZE, box, masked, one, pair, polygons, rows, save

from labelmint.contracts import check_format, difference
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.formats.painting import PaintedLayout
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject


def test_boxes_and_outlines_come_back(tmp_path: Path) -> None:
    boxes = [
        pair("empty"),
        pair("overlaps and doubled", box(1, 1, 6, 6), box(3, 3, 9, 8, class_id=2), box(1, 1, 6, 6)),
        pair(
            "between pixels", box(10.1, 0.3, 11.37, 8.7), box(-1.25, -0.1, 2.3, 9.9), box(0.1, 0.2, 0.3, 0.7)
        ),
        pair("odd size", box(0, 0, 1, 1), box(616.52, 2.29, 998.99, 6.7), size=(7, 999)),
    ]
    outlines = polygons((1.5, 1.0, 9.0, 1.0, 5.0, 8.0)), polygons((0, 0, 33.33, 0, 0, 0.1, 3, 4), class_id=2)
    for place, pairs in (("boxes", boxes), ("outlines", [pair("a", *outlines)])):
        (tmp_path / place).mkdir()
        check_format(read, as_yolo, pairs, CLASSES, tmp_path / place)


def as_yolo(pairs: Iterable[AnnotatedImage], path: Path, classes: ClassSet) -> object:
    return write(pairs, path, format="yolo", classes=classes)


@pytest.mark.parametrize("size", [(7, 4999), (3001, 3), (1, 1)])
def test_any_box_comes_back_to_a_millionth_of_a_pixel(size: tuple[int, int], tmp_path: Path) -> None:
    corners = np.sort(np.random.default_rng(size[0]).random((50, 2, 2)), axis=1) * size[::-1]
    given = pair("a", *(box(*edges) for edges in corners.reshape(50, 4)), size=size)
    save([given], tmp_path / "set")
    back = [one.box for one in read(tmp_path / "set")[0].layout.objects]
    assert np.abs(np.array(back) - corners.reshape(50, 4)).max() <= 1e-6


def test_masks_come_back_to_the_pixel_with_their_holes_and_pieces(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    masks = [generator.random(SIZE) < share for share in (0.02, 0.3, 0.6, 0.9)]
    masks += [np.pad(np.ones((1, 1), dtype=bool), ((19, 0), (39, 0)))]
    save([pair(f"{i}", masked(mask, 1 + i % 2)) for i, mask in enumerate(masks)], tmp_path / "set")
    for back, mask, class_id in zip(read(tmp_path / "set"), masks, (1, 2, 1, 2, 1), strict=True):
        assert len(back.layout.objects) == 1
        assert np.array_equal(back.layout.label_map, mask * class_id)


@pytest.mark.parametrize("apart", [True, False])
def test_outlines_of_several_pieces_are_joined(apart: bool, tmp_path: Path) -> None:
    """Pieces that lie apart keep their points; those that overlap keep their pixels."""
    shift = 20 if apart else 4
    pieces = ((1.5, 1.0, 9.0, 1.0, 5.0, 8.0), (1.5 + shift, 1.0, 9.0 + shift, 1.0, 5.0 + shift, 8.0))
    given = pair("a", polygons(*pieces))
    save([given], tmp_path / "set")
    (back,) = read(tmp_path / "set")[0].layout.objects
    assert back.polygons is not None and len(back.polygons) == 1
    assert np.array_equal(read(tmp_path / "set")[0].layout.label_map, given.layout.label_map)
    assert ({*pieces[0]} <= {*back.polygons[0]}) == apart


def test_a_set_has_boxes_or_outlines_and_all_that_ultralytics_asks_for(tmp_path: Path) -> None:
    """No text mixes them, shares lie in 0..1, numbers of classes below their count, train and val are named."""
    early = pair("0", box(1, 2, 6, 7), box(-1, -1, 3, 3, class_id=2))
    outline = pair("1", polygons((-1, 0, 9, 0, 9, 21)))
    late = pair("2", box(10.25, 0, 41, 20))
    told = save([early, outline, late], tmp_path / "both")
    assert [len(row) for row in rows(tmp_path / "both")] == [9, 9, 7, 9]
    assert rows(tmp_path / "both")[0] == [0, 0.025, 0.1, 0.15, 0.1, 0.15, 0.35, 0.025, 0.35]
    assert {finding.kind for finding in told} == {"boxes approximated", "polygons approximated"}
    save([early, late, pair("3", box(-1, 0, 41, 20))], tmp_path / "boxes")
    assert [len(row) for row in rows(tmp_path / "boxes")] == [5] * 4
    for name in ("both", "boxes"):
        numbers = np.array([number for row in rows(tmp_path / name) for number in row[1:]])
        assert (
            numbers.min() >= 0 and numbers.max() <= 1 and {row[0] for row in rows(tmp_path / name)} <= {0, 1}
        )
        said = yaml.safe_load((tmp_path / name / "data.yaml").read_text(encoding="utf-8"))
        assert said == {"train": "images", "val": "images", "names": {0: "cell", 1: "Röhre"}}
    assert [len(pair.layout.objects) for pair in read(tmp_path / "both")] == [2, 1, 1]


def test_what_has_no_place_is_left_out_and_told(tmp_path: Path) -> None:
    extra = LayoutObject(class_id=1, box=(0, 0, 4, 4), attributes={"score": 1})
    told = save(
        [pair("a", extra, box(0, 0, 9, 9, crowd=True), box(5, 5, 9, 9, class_id=255))], tmp_path / "set"
    )
    assert rows(tmp_path / "set") == [[0, 0.05, 0.1, 0.1, 0.2]]
    lost = {finding.kind for finding in told if finding.kind.endswith("lost")}
    assert lost == {"attributes lost", "crowds lost", "ignore lost"}


def test_maps_become_objects_of_the_same_pixels_whatever_the_ground_is(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 3, SIZE).astype(np.uint8)
    given = AnnotatedImage(
        name="a", image=np.zeros((*SIZE, 1), dtype=np.uint8), layout=Layout(label_map=labels)
    )
    for names in (("background", "cell", "tube"), ("road", "cell", "tube"), ("cell", "void", "Background")):
        classes = ClassSet(tuple(ClassInfo(id=i, name=name) for i, name in enumerate(names)))
        save([given], tmp_path / names[0], classes)
        data = read(tmp_path / names[0])
        back = [data.classes.name_of(i).lower() for i in data[0].layout.label_map.ravel()]
        assert back == [names[i].lower() for i in labels.ravel()]


GROUNDS: tuple[tuple[tuple[int, str, int | None], ...], ...] = (
    ((0, "background FLAIR", None), (1, "background T1Gd", None), (2, "edema", None)),
    ((0, "background", None), (1, "cell", 1), (2, "Background", 0)),
    ((0, "cell", None), (3, "_background_", None), (4, "background of more", None)),
    ((0, "Background", None), (1, "cell", 0)),
)


@pytest.mark.parametrize("infos", GROUNDS, ids=["two", "two with numbers", "later", "called otherwise"])
def test_each_background_comes_back_by_its_name(
    infos: tuple[tuple[int, str, int | None], ...], tmp_path: Path
) -> None:
    classes = ClassSet(tuple(ClassInfo(id=i, name=name, category=number) for i, name, number in infos))
    maps = {name: np.full(SIZE, i, np.uint8) for i, name, _ in infos}
    for labels in maps.values():
        labels[2:4, 2:4] = classes.ids[-1]
    pairs = [pair(f"{k}").with_layout(Layout(label_map=labels)) for k, labels in enumerate(maps.values())]
    save(pairs, tmp_path / "set", classes)
    data = read(tmp_path / "set")
    assert sorted(data.classes.names) == sorted(maps)
    for found, labels in zip(data, maps.values(), strict=True):
        back = [data.classes.name_of(i) for i in found.layout.label_map.ravel()]
        assert back == [classes.name_of(i) for i in labels.ravel()]


def test_numbers_of_classes_are_kept_or_counted_anew(tmp_path: Path) -> None:
    def numbers(*infos: tuple[int, str, int | None]) -> dict[int, str]:
        classes = ClassSet(tuple(ClassInfo(id=i, name=name, category=number) for i, name, number in infos))
        path = tmp_path / f"{infos}"[:40]
        layout = PaintedLayout((box(0, 0, 4, 4, class_id=infos[-1][0]),), SIZE, classes.ground or 0)
        save([pair("a").with_layout(layout)], path, classes)
        names: dict[int, str] = yaml.safe_load((path / "data.yaml").read_text())["names"]
        assert names[int(rows(path)[0][0])] == infos[-1][1]
        return names

    assert numbers((0, "background", None), (1, "b", 1), (2, "a", 0)) == {0: "a", 1: "b"}
    assert numbers((0, "background", 0), (1, "b", 1)) == {0: "background", 1: "b"}
    assert numbers((0, "background", None), (1, "person", None), (90, "no", None)) == {0: "person", 1: "no"}
    assert numbers((1, "b", None), (4, "background", None)) == {0: "b", 1: "background"}


PARTS: list[tuple[dict[str, tuple[str, ...] | None], dict[str, tuple[str, ...] | None]]] = [
    ({}, {}),
    ({"train": ("a", "c"), "validation": ("b",), "test": ("d",)},) * 2,
    ({"train": ("a",), "test": ("d",)},) * 2,
    ({"test": ("d",)}, {"train": ("a", "b", "c"), "test": ("d",)}),
    ({"train": ("a",), "validation": ("b",)},) * 2,
]


@pytest.mark.parametrize(("given", "expected"), PARTS)
def test_parts_are_written_as_folders(
    given: dict[str, tuple[str, ...]], expected: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    """A pair without a part trains where none is named for it, and else is in no part."""
    pairs = {name: pair(name, box(0, 0, 4, 4)) for name in "abcd"}
    data = DataSet(source="", format="", classes=CLASSES, names=(*pairs,), load=pairs.__getitem__, **given)
    save(data, tmp_path / "set")
    back = read(tmp_path / "set")
    assert back.names == ("a", "b", "c", "d")
    found = {"train": back.train, "validation": back.validation, "test": back.test}
    assert {part: names for part, names in found.items() if names} == expected
    assert not (tmp_path / "set" / "train.txt").exists()


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    outline = "0 0.1 0.1 0.9 0.1 0.5 0.9\n"
    path = one(
        tmp_path, BOX + outline, data_yaml="train: train.txt\nval: images\n" + NAMES, train_txt="images/a.png"
    )
    generator = np.random.default_rng(0)
    for file in (path / "labels" / "a.txt", path / "data.yaml", path / "train.txt"):
        whole = file.read_bytes()
        for _ in range(8):
            damaged = bytearray(whole)
            for place in generator.integers(0, len(whole), 3):
                damaged[place] = generator.integers(0, 256)
            file.write_bytes(bytes(damaged[: generator.integers(1, len(whole))]))
            for strict in (True, False):
                try:
                    [*read(path, format="yolo", strict=strict)]
                except InputError as error:
                    assert "\n" not in str(error)
        file.write_bytes(whole)


@pytest.mark.skipif("LABELMINT_DATA" not in os.environ, reason="LABELMINT_DATA names no folder of real sets")
@pytest.mark.parametrize(
    ("folder", "format", "counts"),
    [
        ("yolo_dataset/annotations", "yolo", (1, 2)),
        ("yolo_dataset/labels", "yolo", (2, 4)),
        ("yolo_dataset/strict", "yolo", (1, 2)),
        ("roboflow_dataset/yolo", "yolo", (3, 4)),
        ("kaggle_dataset/relaxed_yolo", "yolo", (2, 4)),
        ("roboflow_dataset/yolo_obb", "dota", (3, 4)),
        ("dota_dataset", "dota", (3, 4)),
    ],
)
def test_real_sets(folder: str, format: str, counts: tuple[int, int], tmp_path: Path) -> None:
    data = read(Path(os.environ["LABELMINT_DATA"]) / "formats" / folder)
    assert data.format == format
    assert (len(data), sum(len(pair.layout.objects) for pair in data)) == counts
    save(data, tmp_path / "set", data.classes)
    again = read(tmp_path / "set")
    assert again.classes == data.classes and again.train == data.train and again.validation == data.validation
    if format == "yolo":
        assert [difference(*both) for both in zip(data, again, strict=True)] == [None] * len(data)
    else:
        assert all(
            mine.polygons == its.polygons
            for both in zip(data, again, strict=True)
            for mine, its in zip(both[0].layout.objects, both[1].layout.objects, strict=True)
        )
