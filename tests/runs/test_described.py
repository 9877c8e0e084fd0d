"""Layouts of runs, drawn for a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import labelmint
from labelmint.errors import InputError
from labelmint.layouts.described import DescribedLayouts, Found
from labelmint.layouts.wishes_met import Met
from labelmint.protocols import Dials
from labelmint.runs.described import described_layouts
from labelmint.runs.draw import Draw
from labelmint.runs.layouts_alone import drawn_layout
from labelmint.runs.trained import TrainedSystem, load
from labelmint.seeds import Seed
from labelmint.synthesis import mint

SENTENCE = "class 3 on the left and a digit 5, no class 4"  # digits of a set that names classes by numbers
DRAW = Draw(seed=3, batch_size=4)


@pytest.fixture(scope="module")
def boxes(run_of: Callable[[str], Path]) -> TrainedSystem:
    """A run that draws boxes."""
    return load(run_of("boxes"), device="cpu", threads=1)


@pytest.fixture(scope="module")
def described(minted: TrainedSystem, boxes: TrainedSystem) -> TrainedSystem:
    """Images of one run for boxes that another draws for a sentence."""
    return minted.with_layouts_from(boxes).with_description(SENTENCE)


def test_labels_hold_what_was_described(described: TrainedSystem) -> None:
    for pair in described.chunk(0, DRAW):
        shown = {described.classes.name_of(int(one)) for one in np.unique(pair.layout.label_map)}
        assert "4" not in shown
        left = pair.layout.label_map[:, : pair.layout.size[1] // 2]
        assert (left == described.classes.ids[described.classes.names.index("3")]).any()


def test_samples_say_what_they_were_drawn_for(described: TrainedSystem) -> None:
    text = described.chunk(0, DRAW)[0].provenance
    assert text["description"] == SENTENCE
    assert text["layouts"] == "drawn by a run of boxes for a description"


def test_layouts_shown_are_those_that_images_are_drawn_for(boxes: TrainedSystem) -> None:
    source, dials = described_layouts(boxes, SENTENCE), {"layout_temperature": 1.0}
    seeds = DRAW.seeds("layout", range(4))
    shown = source.layouts([one.boxes for one in source.found(seeds, dials)])
    assert np.array_equal(shown.ids, source.sample(seeds, dials).ids)


def test_a_set_is_written_with_its_sentence_and_resumed_with_that_alone(
    minted: TrainedSystem, boxes: TrainedSystem, tmp_path: Path
) -> None:
    system = minted.with_layouts_from(boxes)
    names = {"three": "3"}
    options = {"n": 2, "batch_size": 2, "filter": "off", "synonyms": names}
    out = mint(system, tmp_path / "out", describe="a three, a class 5", **options)
    settings = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    assert settings["description"] == "a three, a class 5"
    assert json.loads(settings["synonyms"]) == names
    row = json.loads((out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert row["description"] == "a three, a class 5"
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "--layouts-from OTHER_RUN" in card
    assert "--describe 'a three, a class 5'" in card
    assert len(labelmint.read(out)) == 2
    with pytest.raises(InputError, match="--describe 'a three, a class 5'"):
        mint(system, out, describe="a three", resume=True, **options)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("two dragons", "dragons"),
        ("a background", "no boxes"),
        ("forty class 3", "at most 4"),
        ("a class 3 and no class 3", "class 3"),
        ("", "empty"),
    ],
)
def test_what_a_run_can_t_draw_is_refused(text: str, names: str, boxes: TrainedSystem) -> None:
    with pytest.raises(InputError, match=names):
        described_layouts(boxes, text)


def test_a_layout_that_nobody_asked_for_stops_nothing(
    minted: TrainedSystem, boxes: TrainedSystem, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Batches are drawn whole: here sample 3, the last of the first one, can't meet the sentence."""
    system, found = minted.with_layouts_from(boxes).with_description(SENTENCE), DescribedLayouts.found
    whole = [pair.image for pair in system.chunk(0, DRAW)]

    def without_the_third(self: DescribedLayouts, seeds: Sequence[Seed], dials: Dials) -> list[Found]:
        unmet = Met((False,) * len(self.description.wishes()))
        every = zip(seeds, found(self, seeds, dials), strict=True)
        return [replace(one, met=unmet) if seed[1] == 3 else one for seed, one in every]

    monkeypatch.setattr(DescribedLayouts, "found", without_the_third)
    drawn = [pair.image for pair in system.synthesize(3, seed=DRAW.seed, batch_size=DRAW.batch_size)]
    assert all(np.array_equal(one, other) for one, other in zip(drawn, whole[:3], strict=True))
    assert drawn_layout(system, DRAW, 2).label_map.shape == system.size
    options = {"batch_size": 4, "filter": "off", "describe": SENTENCE}
    out = mint(minted.with_layouts_from(boxes), tmp_path / "out", n=3, seed=DRAW.seed, **options)
    assert len(labelmint.read(out)) == 3
    for stopped in (
        lambda: system.chunk(0, DRAW),
        lambda: [*system.synthesize(1, seed=DRAW.seed, batch_size=DRAW.batch_size, start=3)],
        lambda: drawn_layout(system, DRAW, 3),
        lambda: mint(minted.with_layouts_from(boxes), tmp_path / "other", n=4, seed=DRAW.seed, **options),
    ):
        with pytest.raises(InputError, match="candidates for one layout"):
            stopped()


def test_a_stop_leaves_nothing(boxes: TrainedSystem, minted: TrainedSystem, tmp_path: Path) -> None:
    system, text = minted.with_layouts_from(boxes), "a class 3 left of a class 5, a class 5 left of a class 3"
    with pytest.raises(InputError, match="20 candidates"):
        mint(system, tmp_path / "out", n=1, batch_size=1, filter="off", describe=text)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("more", [{"vary": True}, {"per_layout": 2}])
def test_layouts_come_from_one_place(more: dict[str, object], boxes: TrainedSystem, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--describe"):
        mint(boxes, tmp_path / "out", n=1, describe="a class 3", **more)
    with pytest.raises(InputError, match="give a sentence"):
        mint(boxes, tmp_path / "out", n=1, synonyms={"three": "3"})
