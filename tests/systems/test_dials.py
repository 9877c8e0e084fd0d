"""Dials: a run heeds what its parts declare, says it of every sample, and refuses all else.

Guidance, for which a run has to be trained, stands for every dial here.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelmint
from labelmint.errors import InputError
from labelmint.runs.draw import Draw
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem
from labelmint.synthesis import mint
from tests.helpers import digits, tiny_settings

PLAIN = {"temperature": 0.85}


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """A run that draws no layouts, and whose image prior learned to do without them now and then."""
    out = tmp_path_factory.mktemp("guided") / "run"
    settings = tiny_settings("pre-msgnet") | {"prior.condition_dropout": "0.3"}
    return train(
        digits(), out, system="pre-msgnet", preset="tiny", settings=settings, precision="32", threads=1
    )


def test_what_is_not_given_is_as_the_parts_have_it(trained: TrainedSystem, without: TrainedSystem) -> None:
    own = trained.config.request.settings.layout_prior.temperature
    assert trained.resolve({}) == PLAIN | {"layout_temperature": own}
    assert without.resolve({"guidance": 2}) == {"temperature": 0.85, "guidance": 2.0}


def test_where_layouts_are_given_their_temperature_is_not_said_and_an_export_refuses_it(
    trained: TrainedSystem, tmp_path: Path
) -> None:
    asked = {"layout_temperature": 0.5}
    given = trained.given(digits().subset(digits().names[:2]))
    pairs = trained.chunk(0, Draw(batch_size=2, dials=asked, layouts=given))
    assert all("layout_temperature" not in pair.provenance for pair in pairs)
    assert "layout_temperature" in trained.chunk(0, Draw(batch_size=2, dials=asked))[0].provenance
    with pytest.raises(InputError, match="nothing uses layout_temperature; its dials: temperature"):
        mint(trained, tmp_path / "out", n=2, dials=asked, vary=True)
    assert not (tmp_path / "out").exists()


def test_a_dial_changes_the_images_and_not_the_law_of_sampling(without: TrainedSystem) -> None:
    plain, guided = (list(without.synthesize(6, batch_size=4, guidance=guidance)) for guidance in (None, 4.0))
    assert all(
        np.array_equal(a.layout.label_map, b.layout.label_map) for a, b in zip(plain, guided, strict=True)
    )
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(plain, guided, strict=True))
    later = next(without.synthesize(1, start=5, batch_size=4, guidance=4.0))
    assert np.array_equal(later.image, guided[5].image)


def test_every_sample_says_what_it_was_drawn_at_and_an_export_how_to_make_it_again(
    without: TrainedSystem, tmp_path: Path
) -> None:
    for guidance, said in ((1.0, PLAIN), (2.5, PLAIN | {"guidance": 2.5})):
        out = mint(without, tmp_path / f"{guidance}", n=2, batch_size=2, dials={"guidance": guidance})
        settings = json.loads((out / "settings.json").read_text())
        with Image.open(out / "images" / "synthetic_000000.png") as picture:
            text = picture.info
        (pair, _) = without.chunk(0, Draw(batch_size=2, dials={"guidance": guidance}))
        assert pair.provenance == text
        names = ("temperature", "layout_temperature", "guidance")
        assert {name: settings[name] for name in names if name in settings} == said
        assert {name: float(text[name]) for name in names if name in text} == said
        options = " ".join(f"--{name.replace('_', '-')} {value:g}" for name, value in said.items())
        assert f"\n  {options} \\\n" in (out / "README.md").read_text()


def test_an_export_of_a_former_version_goes_on(without: TrainedSystem, tmp_path: Path) -> None:
    """It says a layout temperature of a run that draws no layouts."""
    out = mint(without, tmp_path / "out", n=2, batch_size=2)
    before = json.loads((out / "settings.json").read_text())
    (out / "settings.json").write_text(json.dumps(before | {"layout_temperature": 1.0}))
    mint(without, out, n=2, batch_size=2, resume=True)
    (out / "settings.json").write_text(json.dumps(before | {"guidance": 2.0}))
    with pytest.raises(InputError, match=r"guidance 2.0, now it is None; pass --guidance 2 to resume"):
        mint(without, out, n=2, batch_size=2, resume=True)


def test_what_no_part_heeds_is_refused_and_so_is_what_is_out_of_range(
    without: TrainedSystem, trained: TrainedSystem, tmp_path: Path
) -> None:
    for system, name, value, said in (
        (
            trained,
            "guidance",
            2.0,
            r"--guidance 2: msgnet has no guidance: its image prior never learned .*=0.1",
        ),
        (without, "guidance", -1.0, "--guidance -1: expected a number from 0 to 20"),
        (without, "guidance", float("nan"), "expected a number from 0"),
        (without, "temperature", 0.0, "--temperature 0: expected a number from 0.01 to 100"),
        (
            without,
            "layout_temperature",
            1.0,
            "pre-msgnet has no layout_temperature; its dials: temperature, guid",
        ),
        (trained, "evaluations", 8, "msgnet has no evaluations; its dials: temperature, layout_temperature"),
    ):
        with pytest.raises(InputError, match=said):
            mint(system, tmp_path / "out", n=2, dials={name: value})
        with pytest.raises(InputError, match=said):
            next(system.synthesize(1, batch_size=None, **{name: value}))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"msgnet has no guidance: .*condition_dropout"):
        labelmint.study(
            digits(), tmp_path / "study", dials={"guidance": (2.0,)}, preset="tiny", system="msgnet"
        )


@pytest.mark.usefixtures("rehearsed")
def test_memory_is_asked_for_what_will_be_drawn(
    without: TrainedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labelmint.runs import batch_size as module

    guided = {"guidance": 2.0}
    assert without.drawing_bytes(8) == without.drawing_bytes(8, {"guidance": 1.0})
    needed = without.drawing_bytes(8, guided)
    monkeypatch.setattr(module, "available_memory", lambda device: needed - 1)
    without.check_batch(8)
    with pytest.raises(InputError, match="--batch-size 8"):
        without.check_batch(8, guided)
