"""COCO as other tools lay and spell it: which files are one set, whose pictures are whose, what ids mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats import read

Document = dict[str, Any]


def picture(path: Path, value: int = 0, size: tuple[int, int] = (6, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, dtype=np.uint8)).save(path)


def about(*names: str, categories: tuple[tuple[Any, str], ...] = ((3, "cell"),), **box: Any) -> Document:
    """A document of images of 8 x 6 pixels, one box of the first category in each."""
    images = [{"id": i, "file_name": name, "width": 8, "height": 6} for i, name in enumerate(names, 1)]
    one = {"category_id": categories[0][0], "bbox": [1, 2, 3, 2], "iscrowd": 0, **box}
    return {
        "images": images,
        "annotations": [one | {"id": i, "image_id": i} for i in range(1, len(names) + 1)],
        "categories": [{"id": i, "name": name} for i, name in categories],
    }


def put(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


LAYOUTS = {
    "over images/PART": ("annotations/instances_{}.json", "images/{}/{}.png"),
    "over PART2017": ("annotations/instances_{}2017.json", "{}2017/{}.png"),
    "over JPEGImages": ("annotations/instances_{}.json", "JPEGImages/{1}.png"),
    "over images": ("annotations/instances_{}.json", "images/{1}.png"),
    "named freely": ("annotations/my_{}_boxes.json", "images/{}/{}.png"),
    "of Roboflow": ("{}/_annotations.coco.json", "{}/{}.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_of_several_parts_are_one_set(layout: str, tmp_path: Path) -> None:
    json_file, image_file = LAYOUTS[layout]
    for i, (part, name) in enumerate((("train", "a"), ("val", "b"), ("test", "c"))):
        picture(tmp_path / image_file.format(part, name), 10 * i)
        put(tmp_path / json_file.format(part), about(f"{name}.png"))
    data = read(tmp_path)
    assert (data.format, data.names, data.findings) == ("coco", ("a", "b", "c"), ())
    assert (data.train, data.validation, data.test) == (("a",), ("b",), ("c",))
    assert [int(pair.image[0, 0, 0]) for pair in data] == [0, 10, 20]
    assert [len(pair.layout.objects) for pair in data] == [1, 1, 1]
    alone = read(tmp_path / json_file.format("val"))
    assert alone.names == ("b",) and alone.validation is None


def test_pictures_of_one_name_in_two_parts_are_two_pairs(tmp_path: Path) -> None:
    for part, value in (("train", 1), ("valid", 2)):
        picture(tmp_path / part / "0.png", value)
        put(tmp_path / part / "_annotations.coco.json", about("0.png"))
    data = read(tmp_path)
    assert (data.train, data.validation) == (("train__0",), ("valid__0",))
    assert [int(pair.image[0, 0, 0]) for pair in data] == [1, 2]


def test_subsets_of_any_name_have_folders_of_their_own(tmp_path: Path) -> None:
    for subset in ("north", "south"):
        picture(tmp_path / "images" / subset / f"{subset}.png")
        put(tmp_path / "annotations" / f"instances_{subset}.json", about(f"{subset}.png"))
    data = read(tmp_path)
    assert data.names == ("north", "south") and data.train is None is data.test


def test_instances_win_over_other_kinds_and_it_is_told(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    for kind in ("instances", "person_keypoints", "stuff", "zebras"):
        put(tmp_path / "annotations" / f"{kind}_train.json", about("a.png", categories=((3, kind),)))
    for kind in ("captions", "image_info", "labels"):
        document = about("a.png")
        document["annotations"] = [{"id": 1, "image_id": 1, "category_id": 3, "caption": "a box"}]
        put(tmp_path / "annotations" / f"{kind}_train.json", document)
    for kind in ("instances", "zebras", "person_keypoints", "stuff"):
        data = read(tmp_path)
        assert data.classes.names == ("background", kind)
        assert [finding.kind for finding in data.findings] == (
            ["other annotation files"] if kind != "stuff" else []
        )
        (tmp_path / "annotations" / f"{kind}_train.json").unlink()
    with pytest.raises(InputError, match="no labelled images"):
        read(tmp_path)


def test_two_files_of_one_part_must_be_chosen_from(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    for year in (2014, 2017):
        put(tmp_path / "annotations" / f"instances_train{year}.json", about("a.png"))
    with pytest.raises(InputError, match="2 annotation files fit"):
        read(tmp_path)


def test_a_picture_of_two_parts_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    for part in ("train", "val"):
        put(tmp_path / "annotations" / f"instances_{part}.json", about("a.png"))
    with pytest.raises(InputError, match=r"a\.png is listed in .*train\.json and in .*val\.json"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("later", "names", "told"),
    [
        (((3, "cell"),), ("background", "cell"), []),
        (((3, "cell"), (4, "tube")), ("background", "cell", "tube"), []),
        (((4, "tube"), (5, "cell")), ("background", "cell", "tube"), ["category lists differ"]),
        (((3, "tube"), (4, "cell")), ("background", "tube", "cell"), ["category lists differ"]),
    ],
)
def test_category_lists_are_joined(
    later: tuple[tuple[int, str], ...], names: tuple[str, ...], told: list[str], tmp_path: Path
) -> None:
    """The first box is of the first category of its own file, whatever number the other file gives that."""
    for part, categories in (("train", ((3, "cell"),)), ("val", later)):
        picture(tmp_path / "images" / part / f"{part}.png")
        put(tmp_path / "annotations" / f"instances_{part}.json", about(f"{part}.png", categories=categories))
    data = read(tmp_path)
    assert set(data.classes.names) == set(names) and [one.kind for one in data.findings] == told
    painted = [data.classes.name_of(pair.layout.objects[0].class_id) for pair in data]
    assert painted == ["cell", later[0][1]]


def test_categories_of_one_name_are_told_apart(coco: Callable[..., Path]) -> None:
    data = read(coco(about("a.png", categories=((3, "cell"), (7, "cell")))))
    assert data.classes.names == ("background", "cell", "cell (7)")
    assert [one.kind for one in data.findings] == ["doubled category names"]


def test_the_folder_named_like_the_part_has_the_pictures(tmp_path: Path) -> None:
    put(tmp_path / "annotations" / "instances_val.json", about("a.png"))
    picture(tmp_path / "images" / "a.png", 1)
    assert read(tmp_path)[0].image[0, 0, 0] == 1
    picture(tmp_path / "val" / "a.png", 2)
    assert read(tmp_path)[0].image[0, 0, 0] == 2


def test_of_several_pictures_the_size_decides_or_nothing(tmp_path: Path) -> None:
    put(tmp_path / "instances.json", about("a.png"))
    picture(tmp_path / "images" / "a.png", 1, (9, 9))
    picture(tmp_path / "a.png", 2)
    assert read(tmp_path)[0].image[0, 0, 0] == 2
    picture(tmp_path / "images" / "a.png", 1)
    with pytest.raises(InputError, match=r"2 pictures fit 'a\.png'"):
        read(tmp_path)


@pytest.mark.parametrize(
    "name", ["/home/x/images/a.png", "..\\..\\media\\a.png", "C:\\set\\a.png", "upload/4/a.png", "A.PNG"]
)
def test_pictures_are_found_by_what_is_right_of_their_name(name: str, coco: Callable[..., Path]) -> None:
    data = read(coco(about(name)))
    assert len(data) == 1
    assert [one.kind for one in data.findings] == ([] if name == "A.PNG" else ["found by bare name"])


def test_accents_written_two_ways_are_one_name(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "zele\u0301.png")
    put(tmp_path / "instances.json", about("zel\u00e9.png"))
    assert len(read(tmp_path)) == 1


def test_lvis_names_its_pictures_by_their_address(tmp_path: Path) -> None:
    document = about("x")
    document["images"][0] |= {"coco_url": "http://images.example/val/a.png"}
    del document["images"][0]["file_name"]
    put(tmp_path / "annotations" / "lvis_v1_val.json", document)
    picture(tmp_path / "images" / "val" / "a.png")
    assert read(tmp_path).names == ("a",)


def test_one_picture_listed_twice_has_the_objects_of_both(
    coco: Callable[..., Path], document: Document
) -> None:
    document["images"].append(document["images"][0] | {"id": 9})
    document["annotations"].append(document["annotations"][0] | {"image_id": 9, "bbox": [0, 0, 1, 1]})
    data = read(coco(document))
    assert data.names == ("a",) and [one.box for one in data[0].layout.objects] == [
        (1, 2, 4, 4),
        (0, 0, 1, 1),
    ]
    assert [one.kind for one in data.findings] == ["listed twice"]


@pytest.mark.parametrize("spelt", [str, float, int])
@pytest.mark.parametrize("key", ["image", "category"])
def test_ids_are_the_same_in_any_spelling(
    spelt: Callable[[int], Any], key: str, coco: Callable[..., Path], document: Document
) -> None:
    document["annotations"][0][f"{key}_id"] = spelt(document["annotations"][0][f"{key}_id"])
    assert read(coco(document))[0].layout.objects[0].class_id == 3


@pytest.mark.parametrize(("kind", "doubled"), [("images", "1"), ("categories", 3.0)])
def test_one_id_in_two_spellings_is_doubled(
    kind: str, doubled: Any, coco: Callable[..., Path], document: Document
) -> None:
    document[kind].append(document[kind][0] | {"id": doubled})
    with pytest.raises(InputError, match=f"id {doubled!r} is doubled"):
        read(coco(document))


def test_category_ids_beyond_label_maps_are_numbered_anew(coco: Callable[..., Path]) -> None:
    data = read(coco(about("a.png", categories=((70000, "far"), (2, "near"), ("x", "text")))))
    assert [(one.id, one.name, one.category) for one in data.classes.classes] == [
        (0, "background", None),
        (1, "far", 70000),
        (2, "near", None),
        (3, "text", None),
    ]
    assert data[0].layout.objects[0].class_id == 1 and [one.kind for one in data.findings] == ["renumbered"]


def test_category_zero_named_background_is_the_ground(coco: Callable[..., Path]) -> None:
    data = read(coco(about("a.png", categories=((0, "background"), (1, "cell")), bbox=[0, 0, 8, 6])))
    assert data.classes.names == ("background", "cell") and data.classes.ground == 0
    assert not data[0].layout.label_map.any()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_any_unicode_is_read(encoding: str, coco: Callable[..., Path], document: Document) -> None:
    path = coco(document)
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (path / "instances.json").write_text(mark + json.dumps(document), encoding=encoding)
    assert len(read(path)) == 1


def test_nan_is_refused_with_its_place(coco: Callable[..., Path], document: Document) -> None:
    path = coco(document)
    text = json.dumps(document | {"info": {"NaN": "NaN"}}, indent=1)
    (path / "instances.json").write_text(text.replace("7", "NaN"))
    line = text[: text.index("7")].count("\n") + 1
    with pytest.raises(InputError, match=f"line {line}, column 10 holds NaN"):
        read(path)


def many(boxes: list[list[float]], **more: Any) -> Document:
    one = {"image_id": 1, "category_id": 3, **more}
    return about("a.png") | {"annotations": [one | {"id": i, "bbox": box} for i, box in enumerate(boxes)]}


@pytest.mark.parametrize(
    ("others", "area"),
    [([[0.25, k / 8, 0.5, 0.125] for k in range(7)], 0.5), ([[0.25, 0.5, 0.5, 0.5]] * 7, 12)],
    ids=["unlike", "of an area in pixels"],
)
def test_boxes_between_0_and_1_are_fractions_of_their_image(
    others: list[list[float]], area: float, coco: Callable[..., Path]
) -> None:
    data = read(coco(many([[0.25, 0.5, 0.5, 0.5], *others], area=area)))
    assert data[0].layout.objects[0].box == (2, 3, 6, 6)
    assert [one.kind for one in data.findings] == ["fractions"]


@pytest.mark.parametrize(
    "boxes",
    [
        [[0, 0, 1, 1]] * 8,
        [[0.25, 0.5, 0.5, 0.5]] * 7 + [[0, 0, 1.5, 1]],
        [[0.25, 0.5, 0.5, 0.5]],
        [[0, 0, 0.5, 0.5]] * 20,
    ],
)
def test_small_boxes_in_pixels_stay(boxes: list[list[float]], coco: Callable[..., Path]) -> None:
    data = read(coco(many(boxes)))
    x, y, width, height = boxes[0]
    assert data[0].layout.objects[0].box == (x, y, x + width, y + height) and not data.findings


def test_annotations_marked_ignore_are_ignored(coco: Callable[..., Path]) -> None:
    data = read(coco(about("a.png", ignore=1)))
    assert data[0].layout.label_map[2, 1] == 255 and 255 in data.classes.ignore
    assert [one.kind for one in data.findings] == ["ignored annotations"]


def test_where_255_is_a_class_another_id_is_ignored(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    for ignore in (0, 1):
        put(tmp_path / "instances.json", about("a.png", categories=((255, "cell"),), ignore=ignore))
        data = read(tmp_path)
        assert data.classes.ignore == ((1,) if ignore else ())
        assert data[0].layout.label_map[2, 1] == (1 if ignore else 255)


SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]


@pytest.mark.parametrize(
    ("segmentation", "polygons"),
    [(SQUARE, (tuple(SQUARE),)), ([SQUARE, []], (tuple(SQUARE),)), ([[]], None), ([], None), (None, None)],
)
def test_outlines_of_odd_form(segmentation: Any, polygons: Any, coco: Callable[..., Path]) -> None:
    (one,) = read(coco(about("a.png", segmentation=segmentation)))[0].layout.objects
    assert one.polygons == polygons and one.box == (1, 2, 4, 4)


def test_run_lengths_in_a_list_are_parts_of_one_object(coco: Callable[..., Path]) -> None:
    runs = [{"size": [6, 8], "counts": [start, 2, 46 - start]} for start in (0, 12)]
    data = read(coco(about("a.png", segmentation=runs)))
    assert np.argwhere(data[0].layout.label_map).tolist() == [[0, 0], [0, 2], [1, 0], [1, 2]]


def test_swapped_sides_are_named(coco: Callable[..., Path]) -> None:
    document = about("a.png", bbox=[5, 0, 3, 2])
    document["images"][0] |= {"width": 6, "height": 8}
    with pytest.raises(InputError, match=r"width and height of 'a\.png' are swapped"):
        list(read(coco({**document, "annotations": [{**document["annotations"][0], "bbox": [7, 0, 3, 2]}]})))


def test_lists_may_name_the_folder_of_a_pair(tmp_path: Path) -> None:
    for part in ("left", "right"):
        picture(tmp_path / "images" / part / "0.png")
    put(tmp_path / "instances.json", about("left/0.png", "right/0.png"))
    (tmp_path / "test.txt").write_text("images/right/0.png\n")
    assert read(tmp_path).test == ("right__0",)


def test_where_one_format_fails_those_that_fit_too_are_named(tmp_path: Path) -> None:
    picture(tmp_path / "pictures" / "a.png")
    put(tmp_path / "instances.json", about("a.png"))
    shape = {"label": "cell", "points": [[1, 1], [4, 1], [4, 4]]}
    put(tmp_path / "labels" / "a.json", {"shapes": [shape], "imagePath": "../pictures/a.png"})
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    said = str(caught.value)
    assert "first 'a.png'; put them into" in said and str(tmp_path / "images") in said
    assert said.endswith("(read as coco; other formats fit too, chosen by --format-in labelme)")
    assert read(tmp_path, format="labelme").names == ("a",)
