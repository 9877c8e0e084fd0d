"""CLEVR scenes: what may lie where, files that keep it, and cameras found again."""

import dataclasses
import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from labelmint.datasets.clevr.original import find_scenes, fit_camera, outline_map, prepare_clevr, read_pair
from labelmint.datasets.clevr.scenes import (
    CLEVR_CLASSES,
    KINDS,
    SIZES,
    Scene,
    SceneObject,
    class_of,
    draw_scene,
    layout_of,
)
from labelmint.errors import InputError
from labelmint.formats.image_files import write_png


def scene(seed: int, kind: str = "clevr-64") -> Scene:
    return draw_scene(kind, np.random.default_rng(seed))


def test_there_are_24_classes_in_the_published_order() -> None:
    assert len(CLEVR_CLASSES) == 25
    assert [CLEVR_CLASSES.name_of(i) for i in (0, 1, 8, 9, 24)] == [
        "background",
        "gray cube",
        "yellow cube",
        "gray cylinder",
        "yellow sphere",
    ]
    assert class_of("cylinder", "red") == 10


def test_scattered_scenes_have_two_to_four_objects_that_do_not_touch() -> None:
    counts = set()
    for seed in range(60):
        objects = scene(seed).objects
        counts.add(len(objects))
        for one, other in itertools.combinations(objects, 2):
            assert math.dist(one.place, other.place) > SIZES[one.size] + SIZES[other.size]
        assert all(max(map(abs, one.place)) <= 3 for one in objects)
    assert counts == {2, 3, 4}


def test_centered_scenes_have_one_metal_object_in_the_center_and_at_most_one_around_it() -> None:
    found = [scene(seed, "clevr-192") for seed in range(60)]
    assert {len(one.objects) for one in found} == {1, 2}
    for one in found:
        assert one.objects[0].place == (0, 0)
        assert all(thing.material == "metal" for thing in one.objects)
        assert all(math.hypot(*thing.place) >= 1.5 for thing in one.objects[1:])
        column, row, _ = one.project(np.array([one.objects[0].center]), (192, 192))[0]
        assert abs(column - 96) < 1
        assert 60 < row < 96


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_file_keeps_the_scene(kind: str) -> None:
    drawn = scene(3, kind)
    again = Scene.from_json(json.loads(json.dumps(drawn.to_json("a", 0, (64, 64)))), "a")
    assert [dataclasses.replace(one, place=(0, 0), rotation=0) for one in again.objects] == [
        dataclasses.replace(one, place=(0, 0), rotation=0) for one in drawn.objects
    ]
    for one, other in zip(again.objects, drawn.objects, strict=True):
        assert one.place == pytest.approx(other.place, abs=1e-5)
        assert one.rotation == other.rotation
    assert again.camera == drawn.camera
    assert again.field == drawn.field


def test_relationships_say_what_lies_left_and_in_front() -> None:
    # the camera looks along (-1, 1), so its right hand points along (1, 1)
    left, right = ((-1.0, -1.0), (1.0, 1.0))
    objects = tuple(
        SceneObject(shape="cube", color="red", material="rubber", size="small", place=place)
        for place in (left, right)
    )
    content = Scene(objects=objects, camera=(7.0, -7.0, 5.0)).to_json("a", 0, (240, 320))
    assert content["relationships"]["left"] == [[], [0]]
    assert content["relationships"]["right"] == [[1], []]
    assert content["objects"][0]["pixel_coords"][0] < content["objects"][1]["pixel_coords"][0]


def original(seed: int) -> tuple[Scene, dict[str, object]]:
    """A scene as CLEVR would have written it: without the camera."""
    drawn = dataclasses.replace(scene(seed), field=1.0)
    content = drawn.to_json("CLEVR_new_000000", 0, (240, 320))
    return drawn, {
        key: value for key, value in content.items() if key not in ("camera", "light_shifts", "field")
    }


