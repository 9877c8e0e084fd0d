"""The setting that says what a prior draws at once: it reaches both priors, and what they draw obeys the
seeds as ever.
"""

from __future__ import annotations

import pytest
import torch
from labelmint.systems.config import Settings

from labelmint.contracts import check_generator, check_layout_source
from labelmint.errors import InputError
from labelmint.priors.memory import state_bytes
from labelmint.protocols import GroupedPrior
from labelmint.runs.precision import priors_in_bfloat16
from labelmint.systems.catalogue import system_named
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts
from labelmint.types import LayoutBatch

SMALL = [
    f"{part}.{name}=8"
    for part in ("prior", "layout_prior")
    for name in (
        "channels",
        "residual_channels",
        "condition_channels",
        "condition_residual_channels",
        "attention_channels",
    )
]
SMALLER = [
    *SMALL,
    "prior.blocks=1",
    "layout_prior.blocks=1",
    "tokenizer.channels=8",
    "tokenizer.residual_channels=8",
]
STEPS = {"token": None, "place": 32, "row": 8}


@pytest.mark.parametrize("at_once", list(STEPS))
def test_it_decides_the_steps_of_each_prior(at_once: str) -> None:
    settings = with_values(
        Settings(), [*SMALLER, f"prior.at_once={at_once}", f"layout_prior.at_once={at_once}"]
    )
    parts = system_named("msgnet").build(settings, Facts(3, (16, 16), 4))
    for one in (parts.tokenizer, parts.prior, parts.layout_prior):
        assert one is not None
        one.eval()
    assert parts.prior.grid == (8, 4)
    assert isinstance(parts.prior, GroupedPrior) == (at_once != "token")
    # with one path a place is a token
    assert isinstance(parts.layout_prior, GroupedPrior) == (at_once == "row")
    if isinstance(parts.prior, GroupedPrior):
        assert len(parts.prior.order) == STEPS[at_once]
    assert state_bytes(parts.prior, 64) > state_bytes(parts.prior, 2) > 0  # type: ignore[arg-type]

    layouts = LayoutBatch(torch.randint(4, (3, 16, 16), generator=torch.Generator().manual_seed(0)))
    check_generator(parts.generator(), layouts, 3)
    source = parts.layout_source(torch.device("cpu"))
    assert source is not None
    check_layout_source(source, (16, 16), 4)
    priors_in_bfloat16(parts)
    check_generator(parts.generator(), layouts, 3)


def test_an_unknown_one_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"at_once=tokens: .*'token', 'place' or 'row'"):
        with_values(Settings(), ["prior.at_once=tokens"])
