"""Memory of drawing, told before any is taken."""

import torch
from torch import Tensor

from labelmint.priors.memory import _tensors, state_bytes
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig


def test_it_is_that_of_the_state_that_is_made_and_grows_with_the_batch() -> None:
    prior = PixelSNAIL(
        PixelSNAILConfig(channels=16, residual_channels=16, attention_channels=8),
        9,
        (8, 4),
        stack=2,
        symbols=3,
    )
    for half in (False, True):
        if half:
            prior.to_bfloat16()
        for batch in (1, 5, 40):
            condition = torch.zeros(
                batch, prior.config.condition_channels, 8, 4, dtype=prior.embed.weight.dtype
            )
            assert state_bytes(prior, batch) == held(prior.start(batch, condition))
    assert state_bytes(prior, 80) > state_bytes(prior, 40)


def held(state: object) -> int:
    """Bytes of a state's tensors, each memory once."""
    return sum(map(_bytes, {_address(tensor): tensor for tensor in _tensors(state)}.values()))


def _address(tensor: Tensor) -> int:
    return id(tensor) if tensor.is_mkldnn else tensor.untyped_storage().data_ptr()


def _bytes(tensor: Tensor) -> int:
    """A packed weight does not tell its memory; it holds what the weight did."""
    return tensor.numel() * tensor.element_size() if tensor.is_mkldnn else tensor.untyped_storage().nbytes()
