"""The SPADE generator: where its sizes double."""

import pytest
import torch
from tests.tokenizers.pairs import SYMBOLS
from torch import Tensor, nn

from labelmint.generators.spade import SpadeConfig, SpadeGenerator
from labelmint.types import LayoutBatch


@pytest.mark.parametrize(
    ("one_a_size", "sizes", "widths"),
    [
        (False, [(2, 4), (4, 8), (4, 8), (8, 16), (16, 32)], [32, 32, 32, 16, 8]),
        (True, [(2, 4), (4, 8), (8, 16), (16, 32)], [32, 32, 16, 8]),
    ],
)
def test_sizes_double_before_every_block_but_the_first_and_where_there_are_two_at_one(
    one_a_size: bool, sizes: list[tuple[int, int]], widths: list[int]
) -> None:
    config = SpadeConfig(
        channels=8,
        widest=4,
        doublings=3,
        hidden=8,
        layout_channels=4,
        norm="instance",
        code=0,
        one_a_size=one_a_size,
    )
    network, seen = SpadeGenerator(config, SYMBOLS, 1, (16, 32)), list[torch.Size]()

    def note(block: nn.Module, given: object, made: Tensor) -> None:
        seen.append(made.shape)

    for block in network.blocks:
        block.register_forward_hook(note)
    made = network(LayoutBatch(torch.zeros(2, 16, 32, dtype=torch.uint8)), None, {})
    assert isinstance(made, Tensor)
    assert made.shape == (2, 1, 16, 32)
    assert [tuple(shape[2:]) for shape in seen] == sizes
    assert [shape[1] for shape in seen] == widths == list(config.widths)


@pytest.mark.parametrize("doublings", [5, 6])
def test_published_widths(doublings: int) -> None:
    config = SpadeConfig(doublings=doublings, one_a_size=doublings == 6)
    assert [width // 64 for width in config.widths] == [16, 16, 16, 8, 4, 2, 1]