@pytest.mark.parametrize("seed", range(4))
def test_the_camera_is_found_from_the_pixel_coordinates(seed: int) -> None:
    drawn, content = original(seed)
    found = fit_camera(Scene.from_json(content, "a"), content, (240, 320), "a")
    centers = np.array([one.center for one in drawn.objects])
    assert found.project(centers, (240, 320)) == pytest.approx(drawn.project(centers, (240, 320)), abs=0.6)
    both = outline_map(found, (240, 320)), outline_map(drawn, (240, 320))
    assert (both[0] != both[1]).sum() < 0.1 * (both[1] > 0).sum()


def test_pictures_of_another_shape_have_the_focal_length_of_their_width(tmp_path: Path) -> None:
    """Blender's camera, written out: 35 mm over a sensor of 32 mm across the width."""
    drawn, content = original(1)
    camera = np.asarray(drawn.camera)
    forward = -camera / np.linalg.norm(camera)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    for one, thing in zip(drawn.objects, content["objects"], strict=True):  # type: ignore[call-overload]
        away = np.asarray(one.center) - camera
        scale = 480 * 35 / 32 / (away @ forward)
        thing["pixel_coords"] = [
            240 + scale * (away @ right),
            160 - scale * (away @ np.cross(right, forward)),
            away @ forward,
        ]
    root = folder_of(tmp_path, content)
    write_png(root / "images" / "CLEVR_new_000000.png", np.zeros((320, 480, 3), np.uint8))
    ((picture, found),) = find_scenes(root)
    wanted = outline_map(dataclasses.replace(drawn, field=8 / 9), (320, 480))
    instances = read_pair(picture, found).layout.instances
    assert instances is not None
    assert (instances != wanted).sum() < 0.02 * (wanted > 0).sum()


def test_a_scene_takes_the_picture_of_its_own_split_and_doubled_names_are_refused(tmp_path: Path) -> None:
    root = folder_of(tmp_path, {**original(1)[1], "split": "val"})
    (root / "images" / "CLEVR_new_000000.png").unlink()
    for part in ("train", "val"):
        (root / "images" / part).mkdir()
        write_png(root / "images" / part / "CLEVR_new_000000.png", np.zeros((240, 320, 3), np.uint8))
    ((picture, _),) = find_scenes(root)
    assert picture.parent.name == "val"
    (root / "scenes" / "other.json").write_text(json.dumps({**original(1)[1], "split": "train"}))
    with pytest.raises(InputError, match="several scenes"):
        find_scenes(root)


def test_nearer_objects_cover_farther_ones() -> None:
    def thing(place: tuple[float, float]) -> SceneObject:
        return SceneObject(shape="sphere", color="red", material="rubber", size="large", place=place)

    near, far = thing((1.0, -1.0)), thing((0.0, 0.0))
    for objects in ((near, far), (far, near)):
        alone = outline_map(Scene(objects=(near,)), (96, 128)) > 0
        owners = outline_map(Scene(objects=objects), (96, 128))
        assert (owners[alone] == objects.index(near) + 1).all()
        assert (owners == objects.index(far) + 1).any()


def folder_of(tmp_path: Path, content: dict[str, object], file: str = "CLEVR_new_000000.json") -> Path:
    for part in ("images", "scenes"):
        (tmp_path / part).mkdir()
    write_png(tmp_path / "images" / "CLEVR_new_000000.png", np.zeros((240, 320, 3), np.uint8))
    (tmp_path / "scenes" / file).write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize("together", [False, True])
def test_original_folders_are_read_with_exact_labels(tmp_path: Path, together: bool) -> None:
    drawn, content = original(1)
    root = folder_of(tmp_path, {"info": {}, "scenes": [content]} if together else content)
    ((picture, found),) = find_scenes(root)
    pair = read_pair(picture, found)
    assert pair.name == "CLEVR_new_000000"
    seen = set(np.unique(pair.layout.label_map).tolist()) - {0}
    assert seen <= {class_of(one.shape, one.color) for one in drawn.objects}
    assert len(pair.layout.objects) == len(np.unique(pair.layout.instances)) - 1
    assert {"shape", "color", "material", "size"} == set(pair.layout.objects[0].attributes)


