"""Tokens that look alike begin alike."""

import pytest
import torch
from tests.tokenizers.test_patterns import SYMBOLS, blobs, counted
from torch import Tensor
from torch.nn import functional

from labelmint.priors.alike import begin_alike
from labelmint.priors.guided import NetworkPrior
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.priors.rowwise import RowPixelSNAIL
from labelmint.priors.transformer import TransformerConfig, TransformerPrior
from labelmint.tokenizers.patterns import Patterns

GRID = (6, 4)  # of cells of 4x4 in blobs


def prior(kind: str, entries: int) -> NetworkPrior:
    torch.manual_seed(0)
    if kind == "transformer":
        return TransformerPrior(TransformerConfig(width=32, layers=2, heads=2), entries, GRID)
    config = PixelSNAILConfig(
        channels=32, residual_channels=32, blocks=1, residual_blocks=2, attention_channels=8
    )
    return (RowPixelSNAIL if kind == "row" else PixelSNAIL)(config, entries, GRID)


def alike(patterns: Patterns) -> Tensor:
    """In how many pixels two entries agree, (K, K)."""
    return (patterns.table[:, None] == patterns.table).sum(dim=2).float()


@pytest.mark.parametrize("kind", ["pixelsnail", "row", "transformer"])
def test_entries_that_agree_in_more_pixels_have_nearer_vectors(kind: str) -> None:
    patterns, whole = counted(48, 4, blobs(8)), prior(kind, 48)
    one = whole.trunk if isinstance(whole, RowPixelSNAIL) else whole
    nothing_yet, deviation = one.embed.weight[48].clone(), float(one.embed.weight[:48].detach().std())
    begin_alike(whole, patterns, seed=0)
    for weights in (one.embed.weight[:48], one.out.weight.flatten(1)):
        both = torch.stack([-torch.cdist(weights, weights).flatten(), alike(patterns).flatten()])
        assert torch.corrcoef(both.detach())[0, 1] > 0.6
    assert one.embed.weight[48].equal(nothing_yet)
    assert float(one.embed.weight[:48].detach().std()) == pytest.approx(deviation, rel=0.2)


def test_the_same_seed_begins_the_same() -> None:
    patterns = counted(32, 4, blobs(4))
    one, same, other = (prior("pixelsnail", 32) for _ in range(3))
    for which, seed in ((one, 0), (same, 0), (other, 1)):
        begin_alike(which, patterns, seed)
    assert one.embed.weight.equal(same.embed.weight)
    assert not one.out.weight.equal(other.out.weight)


def test_what_begins_alike_is_learned_in_fewer_steps() -> None:
    patterns = counted(96, 4, blobs(64, seed=5))
    held_out = patterns.encode(blobs(16, seed=99))

    def nats(begin: bool) -> float:
        one = prior("pixelsnail", 96).train()
        if begin:
            begin_alike(one, patterns, seed=0)
        optimizer = torch.optim.Adam(one.parameters(), lr=2e-3)
        for step in range(30):
            tokens = patterns.encode(blobs(8, seed=200 + step))
            optimizer.zero_grad()
            functional.cross_entropy(one(tokens), tokens).backward()
            optimizer.step()
        with torch.no_grad():
            return float(functional.cross_entropy(one.eval()(held_out), held_out))

    assert nats(True) < nats(False) - 0.05


def test_entries_that_no_cell_can_take_are_not_drawn_at_first() -> None:
    few = torch.zeros(2, 24, 16, dtype=torch.uint8)
    few[:, :10] = 1
    patterns, one = counted(32, 4, few), prior("pixelsnail", 32)
    begin_alike(one, patterns, seed=0)
    unused = ~patterns.used
    assert int(unused.sum()) == 32 - SYMBOLS - 1
    with torch.no_grad():
        chances = one.eval()(patterns.encode(few)).softmax(dim=1)[:, unused].sum(dim=1)
    assert float(chances.max()) < 0.01
