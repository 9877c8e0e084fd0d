"""Images of one run enlarged by another: a cascade, whose labels are those that were drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.helpers import digits, spread, tiny_settings

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.runs.draw import Draw
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem
from labelmint.runs.upscaled_by import RunUpscaler
from labelmint.synthesis import mint

DRAW = Draw(seed=3, batch_size=4)


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    """A run of rdn whose weights spread. To be read only."""
    out = tmp_path_factory.mktemp("upscaler") / "run"
    asked = {
        "preset": "tiny",
        "size": (16, 16),
        "settings": tiny_settings("rdn"),
        "precision": "32",
        "threads": 1,
    }
    run = train(digits(), out, system="rdn", **asked)
    spread(run.wired)
    return run


def test_an_image_is_that_of_the_run_enlarged_and_its_label_too(
    minted: TrainedSystem, upscaler: TrainedSystem
) -> None:
    small, large = minted.chunk(0, DRAW), minted.with_upscaler(upscaler).chunk(0, DRAW)
    network = upscaler.wired.upscaler
    assert network is not None
    for one, other in zip(small, large, strict=True):
        made = EIGHT_BITS.from_unit(network.enlarge(EIGHT_BITS.to_unit(one.image[None])))[0]
        assert np.abs(made.astype(int) - other.image).max() <= 1  # for rounding by the size of the batch
        assert np.array_equal(other.layout.label_map[1::2, ::2], one.layout.label_map)
        assert other.layout.size == (64, 64) and one.layout.size == (32, 32)
        assert set(np.unique(other.layout.label_map)) == set(np.unique(one.layout.label_map))
    assert minted.upscaled_by is None


def test_a_set_says_who_enlarged_it_and_is_gone_on_with(
    minted: TrainedSystem, upscaler: TrainedSystem, tmp_path: Path
) -> None:
    system = minted.with_upscaler(upscaler)
    wanted = {"n": 3, "batch_size": 2, "filter": "off"}
    out, again = (mint(system, tmp_path / name, **wanted) for name in ("out", "again"))
    images = {file.name: file.read_bytes() for file in (out / "images").iterdir()}
    assert images == {file.name: file.read_bytes() for file in (again / "images").iterdir()}
    settings = json.loads((out / "settings.json").read_text())
    facts = {"upscaled_by": "rdn", "upscale_factor": 2, "upscale_digest": upscaler.digest}
    assert facts.items() <= settings.items()
    for line in (out / "manifest.jsonl").read_text().splitlines():
        assert facts.items() <= json.loads(line).items()
    card = (out / "README.md").read_text()
    assert "64x64" in card and "--upscale UPSCALER_RUN" in card and upscaler.digest in card
    with Image.open(out / "images" / "synthetic_000000.png") as file:
        assert file.info["upscaled_by"] == "rdn" and file.info["upscale_factor"] == "2"
    assert mint(system, out, **wanted, resume=True) == out
    with pytest.raises(InputError, match=r"leave out --upscale|give the same run by --upscale"):
        mint(minted, out, **wanted, resume=True)
    coco = mint(system, tmp_path / "coco", format="coco", **wanted)
    assert [pair.layout.size for pair in read(coco)] == [(64, 64)] * 3


def test_memory_is_that_of_the_larger_work(minted: TrainedSystem, upscaler: TrainedSystem) -> None:
    system = minted.with_upscaler(upscaler)
    assert system.upscaled_by is not None
    assert system.drawing_bytes(10**6) >= system.upscaled_by.drawing_bytes(10**6) > 10**6 * 64 * 64


def test_runs_that_do_not_go_together_are_refused(
    minted: TrainedSystem, upscaler: TrainedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        InputError, match=r"--upscale .*: mint enlarges no images; give a run of rdn or srcnn"
    ):
        minted.with_upscaler(minted)
    with pytest.raises(InputError, match="give a run of it as --upscale"):
        upscaler.with_upscaler(upscaler)
    color = minted.config.model_copy(update={"image_channels": 3})
    monkeypatch.setattr(minted, "config", color)
    with pytest.raises(InputError, match=r"learned to enlarge grey images, and .* draws color ones"):
        RunUpscaler(upscaler, minted)
