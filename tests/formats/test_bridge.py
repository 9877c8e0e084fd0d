"""Formats that the library Datumaro reads become objects: its annotation types, groups, parts and errors; and without
the library one line says how to get it.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats import bridge, format_named, read
from labelmint.formats.bridge_annotations import Labels, ignored_of, is_semantic, label_map_of, objects_of
from labelmint.formats.painting import decode
from labelmint.types import TURNED

SIZE = (8, 10)
LABELS = Labels.of(["cell", "tube"], {1: (1, 2, 3)}, (), unnamed=False)


def one(kind: str, label: int | None = 0, group: int = 0, **more: Any) -> SimpleNamespace:
    attributes = more.pop("attributes", {})
    return SimpleNamespace(
        type=SimpleNamespace(name=kind), label=label, id=0, group=group, attributes=attributes, **more
    )


def mask(rows: slice, columns: slice, **more: Any) -> SimpleNamespace:
    image = np.zeros(SIZE, dtype=bool)
    image[rows, columns] = True
    return one("mask", image=image, **more)


def of(*annotations: SimpleNamespace, labels: Labels = LABELS) -> list[Any]:
    return list(objects_of(annotations, labels, SIZE, "set: 'a'"))


def pixels(found: Any) -> Any:
    assert found.rle is not None
    return decode(found.rle, SIZE)


def test_each_kind_of_region_becomes_an_object() -> None:
    box, rotated, ellipse, polygon, rle = of(
        one("bbox", points=[1.5, 2, 4, 6.25], attributes={"score": np.float32(0.5), "is_crowd": False}),
        one("rotated_bbox", points=[5, 4, 4, 2, 90], label=1),
        one("ellipse", points=[1, 2, 9, 6]),
        one("polygon", points=[1, 1, 5, 1, 5, 4]),
        mask(slice(2, 5), slice(3, 7), label=1, attributes={"is_crowd": True}),
    )
    assert (box.class_id, box.box, box.attributes) == (1, (1.5, 2.0, 4.0, 6.25), {"score": 0.5})
    assert rotated.class_id == 2 and np.allclose(rotated.box, (4, 2, 6, 6))
    assert np.allclose(ellipse.box, (1, 2, 9, 6)) and len(ellipse.polygons[0]) == 128
    assert polygon.polygons == ((1.0, 1.0, 5.0, 1.0, 5.0, 4.0),) and not polygon.crowd
    assert rle.crowd and rle.box == (3, 2, 7, 5) and pixels(rle).sum() == 12


def test_a_group_is_one_object_and_its_box_stands_for_the_shape() -> None:
    two = (
        one("polygon", group=4, points=[0, 0, 2, 0, 2, 2]),
        one("polygon", group=4, points=[5, 5, 7, 5, 7, 7]),
    )
    (found,) = of(*two, one("bbox", group=4, points=[0, 0, 7, 7]))
    assert found.polygons is not None and len(found.polygons) == 2 and found.box == (0, 0, 7, 7)
    (joined,) = of(two[0], mask(slice(6, 8), slice(0, 3), group=4))
    assert pixels(joined)[6:8, :3].all() and pixels(joined)[:2, :3].any()
    assert len(of(*two, one("polygon", group=4, label=1, points=[0, 0, 2, 0, 2, 2]))) == 2
    assert (
        len(
            of(
                mask(slice(0, 2), slice(0, 2), group=1, attributes={"i": 0}),
                mask(slice(4, 5), slice(0, 2), group=1, attributes={"i": 1}),
            )
        )
        == 2
    )
    assert not of(mask(slice(0, 0), slice(0, 0)))


def test_the_ground_is_no_object_and_labels_keep_their_numbers_where_it_is_named() -> None:
    labels = Labels.of(["Background", "cell"], {}, (), unnamed=False)
    assert labels.classes.ids == (0, 1) and labels.classes.classes[1].category is None
    (found,) = of(
        mask(slice(0, 2), slice(0, 2), label=0), mask(slice(4, 6), slice(0, 2), label=1), labels=labels
    )
    assert found.class_id == 1
    assert [(c.id, c.name, c.category, c.color) for c in LABELS.classes.classes] == [
        (0, "background", None, None),
        (1, "cell", 0, None),
        (2, "tube", 1, (1, 2, 3)),
    ]


def test_regions_without_a_label_have_a_class_of_their_own() -> None:
    labels = Labels.of([], {}, (), unnamed=True)
    assert labels.classes.names == ("background", "object")
    assert of(one("bbox", label=None, points=[0, 0, 2, 2]), labels=labels)[0].class_id == 1


def test_masks_without_ids_one_a_class_are_a_label_map() -> None:
    plain = [mask(slice(0, 4), slice(0, 10)), mask(slice(4, 8), slice(0, 10), label=1)]
    assert is_semantic([plain, []])
    assert not is_semantic([plain, [plain[0], plain[0]]]) and not is_semantic(
        [[one("bbox", points=[0, 0, 1, 1])]]
    )
    assert label_map_of(plain, LABELS, SIZE, "x").tolist() == [[1] * 10] * 4 + [[2] * 10] * 4


def test_masks_state_the_size_of_an_image_with_an_orientation_tag_and_other_regions_do_not(
    tmp_path: Path,
) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.zeros((*SIZE, 3), dtype=np.uint8)).save(tmp_path / "a.png", exif=exif)
    regions = {"mask": mask(slice(0, 4), slice(0, 10)), "box": one("bbox", points=[0, 0, 2, 2])}
    items = {name: SimpleNamespace(annotations=[region]) for name, region in regions.items()}
    files = dict.fromkeys(items, tmp_path / "a.png")
    load = bridge._Loader(items, files, LABELS, False, "set", "auto")
    assert (load("mask").layout.size, load("mask").notes) == (SIZE, ())
    assert (load("box").layout.size, load("box").notes) == (SIZE[::-1], (TURNED,))


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (one("bbox", points=[0, 0, 40, 4]), "outside its image"),
        (one("bbox", points=[0, float("nan"), 4, 4]), "finite numbers"),
        (one("polygon", points=[0, 0, 1, 1]), "at least three points"),
        (one("polygon", points=[0, 0, 1, float("inf"), 2, 2]), "finite numbers"),
        (one("bbox", points=[0, 0, 4, 4], label=7), "the label 7, but 2 are named"),
        (one("mask", image=np.zeros((3, 3))), "3x3 pixels .* the image is 8x10"),
    ],
)
def test_bad_annotations_are_refused(annotation: SimpleNamespace, words: str) -> None:
    with pytest.raises(InputError, match=rf"set: 'a'.*{words}"):
        of(annotation)


def test_what_says_no_region_is_counted() -> None:
    assert ignored_of([one("points"), one("points"), one("caption"), one("bbox")]) == {
        "points": 2,
        "caption": 1,
    }


def test_without_the_library_one_line_says_how_to_get_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "is_installed", lambda: False)
    (folder / "labels").rename(folder / "elsewhere")
    for options in ({}, {"format": "datumaro"}, {"format": "datumaro:mots"}):
        with pytest.raises(InputError, match=r"pip install 'labelmint\[formats\]'"):
            read(folder, **options)


def test_only_importers_that_are_safe_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "is_installed", lambda: True)
    for name in ("cifar", "brats_numpy", "nothing"):
        with pytest.raises(InputError, match=f"datumaro:{name}: expected one of"):
            read(folder, format=f"datumaro:{name}")
    assert format_named("datumaro:mots").writes is None


def mots(path: Path) -> Path:
    """One image of two objects of a class, in the format MOTS: 1000 times the class and the number of the object."""
    for part in ("images", "instances"):
        (path / "train" / part).mkdir(parents=True)
    Image.fromarray(np.full((*SIZE, 3), 9, dtype=np.uint8)).save(path / "train" / "images" / "1.png")
    ids = np.zeros(SIZE, dtype=np.uint16)
    ids[1:4, 1:5], ids[5:8, 2:9] = 1001, 1002
    Image.fromarray(ids).save(path / "train" / "instances" / "1.png")
    (path / "train" / "instances" / "labels.txt").write_text("car\n")
    return path


def test_the_library_reads_and_neither_prints_nor_writes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("datumaro")
    path = mots(tmp_path / "set")
    before = sorted(path.rglob("*"))
    data = read(path)
    (pair,) = data
    assert (data.format, data.train, data.classes.names) == ("datumaro:mots", ("1",), ("background", "car"))
    assert [x.box for x in pair.layout.objects] == [(1, 1, 5, 4), (2, 5, 9, 8)]
    assert np.unique(pair.layout.label_map).tolist() == [0, 1] and pair.image.max() == 9
    assert sorted(path.rglob("*")) == before and capfd.readouterr() == ("", "")
    assert read(path, format=data.format).names == data.names


def test_what_the_library_cannot_read_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("datumaro")
    path = mots(tmp_path / "set")
    (path / "train" / "instances" / "1.png").write_bytes(b"no picture")
    with pytest.raises(InputError) as caught:
        list(read(path, format="datumaro:mots"))
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    with pytest.raises(InputError, match="Datumaro cannot read it as dota"):
        read(path, format="datumaro:dota")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("where", "name", "images", "regions"),
    [
        ("ade20k2017_dataset/dataset", "ade20k2017", 2, 7),
        ("camvid_dataset", "camvid", 4, 10),
        ("dota_dataset", "dota", 3, 4),
        ("icdar_dataset/text_segmentation", "icdar_text_segmentation", 1, 3),
        ("kitti_dataset/kitti_segmentation", "kitti", 2, 6),
        ("labelme_dataset", "label_me", 1, 7),
        ("mapillary_vistas_dataset", "mapillary_vistas", 3, 10),
        ("open_images_dataset/v6", "open_images", 4, 2),
        ("synthia_dataset/rand", "synthia_rand", 2, 5),
    ],
)
def test_real_sets_have_their_counts(where: str, name: str, images: int, regions: int) -> None:
    pytest.importorskip("datumaro")
    if "LABELMINT_DATA" not in os.environ:
        pytest.skip("LABELMINT_DATA names no folder")
    data = read(Path(os.environ["LABELMINT_DATA"]) / "formats" / where, format=f"datumaro:{name}")
    maps = [pair.layout for pair in data]
    found = [len(x.objects) or np.unique(x.label_map[x.label_map != data.classes.ground]).size for x in maps]
    assert (len(data), sum(found)) == (images, regions)
