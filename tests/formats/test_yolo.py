"""Laws of YOLO: every layout is read, what is written is what ultralytics takes and comes back, and each bad label is
told.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats import FORMATS, read, write
from labelmint.formats.painting import objects_from_instances, paint
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Finding, Layout, LayoutObject

SIZE = (20, 40)
BOX, OTHER = "0 0.5 0.5 0.5 0.2\n", "1 0.25 0.5 0.5 1"  # (10, 8, 30, 12) and (0, 0, 20, 20)
EDGES = [(1, (10.0, 8.0, 30.0, 12.0)), (2, (0.0, 0.0, 20.0, 20.0))]
CLASSES = ClassSet(
    (
        ClassInfo(id=0, name="background"),
        ClassInfo(id=1, name="cell", category=0),
        ClassInfo(id=2, name="Röhre", category=1),
    )
)


def image(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.stem)).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def fill(path: Path, **texts: str) -> Path:
    """A folder of files by path, "__" for "/" and "_X" for ".X"; images are made where "IMAGE" stands for the text."""
    for name, text in texts.items():
        file = path / re.sub(r"_(txt|png|yaml|data|names|labels)$", r".\1", name.replace("__", "/"))
        file.parent.mkdir(parents=True, exist_ok=True)
        if text == "IMAGE":
            image(file)
        else:
            file.write_text(text, encoding="utf-8")
    return path


def objects(data: DataSet) -> dict[str, list[tuple[int, tuple[float, ...]]]]:
    return {pair.name: [(one.class_id, one.box) for one in pair.layout.objects] for pair in data}


def one(path: Path, label: str, **texts: str) -> Path:
    """A set of one image of 20 x 40 pixels with this label, and two classes."""
    return fill(path, images__a_png="IMAGE", labels__a_txt=label, classes_txt="cell\ntube\n", **texts)


SPLIT = {"images__train__a_png": "IMAGE", "images__val__b_png": "IMAGE"}
NAMES = "names: [cell, tube]\n"
LAYOUTS: dict[str, dict[str, str]] = {
    "ultralytics": SPLIT
    | {
        "labels__train__a_txt": BOX,
        "labels__val__b_txt": OTHER,
        "data_yaml": "path: ../datasets/x\ntrain: images/train\nval: [images/val]\nnames: {0: cell, 1: tube}",
    },
    "an absolute root": SPLIT
    | {
        "labels__train__a_txt": BOX,
        "labels__val__b_txt": OTHER,
        "coco_yaml": "path: /home/train/x\ntrain: images/train\nvalidation: images/val\n" + NAMES,
    },
    "Roboflow": {
        "train__images__a_png": "IMAGE",
        "valid__images__b_png": "IMAGE",
        "train__labels__a_txt": BOX,
        "valid__labels__b_txt": OTHER,
        "data_yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\n" + NAMES,
    },
    "Windows": {
        "train__images__a_png": "IMAGE",
        "val__images__b_png": "IMAGE",
        "train__labels__a_txt": BOX,
        "val__labels__b_txt": OTHER,
        "data_yaml": "train: D:\\sets\\x\\train\\images\nval: D:\\sets\\x\\valid\\images\n" + NAMES,
    },
    "lists": {
        "images__a_png": "IMAGE",
        "images__b_png": "IMAGE",
        "labels__a_txt": BOX,
        "labels__b_txt": OTHER,
        "data_yaml": "train: train.txt\nval: val.txt\n" + NAMES,
        "train_txt": "./images/a.png\n",
        "val_txt": "/elsewhere/x/images/b.png\n",
    },
    "darknet": {
        "obj_train_data__a_png": "IMAGE",
        "obj_train_data__a_txt": BOX,
        "obj_valid_data__b_png": "IMAGE",
        "obj_valid_data__b_txt": OTHER,
        "obj_data": "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n",
        "train_txt": "data/obj_train_data/a.png\n",
        "valid_txt": "data/obj_valid_data/b.png\n",
        "obj_names": "cell\ntube\n",
    },
    "folders alone": SPLIT
    | {"labels__train__a_txt": BOX, "labels__val__b_txt": OTHER, "obj_names": "cell\ntube\n\n"},
    "beside, with lists of names": {
        "a_png": "IMAGE",
        "b_png": "IMAGE",
        "a_txt": BOX,
        "b_txt": OTHER,
        "classes_txt": "cell\ntube",
        "train_txt": "a\n",
        "val_txt": "b.png\n",
    },
    "Images and Annotations": {
        "Images__a_png": "IMAGE",
        "Images__b_png": "IMAGE",
        "Annotations__a_txt": BOX,
        "Annotations__b_txt": OTHER,
        "_darknet_labels": "cell\ntube",
        "train_txt": "a\n",
        "valid_txt": "b\n",
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read(name: str, tmp_path: Path) -> None:
    data = read(fill(tmp_path, **LAYOUTS[name]))
    assert data.format == "yolo" and objects(data) == {"a": EDGES[:1], "b": EDGES[1:]}
    assert (data.train, data.validation, data.test) == (("a",), ("b",), None)
    assert data.classes.names == ("background", "cell", "tube")
    assert [info.category for info in data.classes.classes] == [None, 0, 1]
    assert data[0].layout.label_map[9, 15] == 1 and data.layout("a").label_map.sum() == 80


def test_loose_files_have_numbered_classes_and_no_parts(tmp_path: Path) -> None:
    data = read(
        fill(tmp_path, a_png="IMAGE", a_txt=BOX, b_png="IMAGE", b_txt="2 0.25 0.5 0.5 1", c_png="IMAGE")
    )
    assert data.classes.names == ("background", "class_0", "class_1", "class_2")
    assert objects(data) == {"a": EDGES[:1], "b": [(3, EDGES[1][1])], "c": []}
    assert (data.train, data.validation, data.test) == (None, None, None)
    assert [finding.kind for finding in data.findings] == ["without label", "classes without names"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("names: [no, 010]", ("background", "no", "010")),
        ("names:\n  1: b\n  0: a", ("background", "a", "b")),
        ("nc: 3", ("background", "cell", "tube", "class_2")),
        ("names: [background, cell]", ("background", "cell")),
    ],
)
def test_names_are_the_text_that_they_are(names: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    last = len(expected) - (1 if "background" in names else 2)
    data = read(one(tmp_path, f"{last}{BOX[1:]}", data_yaml=f"train: images\nval: images\n{names}\n"))
    assert data.classes.names == expected
    assert data[0].layout.objects[0].class_id == data.classes.ids[-1]
    assert data.train is None and data.validation is None


def test_lists_of_names_that_data_yaml_overrules_are_told(tmp_path: Path) -> None:
    """Those that end early, or leave lines empty, contradict nothing."""
    for number, (names, told) in enumerate((("cell, tube, x", 0), ("tube, cell", 1), ("cell", 1))):
        data = read(
            one(tmp_path / str(number), BOX, data_yaml=f"train: images\nval: images\nnames: [{names}]\n")
        )
        assert data.classes.names[1:] == tuple(names.split(", "))
        assert [finding.kind for finding in data.findings] == ["other names"] * told
        assert all("classes.txt" in finding.text for finding in data.findings)


def test_outlines_oriented_boxes_confidences_and_keypoints(tmp_path: Path) -> None:
    label = "0 0.1 0.1 0.9 0.1 0.5 0.9\n1 0.1 0.5 0.3 0.25 0.5 0.5 0.3 0.75\n1 0.5 0.5 0.5 0.2 0.875\n"
    outline, oriented, sure = read(one(tmp_path / "a", label))[0].layout.objects
    assert outline.polygons == ((4, 2, 36, 2, 20, 18),) and outline.box == (4, 2, 36, 18)
    assert oriented.polygons == ((4, 10, 12, 5, 20, 10, 12, 15),)
    assert sure.polygons is None and sure.attributes == {"confidence": 0.875} and sure.box == EDGES[0][1]
    config = f"train: images\nval: images\nkpt_shape: [2, 3]\n{NAMES}"
    label = BOX.strip() + " 0.25 0.5 2 0 0 0\n" + OTHER
    posed, box = read(one(tmp_path / "b", label, data_yaml=config))[0].layout.objects
    assert posed.attributes == {"keypoints": [10, 10, 2, 0, 0, 0]} and posed.box == EDGES[0][1]
    assert box.attributes == {}


BAD: dict[str, list[str]] = {
    "0 0.5 0.5 0.5": ["line 1", "3 numbers", "4 of a box"],
    "0 0.1 0.1 0.2 0.2 0.3 0.3 0.9": ["7 numbers", "three points"],
    "0 0.5 0.5 nan 0.5": ["not finite"],
    "0 0.5 0.5 1e999 0.5": ["not finite"],
    "0,0.5,0.5,0.5,0.5": ["'0,0.5,0.5,0.5,0.5'", "blanks between"],
    "cell 0.5 0.5 0.5 0.5": ["'cell 0.5", "class cx cy w h"],
    "0.5 0.5 0.5 0.5 0.5": ["begins with '0.5'", "number of a class"],
    "-1 0.5 0.5 0.5 0.5": ["begins with '-1'"],
    "7 0.5 0.5 0.5 0.5": ["class 7", "2 classes are named, up to 1", "add its name"],
    "99999 0.5 0.5 0.5 0.5": ["begins with '99999'"],
    "\n0 20 10 20 4": ["line 2", "20", "outside its image of 20x40", "divide pixels"],
    "0 0.5 0.5 -0.5 0.2": ["negative size"],
    "0 0.1 0.1 1.2 0.1 0.5 0.9": ["1.2", "outside", "from 0 to 1"],
}


@pytest.mark.parametrize("label", BAD)
def test_bad_labels_are_told_in_one_line(label: str, tmp_path: Path) -> None:
    path = one(tmp_path, label + "\n" + BOX)
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "labels/a.txt" in message and "\n" not in message
    assert not [word for word in BAD[label] if word not in message], message
    data = read(path, strict=False)
    assert objects(data) == {"a": EDGES[:1]}
    assert [finding.kind for finding in data.findings] == ["bad label"]


def test_boxes_over_the_border_are_cut_and_told_where_that_is_more_than_rounding(tmp_path: Path) -> None:
    data = read(one(tmp_path, "0 0.01 0.5 0.2 0.2\n0 0.04 0.5 0.1 0.2\n0 0.0499995 0.5 0.1 0.2"))
    assert [box[0] for _, box in objects(data)["a"]] == [0, -0.4, -2e-05]
    (finding,) = data.findings
    assert finding.kind == "over the border" and "1 boxes" in finding.text and finding.names == ("a",)


SETS: dict[str, tuple[dict[str, str], list[str]]] = {
    "two labels": ({"images__a_txt": OTHER}, ["labels/a.txt", "images/a.txt", "differ"]),
    "two lists of names": ({"labels__classes_txt": "tube\ncell"}, ["name the classes differently"]),
    "listed but missing": ({"train_txt": "a\nz.png"}, ["train.txt", "1 images", "'z.png'"]),
    "broken YAML": ({"data_yaml": "train: [\nnames: [a]"}, ["data.yaml", "broken YAML"]),
    "names of another form": (
        {"data_yaml": "train: images\nnames: {a: b}"},
        ["data.yaml", "different numbers"],
    ),
    "nested names": ({"data_yaml": "train: images\nnames: [[a]]"}, ["data.yaml", "list the classes"]),
    "paths of another form": ({"data_yaml": "train: {a: b}\nnames: [a]"}, ['"train"', "list of folders"]),
    "several YAML": (
        {"a_yaml": "train: x\nnames: [a]", "b_yaml": "train: x\nnames: [a]"},
        ["2 YOLO files", "a.yaml, ", "pass the path"],
    ),
    "no names": (
        {"obj_data": "train = train.txt\nnames = data/other.names", "train_txt": "a"},
        ["data/other.names", "not there"],
    ),
}


@pytest.mark.parametrize("case", SETS)
def test_bad_sets_are_told_in_one_line(case: str, tmp_path: Path) -> None:
    texts, words = SETS[case]
    with pytest.raises(InputError) as caught:
        read(one(tmp_path, BOX, **texts))
    assert "\n" not in str(caught.value)
    assert not [word for word in words if word not in str(caught.value)], str(caught.value)


def test_nothing_outside_the_folder_is_read_and_what_is_not_read_is_told(tmp_path: Path) -> None:
    fill(tmp_path, images__secret_png="IMAGE", labels__secret_txt=BOX)
    texts = {
        "data_yaml": f"train: ../images\nval: {tmp_path}/images/secret.png\n{NAMES}",
        "preview_png": "IMAGE",
    }
    path = one(tmp_path / "set", BOX, labels__b_txt=BOX, **texts)
    (path / "loop").symlink_to(path, target_is_directory=True)
    data = read(path)
    assert data.names == ("a",)
    assert [finding.kind for finding in data.findings] == [
        "part missing",
        "other files",
        "label without image",
    ]
    with pytest.raises(InputError, match=r"classes\.txt: neither a data\.yaml"):
        read(path / "classes.txt", format="yolo")
    assert read(path / "data.yaml").names == ("a",)


def test_a_part_that_is_missing_is_not_read_from_elsewhere(tmp_path: Path) -> None:
    data = read(one(tmp_path, BOX, data_yaml=f"train: images\nval: ../valid/images\n{NAMES}"))
    assert (data.train, data.validation) == (("a",), None)
    assert [finding.names for finding in data.findings] == [("../valid/images",)]


def test_images_that_share_a_name_are_told_apart_and_accents_pair(tmp_path: Path) -> None:
    path = fill(tmp_path, train__images__a_png="IMAGE", val__images__a_png="IMAGE")
    fill(path, train__labels__a_txt=BOX, val__labels__a_txt=OTHER)
    data = read(path)
    assert objects(data) == {"train__a": EDGES[:1], "val__a": EDGES[1:]} and data.train == ("train__a",)
    image(path / "val" / "images" / "ze\u0301.png")
    (path / "val" / "labels" / "z\u00e9.txt").write_text(OTHER)
    assert objects(read(path))["val__ze\u0301"] == EDGES[1:]


@pytest.mark.parametrize(
    "texts",
    [
        {"images__a_png": "IMAGE", "labels__a_txt": "Car 0.00 0 1.8 587 173 614 200\n"},
        {"images__a_png": "IMAGE", "labels__a_txt": "10,20,30,40,word\n"},
        {"one__images__a_png": "IMAGE", "one__labels__a_txt": BOX},
        {"images__a_png": "IMAGE", "train_txt": "a\n"},
        {"images__a_png": "IMAGE", "labels__a_txt": ""},
    ],
)
def test_other_folders_are_not_claimed(texts: dict[str, str], tmp_path: Path) -> None:
    assert not FORMATS["yolo"].recognizes(fill(tmp_path, **texts))


# writing


def pair(name: str, *objects: LayoutObject, size: tuple[int, int] = SIZE) -> AnnotatedImage:
    label_map, instances = paint(objects, size)
    pixels = np.full((*size, 3), len(name), dtype=np.uint8)
    layout = Layout(label_map=label_map, instances=instances, objects=objects)
    return AnnotatedImage(name=name, image=pixels, layout=layout)


def box(*edges: float, class_id: int = 1, crowd: bool = False) -> LayoutObject:
    x0, y0, x1, y1 = edges
    return LayoutObject(class_id=class_id, box=(x0, y0, x1, y1), crowd=crowd)


def polygons(*outlines: tuple[float, ...], class_id: int = 1) -> LayoutObject:
    xs, ys = [x for one in outlines for x in one[::2]], [y for one in outlines for y in one[1::2]]
    return LayoutObject(class_id=class_id, box=(min(xs), min(ys), max(xs), max(ys)), polygons=outlines)


def masked(mask: np.ndarray, class_id: int = 1) -> LayoutObject:
    (found,) = objects_from_instances(mask.astype(np.uint8) * class_id, mask.astype(np.uint16))
    return found


def save(pairs: list[AnnotatedImage] | DataSet, path: Path, classes: ClassSet = CLASSES) -> list[Finding]:
    told: list[Finding] = []
    write(pairs, path, format="yolo", classes=classes, tell=told.append)
    return told


def rows(path: Path) -> list[list[float]]:
    return [
        list(map(float, line.split()))
        for file in sorted((path / "labels").rglob("*.txt"))
        for line in file.read_text().splitlines()
    ]
