"""Drawing with guidance: other images for the same layouts, said in what is exported, and refused where it
was not trained for.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.helpers import TINY, digits

import labelmint
from labelmint.errors import InputError
from labelmint.priors.memory import state_bytes
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem
from labelmint.synthesis import mint


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """A run whose image prior learned to do without layouts now and then."""
    out = tmp_path_factory.mktemp("guided") / "run"
    settings = TINY | {"prior.condition_dropout": "0.3"}
    return train(
        digits(), out, system="pre-msgnet", preset="tiny", settings=settings, precision="32", threads=1
    )


def test_it_draws_other_images_for_the_same_layouts_and_the_same_for_every_start(
    without: TrainedSystem,
) -> None:
    plain, guided = (list(without.synthesize(6, batch_size=4, guidance=guidance)) for guidance in (1.0, 4.0))
    assert all(
        np.array_equal(a.layout.label_map, b.layout.label_map) for a, b in zip(plain, guided, strict=True)
    )
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(plain, guided, strict=True))
    assert guided[0].provenance["guidance"] == "4"
    assert "guidance" not in plain[0].provenance
    later = next(without.synthesize(1, start=5, batch_size=4, guidance=4.0))
    assert np.array_equal(later.image, guided[5].image)


def test_an_export_says_it_and_how_to_make_it_again(without: TrainedSystem, tmp_path: Path) -> None:
    for guidance in (1.0, 2.5):
        out = mint(without, tmp_path / f"{guidance}", n=2, batch_size=2, guidance=guidance)
        settings = json.loads((out / "settings.json").read_text())
        with Image.open(out / "images" / "synthetic_000000.png") as picture:
            text = picture.info
        if guidance == 1:
            assert "guidance" not in settings
            assert "guidance" not in text
        else:
            assert settings["guidance"] == 2.5
            assert text["guidance"] == "2.5"
        assert ("--guidance 2.5" in (out / "README.md").read_text()) == (guidance != 1)


def test_what_can_not_be_guided_is_refused(
    without: TrainedSystem, trained: TrainedSystem, tmp_path: Path
) -> None:
    for system, guidance, said in (
        (trained, 2.0, r"never learned to do without its layout.*prior.condition_dropout=0.1"),
        (without, -1.0, "expected at least 0 and at most 20"),
        (without, float("nan"), "expected at least 0"),
    ):
        with pytest.raises(InputError, match=said):
            mint(system, tmp_path / "out", n=2, guidance=guidance)
        with pytest.raises(InputError, match=said):
            next(system.synthesize(1, guidance=guidance))
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"--guidance 2: needs generators.*condition_dropout"):
        labelmint.study(digits(), tmp_path / "study", guidance=(2.0,), preset="tiny")


def test_it_takes_the_memory_of_twice_the_rows(
    without: TrainedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labelmint.runs import trained as module

    needed = [without._needed(8, guidance) for guidance in (1.0, 2.0)]
    assert needed[1] - needed[0] >= state_bytes(without.part("prior"), 8)  # type: ignore[arg-type]
    monkeypatch.setattr(module, "available_memory", lambda device: needed[1] - 1)
    without.check_batch(8)
    with pytest.raises(InputError, match="--batch-size 8"):
        without.check_batch(8, 2.0)
