"""The transformer prior: the laws of a prior with each kind of condition and with none, shared keys and
aligned cells.
"""

import copy
import functools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.priors.test_memory import held
from tests.priors.test_pixelsnail import Addresses

from labelmint.contracts import check_prior
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.graphed import FixedPrior, RowSampler
from labelmint.priors.memory import state_bytes
from labelmint.priors.transformer import TransformerConfig, TransformerPrior
from labelmint.protocols import Stream
from labelmint.seeds import uniforms
from labelmint.types import LayoutBatch

SMALL = TransformerConfig(
    width=24,
    layers=2,
    heads=4,
    key_value_heads=2,
    dropout=0.2,
    condition_embedding=6,
    condition_residual_channels=8,
)
CPU, CODES, GRID, CELLS = torch.device("cpu"), 7, (8, 3), Stream("semantics", 5, (4, 3))
LAYOUTS = LayoutBatch(torch.randint(3, (2, 16, 12), generator=torch.Generator().manual_seed(1)))
GIVEN = LayoutBatch(torch.randint(5, (2, *CELLS.grid), generator=torch.Generator().manual_seed(2)))
KINDS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "nothing, stacked": {"stack": 2},
    "layouts before": {"symbols": 3, "stack": 2},
    "layouts added": {"symbols": 3, "condition": "aligned"},
    "tokens before": {"given": CELLS},
    "tokens added": {"given": CELLS, "condition": "aligned", "stack": 2},
    "tokens in both": {"given": CELLS, "condition": "both"},
    "a key a head": {"given": CELLS, "key_value_heads": 4},
    "one key": {"symbols": 3, "key_value_heads": 1},
    "tokens now and then": {"given": CELLS, "condition_dropout": 0.3},
    "layouts now and then": {"symbols": 3, "condition": "aligned", "condition_dropout": 0.3},
    "both now and then": {"symbols": 3, "stack": 2, "condition": "both", "condition_dropout": 0.3},
}


def shown(kind: str) -> LayoutBatch | None:
    return LAYOUTS if "symbols" in KINDS[kind] else GIVEN if "given" in KINDS[kind] else None


def prior(kind: str, steps: int = 15) -> TransformerPrior:
    """Trained for a few steps on random tokens, so that its logits spread."""
    return copy.deepcopy(_trained(kind, steps))


