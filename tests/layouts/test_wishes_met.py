"""The checker reads objects alone."""

from __future__ import annotations

import numpy as np
import pytest

from labelmint.layouts.grammar import understood
from labelmint.layouts.lexicon import Lexicon
from labelmint.layouts.places import common, regions_of, related
from labelmint.layouts.usual import Usual
from labelmint.layouts.wishes_met import forbidden, wishes_met
from labelmint.types import Array, ClassInfo, ClassSet

LEXICON = Lexicon(ClassSet((ClassInfo(id=0, name="car"), ClassInfo(id=1, name="tree"))))
SIZE = (100, 200)


def box(class_id: int, x: float, y: float, side: float = 0.1) -> list[float]:
    return [class_id, x - side / 2, y - side / 2, x + side / 2, y + side / 2]


def usual() -> Usual:
    """Sizes of cars and trees from 0.01 to 0.3; layouts show one to four cars."""
    sides = np.linspace(0.01, 0.3, 30)
    every = np.array([box(k, 0.5, 0.5, side) for k in (0, 1) for side in sides])
    counts = [np.array([box(0, 0.5, 0.5, 0.1)] * n) for n in (1, 2, 3, 4)]
    return Usual([every[:1], every[1:2], every[30:], *counts, *every[2:30, None]])


def met(text: str, *objects: list[float]) -> tuple[bool, ...]:
    found = np.array(objects, float).reshape(-1, 5)
    return wishes_met(understood(text, LEXICON), found, SIZE, usual()).wishes


CASES = [
    ("two cars", [box(0, 0.2, 0.2), box(0, 0.8, 0.8)], [True]),
    ("two cars", [box(0, 0.2, 0.2)], [False]),
    ("two cars", [box(0, 0.1 * k, 0.2) for k in (1, 2, 3)], [False]),
    ("at least two cars", [box(0, 0.1 * k, 0.2) for k in (1, 2, 3)], [True]),
    ("at most two cars", [], [True]),
    ("no cars", [box(1, 0.5, 0.5)], [True]),
    ("no cars", [box(0, 0.5, 0.5)], [False]),
    ("a car on the left", [box(0, 0.3, 0.9)], [True]),
    ("a car on the left", [box(0, 0.45, 0.9)], [False]),
    ("a car on the left", [box(0, 0.3, 0.9), box(0, 0.9, 0.9)], [False]),  # two cars, not one
    ("some cars on the left", [box(0, 0.3, 0.9), box(0, 0.1, 0.9), box(0, 0.9, 0.9)], [True]),
    ("no cars on the left, two cars", [box(0, 0.6, 0.1), box(0, 0.9, 0.9)], [True, True]),
    ("no cars on the left, two cars", [box(0, 0.2, 0.1), box(0, 0.9, 0.9)], [False, True]),
    # one object is no two, and each wish finds one of its own where that can be
    ("a car on the left, a small car", [box(0, 0.2, 0.5, 0.05)], [True, False]),
    ("a car on the left, a small car", [box(0, 0.2, 0.5, 0.05), box(0, 0.3, 0.5, 0.2)], [True, True]),
    ("a car on the left, a small car", [box(0, 0.2, 0.5, 0.2), box(0, 0.3, 0.5, 0.2)], [False, False]),
    ("a large car", [box(0, 0.5, 0.5, 0.28)], [True]),
    ("a large car", [box(0, 0.5, 0.5, 0.05)], [False]),
    ("many cars", [box(0, 0.1 * k, 0.2) for k in range(1, 4)], [True]),
    ("many cars", [box(0, 0.1, 0.2)], [False]),
    ("a car above a tree", [box(0, 0.5, 0.2), box(1, 0.5, 0.8)], [True, True]),
    ("a car above a tree", [box(0, 0.5, 0.8), box(1, 0.5, 0.2)], [False, True]),
    ("a car next to a car", [box(0, 0.5, 0.8), box(0, 0.55, 0.8)], [True, True]),
    ("a car next to a car", [box(0, 0.1, 0.1), box(0, 0.9, 0.9)], [False, False]),
    ("a car inside a tree", [box(0, 0.5, 0.5, 0.05), box(1, 0.5, 0.5, 0.2)], [True, True]),
    ("a car inside a tree", [box(0, 0.6, 0.5, 0.05), box(1, 0.5, 0.5, 0.2)], [False, True]),
    # what has no area lies in what it lies in, not in everything
    ("a car inside a tree", [box(0, 0.5, 0.5, 0.0), box(1, 0.5, 0.5, 0.2)], [True, True]),
    ("a car inside a tree", [box(0, 0.9, 0.5, 0.0), box(1, 0.5, 0.5, 0.2)], [False, True]),
    # a largest number is of all that is so, where further objects of the class may be there
    ("some cars, two cars on the left", [box(0, x, 0.5) for x in (0.1, 0.2, 0.3, 0.9)], [True, False]),
    ("some cars, two cars on the left", [box(0, x, 0.5) for x in (0.1, 0.2, 0.7, 0.8, 0.9)], [True, True]),
    ("at least two cars, at most one small car", [box(0, x, 0.5, 0.05) for x in (0.2, 0.4)], [True, False]),
    ("two cars, two cars on the left", [box(0, x, 0.5) for x in (0.1, 0.2, 0.3, 0.35)], [True, True]),
    ("two cars, at least three small cars", [box(0, 0.1 * k, 0.5, 0.05) for k in range(1, 8)], [True, True]),
    ("only two cars", [box(0, 0.2, 0.2), box(0, 0.8, 0.8)], [True, True]),
    ("only two cars", [box(0, 0.2, 0.2), box(0, 0.8, 0.8), box(1, 0.5, 0.5)], [True, False]),
]


