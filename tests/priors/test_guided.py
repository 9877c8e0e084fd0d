"""Guidance: a prior like any other, of whichever kind, which is the one it is made of at 1 and forgets the
condition at 0.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any, cast

import pytest
import torch
from tests.priors import test_transformer
from tests.priors.test_memory import held
from tests.priors.test_pixelsnail import LAYOUTS, SMALL, spread

from labelmint.contracts import check_grouped_prior, check_prior
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.conditioning import LayoutCondition
from labelmint.priors.graphed import FixedPrior, RowSampler
from labelmint.priors.grouped import PlacePixelSNAIL
from labelmint.priors.guided import GuidedPrior, NetworkPrior, guided, learned_without
from labelmint.priors.memory import state_bytes
from labelmint.priors.pixelsnail import PixelSNAIL
from labelmint.priors.rowwise import RowPixelSNAIL
from labelmint.priors.transformer import TransformerConfig, TransformerPrior
from labelmint.protocols import GroupedPrior
from labelmint.seeds import uniforms
from labelmint.types import LayoutBatch

CPU, DROPPING = torch.device("cpu"), SMALL.model_copy(update={"condition_dropout": 0.3})
KINDS: dict[str, tuple[Callable[[], NetworkPrior], LayoutBatch]] = {
    "PixelSNAIL": (lambda: spread(PixelSNAIL(DROPPING, 7, (8, 3), 2, 3), 7), LAYOUTS),
    "by places": (lambda: spread(PlacePixelSNAIL(DROPPING, 7, (8, 3), 2, 3), 7), LAYOUTS),
    "by rows": (lambda: spread(RowPixelSNAIL(DROPPING, 7, (8, 3), 2, 3), 7), LAYOUTS),
    "transformer, prefix": (lambda: test_transformer.prior("tokens now and then"), test_transformer.GIVEN),
    "transformer, aligned": (
        lambda: test_transformer.prior("layouts now and then"),
        test_transformer.LAYOUTS,
    ),
    "transformer, both": (lambda: test_transformer.prior("both now and then"), test_transformer.LAYOUTS),
}


@cache
def made(kind: str) -> NetworkPrior:
    """Trained for a few steps, with and without its condition; no test changes it."""
    torch.manual_seed(0)
    return KINDS[kind][0]().requires_grad_(False)


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_the_laws_of_a_prior_and_draws_by_recorded_rows_as_by_steps(kind: str) -> None:
    prior, shown = guided(made(kind), 2.0), KINDS[kind][1]
    if isinstance(prior, GroupedPrior):
        check_grouped_prior(prior, shown)
        return
    check_prior(cast(Any, prior), shown)
    assert isinstance(prior, FixedPrior)
    check_prior(test_transformer.fixed(prior), shown)
    half = deepcopy(cast(TransformerPrior, prior.prior)).to_bfloat16()
    check_prior(cast(Any, guided(half, 2.0)), shown, tolerance=0.05)
    numbers, condition = uniforms([(0, 0), (0, 1)], "image", 24), prior.prepare(shown)
    drawn = AncestralSampler(prior).draw(condition, numbers, 1.0, CPU)
    assert RowSampler(prior, 2, CPU).draw(condition, numbers, 1.0).equal(drawn.flatten(1))


@pytest.mark.parametrize("kind", KINDS)
def test_it_moves_along_the_line_from_the_prior_without_a_condition_to_the_one_with_it(kind: str) -> None:
    prior, shown = made(kind), KINDS[kind][1]
    tokens = torch.randint(7, (2, 8, 3), generator=torch.Generator().manual_seed(3))
    seen, unseen = (
        prior.logits(tokens, condition).log_softmax(dim=1) for condition in (prior.prepare(shown), None)
    )
    assert not seen.allclose(unseen, atol=1e-2)
    for guidance, expected in ((0.0, unseen), (1.0, seen), (3.0, unseen + 3 * (seen - unseen))):
        steered = guided(prior, guidance)
        assert steered.logits(tokens, steered.prepare(shown)).allclose(expected, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_its_memory_is_that_of_twice_as_many_rows(kind: str) -> None:
    prior, shown = guided(made(kind), 2.0), KINDS[kind][1]
    assert state_bytes(prior, 2) == state_bytes(prior.prior, 4) == held(prior.start(2, prior.prepare(shown)))


def test_what_never_learned_to_do_without_is_refused() -> None:
    small = TransformerConfig(width=8, layers=1, heads=2, key_value_heads=1)
    dropping = small.model_copy(update={"condition_dropout": 0.1})
    for prior in (
        PixelSNAIL(SMALL, 7, (8, 3), symbols=3),
        PixelSNAIL(DROPPING, 7, (8, 3)),
        PlacePixelSNAIL(SMALL, 7, (8, 3), 2, 3),
        TransformerPrior(small, 7, (8, 3), symbols=3),
        TransformerPrior(dropping, 7, (8, 3)),
    ):
        assert not learned_without(prior)
        with pytest.raises(ValueError, match="conditional prior trained with condition_dropout > 0"):
            guided(prior, 2.0)
    for kind in KINDS:
        assert learned_without(made(kind))
        with pytest.raises(ValueError, match="g >= 0"):
            guided(made(kind), -1.0)
        with pytest.raises(ValueError, match="needs a condition"):
            guided(made(kind), 2.0).prepare(None)


def test_rows_of_one_batch_stay_apart() -> None:
    """A row's logits hang on its own condition alone, though rows with and without one are computed together."""
    for kind, (_, shown) in KINDS.items():
        prior: GuidedPrior = guided(made(kind), 2.0)
        tokens, other = (
            torch.zeros(2, 8, 3, dtype=torch.long),
            LayoutBatch(torch.stack([shown.ids[0], shown.ids[1].flip(0)])),
        )
        before, after = (prior.logits(tokens, prior.prepare(one)) for one in (shown, other))
        assert before[0].allclose(after[0], atol=1e-5)
        assert not before[1].allclose(after[1], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_layout_that_means_nothing_nothing_is_seen(kind: str) -> None:
    prior, shown = made(kind), KINDS[kind][1]
    tokens = torch.randint(7, (2, 8, 3), generator=torch.Generator().manual_seed(3))
    seen, unseen = prior(tokens, shown), prior(tokens, None)
    for other in (shown.ids, shown.ids.flip(1)):
        ids = torch.stack([shown.ids[0], other[1]])
        told = prior(tokens, replace(shown, ids=ids, labelled=torch.tensor([True, False])))
        assert told[0].allclose(seen[0], atol=1e-5)
        assert told[1].allclose(unseen[1], atol=1e-5)
    assert not seen[1].allclose(unseen[1], atol=1e-2)


def test_a_condition_is_dropped_for_whole_items_in_training_alone() -> None:
    torch.manual_seed(0)
    condition = LayoutCondition(
        3, (4, 3), 1, scale=2, embedding=4, channels=5, residual_channels=4, residual_blocks=1, dropout=0.5
    )
    layouts = type(LAYOUTS)(LAYOUTS.ids[:1].repeat(40, 1, 1))
    there = condition(layouts).flatten(1).abs().amax(dim=1) > 0
    assert 5 < int(there.sum()) < 35
    condition.eval()
    assert (condition(layouts).flatten(1).abs().amax(dim=1) > 0).all()
