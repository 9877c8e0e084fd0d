"""What is proposed, on figures that are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.comparison.made_up import apart

from labelmint.comparison.differences import Difference
from labelmint.comparison.recommendation import better, recommendation
from labelmint.reports.results import Verdict


def answer(found: list[Difference], *systems: str, unfit: dict[str, list[str]] | None = None) -> Verdict:
    return recommendation(systems, found, unfit or {}, minutes=30, trainings=2)


@pytest.mark.parametrize(
    ("obedience", "frechet", "wins"),
    [(1, 0, True), (0, 1, True), (1, 1, True), (0, 0, False), (1, -1, False), (-1, 1, False), (-1, 0, False)],
)
def test_better_is_surely_better_in_one_figure_and_surely_worse_in_none(
    obedience: int, frechet: int, wins: bool
) -> None:
    found = apart("mint", "flow", obedience, frechet)
    assert better("mint", "flow", found) == wins
    mirrored = apart("flow", "mint", -obedience, -frechet)
    assert better("mint", "flow", mirrored) == wins
    text = answer(apart("mint", "flow", -obedience, -frechet), "mint", "flow").text
    assert text.startswith("Take flow for these data and 30 minutes" if wins else "Keep mint")


def test_a_tie_keeps_mint_and_says_so() -> None:
    found = answer(apart("mint", "flow"), "mint", "flow")
    assert found.level == "mixed"
    assert "nothing is surely better" in found.text and "a tie (with flow) keeps mint" in found.text
    assert any("mint - flow: obedience 0" in reason and "holds 0" in reason for reason in found.reasons)


def test_a_tie_with_a_system_of_good_pairs_is_said_where_those_of_mint_are_not() -> None:
    found = [*apart("mint", "flow", 1, -1), *apart("mint", "spade"), *apart("flow", "spade")]
    systems, asked = ("mint", "flow", "spade"), {"minutes": 30, "trainings": 2}
    text = recommendation(systems, found, {}, good=["flow"], **asked).text
    assert text.startswith("Keep mint") and "calls the pairs of flow good, and those of mint not" in text
    assert "But" not in recommendation(systems, found, {}, good=["flow", "mint"], **asked).text
    beaten = apart("mint", "flow", 1)
    assert "But" not in recommendation(systems[:2], beaten, {}, good=["flow"], **asked).text


def test_a_clear_winner_is_taken_and_mint_when_it_is_that() -> None:
    found = answer(apart("mint", "flow", frechet=-1), "mint", "flow")
    assert found.level == "good" and found.text == (
        "Take flow for these data and 30 minutes: it is better than mint."
    )
    kept = answer(apart("mint", "flow", obedience=1), "mint", "flow")
    assert kept.level == "good" and kept.text.startswith("Keep mint") and "worse" in kept.text


def test_of_several_that_beat_mint_the_one_that_no_other_beats_is_taken() -> None:
    over_mint = [*apart("mint", "flow", -1), *apart("mint", "spade", -1)]
    tied = answer([*over_mint, *apart("flow", "spade")], "mint", "flow", "spade")
    assert tied.level == "mixed" and tied.text.startswith("Take flow or spade")
    one = answer([*over_mint, *apart("flow", "spade", 0, -1)], "mint", "flow", "spade")
    assert one.level == "good" and one.text.startswith("Take spade")


def test_a_system_that_only_ties_with_mint_is_not_taken_for_one_that_beats_it() -> None:
    found = [*apart("mint", "flow"), *apart("mint", "spade", -1), *apart("flow", "spade")]
    assert answer(found, "mint", "flow", "spade").text.startswith("Take spade")


def test_a_difference_without_an_interval_decides_nothing() -> None:
    obedience, frechet = apart("mint", "flow", -1, -1)
    unsure = [obedience, replace(frechet, low=None, high=None)]
    found = answer(unsure, "mint", "flow")
    assert found.text.startswith("Keep mint")
    assert any("without an interval" in reason for reason in found.reasons)


def test_pairs_that_must_not_be_used_are_never_proposed() -> None:
    found = apart("mint", "pix2pix", -1, -1)
    kept = answer(found, "mint", "pix2pix", unfit={"pix2pix": ["Copies per 1,000 165: bad"]})
    assert kept.text.startswith("Keep mint")
    assert "pix2pix is out: Copies per 1,000 165: bad" in kept.reasons
    none = answer(found, "mint", "pix2pix", unfit={"pix2pix": ["bad"], "mint": ["bad"]})
    assert none.level == "bad" and "--minutes" in none.text
    weak = answer(apart("mint", "flow"), "mint", "flow", unfit={"mint": ["Coverage 0.01: bad"]})
    assert weak.level == "mixed" and "do not use its pairs" in weak.text


def test_without_mint_it_says_that_the_default_was_not_compared() -> None:
    won = answer(apart("flow", "pix2pix", 1), "flow", "pix2pix")
    assert won.text.startswith("Of these take flow") and "mint, the default, was not compared" in won.text
    tied = answer(apart("flow", "pix2pix"), "flow", "pix2pix")
    assert tied.level == "mixed" and "No interval tells flow and pix2pix apart" in tied.text


def test_intervals_are_said_to_tell_nothing_apart_only_where_none_does() -> None:
    found = [*apart("flow", "pix2pix"), *apart("flow", "spade", 1), *apart("pix2pix", "spade")]
    first = answer(found, "flow", "pix2pix", "spade")
    assert first.text.startswith("No system is surely the best") and "interval" not in first.text
    over_mint = [*apart("mint", "flow", -1), *apart("mint", "spade", -1)]
    either = answer([*over_mint, *apart("flow", "spade", 1, -1)], "mint", "flow", "spade")
    assert either.text.startswith("Take flow or spade") and "none of them is surely the best" in either.text


def test_one_training_is_said_to_be_one() -> None:
    found = recommendation(("mint", "flow"), apart("mint", "flow"), {}, minutes=1, trainings=1)
    assert any("--seeds 2" in reason for reason in found.reasons)
