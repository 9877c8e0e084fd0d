"""Coherence: objects are read from maps as they lie there, and rules find what breaks them and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from labelmint.datasets.canvas import COMPOSITIONS, PAIRS
from labelmint.datasets.digits import make_digits
from labelmint.errors import InputError
from labelmint.metrics.coherence import (
    RULED_COMPOSITIONS,
    AllowedPairs,
    ExactCount,
    OneInCenter,
    Scene,
    SceneObject,
    UpperHalf,
    composition_rules,
    scene_objects,
    violations,
)


def scene(*objects: tuple[int, float, float], size: tuple[int, int] = (32, 32), side: float = 6) -> Scene:
    """Squares given by class and corner x, y."""
    return Scene(
        size, tuple(SceneObject(k, (x, y, x + side, y + side), int(side * side)) for k, x, y in objects)
    )


# Reading objects --------------------------------------------------------------------------------------------


def test_objects_have_their_class_box_and_area() -> None:
    labels, instances = np.zeros((10, 14), np.uint8), np.zeros((10, 14), np.uint8)
    labels[1:4, 2:7], labels[1:4, 7:9] = 3, 3  # two of a class that touch, apart by instance only
    instances[1:4, 2:7], instances[1:4, 7:9] = 5, 2
    labels[6:8, 0:3] = 255
    found = scene_objects(labels, instances, (0, 255))
    assert found.size == (10, 14)
    assert set(found.objects) == {
        SceneObject(3, (2.0, 1.0, 7.0, 4.0), 15),
        SceneObject(3, (7.0, 1.0, 9.0, 4.0), 6),
    }
    assert scene_objects(labels, None, (0, 255)).objects == (SceneObject(3, (2.0, 1.0, 9.0, 4.0), 21),)
    assert scene_objects(labels, instances, (0, 255), smallest=7).counts == {3: 1}
    assert scene_objects(np.zeros((4, 4), np.uint8), None, (0,)).objects == ()


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_instances_give_back_the_objects_that_were_painted(composition: str) -> None:
    for pair in make_digits(composition, 50):
        found = scene_objects(pair.layout.label_map, pair.layout.instances, (0,)).objects
        assert {(item.class_id, item.box, item.area) for item in found} == {
            (item.class_id, item.box, item.area) for item in pair.layout.objects
        }


def test_a_wavering_object_is_one_and_touching_objects_stay_two() -> None:
    wavering = np.zeros((12, 12), np.uint8)
    wavering[2:10, 2:10] = 4
    wavering[2:10, 4:6] = 7  # a stripe of another class cuts it in two
    wavering[9, 9] = 1
    assert len(scene_objects(wavering, None, (0,)).objects) == 4
    for merge in (0.5, 1.0):
        assert scene_objects(wavering, None, (0,), merge=merge).objects == (
            SceneObject(4, (2.0, 2.0, 10.0, 10.0), 64),
        )
    touching = np.zeros((12, 12), np.uint8)
    touching[2:8, 0:6], touching[3:9, 6:12] = 4, 7
    assert scene_objects(touching, None, (0,), merge=0.5).counts == {4: 1, 7: 1}
    assert len(scene_objects(touching, None, (0,), merge=1).objects) == 1


maps = st.integers(0, 10_000).map(
    lambda seed: np.random.default_rng(seed).integers(0, 4, (9, 11)).astype(np.uint8)
)


@given(maps)
def test_merging_everything_answers_the_components_of_the_foreground(labels: np.ndarray) -> None:
    components, count = ndimage.label(labels > 0)
    found = scene_objects(labels, None, (0,), merge=1).objects
    assert len(found) == count
    expected = []
    for k, (rows, columns) in enumerate(ndimage.find_objects(components), start=1):
        values = labels[components == k]
        box = (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
        expected.append(SceneObject(int(np.bincount(values).argmax()), box, len(values)))
    assert set(found) == set(expected)


@given(maps, st.floats(0, 1))
def test_merging_keeps_every_pixel_and_joins_more_when_asked_for_more(
    labels: np.ndarray, merge: float
) -> None:
    counts = []
    for share in (0.0, merge, 1.0):
        found = scene_objects(labels, None, (0,), merge=share)
        assert sum(item.area for item in found.objects) == np.count_nonzero(labels)
        counts.append(len(found.objects))
    assert counts[0] >= counts[1] >= counts[2]


def test_bad_maps_are_refused() -> None:
    flat = np.zeros((4, 4), np.uint8)
    for arguments in ((flat[0], None), (flat, np.zeros((4, 5), np.uint8))):
        with pytest.raises(InputError, match="label map"):
            scene_objects(*arguments, (0,))
    with pytest.raises(InputError, match="share in"):
        scene_objects(flat, None, (0,), merge=1.5)


# Rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_made_canvases_keep_the_rules_of_their_composition_and_break_others(composition: str) -> None:
    scenes = [
        scene_objects(p.layout.label_map, p.layout.instances, (0,))
        for p in make_digits(composition, 100, seed=3)
    ]
    assert violations(composition_rules(composition), scenes).broken == 0
    assert violations(composition_rules("pairs" if composition != "pairs" else "three"), scenes).broken == 100
    if composition == "three":
        assert violations(composition_rules("upper"), scenes).broken > 80


def test_exactly_the_five_pairs_are_allowed() -> None:
    (rule,) = composition_rules("pairs")
    kept = {
        frozenset((a, b))
        for a in range(10)
        for b in range(10)
        if not rule.check(scene((a + 1, 0, 0), (b + 1, 20, 20)))
    }
    assert kept == {frozenset(pair) for pair in PAIRS}
    wrong = rule.check(scene((7, 0, 0), (8, 20, 20)))
    assert wrong == "found {6, 7}, no allowed pair"
    for objects in ((), ((7, 0, 0),), ((7, 0, 0), (5, 20, 20), (5, 10, 10))):
        assert rule.check(scene(*objects))


@given(st.integers(0, 40), st.integers(0, 5))
def test_the_upper_half_ends_at_the_middle_and_its_tolerance(y: int, tolerance: int) -> None:
    rule = UpperHalf(tolerance)
    assert bool(rule.check(scene((1, 3, y), (2, 20, 0), size=(40, 60)))) == (y + 6 > 20 + tolerance)


def test_one_in_the_center() -> None:
    rule = OneInCenter()
    middle = (1, 45, 45)
    kept = [(middle,), (middle, (1, 20, 60)), (middle, (2, 47, 0))]
    broken = [
        (),
        ((1, 20, 60),),
        (middle, (2, 50, 40)),
        (middle, (1, 20, 60), (2, 70, 20)),
        (middle, (2, 0, 0)),
    ]
    assert [rule.check(scene(*objects, size=(96, 96))) for objects in kept] == ["", "", ""]
    assert [rule.check(scene(*objects, size=(96, 96))) for objects in broken] == [
        "0 objects in the center",
        "0 objects in the center",
        "2 objects in the center",
        "2 others",
        "1 in a corner",
    ]


def test_every_rule_says_in_one_sentence_what_it_asks() -> None:
    for composition in RULED_COMPOSITIONS:
        for rule in composition_rules(composition, tolerance=2):
            assert rule.text.endswith(".")
            assert rule.text.count(". ") == 0
            assert rule.name
    assert "{1, 5}" in composition_rules("pairs")[0].text
    with pytest.raises(InputError, match="known: pairs"):
        composition_rules("lower")


def test_violations_are_counted_by_rule_and_listed_by_scene() -> None:
    rules = composition_rules("upper")
    scenes = [
        scene((1, 0, 0), (2, 8, 8), (3, 20, 0)),
        scene((1, 0, 0), (2, 8, 20)),
        scene((1, 0, 0), (2, 8, 8)),
        scene(),
    ]
    found = violations(rules, scenes)
    assert found.counts == {"exactly 3 objects": 3, "upper half": 1}
    assert [len(reasons) for reasons in found.reasons] == [0, 2, 1, 1]
    assert found.reasons[1][1] == "upper half: pixels below the middle: 1 by 10"
    assert (found.scenes, found.broken, found.rate) == (4, 3, 0.75)
    assert found.summary() == {"scenes": 4, "broken": 3, "rate": 0.75, "by_rule": dict(found.counts)}
    assert violations(rules, []).summary()["rate"] is None
    assert np.isnan(violations(rules, []).rate)
    with pytest.raises(InputError, match="different names"):
        violations([ExactCount(3), ExactCount(3)], scenes)
    assert AllowedPairs(frozenset({frozenset({1, 2})})).check(scene((1, 0, 0), (2, 9, 9))) == ""
