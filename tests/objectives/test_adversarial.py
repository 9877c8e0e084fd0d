"""The losses of adversaries: closed forms, torch's own functions, and what they are for."""

import math
from typing import get_args

import pytest
import torch
from torch.nn import functional

from labelmint.objectives.adversarial import (
    GAN_LOSSES,
    HINGE,
    LEAST_SQUARES,
    VANILLA,
    WITH_CLASSES,
    GanLossName,
    discriminator_loss,
    feature_matching,
    generator_loss,
)


def test_every_name_has_its_loss() -> None:
    assert tuple(GAN_LOSSES) == get_args(GanLossName)
    assert all(loss.name == name for name, loss in GAN_LOSSES.items())
    assert (HINGE.discriminator, HINGE.generator) == (discriminator_loss, generator_loss)


@pytest.mark.parametrize(
    ("name", "of_discriminator", "of_generator"),
    [
        ("hinge", 1.0, 0.0),
        ("vanilla", math.log(2), math.log(2)),
        ("least_squares", 0.5, 1.0),
        ("wasserstein", 0.0, 0.0),
    ],
)
def test_where_the_verdicts_are_zero(name: GanLossName, of_discriminator: float, of_generator: float) -> None:
    loss, undecided = GAN_LOSSES[name], torch.zeros(2, 1, 3, 3)
    assert float(loss.discriminator(undecided, undecided)) == pytest.approx(of_discriminator)
    assert float(loss.generator(undecided)) == pytest.approx(of_generator)


def test_they_are_torchs_own() -> None:
    torch.manual_seed(0)
    real, found = 3 * torch.randn(2, 1, 6, 6), 3 * torch.randn(3, 1, 6, 6)
    for loss, distance in (
        (VANILLA, functional.binary_cross_entropy_with_logits),
        (LEAST_SQUARES, functional.mse_loss),
    ):
        wanted = (distance(real, torch.ones_like(real)) + distance(found, torch.zeros_like(found))) / 2
        assert float(loss.discriminator(real, found)) == pytest.approx(float(wanted), rel=1e-5)
        wanted = distance(found, torch.ones_like(found))
        assert float(loss.generator(found)) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("name", list(GAN_LOSSES))
def test_each_pulls_verdicts_its_way(name: GanLossName) -> None:
    loss, verdicts = GAN_LOSSES[name], torch.zeros(3, requires_grad=True)
    (of_real,) = torch.autograd.grad(loss.discriminator(verdicts, torch.zeros(3)), verdicts)
    (of_found,) = torch.autograd.grad(loss.discriminator(torch.zeros(3), verdicts + 0.5), verdicts)
    (of_maker,) = torch.autograd.grad(loss.generator(verdicts), verdicts)
    assert (of_real < 0).all()
    assert (of_found > 0).all()
    assert (of_maker < 0).all()


def test_a_sure_discriminator_neither_overflows_nor_silences_the_vanilla_generator() -> None:
    sure = torch.full((2,), -200.0, dtype=torch.bfloat16, requires_grad=True)
    loss = VANILLA.generator(sure)
    assert float(loss.detach()) == pytest.approx(200)
    torch.autograd.backward(loss)
    assert sure.grad is not None
    assert sure.grad.float().tolist() == [-0.5, -0.5]
    assert float(VANILLA.discriminator(-sure.detach(), sure.detach())) == 0


def test_matching_counts_sizes_alike_and_maps_of_a_size_alike_but_for_verdicts() -> None:
    ones, zeros = torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    real = [[ones, 4 * ones, 9 * ones], [6 * ones, 9 * ones]]
    found = [[zeros.clone().requires_grad_(), zeros, zeros], [zeros, zeros]]
    loss = feature_matching(real, found)
    assert float(loss.detach()) == pytest.approx(((1 + 4) / 2 + 6) / 2)
    torch.autograd.backward(loss)
    assert found[0][0].grad is not None
    assert feature_matching(real, real) == 0


def test_with_classes_real_objects_teach_the_discriminator_and_found_ones_the_generator() -> None:
    real, found = (torch.tensor(rows) for rows in ([[1.0, -0.5], [3.0, -0.1]], [[-2.0, -4.0], [0.5, -6.0]]))
    verdicts = float(VANILLA.discriminator(real[:, :1], found[:, :1]))
    assert float(WITH_CLASSES.discriminator(real, found)) == pytest.approx(verdicts + 0.3 / 2)
    assert float(WITH_CLASSES.generator(found)) == pytest.approx(float(VANILLA.generator(found[:, :1])) + 5)
    assert WITH_CLASSES.generator(found[:, :1]).equal(VANILLA.generator(found[:, :1]))
