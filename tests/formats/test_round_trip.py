"""Laws of the formats: read(write(a)) = a, two writes are byte-equal, and nothing is left of a write that
fails.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from tests.formats.samples import HOLDING_LAYOUTS

from labelmint.contracts import ContractError, check_format, difference
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.formats.painting import objects_from_instances, paint
from labelmint.formats.records import names_of
from labelmint.formats.writers import write_each
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, Layout, LayoutObject

SIZE = (9, 12)
CLASSES = ClassSet(
    (
        ClassInfo(id=0, name="background"),
        ClassInfo(id=1, name="cell", color=(9, 8, 7)),
        ClassInfo(id=3, name="Röhre"),
    )
)
WIDE = ClassSet((*CLASSES.classes, ClassInfo(id=700, name="far")), ignore=(255, 9))
RING = np.pad(np.pad(np.zeros((2, 3), dtype=np.uint8), 2, constant_values=1), ((1, 2), (2, 3)))


def pair(name: str, layout: Layout, channels: int = 3, **provenance: str) -> AnnotatedImage:
    image = np.random.default_rng(len(name)).integers(0, 256, (*layout.size, channels), dtype=np.uint8)
    return AnnotatedImage(name=name, image=image, layout=layout, provenance=provenance)


def painted(*objects: LayoutObject) -> Layout:
    label_map, instances = paint(objects, SIZE)
    return Layout(label_map=label_map, instances=instances, objects=objects)


def box(*edges: float, class_id: int = 1, crowd: bool = False, **attributes: object) -> LayoutObject:
    x0, y0, x1, y1 = edges
    return LayoutObject(class_id=class_id, box=(x0, y0, x1, y1), crowd=crowd, attributes=attributes)


def shaped(binary: np.ndarray, class_id: int = 1, crowd: bool = False) -> LayoutObject:
    (one,) = objects_from_instances(binary * class_id, (binary > 0).astype(np.uint16))
    return LayoutObject(class_id=class_id, box=one.box, rle=one.rle, crowd=crowd)


def parts(*places: tuple[int, int]) -> np.ndarray:
    binary = np.zeros(SIZE, dtype=np.uint8)
    binary[tuple(zip(*places, strict=True))] = 1
    return binary


OBJECT_LAYOUTS = {
    "hole": painted(shaped(RING)),
    "several parts": painted(shaped(parts((0, 0), (0, 1), (5, 5), (8, 11)))),
    "one pixel": painted(shaped(parts((8, 11))), box(0, 0, 1, 1, class_id=3)),
    "overlaps and doubled boxes": painted(
        box(1, 1, 6, 6), box(3, 3, 9, 8, class_id=3), box(1, 1, 6, 6), shaped(RING, 3)
    ),
    "touching instances": painted(box(0, 0, 4, 4), box(4, 0, 8, 4), box(0, 4, 4, 9)),
    "crowd": painted(shaped(RING, crowd=True), box(0, 0, 12, 9, class_id=3, crowd=True)),
    "corners between pixels": painted(
        box(10.1, 0.3, 11.399999999999999, 8.7), box(-1.25, -0.1, 2.3, 9.9), box(0.1, 0.2, 0.3, 0.7)
    ),
    "polygons": painted(
        LayoutObject(
            class_id=1,
            box=(1.5, 1, 9, 8),
            polygons=((1.5, 1.0, 9.0, 1.0, 5.0, 8.0), (0.0, 0.0, 2.0, 0.0, 0.0, 2.0)),
        )
    ),
    "attributes": painted(box(0, 0, 3, 3, score=0.25, attributes={"Größe": [1, None, "x"]}, truncated=True)),
    "empty": painted(),
}
MAP_LAYOUTS = {
    "map only": Layout(label_map=RING),
    "instances": Layout(label_map=RING, instances=RING.astype(np.uint16) * 65535),
    "wide ids": Layout(label_map=RING.astype(np.uint16) * 700),
    "ignored": Layout(label_map=np.where(RING == 1, 255, 9).astype(np.uint8)),
    "one line": Layout(label_map=np.ones((1, 20), dtype=np.uint8)),
}


def check(format: str, pairs: list[AnnotatedImage], classes: ClassSet, path: Path) -> None:
    def write_it(some: Iterable[AnnotatedImage], to: Path, of: ClassSet) -> object:
        return write(some, to, format=format, classes=of)

    check_format(read, write_it, pairs, classes, path)


@pytest.mark.parametrize("name", OBJECT_LAYOUTS)
@pytest.mark.parametrize("format", ["folder", "coco"])
def test_objects_survive(format: str, name: str, tmp_path: Path) -> None:
    check(format, [pair(name, OBJECT_LAYOUTS[name], 1 if name == "empty" else 3)], CLASSES, tmp_path)


def test_all_of_them_at_once_survive_coco(tmp_path: Path) -> None:
    check(
        "coco",
        [pair(name, layout, seed="4", note="für Röhren") for name, layout in OBJECT_LAYOUTS.items()],
        CLASSES,
        tmp_path,
    )


def test_maps_survive_the_folder(tmp_path: Path) -> None:
    layouts = OBJECT_LAYOUTS | MAP_LAYOUTS
    pairs = [
        pair(f"{name} ü.{i}", layout, 1 + 2 * (i % 2), seed=str(i))
        for i, (name, layout) in enumerate(layouts.items())
    ]
    check("folder", pairs, WIDE, tmp_path)


edge = st.floats(-2, 11, allow_subnormal=False)
boxes = st.tuples(edge, edge, st.floats(0, 3), st.floats(0, 3)).map(
    lambda v: box(v[0], min(v[1], 8.0), v[0] + v[2], min(v[1], 8.0) + v[3])
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    maps=arrays.arrays(np.uint8, SIZE, elements=st.sampled_from([0, 0, 1, 3])),
    ids=arrays.arrays(np.uint16, SIZE, elements=st.integers(0, 4)),
    some=st.lists(boxes, max_size=4),
)
def test_any_objects_survive_coco(
    maps: np.ndarray, ids: np.ndarray, some: list[LayoutObject], tmp_path_factory: pytest.TempPathFactory
) -> None:
    drawn = objects_from_instances(maps, ids)
    check("coco", [pair("a", painted(*drawn, *some))], CLASSES, tmp_path_factory.mktemp("any"))


def test_maps_become_objects_of_coco_with_the_same_pixels(tmp_path: Path) -> None:
    labels = RING.copy()
    labels[8, :4], labels[0, 0], labels[0, 2] = 3, 255, 255
    instances = (labels == 1).astype(np.uint16)
    data = read(
        write(
            [pair("a", Layout(label_map=labels, instances=instances))],
            tmp_path / "c",
            format="coco",
            classes=CLASSES,
        )
    )
    layout = data[0].layout
    assert np.array_equal(layout.label_map, labels)
    assert [one.class_id for one in layout.objects] == [1, 3, 255, 255]
    assert 255 in data.classes.ignore and data.classes.ids == CLASSES.ids


def test_category_zero_is_restored(coco: Callable[..., Path], document: dict, tmp_path: Path) -> None:
    document["categories"] = [{"id": 0, "name": "cell"}, {"id": 3, "name": "tube"}]
    data = read(coco(document))
    assert [(info.id, info.name, info.category) for info in data.classes.classes] == [
        (0, "background", None),
        (1, "cell", 0),
        (4, "tube", 3),
    ]
    for format in ("coco", "folder"):
        again = read(write(data, tmp_path / "out" / format, format=format, classes=data.classes))
        assert again.classes == data.classes
        assert difference(again[0], data[0]) is None


def test_train_and_test_lists_are_written(folder: Path, tmp_path: Path) -> None:
    (folder / "train.txt").write_text("\ufeffa.png\n\n", encoding="utf-8")
    (folder / "test.txt").write_text("images/b\n")
    data = read(folder)
    assert (data.train, data.test) == (("a",), ("b",))
    for format in ("folder", "coco"):
        again = read(write(data, tmp_path / format, format=format, classes=data.classes))
        assert (again.train, again.test, again.format) == (data.train, data.test, format)


def test_nothing_is_written_into_the_set_that_is_read(folder: Path) -> None:
    data = read(folder)
    with pytest.raises(InputError, match="lies inside of"):
        write(data, folder / "images" / "out", format="labelme", classes=data.classes)
    assert not list(folder.rglob("*out*"))
    write(data, folder.with_name(f"{folder.name}_out"), format="labelme", classes=data.classes)


@pytest.mark.parametrize("format", HOLDING_LAYOUTS)
def test_images_that_differ_in_their_ending_alone_are_two(format: str, tmp_path: Path) -> None:
    file = {"id": 1, "file_name": "a.png", "width": 12, "height": 9}
    other = {"id": 2, "file_name": "a.jpg", "width": 12, "height": 9}
    one = {"id": 1, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4]}
    document = {"images": [file, other], "annotations": [one], "categories": [{"id": 1, "name": "cell"}]}
    for name in ("a.png", "a.jpg"):
        Image.fromarray(np.zeros((9, 12, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "instances.json").write_text(json.dumps(document))
    data = read(tmp_path)
    assert data.names == ("a.jpg", "a.png") and len(data[0].layout.objects) == 1
    back = read(write(data, tmp_path / "out", format=format, classes=data.classes))
    assert back.names == data.names
    for name in data.names:
        one, other = (
            np.vectorize(some.classes.name_of)(some.load(name).layout.label_map) for some in (back, data)
        )
        np.testing.assert_array_equal(one, other)


def test_names_that_stay_the_same_are_refused_with_both_files() -> None:
    assert names_of(["a/b.png", "c/b.png", "a/b.jpg"], "s") == ["a__b.png", "c__b", "a__b.jpg"]
    with pytest.raises(InputError, match=r"'a/b.png' and 'a__b.png' would have one name"):
        names_of(["a/b.png", "a__b.png", "c/b.png"], "s")
    with pytest.raises(InputError, match=r"1 images are listed twice, first 'a/b.png'"):
        names_of(["a/b.png", "a/b.png"], "s")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    write([pair("a", MAP_LAYOUTS["map only"])], tmp_path / "taken", format="folder", classes=CLASSES)
    before = sorted(tmp_path.rglob("*"))
    rows = [
        ("folder", tmp_path / "taken", ["a"], "not an empty folder"),
        ("folder", tmp_path / "new", ["a", "a"], "two pairs are named"),
        ("coco", tmp_path / "new", ["a", "a"], "two pairs are named"),
        ("coco", tmp_path / "new", ["../a"], "cannot name a pair"),
        ("folder", tmp_path / "new", ["a\x1cb"], "cannot name a pair"),
        ("folder", tmp_path / "new", ["a\x85b"], "control characters"),
        ("folder", tmp_path / "new", [], "no pairs"),
        ("bbbc041", tmp_path / "new", ["a"], "read only"),
        ("xyz", tmp_path / "new", ["a"], "folder or coco"),
    ]
    for format, path, names, words in rows:
        with pytest.raises(InputError, match=words):
            write(
                (pair(name, MAP_LAYOUTS["map only"]) for name in names), path, format=format, classes=CLASSES
            )
        assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(InputError, match=r"no classes: 700"):
        write([pair("a", MAP_LAYOUTS["wide ids"])], tmp_path / "new", format="folder", classes=CLASSES)
    with pytest.raises(InputError, match="COCO's own"):
        write([pair("a", painted(box(0, 0, 1, 1, area=3)))], tmp_path / "new", format="coco", classes=CLASSES)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_first_error_of_a_writer_is_not_lost_when_the_maker_fails_too() -> None:
    def items() -> Iterable[int]:
        yield 1
        while not failed.is_set():
            time.sleep(0.001)
        raise ValueError("the maker's")

    def write_one(item: int) -> None:
        try:
            raise OSError("the disk is full")
        finally:
            failed.set()

    failed = threading.Event()
    with pytest.raises(OSError, match="full"):
        write_each(items(), write_one)


@pytest.mark.parametrize("format", ["folder", "coco"])
def test_pairs_are_taken_a_few_at_a_time(tmp_path: Path, format: str) -> None:
    """However many there are, only a few wait in memory to be written."""
    waiting = []

    def lazily() -> Iterable[AnnotatedImage]:
        for made in range(120):
            waiting.append(made - len(list(tmp_path.rglob("images/[!.]*.png"))))
            yield pair(f"{made}", MAP_LAYOUTS["map only"])

    write(lazily(), tmp_path / "out", format=format, classes=CLASSES)
    assert max(waiting) <= 2 * 8 + 1


def test_the_contract_finds_what_is_broken(tmp_path: Path) -> None:
    pairs = [pair("a", MAP_LAYOUTS["map only"])]

    def cropping(some: Iterable[AnnotatedImage], to: Path, of: ClassSet) -> object:
        blank = [AnnotatedImage(name=p.name, image=p.image * 0, layout=p.layout) for p in some]
        return write(blank, to, format="folder", classes=of)

    def dated(some: Iterable[AnnotatedImage], to: Path, of: ClassSet) -> object:
        write(some, to, format="folder", classes=of)
        (to / "made.txt").write_bytes(os.urandom(8))
        return to

    (tmp_path / "1").mkdir()
    with pytest.raises(ContractError, match="a: image differs"):
        check_format(read, cropping, pairs, CLASSES, tmp_path / "1")
    (tmp_path / "2").mkdir()
    with pytest.raises(ContractError, match=r"two writes differ in made\.txt"):
        check_format(read, dated, pairs, CLASSES, tmp_path / "2")
