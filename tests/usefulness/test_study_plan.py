"""Which ways of drawing a study compares, and which pairs a cell holds."""

from __future__ import annotations

from labelmint.datasets.splits import split
from labelmint.dials import GUIDANCE, TEMPERATURE
from labelmint.protocols import Dial
from labelmint.usefulness.order import in_order
from labelmint.usefulness.plan import Cell, StudyOptions, pairs_of_cell, ways


def test_every_way_of_drawing_has_a_name_of_its_own() -> None:
    options = StudyOptions(dials={"temperature": (0.85, 1.0)}, filter="both", layouts="both")
    all_of_them = ways(options, [TEMPERATURE])
    assert len({way.key for way in all_of_them}) == len({way.words for way in all_of_them}) == 8
    (own,), (varied,) = (
        ways(StudyOptions(), [TEMPERATURE]),
        ways(StudyOptions(layouts="varied"), [TEMPERATURE]),
    )
    assert (own.vary, varied.vary) == (False, True)


def test_the_name_of_a_way_says_the_first_dial_and_what_is_not_usual() -> None:
    guided = StudyOptions(dials={"guidance": (1.0, 2.0)})
    assert [way.key for way in ways(guided, [TEMPERATURE, GUIDANCE])] == ["t0.85-on", "t0.85-g2-on"]
    assert [way.key for way in ways(StudyOptions(), [])] == ["on"]
    steps = StudyOptions(dials={"evaluations": (8, 16)}, layouts="varied")
    evaluations = Dial("evaluations", 8, 1, 64, "Steps.", whole=True)
    keys = [way.key for way in ways(steps, [evaluations])]
    assert keys == ["evaluations8-on-varied", "evaluations16-on-varied"]


def test_choices_are_nested_within_a_seed_and_differ_between_seeds() -> None:
    parts = split([f"p{k}" for k in range(300)], None, ["p0", "p1"])
    chosen = {
        (n, seed): pairs_of_cell(Cell(n, seed), parts, "extra") for n in (5, 20, 200) for seed in (0, 1)
    }
    for seed in (0, 1):
        assert (
            set(chosen[5, seed].training) < set(chosen[20, seed].training) < set(chosen[200, seed].training)
        )
        assert set(chosen[5, seed].validation) <= set(chosen[20, seed].validation)
    assert chosen[20, 0].training != chosen[20, 1].training
    for (n, k), cell in chosen.items():
        assert len(cell.training) == n
        assert len(cell.validation) == min(len(parts.validation), n)
        assert set(cell.training) <= set(parts.training)
        assert set(cell.validation) <= set(parts.validation)
        within = pairs_of_cell(Cell(n, k), parts)
        assert (within.training, within.validation) == (cell.training, ())


def test_groups_stay_together() -> None:
    names = [f"patient{k // 10}_slice{k % 10}" for k in range(200)]
    parts = split(names, None, None, group_by=r"patient\d+")
    cell = pairs_of_cell(Cell(25, 0), parts)
    assert len({name.split("_")[0] for name in cell.training}) == 3
    assert parts.groups is not None
    ordered = [parts.groups[name] for name in in_order(parts.training, 0, parts.groups)]
    assert len([k for k in range(1, len(ordered)) if ordered[k] != ordered[k - 1]]) == len(set(ordered)) - 1
