"""Blocks: causality, and the incremental form equal to the whole one."""

import pytest
import torch
from torch import Tensor, nn

from labelmint.nn.attention import CausalAttention, Place, SelfAttention
from labelmint.nn.causal import CausalConv2d
from labelmint.nn.residual import GatedResidual, ResidualStack

GRID = (5, 4)


@pytest.mark.parametrize("kernel", [(1, 1), (1, 3), (2, 3), (3, 5), (5, 5)])
def test_causal_convolution_sees_nothing_ahead_and_steps_equal_the_whole(kernel: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv, x = CausalConv2d(3, 6, kernel), torch.randn(2, 3, *GRID)
    nn.init.normal_(conv.bias)
    whole = conv(x).flatten(2)
    for position in range(GRID[0] * GRID[1]):
        changed = x.flatten(2).clone()
        changed[:, :, position] += 1
        moved = (conv(changed.view_as(x)).flatten(2) - whole).abs().amax(dim=(0, 1))
        assert moved[:position].sum() == 0
        assert moved[position] > 0
    many = torch.randn(40, 3, *GRID)  # enough for the rows above to be a convolution, not a product
    with torch.no_grad():
        assert _stepped(conv, x).allclose(whole, atol=1e-5)
        assert _stepped(conv, many).allclose(conv(many).flatten(2), atol=1e-5)


def _stepped(conv: CausalConv2d, x: Tensor) -> Tensor:
    if conv.rows == conv.columns == 1:
        return torch.stack([conv.mixing(len(x))(column) for column in x.flatten(2).unbind(2)], dim=2)
    state, found = conv.start(len(x), GRID[1]), []
    for r in range(GRID[0]):
        conv.next_row(state)
        found += [state.step(x[:, :, r, c], c) for c in range(GRID[1])]
    return torch.stack(found, dim=2)


def test_gated_residual_steps_equal_the_whole_with_condition_and_auxiliary() -> None:
    torch.manual_seed(0)
    block = GatedResidual(4, 6, (3, 3), dropout=0.5, condition=2).eval()
    point = GatedResidual(4, 6, (1, 1), dropout=0.5, auxiliary=3).eval()
    x, auxiliary, condition = (torch.randn(2, c, *GRID) for c in (4, 3, 2))
    whole, mixed = block(x, condition=condition), point(x, auxiliary)
    state, mixing = block.start(2, GRID[1]), point.mixing(2)
    with torch.no_grad():
        for again in range(2):  # the second time in the memory of the first
            state.reset()
            for r in range(GRID[0]):
                block.next_row(state, condition[:, :, r].permute(2, 0, 1).flatten(0, 1))
                for c in range(GRID[1]):
                    assert state.step(x[:, :, r, c], c).allclose(whole[:, :, r, c], atol=1e-5), again
                    activated = nn.functional.elu(torch.cat([x[:, :, r, c], auxiliary[:, :, r, c]], dim=1))
                    assert mixing(x[:, :, r, c], activated).allclose(mixed[:, :, r, c], atol=1e-5)


@torch.no_grad()
def test_causal_attention_is_the_textbook_formula_and_steps_equal_it() -> None:
    torch.manual_seed(0)
    attention = CausalAttention(5, 3, channels=8, heads=2)
    query, key = torch.randn(2, 5, *GRID), torch.randn(2, 3, *GRID)
    whole = attention(query, key).flatten(2)
    q = attention.query(query.flatten(2).transpose(1, 2)).unflatten(2, (2, 4)).transpose(1, 2)
    k, v = (
        t.unflatten(2, (2, 4)).transpose(1, 2)
        for t in attention.key_value(key.flatten(2).transpose(1, 2)).chunk(2, -1)
    )
    scores = (q @ k.transpose(2, 3) / 2).masked_fill(torch.ones(20, 20).triu(1).bool(), -torch.inf)
    assert (scores.softmax(-1) @ v).transpose(1, 2).flatten(2).transpose(1, 2).allclose(whole, atol=1e-5)
    state, fixed = attention.start(2, 20), attention.start(2, 20)
    place = Place.before_all(20, fixed.keys)
    for again in range(2):  # the second time over the keys and values of the first
        place.reset()
        for i in range(20):
            place.advance()
            seen = query[:, :, i // GRID[1], i % GRID[1]], key[:, :, i // GRID[1], i % GRID[1]]
            assert state.step(*seen, i).allclose(whole[:, :, i], atol=1e-5), again
            assert fixed.step(*seen, place).allclose(whole[:, :, i], atol=1e-5), again


def test_self_attention_starts_as_the_identity_and_sees_every_position() -> None:
    torch.manual_seed(0)
    attention, x = SelfAttention(16), torch.randn(1, 16, *GRID)
    assert attention(x).equal(x)
    nn.init.ones_(attention.gamma)
    changed = x.clone()
    changed[..., -1, -1] += 1
    assert (attention(changed) - attention(x)).abs().amax(dim=1).min() > 0


def test_residual_stack_adds_to_its_input() -> None:
    stack = ResidualStack(4, 2, 3)
    for parameter in stack.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(1, 4, 3, 3)
    assert stack(x).equal(x.relu())


@pytest.mark.parametrize("kernel", [(0, 3), (2, 4)])
def test_kernels_that_are_not_causal_are_refused(kernel: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="odd number of columns"):
        CausalConv2d(1, 1, kernel)
