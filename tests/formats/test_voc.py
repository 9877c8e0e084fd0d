"""Pascal VOC: what comes back, pixels that count from 1, label maps beside boxes, parts, loose layouts, refusals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.formats.test_round_trip import CLASSES, MAP_LAYOUTS, OBJECT_LAYOUTS, RING, WIDE, box, painted, pair

from labelmint.contracts import check_format
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.formats.painting import decode
from labelmint.formats.voc_classes import VOC_NAMES, voc_color
from labelmint.types import AnnotatedImage, ClassSet, DataSet, Layout, LayoutObject

SIZE = (6, 8)
NOT_EXACT = {"crowd", "polygons", "overlaps and doubled boxes", "instances", "wide ids"}
LAYOUTS = {name: one for name, one in (OBJECT_LAYOUTS | MAP_LAYOUTS).items() if name not in NOT_EXACT}


def thing(name: str, box: Sequence[object], more: str = "") -> str:
    edges = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{edges}</bndbox></object>"


def sheet(*things: str, file_name: str = "a.jpg", size: tuple[int, int] | None = SIZE) -> str:
    shape = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>" if size else ""
    return f"<annotation><filename>{file_name}</filename>{shape}{''.join(things)}</annotation>"


def put(path: Path, content: str | np.ndarray, colors: Sequence[tuple[int, int, int]] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
        return
    picture = Image.fromarray(content)
    if colors:
        picture.putpalette([part for color in colors for part in color])
    picture.save(path)


def voc(path: Path, sheets: dict[str, str], maps: dict[str, np.ndarray] | None = None) -> Path:
    """A set of VOC; an image for each name."""
    for name in {**sheets, **(maps or {})}:
        put(path / "JPEGImages" / f"{name}.jpg", np.zeros((*SIZE, 3), dtype=np.uint8))
    for name, text in sheets.items():
        put(path / "Annotations" / f"{name}.xml", text)
    for name, ids in (maps or {}).items():
        put(path / "SegmentationClass" / f"{name}.png", ids, [voc_color(i) for i in range(256)])
    return path


def write_voc(pairs: Iterable[AnnotatedImage], to: Path, classes: ClassSet) -> Path:
    return write(pairs, to, format="voc", classes=classes)


def boxes(data: DataSet, name: str = "a") -> list[tuple[float, ...]]:
    return [one.box for one in data.load(name).layout.objects]


def kinds(data: DataSet) -> set[str]:
    return {finding.kind for finding in data.findings}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_survive(name: str, tmp_path: Path) -> None:
    check_format(read, write_voc, [pair(f"{name} ü.1", LAYOUTS[name], seed="4")], WIDE, tmp_path)


def test_boxes_and_maps_survive_together(tmp_path: Path) -> None:
    """A reader takes the pairs from the label PNGs where there are any, so each pair has one."""
    pairs = [pair(name, layout, 1 + 2 * (i % 2)) for i, (name, layout) in enumerate(LAYOUTS.items())]
    check_format(read, write_voc, pairs, WIDE, tmp_path)
    files = sorted(file.stem for file in (tmp_path / "first" / "SegmentationClass").iterdir())
    assert files == sorted(LAYOUTS)
    said = (tmp_path / "first" / "Annotations" / "touching instances.xml").read_text()
    assert "<segmented>0</segmented>" in said  # its shapes are filled boxes


@pytest.mark.parametrize("alone", [True, False])
def test_boxes_to_ignore_survive(alone: bool, tmp_path: Path) -> None:
    layout = painted(box(0, 0, 3, 3, class_id=255), box(4, 4, 6, 6, class_id=9), box(7, 0, 9, 2))
    pairs = [pair("a", layout), *([] if alone else [pair("b", MAP_LAYOUTS["map only"])])]
    check_format(read, write_voc, pairs, WIDE, tmp_path)


def test_sets_of_boxes_have_no_label_pngs(tmp_path: Path) -> None:
    write_voc(
        [pair("a", OBJECT_LAYOUTS["touching instances"]), pair("b", painted())], tmp_path / "out", CLASSES
    )
    assert not (tmp_path / "out" / "SegmentationClass").exists()
    assert read(tmp_path / "out").names == ("a", "b")


@pytest.mark.parametrize("name", ["polygons", "overlaps and doubled boxes"])
def test_shapes_come_back_as_the_pixels_that_are_seen(name: str, tmp_path: Path) -> None:
    before = OBJECT_LAYOUTS[name]
    after = read(write(([pair("a", before)]), tmp_path / "out", format="voc", classes=CLASSES))[0].layout
    assert np.array_equal(after.label_map, before.label_map)
    assert after.instances is not None and np.array_equal(after.instances, before.instances)
    assert [(o.class_id, o.box) for o in after.objects] == [(o.class_id, o.box) for o in before.objects]
    for i, one in enumerate(after.objects):
        if one.rle is not None:
            assert np.array_equal(decode(one.rle, before.size), before.instances == i + 1)
    assert any(one.rle is not None for one in after.objects)


def test_large_instance_ids_are_numbered_anew_and_too_many_refused(tmp_path: Path) -> None:
    ids = np.where(RING > 0, 700, 0).astype(np.uint16)
    ids[0, 0] = 300
    labels = np.maximum(RING, ids > 0).astype(np.uint8)
    after = read(write_voc([pair("a", Layout(label_map=labels, instances=ids))], tmp_path / "out", CLASSES))[
        0
    ]
    assert after.layout.instances is not None
    assert np.array_equal(after.layout.instances, np.where(ids == 700, 2, np.where(ids == 300, 1, 0)))
    many = np.arange(1, 301, dtype=np.uint16).reshape(15, 20)
    with pytest.raises(InputError, match="300 instances"):
        write_voc(
            [pair("a", Layout(label_map=np.ones((15, 20), np.uint8), instances=many))],
            tmp_path / "b",
            CLASSES,
        )


def test_pixels_count_from_1_and_boxes_include_the_last(tmp_path: Path) -> None:
    data = read(voc(tmp_path, {"a": sheet(thing("cat", (1, 2, 3, 4)), thing("dog", ("5.5", 1, 8, "6.0")))}))
    assert boxes(data) == [(0, 1, 3, 4), (4.5, 0, 8, 6)]
    assert not data.findings and data.classes.names == ("background", "cat", "dog")
    assert data[0].layout.label_map[:, :3].tolist() == [[0] * 3, *[[1] * 3] * 3, [0] * 3, [0] * 3]


def test_boxes_that_begin_at_0_are_edges_in_the_whole_set(tmp_path: Path) -> None:
    data = read(
        voc(
            tmp_path,
            {
                "a": sheet(thing("cat", (0, 2, 3, 4))),
                "b": sheet(thing("cat", (1, "1.1", 2, 2)), file_name="b.jpg"),
            },
        )
    )
    assert (boxes(data), boxes(data, "b")) == ([(0, 2, 3, 4)], [(1, 1.1, 2, 2)])
    assert kinds(data) == {"boxes from 0"}


def test_what_stands_under_an_object_is_kept(tmp_path: Path) -> None:
    more = "<pose>Left</pose><difficult>1</difficult><part><name>head</name><x>1.5</x></part>"
    more += "<attributes><attribute><name>age</name><value>7</value></attribute></attributes>"
    data = read(voc(tmp_path / "in", {"a": sheet(thing("cat", (1, 1, 2, 2), more))}))
    said = {"pose": "Left", "difficult": 1, "part": {"name": "head", "x": 1.5}, "age": 7}
    assert dict(data[0].layout.objects[0].attributes) == said
    again = read(write(data, tmp_path / "out", format="voc", classes=data.classes))
    assert dict(again[0].layout.objects[0].attributes) == said
    text = (tmp_path / "out" / "Annotations" / "a.xml").read_text()
    assert (
        "<pose>Left</pose>" in text and "<difficult>1</difficult>" in text
    )  # as other programs look for them


VALUES = ["7", "null", " x ", "", "a<b&c", '"q"', "[1]", "a\x01b", None, 0.5, -3, 1e300, [1, "x"], {"k v": 1}]
VALUES += [{"k": "7"}, {"a": {"b": [{}]}}, True, False, "true", "False", [True, 1], {"a": {"sure": False}}]


def test_any_attribute_comes_back(tmp_path: Path) -> None:
    keys = ("x", "ä b", "name", "1", "segmented")
    objects = [
        LayoutObject(class_id=1, box=(0, 0, 2, 2), attributes=dict.fromkeys(keys, one)) for one in VALUES
    ]
    check_format(read, write_voc, [pair("a", painted(*objects))], CLASSES, tmp_path)
    again = read(tmp_path / "first")[0].layout.objects
    assert [repr(dict(one.attributes)) for one in again] == [repr(dict(one.attributes)) for one in objects]


@pytest.mark.parametrize("kind", ["palette", "colors", "grey"])
def test_label_maps_are_ids_in_each_guise(kind: str, tmp_path: Path) -> None:
    ids = np.zeros(SIZE, dtype=np.uint8)
    ids[0], ids[1], ids[2, 0] = 15, 20, 255
    voc(tmp_path, {}, {"a": ids})
    if kind != "palette":
        table = np.array([voc_color(i) for i in range(256)], dtype=np.uint8)
        put(tmp_path / "SegmentationClass" / "a.png", table[ids] if kind == "colors" else ids)
    data = read(tmp_path)
    assert np.array_equal(data[0].layout.label_map, ids)
    assert data.classes.names == ("background", *VOC_NAMES) and data.classes.ignore == (255,)
    assert data[0].layout.instances is None and not data[0].layout.objects


def test_colors_of_labelmap_decide_whatever_the_indices(tmp_path: Path) -> None:
    red, green, void = (200, 0, 0), (0, 200, 0), (224, 224, 192)
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nignored:224,224,192::\ncat:200,0,0::\ndog:0,200,0::\n"
    )
    ids = np.zeros(SIZE, dtype=np.uint8)
    ids[0], ids[1], ids[2] = 1, 2, 3
    voc(tmp_path, {}, {"a": ids})
    put(tmp_path / "SegmentationClass" / "a.png", ids, [(0, 0, 0), green, red, void])
    data = read(tmp_path)
    assert data[0].layout.label_map[:3, 0].tolist() == [3, 2, 255]
    assert [(i.id, i.name) for i in data.classes.classes] == [(0, "background"), (2, "cat"), (3, "dog")]


def test_boxes_take_the_pixels_of_their_instance(tmp_path: Path) -> None:
    ids, instances = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    ids[1:4, 1:4], instances[1:4, 1:4] = 8, 1
    ids[1, 1] = instances[1, 1] = 0
    ids[1:3, 5:8], instances[1:3, 5:8] = 15, 2
    instances[0], ids[0] = 255, 255
    things = thing("cat", (2, 2, 4, 4)), thing("person", (6, 2, 8, 3)), thing("cat", (6, 5, 7, 6))
    voc(tmp_path, {"a": sheet(*things)}, {"a": ids})
    put(tmp_path / "SegmentationObject" / "a.png", instances, [voc_color(i) for i in range(256)])
    layout = read(tmp_path)[0].layout
    cat, person, other = layout.objects
    assert cat.rle is not None and np.array_equal(decode(cat.rle, SIZE), instances == 1)
    assert person.rle is None and other.rle is None  # a filled box; no instance of its own
    assert layout.instances is not None and set(np.unique(layout.instances)) == {0, 1, 2}


def test_images_without_a_label_map_are_left_out_and_said(tmp_path: Path) -> None:
    voc(tmp_path, {"a": sheet(), "b": sheet(file_name="b.jpg")}, {"a": np.zeros(SIZE, np.uint8)})
    put(tmp_path / "JPEGImages" / "c.jpg", np.zeros((*SIZE, 3), np.uint8))
    data = read(tmp_path)
    assert data.names == ("a",)
    assert {(f.kind, f.names) for f in data.findings} == {
        ("boxes without label map", ("b",)),
        ("image without label", ("c",)),
    }


def test_parts_are_the_lists_of_imagesets(tmp_path: Path) -> None:
    voc(tmp_path, {name: sheet(file_name=f"{name}.jpg") for name in "abcd"})
    put(tmp_path / "JPEGImages" / "e.jpg", np.zeros((*SIZE, 3), np.uint8))
    lists = tmp_path / "ImageSets" / "Main"
    for file, text in {
        "train": "\n# one\na  1\n",
        "val": "b\n",
        "test": "e\nd\n",
        "bus_train": "c -1\n",
        "default": "c\n",
    }.items():
        put(lists / f"{file}.txt", text)
    data = read(tmp_path)
    assert (data.train, data.validation, data.test) == (("a",), ("b",), ("d",))
    out = write(data, tmp_path.with_name(f"{tmp_path.name}-out"), format="voc", classes=data.classes)
    again = read(out)
    assert (again.train, again.validation, again.test) == (data.train, data.validation, data.test)
    assert (out / "ImageSets" / "Main" / "default.txt").read_text() == "c\n"
    (lists / "train.txt").unlink()
    put(lists / "trainval.txt", "a\nb\nc\n")
    assert (read(tmp_path).train, read(tmp_path).validation) == (("a", "c"), ("b",))
    put(lists / "train.txt", "x\n")
    with pytest.raises(InputError, match=r"train\.txt: lists 1 names without an image"):
        read(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        ("images/a.jpg", "annotations/a.xml"),
        ("a.jpg", "a.xml"),
        ("train/a.jpg", "train/a.xml"),
        ("images/train/a.jpg", "annotations/train/a.xml"),
        ("JPEGImages/a.JPG", "Annotations/other.xml"),
    ],
)
def test_loose_layouts_are_found(files: tuple[str, str], tmp_path: Path) -> None:
    put(tmp_path / files[0].replace("JPG", "jpg"), np.zeros((*SIZE, 3), np.uint8))
    (tmp_path / files[0].replace("JPG", "jpg")).rename(tmp_path / files[0])
    put(tmp_path / files[1], sheet(thing("cat", (1, 1, 2, 2)), file_name=Path(files[0]).name, size=None))
    data = read(tmp_path)
    assert (data.format, data.names, boxes(data)) == ("voc", ("a",), [(0, 0, 2, 2)])
    assert data.train == (("a",) if "train" in files[0] else None)


def test_the_file_name_counts_and_others_are_said(tmp_path: Path) -> None:
    voc(tmp_path, {"a": sheet(file_name="b.jpg")})
    put(tmp_path / "JPEGImages" / "b.jpg", np.zeros((*SIZE, 3), np.uint8))
    data = read(tmp_path)
    assert data.names == ("b",) and "named otherwise" in kinds(data)
    voc(tmp_path, {"a": sheet(file_name="c")})  # no such image: the one beside it
    data = read(tmp_path)
    assert data.names == ("a",) and "named otherwise" not in kinds(data)
