"""The U-Net on EfficientNet-lite0: any size, an encoder that stays as it was, a decoder that learns."""

import pytest
import torch

from labelmint.errors import InputError
from labelmint.nn.efficientnet import EfficientNetLite0
from labelmint.segmenters.lite_unet import LiteUNet
from labelmint.segmenters.training import segmentation_loss


@pytest.fixture(scope="module")
def network() -> LiteUNet:
    torch.manual_seed(0)
    return LiteUNet(3, 4, EfficientNetLite0()).to_fast_layout()


def test_any_size_goes_through_and_items_do_not_mix(network: LiteUNet) -> None:
    x = torch.rand(2, 3, 33, 47) * 2 - 1
    network.eval()
    assert network(x).shape == (2, 4, 33, 47)
    assert network.features(x).shape == (2, 320)
    torch.testing.assert_close(network(x)[1:], network(x[1:]), atol=1e-4, rtol=1e-4)


def test_the_decoder_learns_alone(network: LiteUNet) -> None:
    network.train()
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    labels = torch.randint(4, (2, 32, 32))
    segmentation_loss(network(torch.rand(2, 3, 32, 32) * 2 - 1), labels).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.decoder.parameters())
    assert all(p.grad is None for p in network.encoder.parameters())
    assert all(torch.equal(value, network.encoder.state_dict()[name]) for name, value in before.items())


def test_other_channels_are_refused() -> None:
    with pytest.raises(InputError, match="1 or 3 channels, got 2"):
        LiteUNet(2, 4, EfficientNetLite0())
