"""The latent loss of BicycleGAN moves the generator alone."""

import torch
from torch import Tensor

from labelmint.generators.bicycle import BicycleConfig, BicycleGenerator
from labelmint.objectives.cycles import CyclesObjective
from labelmint.types import Batch, LayoutBatch

SIZES = BicycleConfig(channels=8, downsamplings=2, code=2, encoder_channels=8, layout_channels=4)


def gradients(**weights: float) -> dict[str, Tensor | None]:
    """Of the objective, by the names of the weights."""
    torch.manual_seed(0)
    network = BicycleGenerator(SIZES, 3, 1, (16, 16))
    batch = Batch(torch.rand(2, 1, 16, 16) * 2 - 1, LayoutBatch(torch.randint(3, (2, 16, 16))))
    objective = CyclesObjective(network.noise, **{"absolute": 0.0, "kl": 0.0, "latent": 0.0, **weights})
    found = objective(network, batch)
    (found.fidelity + found.others).backward()
    return {name: p.grad for name, p in network.named_parameters()}


def test_the_latent_loss_leaves_the_encoder_s_gradient_untouched() -> None:
    alone, without, with_it = (
        gradients(latent=1.0),
        gradients(absolute=1.0),
        gradients(absolute=1.0, latent=9.0),
    )
    for name, gradient in with_it.items():
        before, of_it = without[name], alone[name]
        assert gradient is not None
        assert before is not None
        if name.startswith("encoder."):
            assert of_it is None or not of_it.any(), name
            assert gradient.equal(before), name
        else:
            assert of_it is not None
            assert of_it.any(), name
            assert gradient.allclose(before + 9 * of_it, rtol=1e-3, atol=1e-7), name


def test_its_parts_are_those_of_the_equation_and_both_images_come_back() -> None:
    torch.manual_seed(0)
    network = BicycleGenerator(SIZES, 3, 1, (16, 16)).eval()
    batch = Batch(torch.rand(2, 1, 16, 16) * 2 - 1, LayoutBatch(torch.randint(3, (2, 16, 16))))
    objective = CyclesObjective(network.noise, absolute=10.0, kl=0.01, latent=0.5)
    found, terms = (loss := objective(network, batch)), loss.terms
    assert found.image is not None
    assert found.image.shape == (2, 2, 16, 16)
    assert found.fidelity.isclose(10 * terms["error"])
    assert found.others.isclose(0.01 * terms["kl"] + 0.5 * terms["latent"])
    assert terms["error"].isclose((found.image[:, :1] - batch.image).abs().mean())
