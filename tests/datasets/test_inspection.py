"""Inspection: exact counts, and every kind of oddity found where it is and only there."""

import dataclasses
import json
import threading
from collections.abc import Callable

import numpy as np
import pytest

from labelmint.datasets import ahead
from labelmint.datasets.digits import DIGIT_CLASSES, make_digits, split
from labelmint.datasets.duplicates import digest_of, near_duplicates, view_from_afar
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.inspection import TRAILING_NUMBER, Inspection, inspect
from labelmint.datasets.objects import object_map
from labelmint.datasets.token_grid import kept_objects
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Finding, Layout

CLASSES = ClassSet(
    (ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell"), ClassInfo(id=2, name="dust"))
)


def _image(seed: int, size: tuple[int, int] = (32, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 1)).astype(np.uint8)


def _pair(name: str, seed: int, size: tuple[int, int] = (32, 32), label: int = 1) -> AnnotatedImage:
    label_map = np.zeros(size, np.uint8)
    label_map[2:6, 2:6] = label_map[10:20, 10:20] = label
    return AnnotatedImage(name=name, image=_image(seed, size), layout=Layout(label_map=label_map))


def _data(pairs: list[AnnotatedImage], **more: object) -> DataSet:
    by_name = {pair.name: pair for pair in pairs}
    base = DataSet(
        source="set", format="folder", classes=CLASSES, names=tuple(sorted(by_name)), load=by_name.__getitem__
    )
    return dataclasses.replace(base, **more)


def _kinds(found: Inspection) -> set[str]:
    return {finding.kind for finding in found.findings}


def _stated(found: Inspection, kind: str) -> str:
    return " ".join(finding.text for finding in found.findings if finding.kind == kind)


def test_digits_are_counted_exactly_and_nothing_is_odd() -> None:
    pairs = list(make_digits("three", 60))
    train, test = split(60)
    found = inspect(
        _data(pairs, classes=DIGIT_CLASSES, train=tuple(train), test=tuple(test)),
        geometry=Geometry(size=(32, 32)),
        grid=(8, 8),
    )
    assert found.findings == ()
    assert found.objects_are == "objects"
    assert (found.pairs, found.readable, found.channels) == (60, 60, {1: 60})
    assert (found.smallest, found.largest, found.sizes) == ((32, 32), (32, 32), 1)
    assert found.split["test"] == 12
    for count in found.classes[1:]:
        boxes = [item for pair in pairs for item in pair.layout.objects if item.class_id == count.id]
        assert count.objects == count.objects_at_size == count.objects_kept == len(boxes)
        assert count.pixels == sum(item.area for item in boxes)
    assert sum(count.share for count in found.classes) == pytest.approx(1)
    assert json.loads(json.dumps(found.to_json()))["classes"][3]["name"] == "2"
    assert "nothing odd" in str(found)


def test_no_name_in_a_file_moves_the_cursor_of_a_terminal() -> None:
    name = "cell\n\x1b[31m\x9b2J"
    odd = Finding(kind="odd", text="a name with \r and \x07 in it")
    classes = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name=name)))
    data = _data([_pair(f"p{k}", k) for k in range(3)], classes=classes, findings=(odd,), source="set\x1b[2J")
    found = inspect(data)
    assert found.classes[1].name == name  # programs have it as it is
    text = str(found)
    assert text.startswith("set [2J: format") and "cell  [31m 2J " in text
    assert "a name with   and   in it" in text
    assert not set("\x1b\x9b\r\x07") & set(text)


@pytest.mark.parametrize("workers", [1, 3])
def test_bad_pairs_are_findings_and_the_rest_is_counted(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "cores", lambda: workers)
    threads = set()
    good = [_pair(f"n{k}", k) for k in range(8)]
    data = _data(good)

    def load(name: str) -> AnnotatedImage:
        threads.add(threading.current_thread())
        if name == "n3":
            raise InputError("n3.png: truncated\nfile")
        if name == "n4":
            raise PermissionError("n4.png: not yours")
        return data.load(name)

    found = inspect(dataclasses.replace(data, load=load))
    assert (found.pairs, found.readable) == (8, 6)
    assert (threading.main_thread() in threads) == (workers == 1)
    assert "n3.png: truncated file" in _stated(found, "unreadable")
    assert "n4.png" in _stated(found, "unreadable")
    assert found.classes[1].objects == 12
    assert found.objects_are == "connected components"
    assert "dust" in _stated(found, "classes never seen")
    nothing = inspect(dataclasses.replace(data, load=lambda name: load("n3")))
    assert nothing.readable == 0
    assert "none could be read" in str(nothing)
    assert "3 more pairs" in _stated(nothing, "unreadable")


