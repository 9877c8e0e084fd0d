"""A batch in parts: the gradient, the terms and the codebook are those of the whole."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from tests.tokenizers.pairs import SYMBOLS
from tests.training.test_regimes import SIDE, benches
from torch import Tensor, nn

from labelmint.generators.spade import SpadeConfig, SpadeGenerator
from labelmint.nn.patch import PatchDiscriminator
from labelmint.nn.residual_discriminator import ResidualDiscriminator
from labelmint.objectives.adversarial import HINGE
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.objectives.likeness import LikenessObjective
from labelmint.objectives.objective import Loss
from labelmint.objectives.vq_model import VQObjective
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.tokenizers.codebooks import see_in_parts as set_parts
from labelmint.tokenizers.dual_path import DualPathConfig
from labelmint.tokenizers.vqvae import VQVAE
from labelmint.training.accumulation import backward_in_parts, slices
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.regime import Learning, Stage
from labelmint.types import Batch, LayoutBatch

ITEMS = 7
Terms = tuple[Tensor, dict[str, Tensor]]


@pytest.mark.parametrize(("items", "parts"), [(7, 1), (7, 3), (7, 7), (7, 50), (32, 4)])
def test_parts_cover_every_item_once_and_differ_by_one_at_most(items: int, parts: int) -> None:
    chosen = slices(items, parts)
    assert [item for part in chosen for item in range(items)[part]] == list(range(items))
    sizes = {part.stop - part.start for part in chosen}
    assert len(chosen) == min(items, parts)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) > 0


def fabric_and(module: nn.Module) -> tuple[Fabric, nn.Module]:
    fabric = Fabric(accelerator="cpu", devices=1)
    return fabric, fabric.setup(module)


def gradients(module: nn.Module) -> dict[str, Tensor]:
    taken = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    return taken


def assert_near(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name in expected:
        scale = float(expected[name].abs().max()) + 1e-3
        assert float((found[name] - expected[name]).abs().max()) < 1e-4 * scale, name


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_a_prior_s_gradient_is_that_of_the_whole_batch(parts: int) -> None:
    torch.manual_seed(0)
    config = PixelSNAILConfig(
        channels=8,
        residual_channels=8,
        blocks=1,
        residual_blocks=1,
        attention_channels=4,
        attention_heads=1,
        dropout=0.0,
    )
    prior = PixelSNAIL(config, codebook_size=5, grid=(4, 4), symbols=3)
    tokens, ids = torch.randint(5, (ITEMS, 4, 4)), torch.randint(3, (ITEMS, 8, 8))
    whole = negative_log_likelihood(prior, tokens, LayoutBatch(ids))
    whole.backward()
    expected = gradients(prior)
    fabric, model = fabric_and(prior)

    def nats(part: slice) -> Terms:
        loss = negative_log_likelihood(model, tokens[part], LayoutBatch(ids[part]))
        return loss, {"nats": loss}

    terms = backward_in_parts(fabric, model, ITEMS, parts, nats)
    assert_near(gradients(prior), expected)
    assert float(terms["nats"]) == pytest.approx(float(whole.detach()), rel=1e-5)
    assert not terms["nats"].requires_grad


def test_a_discriminator_s_gradient_and_spectral_norms_are_those_of_the_whole_batch() -> None:
    images, results = torch.rand(ITEMS, 1, 16, 16), []
    for parts in (1, 3):
        torch.manual_seed(0)
        judge = ResidualDiscriminator(1, 8, 2, attention=False).train()
        fabric, model = fabric_and(judge)

        def loss_of(part: slice, model: nn.Module = model) -> Terms:
            return model(images[part])[0][0].square().mean(), {}

        backward_in_parts(fabric, model, ITEMS, parts, loss_of)
        results.append((gradients(judge), {name: u.clone() for name, u in judge.named_buffers()}))
        model(images)  # in the next step they move on
        assert any(not u.equal(results[-1][1][name]) for name, u in judge.named_buffers())
    (expected, iterated), (found, its_own) = results
    assert_near(found, expected)
    assert all(its_own[name].equal(iterated[name]) for name in iterated)


@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_a_tokenizer_s_gradient_and_codebook_are_those_of_the_whole_batch(codebook: str) -> None:
    config = DualPathConfig(
        channels=8, residual_channels=4, residual_blocks=1, codebook_size=8, code_dim=4, codebook=codebook
    )  # type: ignore[arg-type]
    images = torch.rand(2 * ITEMS, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    first, second = (
        Batch(few, LayoutBatch(torch.zeros(ITEMS, 16, 16, dtype=torch.uint8))) for few in images.split(ITEMS)
    )
    results = []
    for parts in (1, 3):
        torch.manual_seed(0)
        tokenizer = VQVAE(config, 3, (16, 16)).train()
        fabric, model = fabric_and(tokenizer)
        VQObjective(commitment=0.25)(model, first)  # lends the first entries
        set_parts(tokenizer, parts)

        def loss_of(part: slice, model: nn.Module = model) -> Terms:
            found = VQObjective(commitment=0.25, balance=0.5)(model, second[part])
            return found.fidelity + found.others, found.terms

        torch.manual_seed(1)  # of revived entries
        terms = backward_in_parts(fabric, model, ITEMS, parts, loss_of)
        results.append(
            (gradients(tokenizer), terms, {k: v.clone() for k, v in tokenizer.quantizer.state_dict().items()})
        )
    (expected, terms, book), (found, its_terms, its_book) = results
    assert_near(found, expected)
    assert_near(its_terms, terms)
    assert_near({k: v.float() for k, v in its_book.items()}, {k: v.float() for k, v in book.items()})


def test_a_codebook_in_parts_moves_after_the_last_part_alone() -> None:
    torch.manual_seed(0)
    tokenizer = VQVAE(
        DualPathConfig(channels=8, residual_channels=4, codebook_size=8, code_dim=4), 3, (16, 16)
    ).train()
    image = torch.rand(2, 3, 16, 16)
    tokenizer(image)
    set_parts(tokenizer, 2)
    before = tokenizer.quantizer.codebook.clone()
    tokenizer(image)
    assert tokenizer.quantizer.codebook.equal(before)
    tokenizer(image)
    assert not tokenizer.quantizer.codebook.equal(before)


class Settled(SpadeGenerator):
    """A network with statistics over the batch that keeps something of the pairs; it notes how many it sees at once."""

    def __init__(self) -> None:
        sizes = {"channels": 8, "widest": 1, "doublings": 2, "hidden": 8, "layout_channels": 4}
        super().__init__(SpadeConfig.model_validate({**sizes, "code": 0}), SYMBOLS, 1, (SIDE, SIDE))
        self.seen: list[int] = []

    def settle(self, batches: Iterable[Batch]) -> None:
        self.seen += [len(batch) for batch in batches]


class Noting(LikenessObjective):
    """An objective that notes how many items of a network go through it at once."""

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        getattr(network, "module", network).seen.append(len(batch))
        return super().__call__(network, batch)


def test_no_pass_of_an_adversarial_training_holds_more_than_a_part_of_a_batch(tmp_path: Path) -> None:
    """Neither one with a way back, nor those for a further step of the discriminator and for what is kept."""
    torch.manual_seed(0)
    network, regime = (
        Settled(),
        Adversarial(
            Learning(steps=1, batch_size=4),
            Noting(None, absolute=1.0),
            Against(discriminator=lambda: PatchDiscriminator(1, 8, 1), loss=HINGE, rate=1e-3, updates=2),
        ),
    )
    bench = replace(benches(tmp_path)("run", lambda event: None), accumulate=2)
    regime.begin(network, bench.training, "generator")
    regime.train(Stage(name="generator", module=network, regime=regime), bench)
    assert network.seen == [2] * (2 + 2 + 2 * 64 + 2 * 3)  # of 12 pairs
