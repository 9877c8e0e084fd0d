"""The law of splits: disjoint, stable, a tenth validates, groups stay together."""

import pytest

from labelmint.datasets.splits import group_of, split
from labelmint.errors import InputError

NAMES = [f"p{patient:02d}_{number}" for patient in range(40) for number in range(5)]


@pytest.mark.parametrize("train", [None, NAMES[:150]])
@pytest.mark.parametrize("test", [None, NAMES[140:]])
@pytest.mark.parametrize("group_by", [None, r"^(p\d+)_", r"^p\d+"])
def test_parts_are_disjoint_and_whole(
    train: list[str] | None, test: list[str] | None, group_by: str | None
) -> None:
    parts = split(NAMES, train, test, group_by=group_by)
    assert set(parts.test) == set(test or ())
    assert set(parts.training) | set(parts.validation) == set(NAMES if train is None else train) - set(
        test or ()
    )
    assert len(parts.training) + len(parts.validation) == len({*parts.training, *parts.validation})
    assert 0.02 < len(parts.validation) / len(parts.training) < 0.25
    if group_by is not None:
        groups = [
            {group_of(name, group_by) for name in side}
            for side in (parts.training, parts.validation, parts.test)
        ]
        assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])


def test_the_place_of_a_name_does_not_depend_on_the_others_nor_on_their_order() -> None:
    whole, part = split(NAMES, None, None), split(NAMES[::-2], None, None)
    assert split(NAMES[::-1], None, None) == whole
    assert set(part.validation) == set(whole.validation) & set(NAMES[::-2])


@pytest.mark.parametrize("count", range(2, 12))
def test_two_names_suffice_for_both_sides(count: int) -> None:
    parts = split([f"{k}" for k in range(count)], None, None)
    assert parts.training
    assert parts.validation


def test_one_group_or_none_can_not_be_divided() -> None:
    assert split(["a"], None, None).validation == ()
    assert split(["a1", "a2"], None, None, group_by="a").training == ("a1", "a2")
    assert split([], None, None).training == ()


@pytest.mark.parametrize(
    ("names", "test", "group_by", "words"),
    [
        (["a1", "b2"], None, "(", "not a regular expression"),
        (["a1", "b2"], None, "a.", "'b2'"),
        (["a1", "b2"], None, "(a)?", "'b2'"),
        (["a1", "a2", "b1"], ["a2"], r"^(.)", "group 'a'.*both"),
    ],
)
def test_bad_groups_are_refused(names: list[str], test: list[str] | None, group_by: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        split(names, None, test, group_by=group_by)
