"""Guidance: a prior like any other, which is the one it is made of at 1 and forgets the layout at 0."""

import pytest
import torch
from tests.priors.test_grouped import prior as grouped
from tests.priors.test_pixelsnail import LAYOUTS, prior

from labelmint.contracts import check_grouped_prior, check_prior
from labelmint.priors.ancestral import AncestralSampler, uniforms
from labelmint.priors.conditioning import LayoutCondition
from labelmint.priors.graphed import FixedPrior, RowSampler
from labelmint.priors.grouped import PlacePixelSNAIL
from labelmint.priors.guided import guided as guided_prior
from labelmint.priors.rowwise import RowPixelSNAIL


def test_it_keeps_the_laws_of_a_prior_and_draws_by_rows_as_by_steps() -> None:
    made = guided_prior(prior(True), 2.0)
    check_prior(made, LAYOUTS, tolerance=3e-5)  # twice the difference of two logits
    assert isinstance(made, FixedPrior)
    numbers, cpu = uniforms([(0, 0), (0, 1)], "image", 24), torch.device("cpu")
    drawn = AncestralSampler(made).draw(made.prepare(LAYOUTS), numbers, 1.0, cpu)
    assert RowSampler(made, 2, cpu).draw(made.prepare(LAYOUTS), numbers, 1.0).equal(drawn.flatten(1))


@pytest.mark.parametrize("kind", [PlacePixelSNAIL, RowPixelSNAIL])
def test_priors_that_draw_several_tokens_are_guided_alike(kind: type[PlacePixelSNAIL | RowPixelSNAIL]) -> None:
    check_grouped_prior(guided_prior(grouped(kind), 2.0), LAYOUTS, tolerance=3e-5)  # type: ignore[arg-type]


def test_it_moves_along_the_line_from_the_prior_without_a_layout_to_the_one_with_it() -> None:
    made, tokens = prior(True), torch.randint(7, (2, 8, 3))
    with torch.no_grad():
        seen = made.logits(tokens, made.prepare(LAYOUTS)).log_softmax(dim=1)
        unseen = made.logits(tokens, None).log_softmax(dim=1)
        for guidance in (0.0, 1.0, 3.0):
            guided = guided_prior(made, guidance)
            assert guided.logits(tokens, guided.prepare(LAYOUTS)).allclose(unseen + guidance * (seen - unseen), atol=1e-4)
    with pytest.raises(ValueError, match="g >= 0"):
        guided_prior(made, -1.0)
    with pytest.raises(ValueError, match="conditional"):
        guided_prior(prior(False), 2.0)


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
