"""Formats whose labels are image files, in the trees of known data sets: what is read, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats import FORMATS, read, write
from labelmint.formats.cityscapes import EVALUATED
from labelmint.formats.coco_stuff import NAMES
from labelmint.formats.files import Parts
from labelmint.formats.maps import MapLoader
from labelmint.types import Array, DataSet

SIZE = (4, 6)


def save(path: Path, values: Any = 0) -> None:
    """An image of one value, or an array as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = values if isinstance(values, np.ndarray) else np.full(SIZE, values, dtype=np.uint8)
    Image.fromarray(array).save(path)


def photo(path: Path) -> None:
    save(path, np.arange(SIZE[0] * SIZE[1] * 3, dtype=np.uint8).reshape(*SIZE, 3))


def halves(left: Any, right: Any, dtype: type = np.uint8) -> Array:
    """A picture of one value on the left and another on the right; values may be colors."""
    picture = np.zeros((*SIZE, *np.shape(left)), dtype=dtype)
    picture[:, :3], picture[:, 3:] = left, right
    return picture


def cityscapes(path: Path) -> None:
    for part, city in (("train", "aachen"), ("val", "ulm")):
        photo(path / "leftImg8bit" / part / city / f"{city}_000000_000019_leftImg8bit.png")
        start = path / "gtFine" / part / city / f"{city}_000000_000019_gtFine_"
        save(Path(f"{start}labelIds.png"), halves(26, 7))
        save(Path(f"{start}instanceIds.png"), halves(26001, 7, np.uint16))
        save(Path(f"{start}color.png"), halves((0, 0, 142), (128, 64, 128)))


def ade20k(path: Path) -> None:
    for part, name in (("training", "ADE_train_00000001"), ("validation", "ADE_val_00000001")):
        photo(path / "images" / part / f"{name}.jpg")
        save(path / "annotations" / part / f"{name}.png", halves(0, 150))
    (path / "objectInfo150.txt").write_text(
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n150\t0\t1\t1\t0\tflag, banner\n"
    )


def ade20k_full(path: Path) -> None:
    """Blue values stand for objects by their rank."""
    for place, blues in (("training/a/abbey/x", (40, 90)), ("validation/y", (0, 7))):
        photo(path / f"{place}.jpg")
        save(path / f"{place}_seg.png", halves((1, 2, blues[0]), (3, 4, blues[1])))
        rows = [
            '001 # 0 # 0 # sky # sky # ""',
            '002 # 0 # 0 # person, individual # man # ""',
            '001 # 1 # 0 # rim # rim # ""',
        ]
        (path / f"{place}_atr.txt").write_text("\n".join(rows))
    save(path / "training/a/abbey/x_parts_1.png", halves((0, 0, 0), (0, 0, 1)))


def coco_stuff(path: Path) -> None:
    for part, name in (("train2017", "000000000009"), ("val2017", "000000000139")):
        photo(path / "images" / part / f"{name}.jpg")
        save(path / "stuffthingmaps" / part / f"{name}.png", halves(0, 255))
        save(path / "stuffthingmaps" / part / f"{name}_labelTrainIds.png", halves(99, 99))


def nnunet(path: Path, labels: Any = None, ending: str = ".png") -> None:
    for name in ("case_1", "case_2"):
        for channel in range(3):
            save(path / "imagesTr" / f"{name}_000{channel}{ending}", 10 * channel)
        save(path / "labelsTr" / f"{name}{ending}", halves(1, 2))
    document = {
        "channel_names": {"0": "r", "1": "g", "2": "b"},
        "labels": labels or {"background": 0, "cell": 1, "ignore": 2},
        "numTraining": 2,
        "file_ending": ending,
    }
    (path / "dataset.json").write_text(json.dumps(document))


def camvid(path: Path) -> None:
    for part in ("train", "val"):
        photo(path / part / f"{part}1.png")
        save(path / f"{part}annot" / f"{part}1.png", halves((128, 64, 128), (0, 0, 0)))


def common(path: Path) -> None:
    photo(path / "images" / "a.png")
    save(path / "masks" / "a.png", halves((1, 2, 3), (4, 5, 6)))
    meta = {"label_map": {"0": "Void", "5": "Road"}, "segmentation_colors": [[1, 2, 3], [4, 5, 6]]}
    (path / "dataset_meta.json").write_text(json.dumps(meta))


