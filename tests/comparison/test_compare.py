"""The whole of `compare` on two systems of the smallest settings: stopped once, gone on with, and called again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.helpers import contents, digits, tiny_settings

import labelmint
from labelmint.comparison import compare as module
from labelmint.comparison import diversity, making, measuring
from labelmint.comparison.measured import Values
from labelmint.errors import InputError
from labelmint.evaluation.material import Material
from labelmint.progress import Event
from labelmint.reports.results import Figure, Results, Section, Table
from labelmint.segmenters.unet import SegmenterConfig

JUDGE = SegmenterConfig(channels=(8, 16), residual_units=1, steps=20, batch_size=8, evaluate_every=10)
SYSTEMS = ("flow@short", "pix2pix")
OPTIONS: dict[str, Any] = {
    "systems": SYSTEMS,
    "minutes": 5,
    "endless": False,
    "n": 20,
    "preset": "tiny",
    "settings": tuple(
        f"{name}:{key}={value}"
        for name in SYSTEMS
        for key, value in tiny_settings(name.partition("@")[0]).items()
    ),
    "judge": JUDGE,
    "resamples": 10,
    "device": "cpu",
    "precision": "32",
    "threads": 1,
}


class Done:
    """One comparison, which was stopped before the second system drew."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.events: list[Event] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(making, "mint", _stopped_at("pix2pix", making.mint))
            with pytest.raises(KeyboardInterrupt):
                labelmint.compare(digits(), out, **OPTIONS)
        self.first = contents(out / "runs") | contents(out / "judge") | contents(out / "reports")
        self.results: Results = labelmint.compare(
            digits(), out, **OPTIONS, command=["labelmint", "compare"], report=self.events.append
        )


def _stopped_at(system: str, mint: Any) -> Any:
    def drawn(run: Any, *more: Any, **named: Any) -> Any:
        if run.system == system:
            raise KeyboardInterrupt
        return mint(run, *more, **named)

    return drawn


def no_copies(material: Material) -> tuple[Section, np.ndarray]:
    """In place of the search for copies, which takes seconds."""
    figure = Figure(name="memorization.copies_per_1000", title="Copies per 1,000", value=0.0)
    section = Section(name="memorization", title="Is it a copy?", figures=(figure,))
    return section, np.zeros(len(material.synthetic), bool)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "copied", no_copies)
        patch.setattr(diversity, "LAYOUTS", 3)
        yield Done(tmp_path_factory.mktemp("compare") / "out")


def table(results: Results, name: str) -> Table:
    (section,) = (section for section in results.sections if section.name == name)
    return section.tables[0]


def test_what_a_stopped_comparison_made_is_not_made_again(done: Done) -> None:
    after = contents(done.out / "runs") | contents(done.out / "judge") | contents(done.out / "reports")
    assert {name: after[name] for name in done.first} == done.first
    assert {path.name for path in (done.out / "runs").iterdir()} == {"flow@short-0", "pix2pix-0"}
    assert not [event for event in done.events if event.stage == "judge"]
    assert all("flow@short seed 0" not in event.stage for event in done.events)
    assert any(event.stage.startswith("pix2pix seed 0: ") for event in done.events)


def test_every_system_has_its_figures_and_the_report_its_picture(done: Done) -> None:
    figures = table(done.results, "figures")
    assert figures.head == ("figure", "real images", "flow@short", "pix2pix")
    rows = {str(row[0]).partition(":")[0]: row[2:] for row in figures.rows}
    assert rows["steps of training"] == ("12", "12")
    assert rows["obedience"] == ("-", "-")  # a judge of 20 steps reads too little
    assert "Dice" in done.results.figures["flow@short.obedience.ratio"].refused
    for name in ("images a second in drawing", "parameters", "precision"):
        assert "-" not in rows[name]
    assert len(table(done.results, "differences").rows) == 2
    assert [row[0] for row in table(done.results, "trainings").rows] == [
        "flow@short seed 0",
        "pix2pix seed 0",
    ]
    assert done.results.verdict.level == "bad"  # noise covers nothing
    assert any(reason.startswith("pix2pix is out: Coverage") for reason in done.results.verdict.reasons)
    written = json.loads((done.out / "report.json").read_text(encoding="utf-8"))
    assert written["figures"]["pix2pix.effort.steps"] == 12
    assert written["origin"]["pairs"]["layouts"] == len(digits().test or ())
    assert "compare.png" not in (done.out / "report.html").read_text(encoding="utf-8")  # it lies in the page
    with Image.open(done.out / "compare.png") as picture:
        assert picture.width > 4 * 96 and picture.height > 6 * 96


def test_samples_take_the_layouts_of_the_test_part_in_turn(done: Done) -> None:
    data, samples = digits(), labelmint.read(done.out / "samples" / "pix2pix-0")
    tested = sorted(data.test or ())
    for i in (0, 1, len(tested)):
        wanted = data.load(tested[i % len(tested)]).layout.label_map
        assert np.array_equal(samples.load(samples.names[i]).layout.label_map, wanted)
    with np.load(done.out / "reports" / "flow@short-0" / "values.npz") as stored:
        assert set(stored) == set(Values.__dataclass_fields__)
        assert len(stored["counts"]) == len(stored["features"]) == OPTIONS["n"]


def test_the_same_call_again_makes_nothing_and_finds_the_same(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "judge_for", None)
    monkeypatch.setattr(module, "trained", None)
    again = labelmint.compare(digits(), done.out, **OPTIONS)
    assert again.model_copy(update={"origin": {}}) == done.results.model_copy(update={"origin": {}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"minutes": 6}, "another comparison (minutes differs)"),
        ({"n": 30}, "another comparison (n differs)"),
        ({"settings": OPTIONS["settings"][1:]}, "holds a run made otherwise"),
    ],
)
def test_a_comparison_made_otherwise_is_never_overwritten(
    done: Done, change: dict[str, Any], said: str
) -> None:
    before = contents(done.out)
    with pytest.raises(InputError) as refusal:
        labelmint.compare(digits(), done.out, **OPTIONS | change)
    assert said in str(refusal.value)
    assert {name: one for name, one in contents(done.out).items() if name != "request.json"} == {
        name: one for name, one in before.items() if name != "request.json"
    }
