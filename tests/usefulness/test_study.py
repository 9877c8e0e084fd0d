"""The study's logic with arms of known scores: order, choice, resuming, extension, budget, verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.usefulness.study_fakes import Noise, Trainer, known, real_data, run_study

from labelmint.datasets.splits import split
from labelmint.errors import InputError
from labelmint.progress import Event
from labelmint.segmenters.plateau import ArmConfig
from labelmint.usefulness.arms import Arm, arm_named
from labelmint.usefulness.cells import Record
from labelmint.usefulness.outcome import Candidate, Point
from labelmint.usefulness.plan import Way
from labelmint.usefulness.samples import stored_samples
from labelmint.usefulness.settling import Tried

POOL = len(split(real_data().names, None, real_data().test).training)


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which take longer than all else here, and show nothing of arms that were not trained."""
    monkeypatch.setattr("labelmint.usefulness.study._pictures", lambda *about: [])


def test_the_first_line_of_progress_names_the_arms(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def told(**options: Any) -> str:
        events: list[Event] = []

        def report(event: Event) -> None:
            events.append(event)
            raise Stop

        with pytest.raises(Stop):
            run_study(tmp_path / "out", Trainer(known()), report=report, **options)
        return events[0].message

    assert told(arms=("A", "ST"), unlabelled="rest") == "to train: A, ST"
    assert told(curve=True) == "to train: R, A"
    assert told(arms=("ST",), unlabelled="rest") == (
        "to train: R, A, C, S, Y, accuracy, diversity, ST; the usual ones beside those of --arms: name A, too, for "
        "A,ST alone"
    )


def test_the_report_says_what_the_scores_are(tmp_path: Path) -> None:
    trainer = Trainer(known(0.05))
    results = run_study(tmp_path / "out", trainer)
    figures = results.figures
    # Against C, which is a point better than A.
    assert figures["gain.n10"].value == pytest.approx(5.05)
    assert figures["headroom.n10"].value == pytest.approx(10.0)
    assert figures["closed.n10"].value == pytest.approx(50.5)
    low, high = figures["gain.n10"].low, figures["gain.n10"].high
    assert low is not None and high is not None and low < 5.05 < high
    assert figures["papers_gain.n10"].value == pytest.approx(10.0)
    assert figures["gain_over_r.n10"].value == pytest.approx(16.05)
    # S at 10 reaches 0.56 + ..., 0.6 of the way from A(10) to A(all) in log n.
    assert figures["worth.n10"].value == pytest.approx(10 * (POOL / 10) ** 0.605, rel=1e-6)
    assert results.verdict.level == "good"
    assert "0.5 synthetic pairs" in results.verdict.reasons[0]
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["figures"]["gain.n10"] == figures["gain.n10"].value
    assert "<!doctype html>" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8").lower()


def test_arms_train_by_what_a_settled_on_and_a_by_itself(tmp_path: Path) -> None:
    trainer = Trainer(known())
    results = run_study(tmp_path / "out", trainer, arms=("A0n", "A0"), n_train=(10,))
    for (key, n, _), usual in trainer.usual.items():
        assert (usual is None) == (key in ("A", "A0", "A0n"))
        assert usual is None or usual.phases == (90 + n, 10)
    # both baselines of former versions: with others to validate, and within the n labels
    assert trainer.grounds["A0", 10, 0].validation is not None
    assert {len(fold) for fold in trainer.grounds["A0n", 10, 0].folds} == {5}
    assert results.figures["dice.n10.A0"].value == pytest.approx(0.455)


def test_n_labels_are_n_labels(tmp_path: Path) -> None:
    """Whatever a cell names is among its n pairs, unless others were asked for."""
    run_study(tmp_path / "out", Trainer(known()), n_train=(10,), arms=("A0",), seeds=1)
    cell = tmp_path / "out" / "cells" / "n-10" / "seed-0"
    told = json.loads((cell / "pairs.json").read_text(encoding="utf-8"))
    assert len(told["training"]) == 10
    assert sorted(name for fold in told["folds"] for name in fold) == told["training"]
    assert set(told) == {"training", "folds"}
    former = json.loads((cell / "pairs-A0.json").read_text(encoding="utf-8"))
    assert former["training"] == told["training"]
    assert former["validation"]
    run_study(tmp_path / "extra", Trainer(known()), n_train=(10,), seeds=1, validation="extra")
    cell = tmp_path / "extra" / "cells" / "n-10" / "seed-0"
    told = json.loads((cell / "pairs.json").read_text(encoding="utf-8"))
    assert set(told) == {"training", "validation"}
    assert not set(told["training"]) & set(told["validation"])


def test_within_n_labels_the_answer_is_about_what_was_named_first(tmp_path: Path) -> None:
    """However the others do."""

    def rule(arm: Arm, n: int, seed: int) -> tuple[float, float]:
        return (0.5, 0.5) if arm.name != "S" else (0.6, 0.55 + 0.1 * (arm.ratio == 2.0))

    results = run_study(tmp_path / "out", Trainer(rule), n_train=(10,), ratios=(1.0, 2.0, 0.5))
    (table,) = next(section for section in results.sections if section.name == "choice").tables
    assert [(row[1], row[-1]) for row in table.rows] == [
        ("1", "chosen"),
        ("2", "not chosen"),
        ("0.5", "not chosen"),
    ]


@pytest.mark.parametrize(("spread", "chosen"), [(0.001, "2"), (0.05, "1")])
def test_a_choice_departs_from_the_first_only_beyond_one_standard_error(
    tmp_path: Path, spread: float, chosen: str
) -> None:
    def rule(arm: Arm, n: int, seed: int) -> tuple[float, float]:
        return (0.5 + (0.01 + spread * (-1) ** seed) * (arm.ratio == 2.0), 0.5)

    results = run_study(tmp_path / "out", Trainer(rule), n_train=(10,), ratios=(1.0, 2.0), validation="extra")
    (table,) = next(section for section in results.sections if section.name == "choice").tables
    assert [row[1] for row in table.rows if row[-1] == "chosen"] == [chosen]


@pytest.mark.parametrize("best", [0.5, 1.0, 2.0])
def test_the_ratio_is_chosen_on_validation_and_never_on_test(tmp_path: Path, best: float) -> None:
    """Whatever the test scores are, even with the best test score at another ratio."""

    def rule(arm: Arm, n: int, seed: int) -> tuple[float, float]:
        if arm.name != "S":
            return 0.5, 0.5
        return 0.6 - 0.05 * abs((arm.ratio or 0) - best), 0.6 + 0.05 * abs((arm.ratio or 0) - best)

    results = run_study(
        tmp_path / "out", Trainer(rule), n_train=(10,), ratios=(0.5, 1.0, 2.0), validation="extra"
    )
    (table,) = next(section for section in results.sections if section.name == "choice").tables
    assert [row[1] for row in table.rows if row[-1] == "chosen"] == [f"{best:g}"]
    assert len(table.rows) == 3
    assert results.figures["gain.n10"].value == pytest.approx(10.0)


def test_every_temperature_and_filter_is_compared(tmp_path: Path) -> None:
    maker = Noise()
    results = run_study(
        tmp_path / "out",
        Trainer(known()),
        maker,
        n_train=(10,),
        dials={"temperature": (0.7, 1.0)},
        filter="both",
        ratios=(1.0,),
    )
    (table,) = next(section for section in results.sections if section.name == "choice").tables
    assert len(table.rows) == 4
    assert {key for _, _, key in maker.calls} == {"t0.7-on", "t0.7-off", "t1-on", "t1-off"}


@pytest.mark.parametrize("after", [0, 1, 5, 11])
def test_a_stopped_study_goes_on_and_makes_no_arm_twice(tmp_path: Path, after: int) -> None:
    whole = Trainer(known())
    expected = run_study(tmp_path / "whole", whole)
    first, second = Trainer(known(), stop_after=after), Trainer(known())
    with pytest.raises(KeyboardInterrupt):
        run_study(tmp_path / "out", first)
    found = run_study(tmp_path / "out", second)
    assert first.calls + second.calls == whole.calls
    assert found.figures == expected.figures
    third = Trainer(known())
    run_study(tmp_path / "out", third)
    assert third.calls == []


def test_more_numbers_seeds_and_ratios_reuse_what_is_there(tmp_path: Path) -> None:
    small, large = Trainer(known()), Trainer(known())
    run_study(tmp_path / "out", small, n_train=(10,), seeds=1, ratios=(0.5,))
    results = run_study(tmp_path / "out", large, n_train=(10, 20, None), seeds=2, ratios=(0.5, 1.0))
    assert not set(small.calls) & set(large.calls)
    fresh = Trainer(known())
    assert (
        run_study(tmp_path / "fresh", fresh, n_train=(10, 20, None), seeds=2, ratios=(0.5, 1.0)).figures
        == results.figures
    )
    assert set(fresh.calls) == set(small.calls) | set(large.calls)


def test_the_budget_leaves_out_what_does_not_fit_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("labelmint.usefulness.work.time.perf_counter", lambda: clock[0])

    class Slow(Trainer):
        def __call__(self, *arguments: Any, **more: Any) -> Any:
            clock[0] += 60
            return super().__call__(*arguments, **more)

    trainer = Slow(known(), seconds=60.0)
    results = run_study(tmp_path / "out", trainer, budget=6.5)
    assert len(trainer.calls) == 6  # the seventh would end after 7 minutes
    assert [call[0] for call in trainer.calls[:4]] == ["A"] * 4  # headroom first
    assert trainer.calls[4] == ("C", 10, 0)
    assert any("left out" in reason for reason in results.verdict.reasons)
    (listed,) = [t for s in results.sections for t in s.tables if t.title.startswith("Left out")]
    assert ("n = 10, seed 1: arm C",) in listed.rows
    assert results.figures[f"gain.n{POOL}"].refused
    again = Slow(known())
    whole = run_study(tmp_path / "out", again, budget=1000.0)
    assert not set(again.calls) & set(trainer.calls)
    assert not [t for s in whole.sections for t in s.tables if t.title.startswith("Left out")]


def test_samples_that_would_take_too_long_are_not_begun(tmp_path: Path) -> None:
    maker = Noise(expected=3600.0)
    results = run_study(tmp_path / "out", Trainer(known()), maker, budget=5.0)
    assert maker.calls == []
    assert "Not known yet" in results.verdict.text


@pytest.mark.parametrize(
    ("gain", "alone", "copies", "level", "said"),
    [
        (0.05, 0.4, 0, "good", "Use the synthetic pairs with 10"),
        (0.0, 0.4, 0, "mixed", "No measurable difference with 10"),
        (-0.005, 0.4, 0, "bad", "whole interval"),
        (-0.03, 0.4, 0, "bad", "DO NOT USE the synthetic pairs with 10"),
        (0.05, 0.2, 0, "bad", "teach too little"),
        (0.05, 0.4, 500, "bad", "near-copies"),
    ],
)
def test_the_verdict(tmp_path: Path, gain: float, alone: float, copies: int, level: str, said: str) -> None:
    def rule(arm: Arm, n: int, seed: int) -> tuple[float, float]:
        validation, test = known(gain, alone)(arm, n, seed)
        noise = 0.01 * (-1) ** seed if gain == 0 and arm.name == "S" else 0.0
        return validation, test + noise

    results = run_study(
        tmp_path / "out", Trainer(rule), Noise(copies=copies), n_train=(10,), ratios=(1.0,), seeds=4
    )
    assert results.verdict.level == level
    assert said in " ".join((results.verdict.text, *results.verdict.reasons))


def test_one_seed_has_no_interval_and_is_never_told_to_use(tmp_path: Path) -> None:
    results = run_study(tmp_path / "out", Trainer(known(0.2)), n_train=(10,), seeds=1)
    assert results.figures["gain.n10"].low is None
    assert results.verdict.level == "mixed"
    assert "more --seeds" in results.verdict.reasons[0]


def test_a_baseline_that_was_stopped_early_is_told(tmp_path: Path) -> None:
    class Stopped(Trainer):
        def __call__(self, *arguments: Any, **more: Any) -> Any:
            return super().__call__(*arguments, **more).model_copy(update={"plateau": False})

    results = run_study(tmp_path / "out", Stopped(known()), n_train=(10,))
    assert any("may be weak" in reason for reason in results.verdict.reasons)


def test_where_the_filter_lets_nothing_pass_samples_without_it_are_studied(tmp_path: Path) -> None:
    maker = Noise(refuses=("on",))
    results = run_study(tmp_path / "out", Trainer(known(0.05)), maker, n_train=(10,))
    assert results.figures["gain.n10"].value == pytest.approx(5.05)
    assert {key for _, _, key in maker.calls} == {"t0.85-on", "t0.85-off"}
    assert "filter off" in results.verdict.reasons[0]
    assert any("0 of 5000 passed" in section.summary for section in results.sections)


def test_copies_that_the_gate_refused_condemn_the_samples_that_no_gate_saw(tmp_path: Path) -> None:
    results = run_study(
        tmp_path / "out", Trainer(known(0.05)), Noise(refuses=("on",), copies=4500), n_train=(10,), seeds=4
    )
    assert results.verdict.level == "bad"
    assert "90 % of the samples drawn were near-copies" in results.verdict.reasons[0]


def test_samples_that_no_gate_saw_are_told(tmp_path: Path) -> None:
    for mode, told in (("off", True), ("on", False)):
        results = run_study(tmp_path / mode, Trainer(known(0.05)), n_train=(10,), filter=mode)
        assert any("no gate was used" in reason for reason in results.verdict.reasons) == told


def test_without_copy_paste_of_every_seed_there_is_no_gain(tmp_path: Path) -> None:
    """C could be the better baseline: leaving it out where it was not trained would flatter."""
    ten: Any = SimpleNamespace(training=range(10), validation=None)

    def record(dice: float) -> Record:
        return Record(
            result=Trainer(lambda *_: (dice, dice))(arm_named("A"), ten, None, seed=0, usual=None),
            samples=None,
            seconds=0,
        )

    candidate = Candidate(1.0, Way({"temperature": 0.85}, "on"))
    arms = {
        "A": {s: record(0.7) for s in (0, 1)},
        "C": {0: record(0.8)},
        candidate.key: {s: record(0.75) for s in (0, 1)},
    }
    point = Point(n=10, arms=arms, candidates=(candidate,), chosen=candidate)
    assert point.gain() is None
    whole = replace(point, arms={**arms, "C": {0: record(0.8), 1: record(0.74)}})
    assert whole.baseline == "C"
    gain = whole.gain()
    assert gain is not None
    assert gain.mean == pytest.approx(-2.0)


def test_a_higher_step_limit_makes_those_again_that_were_stopped(tmp_path: Path) -> None:
    class Stopped(Trainer):
        def __call__(self, *arguments: Any, **more: Any) -> Any:
            steps = more["config"].most_steps
            found = super().__call__(*arguments, **more)
            settled = found.settled.model_copy(
                update={"phases": (min(steps, 2000),), "reached": steps > 1000}
            )
            return found.model_copy(
                update={"plateau": steps > 1000, "steps": min(steps, 2000), "settled": settled}
            )

    first, second, third = (Stopped(known()) for _ in range(3))
    for trainer, limit in ((first, 500), (second, 4000), (third, 4000)):
        run_study(tmp_path / "out", trainer, n_train=(10,), seeds=1, segmenter=ArmConfig(most_steps=limit))
    assert first.calls == second.calls
    assert third.calls == []


def test_arms_are_made_again_where_arm_a_settled_on_something_else(tmp_path: Path) -> None:
    """Also those that other pairs validate, and that were at their plateau after more steps than A has now."""

    class Settling(Trainer):
        def __call__(self, arm: Arm, *arguments: Any, **more: Any) -> Any:
            found, high = super().__call__(arm, *arguments, **more), more["config"].most_steps > 1000
            taken = Tried(what="CutMix", dice=0.5, gain=0.1, error=0.01, taken=True)
            own = {"phases": (600,), "reached": high, "tried": (taken,) if high else ()}
            after = found.settled if arm.settles else more["usual"]
            update = own if arm.settles else {"phases": (2000,), "reached": True}
            settled = after.model_copy(update=update)
            return found.model_copy(update={"settled": settled, "steps": sum(settled.phases)})

    calls = []
    for limit in (500, 4000, 4000):
        trainer = Settling(known())
        more = {"arms": ("A", "C"), "seeds": 1, "segmenter": ArmConfig(most_steps=limit)}
        run_study(tmp_path / "out", trainer, n_train=(10,), validation="extra", **more)
        calls.append([call for call in trainer.calls if call[1] == 10])
    assert calls == [[("A", 10, 0), ("C", 10, 0)], [("A", 10, 0), ("C", 10, 0)], []]


def test_samples_of_one_way_are_never_taken_for_those_of_another(tmp_path: Path) -> None:
    folder = tmp_path / "samples-t0.85-on-varied-500"
    folder.mkdir()
    (folder / "settings.json").write_text("{}")
    assert stored_samples(tmp_path, Way({"temperature": 0.85}, "on", vary=True), 400) == folder
    assert stored_samples(tmp_path, Way({"temperature": 0.85}, "on"), 400) is None
    assert stored_samples(tmp_path, Way({"temperature": 0.85}, "on", vary=True), 600) is None


def test_a_study_that_failed_before_it_made_anything_claims_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_study(tmp_path / "out", Trainer(known(), stop_after=0), n_train=(10,))
    run_study(tmp_path / "out", Trainer(known()), n_train=(10,), augment=("flips",))
    with pytest.raises(InputError, match="holds another study"):
        run_study(tmp_path / "out", Trainer(known()), n_train=(10,))


def test_the_names_of_a_cell_are_those_of_the_call_that_trained(tmp_path: Path) -> None:
    """Not those of one with other settings that was stopped before it had made anything."""
    with pytest.raises(KeyboardInterrupt):
        run_study(tmp_path / "out", Trainer(known(), stop_after=0))
    run_study(tmp_path / "out", Trainer(known()), n_train=(10,), validation="extra", arms=("A",))
    names = json.loads((tmp_path / "out" / "cells/n-10/seed-0/pairs.json").read_text(encoding="utf-8"))
    assert names.keys() == {"training", "validation"}


def test_the_learning_curve_alone_trains_a_and_r_and_needs_no_generator(tmp_path: Path) -> None:
    trainer, maker = Trainer(known()), Noise()
    results = run_study(tmp_path / "out", trainer, maker, curve=True)
    assert {key for key, _, _ in trainer.calls} == {"A", "R"}
    assert maker.calls == []
    assert results.figures["headroom.n10"].value == pytest.approx(10.0)
    assert "study those" in results.verdict.text
