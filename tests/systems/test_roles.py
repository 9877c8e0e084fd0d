"""Runs that draw no images of their own: each verb that needs images refuses them in one line."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labelmint.comparison.entrants import requests
from labelmint.comparison.options import ComparisonOptions
from labelmint.errors import InputError
from labelmint.evaluation.subject import open_subject
from labelmint.runs.trained import load
from labelmint.synthesis import mint
from labelmint.systems.catalogue import SYSTEMS, catalogue, check_mints, learning_from_images
from labelmint.usefulness.plan import StudyOptions
from labelmint.usefulness.study import _request
from tests.helpers import digits

USES = {
    "layouts": "draws layouts alone; give a run of it as --layouts-from",
    "upscaler": "as --upscale to synthesize",
}


@pytest.fixture(params=USES)
def use(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What is said of pix2pix and biggan, which have another role for a while."""
    for name in ("msgnet", "biggan"):
        monkeypatch.setitem(SYSTEMS, name, replace(SYSTEMS[name], role=request.param))
    yield USES[request.param]


def test_every_verb_that_needs_images_refuses_such_a_run(use: str, tiny_run: Path, tmp_path: Path) -> None:
    system = load(tiny_run)
    with pytest.raises(InputError, match=f"{tiny_run}: msgnet .*{use}"):
        mint(system, tmp_path / "out", n=1, format="coco")
    with pytest.raises(InputError, match=use):
        next(system.synthesize(1))
    with pytest.raises(InputError, match=use):
        system.with_layouts_from(system)
    with pytest.raises(InputError, match=use):
        open_subject(
            tiny_run,
            digits(),
            size=None,
            crop=False,
            scale=1,
            augment=(),
            group_by=None,
            device="cpu",
            threads=1,
        )
    assert not any(tmp_path.iterdir())


def test_no_training_of_it_is_compared_or_studied(use: str) -> None:
    with pytest.raises(InputError, match=f"--systems mint,msgnet: .*{use}"):
        requests(ComparisonOptions(systems=("mint", "msgnet")))
    with pytest.raises(InputError, match=f"--system biggan: .*{use}"):
        _request(StudyOptions(system="biggan"))
    assert "biggan" not in learning_from_images()
    assert {row["name"] for row in catalogue() if row["role"] == "images"} == {
        name for name, system in SYSTEMS.items() if system.role == "images"
    }


def test_a_system_that_draws_images_passes() -> None:
    for name in ("mint", "biggan"):
        check_mints(name, "RUN")
