"""The cascaded refinement network: its sizes, its noise, and how one begins from another."""

import pytest
import torch

from labelmint.contracts import check_generator
from labelmint.generators.crn import CRNConfig, CRNGenerator, NoiseConfig
from labelmint.generators.network import OneNetwork
from labelmint.types import LayoutBatch

SIZE, SYMBOLS = (8, 16), 3
NOISE = NoiseConfig(noise_channels=2, noise_hidden=4)


def layouts() -> LayoutBatch:
    torch.manual_seed(1)
    return LayoutBatch(torch.randint(SYMBOLS, (3, *SIZE)))


def network(outputs: int = 1, noise: NoiseConfig | None = None) -> CRNGenerator:
    torch.manual_seed(0)
    config = CRNConfig(channels=8, doublings=2, outputs=outputs)
    return CRNGenerator(config, SYMBOLS, 1, SIZE, 5, noise)


@pytest.mark.parametrize(
    ("made", "random"), [(network(), False), (network(noise=NOISE), True), (network(outputs=9), True)]
)
def test_a_row_depends_on_its_layout_and_where_there_is_noise_on_its_seed(
    made: CRNGenerator, random: bool
) -> None:
    images = OneNetwork(made, layouts())
    assert images.random == random
    check_generator(images, layouts(), 1)


def test_its_modules_are_those_published() -> None:
    with torch.device("meta"):
        made = CRNGenerator(CRNConfig(), 20, 3, (256, 512), 5, NoiseConfig())
    assert CRNConfig().widths == (1024,) * 5 + (512,) * 2
    inputs = [stage[0].in_channels for stage in made.stages]  # type: ignore[index]
    assert inputs == [20 + 10, *(1024 + 30,) * 5, 512 + 30]
    assert made.noise is not None
    assert made.noise.shape == (10, 256, 512)


def test_with_noise_it_begins_as_the_first_output_of_one_without() -> None:
    before, after = network(outputs=3), network(noise=NOISE)
    before.balance.fill_(0.3)
    after.begin_from(before)
    noise = torch.randn(3, 2, *SIZE)
    with torch.no_grad():
        outputs, image = before(layouts(), None, {}), after(layouts(), noise, {})
    assert outputs.shape == (3, 3, *SIZE)
    torch.testing.assert_close(image, outputs[:, :1])
    assert after.balance.equal(before.balance)


def test_a_number_picks_one_of_several_outputs() -> None:
    made = network(outputs=4)
    with torch.no_grad():
        each = made(layouts(), None, {})
        picked = made(layouts(), torch.tensor([[0.0], [0.3], [0.999]]), {})
    assert torch.stack([each[0, 0], each[1, 1], each[2, 3]]).equal(picked[:, 0])
