"""Rules learned from real scenes: real held-out scenes keep them, and what the data never show breaks them."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from labelmint.datasets.canvas import COMPOSITIONS, PAIRS
from labelmint.datasets.digits import make_digits
from labelmint.errors import InputError
from labelmint.metrics.coherence import Rule, Scene, SceneObject, scene_objects, violations
from labelmint.metrics.learned_rules import (
    AreasSeen,
    CountsSeen,
    NeverTogether,
    expected_together,
    learn_rules,
)
from labelmint.types import AnnotatedImage

ALLOWED = {frozenset((a + 1, b + 1)) for a, b in PAIRS}


@cache
def scenes(composition: str) -> tuple[list[Scene], list[Scene]]:
    """800 training and 200 test scenes; test canvases draw from other digits."""
    found = [
        scene_objects(pair.layout.label_map, pair.layout.instances, (0,))
        for pair in make_digits(composition, 1000)
    ]
    return found[:800], found[800:]


@cache
def rules(composition: str) -> tuple[Rule, ...]:
    return learn_rules(scenes(composition)[0])


def caught(composition: str, shown: list[Scene], name: str | None = None) -> float:
    found = violations(rules(composition), shown)
    return found.rate if name is None else found.counts[name] / len(shown)


@pytest.mark.parametrize(
    "composition",
    [pytest.param(name, marks=pytest.mark.slow) if name == "upper" else name for name in COMPOSITIONS],
)
def test_real_held_out_scenes_keep_what_was_learned(composition: str) -> None:
    assert caught(composition, scenes(composition)[1]) <= 0.03


@pytest.mark.parametrize("composition", COMPOSITIONS)
def test_few_real_scenes_teach_few_false_rules(composition: str) -> None:
    train, test = scenes(composition)
    assert violations(learn_rules(train[:100]), test).rate <= 0.06


def test_forbidden_pairs_are_caught() -> None:
    learned = rules("pairs")[0]
    assert isinstance(learned, NeverTogether)
    assert {frozenset(pair) for pair in learned.pairs} == {
        frozenset((a, b)) for a in range(1, 11) for b in range(1, a) if frozenset((a, b)) not in ALLOWED
    }
    rng, forbidden = np.random.default_rng(0), []
    for scene in scenes("pairs")[1]:
        first, second = scene.objects
        other = rng.choice(
            [k for k in range(1, 11) if k != first.class_id and frozenset((k, first.class_id)) not in ALLOWED]
        )
        forbidden.append(Scene(scene.size, (first, dataclasses.replace(second, class_id=int(other)))))
    assert caught("pairs", forbidden, "classes together") == 1


def test_objects_of_two_scenes_mixed_are_caught() -> None:
    for composition in COMPOSITIONS:
        test = scenes(composition)[1]
        union = [Scene(a.size, a.objects + b.objects) for a, b in zip(test, test[1:], strict=False)]
        assert caught(composition, union, "counts") == 1
    swapped = [
        Scene(a.size, (a.objects[0], b.objects[1]))
        for a, b in zip(scenes("pairs")[1], scenes("pairs")[1][1:], strict=False)
    ]
    assert caught("pairs", swapped) >= 0.7
    shown = [frozenset(item.class_id for item in scene.objects) for scene in swapped]
    reasons = violations(rules("pairs"), swapped).reasons
    assert all(bool(why) == (classes not in ALLOWED) for classes, why in zip(shown, reasons, strict=True))


def test_digits_moved_to_the_lower_half_are_caught() -> None:
    moved = []
    for scene in scenes("upper")[1]:
        x0, y0, x1, y1 = scene.objects[0].box
        down = dataclasses.replace(scene.objects[0], box=(x0, y0 + 16, x1, y1 + 16))
        moved.append(Scene(scene.size, (down, *scene.objects[1:])))
    assert caught("upper", moved, "places") >= 0.95
    assert caught("three", moved, "places") == 0


def test_objects_of_a_strange_size_and_of_unknown_classes_are_caught() -> None:
    for factor in (0.4, 2.5):
        strange = [
            Scene(s.size, (dataclasses.replace(s.objects[0], area=round(144 * factor)), *s.objects[1:]))
            for s in scenes("three")[1]
        ]
        assert caught("three", strange, "areas") == 1
    unknown = [
        Scene(s.size, (dataclasses.replace(s.objects[0], class_id=77), *s.objects[1:]))
        for s in scenes("three")[1]
    ]
    assert caught("three", unknown, "counts") == 1


# The thresholds ---------------------------------------------------------------------------------------------


def square(class_id: int, x: float = 10, y: float = 10, area: int = 16) -> SceneObject:
    return SceneObject(class_id, (x, y, x + 4, y + 4), area)


def alternating(n: int) -> list[Scene]:
    """Classes 1 and 2, never together, each in half of the scenes, two objects of one class each."""
    return [Scene((32, 32), (square(1 + i % 2), square(1 + i % 2))) for i in range(n)]


def test_classes_are_never_together_only_where_chance_would_have_shown_them() -> None:
    # N p_a p_b = N / 4, and two objects of independent classes would be one of each with 1 - exp(-2 / 4).
    assert expected_together(alternating(40), 1, 2) == pytest.approx(min(40 / 4, 40 * (1 - np.exp(-0.5))))
    empty = Scene((32, 32), ())
    # 5 and 3.2 expected
    for data, known in ((alternating(20), True), ([*alternating(16), *[empty] * 4], False)):
        learned = learn_rules(data)[0]
        assert isinstance(learned, NeverTogether)
        assert (learned.pairs == {(1, 2)}) == known
    # one object each: nothing could have been together
    lonely = [Scene((32, 32), (square(1 + i % 2),)) for i in range(400)]
    assert expected_together(lonely, 1, 2) == 0
    alone = learn_rules(lonely)[0]
    assert isinstance(alone, NeverTogether)
    assert not alone.pairs
    rare = [*alternating(200), *[Scene((32, 32), (square(3),))] * 3]
    seldom = learn_rules(rare)[0]
    assert isinstance(seldom, NeverTogether)
    assert seldom.pairs == {(1, 2)}


def test_ranges_end_beyond_the_largest_by_the_way_to_the_fifth() -> None:
    many = [Scene((32, 32), (square(1),) * count) for count in (*[3] * 30, 4, 5, 6, 8, 9)]
    learned = learn_rules(many)[1]
    assert isinstance(learned, CountsSeen)
    assert learned.total == (3, 2 * 9 - 4)
    assert learned.of_class == {1: (3, 14)}
    wrong = learned.check(Scene((32, 32), (square(1),) * 2 + (square(5),)))
    assert wrong == "2 of class 1, not 3 to 14, 1 of class 5, not 0"


def test_areas_are_shares_of_the_image_and_rare_classes_are_free() -> None:
    data = [Scene((32, 32), (square(1),) + (square(2),) * (i < 4)) for i in range(30)]
    learned = learn_rules(data)[3]
    assert isinstance(learned, AreasSeen)
    assert set(learned.of_class) == {1}
    larger = Scene((64, 64), (square(1, area=64), square(2, area=4000)))
    assert learned.check(larger) == ""
    assert "not 43 to 96" in learned.check(Scene((64, 64), (square(1, area=16),)))


@pytest.mark.parametrize("cell", [2, 4])
def test_right_layouts_on_a_grid_keep_the_rules_that_know_its_grain(cell: int) -> None:
    def on_grid(pair: AnnotatedImage) -> Scene:
        """Labels as a grid of cells keeps them: each cell takes the id at its middle."""
        rough = (
            np.repeat(np.repeat(ids[cell // 2 :: cell, cell // 2 :: cell], cell, 0), cell, 1)
            for ids in maps(pair)
        )
        return scene_objects(*rough, (0,))

    shown = [on_grid(pair) for pair in make_digits("upper", 100, seed=9)]
    train = scenes("upper")[0]
    assert violations(learn_rules(train, grain=cell / 32), shown).rate <= 0.03
    assert (
        violations(learn_rules(train, grain=cell / 32), [Scene(s.size, s.objects * 2) for s in shown]).rate
        == 1
    )


def maps(pair: AnnotatedImage) -> tuple[np.ndarray, np.ndarray]:
    assert pair.layout.instances is not None
    return pair.layout.label_map, pair.layout.instances


def test_a_class_that_is_always_there_is_missed_and_a_rare_one_has_the_places_of_all() -> None:
    rng = np.random.default_rng(0)
    data = [
        Scene(
            (32, 32),
            (
                square(1, 1, 1),
                *(square(2, *rng.uniform(0, 28, 2)) for _ in range(3)),
                *[square(3, 25, 25)] * (i < 3),
            ),
        )
        for i in range(100)
    ]
    learned = learn_rules(data, {1: "stamp"})
    assert learned[1].check(Scene((32, 32), (square(2),) * 4)) == "0 of stamp, not 1, 4 of class 2, not 3"
    places = learned[2]
    assert places.check(Scene((32, 32), (square(2, 25, 2), square(3, 2, 25)))) == ""
    assert places.check(Scene((32, 32), (square(1, 25, 25),))) == "stamp at x 27, y 27"
    assert places.check(Scene((32, 32), (square(1, 2, 2),))) == ""
    assert places.check(Scene((32, 32), (SceneObject(2, (-9.0, -9.0, -5.0, -5.0), 16),))) == ""


def test_too_few_scenes_teach_nothing() -> None:
    with pytest.raises(InputError, match="shares of the image"):
        learn_rules(alternating(20), grain=2)
    with pytest.raises(InputError, match="at least 20 real scenes, got 19"):
        learn_rules(alternating(19))
    empty = learn_rules([Scene((8, 8), ())] * 20)
    assert violations(empty, [Scene((8, 8), ())]).broken == 0
    assert violations(empty, [Scene((8, 8), (square(1),))]).counts["counts"] == 1