def kitti(path: Path) -> None:
    photo(path / "training" / "image_2" / "a.png")
    save(path / "training" / "instance" / "a.png", halves(26 * 256 + 1, 7 * 256, np.uint16))


def synthia(path: Path) -> None:
    photo(path / "RGB" / "a.png")
    save(path / "GT" / "a.png", halves((128, 64, 128), (0, 172, 0)))


Seen = tuple[tuple[str | None, str | None], tuple[int, int] | None, str]
# what makes it; its format; names and instances left and right (None: ignored, none); the part of each pair
TREES: dict[str, tuple[Callable[[Path], None], str, Seen]] = {
    "cityscapes": (cityscapes, "cityscapes", (("car", "road"), (26001, 0), "train validation")),
    "ade20k": (ade20k, "ade20k", ((None, "flag"), None, "train validation")),
    "ade20k full": (ade20k_full, "ade20k", (("sky", "person"), (1, 2), "train validation")),
    "coco-stuff": (coco_stuff, "coco-stuff", (("person", None), None, "train validation")),
    "nnunet": (nnunet, "nnunet", (("cell", None), None, "none none")),
    "camvid": (camvid, "camvid", (("Road", "Void"), None, "train validation")),
    "common": (common, "common-segmentation", (("Void", "Road"), None, "none")),
    "kitti": (kitti, "kitti-segmentation", (("car", "road"), (26 * 256 + 1, 0), "none")),
    "synthia": (synthia, "synthia", (("Road", "Lanemarking"), None, "none")),
}


def look(data: DataSet) -> Seen:
    layout = data[0].layout
    assert all(
        (layout.label_map[:, half] == layout.label_map[0, half][0]).all()
        for half in (slice(0, 3), slice(3, 6))
    )
    known = {info.id: info.name for info in data.classes.classes}
    left, right = int(layout.label_map[0, 0]), int(layout.label_map[0, 5])
    assert {left, right} <= {*known, *data.classes.ignore}
    instances = (
        None if layout.instances is None else (int(layout.instances[0, 0]), int(layout.instances[0, 5]))
    )
    part_of = Parts(data.train, data.validation, data.test).of_each()
    parts = " ".join(part_of.get(name, "none") for name in data.names)
    return (known.get(left), known.get(right)), instances, parts


@pytest.mark.parametrize("name", TREES)
def test_trees_are_found_and_read(name: str, tmp_path: Path) -> None:
    make, format, seen = TREES[name]
    make(tmp_path)
    data = read(tmp_path)
    assert data.format == format
    assert look(data) == seen
    fitting = [one for one in FORMATS if FORMATS[one].recognizes(tmp_path)]
    assert fitting[0] == format
    assert set(fitting) <= {format, "folder", "beside"}  # which are looser


@pytest.mark.parametrize("name", TREES)
def test_trees_survive_as_a_folder(name: str, tmp_path: Path) -> None:
    TREES[name][0](tmp_path / "in")
    data = read(tmp_path / "in")
    again = read(write(data, tmp_path / "out", format="folder", classes=data.classes))
    assert again.classes == data.classes
    for one, other in zip(data, again, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.layout.label_map, other.layout.label_map)


@pytest.mark.parametrize("name", TREES)
def test_images_without_labels_are_said_and_labels_without_images_refused(name: str, tmp_path: Path) -> None:
    TREES[name][0](tmp_path)
    first = read(tmp_path)
    assert isinstance(first.load, MapLoader)
    files = first.load.files[first.names[0]]
    for image in files.images or (files.image,):
        image.with_name(image.name.replace(first.names[0], "more")).write_bytes(image.read_bytes())
    data = read(tmp_path)
    assert data.names == first.names
    assert "image without label" in {finding.kind for finding in data.findings}
    for image in files.images or (files.image,):
        image.unlink()
    with pytest.raises(InputError, match=r"label without image|no image has a label"):
        read(tmp_path)
    if len(first.names) > 1:
        assert read(tmp_path, strict=False).names == first.names[1:]


def test_instance_ids_alone_and_label_ids_alone_are_enough(tmp_path: Path) -> None:
    cityscapes(tmp_path)
    for file in tmp_path.rglob("*_labelIds.png"):
        file.unlink()
    assert look(read(tmp_path)) == TREES["cityscapes"][2]
    cityscapes(tmp_path)
    for file in tmp_path.rglob("*_instanceIds.png"):
        file.unlink()
    data = read(tmp_path, ignore=(7,))
    assert data[0].layout.instances is None and data.classes.ignore == (7, 255)
    assert len(data.classes) == 33 and len(EVALUATED) == 19
    for file in tmp_path.rglob("*_labelIds.png"):
        save(file, 77)
    with pytest.raises(InputError, match=r"77 \(24 pixels\); Cityscapes has 0 to 33, or pass --ignore 77"):
        read(tmp_path)[0]


