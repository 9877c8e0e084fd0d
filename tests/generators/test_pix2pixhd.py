"""pix2pixHD's generator: a global part that makes images by itself at half size, and an enhancer above its last map."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from labelmint.errors import InputError
from labelmint.generators.pix2pixhd import Pix2PixHDConfig, Pix2PixHDGenerator
from labelmint.protocols import LayoutToImage
from labelmint.systems.pix2pixhd import Pix2PixHDSection, Pix2PixHDSections, pix2pixhd
from labelmint.systems.system import Facts
from labelmint.types import LayoutBatch

SMALL = Pix2PixHDConfig(channels=8, downsamplings=1, blocks=1, enhancer_blocks=1, layout_channels=4)


def generator(**changes: object) -> Pix2PixHDGenerator:
    torch.manual_seed(0)
    return Pix2PixHDGenerator(SMALL.model_copy(update=changes), 5, 1, (16, 24)).eval()


def layouts(height: int, width: int) -> LayoutBatch:
    torch.manual_seed(1)
    return LayoutBatch(torch.randint(5, (2, height, width), dtype=torch.uint8))


@torch.no_grad()
def test_smaller_layouts_have_the_image_of_the_global_part_alone() -> None:
    network = generator()
    assert isinstance(network, LayoutToImage)
    whole, small = network(layouts(16, 24), None, {}), network(layouts(8, 12), None, {})
    assert (whole.shape, small.shape) == ((2, 1, 16, 24), (2, 1, 8, 12))
    assert network.enhancer is not None
    for weights in network.enhancer.parameters():
        nn.init.normal_(weights)
    assert network(layouts(8, 12), None, {}).equal(small)
    assert not network(layouts(16, 24), None, {}).allclose(whole, atol=1e-3)


@torch.no_grad()
def test_the_enhancer_adds_the_last_map_of_the_global_part() -> None:
    network, given = generator(output="linear"), layouts(16, 24)
    seen = functional.avg_pool2d(network.coarse.embed(given), 3, 2, 1, count_include_pad=False)
    coarse, enhancer = network.coarse.layers(seen), network.enhancer
    assert enhancer is not None
    assert coarse.shape == (2, SMALL.channels, 8, 12)
    wanted = enhancer.after(enhancer.before(enhancer.embed(given)) + coarse)
    assert network(given, None, {}).allclose(wanted.clamp(-1, 1), atol=1e-5)


@torch.no_grad()
def test_it_sees_edges_and_none_where_they_are_left_out() -> None:
    """Where two symbols have the same embedding, the edge between them is all that is left of it."""
    given = LayoutBatch(torch.zeros(2, 16, 24, dtype=torch.uint8))
    given.ids[1, 4:12, 4:12] = 1
    for edges in (True, False):
        network = generator(edges=edges)
        for part in (network.coarse, network.enhancer):
            assert part is not None
            part.embed.embed.weight[1] = part.embed.embed.weight[0]
        image = network(given, None, {})
        assert image[0].equal(image[1]) != edges


def test_parameters_are_those_of_the_published_program() -> None:
    """At an eighth of the width. That program has 35 one-hot classes and edges, and biases before its norms too."""
    assert (Pix2PixHDConfig().channels, Pix2PixHDConfig().downsamplings) == (64, 4)
    config = Pix2PixHDConfig(channels=8, layout_channels=35)
    network = Pix2PixHDGenerator(config, 35, 3, (1024, 2048))

    def kernels(part: nn.Module | None) -> list[tuple[int, int, int]]:
        """Channels in and out at full width, and the side, of each convolution."""
        assert part is not None
        found = [m for m in part.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        widths = [[n if n in (3, 36) else 8 * n for n in (m.in_channels, m.out_channels)] for m in found]
        return [(before, after, m.kernel_size[0]) for (before, after), m in zip(widths, found, strict=True)]

    whole = [*kernels(network.coarse), *kernels(network.coarse_image)]
    assert sum((before * side**2 + 1) * after for before, after, side in whole) == 182_546_755
    enhancer = [(36, 32, 7), (32, 64, 3), *[(64, 64, 3)] * 6, (64, 32, 3), (32, 3, 7)]
    assert kernels(network.enhancer) == enhancer


def test_without_an_enhancer_the_global_part_makes_images_at_full_size_in_one_phase() -> None:
    network = generator(enhancer_blocks=0)
    assert network(layouts(16, 24), None, {}).shape == (2, 1, 16, 24)
    whole, alone = Pix2PixHDSection(), Pix2PixHDSection(enhancer_blocks=0)
    assert (len(whole.phases), whole.multiple) == (3, 32)
    assert (len(alone.phases), alone.multiple) == (0, 16)
    assert Pix2PixHDSections(generator=whole).in_phases
    assert not Pix2PixHDSections(generator=alone).in_phases


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"downsamplings": 5}, "generator.downsamplings=5: needs images of 128 pixels"),
        ({"downsamplings": 2, "discriminator_scales": 4}, "generator.discriminator_layers=3"),
    ],
)
def test_images_that_are_too_small_are_refused(changes: dict[str, int], said: str) -> None:
    section = Pix2PixHDSection.model_validate({"channels": 8, **changes})
    with pytest.raises(InputError, match=said):
        pix2pixhd(Pix2PixHDSections(generator=section), Facts(1, (64, 64), 5))
