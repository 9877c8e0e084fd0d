"""The law of splits: disjoint, stable, a tenth validates, groups stay together."""

import pytest

from labelmint.datasets.splits import group_of, held_out, split, split_of
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet

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


def data_of(**parts: tuple[str, ...]) -> DataSet:
    names = tuple(f"p{k}" for k in range(30))
    classes = ClassSet((ClassInfo(id=0, name="background"),))
    return DataSet(source="memory", format="memory", classes=classes, names=names, load=never, **parts)


def never(name: str) -> AnnotatedImage:
    raise AssertionError("nothing is loaded to split")


def test_a_validation_part_beside_a_test_part_validates() -> None:
    data = data_of(train=("p0", "p1", "p2"), validation=("p3", "p4"), test=("p5",))
    found = split_of(data)
    assert (found.training, found.validation, found.test) == (("p0", "p1", "p2"), ("p3", "p4"), ("p5",))
    without = split_of(data_of(validation=("p3", "p4"), test=("p5",)))
    assert without.validation == ("p3", "p4")
    assert not {"p3", "p4", "p5"} & set(without.training)


def test_of_train_and_validation_alone_the_latter_is_the_test_part() -> None:
    train = tuple(f"p{k}" for k in range(20))
    data = data_of(train=train, validation=("p20", "p21"))
    found = split_of(data)
    assert held_out(data) == found.test == ("p20", "p21")
    assert found.validation and set(found.training) | set(found.validation) == set(train)


def test_a_validation_part_alone_is_the_test_part_and_all_else_trains() -> None:
    data = data_of(validation=("p20", "p21"))
    found = split_of(data)
    assert held_out(data) == found.test == ("p20", "p21")
    assert found.validation and {*found.training, *found.validation} == {*data.names} - {"p20", "p21"}


def test_a_name_in_two_parts_is_looked_at_least() -> None:
    found = split_of(data_of(train=("p0", "p1", "p2"), validation=("p1", "p3"), test=("p2", "p3")))
    assert (found.training, found.validation, found.test) == (("p0",), ("p1",), ("p2", "p3"))


def test_no_group_lies_on_both_sides_of_a_validation_part_and_the_test_part() -> None:
    with pytest.raises(InputError, match=r"group 'p1' .* validation and the test list"):
        split_of(data_of(train=("p5",), validation=("p10",), test=("p11",)), "^..")
    with pytest.raises(InputError, match=r"group 'p2' .* training and the validation list"):
        split_of(data_of(train=("p20",), validation=("p21",), test=("p11",)), "^..")
