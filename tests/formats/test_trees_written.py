"""Label maps in the trees of Cityscapes, ADE20K, COCO-Stuff and nnU-Net: what is written is what their own programs
expect, and comes back.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.formats.samples import RING, SIZE, box, check, outline, painted, pair, shaped

from labelmint.contracts import difference
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.formats.cityscapes import LABELS
from labelmint.formats.files import Parts
from labelmint.formats.painting import paint
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, DataSet, Finding, Layout, LayoutObject

TREES = ("cityscapes", "ade20k", "coco-stuff", "nnunet")
NAMES = ("a b", "Straße.v1.2", "a.png", "x_0001", "ulm_000000_000019", "x_leftImg8bit", "x_seg", "train")


def classes_of(*ids: int, ignore: tuple[int, ...] = (255,), **names: int) -> ClassSet:
    named = {i: f"kind {i}" for i in ids} | {i: name for name, i in names.items()}
    return ClassSet(tuple(ClassInfo(id=i, name=name) for i, name in named.items()), ignore)


def halves(left: int, right: int, dtype: Any = np.uint8) -> Array:
    found = np.full(SIZE, left, dtype=dtype)
    found[:, 6:] = right
    return found


def told_of(data: DataSet | list[AnnotatedImage], format: str, classes: ClassSet, path: Path) -> list[str]:
    told: list[Finding] = []
    write(data, path, format=format, classes=classes, tell=told.append)
    return [one.text.removeprefix(f"the format {format}: ") for one in told]


def named(classes: ClassSet, label_map: Array) -> list[list[str]]:
    found: list[list[str]] = np.vectorize(classes.name_of)(label_map).tolist()
    return found


# What each format holds as it is: classes, and label maps of theirs.
OWN: Mapping[str, tuple[ClassSet, list[Layout]]] = {
    "cityscapes": (
        ClassSet((ClassInfo(id=7, name="road", color=(1, 2, 3)), ClassInfo(id=26, name="car")), (0, 255)),
        [
            Layout(label_map=halves(26, 7), instances=halves(26001, 0, np.uint16)),
            Layout(label_map=RING * 26, instances=RING.astype(np.uint16) * 26000),
            Layout(label_map=RING * 7),
        ],
    ),
    "ade20k": (classes_of(1, 3, 150, ignore=(0, 255)), [Layout(label_map=RING * n) for n in (1, 3, 150)]),
    "coco-stuff": (
        classes_of(0, 91, 181),
        [Layout(label_map=halves(0, 181)), Layout(label_map=halves(91, 255))],
    ),
    "nnunet": (
        classes_of(1, 2, ignore=(3, 255), background=0),
        [Layout(label_map=halves(0, 1)), Layout(label_map=halves(3, 2))],
    ),
}


@pytest.mark.parametrize("format", TREES)
def test_what_a_format_holds_as_it_is_comes_back_to_the_byte(format: str, tmp_path: Path) -> None:
    classes, layouts = OWN[format]
    pairs = [pair(name, layouts[i % len(layouts)], seed=name) for i, name in enumerate(NAMES)]
    check(format, pairs, classes, tmp_path)


@pytest.mark.parametrize("format", TREES)
def test_ids_become_the_numbers_of_a_format_and_names_stay(format: str, tmp_path: Path) -> None:
    classes = ClassSet((*classes_of(0, 1, 3).classes, ClassInfo(id=700, name="far")), (255, 9))
    layouts = [
        Layout(label_map=halves(3, 9)),
        Layout(label_map=halves(700, 0, np.uint16)),
        Layout(label_map=halves(1, 255)),
    ]
    pairs = [pair(name, layout) for name, layout in zip("abc", layouts, strict=True)]
    told = told_of(pairs, format, classes, tmp_path / "out")
    first = 0 if format == "coco-stuff" else 1
    ignored = {"nnunet": 5, "coco-stuff": 255}.get(format, 0)
    anew = "2 classes are numbered anew: kind 0 0 becomes 1, kind 1 1 becomes 2"
    assert told == [
        f"1 images hold pixels to ignore of id 9, which becomes {ignored}",
        anew if first else "1 classes are numbered anew: kind 3 3 becomes 2",
        f"1 classes have ids above 255 and are numbered anew: far 700 becomes {first + 3}",
    ]
    data = read(tmp_path / "out")
    assert data.format == format and data.classes.names == classes.names
    assert data.classes.ids == tuple(range(first, first + 4)) and ignored in data.classes.ignore
    for one in pairs:
        again = data.load(one.name).layout.label_map
        assert again.dtype == np.uint8 and named(data.classes, again) == named(classes, one.layout.label_map)
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert f"| far | {first + 3} | 1 |" in text and f"Ignored in labels: {ignored}." in text
    second = told_of(data, format, data.classes, tmp_path / "again")
    assert second == [] and read(tmp_path / "again").classes == data.classes


@pytest.mark.parametrize("format", TREES)
def test_hundreds_of_classes_are_labels_of_16_bits(format: str, tmp_path: Path) -> None:
    classes = classes_of(*range(300), background=300)
    label_map = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE) + 193
    data = read(
        write([pair("a", Layout(label_map=label_map))], tmp_path / "a", format=format, classes=classes)
    )
    assert named(data.classes, data[0].layout.label_map) == named(classes, label_map)


PARTS: tuple[tuple[str, Parts, Parts], ...] = (  # format, parts that are written, and that come back
    ("cityscapes", Parts(), Parts()),
    ("coco-stuff", Parts(train=("a", "b", "c")), Parts()),
    ("ade20k", Parts(train=("a",), test=("b",)), Parts(train=("a",), test=("b",))),
    ("coco-stuff", Parts(train=("a",), test=("b",)), Parts(train=("a",), test=("b",))),
    ("nnunet", Parts(train=("a",), test=("b",)), Parts(train=("a",), test=("b",))),
    ("ade20k", Parts(test=("a", "b", "c")), Parts(test=("a", "b", "c"))),
    ("nnunet", Parts(test=("a", "b", "c")), Parts(test=("a", "b", "c"))),
    ("cityscapes", Parts(validation=("a",)), Parts(train=("b", "c"), validation=("a",))),
)


@pytest.mark.parametrize(("format", "parts", "expected"), PARTS)
def test_parts_are_those_of_the_tree(format: str, parts: Parts, expected: Parts, tmp_path: Path) -> None:
    classes, layouts = OWN[format]
    pairs = {name: pair(name, layouts[0]) for name in "abc"}
    data = DataSet(source="m", format="m", classes=classes, names=tuple(pairs), load=pairs.__getitem__)
    again = read(write(replace(data, **parts._asdict()), tmp_path / "out", format=format, classes=classes))
    assert Parts(again.train, again.validation, again.test) == expected
    assert again.names == data.names


@pytest.mark.parametrize("format", TREES)
def test_what_cannot_be_written_leaves_nothing(format: str, tmp_path: Path) -> None:
    classes, layouts = OWN[format]
    good = pair("a", layouts[0])
    bad: list[tuple[Iterable[AnnotatedImage], str]] = [
        (
            [good, pair("b", Layout(label_map=halves(200, 7)))],
            r"'b' holds ids that are no classes: \[.*200\]",
        ),
        ([good, pair("b", painted(box(0, 0, 2, 2, class_id=77)))], r"'b' holds ids .*77"),
        ([good, good], "two pairs are named 'a'"),
        ([pair("../a", layouts[0])], "cannot name a pair"),
    ]
    for pairs, words in bad:
        with pytest.raises(InputError, match=words):
            write(pairs, tmp_path / "out", format=format, classes=classes)
    if format in ("cityscapes", "nnunet"):
        with pytest.raises(
            InputError, match=f"--image-format jpg: the format {format} holds png images alone"
        ):
            write([good], tmp_path / "out", format=format, classes=classes, image_format="jpg")
    assert not any(tmp_path.iterdir())


def test_names_of_cityscapes_get_its_ids(tmp_path: Path) -> None:
    """As the set that `datasets prepare cityscapes` makes: its classes counted from 0, all else ignored."""
    classes = classes_of(road=0, car=13)
    pairs = [
        pair("ulm_000000_000019", Layout(label_map=halves(0, 255))),
        pair("b", Layout(label_map=halves(13, 0))),
    ]
    told_of(pairs, "cityscapes", classes, tmp_path / "out")
    folder = tmp_path / "out" / "gtFine" / "train"
    ids = np.array(Image.open(folder / "ulm" / "ulm_000000_000019_gtFine_labelIds.png"))
    assert ids[0, [0, -1]].tolist() == [7, 0] and LABELS[0][0] == "unlabeled"
    assert sorted(one.name for one in (folder / "city").iterdir()) == [
        "b_gtFine_color.png",
        "b_gtFine_labelIds.png",
        "b_gtFine_polygons.json",
    ]
    assert (tmp_path / "out" / "leftImg8bit" / "train" / "city" / "b_leftImg8bit.png").is_file()
    (tmp_path / "out" / "classes.json").unlink()
    data = read(tmp_path / "out")  # as other programs know it
    assert named(data.classes, data.load("b").layout.label_map)[0][::11] == ["car", "road"]


def test_polygons_give_the_label_map_back(tmp_path: Path) -> None:
    classes = classes_of(1, 2, background=0)
    noise = np.random.default_rng(0).integers(0, 3, SIZE).astype(np.uint8)
    layouts = {
        "map": Layout(label_map=noise),
        "instances": Layout(label_map=(noise > 0).astype(np.uint8), instances=noise.astype(np.uint16)),
        "objects": painted(
            box(1, 1, 9, 8),
            outline((2.5, 2, 8, 2, 5, 7), box=(2.5, 2, 8, 7), class_id=2),
            shaped(RING, 2, crowd=True),
        ),
    }
    write([pair(*one) for one in layouts.items()], tmp_path / "out", format="cityscapes", classes=classes)
    for name, layout in layouts.items():
        (file,) = (tmp_path / "out").rglob(f"{name}_gtFine_polygons.json")
        document = json.loads(file.read_text(encoding="utf-8"))
        assert (document["imgHeight"], document["imgWidth"]) == SIZE
        drawn = np.zeros(SIZE, np.uint8)
        for one in document["objects"]:
            flat = tuple(float(n) for point in one["polygon"] for n in point)
            found = LayoutObject(class_id=1, box=(0, 0, 0, 0), polygons=(flat,))
            number = classes.ids[classes.names.index(one["label"].removesuffix("group"))]
            drawn[paint([found], SIZE)[0] == 1] = number
        assert np.array_equal(drawn, layout.label_map), name


def test_instances_of_cityscapes_are_counted_by_class(tmp_path: Path) -> None:
    classes = classes_of(1, 70, background=0)
    label_map = halves(1, 70)
    instances = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) // 4 + 1
    told = told_of(
        [pair("a", Layout(label_map=label_map, instances=instances))], "cityscapes", classes, tmp_path / "o"
    )
    assert told == [
        "1 images have instances that are numbered anew, by class",
        "9 instances hold several classes and become one of each",
        "1 classes are numbered anew: kind 70 70 becomes 2",
    ]
    layout = read(tmp_path / "o")[0].layout
    assert layout.instances is not None and set(np.unique(layout.instances // 1000)) == {1, 2}
    assert len(np.unique(layout.instances)) == len(np.unique(instances)) + 9
    wide = classes_of(*range(80), background=80)
    several = Layout(label_map=halves(79, 3), instances=halves(2, 2))
    told = told_of([pair("a", several)], "cityscapes", wide, tmp_path / "wide")
    assert [one for one in told if "instances" in one] == [
        "1 images have instances that are numbered anew, by class",
        "1 instances hold several classes and become one of each",
        "1 instances are of classes that cannot have any here (0, above 64, ignored), and are lost",
    ]
    many = np.arange(1001 * 2, dtype=np.uint16).reshape(1001, 2) // 2 + 1
    crowded = Layout(label_map=np.ones_like(many, dtype=np.uint8), instances=many)
    with pytest.raises(InputError, match=r"more than 1000 instances of 'kind 1'.*write coco-panoptic"):
        write([pair("a", crowded)], tmp_path / "many", format="cityscapes", classes=classes)


def nnunet(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    return document


def test_dataset_json_is_as_nnunet_wants_it(tmp_path: Path) -> None:
    classes = ClassSet(
        (ClassInfo(id=4, name="Ignore"), ClassInfo(id=9, name="cell"), ClassInfo(id=12, name="Background 2")),
        (255,),
    )
    grey = replace(
        pair("grey", Layout(label_map=halves(4, 12)), note="ü"), image=np.full((*SIZE, 1), 7, np.uint8)
    )
    told = told_of([grey], "nnunet", classes, tmp_path / "grey")
    assert nnunet(tmp_path / "grey") == {
        "channel_names": {"0": "grey"},
        "labels": {"background": 0, "Ignore (1)": 1, "cell": 2},
        "numTraining": 1,
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    assert told == [
        "3 classes are numbered anew: Ignore 4 becomes 1, cell 9 becomes 2, Background 2 12 becomes 0"
    ]
    other = pair("rgb", Layout(label_map=halves(9, 255)))
    told = told_of([grey, other], "nnunet", classes, tmp_path / "both")
    assert told[0] == "1 grey images become RGB of three equal channels, for the set has RGB images"
    assert nnunet(tmp_path / "both")["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    assert nnunet(tmp_path / "both")["labels"]["ignore"] == 3  # the highest
    data = read(tmp_path / "both")
    assert difference(data.load("rgb"), other.with_layout(Layout(label_map=halves(2, 3)))) is None
    assert data.load("grey").image.tolist() == np.full((*SIZE, 3), 7).tolist()
    assert data.load("grey").provenance == {"note": "ü"} and data.classes.names[0] == "Background 2"


def test_folds_say_which_pairs_validate(tmp_path: Path) -> None:
    classes, layouts = OWN["nnunet"]
    pairs = {name: pair(name, layouts[0]) for name in "abc"}
    data = DataSet(
        source="m", format="m", classes=classes, names=tuple(pairs), load=pairs.__getitem__, validation=("b",)
    )
    out = write(data, tmp_path / "out", format="nnunet", classes=classes)
    file = out / "splits_final.json"
    assert json.loads(file.read_text()) == [{"train": ["a", "c"], "val": ["b"]}]
    file.write_text('[{"train": ["a"], "val": ["b"]}, {"train": ["b"], "val": ["a"]}]')
    again = read(out)
    assert (again.train, again.validation) == (("a",), ("b",))
    assert {one.kind for one in again.findings} == {"folds", "in no part"}
    for text in ('{"train": []}', "[]", '[{"train": [1], "val": []}]', '[{"train": ["a"]}]'):
        file.write_text(text)
        with pytest.raises(InputError, match=r"splits_final\.json: expected a list of folds"):
            read(out)


def test_labels_that_would_be_passed_over_are_refused(tmp_path: Path) -> None:
    classes, layouts = OWN["coco-stuff"]
    with pytest.raises(InputError, match="'x_labelTrainIds' cannot name a pair here"):
        write([pair("x_labelTrainIds", layouts[0])], tmp_path / "out", format="coco-stuff", classes=classes)


def test_names_of_classes_stand_in_the_lists_of_the_tree(tmp_path: Path) -> None:
    classes = ClassSet((ClassInfo(id=1, name="a, b\tc"), ClassInfo(id=2, name=" ")), (0, 255))
    pairs = [pair("a", Layout(label_map=halves(1, 0))), pair("b", Layout(label_map=halves(2, 1)))]
    for format, file, lines in (
        ("ade20k", "objectInfo150.txt", ["1\t0.5000\t2\t0\t0\ta, b c", "2\t0.2500\t1\t0\t0\tclass_2"]),
        ("coco-stuff", "labels.txt", ["2: a, b c", "3: class_2"]),
    ):
        out = write(pairs, tmp_path / format, format=format, classes=classes)
        assert (out / file).read_text(encoding="utf-8").splitlines()[1:] == lines
        assert read(out).classes.names == classes.names
        (out / "classes.json").unlink()
        assert read(out).classes.names[1 if format == "coco-stuff" else 0] != classes.names[0]


def camvid(root: Path, path: Path) -> DataSet:
    """Two pairs of a real set."""
    for kind, ending in (("images", "jpg"), ("masks", "png")):
        (path / kind).mkdir(parents=True)
        for name in ("0001TP_006690", "Seq05VD_f04530"):
            shutil.copy(root / "camvid" / kind / f"{name}.{ending}", path / kind)
    return read(path, ignore=(11,))


@pytest.mark.skipif("LABELMINT_DATA" not in os.environ, reason="LABELMINT_DATA names no folder of real sets")
@pytest.mark.parametrize("format", TREES)
def test_real_labels_come_back(format: str, tmp_path: Path) -> None:
    root = Path(os.environ["LABELMINT_DATA"])
    own = {"cityscapes": "cityscapes_dataset/dataset", "ade20k": "ade20k2017_dataset/dataset"}
    sets = [camvid(root, tmp_path / "in"), *([read(root / "formats" / own[format])] if format in own else [])]
    for data in sets:
        out = tmp_path / "out" / data.format
        again = read(write(data, out, format=format, classes=data.classes))
        assert again.names == data.names
        for one, other in zip(data, again, strict=True):
            assert np.array_equal(one.image, other.image)
            assert named(again.classes, other.layout.label_map) == named(data.classes, one.layout.label_map)
            if data.format == format:
                kept = one.layout if format == "cityscapes" else replace(one.layout, instances=None)
                assert again.classes == data.classes and difference(one.with_layout(kept), other) is None
