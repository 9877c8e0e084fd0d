"""PixelSNAIL and ancestral sampling: the laws of a prior, and draws that depend on their own seed alone."""

import copy
import functools
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from labelmint.contracts import ContractError, check_prior
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.graphed import FixedPrior, RowSampler
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.seeds import uniforms
from labelmint.types import LayoutBatch

Made = TypeVar("Made", bound=torch.nn.Module)
SMALL = PixelSNAILConfig(
    channels=12,
    residual_channels=10,
    blocks=2,
    residual_blocks=1,
    attention_channels=8,
    attention_heads=2,
    condition_channels=8,
    condition_residual_channels=8,
    condition_embedding=6,
    dropout=0.3,
)
LAYOUTS = LayoutBatch(torch.randint(3, (2, 16, 12), generator=torch.Generator().manual_seed(1)))


def prior(conditional: bool, stack: int = 2, kernel: tuple[int, int] = (3, 5)) -> PixelSNAIL:
    """Trained for a few steps on random tokens, so that its logits spread."""
    return copy.deepcopy(_trained(conditional, stack, kernel))


@functools.cache
def _trained(conditional: bool, stack: int, kernel: tuple[int, int]) -> PixelSNAIL:
    torch.manual_seed(0)
    config = SMALL.model_copy(update={"kernel_rows": kernel[0], "kernel_columns": kernel[1]})
    return spread(PixelSNAIL(config, 7, (8, 3), stack=stack, symbols=3 if conditional else 0), 7)


def spread(made: Made, codes: int) -> Made:
    """A prior over (8, 3) tokens, trained for a few steps on random ones, so that its logits spread."""
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    tokens = torch.randint(codes, (2, 8, 3))
    for _ in range(12):
        loss = torch.nn.functional.cross_entropy(made(tokens, LAYOUTS), tokens)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return made.eval()


@pytest.mark.parametrize(
    ("conditional", "stack", "kernel"), [(True, 2, (3, 5)), (False, 1, (2, 3)), (True, 1, (5, 5))]
)
def test_it_keeps_the_laws_of_a_prior(conditional: bool, stack: int, kernel: tuple[int, int]) -> None:
    check_prior(prior(conditional, stack, kernel), LAYOUTS if conditional else None)


def fixed(made: PixelSNAIL) -> SimpleNamespace:
    """The same prior, stepping at fixed addresses."""
    return SimpleNamespace(
        codebook_size=7,
        grid=made.grid,
        prepare=made.prepare,
        logits=made.logits,
        start=made.start_fixed,
        step=made.step,
    )


@pytest.mark.parametrize(("conditional", "stack", "kernel"), [(True, 2, (3, 5)), (False, 1, (2, 3))])
def test_steps_at_fixed_addresses_keep_the_laws_too(
    conditional: bool, stack: int, kernel: tuple[int, int]
) -> None:
    made = prior(conditional, stack, kernel)
    assert isinstance(made, FixedPrior)
    check_prior(fixed(made), LAYOUTS if conditional else None)


def test_steps_at_fixed_addresses_are_the_same_operations_in_every_row() -> None:
    made, calls = prior(True), []
    state, token = made.start_fixed(2, made.prepare(LAYOUTS)), torch.full((2,), 7)
    for _ in range(8):
        with Addresses() as seen:
            for _ in range(3):
                made.step(token, state)
        calls.append(seen.calls)
    assert len(calls[0]) > 60
    assert all(row == calls[0] for row in calls)


