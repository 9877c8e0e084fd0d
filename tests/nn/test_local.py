"""Local encoders and decoders: how far they see, which is as far as they say and no farther."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from labelmint.nn.local import CellEncoder, LocalDecoder, LocalEncoder


def positive(network: nn.Module) -> nn.Module:
    """With weights through which nothing is lost by cancelling out or by a rectifier."""
    with torch.no_grad():
        for weights in network.parameters():
            weights.abs_().add_(0.01)
    return network


def reach(network: nn.Module, x: Tensor, row: int, column: int) -> tuple[slice, slice]:
    """Rows and columns of the input, from the first to the last, that have a say in one position of the
    output.
    """
    positive(network)
    x = x.requires_grad_()
    network(x)[:, :, row, column].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().sum(dim=(0, 1)) > 0
    rows, columns = (torch.nonzero(seen.any(dim=axis)).flatten().tolist() for axis in (1, 0))
    assert bool(seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all())
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def test_a_cell_is_written_by_itself() -> None:
    assert reach(CellEncoder(3, 5, 4), torch.rand(1, 3, 24, 16), 2, 1) == (slice(8, 12), slice(4, 8))


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize(("widths", "patch"), [((4, 6), 2), ((4, 6), 1), ((4,), 2), ((4, 6, 8), 1)])
def test_an_encoder_sees_a_cell_more_than_it_has_blocks(
    widths: tuple[int, ...], patch: int, blocks: int
) -> None:
    cell = patch << (len(widths) - 1)
    x = torch.rand(1, 2, 9 * cell, 9 * cell)
    network = LocalEncoder(2, 3, widths, blocks, patch)
    assert network(x).shape == (1, 3, 9, 9)
    for of in reach(network, x, 4, 4):
        assert (4 - blocks - 1) * cell <= of.start <= (4 - blocks) * cell
        assert (5 + blocks) * cell <= of.stop <= (6 + blocks) * cell


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize(("widths", "patch"), [((4, 6), 2), ((4, 6), 1), ((4,), 2), ((4, 6, 8), 1)])
def test_a_decoder_reaches_as_far_as_it_says(widths: tuple[int, ...], patch: int, blocks: int) -> None:
    cell = patch << (len(widths) - 1)
    network, x = positive(LocalDecoder(2, 3, widths, blocks, patch)), torch.rand(1, 2, 17, 17)
    other = x.clone()
    other[:, :, 8, 8] += 1
    with torch.no_grad():
        moved = (network(x) != network(other)).any(dim=1)[0]
    assert moved.shape == (17 * cell, 17 * cell)
    # pixels, two positions of each level
    finer = sum(2 * (patch << level) for level in range(len(widths) - 1))
    farthest = (blocks + 1) * cell + finer + patch * (patch > 1) + 1
    for axis in (0, 1):
        reached = torch.nonzero(moved.any(dim=axis)).flatten()
        assert 8 * cell - farthest <= int(reached[0]) <= (8 - blocks - 1) * cell
        assert (9 + blocks + 1) * cell <= int(reached[-1]) + 1 <= 9 * cell + farthest


def test_a_decoder_takes_any_size() -> None:
    assert LocalDecoder(2, 3, (4, 6), 1, 2)(torch.rand(2, 2, 3, 5)).shape == (2, 3, 12, 20)
