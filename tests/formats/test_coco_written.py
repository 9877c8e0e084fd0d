"""Written COCO: the ground is kept whatever it is called, parts have files of their own, and other programs agree."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as oracle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from labelmint.contracts import check_format, difference
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.formats.coco_objects import Annotations
from labelmint.formats.painting import objects_from_instances, paint
from labelmint.formats.shapes import counts_of, pixels_of_counts
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

# pycocotools under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def classes(**names: int) -> ClassSet:
    return ClassSet(tuple(ClassInfo(id=i, name=name.replace("_", " ")) for name, i in names.items()))


GROUNDS = {
    "none": classes(road=0, car=1),
    "none, and 255 a class": ClassSet((ClassInfo(id=0, name="road"), ClassInfo(id=255, name="car")), (1,)),
    "capital": classes(Background=0, disc=1, square=2),
    "two": classes(background_FLAIR=0, background_T1Gd=1, tumor=2),
    "not 0": classes(cell=0, background=4),
    "colored": ClassSet((ClassInfo(id=0, name="background", color=(1, 2, 3)), ClassInfo(id=5, name="cell"))),
    "of categories elsewhere": ClassSet(
        (
            ClassInfo(id=0, name="background"),
            ClassInfo(id=1, name="cell", category=0),
            ClassInfo(id=2, name="tube", category=70000),
        )
    ),
    "of a category with another's id": ClassSet(
        (
            ClassInfo(id=0, name="background"),
            ClassInfo(id=1, name="cell", category=0),
            ClassInfo(id=2, name="knot"),
            ClassInfo(id=5, name="disc"),
            ClassInfo(id=6, name="tube", category=5),
        )
    ),
    "of a category": ClassSet(
        (ClassInfo(id=1, name="background", category=7), ClassInfo(id=2, name="cell", category=1))
    ),
}


def pair(name: str, layout: Layout) -> AnnotatedImage:
    return AnnotatedImage(name=name, image=np.full((*layout.size, 3), 7, dtype=np.uint8), layout=layout)


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("shape", [(6, 8), (1, 30)])
def test_every_class_keeps_its_pixels(ground: str, shape: tuple[int, int], tmp_path: Path) -> None:
    """No class is lost or moved because of what the background is, or is not, called."""
    known = GROUNDS[ground]
    ids = np.random.default_rng(3).choice([*known.ids, *known.ignore[-1:]], shape)
    out = write(
        [pair("a", Layout(label_map=ids.astype(np.uint8)))], tmp_path / "out", format="coco", classes=known
    )
    data = read(out)
    assert data.classes.classes == known.classes and data.classes.ground == known.ground
    assert np.array_equal(data[0].layout.label_map, ids)


@pytest.mark.parametrize("ground", GROUNDS)
def test_objects_of_every_class_survive(ground: str, tmp_path: Path) -> None:
    known = GROUNDS[ground]
    objects = tuple(LayoutObject(class_id=i, box=(n, n, n + 2.5, n + 2)) for n, i in enumerate(known.ids))
    fill = known.ground if known.ground is not None else 1 if 255 in known.ids else 255
    maps = paint(objects, (6, 8), fill)
    layouts = {
        "some": Layout(label_map=maps[0], instances=maps[1], objects=objects),
        "empty": Layout(
            label_map=np.full((6, 8), fill, dtype=np.uint8), instances=np.zeros((6, 8), np.uint16)
        ),
    }
    if known.ground is None:  # where each pixel is of a class, an empty pair has objects over all of it
        del layouts["empty"]
    pairs = [pair(name, layout) for name, layout in layouts.items()]
    check_format(
        read, lambda some, to, of: write(some, to, format="coco", classes=of), pairs, known, tmp_path
    )


def in_parts(*parts: tuple[str, ...] | None) -> DataSet:
    layouts = [Layout(label_map=np.eye(4, 5, i, dtype=np.uint8)) for i in range(4)]
    pairs = {name: pair(name, layout) for name, layout in zip("abcd", layouts, strict=True)}
    train, validation, test = parts
    return DataSet(
        source="x",
        format="x",
        classes=classes(background=0, line=1),
        names=("a", "b", "c", "d"),
        load=pairs.__getitem__,
        train=train,
        validation=validation,
        test=test,
    )


@pytest.mark.parametrize(
    ("parts", "files"),
    [
        ((None, None, None), ["instances.json"]),
        ((("a", "b", "c", "d"), None, None), ["instances.json", "train.txt"]),
        ((None, None, ("d",)), ["instances.json", "test.txt"]),
        ((("a", "b"), ("c",), ("d",)), [f"annotations/instances_{p}.json" for p in ("test", "train", "val")]),
        (
            (("a",), None, ("d",)),
            [f"annotations/instances_{part}.json" for part in ("rest", "test", "train")],
        ),
    ],
)
def test_parts_are_written_and_read(parts: Any, files: list[str], tmp_path: Path) -> None:
    data = in_parts(*parts)
    out = write(data, tmp_path / "out", format="coco", classes=data.classes)
    written = [path for path in out.rglob("*") if path.suffix in (".json", ".txt")]
    assert sorted({str(path.relative_to(out)) for path in written} - {"croissant.json"}) == files
    again = read(out)
    assert (again.train, again.validation, again.test) == parts and again.names == data.names
    assert {one.kind for one in again.findings} <= {"in no part"}
    maps = zip(again, data, strict=True)
    assert all(np.array_equal(a.layout.label_map, b.layout.label_map) for a, b in maps)


def test_each_part_stands_alone_as_trainers_read_it(tmp_path: Path) -> None:
    data = in_parts(("a", "b"), ("c",), ("d",))
    out = write(data, tmp_path / "out", format="coco", classes=data.classes)
    for part, names in (("train", "ab"), ("val", "c"), ("test", "d")):
        document = json.loads((out / "annotations" / f"instances_{part}.json").read_text())
        assert [image["file_name"] for image in document["images"]] == [f"{name}.png" for name in names]
        assert all((out / "images" / part / f"{name}.png").is_file() for name in names)
        assert document["categories"] == [{"id": 1, "name": "line"}]
        assert {one["image_id"] for one in document["annotations"]} == {
            image["id"] for image in document["images"]
        }


def test_lists_beside_a_json_are_still_read(tmp_path: Path) -> None:
    data = in_parts(None, None, None)
    out = write(data, tmp_path / "out", format="coco", classes=data.classes)
    (out / "val.txt").write_text("b\n")
    assert read(out).validation == ("b",)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_what_is_written_scores_perfectly_against_itself(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    polygon = LayoutObject(
        class_id=1, box=(20, 2, 30, 12), polygons=((20, 2, 30, 2, 25, 12), (21.5, 9, 29, 9, 29, 12))
    )
    pairs = []
    for name in "abc":
        blocks = np.kron(rng.integers(0, 3, (3, 4)), np.ones((6, 8), dtype=int)).astype(np.uint8)
        objects = (*objects_from_instances(blocks), polygon)
        label_map, instances = paint(objects, blocks.shape)
        pairs.append(pair(name, Layout(label_map=label_map, instances=instances, objects=objects)))
    out = write(pairs, tmp_path / "out", format="coco", classes=classes(background=0, disc=1, square=2))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(out / "instances.json"))
        found = truth.loadRes([one | {"score": 1.0} for one in truth.loadAnns(truth.getAnnIds())])
        judge = COCOeval(truth, found, kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert judge.stats[0] == pytest.approx(1.0)


run = st.text(alphabet=[chr(code) for code in (*range(46, 114), 200)], max_size=9)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(run | st.lists(st.integers(0, 40), min_size=1, max_size=7).map(tuple), max_size=6))
def test_many_run_lengths_are_summed_as_each_alone(texts: list[Any]) -> None:
    """Text that is no run lengths spoils none beside it."""
    texts = [
        one
        if isinstance(one, str)
        else oracle.frPyObjects({"size": [1, sum(one)], "counts": list(one)}, 1, sum(one))["counts"].decode()
        for one in texts
    ]
    slow = [counts_of(text) if text else None for text in texts]
    expected = [-1 if one is None or min(one) < 0 or max(one) > 1 << 31 else sum(one) for one in slow]
    assert pixels_of_counts(texts).tolist() == expected


number = st.sampled_from(
    [0, 1, 2.5, 6, 8, 9.5, 12, -1, -3, float("nan"), float("inf"), 10**400, True, "1", None]
)
annotation = st.fixed_dictionaries(
    {},
    optional={
        "image_id": st.sampled_from([1, 1, 1, 2, 1.0, "1", 7, None]),
        "category_id": st.sampled_from([3, 3, 3, 3.0, "3", 4]),
        "bbox": st.lists(number, min_size=4, max_size=4)
        | st.sampled_from([[0, 1, 2, 3], [0, 0, 8, 6], [], 3]),
        "segmentation": st.lists(st.lists(number, min_size=6, max_size=8), max_size=2)
        | st.sampled_from(
            [[[0, 0, 3, 0, 3, 3]], [], {"size": [6, 8], "counts": "`1"}, {"size": [6, 8]}, "x"]
        ),
        "iscrowd": st.sampled_from([0, 0, 1, 2]),
        "score": st.just(0.5),
    },
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(annotation, max_size=6))
def test_annotations_read_together_are_as_each_alone(annotations: list[dict[str, Any]]) -> None:
    errors: list[str] = []
    reader = Annotations(
        sizes={1: (6, 8), 2: (6, 8)},
        ids={3: 5},
        ignored=255,
        listed=frozenset({1, 2}),
        source="x.json",
        about=str,
        refuse=lambda error, image_id: errors.append(str(error)),
    )
    together = reader.objects(list(annotations))
    said, alone = list(errors), dict[Any, list[LayoutObject]]({1: [], 2: []})
    errors.clear()
    for one in annotations:
        reader._alone(one, alone)
    assert together == alone and said == errors


def test_huge_numbers_are_no_traceback(tmp_path: Path) -> None:
    data = in_parts(None, None, None)
    out = write(data, tmp_path / "out", format="coco", classes=data.classes)
    text = (out / "instances.json").read_text()
    for number in ("1e999", "9" * 400, "-1", '"x"', "null", "[]"):
        (out / "instances.json").write_text(text.replace('"width": 5', f'"width": {number}'))
        with pytest.raises(InputError, match="width"):
            read(out)


def test_reading_and_writing_again_changes_nothing(tmp_path: Path) -> None:
    """From maps the objects are made once; from then on they stay."""
    data = in_parts(("a", "b"), None, ("c", "d"))
    once = read(write(data, tmp_path / "once", format="coco", classes=data.classes))
    twice = read(write(once, tmp_path / "twice", format="coco", classes=once.classes))
    assert [difference(a, b) for a, b in zip(once, twice, strict=True)] == [None] * 4
    files = sorted(
        path.relative_to(tmp_path / "once")
        for path in (tmp_path / "once").rglob("*.*")
        if path.name not in ("README.md", "croissant.json")  # which say what was made of maps
    )
    assert len(files) > 4
    assert all((tmp_path / "once" / f).read_bytes() == (tmp_path / "twice" / f).read_bytes() for f in files)
