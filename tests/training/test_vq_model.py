"""Training VQ-models: a killed run ends as one never killed, the adversary begins late and leaves nothing in
the tokenizer.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from labelmint.training.vq_model import VQModelTraining, _Adversary, train_vq_model
from lightning_fabric import Fabric
from tests.tokenizers.pairs import SYMBOLS, boxes
from torch import nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.objectives.patterns import count_patterns
from labelmint.progress import Event
from labelmint.tokenizers.coupled import CoupledConfig, CoupledVQ
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.layout_vq import LayoutVQ, LayoutVQConfig
from labelmint.tokenizers.patterns import Patterns
from labelmint.tokenizers.vq_model import VQModel, VQModelConfig
from labelmint.training import loop as stage
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
    made: nn.Module, run: Path, report: Any = lambda event: None, precision: Any = "32-true", **options: Any
) -> dict[str, float]:
    config = VQModelTraining.model_validate(
        {"steps": 6, "batch_size": 4, "evaluate_every": 2, "adversary_from": 0.5, **options}
    )
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    run.mkdir(exist_ok=True)
    return train_vq_model(
        "tokenizer", fabric, RunFolder(run), made, pairs(12, 0), pairs(4, 1), config, None, report
    )


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


class _Killed(Exception):
    pass


@pytest.mark.parametrize("kind", ["image", "coupled", "patterns"])
def test_a_killed_run_ends_with_the_weights_of_one_never_killed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tokenizer(kind)
    begun = {**ADVERSARY, "adversary_from": 0.3}  # the discriminator has learned when the run is killed
    train(whole, tmp_path / "whole", **begun)
    monkeypatch.setattr(stage, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    def kill(event: Event) -> None:
        if event.step == 4:  # the last checkpoint is of step 3
            raise _Killed

    with pytest.raises(_Killed):
        train(tokenizer(kind), tmp_path / "killed", kill, **begun)
    again = tokenizer(kind)
    train(again, tmp_path / "killed", **begun)
    for name, value in whole.state_dict().items():
        assert value.equal(again.state_dict()[name]), name


@pytest.mark.parametrize("augment", [frozenset(), frozenset({"flips", "zoom"})])
def test_patterns_are_counted_once_in_each_still_pair_and_else_in_views_that_the_seed_tells(
    augment: frozenset[str],
) -> None:
    few = pairs(43, 0)
    tables = []
    for seed in (0, 0, 1):
        counted = Patterns(SYMBOLS, 40, 4)
        count_patterns(
            counted, Pairs(few.images, few.ids, Geometry(size=(SIDE, SIDE), augment=augment), seed)
        )
        tables.append(counted.table)
    directly = Patterns(SYMBOLS, 40, 4)
    directly.count([torch.from_numpy(np.stack(few.ids))])
    assert tables[0].equal(tables[1])
    assert tables[0].equal(tables[2]) == tables[0].equal(directly.table) == (not augment)


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
    set_rate = stage.Stage.set_learning_rate

    def watch(of: stage.Stage, highest: float) -> None:
        set_rate(of, highest)
        judge = of.optimizer.param_groups[1]["params"]
        assert all(
            mine is its for mine, its in zip(judge, of.module["discriminator"].parameters(), strict=True)
        )  # type: ignore[index]
        seen.append([group["lr"] / highest for group in of.optimizer.param_groups])

    monkeypatch.setattr(stage.Stage, "set_learning_rate", watch)
    train(
        tokenizer("image"),
        tmp_path / "run",
        **ADVERSARY,
        learning_rate=1e-3,
        discriminator_learning_rate=rate,
    )
    assert len(seen) == 6
    assert all(ratios == pytest.approx([1.0, share]) for ratios in seen)


def test_each_network_s_step_leaves_the_other_s_weights_without_a_gradient() -> None:
    torch.manual_seed(0)
    decoder, network = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 4)
    adversary = _Adversary(Fabric(accelerator="cpu", devices=1), network, nn.Identity(), 0.8)
    real = torch.randn(4, 1, 8, 8)
    made = decoder(real)
    against, terms = adversary.against(made, made.square().mean(), decoder.weight)
    against.backward()
    assert decoder.weight.grad is not None
    assert network.weight.grad is None
    assert float(against.detach()) == pytest.approx(
        0.8 * float(terms["adaptive_weight"]) * float(terms["adversarial"].detach())
    )
    decoder.zero_grad()
    adversary.learn(real, made.detach(), parts=2)
    assert decoder.weight.grad is None
    assert network.weight.grad is not None
