"""Tokens that look alike begin alike."""

import pytest
import torch
from tests.tokenizers.test_patterns import SYMBOLS, blobs, counted
from torch import Tensor
from torch.nn import functional

from labelmint.priors.alike import begin_alike
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.priors.transformer import TransformerConfig, TransformerPrior
from labelmint.tokenizers.patterns import Patterns

GRID = (6, 4)  # of cells of 4x4 in blobs


def prior(kind: str, entries: int) -> PixelSNAIL | TransformerPrior:
    torch.manual_seed(0)
    if kind == "transformer":
        return TransformerPrior(TransformerConfig(width=32, layers=2, heads=2), entries, GRID)
    config = PixelSNAILConfig(channels=32, residual_channels=32, blocks=1, residual_blocks=2, attention_channels=8)
    return PixelSNAIL(config, entries, GRID)


def alike(patterns: Patterns) -> Tensor:
    """In how many pixels two entries agree, (K, K)."""
    return (patterns.table[:, None] == patterns.table).sum(dim=2).float()


@pytest.mark.parametrize("kind", ["pixelsnail", "transformer"])
def test_entries_that_agree_in_more_pixels_have_nearer_vectors(kind: str) -> None:
    patterns, one = counted(48, 4, blobs(8)), prior(kind, 48)
    nothing_yet, deviation = one.embed.weight[48].clone(), float(one.embed.weight[:48].detach().std())
    begin_alike(one, patterns.features(), seed=0)
    for weights in (one.embed.weight[:48], one.out.weight.flatten(1)):
        both = torch.stack([-torch.cdist(weights, weights).flatten(), alike(patterns).flatten()])
        assert torch.corrcoef(both.detach())[0, 1] > 0.6
    assert one.embed.weight[48].equal(nothing_yet)
    assert float(one.embed.weight[:48].detach().std()) == pytest.approx(deviation, rel=0.2)


def test_the_same_seed_begins_the_same() -> None:
    features = counted(32, 4, blobs(4)).features()
    one, same, other = (prior("pixelsnail", 32) for _ in range(3))
    for which, seed in ((one, 0), (same, 0), (other, 1)):
        begin_alike(which, features, seed)
    assert one.embed.weight.equal(same.embed.weight)
    assert not one.out.weight.equal(other.out.weight)


def test_what_begins_alike_is_learned_in_fewer_steps() -> None:
    patterns = counted(96, 4, blobs(64, seed=5))
    held_out = patterns.encode(blobs(16, seed=99))

    def nats(begin: bool) -> float:
        one = prior("pixelsnail", 96).train()
        if begin:
            begin_alike(one, patterns.features(), seed=0)
        optimizer = torch.optim.Adam(one.parameters(), lr=2e-3)
        for step in range(30):
            tokens = patterns.encode(blobs(8, seed=200 + step))
            optimizer.zero_grad()
            functional.cross_entropy(one(tokens), tokens).backward()
            optimizer.step()
        with torch.no_grad():
            return float(functional.cross_entropy(one.eval()(held_out), held_out))

    assert nats(True) < nats(False) - 0.05


def test_features_tell_every_pixel() -> None:
    patterns = counted(16, 2, blobs(4))
    features = patterns.features()
    assert features.shape == (16, 5 * SYMBOLS)
    assert features[:, : 4 * SYMBOLS].view(16, 4, SYMBOLS).argmax(dim=2).equal(patterns.table.long())
    assert torch.allclose(features[:, 4 * SYMBOLS :].sum(dim=1), torch.tensor(2.0))
