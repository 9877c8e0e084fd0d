"""What several parts of a description say of the same objects is put together as a person means it, or refused."""

from __future__ import annotations

import pytest
from tests.layouts.test_description import refusal, said


def _read(text: str) -> str:
    return said(text, "car", "tree", "person")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two cars. Two cars on the left.", "exactly 2 cars on the left"),
        ("Two cars on the left! Two cars.", "exactly 2 cars on the left"),
        ("four cars. Two cars on the left.", "exactly 2 cars; exactly 2 cars on the left"),
        (
            "four cars. One car on the left. One large car.",
            "exactly 2 cars; exactly 1 car on the left; exactly 1 large car",
        ),
        ("ten cars. At least two cars on the left.", "exactly 8 cars; exactly 2 cars on the left"),
        ("at least four cars. Two cars on the left.", "at least 2 cars; exactly 2 cars on the left"),
        ("some cars. Three cars on the left.", "any number of cars; exactly 3 cars on the left"),
        ("many cars. Three cars on the left.", "many cars; exactly 3 cars on the left"),
        ("at most four cars. A car on the left.", "at most 3 cars; exactly 1 car on the left"),
        ("two cars. A car next to a tree.", "exactly 1 car; exactly 1 car next to a tree; exactly 1 tree"),
        ("two cars. No cars on the left.", "exactly 2 cars; no cars on the left"),
        ("two cars. Another car on the left.", "exactly 2 cars; exactly 1 car on the left"),
        ("three cars. All of them are on the left.", "exactly 3 cars on the left"),
        ("three cars. One is on the left.", "exactly 2 cars; exactly 1 car on the left"),
        ("two cars, two cars on the left", "exactly 2 cars; exactly 2 cars on the left"),
        ("two cars; two cars on the left", "exactly 2 cars; exactly 2 cars on the left"),
        (
            "two cars, one on the left and one on the right",
            "exactly 1 car on the left; exactly 1 car on the right",
        ),
        ("three cars, two of which are on the left", "exactly 1 car; exactly 2 cars on the left"),
        (
            "three cars and two of them next to a tree",
            "exactly 1 car; exactly 2 cars next to a tree; exactly 1 tree",
        ),
    ],
)
def test_a_total_counts_what_other_statements_say_more_of(text: str, expected: str) -> None:
    assert _read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "A car and a tree. The car is on the left, the tree on the right.",
            "exactly 1 car on the left; exactly 1 tree on the right",
        ),
        ("three cars. The cars are on the left.", "exactly 3 cars on the left"),
        ("a car on the left. The car is at the top.", "exactly 1 car on the left at the top"),
        (
            "two cars. The car at the top is on the left.",
            "exactly 1 car; exactly 1 car at the top on the left",
        ),
        (
            "a car on the left and a car on the right. The car on the left is above a tree.",
            "exactly 1 car on the left above a tree; exactly 1 car on the right; exactly 1 tree",
        ),
        (
            "a car next to a tree. The tree is on the left.",
            "exactly 1 car next to a tree; exactly 1 tree on the left",
        ),
        (
            "the car on the left and the car on the right",
            "exactly 1 car on the left; exactly 1 car on the right",
        ),
    ],
)
def test_the_car_is_the_one_that_was_named_before(text: str, expected: str) -> None:
    assert _read(text) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("two cars. Three cars on the left.", "wishes both exactly 2 cars and exactly 3 cars on the left"),
        (
            "ten cars. One or two cars on the left.",
            "how many cars are there beside the 1 to 2 cars on the left",
        ),
        ("ten cars. Many cars on the left.", "how many cars are there beside the many cars"),
        ("a car on the left and a car on the right. The car is at the top.", "which cars are 'the car'"),
        ("two cars on the left. The car is at the top.", "which cars are 'the car'"),
        ("a small car. The large car is on the left.", "can't have two sizes"),
        ("a car above a tree. The car is below a person.", "can't have two relations"),
        ("a car on the left. The car is on the right.", "no car can be"),
        ("a car and one on the left", "'on'"),
        ("two cars, another on the left", "'on'"),
        ("a car on the left, one of them at the top", "'of'"),
        ("no cars and trees", "'or trees'"),
        ("without cars, trees and people", "'some trees'"),
        ("two cars and three trees, all on the left", "'all'"),
        ("two cars and three trees all on the left", "'all'"),
        ("a car and a person are on the left", "'are'"),
        ("two cars, on the left, a tree", "leave out the comma"),
        ("a car. To its left a tree.", "'to'"),
    ],
)
def test_what_could_mean_two_things_is_refused(text: str, names: str) -> None:
    assert names in refusal(text, "car", "tree", "person", most=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no cars or trees on the left", "no cars on the left; no trees on the left"),
        (
            "no cars, trees or people above a tree",
            "no cars above a tree; no trees above a tree; no people above a tree",
        ),
        ("no cars on the left or trees", "no cars on the left; no trees"),
        ("no cars. Trees.", "no cars; at least 2 trees"),
        ("no cars but trees", "no cars; at least 2 trees"),
        ("no cars next to a tree", "no cars next to a tree"),
        ("a car next to no more than two trees", "exactly 1 car next to a tree; at most 2 trees"),
    ],
)
def test_what_there_is_none_of_ends_where_it_is_said_to(text: str, expected: str) -> None:
    assert _read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on the left a car at the top", "exactly 1 car on the left at the top"),
        (
            "on the left two cars and a person, a tree at the top",
            "exactly 2 cars on the left; exactly 1 person on the left; exactly 1 tree at the top",
        ),
        ("a tree and two cars that are on the left", "exactly 1 tree; exactly 2 cars on the left"),
        ("two cars on the left, all on the left", "exactly 2 cars on the left"),
        ("two cars, on the left, and a tree", "exactly 2 cars on the left; exactly 1 tree"),
        (
            "on the left, two cars, on the right, a tree",
            "exactly 2 cars on the left; exactly 1 tree on the right",
        ),
        (
            "in the upper half: a car; at the bottom: a tree",
            "exactly 1 car in the upper half; exactly 1 tree at the bottom",
        ),
    ],
)
def test_places_in_front_are_of_what_follows_and_none_is_lost(text: str, expected: str) -> None:
    assert _read(text) == expected