@functools.cache
def _trained(kind: str, steps: int) -> TransformerPrior:
    torch.manual_seed(0)
    built = {"stack", "symbols", "given"}
    config = SMALL.model_copy(
        update={name: value for name, value in KINDS[kind].items() if name not in built}
    )
    made = TransformerPrior(
        config, CODES, GRID, **{name: value for name, value in KINDS[kind].items() if name in built}
    )
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    tokens = torch.randint(CODES, (2, *GRID))
    for _ in range(steps):
        loss = negative_log_likelihood(made, tokens, shown(kind), noise=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_the_laws_of_a_prior_step_by_step_and_at_fixed_addresses(kind: str) -> None:
    made = prior(kind)
    check_prior(made, shown(kind))
    assert isinstance(made, FixedPrior)
    check_prior(fixed(made), shown(kind))
    if made.without is not None:
        check_prior(made, None)


def test_packed_products_and_a_prefix_in_several_parts_keep_the_laws_too() -> None:
    torch.manual_seed(0)
    made = (
        TransformerPrior(SMALL.model_copy(update={"width": 96, "layers": 1}), CODES, GRID, given=CELLS)
        .eval()
        .requires_grad_(False)
    )
    made.out.weight.mul_(20)
    check_prior(made, LayoutBatch(torch.randint(5, (48, *CELLS.grid))), batch_size=48)


def fixed(made: Any) -> Any:
    """The same prior, stepping at fixed addresses."""
    return SimpleNamespace(
        codebook_size=made.codebook_size,
        grid=made.grid,
        prepare=made.prepare,
        logits=made.logits,
        start=made.start_fixed,
        step=made.step,
    )


def test_steps_at_fixed_addresses_are_the_same_operations_at_every_position() -> None:
    made, calls = prior("tokens now and then"), []
    state, token = made.start_fixed(2, made.prepare(GIVEN)), torch.full((2,), CODES)
    for _ in range(GRID[0] * GRID[1]):
        with Addresses() as seen:
            made.step(token, state)
        calls.append(seen.calls)
    assert len(calls[0]) > 20
    assert all(one == calls[0] for one in calls)


@pytest.mark.parametrize("kind", ["nothing", "layouts added", "tokens before", "both now and then"])
def test_rows_draw_the_same_tokens_as_single_steps_in_memory_that_is_used_again(kind: str) -> None:
    made = prior(kind)
    rows, sampler, drawn = RowSampler(made, 2, CPU), AncestralSampler(made), []
    for turn in range(3):
        given = shown(kind)
        condition = made.prepare(None if given is None else LayoutBatch(given.ids.roll(turn, 1)))
        numbers = uniforms([(0, 0), (0, 1)], "image", 24)
        drawn.append(sampler.draw(condition, numbers, 3.0, CPU))
        assert rows.draw(condition, numbers, 3.0).view(2, *GRID).equal(drawn[-1])
        assert AncestralSampler(made).draw(condition, numbers, 3.0, CPU).equal(drawn[-1])
    assert drawn[0].equal(drawn[1]) == (shown(kind) is None)


def test_other_weights_and_a_draw_gone_wrong_do_not_spoil_the_next() -> None:
    made, numbers = prior("tokens before"), uniforms([(0, 0), (0, 1)], "image", 24)
    condition = made.prepare(GIVEN)
    assert condition is not None
    for rows in (RowSampler(made, 2, CPU), None):
        sampler = AncestralSampler(made)

        def draw(
            rows: RowSampler | None = rows, sampler: AncestralSampler = sampler, worth: float = 1.0
        ) -> torch.Tensor:
            seen = condition * worth
            found = rows.draw(seen, numbers, 3.0) if rows else sampler.draw(seen, numbers, 3.0, CPU)
            return found.view(2, *GRID)

        right = draw()
        draw(worth=torch.nan)
        assert draw().equal(right)
        state = {name: value.clone() for name, value in made.state_dict().items()}
        made.load_state_dict({name: value * 0.5 for name, value in state.items()})
        assert not draw().equal(right)
        assert draw().equal(AncestralSampler(made).draw(condition, numbers, 3.0, CPU))
        made.load_state_dict(state)
        assert draw().equal(right)


def test_a_state_is_used_again_only_with_what_was_taken_into_it() -> None:
    made = prior("tokens now and then")
    condition = made.prepare(GIVEN)
    for start, other in ((made.start, made.start_fixed), (made.start_fixed, made.start)):
        state = start(2, condition)
        assert start(2, condition, state) is state
        assert other(2, condition, state) is not state
        assert start(2, None, state) is state
        assert start(4, None, state) is not state
        with torch.no_grad():
            made.out.weight.mul_(1.0)
        assert start(2, condition, state) is not state


def test_a_condition_is_dropped_for_whole_samples_in_training_alone() -> None:
    made = prior("tokens now and then")
    condition = made.prepare(LayoutBatch(GIVEN.ids[:1].expand(40, -1, -1)))
    assert condition is not None
    for train, expected in ((False, range(1)), (True, range(4, 25))):  # 12 are expected of 40
        torch.manual_seed(0)
        dropped = (made.train(train)._cells(condition, 40) == made.nothing_like(condition)).flatten(1)
        assert dropped.all(dim=1).equal(dropped.any(dim=1))
        assert int(dropped.all(dim=1).sum()) in expected


def test_heads_that_share_keys_are_heads_with_equal_keys() -> None:
    """A prior whose heads share keys and values is the one with a key a head in which these were repeated."""
    shared, apart = prior("tokens before"), prior("a key a head", 0)
    state = shared.state_dict()
    for name, value in state.items():
        if "project" in name:  # (2 groups, 2 queries, a key, a value) -> 4 of (a query, a key, a value)
            groups = value.view(2, 4, 6, *value.shape[1:])
            heads = [groups[head // 2, [head % 2, 2, 3]] for head in range(4)]
            state[name] = torch.stack(heads).flatten(0, 2)
    apart.load_state_dict(state)
    tokens = torch.randint(CODES, (2, *GRID), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert apart(tokens, GIVEN).allclose(shared(tokens, GIVEN), atol=1e-4)


def test_an_aligned_cell_reaches_every_path_from_its_first_position_on() -> None:
    made, tokens = prior("tokens added"), torch.zeros(2, *GRID, dtype=torch.long)
    other = GIVEN.ids.clone()
    other[:, 1, 2] = (other[:, 1, 2] + 1) % 5
    with torch.no_grad():
        moved = (made(tokens, GIVEN) - made(tokens, other)).abs().amax(dim=(0, 1)).flatten()
    assert moved[:5].max() == 0  # row 1, column 2 of three columns
    assert moved[5:].min() > 0


def test_training_learns_the_condition_and_every_parameter_takes_part() -> None:
    """The tokens are those of their cells: no nats with the condition, and without it log 5 in the first
    path, none in the second.
    """
    torch.manual_seed(0)
    cells = torch.randint(5, (32, *CELLS.grid))
    tokens = torch.cat([cells, cells + 2], dim=1)
    config = SMALL.model_copy(update={"condition": "both", "condition_dropout": 0.3, "dropout": 0.0})
    made = TransformerPrior(config, CODES, GRID, 2, given=CELLS)
    optimizer = torch.optim.AdamW(made.parameters(), lr=0.01)
    first = float(negative_log_likelihood(made.eval(), tokens, LayoutBatch(cells)).detach())
    for _ in range(40):
        loss = negative_log_likelihood(made.train(), tokens, LayoutBatch(cells))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    with torch.no_grad():
        known, unknown = (
            float(negative_log_likelihood(made.eval(), tokens, seen)) for seen in (LayoutBatch(cells), None)
        )
    assert known < 0.3 < 0.7 < unknown < first


def test_in_bfloat16_logits_are_float32_and_near_those_of_float32() -> None:
    made, half = prior("tokens in both"), prior("tokens in both").to_bfloat16()
    check_prior(half, GIVEN, tolerance=0.03)
    check_prior(fixed(half), GIVEN, tolerance=0.03)
    tokens = torch.randint(CODES, (2, *GRID), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        exact, rounded = made(tokens, GIVEN), half(tokens, GIVEN)
    assert rounded.dtype == half.step(None, half.start(2, half.prepare(GIVEN))).dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("kind", ["nothing", "layouts added", "tokens before", "both now and then"])
def test_memory_is_told_before_it_is_taken(kind: str) -> None:
    made, given = prior(kind, 0), shown(kind)
    for batch in (1, 2):
        state = made.start(batch, None if given is None else made.prepare(LayoutBatch(given.ids[:batch])))
        assert state_bytes(made, batch) == held(state)


def test_what_cannot_be_is_refused_in_one_line() -> None:
    for sizes, reason in (
        ({"width": 10, "heads": 4}, "width must be"),
        ({"heads": 4, "key_value_heads": 3}, "heads must be"),
    ):
        with pytest.raises(ValueError, match=reason):
            TransformerConfig(**sizes)
    with pytest.raises(ValueError, match="not both"):
        TransformerPrior(SMALL, CODES, GRID, symbols=3, given=CELLS)
    with pytest.raises(ValueError, match=r"\(3, 3\) cells can't be aligned with paths of \(8, 3\)"):
        TransformerPrior(
            SMALL.model_copy(update={"condition": "both"}), CODES, GRID, given=Stream("semantics", 5, (3, 3))
        )
    made = prior("tokens before", 0)
    with pytest.raises(ValueError, match=r"grid of \(16, 12\) tokens"):
        made.prepare(LAYOUTS)
    with pytest.raises(ValueError, match="condition_dropout > 0"):
        made.start(2, None)
    with pytest.raises(ValueError, match="condition_dropout > 0"):
        made.logits(torch.zeros(2, *GRID, dtype=torch.long), None)