class Addresses(TorchDispatchMode):
    """Every operation with the addresses of those of its tensors that were there before it began, and its
    numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        self._made: list[Tensor] = []  # kept, so that their addresses are not given out again

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {_memory(one) for one in self._made}
        found = [
            (tuple(one.shape), None if _memory(one) in before else _memory(one, one.storage_offset()))
            if isinstance(one, Tensor)
            else one
            for one in tree_leaves((args, kwargs))
        ]
        self.calls.append((str(func), *found))
        out = func(*args, **(kwargs or {}))
        known = {_memory(one) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        self._made += [
            one for one in tree_leaves(out) if isinstance(one, Tensor) and _memory(one) not in known
        ]
        return out


def _memory(one: Tensor, offset: int = 0) -> tuple[int, int]:
    """Where a tensor lies; a packed weight has no address that it tells, and is the same object in every
    call.
    """
    return (id(one), 0) if one.is_mkldnn else (one.untyped_storage().data_ptr(), offset)


def test_rows_draw_the_same_tokens_as_single_steps_in_memory_that_is_used_again() -> None:
    made, device = prior(True), torch.device("cpu")
    rows, sampler = RowSampler(made, 2, device), AncestralSampler(made)
    for seed in range(3):
        condition = made.prepare(LayoutBatch(LAYOUTS.ids.roll(seed, 1)))
        numbers = uniforms([(seed, 0), (seed, 1)], "image", 24)
        assert (
            rows.draw(condition, numbers, 3.0)
            .view(2, 8, 3)
            .equal(sampler.draw(condition, numbers, 3.0, device))
        )


@pytest.mark.gpu
def test_a_recorded_row_draws_the_tokens_of_single_steps() -> None:
    made, device = prior(True).to("cuda"), torch.device("cuda")
    sampler, layouts = AncestralSampler(made), LayoutBatch(LAYOUTS.ids.to(device))
    for seed in range(3):
        condition = made.prepare(LayoutBatch(layouts.ids.roll(seed, 1)))
        numbers = uniforms([(seed, 0), (seed, 1)], "image", 24)
        single = sampler._step_by_step(condition, numbers.to(device), 3.0).view(2, 8, 3)
        assert sampler.draw(condition, numbers, 3.0, device).equal(single)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        check_prior(made, layouts)
        check_prior(fixed(made), layouts)


def test_one_draw_gone_wrong_and_other_weights_do_not_spoil_the_next() -> None:
    made, numbers = prior(True), uniforms([(0, 0), (0, 1)], "image", 24)
    condition = made.prepare(LAYOUTS)
    assert condition is not None
    for rows in (RowSampler(made, 2, torch.device("cpu")), None):
        sampler = AncestralSampler(made)

        def draw(
            seen: torch.Tensor, rows: RowSampler | None = rows, sampler: AncestralSampler = sampler
        ) -> torch.Tensor:
            found = (
                rows.draw(seen, numbers, 3.0)
                if rows
                else sampler.draw(seen, numbers, 3.0, torch.device("cpu"))
            )
            return found.view(2, 24)

        right = draw(condition)
        draw(condition * torch.nan)
        assert draw(condition).equal(right)
        state = {name: value.clone() for name, value in made.state_dict().items()}
        made.load_state_dict({name: value * 0.5 for name, value in state.items()})
        other = draw(condition)
        fresh = AncestralSampler(made).draw(condition, numbers, 3.0, torch.device("cpu")).view(2, 24)
        assert other.equal(fresh)
        assert not other.equal(right)
        made.load_state_dict(state)


def test_in_bfloat16_logits_are_float32_and_near_those_of_float32() -> None:
    made, half = prior(True), prior(True).to_bfloat16()
    # and step keeps to logits within the same bound, though both round
    check_prior(half, LAYOUTS, tolerance=0.03)
    tokens = torch.randint(7, (2, 8, 3), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        exact, rounded = made(tokens, LAYOUTS), half(tokens, LAYOUTS)
    assert rounded.dtype == half.step(None, half.start(2, half.prepare(LAYOUTS))).dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.03 * exact.abs().max()
    assert (rounded.softmax(1) - exact.softmax(1)).abs().sum(1).mean() / 2 < 0.01


def test_another_layout_changes_the_logits_and_every_parameter_gets_a_finite_gradient() -> None:
    made, tokens = prior(True), torch.zeros(2, 8, 3, dtype=torch.long)
    other = LayoutBatch((LAYOUTS.ids + 1) % 3)
    assert not made(tokens, LAYOUTS).allclose(made(tokens, other), atol=1e-3)
    torch.nn.functional.cross_entropy(made(tokens, LAYOUTS), tokens).backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_the_check_catches_a_prior_that_looks_ahead() -> None:
    made = prior(False, 1)
    made.first.visible[-1] = 1
    with pytest.raises(ContractError, match="see the token there"):
        check_prior(made, None)


def test_a_draw_depends_on_its_own_seed_and_layout_alone() -> None:
    made, device = prior(True), torch.device("cpu")
    one = AncestralSampler(made).draw(
        made.prepare(LAYOUTS), uniforms([(0, 5), (0, 6)], "image", 24), 5.0, device
    )
    two = AncestralSampler(made).draw(
        made.prepare(LAYOUTS), uniforms([(0, 5), (3, 6)], "image", 24), 5.0, device
    )
    assert one[0].equal(two[0])
    assert not one[1].equal(two[1])


def test_drawn_frequencies_are_the_probabilities_and_a_low_temperature_is_greedy() -> None:
    made, device = prior(False, 1), torch.device("cpu")
    count = 4000
    numbers = uniforms([(1, i) for i in range(count)], "image", 24)
    drawn = AncestralSampler(made).draw(None, numbers, 1.0, device)[:, 0, 0]
    expected = made.step(None, made.start(1, None)).softmax(1)[0]
    observed = torch.bincount(drawn, minlength=7) / count
    assert observed.allclose(expected, atol=4 * (0.25 / count) ** 0.5)
    greedy = AncestralSampler(made).draw(None, numbers[:2], 1e-4, device)
    assert greedy[0].equal(greedy[1])
    assert greedy[0, 0, 0] == expected.argmax()


def test_streams_of_random_numbers_differ_by_stage_seed_and_index() -> None:
    base = uniforms([(0, 0)], "image", 50)
    assert base.equal(uniforms([(0, 0)], "image", 50))
    assert uniforms([(0, 0)], "image", 20).equal(base[:, :20])
    for seeds, stage in (([(0, 1)], "image"), ([(1, 0)], "image"), ([(0, 0)], "layout")):
        assert not uniforms(seeds, stage, 50).equal(base)
    assert ((base >= 0) & (base < 1)).all()


def test_with_a_scene_background_knows_which_classes_occur_however_far_away() -> None:
    ids = torch.zeros(2, 64, 64, dtype=torch.uint8)
    ids[:, 60:, 60:] = 1
    ids[1, 60:, 60:] = 2
    features = {}
    for scene in (False, True):
        torch.manual_seed(0)
        config = SMALL.model_copy(
            update={"condition_scale": 1, "condition_residual_blocks": 1, "condition_scene": scene}
        )
        made = PixelSNAIL(config, 8, (16, 16), symbols=3).eval()
        found = made.prepare(LayoutBatch(ids))
        assert found is not None
        features[scene] = found[:, :, 0, 0]  # the corner that lies opposite
    assert features[False][0].equal(features[False][1])
    assert not features[True][0].equal(features[True][1])
