"""Every regime obeys the laws of one, and the check finds regimes that break them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tokenizers.pairs import SYMBOLS, boxes
from torch import Tensor, nn

from labelmint.contracts import ContractError
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.generators.bicycle import BicycleConfig, BicycleGenerator
from labelmint.generators.object_pathway import ObjectPathwayConfig, ObjectPathwayGenerator
from labelmint.generators.pix2pixhd import Pix2PixHDConfig, Pix2PixHDGenerator
from labelmint.generators.spade import SpadeConfig, SpadeGenerator
from labelmint.hardware import Hardware, open_fabric
from labelmint.layouts.boxes import BoxRule
from labelmint.nn.object_discriminator import ObjectDiscriminator
from labelmint.nn.objects import told_wrong
from labelmint.nn.patch import MultiScaleDiscriminator, OneForEach, PatchDiscriminator
from labelmint.objectives.adversarial import HINGE, LEAST_SQUARES, VANILLA, WASSERSTEIN
from labelmint.objectives.cycles import CyclesObjective
from labelmint.objectives.likeness import LikenessObjective
from labelmint.objectives.objective import Objective
from labelmint.objectives.patterns import PatternsObjective
from labelmint.objectives.vq_model import VQObjective
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.progress import Report
from labelmint.protocols import Noise
from labelmint.tokenizers.coupled import CoupledConfig, CoupledVQ
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.dual_path import DualPathConfig, DualPathVQVAE
from labelmint.tokenizers.vq_model import VQModel, VQModelConfig
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.contract import check_regime
from labelmint.training.likelihood import Likelihood, PriorTraining
from labelmint.training.minimize import Minimize
from labelmint.training.phases import Phase
from labelmint.training.regime import Bench, Learning, Networks, Regime, Stage
from labelmint.training.run_folder import RunFolder
from labelmint.types import Batch, LayoutBatch

SIDE, FEW = 16, Learning(steps=3, batch_size=3, evaluate_every=2)
SIZES: Mapping[str, Any] = {"channels": 8, "multipliers": (1, 2), "code_dim": 8, "attention_below": 9}
VQ = VQObjective(commitment=0.25, error="absolute")


def pairs(count: int, seed: int) -> Pairs:
    batch = boxes(count, 1, (SIDE, SIDE), seed)
    images = [((image.permute(1, 2, 0).clamp(-1, 1) + 1) * 127.5).byte().numpy() for image in batch.image]
    geometry = Geometry(size=(SIDE, SIDE), augment=frozenset({"flips"}))
    return Pairs(images, [ids.numpy() for ids in batch.layouts.ids], geometry, seed=0)


def benches(folder: Path) -> Callable[[str, Report], Bench]:
    """A bench for every name, each with a folder of its own."""

    def bench(name: str, report: Report) -> Bench:
        (folder / name).mkdir(exist_ok=True)
        return Bench(
            fabric=open_fabric(Hardware("cpu", "32-true", 1)),
            run=RunFolder(folder / name),
            training=pairs(12, 0),
            validation=pairs(4, 1),
            seconds=None,
            report=report,
        )

    return bench


def msgnet_tokenizer(codebook: str = "ema") -> nn.Module:
    config = DualPathConfig.model_validate(
        {
            "channels": 8,
            "residual_channels": 4,
            "residual_blocks": 1,
            "codebook_size": 8,
            "code_dim": 4,
            "codebook": codebook,
        }
    )
    return DualPathVQVAE(config, 1, (SIDE, SIDE))


def vq_model(kind: str) -> nn.Module:
    if kind == "image":
        return VQModel(VQModelConfig(**SIZES, codebook_size=16), 1, (SIDE, SIDE))
    books = {**SIZES, "codebook_size": 16, "semantic_codebook_size": 16}
    if kind == "patterns":
        config = CoupledConfig.model_validate({**books, "layout_encoder": "patterns"})
        return CoupledPatterns(config, 1, SYMBOLS, (SIDE, SIDE))
    return CoupledVQ(CoupledConfig.model_validate(books), 1, SYMBOLS, (SIDE, SIDE))


def pixelsnail() -> nn.Module:
    config = PixelSNAILConfig(
        channels=8,
        residual_channels=8,
        blocks=1,
        residual_blocks=1,
        attention_channels=4,
        attention_heads=1,
        dropout=0.1,
    )
    return PixelSNAIL(config, codebook_size=4, grid=(4, 4), symbols=SYMBOLS)


def levels(batch: Batch) -> tuple[Tensor, LayoutBatch]:
    """Tokens that tell how bright the image is, given its layout."""
    shades = nn.functional.avg_pool2d(batch.image, SIDE // 4)[:, 0]
    return ((shades + 1) * 2).long().clamp(0, 3), batch.layouts


def adversarial(objective: Objective, kind: type[Adversarial] = Adversarial) -> Adversarial:
    against = Against(
        discriminator=lambda: PatchDiscriminator(1, 8, 1), loss=HINGE, rate=1e-3, strength=0.8, adaptive=True
    )
    return kind(FEW, objective, against)


def likelihood(kind: type[Likelihood] = Likelihood) -> Likelihood:
    settings = PriorTraining(steps=3, batch_size=3, evaluate_every=2, token_noise=0.2)
    return kind(settings, levels)


def check(module: Callable[[], nn.Module], regime: Callable[[], Regime], folder: Path) -> None:
    """The laws, of a module whose weights are the same each time that it is made."""

    def make() -> Stage:
        torch.manual_seed(0)
        return Stage(name="part", module=module(), regime=regime())

    check_regime(make, benches(folder))


@pytest.mark.parametrize(
    ("codebook", "half_life", "clip"), [("ema", 0.0, None), ("loss", 0.1, 0.01)], ids=["last", "average"]
)
def test_minimizing_an_objective(codebook: str, half_life: float, clip: float | None, tmp_path: Path) -> None:
    check(
        lambda: msgnet_tokenizer(codebook),
        lambda: Minimize(FEW, VQObjective(commitment=0.25, balance=0.5), half_life, clip),
        tmp_path,
    )


@pytest.mark.parametrize("kind", ["image", "coupled", "patterns"])
def test_learning_against_a_discriminator(kind: str, tmp_path: Path) -> None:
    objective = PatternsObjective if kind == "patterns" else VQObjective
    check(lambda: vq_model(kind), lambda: adversarial(objective(commitment=0.25, error="absolute")), tmp_path)


def spade() -> SpadeGenerator:
    sizes = SpadeConfig(
        channels=8, widest=2, doublings=2, hidden=8, layout_channels=4, norm="instance", code=4
    )
    return SpadeGenerator(sizes, SYMBOLS, 1, (SIDE, SIDE))


@pytest.mark.parametrize("kind", ["matching", "critic"])
def test_an_average_learns_with_all_that_adversaries_have(kind: str, tmp_path: Path) -> None:
    """Spectral norms, feature matching, augmentation; a critic with a penalty that learns twice a step."""
    more: dict[str, Any] = {"loss": HINGE, "matching": 10.0, "augment_below": 100, "unknown": SYMBOLS}
    if kind == "critic":
        more = {"loss": WASSERSTEIN, "penalty": "gradient", "updates": 2}

    def regime() -> Adversarial:
        def rival() -> nn.Module:
            return MultiScaleDiscriminator(1, 8, 1, 2, SYMBOLS + 1, 4, spectral=kind == "matching")

        noise = spade().noise
        objective = LikenessObjective(noise, absolute=1.0, kl=0.05)
        return Adversarial(FEW, objective, Against(discriminator=rival, rate=1e-3, **more), half_life=0.5)

    check(spade, regime, tmp_path)


def test_two_cycles_learn_against_a_discriminator_each(tmp_path: Path) -> None:
    sizes = BicycleConfig(channels=8, downsamplings=2, code=2, encoder_channels=8, layout_channels=4)

    def bicycle() -> BicycleGenerator:
        return BicycleGenerator(sizes, SYMBOLS, 1, (SIDE, SIDE))

    def regime() -> Adversarial:
        objective = CyclesObjective(bicycle().noise, absolute=10.0, kl=0.01, latent=0.5)
        against = Against(
            discriminator=lambda: OneForEach(
                *(PatchDiscriminator(1, 8, 1, SYMBOLS + 1, 4) for _ in range(2))
            ),
            loss=LEAST_SQUARES,
            rate=1e-3,
            strength=2.0,
            augment_below=100,
            unknown=SYMBOLS,
        )
        return Adversarial(FEW, objective, against)

    check(bicycle, regime, tmp_path)


def test_a_generator_of_boxes_learns_beside_wrong_labels(tmp_path: Path) -> None:
    sizes = ObjectPathwayConfig(channels=16, noise=4, label_channels=4, layout_channels=16, norm="group")
    labels = torch.eye(SYMBOLS)
    few = FEW.model_copy(update={"batch_size": 4})
    rule = BoxRule(
        first={1: 1, 2: 2}, grounds=(0,), ignored=0, most=1
    )  # of one: items show different classes

    def bench_of(name: str, report: Report) -> Bench:
        bench = benches(tmp_path)(name, report)
        boxed = [pairs.with_boxes(rule.of_pair, 1) for pairs in (bench.training, bench.validation)]
        return replace(bench, training=boxed[0], validation=boxed[1])

    def make() -> Stage:
        torch.manual_seed(0)
        network = ObjectPathwayGenerator(sizes, labels, 1, (SIDE, SIDE))
        against = Against(
            discriminator=lambda: ObjectDiscriminator(1, 8, labels, (SIDE, SIDE)),
            loss=VANILLA,
            rate=1e-3,
            wrong=told_wrong,
            augment_below=100,
        )
        regime = Adversarial(few, LikenessObjective(network.noise), against, half_life=0.5)
        return Stage(name="part", module=network, regime=regime)

    check_regime(make, bench_of)


def test_a_generator_learns_from_coarse_to_fine(tmp_path: Path) -> None:
    """With features, whose clusters are a part of what is kept."""
    sizes = Pix2PixHDConfig(
        channels=8, downsamplings=1, blocks=1, enhancer_blocks=1, layout_channels=4, features=2
    )

    def regime() -> Adversarial:
        phases = (
            Phase(0.0, shrink=2, learns=("coarse",)),
            Phase(1.0, learns=("coarse", "enhancer", "features")),
        )
        against = Against(
            discriminator=lambda: MultiScaleDiscriminator(1, 8, 1, 2, SYMBOLS, 4, edges=True, height=SIDE),
            loss=LEAST_SQUARES,
            rate=1e-3,
            matching=10.0,
        )
        objective = LikenessObjective(Noise("uniform", (SIDE, SIDE)), perceptual=10.0, encodes=True)
        return Adversarial(FEW, objective, against, half_life=0.5, phases=phases)

    check(lambda: Pix2PixHDGenerator(sizes, SYMBOLS, 1, (SIDE, SIDE)), regime, tmp_path)


def test_maximizing_a_likelihood(tmp_path: Path) -> None:
    check(pixelsnail, likelihood, tmp_path)


class _Doubled(Likelihood):
    """Tells twice the loss that it minimizes."""

    def terms(self, player: str, networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, terms = super().terms(player, networks, batch)
        return 2 * loss, terms


class _Forgetful(Minimize):
    """Begins anew whatever was saved."""

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        bench.run.drop_checkpoint(stage.name)
        return super().train(stage, bench)


class _Careless(Minimize):
    """Ends otherwise where it is gone on with."""

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        begun = bench.run.load_checkpoint(stage.name) is not None
        found = super().train(stage, bench)
        if begun:
            nn.init.zeros_(next(stage.module.parameters()))
        return found


class _Hoarding(Minimize):
    """Keeps another network in the part."""

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        stage.module.add_module("rival", nn.Linear(1, 1))
        return super().train(stage, bench)


class _Mixed(Adversarial):
    """Lets the discriminator's loss move the module."""

    def terms(self, player: str, networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss, terms = super().terms(player, networks, batch)
        made = self.objective(networks["module"], batch).image
        assert made is not None
        return loss + made.mean(), terms


@pytest.mark.parametrize(
    ("regime", "said"),
    [
        (lambda: _Forgetful(FEW, VQ), "it begins anew"),
        (lambda: _Careless(FEW, VQ), "it ends with another"),
        (lambda: _Hoarding(FEW, VQ), "other tensors after the training: rival"),
        (lambda: adversarial(VQ, _Mixed), "discriminator: its terms move .* of module"),
        (
            lambda: Minimize(FEW.model_copy(update={"evaluate_every": 9}), VQ),
            "it told of step 3, it saved nothing",
        ),
    ],
)
def test_a_regime_that_breaks_a_law_is_told_which(
    regime: Callable[[], Regime], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match=said):
        check(lambda: vq_model("image"), regime, tmp_path)


def test_a_loss_that_is_not_the_one_minimized_is_found(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="minimizes something else than its terms"):
        check(pixelsnail, lambda: likelihood(_Doubled), tmp_path)