def test_an_object_of_which_nothing_is_seen_is_left_out() -> None:
    drawn = scene(0)
    owners = np.zeros((8, 8), np.uint16)
    owners[2:4, 3:7] = 2
    layout = layout_of(drawn, owners)
    (only,) = layout.objects
    assert only.box == (3, 2, 7, 4)
    assert layout.label_map[3, 4] == class_of(drawn.objects[1].shape, drawn.objects[1].color)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "JSON object"),
        ({"scenes": 3}, "must be a list"),
        ({"objects": []}, "names no picture"),
        ({"image_filename": "../a.png", "objects": []}, "names no picture"),
        ({"image_filename": "other.png", "objects": []}, "is missing"),
        ({"image_filename": "CLEVR_new_000000.png"}, "not a scene of CLEVR"),
        ({"image_filename": "CLEVR_new_000000.png", "objects": [{"shape": "cone"}]}, "not a scene of CLEVR"),
        (
            {"image_filename": "CLEVR_new_000000.png", "objects": [], "camera": [0, 0, 5]},
            "off the vertical axis",
        ),
        ({"image_filename": "CLEVR_new_000000.png", "objects": [], "field": 0}, "off the vertical axis"),
        (
            {"image_filename": "CLEVR_new_000000.png", "objects": [], "field": int("9" * 400)},
            "not a scene of CLEVR",
        ),
    ],
)
def test_what_is_no_scene_is_refused_in_one_line(tmp_path: Path, content: object, said: str) -> None:
    root = folder_of(tmp_path, content)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said) as error:
        [read_pair(*found) for found in find_scenes(root)]
    assert "\n" not in str(error.value)


def test_a_scene_that_does_not_fit_its_picture_is_refused(tmp_path: Path) -> None:
    _, content = original(2)
    content["objects"] = [{**one, "pixel_coords": [5, 5, 9]} for one in content["objects"]]  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="does not fit its scene"):
        [read_pair(*found) for found in find_scenes(folder_of(tmp_path, content))]
    with pytest.raises(InputError, match="no scenes"):
        find_scenes(tmp_path / "images")


def test_a_picture_far_larger_than_clevrs_is_refused(tmp_path: Path) -> None:
    root = folder_of(tmp_path, original(1)[1])
    write_png(root / "images" / "CLEVR_new_000000.png", np.zeros((1200, 1600, 3), np.uint8))
    with pytest.raises(InputError, match="CLEVR_new_000000"):
        [read_pair(*found) for found in find_scenes(root)]


def test_a_folder_that_is_not_there_is_told_apart_from_one_without_scenes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: no such folder; --source takes CLEVR's folder"):
        prepare_clevr(tmp_path / "none")
    with pytest.raises(InputError, match=r"no scenes/\*\.json there; --source takes CLEVR's folder"):
        prepare_clevr(tmp_path)


def test_a_clevr_folder_is_prepared_with_val_for_testing(tmp_path: Path) -> None:
    for part in ("images/train", "images/val", "scenes"):
        (tmp_path / part).mkdir(parents=True)
    for i, part in enumerate(("train", "train", "val")):
        name = f"CLEVR_{part}_{i:06d}"
        write_png(tmp_path / "images" / part / f"{name}.png", np.zeros((240, 320, 3), np.uint8))
        content = {**original(i)[1], "image_filename": f"{name}.png"}
        (tmp_path / "scenes" / f"{name}.json").write_text(json.dumps({"scenes": [content]}))
    prepared = prepare_clevr(tmp_path)
    assert prepared.test == {"CLEVR_val_000002"}
    assert [pair.name for pair in prepared] == [
        "CLEVR_train_000000",
        "CLEVR_train_000001",
        "CLEVR_val_000002",
    ]
    shutil.rmtree(tmp_path / "images" / "val")
    (tmp_path / "scenes" / "CLEVR_val_000002.json").unlink()
    assert len(prepare_clevr(tmp_path).test) == 1
