"""Merged data sets: every pixel becomes what the mapping says, pairs keep the rest, and bad mappings are
refused in one line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmint.datasets.cityscapes import CITYSCAPES_CLASSES
from labelmint.datasets.class_mapping import SHIPPED_MAPPINGS, ClassMapping, read_mapping
from labelmint.datasets.merged import merge
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

CITY = {0: "background", 1: "car", 2: "bus", 3: "road"}
ROOMS = {7: "floor", 9: "vehicle", 300: "void"}
MAPPING = ClassMapping(
    classes={"background": [], "vehicle": ["car", "bus"], "ground": ["road", "floor"]}, ignore=["void"]
)  # background 0, vehicle 1, ground 2


def pair(name: str, ids: Array, objects: Sequence[LayoutObject] = ()) -> AnnotatedImage:
    """A pair whose image and instances tell where they come from."""
    image = np.full((*ids.shape, 3), sum(name.encode()) % 256, np.uint8)
    layout = Layout(label_map=ids, instances=(ids % 5).astype(np.uint16), objects=tuple(objects))
    return AnnotatedImage(name=name, image=image, layout=layout)


def data_set(source: str, names: Mapping[int, str], pairs: Sequence[AnnotatedImage], **more: Any) -> DataSet:
    """Pairs in memory."""
    by_name = {one.name: one for one in pairs}
    classes = ClassSet(tuple(ClassInfo(id=i, name=name) for i, name in names.items()))
    return DataSet(
        source=source,
        format="memory",
        classes=classes,
        names=tuple(sorted(by_name)),
        load=by_name.__getitem__,
        **more,
    )


def ids_of(values: Sequence[int], seed: int = 0) -> Array:
    return np.random.default_rng(seed).choice(values, (6, 5)).astype(np.uint16)


def two_sets(seed: int = 0) -> tuple[DataSet, DataSet]:
    car = LayoutObject(class_id=1, box=(0.5, 0.5, 2.0, 3.0), attributes={"parked": True})
    void = LayoutObject(class_id=300, box=(0.0, 0.0, 1.0, 1.0), crowd=True)
    city = data_set(
        "x/city", CITY, [pair(name, ids_of([*CITY, 255], seed + k), [car]) for k, name in enumerate("ab")]
    )
    rooms = data_set(
        "y/rooms",
        ROOMS,
        [pair(name, ids_of([*ROOMS, 255], seed + 2 + k), [void]) for k, name in enumerate("bc")],
    )
    return city, rooms


@given(st.integers(0, 10_000))
def test_every_pixel_and_object_becomes_what_the_mapping_says_and_the_rest_is_kept(seed: int) -> None:
    city, rooms = two_sets(seed)
    merged = merge([city, rooms], MAPPING)
    assert merged.classes.names == ("background", "vehicle", "ground")
    assert merged.names == ("city-a", "city-b", "rooms-b", "rooms-c")
    for one in merged:
        prefix, _, own = one.name.partition("-")
        old = {"city": city, "rooms": rooms}[prefix]
        before = old.load(own)
        for class_id in np.unique(before.layout.label_map).tolist():
            name = MAPPING.target(old.classes.name_of(class_id)) if class_id in old.classes.ids else None
            (now,) = np.unique(one.layout.label_map[before.layout.label_map == class_id]).tolist()
            assert merged.classes.name_of(now) == (name or "ignore")
        assert one.layout.instances is before.layout.instances
        assert one.image is before.image
        for new, was in zip(one.layout.objects, before.layout.objects, strict=True):
            assert merged.classes.name_of(new.class_id) == (
                MAPPING.target(old.classes.name_of(was.class_id)) or "ignore"
            )
            assert replace(new, class_id=was.class_id) == was


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    city, rooms = two_sets()
    asked: list[str] = []
    watched = replace(city, load=lambda name: (asked.append(name), city.load(name))[1])
    merged = merge([watched, rooms], MAPPING)
    assert asked == []
    assert merged.load("city-b").name == "city-b"
    assert asked == ["b"]


@pytest.mark.parametrize("lists", [(None, None), (("b",), None), (None, ("b",)), (("b",), ("a",))])
def test_lists_are_joined_and_no_test_pair_trains(
    lists: tuple[tuple[str, ...] | None, tuple[str, ...] | None],
) -> None:
    train, test = lists
    city, rooms = two_sets()
    merged = merge([replace(city, train=train, test=test), rooms], MAPPING)
    trained = merged.names if merged.train is None else merged.train
    held = set(merged.test or ())
    assert (merged.test is None, merged.train is None) == (test is None, train is None)
    assert held == {f"city-{name}" for name in test or ()}
    assert {"rooms-b", "rooms-c"} <= set(trained) - held
    assert {name for name in set(trained) - held if name.startswith("city-")} == {
        f"city-{name}" for name in set(train or ("a", "b")) - set(test or ())
    }


def test_sets_whose_classes_agree_by_name_need_no_mapping() -> None:
    city, _ = two_sets()
    other_way = {0: "road", 3: "background", 40: "bus", 41: "car"}
    other = data_set("z/city", other_way, [pair("a", ids_of([*other_way, 255], 5))])
    merged = merge([city, other])
    assert merged.names == ("x-city-a", "x-city-b", "z-city-a")
    back = merge([other, city])  # whatever the order
    assert all(np.array_equal(back.load(name).image, merged.load(name).image) for name in merged.names)
    assert merged.classes == city.classes
    assert np.array_equal(merged.load("x-city-a").layout.label_map, city.load("a").layout.label_map)
    was, now = other.load("a").layout.label_map, merged.load("z-city-a").layout.label_map
    named = [merged.classes.name_of(i) for i in now.ravel().tolist()]
    assert named == [other.classes.name_of(i) for i in was.ravel().tolist()]


def test_one_set_keeps_its_names() -> None:
    merged = merge([two_sets()[0]], MAPPING)
    assert merged.names == ("a", "b")
    assert merged.classes.names == ("background", "vehicle", "ground")  # as "road" is there


def test_ids_follow_the_mapping_whatever_sets_are_given_and_pass_over_the_ignored_one() -> None:
    many = ClassMapping(classes={f"c{k}": [] for k in range(300)})
    some = data_set("x/some", {1: "c299", 2: "c255", 3: "c254"}, [pair("a", ids_of([1, 2, 3, 255]))])
    merged = merge([some], many)
    assert {info.name: info.id for info in merged.classes.classes} == {"c254": 254, "c255": 256, "c299": 300}
    assert merged.classes.ignore == (255,)
    assert set(np.unique(merged[0].layout.label_map).tolist()) == {254, 255, 256, 300}


def test_a_merged_set_can_be_written_and_read(tmp_path: Path) -> None:
    merged = merge(two_sets(), MAPPING)
    back = read(write(merged, tmp_path / "merged", format="folder", classes=merged.classes))
    assert back.names == merged.names
    assert back.classes.names == merged.classes.names
    assert all(
        np.array_equal(one.layout.label_map, other.layout.label_map)
        for one, other in zip(back, merged, strict=True)
    )


def test_names_that_collide_are_refused() -> None:
    city, _ = two_sets()
    one = data_set("x/a", CITY, [pair("b-c", ids_of([1]))])
    other = data_set("x/a-b", CITY, [pair("c", ids_of([1]))])
    with pytest.raises(InputError, match=r"'c' would be called 'a-b-c'.*rename"):
        merge([one, other])
    with pytest.raises(InputError, match="given twice"):
        merge([city, city])
    odd = merge([data_set("x/.my set", CITY, [pair("c", ids_of([1]))]), city])
    assert odd.names[-1] == "my_set-c"


def test_unknown_ids_are_refused_with_their_set_and_counts() -> None:
    city, rooms = two_sets()
    strange = data_set("x/strange", CITY, [pair("a", np.full((2, 2), 17, np.uint8))])
    with pytest.raises(
        InputError, match=r"x/strange: the label of 'a' holds ids that are no classes: 17 \(4 pixels\)"
    ):
        merge([strange, rooms], MAPPING).load("strange-a")
    homeless = LayoutObject(class_id=99, box=(0.0, 0.0, 1.0, 1.0))
    with pytest.raises(InputError, match="an object of 'a' has class id 99"):
        merge([data_set("x/strange", CITY, [pair("a", ids_of([1]), [homeless])]), city]).load("strange-a")


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (
            {"classes": {"vehicle": ["car", "buss"], "background": [], "ground": ["road", "floor"]}},
            "leaves out.*'bus'.*'buss'",
        ),
        (
            {"classes": {"vehicle": ["car", "bus"], "background": []}, "ignore": ["floor", "void"]},
            "leaves out its class 'road'",
        ),
        ({"classes": {"other": []}, "ignore": [*CITY.values(), *ROOMS.values()]}, "ignores every class"),
    ],
)
def test_mappings_that_do_not_fit_the_data_are_refused(mapping: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        merge(two_sets(), ClassMapping.model_validate(mapping))


def test_other_names_without_a_mapping_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"y/rooms: has no class 'background', which x/city has \(4 such classes\).*--merge"
    ):
        merge(two_sets())
    with pytest.raises(InputError, match="no data sets"):
        merge([])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "broken JSON at line 1"),
        ("[]", "valid dictionary.*expected"),
        ("{}", "'classes': Field required"),
        ('{"classes": {}}', "at least 1 item"),
        ('{"classes": {"a": "b"}}', "'classes': 'a': .*valid list"),
        ('{"classes": {"a": [1]}}', "'classes': 'a': 0: .*valid string"),
        ('{"classes": {"a": ["x"], "b": ["x"]}}', "'x' is a class of 'a' and a class of 'b' too"),
        ('{"classes": {"a": ["x"]}, "ignore": ["x"]}', "'x' is a class of 'a' and \"ignore\" too"),
        ('{"classes": {"a": ["b"], "b": []}}', "'b' is a class of 'b' and a class of 'a' too"),
        ('{"classes": {"a": [], "a": ["b"]}}', "the key 'a' stands twice"),
        ('{"classes": {"a": []}, "sets": {}}', "'sets': Extra inputs"),
        ('{"classes": {" a": []}}', "should match pattern"),
        ('{"classes": {"a": []}, "names": {"s": {"x": "a"}}}', "should match pattern"),
        ('{"classes": {"a": []}, "names": {"s": {"70000": "a"}}}', "above 65535"),
        ('{"classes": {"a": []}}' + " " * (1 << 20), "too large"),
        ("\ud800".encode("utf-8", "surrogatepass"), "not UTF-8"),
    ],
)
def test_bad_files_get_one_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    file = tmp_path / "mapping.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=words) as caught:
        read_mapping(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_a_mapping_that_is_nowhere_is_refused_with_those_that_are_shipped(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file.*scenes-243"):
        read_mapping("scenes-24")
    with pytest.raises(InputError, match="no such file"):
        read_mapping(tmp_path)


def test_the_papers_243_classes_come_from_the_three_lists() -> None:
    assert SHIPPED_MAPPINGS == ("scenes-243",)
    mapping = read_mapping("scenes-243")
    lists = {
        label: {i: name for i, name in (mapping.names_for(label) or {}).items() if name != "other"}
        for label in mapping.names
    }
    assert {label: len(names) for label, names in lists.items()} == {
        "cityscapes": 19,
        "ade20k": 150,
        "coco-stuff": 171,
    }
    assert tuple(lists["cityscapes"].values()) == CITYSCAPES_CLASSES.names
    targets = {
        (label, name): mapping.target(name) for label, names in lists.items() for name in names.values()
    }
    assert None not in targets.values()
    assert set(targets.values()) == set(mapping.classes)
    assert len(mapping.classes) == 243
    families = {name: mapping.target(name) for name in lists["coco-stuff"].values() if "-" in name}
    assert {name: merged for name, merged in families.items() if not name.startswith(f"{merged}-")} == {
        "window-blind": "blind"
    }
    listed = {name for members in mapping.classes.values() for name in members}
    assert listed <= {name for _, name in targets}  # nothing is merged that no list has


def test_the_mapping_names_sets_without_names_by_their_folders(tmp_path: Path) -> None:
    mapping = read_mapping("scenes-243")
    for folder, classes, ids in (
        ("ADE20K_2016", {}, [0, 1, 7, 150]),
        ("coco_stuff", {}, [0, 12, 181]),
        ("own", {3: "car"}, [3]),
    ):
        labels = [pair(f"p{k}", np.full((4, 4), i, np.uint8)) for k, i in enumerate(ids)]
        names = classes or {i: "background" if i == 0 else f"class_{i}" for i in ids}
        write(
            data_set(folder, names, labels),
            tmp_path / folder,
            format="folder",
            classes=data_set(folder, names, labels).classes,
        )
    merged = merge([read(tmp_path / folder) for folder in ("ADE20K_2016", "coco_stuff", "own")], mapping)
    found = {one.name: merged.classes.name_of(int(one.layout.label_map[0, 0])) for one in merged}
    assert found == {
        "ADE20K_2016-p0": "ignore",
        "ADE20K_2016-p1": "wall",
        "ADE20K_2016-p2": "road",
        "ADE20K_2016-p3": "flag",
        "coco_stuff-p0": "person",
        "coco_stuff-p1": "stop sign",
        "coco_stuff-p2": "wood",
        "own-p0": "car",
    }
    assert {info.id for info in merged.classes.classes} <= set(range(243))
    (tmp_path / "ADE20K_2016").rename(tmp_path / "indoors")
    with pytest.raises(
        InputError, match=r"no names for the mapping to find \('class_1'\).*ade20k, coco-stuff"
    ):
        merge([read(tmp_path / "indoors")], mapping)
    assert json.loads((tmp_path / "own" / "classes.json").read_text())["names"] == {"3": "car"}


def test_to_convert_the_classes_of_all_sets_are_taken_and_one_ground_is_the_other() -> None:
    one = data_set("a", {0: "background", 1: "car", 2: "bus"}, [pair("x", ids_of([0, 1, 2]))])
    other = data_set("b", {0: "Background", 2: "tree", 5: "car"}, [pair("y", ids_of([0, 2, 5]))])
    with pytest.raises(InputError, match="has no class"):
        merge([one, other])
    both = merge([one, other], union=True)
    assert {info.id: info.name for info in both.classes.classes} == {
        0: "background",
        1: "car",
        2: "bus",
        3: "tree",
    }
    assert both.names == ("x", "y")  # which do not clash
    became = np.array([0, 0, 3, 0, 0, 1])
    assert np.array_equal(both.load("y").layout.label_map, became[other.load("y").layout.label_map])


def test_classes_that_differ_in_case_alone_are_told() -> None:
    one = data_set("a", {0: "background", 1: "cat"}, [pair("x", ids_of([0, 1]))])
    other = data_set("b", {0: "background", 1: "Cat", 2: "dog"}, [pair("y", ids_of([0, 1, 2]))])
    both = merge([one, other], union=True)
    assert set(both.classes.names) == {"background", "cat", "Cat", "dog"}
    assert [one.text[:31] for one in both.findings] == ["'cat' and 'Cat' stay two classe"]


def test_names_that_clash_get_the_name_of_their_set() -> None:
    sets = [
        data_set(name, {0: "background", 1: "car"}, [pair("x", ids_of([0, 1], seed=k))])
        for k, name in enumerate("ab")
    ]
    both = merge(sets, union=True)
    assert both.names == ("a-x", "b-x")
    for data, name in zip(sets, both.names, strict=True):
        assert np.array_equal(both.load(name).layout.label_map, data.load("x").layout.label_map)


def test_the_parts_of_all_sets_are_joined() -> None:
    ids = ids_of([0, 1])
    names = {0: "background", 1: "car"}
    one = data_set(
        "a", names, [pair(n, ids) for n in "pqrs"], train=("p",), validation=("q",), test=("r", "s")
    )
    other = data_set("b", names, [pair(n, ids) for n in "tu"], test=("u",))
    both = merge([one, other], union=True)
    assert (both.train, both.validation, both.test) == (("p", "t"), ("q",), ("r", "s", "u"))
