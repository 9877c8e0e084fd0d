"""Every system, tiny, end to end: it trains, resumes as itself, samples, and obeys the laws of its parts."""

from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from labelmint.contracts import check_generator
from labelmint.runs.train import train
from labelmint.runs.trained import load
from labelmint.systems import msgnet
from labelmint.systems.catalogue import SYSTEMS
from labelmint.systems.system import Facts
from labelmint.types import LayoutBatch
from tests.helpers import digits, of_one_class, spread, tiny_settings, two_stage

DRAWN = {  # one of each kind of generator but those of the runs that all tests share, and what they draw
    "svqgan-t": {"curves.png", "samples.png", "reconstructions.png"},
    "pix2pix": {"curves.png", "samples.png"},
    "spade": {"curves.png", "samples.png", "reconstructions.png"},
    "flow": {"curves.png", "samples.png"},
    "cimle": {"curves.png", "samples.png"},
}
# Runs that all tests share, of which `tests/runs` draws, and what takes no layouts of others (`test_transfer`).
ELSEWHERE = {"msgnet", "mint", "transfer"}
MINTING = [name for name, system in SYSTEMS.items() if system.role == "images" and name not in ELSEWHERE]
# What is their own has tests of its own, and they are wired as others are.
COVERED = {"bachgan-wgan", "vqgan-t", "svqvae-t"}
SHORTEST = {"steps": "12", "epochs": "1", "batch_size": "4", "evaluate_every": "12"}


def shortest(system: str) -> dict[str, str]:
    """The smallest settings of a system, and about a dozen steps a stage."""
    settings = tiny_settings(system)
    return settings | {key: SHORTEST[key.split(".")[1]] for key in settings if key.split(".")[1] in SHORTEST}


@pytest.mark.usefixtures("rehearsed")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in COVERED else ()) for name in MINTING]
)
def test_a_system_trains_and_samples(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    # The distance of structures needs more pixels, and so does a network that halves five times.
    data = of_one_class(digits()) if SYSTEMS[name].from_images else digits()
    side = 32 if name != "biggan" and ("gan" in name or name in ("pix2pix", "spade")) else 16
    if name in DRAWN:
        request.getfixturevalue("real_previews")
    system = train(
        data,
        tmp_path / "run",
        system=name,
        preset="tiny",
        size=(side, side),
        settings=shortest(name),
        precision="32",
        threads=1,
    )
    assert system.has_layout_prior == (name in ("msgnet", "msgnet-vq2", "mint"))
    pairs = list(system.synthesize(4, seed=3, batch_size=4))
    assert len({pair.image.tobytes() for pair in pairs}) > 1
    assert all(pair.image.shape == (side, side, 1) and pair.layout.size == (side, side) for pair in pairs)
    again = load(tmp_path / "run").synthesize(2, seed=3, batch_size=4)
    assert [pair.image.tobytes() for pair in again] == [pair.image.tobytes() for pair in pairs[:2]]
    given = system.wired.see(system.as_trained.layouts(data.subset(data.names[:3])))
    check_generator(spread(system.wired).images, given, image_channels=1)
    if name in DRAWN:
        drawn = {file.name for file in (tmp_path / "run").glob("*.png") if file.stat().st_size > 0}
        assert drawn == DRAWN[name]


def test_one_path_has_half_the_tokens_of_two_and_only_cvq_vae_sees_the_layout_twice() -> None:
    made = {
        system.name: two_stage(system.wire(system.sections(), Facts(1, (32, 32), 3)))
        for system in msgnet.SYSTEMS
    }
    tokenizers = {name: images.tokenizer for name, images in made.items()}
    grids = {name: tokenizer.streams[0].grid for name, tokenizer in tokenizers.items()}
    assert grids == {"msgnet": (16, 8), "pre-msgnet": (16, 8), "no-comp-msgnet": (8, 8), "cvq-vae": (8, 8)}
    sees = {
        name: any("see" in key for key, _ in cast(nn.Module, tokenizer).named_parameters())
        for name, tokenizer in tokenizers.items()
    }
    assert sees == {"msgnet": False, "pre-msgnet": False, "no-comp-msgnet": False, "cvq-vae": True}
    assert all(
        torch.is_tensor(images.prior.prepare(LayoutBatch(torch.zeros(1, 32, 32)))) for images in made.values()
    )
