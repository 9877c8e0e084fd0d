"""Priors that draw several tokens in one step: the laws of their order, draws by seed, exact probabilities,
memory that is used again.
"""

import copy
import functools
import itertools

import pytest
import torch
from tests.priors.test_pixelsnail import LAYOUTS, SMALL, spread

from labelmint.contracts import ContractError, check_grouped_prior
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.grouped import PlacePixelSNAIL
from labelmint.priors.rowwise import RowPixelSNAIL
from labelmint.protocols import GroupedPrior
from labelmint.seeds import uniforms

CPU = torch.device("cpu")
KINDS = [
    (PlacePixelSNAIL, 2, (3, 5)),
    (RowPixelSNAIL, 2, (3, 5)),
    (RowPixelSNAIL, 1, (2, 3)),
    (PlacePixelSNAIL, 4, (1, 3)),
]
Made = PlacePixelSNAIL | RowPixelSNAIL


def prior(
    kind: type[Made],
    stack: int = 2,
    kernel: tuple[int, int] = (3, 5),
    *,
    layouts: bool = True,
    codes: int = 7,
) -> Made:
    """Trained for a few steps on random tokens, so that its logits spread."""
    return copy.deepcopy(_trained(kind, stack, kernel, layouts, codes))


@functools.cache
def _trained(kind: type[Made], stack: int, kernel: tuple[int, int], layouts: bool, codes: int) -> Made:
    torch.manual_seed(0)
    config = SMALL.model_copy(update={"kernel_rows": kernel[0], "kernel_columns": kernel[1]})
    return spread(kind(config, codes, (8, 3), stack, 3 if layouts else 0), codes)


@pytest.mark.parametrize(("kind", "stack", "kernel"), KINDS)
@pytest.mark.parametrize("layouts", [True, False])
def test_they_keep_the_laws_of_their_order(
    kind: type[Made], stack: int, kernel: tuple[int, int], layouts: bool
) -> None:
    made = prior(kind, stack, kernel, layouts=layouts)
    assert isinstance(made, GroupedPrior)
    check_grouped_prior(made, LAYOUTS if layouts else None)


def test_the_steps_are_fewer_and_the_second_code_of_a_place_sees_the_first() -> None:
    place, row = prior(PlacePixelSNAIL), prior(RowPixelSNAIL)
    assert place.order.flatten().tolist() == [i + 12 * path for i in range(12) for path in (0, 1)]
    assert row.order.shape == (8, 3)
    counted, state = [], place.start(2, place.prepare(LAYOUTS))
    previous = None
    for _ in place.order:
        previous = place.step(previous, state).argmax(dim=1)
        counted.append(state.trunk.position)
    assert counted == [i + 1 for i in range(12) for _ in (0, 1)]
    tokens = torch.zeros(1, 8, 3, dtype=torch.long)
    other = tokens.clone()
    other[0, 1, 1] = 3  # the first path's code at (1, 1)
    layout = LAYOUTS.ids[:1]
    moved = (place(tokens, type(LAYOUTS)(layout)) - place(other, type(LAYOUTS)(layout))).abs().amax(dim=1)[0]
    assert moved[5, 1] > 0
    assert moved[4].max() == moved[5, 0] == moved[1, 1] == 0


@pytest.mark.parametrize("kind", [PlacePixelSNAIL, RowPixelSNAIL])
def test_the_checks_catch_one_that_looks_ahead(kind: type[Made]) -> None:
    made = prior(kind)
    if isinstance(made, PlacePixelSNAIL):
        made.trunk.first.visible[-1] = 1
    else:
        made.trunk.delayed = lambda flat, positions: torch.nn.functional.pad(flat, (1, 0), value=7)[:, :24]  # type: ignore[method-assign]
    with pytest.raises(ContractError, match="see its token"):
        check_grouped_prior(made, LAYOUTS)


@pytest.mark.parametrize("kind", [PlacePixelSNAIL, RowPixelSNAIL])
def test_a_draw_depends_on_its_own_seed_and_layout_alone(kind: type[Made]) -> None:
    made, sampler = prior(kind), AncestralSampler(prior(kind))
    condition = made.prepare(LAYOUTS)
    one = sampler.draw(condition, uniforms([(0, 5), (0, 6)], "image", 24), 5.0, CPU)
    two = sampler.draw(condition, uniforms([(0, 5), (3, 6)], "image", 24), 5.0, CPU)
    assert one.shape == (2, 8, 3)
    assert one[0].equal(two[0])
    assert not one[1].equal(two[1])
    assert sampler.draw(condition, uniforms([(0, 5), (0, 6)], "image", 24), 5.0, CPU).equal(one)


@pytest.mark.parametrize("kind", [pytest.param(PlacePixelSNAIL, marks=pytest.mark.slow), RowPixelSNAIL])
def test_what_is_drawn_has_the_probability_that_the_logits_say(kind: type[Made]) -> None:
    """Frequencies of a place's pair of codes, or of two neighbors in a row, are the products of the model's
    own probabilities.
    """
    made, count = prior(kind, layouts=False, codes=3), 4000
    drawn = AncestralSampler(made).draw(None, uniforms([(1, i) for i in range(count)], "image", 24), 1.0, CPU)
    second = (4, 0) if kind is PlacePixelSNAIL else (0, 1)
    observed = torch.bincount(drawn[:, 0, 0] * 3 + drawn[:, second[0], second[1]], minlength=9) / count
    expected = torch.empty(9)
    made.requires_grad_(False)
    for a, b in itertools.product(range(3), repeat=2):
        tokens = torch.zeros(1, 8, 3, dtype=torch.long)
        tokens[0, 0, 0], tokens[0, second[0], second[1]] = a, b
        shares = made(tokens, None).softmax(dim=1)[0]
        expected[3 * a + b] = float(shares[a, 0, 0] * shares[b, second[0], second[1]])
    assert expected.sum() == pytest.approx(1, abs=1e-5)
    assert observed.allclose(expected, atol=4 * (0.25 / count) ** 0.5)


@pytest.mark.parametrize("kind", [PlacePixelSNAIL, RowPixelSNAIL])
def test_every_parameter_gets_a_finite_gradient(kind: type[Made]) -> None:
    made = prior(kind)
    torch.nn.functional.cross_entropy(
        made(torch.zeros(2, 8, 3, dtype=torch.long), LAYOUTS), torch.ones(2, 8, 3).long()
    ).backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("kind", [PlacePixelSNAIL, RowPixelSNAIL])
def test_in_bfloat16_logits_are_float32_and_near_those_of_float32(kind: type[Made]) -> None:
    made, half = prior(kind), prior(kind).to_bfloat16()
    tokens = torch.randint(7, (2, 8, 3), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        exact, rounded = made(tokens, LAYOUTS), half(tokens, LAYOUTS)
    assert rounded.dtype == half.step(None, half.start(2, half.prepare(LAYOUTS))).dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.05 * exact.abs().max()
    check_grouped_prior(half, LAYOUTS, tolerance=0.05)
