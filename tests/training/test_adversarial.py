"""Training VQ-models, with an adversary and without: it begins late, works in mixed precision, and learns at a
rate of its own. `test_regimes` holds the laws that they share with other regimes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from tests.tokenizers.pairs import SYMBOLS, boxes
from torch import nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.objectives.patterns import PatternsObjective
from labelmint.objectives.penalties import Penalty, penalty_of
from labelmint.objectives.vq_model import VQObjective
from labelmint.systems.wiring import VQModelTraining, reconstructing
from labelmint.tokenizers.coupled import CoupledConfig, CoupledVQ
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.layout_vq import LayoutVQ, LayoutVQConfig
from labelmint.tokenizers.vq_model import VQModel, VQModelConfig
from labelmint.training import adversarial
from labelmint.training.adversarial import Adversarial
from labelmint.training.loop import Loop
from labelmint.training.regime import Bench, Stage
from labelmint.training.run_folder import RunFolder

SIZES = {"channels": 8, "multipliers": (1, 2), "code_dim": 8, "attention_below": 9}
ADVERSARY = {
    "adversary": 0.8,
    "discriminator_channels": 8,
    "discriminator_layers": 1,
    "error": "absolute",
    "distance": 1.0,
}
SIDE = 24


def pairs(count: int, seed: int) -> Pairs:
    batch = boxes(count, 1, (SIDE, SIDE), seed)
    images = [((image.permute(1, 2, 0).clamp(-1, 1) + 1) * 127.5).byte().numpy() for image in batch.image]
    return Pairs(images, [ids.numpy() for ids in batch.layouts.ids], Geometry(size=(SIDE, SIDE)), seed=0)


def tokenizer(kind: str) -> nn.Module:
    torch.manual_seed(0)
    if kind == "image":
        return VQModel(VQModelConfig(**SIZES, codebook_size=16), 1, (SIDE, SIDE))  # type: ignore[arg-type]
    if kind == "layout":
        return LayoutVQ(LayoutVQConfig(**SIZES, semantic_codebook_size=16), SYMBOLS, (SIDE, SIDE))  # type: ignore[arg-type]
    if kind == "patterns":
        by_patterns = CoupledConfig.model_validate(
            {**SIZES, "codebook_size": 16, "semantic_codebook_size": 16, "layout_encoder": "patterns"}
        )
        return CoupledPatterns(by_patterns, 1, SYMBOLS, (SIDE, SIDE))
    config = CoupledConfig(**SIZES, codebook_size=16, semantic_codebook_size=16)  # type: ignore[arg-type]
    return CoupledVQ(config, 1, SYMBOLS, (SIDE, SIDE))


def train(
    made: nn.Module,
    run: Path,
    report: Any = lambda event: None,
    precision: Any = "32-true",
    penalty: Penalty = "none",
    **options: Any,
) -> dict[str, float]:
    config = VQModelTraining.model_validate(
        {"steps": 6, "batch_size": 4, "evaluate_every": 2, "adversary_from": 0.5, **options}
    )
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    run.mkdir(exist_ok=True)
    objective = PatternsObjective if isinstance(made, CoupledPatterns) else VQObjective
    regime = reconstructing(config, 1, objective)
    if isinstance(regime, Adversarial):
        regime.against = replace(regime.against, penalty=penalty)
    stage = Stage(name="tokenizer", module=made, regime=regime)
    bench = Bench(
        fabric=fabric,
        run=RunFolder(run),
        training=pairs(12, 0),
        validation=pairs(4, 1),
        seconds=None,
        report=report,
        accumulate=config.accumulate,
    )
    stage.regime.begin(made, bench.training, stage.name)
    return stage.regime.train(stage, bench)


@pytest.mark.parametrize("kind", ["image", "coupled", "patterns"])
def test_the_adversary_works_in_mixed_precision_and_leaves_nothing_behind(kind: str, tmp_path: Path) -> None:
    made, begun = tokenizer(kind), {**ADVERSARY, "adversary_from": 0.0}
    weights: list[float] = []
    train(
        made,
        tmp_path / "run",
        lambda event: weights.append(event.losses.get("adaptive_weight", 0.0)),
        "bf16-mixed",
        **begun,
    )
    assert max(weights) > 0
    assert not made._forward_hooks


@pytest.mark.parametrize("penalty", ["gradient", "r1"])
def test_penalties_are_taken_in_single_precision_whatever_the_training_s(
    penalty: Penalty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, kinds = list[float](), set[torch.dtype]()

    def watched(kind: Penalty, rival: Any, real: torch.Tensor, *rest: Any) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            kinds.add(rival(real.float(), rest[-1])[0][-1].dtype)
        return penalty_of(kind, rival, real, *rest)

    monkeypatch.setattr(adversarial, "penalty_of", watched)
    train(
        tokenizer("image"),
        tmp_path / "run",
        lambda event: told.append(event.losses.get("penalty", 0.0)),
        "bf16-mixed",
        penalty,
        **{**ADVERSARY, "adversary_from": 0.0},
    )
    assert max(told) > 0
    assert kinds == {torch.float32}


def test_the_adversary_begins_late_and_makes_a_vqgan_of_the_very_module_of_a_vqvae(tmp_path: Path) -> None:
    plain, rivaled = tokenizer("image"), tokenizer("image")
    train(plain, tmp_path / "plain", error="absolute", distance=1.0, steps=8)
    train(rivaled, tmp_path / "rivaled", **ADVERSARY, steps=8, evaluate_every=1, adversary_from=0.75)
    rows = [row for row in RunFolder(tmp_path / "rivaled").read_log() if "error" in row]
    assert [row["step"] for row in rows if "adversarial" in row] == [7, 8]  # the last quarter
    # it learns alone from half of that on
    assert [row["step"] for row in rows if "discriminator" in row] == [4, 5, 6, 7, 8]
    assert plain.state_dict().keys() == rivaled.state_dict().keys()
    tokenizer("image").load_state_dict(rivaled.state_dict())
    assert not plain.state_dict()["decoder.out.weight"].equal(rivaled.state_dict()["decoder.out.weight"])


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        ("image", {"held_out_mse", "codes_used"}),
        ("layout", {"held_out_misread", "codes_used"}),
        ("coupled", {"held_out_mse", "held_out_misread", "codes_used"}),
        ("patterns", {"held_out_mse", "held_out_misread", "codes_used"}),
    ],
)
def test_held_out_figures_are_those_that_the_tokenizer_has(
    kind: str, figures: set[str], tmp_path: Path
) -> None:
    found = train(tokenizer(kind), tmp_path / "run", steps=2, accumulate=2)
    assert found.keys() == figures | {"steps", "seconds"}
    assert all(0 <= found[name] <= 2 for name in figures)


@pytest.mark.parametrize(("rate", "share"), [(None, 1.0), (1e-4, 0.1)])
def test_the_discriminator_s_rate_keeps_its_ratio_to_the_tokenizer_s(
    rate: float | None, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[float]] = []
    set_rate = Loop.set_learning_rate

    def watch(of: Loop, highest: float) -> None:
        set_rate(of, highest)
        judge = of.optimizer.param_groups[1]["params"]
        assert all(
            mine is its for mine, its in zip(judge, of.module["discriminator"].parameters(), strict=True)
        )  # type: ignore[index]
        seen.append([group["lr"] / highest for group in of.optimizer.param_groups])

    monkeypatch.setattr(Loop, "set_learning_rate", watch)
    train(
        tokenizer("image"),
        tmp_path / "run",
        **ADVERSARY,
        learning_rate=1e-3,
        discriminator_learning_rate=rate,
    )
    assert len(seen) == 6
    assert all(ratios == pytest.approx([1.0, share]) for ratios in seen)


def test_the_adversary_counts_as_its_strength_and_the_adaptive_weight_say() -> None:
    made = tokenizer("image").train()
    section = VQModelTraining.model_validate({"batch_size": 4, **ADVERSARY})
    regime = reconstructing(section, 1)
    assert isinstance(regime, Adversarial)
    some = pairs(12, 0)
    regime.begin(made, some, "tokenizer")
    networks = {player.name: player.module for player in regime.players(made)}
    batch = some.fixed(0, 4)
    made(batch.image, batch.layouts)  # lends the first entries
    made.eval()
    found = regime.objective(made, batch)
    loss, terms = regime.terms("module", networks, batch)
    assert 0 < float(terms["adaptive_weight"]) <= 1e4
    assert float(loss.detach()) == pytest.approx(
        float((found.fidelity + found.others).detach())
        + 0.8 * float(terms["adaptive_weight"]) * float(terms["adversarial"])
    )