def test_parts_of_objects_are_said_to_be_left_out(tmp_path: Path) -> None:
    ade20k_full(tmp_path)
    told = read(tmp_path, format="ade20k").findings
    assert [(one.kind, one.names) for one in told] == [("parts of objects", ("training/a/abbey/x",))]
    (tmp_path / "validation/y_atr.txt").write_text('001 # 0 # 0 # sky # sky # ""')
    save(tmp_path / "validation/y_seg.png", halves((0, 0, 1), (0, 0, 2)))
    with pytest.raises(InputError, match=r"y_seg\.png: holds object 2"):
        read(tmp_path)[1]
    (tmp_path / "validation/y_atr.txt").write_text("001 # x\n")
    with pytest.raises(InputError, match=r"y_atr\.txt: the line '001 # x'"):
        read(tmp_path)


def test_labels_txt_names_pixel_values(tmp_path: Path) -> None:
    assert (len(NAMES), NAMES[0], NAMES[90], NAMES[181]) == (182, "person", "hair brush", "wood")
    coco_stuff(tmp_path)
    (tmp_path / "labels.txt").write_text("0: unlabeled\n1: someone\n2: bike\n")
    assert read(tmp_path).classes.names == ("someone", "bike")
    (tmp_path / "labels.txt").write_text("0: someone\n")
    assert look(read(tmp_path))[0] == ("someone", None)
    (tmp_path / "labels.txt").write_text("one\n")
    with pytest.raises(InputError, match=r"labels\.txt: the line 'one'"):
        read(tmp_path)


def test_three_grey_channels_are_one_image(tmp_path: Path) -> None:
    nnunet(tmp_path, ending=".tif")
    assert read(tmp_path)[0].image[0, 0].tolist() == [0, 10, 20]
    save(tmp_path / "imagesTr" / "case_1_0001.tif", np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(InputError, match="must be grey and of one size"):
        read(tmp_path)[0]


def test_one_file_is_one_image_and_ts_is_the_test_part(tmp_path: Path) -> None:
    nnunet(tmp_path, labels={"0": "background", "1": "cell", "2": "nucleus"})
    for file in tmp_path.rglob("*_000[12].png"):
        file.unlink()
    photo(tmp_path / "imagesTs" / "case_3_0000.png")
    save(tmp_path / "labelsTs" / "case_3.png", halves(2, 1))
    data = read(tmp_path)
    assert (data.train, data.test) == (("case_1", "case_2"), ("case_3",))
    assert data.classes.names == ("background", "cell", "nucleus")
    assert data.load("case_3").image.shape == (*SIZE, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file_ending": ".nii.gz"}, "slices of volumes as 2-D"),
        ({"file_ending": None}, "are read"),
        ({"labels": {"all": [1, 2]}}, "regions"),
        ({"labels": {"a": 1, "b": 1}}, "same id"),
        ({"labels": [1]}, "from names to ids"),
        ({"labels": {"a": 10**9}}, "from 0 to 65535"),
        ({"labels": {"background": 0}}, r"1 \(12 pixels\).*dataset\.json"),
    ],
)
def test_odd_dataset_json_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    nnunet(tmp_path)
    file = tmp_path / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=words):
        read(tmp_path)[0]


def test_other_numbers_of_channels_are_refused(tmp_path: Path) -> None:
    nnunet(tmp_path)
    (tmp_path / "imagesTr" / "case_1_0002.png").unlink()
    with pytest.raises(InputError, match=r"channels \[0, 1\].*leave channels out"):
        read(tmp_path)
    (tmp_path / "imagesTr" / "case_1_0001.png").rename(tmp_path / "imagesTr" / "odd.png")
    with pytest.raises(InputError, match=r"ends in _0000\.png"):
        read(tmp_path)


