"""`flow` with images without labels, and told the kinds of look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from labelmint.contracts import check_generator
from labelmint.errors import InputError
from labelmint.generators.flow_images import FlowImages
from labelmint.generators.network import OneNetwork
from labelmint.generators.velocity_unet import VelocityConfig, VelocityUNet
from labelmint.objectives.velocity import VelocityObjective
from labelmint.runs import train as pipeline
from labelmint.runs.prepare import Prepared
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem, load
from labelmint.systems.catalogue import SYSTEMS
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts
from labelmint.types import Batch, LayoutBatch
from tests.helpers import digits, tiny_settings
from tests.systems.test_transfer import pool

NETWORK = VelocityConfig(patch=2, widths=(8, 8), attention=False, time_channels=8, styles=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    settings = tiny_settings("flow") | {
        "generator.styles": "3",
        "generator.steps": "6",
        "generator.hidden": "0",
    }
    return train(
        digits(),
        tmp_path_factory.mktemp("flow") / "run",
        system="flow",
        preset="tiny",
        size=(16, 16),
        unlabelled=pool(),
        settings=settings,
        precision="32",
        threads=1,
    )


def test_of_an_image_without_a_label_the_layout_means_nothing() -> None:
    torch.manual_seed(0)
    network = VelocityUNet(NETWORK, 1, 3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    assert not network.shares.requires_grad
    image = torch.rand(4, 1, 8, 8) * 2 - 1
    losses = []
    for symbol in (0, 2):
        for labelled in (False, True):
            torch.manual_seed(1)
            layouts = LayoutBatch(torch.full((4, 8, 8), symbol), styles=torch.tensor([0, 1, 1, 0]))
            batch = Batch(image, layouts, labelled=torch.full((4,), labelled))
            losses.append(float(VelocityObjective(1.0, 0.0)(network, batch).fidelity.detach()))
    assert losses[0] == losses[2]
    assert losses[1] != losses[3]


def test_kinds_are_drawn_as_often_as_they_were_learned_or_chosen(run: TrainedSystem) -> None:
    (stage,) = run.wired.stages
    shares = cast(VelocityUNet, stage.module).shares
    assert float(shares.sum()) == pytest.approx(1)
    assert (run.path / "styles.png").is_file()
    network = cast(FlowImages, cast(OneNetwork, run.images).network)
    seeds = [(0, index) for index in range(2000)]
    drawn = network.completed(LayoutBatch(torch.zeros(2000, 1, 1, dtype=torch.uint8)), seeds).styles
    assert torch.bincount(drawn, minlength=3) / 2000 == pytest.approx(shares.tolist(), abs=0.05)


def test_the_laws_hold_and_another_kind_is_another_image(run: TrainedSystem) -> None:
    torch.manual_seed(0)
    torch.nn.init.normal_(cast(VelocityUNet, run.wired.stages[0].module).style.weight)
    check_generator(run.images, run.as_trained.layouts(digits().subset(digits().names[:3])), 1)
    one, two = (next(iter(run.synthesize(1, seed=2, style=style))).image for style in (0, 1))
    assert not np.array_equal(one, two)
    with pytest.raises(InputError, match=r"--style 3: expected a whole number from -1 to 2"):
        next(run.synthesize(1, style=3))


def test_it_learned_without_layouts_from_the_pool_so_that_there_is_guidance(run: TrainedSystem) -> None:
    assert "guidance" in {dial.name for dial in load(run.path).dials}
    for pooled, share in ((0, "0.5"), (20, "0")):
        settings = with_values(run.config.request.settings, {"generator.unlabelled": share})
        images = SYSTEMS["flow"].wire(settings, Facts(1, (16, 16), 3, pool=pooled)).images
        assert images is not None
        assert "guidance" not in {dial.name for dial in images.dials}
    plain, guided = (next(iter(run.synthesize(1, guidance=how))).image for how in (1.0, 3.0))
    assert not np.array_equal(plain, guided)


def test_a_run_with_a_pool_opens_as_it_was(run: TrainedSystem) -> None:
    again = load(run.path)
    assert again.config.pool_images == 20
    assert again.config.request.settings.styles == 3


def test_a_tokenizer_that_sees_images_alone_and_its_prior_learn_from_the_pool(tmp_path: Path) -> None:
    """Both are other ones; with shares of 0 they are those without a pool."""
    tiny = tiny_settings("no-comp-msgnet") | {"tokenizer.steps": "2", "prior.condition_dropout": "0.2"}
    unused = {"tokenizer.unlabelled": "0", "prior.unlabelled": "0"}
    kept = []
    for name, unlabelled, settings in (
        ("none", None, tiny),
        ("unused", pool(), tiny | unused),
        ("pool", pool(), tiny),
    ):
        made = train(
            digits(),
            tmp_path / name,
            system="no-comp-msgnet",
            preset="tiny",
            size=(16, 16),
            unlabelled=unlabelled,
            settings=settings,
            precision="32",
            threads=1,
        )
        kept.append([made.part(part).state_dict() for part in ("tokenizer", "prior")])
    for none, zero, learned in zip(*kept, strict=True):
        assert all(none[key].equal(zero[key]) for key in none)
        assert not all(none[key].equal(learned[key]) for key in none)


def test_a_pool_is_drawn_by_a_seed_of_its_own_but_in_runs_that_were_begun_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Prepared] = []

    class Ended(Exception):
        pass

    def note(*given: Any) -> None:
        seen.append(given[4])
        raise Ended

    monkeypatch.setattr(pipeline, "_train_stages", note)
    for older in (False, True):
        if older:
            stored = json.loads((tmp_path / "config.json").read_text())
            del stored["revision"]
            (tmp_path / "config.json").write_text(json.dumps(stored))
        with pytest.raises(Ended):
            train(
                digits(),
                tmp_path,
                system="flow",
                preset="tiny",
                size=(16, 16),
                unlabelled=pool(),
                settings=tiny_settings("flow"),
                precision="32",
                threads=1,
            )
        pairs, others = seen[-1].training, seen[-1].pool
        assert others is not None
        assert (others.pairs.seed == pairs.seed) == older
