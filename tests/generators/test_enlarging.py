"""Enlarging by tiles is enlarging at once."""

import pytest
import torch
from tests.generators.test_super_resolution import SMALL, image

from labelmint.generators.enlarging import Enlarger, enlarged_by_tiles
from labelmint.generators.super_resolution import RDN, SRCNN, RDNConfig, SRCNNConfig
from labelmint.protocols import Upscaler

NETS = {
    "rdn": RDN(RDNConfig(**SMALL), 1),
    "rdn x3": RDN(RDNConfig(**SMALL, factor=3), 1),
    "rdn x4": RDN(RDNConfig(**SMALL, factor=4), 1),
    "srcnn": SRCNN(SRCNNConfig(channels=4, middle=3, skip=False), 1),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(("size", "tile"), [((40, 23), 16), ((33, 17), 5), ((3, 80), 16), ((1, 1), 1)])
@torch.no_grad()
def test_tiles_meet_without_seams(name: str, size: tuple[int, int], tile: int) -> None:
    net, x = NETS[name], image(2, 1, *size)
    whole, tiled = net(x), enlarged_by_tiles(net, x, tile)
    assert float((whole - tiled).abs().max()) <= 1e-5


@torch.no_grad()
def test_no_more_is_computed_than_the_tile_of_a_large_image_takes() -> None:
    """A side that fits in what a tile is shown is not cut, for that would compute it several times."""
    net, shown = NETS["srcnn"], list[tuple[int, ...]]()
    hook = net.register_forward_pre_hook(lambda _, given: shown.append(tuple(given[0].shape[2:])))
    most = 16 + 2 * net.reach
    enlarged_by_tiles(net, image(1, 1, most, most), 16)
    assert shown == [(most, most)]
    enlarged_by_tiles(net, image(1, 1, most, most + 1), 16)
    hook.remove()
    assert len(shown) > 2
    assert max(height * width for height, width in shown) == most**2


def test_an_image_depends_on_itself_alone_and_modes_stay() -> None:
    net = NETS["rdn"].train()
    upscaler = Enlarger(net, 1, tile=8)
    assert isinstance(upscaler, Upscaler)
    x = image(5, 1, 12, 9) * 3
    made = upscaler.enlarge(x)
    assert made.shape == (5, 1, 24, 18) and float(made.abs().max()) <= 1 and not made.requires_grad
    assert all(module.training for module in net.modules())
    for row in (0, 4):
        torch.testing.assert_close(upscaler.enlarge(x[row : row + 1])[0], made[row], rtol=0, atol=1e-5)


def test_memory_grows_with_images_by_what_comes_of_them_alone() -> None:
    upscaler = Enlarger(NETS["rdn"], 1, tile=32)
    few, many, large = (
        upscaler.enlarging_bytes(n, size)
        for n, size in ((1000, (16, 16)), (2000, (16, 16)), (1000, (64, 64)))
    )
    assert many - few == 2 * 4 * 1000 * 32 * 32
    assert large > 1000 * 2 * 4 * 128 * 128
