"""BachGAN: what its generator sees, what its critic is, and its published sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from labelmint.generators.apart import ApartGenerator
from labelmint.generators.backgrounds import BachGenerator
from labelmint.layouts.bank import BackgroundBank
from labelmint.layouts.boxes import BoxRule
from labelmint.runs.train import plan
from labelmint.systems.bachgan import BachGANSections, WassersteinSections
from labelmint.systems.catalogue import PRESETS, SYSTEMS, settings_of
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts, Wired
from labelmint.training.adversarial import Adversarial
from labelmint.training.contract import check_regime
from labelmint.training.regime import Stage
from labelmint.types import LayoutBatch
from tests.helpers import digits, spread, tiny_settings
from tests.training.test_regimes import benches

RULE = BoxRule(first={1: 1}, grounds=(), ignored=2, most=4)  # of three symbols: ground, object, ignored
FACTS = Facts(1, (32, 32), 3, kinds=(0, 1, 2), boxes=RULE)


def wired(system: str = "bachgan", facts: Facts = FACTS, **values: object) -> Wired:
    """The smallest system, its weights drawn by a seed."""
    torch.manual_seed(0)
    settings = with_values(settings_of(system, "tiny"), tiny_settings(system))
    settings = with_values(settings, {f"generator.{key}": str(value) for key, value in values.items()})
    return SYSTEMS[system].wire(settings, facts)


def layouts(backgrounds: torch.Tensor | None = None) -> LayoutBatch:
    """One with a box, and one without."""
    boxes = torch.full((2, 4, 5), -1.0)
    boxes[0, 0] = torch.tensor([1.0, 4, 4, 20, 16])
    return LayoutBatch(torch.zeros(2, 32, 32, dtype=torch.uint8), boxes=boxes, backgrounds=backgrounds)


def test_backgrounds_change_the_image_around_boxes_and_none_are_seen_within() -> None:
    network = cast(BachGenerator, spread(wired()).stages[0].module).eval()
    lent = torch.full((2, 3, 32, 32), 3)
    seen = network.completed(layouts(), [(0, 0)] * 2)
    assert seen.backgrounds is not None
    assert seen.backgrounds.equal(lent.to(torch.uint8))  # nothing was learned from
    other, within = lent.clone(), lent.clone()
    other[:, :, 24:], within[0, :, 4:16, 4:20] = 0, 0
    with torch.no_grad():
        maps = [network.embed(replace(seen, backgrounds=one)) for one in (lent, other, within)]
    assert not maps[0][0].equal(maps[1][0])
    assert maps[0][0].equal(maps[2][0])
    assert maps[0].shape == (2, 8, 32, 32)
    assert network.embed(replace(seen, backgrounds=other.flip(1))).equal(maps[1])  # their order is nothing


def test_without_retrieval_boxes_are_all_that_is_seen() -> None:
    network = cast(BachGenerator, wired(retrieved=0).stages[0].module)
    seen = network.completed(layouts(), [(0, 0)] * 2)
    assert seen.backgrounds is not None
    assert seen.backgrounds.shape == (2, 0, 32, 32)
    assert network.embed.each is None
    assert wired(retrieved=0).images.sample(layouts(), [(0, 0), (0, 1)], {}).shape == (2, 1, 32, 32)


def test_a_plan_counts_what_the_bank_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[tuple[int, int]]()

    def many(bank: BackgroundBank, layouts: int, boxes: int) -> int:
        told.append((layouts, boxes))
        return 1 << 30

    monkeypatch.setattr(BackgroundBank, "filled_bytes", many)
    asked = {"system": "bachgan", "preset": "tiny", "size": (16, 16), "settings": tiny_settings("bachgan")}
    (stage,) = plan(digits(), threads=1, **asked).stages  # type: ignore[arg-type]
    assert 1 << 30 < stage.bytes < 2 << 30
    assert told == [(44, 2)]


def test_an_image_depends_on_its_own_seed_where_nothing_is_alike(tmp_path: Path) -> None:
    system = spread(wired(facts=FACTS._replace(size=(16, 16), kinds=(0, 1, 2)), code=0))
    network = cast(BachGenerator, system.stages[0].module)
    network.keep(benches(tmp_path)("pairs", lambda event: None).training)
    nothing = LayoutBatch(torch.zeros(4, 16, 16, dtype=torch.uint8))
    seeds = [(0, row) for row in range(4)]
    drawn = system.images.sample(nothing, seeds, {})
    assert system.images.sample(nothing[:2], seeds[2:], {}).equal(drawn[2:])
    assert len({image.numpy().tobytes() for image in drawn}) > 1


@pytest.mark.slow
@pytest.mark.parametrize("system", ["bachgan", "bachgan-wgan", "bachgan-apart"])
def test_the_laws_of_a_regime_hold(system: str, tmp_path: Path) -> None:
    few = {"steps": 3, "batch_size": 3, "evaluate_every": 2, "augment_below": 0, "perceptual": 0}

    def make() -> Stage:
        return wired(system, FACTS._replace(size=(16, 16)), **few).stages[0]

    check_regime(make, benches(tmp_path))


def test_a_training_query_never_finds_its_own_layout(tmp_path: Path) -> None:
    network = cast(BachGenerator, wired(facts=FACTS._replace(size=(16, 16))).stages[0].module)
    pairs = benches(tmp_path)("pairs", lambda event: None).training
    network.keep(pairs)
    batch = pairs.fixed(0, 6)
    seen = network.seen(batch)
    assert seen.layouts.boxes is not None
    assert network.seen(seen).layouts is seen.layouts
    for row, some in enumerate(seen.layouts.boxes.double().numpy()):
        own = some[some[:, 0] >= 0]
        assert row in network.bank.places(own, len(pairs), (0, 0))
        assert row not in network.bank.places(own, len(pairs), (0, 0), item=row)


def test_the_critic_has_no_spectral_norm_and_no_batch_statistics_and_its_steps_are_published() -> None:
    with torch.device("meta"):
        (stage,) = SYSTEMS["bachgan-wgan"].wire(settings_of("bachgan-wgan", "small"), FACTS).stages
        regime = cast(Adversarial, stage.regime)
        critic = regime.against.discriminator()
    assert not any(parametrize.is_parametrized(each) for each in critic.modules())
    assert not any(
        isinstance(each, (nn.modules.batchnorm._BatchNorm, nn.Sigmoid)) for each in critic.modules()
    )
    against = regime.against
    assert (against.loss.name, against.penalty, against.penalty_weight) == ("wasserstein", "gradient", 10.0)
    assert (against.updates, against.betas) == (5, (0.0, 0.9))
    assert against.matching > 0
    tiny = settings_of("bachgan-wgan", "tiny")
    assert isinstance(tiny, WassersteinSections)
    assert tiny.generator.discriminator_updates == 2


@pytest.mark.parametrize(
    ("preset", "channels"),
    [pytest.param("ade20k-256", 151, marks=pytest.mark.slow), ("cityscapes-256x512", 36)],
)
def test_published_sizes(preset: str, channels: int) -> None:
    settings = settings_of("bachgan", preset)
    assert isinstance(settings, BachGANSections)
    section = settings.generator
    assert (section.retrieved, section.channels, section.hidden, section.code) == (3, 64, 128, 0)
    assert (section.matching, section.perceptual, section.learning_rate) == (10, 10, 1e-4)
    with torch.device("meta"):
        (stage,) = SYSTEMS["bachgan"].wire(settings, Facts(3, PRESETS[preset].size, channels)).stages
    network = cast(BachGenerator, stage.module)
    assert network.embed.fuse.weight.shape == (channels, channels, 3, 3)
    assert network.blocks[0].convolutions[0].weight.shape == (1024, 1024, 3, 3)  # type: ignore[union-attr,index]
    assert widths(network.blocks) == [1024, 1024, 1024, 512, 256, 128, 64]


@pytest.mark.parametrize(
    ("preset", "noise"),
    [
        ("tiny", (16 * 8, 16)),
        ("small", (16 * 16, 32)),
        pytest.param("ade20k-256", (16 * 64, 256), marks=pytest.mark.slow),
        pytest.param("cityscapes-256x512", (16 * 64, 256), marks=pytest.mark.slow),
    ],
)
def test_apart_both_branches_have_the_sizes_of_bachgan_and_codes(preset: str, noise: tuple[int, int]) -> None:
    settings, of_bachgan = (settings_of(name, preset) for name in ("bachgan-apart", "bachgan"))
    facts = Facts(3, PRESETS[preset].size, 36)
    with torch.device("meta"):
        network, other = (
            cast(nn.Module, SYSTEMS[name].wire(one, facts).stages[0].module)
            for name, one in (("bachgan-apart", settings), ("bachgan", of_bachgan))
        )
    assert isinstance(network, ApartGenerator)
    assert isinstance(other, BachGenerator)
    assert tuple(length for _, length in network.noise.streams) == noise
    for blocks in (network.foreground_blocks, network.background_blocks):
        assert widths(blocks) == widths(other.blocks)


def widths(blocks: nn.ModuleList) -> list[int]:
    return [block.convolutions[1].weight.shape[0] for block in blocks]  # type: ignore[union-attr,index]


def test_apart_objects_are_told_where_a_retrieved_map_has_the_class_of_the_box() -> None:
    network = cast(ApartGenerator, spread(wired("bachgan-apart")).stages[0].module).eval()
    lent = torch.zeros(2, 3, 32, 32, dtype=torch.long)
    beside, within = lent.clone(), lent.clone()
    beside[:, :, 24:], within[:, :, 6:12, 6:12] = 1, 1
    seen = network.completed(layouts(), [(0, 0)] * 2)
    with torch.no_grad():
        maps = [network._told(replace(seen, backgrounds=one)) for one in (lent, beside, within)]
    (plain, ground), (objects, hidden), (shaped, behind) = maps
    assert objects.equal(plain)
    assert not shaped[0].equal(plain[0])
    assert shaped[1].equal(plain[1])  # which has no box
    assert not hidden.equal(ground)
    assert not behind.equal(ground)