def _brighter(image: np.ndarray) -> np.ndarray:
    return (image * 0.8 + 30).round().astype(np.uint8)


ODD: list[tuple[str, str, Callable[[], DataSet]]] = [
    (
        "unknown ids",
        r"1 labels.*7 \(116 pixels\)",
        lambda: _data([_pair("a", 1, label=7), _pair("b", 2), _pair("c", 3, label=2)]),
    ),
    (
        "empty labels",
        "1 labels.*'a'",
        lambda: _data([_pair("a", 1, label=0), _pair("b", 2), _pair("c", 3, label=2)]),
    ),
    (
        "empty labels",
        "1 labels.*'a'",
        lambda: _data([_pair("a", 1, label=255), _pair("b", 2), _pair("c", 3, label=2)]),
    ),
    (
        "identical images",
        "1 pairs.*a and c",
        lambda: _data([_pair("a", 1), _pair("b", 2), _pair("c", 1, label=2)]),
    ),
    (
        "near-duplicate images",
        "1 pairs.*a and c",
        lambda: _data(
            [
                _pair("a", 1),
                _pair("b", 2),
                dataclasses.replace(_pair("c", 1, label=2), image=_brighter(_image(1))),
            ]
        ),
    ),
    (
        "very unequal sizes",
        "32x32 to 96x64",
        lambda: _data([_pair("a", 1), _pair("b", 2, (96, 64)), _pair("c", 3, label=2)]),
    ),
]


@pytest.mark.parametrize(("kind", "words", "make"), ODD)
def test_each_oddity_is_found_alone(kind: str, words: str, make: Callable[[], DataSet]) -> None:
    found = inspect(make())
    stated = _kinds(found) - {"neighbors across the split"}  # two of three names alike may fall on two sides
    assert stated == {kind}
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(_stated(found, kind))


def test_look_alikes_on_both_sides_of_the_split_are_told() -> None:
    pairs = [_pair(f"n{k}", k) for k in range(6)] + [
        dataclasses.replace(_pair("copy", 9), image=_brighter(_image(0)))
    ]
    found = inspect(_data(pairs, test=("copy",)))
    assert "n0" in _stated(found, "neighbors across the split")
    apart = inspect(_data(pairs, test=("n5",)))
    assert "n5" not in _stated(apart, "neighbors across the split")


def test_series_of_names_suggest_groups_and_counting_does_not() -> None:
    series = [_pair(f"p{p}_{k}", 10 * p + k) for p in range(5) for k in range(6)]
    test = tuple(f"p{p}_5" for p in range(5))
    found = inspect(_data(series, test=test))
    assert found.suggested_group_by == TRAILING_NUMBER
    assert TRAILING_NUMBER in _stated(found, "neighbors across the split")
    grouped = inspect(_data(series, test=tuple(f"p4_{k}" for k in range(6))), group_by=TRAILING_NUMBER)
    assert grouped.suggested_group_by is None
    assert "neighbors across the split" not in _kinds(grouped)
    divided = inspect(_data(series, test=test), group_by=TRAILING_NUMBER)
    assert "group 'p0'" in _stated(divided, "neighbors across the split")
    counting = inspect(_data([_pair(f"img_{k:03d}", k) for k in range(30)], test=("img_029",)))
    assert counting.suggested_group_by is None
    with pytest.raises(InputError, match="not a regular expression"):
        inspect(_data(series), group_by="(")