def test_camvid_by_ids_and_by_its_own_colors(tmp_path: Path) -> None:
    camvid(tmp_path)
    (tmp_path / "label_colors.txt").write_text("128 64 128\tStreet\n0 0 0 Void\n")
    assert look(read(tmp_path))[0] == ("Street", "Void")
    (tmp_path / "label_colors.txt").write_text("1 2 3 Street\n")
    with pytest.raises(InputError, match=r"\[0, 0, 0\] \(12 pixels\).*label_colors"):
        read(tmp_path)[0]
    (tmp_path / "label_colors.txt").unlink()
    for file in tmp_path.glob("*annot/*.png"):
        save(file, halves(3, 11))
    assert look(read(tmp_path))[0] == ("Road", None)


def test_kitti_of_8_bits_holds_ids_alone(tmp_path: Path) -> None:
    kitti(tmp_path)
    save(tmp_path / "training" / "instance" / "a.png", halves(26, 7))
    layout = read(tmp_path)[0].layout
    assert layout.instances is not None and not layout.instances.any()
    assert layout.label_map[0].tolist() == [26] * 3 + [7] * 3


def test_synthia_by_text(tmp_path: Path) -> None:
    synthia(tmp_path)
    (tmp_path / "GTTXT").mkdir()
    (tmp_path / "GTTXT" / "a.txt").write_text("1 1 1 8 8 8\n" * 4)
    assert look(read(tmp_path))[0] == ("Sky", "Car")
    for text, words in (("1 2\n3\n", "equally many"), ("1 x", "class ids with blanks"), ("", "equally many")):
        (tmp_path / "GTTXT" / "a.txt").write_text(text)
        with pytest.raises(InputError, match=words):
            read(tmp_path)[0]


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"label_map": {"x": "y"}}', '{"label_map": {"0": "a"}, "segmentation_colors": [[1, 2]]}'],
)
def test_odd_dataset_meta_is_refused(text: str, tmp_path: Path) -> None:
    common(tmp_path)
    (tmp_path / "dataset_meta.json").write_text(text)
    with pytest.raises(InputError, match="dataset_meta"):
        read(tmp_path, format="common-segmentation")


@pytest.mark.parametrize("name", TREES)
def test_damaged_files_end_in_clean_errors(name: str, tmp_path: Path) -> None:
    TREES[name][0](tmp_path)
    files = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    for seed in range(6):
        random = np.random.default_rng(seed)
        file = files[random.integers(len(files))]
        whole = file.read_bytes()
        bad = bytearray(whole)
        for _ in range(3):
            bad[random.integers(len(bad))] = random.integers(256)
        file.write_bytes(bytes(bad)[: random.integers(1, len(bad) + 1)])
        try:
            for _ in read(tmp_path, format=TREES[name][1]):
                pass
        except InputError as error:
            assert "\n" not in str(error)
        file.write_bytes(whole)


def test_sets_of_other_programs() -> None:
    """Pairs, and the classes or objects in all of their maps."""
    where = os.environ.get("LABELMINT_DATA")
    if not where:
        pytest.skip("LABELMINT_DATA is not set")
    counts = {}
    for place in (
        "ade20k2017_dataset/dataset",
        "cityscapes_dataset/dataset",
        "camvid_dataset",
        "common_semantic_segmentation_dataset/dataset",
        "kitti_dataset/kitti_segmentation",
        "synthia_dataset/rand",
    ):
        data = read(Path(where) / "formats" / place)
        counts[data.format] = (
            len(data),
            sum(_regions(one.layout.label_map, one.layout.instances, data) for one in data),
        )
    # those of Datumaro, less three parts of objects in the first
    assert counts == {
        "ade20k": (2, 4),
        "cityscapes": (4, 9),
        "camvid": (4, 10),
        "common-segmentation": (2, 4),
        "kitti-segmentation": (2, 6),
        "synthia": (2, 5),
    }


def _regions(label_map: Array, instances: Array | None, data: DataSet) -> int:
    both = label_map.astype(np.int64) * 65536 + (0 if instances is None else instances)
    return len(np.unique(both[~np.isin(label_map, [*data.classes.ignore])]))


def test_palettes_that_tell_indices_otherwise_are_refused(tmp_path: Path) -> None:
    common(tmp_path)
    for name, color in (("a", (9, 9, 200)), ("b", (200, 9, 9))):
        photo(tmp_path / "images" / f"{name}.png")
        picture = Image.fromarray(np.full((4, 6), 5, np.uint8))
        picture.putpalette([0] * 15 + list(color))
        picture.save(tmp_path / "masks" / f"{name}.png")
    with pytest.raises(
        InputError, match=r"index 5 as \[200, 9, 9\], and that of a.png .*; list them in segmentation_"
    ):
        list(read(tmp_path))
