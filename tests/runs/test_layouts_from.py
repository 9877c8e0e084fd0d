"""Layouts of one run for the images of another: through what they show, never by symbol numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.runs.draw import Draw
from labelmint.runs.trained import TrainedSystem
from labelmint.types import AnnotatedImage

DRAW = Draw(seed=3, batch_size=4)


def outlines(pair: AnnotatedImage) -> set[bytes]:
    """The instances of a pair, each by where it lies and what class it is, whatever its number."""
    layout = pair.layout
    assert layout.instances is not None
    found = (layout.instances == k for k in np.unique(layout.instances) if k)
    return {(where * (layout.label_map.astype(int) + 1)).tobytes() for where in found}


def test_a_run_s_own_layouts_come_back_as_they_are(minted: TrainedSystem) -> None:
    own, through = (system.chunk(0, DRAW) for system in (minted, minted.with_layouts_from(minted)))
    for one, other in zip(own, through, strict=True):
        assert np.array_equal(one.layout.label_map, other.layout.label_map)
        assert outlines(one) == outlines(other)


def test_another_run_draws_images_for_them(minted: TrainedSystem, trained: TrainedSystem) -> None:
    system = trained.with_layouts_from(minted)
    assert {dial.name for dial in system.dials} == {"temperature", "layout_temperature"}
    pairs, layouts = system.chunk(0, DRAW), minted.chunk(0, DRAW)
    agree = [np.mean(a.layout.label_map == b.layout.label_map) for a, b in zip(pairs, layouts, strict=True)]
    assert min(agree) > 0.7  # on the cells of msgnet's grid
    text = pairs[0].provenance
    assert text["layouts"] == "drawn by a run of mint" and text["weights"] == trained.digest


def test_dials_of_both_are_heeded(minted: TrainedSystem, trained: TrainedSystem) -> None:
    system = trained.with_layouts_from(minted)
    usual, other = (
        system.chunk(0, dataclasses.replace(DRAW, dials=dials)) for dials in ({}, {"layout_temperature": 0.3})
    )
    assert any(
        not np.array_equal(a.layout.label_map, b.layout.label_map) for a, b in zip(usual, other, strict=True)
    )


def test_runs_that_do_not_go_together_are_refused(
    minted: TrainedSystem, trained: TrainedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(minted, "size", (64, 64))
        with pytest.raises(InputError, match="give a run of the same size"):
            trained.with_layouts_from(minted)
    with monkeypatch.context() as patch:
        patch.setattr(minted, "wired", dataclasses.replace(minted.wired, layouts=None))
        with pytest.raises(InputError, match="draws no layouts"):
            trained.with_layouts_from(minted)
    with monkeypatch.context() as patch:
        named = [dataclasses.replace(info, name=f"another {info.id}") for info in minted.classes.classes]
        patch.setattr(minted, "classes", dataclasses.replace(minted.classes, classes=tuple(named)))
        with pytest.raises(InputError, match="was not trained on"):
            trained.with_layouts_from(minted)