def test_near_duplicates_equal_the_slow_definition() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (20, 24, 3)).astype(np.uint8) for _ in range(30)]
    images += [
        _brighter(images[3]),
        images[4].copy(),
        np.zeros((20, 24, 3), np.uint8),
        np.full((20, 24, 3), 9, np.uint8),
    ]
    views = np.stack([view_from_afar(image) for image in images])
    found = near_duplicates(views, [digest_of(image) for image in images])
    correlation = views @ views.T
    slow = [(a, b) for a in range(len(images)) for b in range(a + 1, len(images)) if correlation[a, b] > 0.99]
    assert [tuple(pair) for pair in found.pairs.tolist()] == slow == [(3, 30), (4, 31)]
    assert found.complete


def test_objects_are_instances_or_connected_components() -> None:
    label_map = np.array([[1, 1, 2, 0], [1, 2, 2, 1], [0, 0, 0, 1], [255, 1, 0, 0]], np.uint8)
    components, classes = object_map(label_map, None, {0, 255})
    assert sorted(classes) == [1, 1, 1, 2]
    assert ((components > 0) == np.isin(label_map, [1, 2])).all()
    instances = np.array([[5, 5, 5, 0], [5, 9, 9, 9], [7, 7, 0, 0], [0, 0, 0, 0]], np.uint16)
    numbered, classes = object_map(label_map, instances, {0, 255})
    assert classes == [1, 2]  # 5 holds three pixels of 1 and one of 2; 7 lies on the background and is none
    assert set(np.unique(numbered)) == {0, 1, 2}
    assert (numbered[instances == 7] == 0).all()


def test_the_grid_keeps_what_wins_a_cell() -> None:
    label_map, instances = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint16)
    label_map[0:4, 0:4], instances[0:4, 0:4] = 1, 1  # a whole cell
    label_map[0:4, 4], instances[0:4, 4] = 1, 2  # a thin one
    label_map[4:8, 0:3], instances[4:8, 0:3] = 2, 3  # most of a cell
    label_map[5:7, 5:7], instances[5:7, 5:7] = 2, 4  # a quarter of one
    had, kept = kept_objects(label_map, instances, (4, 4), {0})
    assert (dict(had), dict(kept)) == ({1: 2, 2: 2}, {1: 1, 2: 1})
    had, kept = kept_objects(label_map, None, (4, 4), {0})
    # without instances the thin one is part of its neighbor
    assert (dict(had), dict(kept)) == ({1: 1, 2: 2}, {1: 1, 2: 1})
    assert (
        kept_objects(label_map, instances, (1, 1), {0})
        == (kept_objects(label_map, instances, (1, 1), {0})[0],) * 2
    )
    with pytest.raises(InputError, match="does not divide"):
        inspect(_data([_pair("a", 1)]), geometry=Geometry(size=(32, 32)), grid=(5, 8))
    with pytest.raises(InputError, match="--size"):
        inspect(_data([_pair("a", 1)]), grid=(8, 8))


def test_objects_in_crops_are_counted_at_the_scale_that_crops_are_cut_from() -> None:
    """A dot of one pixel goes where images are resized, and stays where they are cropped."""
    label_map = np.zeros((37, 43), np.uint8)  # no whole number of cells
    label_map[20, 20] = 1
    label_map[0, 0] = 2  # outside the whole cells
    pair = AnnotatedImage(name="a", image=_image(1, (37, 43)), layout=Layout(label_map=label_map))
    found = {
        how: inspect(_data([pair]), geometry=Geometry(size=(8, 8), crop=crop, scale=scale), grid=(8, 8))
        for how, crop, scale in (("resized", False, 1.0), ("cropped", True, 1.0), ("half", True, 0.5))
    }
    kept = {how: one.classes[1].objects_kept for how, one in found.items()}
    assert (kept["resized"], kept["cropped"]) == (0, 1)
    assert found["half"].scale == 0.5 and "at 0.5 of their size" in str(found["half"])
    coarse = inspect(_data([pair]), geometry=Geometry(size=(8, 8), crop=True), grid=(2, 2))
    assert [one.objects_kept for one in coarse.classes[1:]] == [0, 0]
    small = inspect(_data([pair]), geometry=Geometry(size=(64, 64), crop=True), grid=(8, 8))
    assert small.readable == 0 and "smaller than the crop" in _stated(small, "unreadable")
