"""Losses equal their formulas."""

import math

import pytest
import torch
from torch import Tensor, nn

from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.objectives.vq_model import VQObjective
from labelmint.tokenizers.quantizer import Quantized
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.types import Batch, LayoutBatch


def objective(variance: float, balance: float = 0.0) -> VQObjective:
    """Of images alone, with the variance of other pixels."""
    made = VQObjective(commitment=0.25, balance=balance)
    made.variance = variance
    return made


class _Tokenizer(nn.Module):
    def forward(self, image: Tensor, layouts: LayoutBatch) -> Reconstruction:
        nothing = torch.zeros(1)
        books = [
            Quantized(nothing, nothing, torch.tensor(c), torch.tensor(b)) for c, b in ((0.2, 1.0), (0.4, 2.0))
        ]
        return Reconstruction(image + 0.5, books)


def test_the_three_part_loss_is_equation_one() -> None:
    batch = Batch(torch.zeros(2, 1, 4, 4), LayoutBatch(torch.zeros(2, 4, 4, dtype=torch.uint8)))
    found = objective(variance=0.5)(_Tokenizer(), batch)
    assert float(found.fidelity) == pytest.approx(0.25 / 0.5)
    assert float(found.others) == pytest.approx(3.0 + 0.25 * 0.6)
    assert {name: pytest.approx(float(term)) for name, term in found.terms.items()} == {
        "error": 0.25 / 0.5,
        "codebook": 3.0 + 0.25 * 0.6,
    }


class _Mean(nn.Module):
    """A tokenizer that answers each image's mean: its error is the image's variance."""

    def forward(self, image: Tensor, layouts: LayoutBatch) -> Reconstruction:
        nothing = torch.zeros(())
        mean = image.mean(dim=(1, 2, 3), keepdim=True).expand_as(image)
        return Reconstruction(mean, [Quantized(nothing, nothing, nothing, nothing)])


def test_balance_counts_images_relative_to_their_contrast() -> None:
    torch.manual_seed(0)
    image = torch.rand(2, 1, 16, 16)
    image[1] *= 0.2  # a twenty-fifth of the variance
    layouts = LayoutBatch(torch.zeros(2, 16, 16, dtype=torch.uint8))

    def loss(picture: Tensor, balance: float) -> float:
        batch = Batch(picture, LayoutBatch(layouts.ids[: len(picture)]))
        found = objective(variance=0.04, balance=balance)(_Mean(), batch)
        return float(found.fidelity + found.others)

    assert loss(image[1:], 0.0) < loss(image[:1], 0.0) / 20
    assert loss(image[:1], 1.0) == pytest.approx(1.0)
    assert loss(image[1:], 1.0) == pytest.approx(1.0)
    assert loss(image, 0.5) == pytest.approx((loss(image[:1], 0.5) + loss(image[1:], 0.5)) / 2)
    assert loss(torch.full((1, 1, 8, 8), 0.3), 1.0) < 1e-6  # an image that shows nothing does not blow up


class _Prior(nn.Module):
    codebook_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.read: list[Tensor] = []

    def forward(self, tokens: Tensor, layouts: LayoutBatch | None) -> Tensor:
        self.read.append(tokens)
        return torch.zeros(len(tokens), 4, *tokens.shape[1:])


def test_the_likelihood_of_a_uniform_prior_is_log_k_and_noise_changes_only_what_is_read() -> None:
    torch.manual_seed(0)
    prior, tokens = _Prior(), torch.randint(4, (8, 16, 16))
    assert float(negative_log_likelihood(prior, tokens, None)) == pytest.approx(math.log(4))
    assert prior.read[0] is tokens
    negative_log_likelihood(prior, tokens, None, noise=0.4)
    changed = float((prior.read[1] != tokens).float().mean())
    assert changed == pytest.approx(0.4 * 3 / 4, abs=0.03)
