"""A run that sees boxes: what it stores, what it draws for, and what its labels say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import digits, tiny_settings

from labelmint import formats
from labelmint.errors import InputError
from labelmint.progress import Event
from labelmint.runs.draw import Draw
from labelmint.runs.from_arrays import given_arrays
from labelmint.runs.train import plan
from labelmint.runs.trained import TrainedSystem, load
from labelmint.synthesis import mint
from labelmint.types import AnnotatedImage

SAID: list[Event] = []  # while the run was trained


@pytest.fixture(scope="module")
def boxes_run(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """A run of obj-cgan on digits of 32x32 pixels."""
    from labelmint.runs.train import train

    out = tmp_path_factory.mktemp("boxes") / "run"
    train(
        digits(),
        out,
        system="obj-cgan",
        preset="tiny",
        settings=tiny_settings("obj-cgan") | {"generator.steps": "2"},
        precision="32",
        threads=1,
        report=SAID.append,
    )
    return load(out, threads=1)


def told(pair: AnnotatedImage) -> list[tuple[int, tuple[float, ...]]]:
    return [(one.class_id, one.box) for one in pair.layout.objects]


def test_labels_are_boxes_and_maps_of_these_filled(boxes_run: TrainedSystem) -> None:
    for pair in boxes_run.chunk(0, Draw(batch_size=4)):
        filled = np.zeros((32, 32), np.uint8)
        for class_id, (x0, y0, x1, y1) in told(pair):
            filled[int(y0) : int(y1), int(x0) : int(x1)] = class_id
        assert len(told(pair)) == 2
        assert (pair.layout.label_map == filled).all()
        assert pair.provenance["labels"] == "boxes"


def test_whatever_layouts_are_taken_their_boxes_are_found(
    boxes_run: TrainedSystem, minted: TrainedSystem
) -> None:
    data = digits()
    given = boxes_run.given(data.subset(data.names[:4]))
    draw = Draw(batch_size=4, layouts=given)
    pairs = boxes_run.chunk(0, draw)
    for pair, name in zip(pairs, given.names, strict=True):
        real = {(one.class_id, one.box) for one in data.load(name).layout.objects}
        assert set(told(pair)) == real
    again = boxes_run.given(boxes_run.pairs_of(data.subset(data.names[:4])))
    assert [told(one) for one in boxes_run.chunk(0, Draw(batch_size=4, layouts=again))] == [
        told(one) for one in pairs
    ]
    for other in (
        boxes_run.chunk(0, Draw(batch_size=4, vary=True)),
        boxes_run.with_layouts_from(minted).chunk(0, Draw(batch_size=4)),
    ):
        assert any(told(pair) for pair in other)
        assert all(len(told(pair)) <= 16 for pair in other)


def test_boxes_of_maps_from_arrays_are_those_of_the_same_maps_in_data(boxes_run: TrainedSystem) -> None:
    data = digits().subset(digits().names[:3])
    wanted = boxes_run.given(data)
    layouts = [data.layout(name) for name in data.names]
    found = given_arrays(
        boxes_run,
        [one.label_map for one in layouts],
        [one.instances for one in layouts if one.instances is not None],
    )
    assert wanted.boxes is not None and found.boxes is not None
    assert np.array_equal(found.ids, wanted.ids)
    assert np.array_equal(found.boxes, wanted.boxes)


def test_whole_maps_are_written_where_they_are_asked_for(boxes_run: TrainedSystem) -> None:
    data = digits()
    given = boxes_run.given(data.subset(data.names[:2]))
    pairs = boxes_run.chunk(0, Draw(batch_size=2, layouts=given, labels="given"))
    for pair, name in zip(pairs, given.names, strict=True):
        assert (pair.layout.label_map == data.load(name).layout.label_map).all()
        assert pair.provenance["labels"] == "given"


def test_manifest_and_card_say_what_the_labels_are(boxes_run: TrainedSystem, tmp_path: Path) -> None:
    out = mint(boxes_run, tmp_path / "new", n=3, batch_size=4, labels="given", filter="off")
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert [row["labels"] for row in rows] == ["given"] * 3
    card = (out / "README.md").read_text("utf-8")
    assert "- Labels: whole maps" in card
    assert "--labels given" in card
    with pytest.raises(InputError, match="pass --labels given to resume"):
        mint(boxes_run, out, n=3, batch_size=4, filter="off", resume=True)
    boxed = mint(boxes_run, tmp_path / "boxed", n=3, batch_size=4, filter="off")
    assert all(len(pair.layout.objects) == 2 for pair in formats.read(boxed))
    assert "- Labels: boxes" in (boxed / "README.md").read_text("utf-8")


def test_labels_that_have_no_meaning_are_refused(boxes_run: TrainedSystem, minted: TrainedSystem) -> None:
    with pytest.raises(InputError, match="--labels boxes: mint draws images for label maps"):
        next(minted.synthesize(1, labels="boxes"))
    with pytest.raises(InputError, match="--labels full: expected boxes or given"):
        next(boxes_run.synthesize(1, labels="full"))


def test_training_says_what_has_boxes(boxes_run: TrainedSystem) -> None:
    assert [event.message for event in SAID if event.stage == "boxes"] == ["88 boxes of 10 classes"]
    with pytest.raises(InputError, match="salient=ten: there is no class 'ten'"):
        plan(digits(), system="obj-cgan", preset="tiny", settings={"generator.salient": "ten"})