@pytest.mark.parametrize(("text", "objects", "expected"), CASES)
def test_each_wish_is_met_by_objects_of_its_own(
    text: str, objects: list[list[float]], expected: list[bool]
) -> None:
    assert met(text, *objects) == tuple(expected)
    assert met(text, *reversed(objects)) == tuple(expected)  # in whatever order they stand


def test_what_is_forbidden_is_found() -> None:
    objects = np.array([box(0, 0.2, 0.5), box(0, 0.8, 0.5), box(1, 0.1, 0.1)])
    description = understood("no cars on the left, a tree", LEXICON)
    assert forbidden(description, objects, SIZE, usual()).tolist() == [True, False, False]


def test_the_last_objects_that_are_too_many_of_a_kind_are_found_but_none_that_is_needed() -> None:
    description = understood("some cars, two cars on the left", LEXICON)
    objects = np.array([box(0, x, 0.5) for x in (0.9, 0.8, 0.1, 0.2, 0.3, 0.35)])
    away = forbidden(description, objects, SIZE, usual())
    assert away.sum() == 2
    assert not away[:2].any()
    assert wishes_met(description, objects[~away], SIZE, usual()).all
    assert not forbidden(description, objects[:4], SIZE, usual()).any()


def test_whether_wishes_are_met_does_not_hang_on_the_order_of_objects() -> None:
    rng, known = np.random.default_rng(0), usual()
    for text in (
        "some cars, two cars on the left",
        "at least two cars, one or two small cars, a car at the top",
    ):
        description = understood(text, LEXICON)
        for _ in range(60):
            objects = objects_at_random(rng)
            orders = [objects, objects[::-1], objects[rng.permutation(len(objects))]]
            assert len({wishes_met(description, one, SIZE, known).all for one in orders}) == 1


def test_relations_are_measured_in_pixels() -> None:
    """In an image twice as wide as high, a step of 0.3 across is longer than one of 0.4 down."""
    scale = np.array([200, 100, 200, 100])
    one, other = (np.array([box(0, x, y)[1:]]) * scale for x, y in ((0.2, 0.1), (0.5, 0.5)))
    assert related("left of", one, other).item()
    assert not related("above", one, other).item()


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("left", [(0, 0, 0.4, 1)]),
        ("upper right", [(0.6, 0, 1, 0.4)]),
        ("lower half", [(0, 0.5, 1, 1)]),
        ("upper left quarter", [(0, 0, 0.5, 0.5)]),
        ("center", [(0.3, 0.3, 0.7, 0.7)]),
        ("center left", [(0, 0.3, 0.4, 0.7)]),
        ("top center", [(0.3, 0, 0.7, 0.4)]),
        ("lower left corner", [(0, 0.75, 0.25, 1)]),
        ("left corner", [(0, 0, 0.25, 0.25), (0, 0.75, 0.25, 1)]),
        ("top edge", [(0, 0, 1, 0.15)]),
    ],
)
def test_places_are_regions(place: str, expected: list[tuple[float, ...]]) -> None:
    assert np.allclose(regions_of(place), expected)


def test_a_corner_is_one_of_four_and_places_are_all_meant() -> None:
    assert len(regions_of("corner")) == len(regions_of("edge")) == 4
    assert common(("left", "right")) == ()
    assert np.allclose(common(("left", "top")), regions_of("upper left"))
    assert common(()) == ((0, 0, 1, 1),)


def test_sizes_are_quantiles_of_the_data() -> None:
    sides = np.linspace(0.1, 1.0, 10)
    known = Usual([np.array([[3, 0, 0, side, side] for side in sides])])
    assert known.sizes(3, None) == (0.0, 1.0)
    assert known.sizes(3, "large")[0] == pytest.approx(0.7)
    assert known.sizes(3, "small") == (0.0, pytest.approx(0.4))
    alike = Usual([np.array([[3, 0, 0, 0.1, 0.1]] * 5)])
    assert alike.sizes(3, "medium")[0] < alike.sizes(3, "medium")[1]
    filling = Usual([np.array([[3, 0, 0, 1, 1]])])
    assert 0 < filling.sizes(3, "large")[0] < filling.sizes(3, "large")[1] <= 1


def objects_at_random(rng: np.random.Generator) -> Array:
    return np.array([box(int(rng.integers(2)), *rng.random(2), rng.uniform(0.02, 0.3)) for _ in range(6)])


def test_wishes_are_met_by_definition() -> None:
    """Counting by a plain definition, for wishes that stand alone."""
    rng, known = np.random.default_rng(0), usual()
    description = understood("at least two cars on the left", LEXICON)
    for _ in range(50):
        objects = objects_at_random(rng)
        count = sum(one[0] == 0 and (one[1] + one[3]) / 2 <= 0.4 for one in objects)
        assert wishes_met(description, objects, SIZE, known).all == (count >= 2)
