"""The setting that says what a prior draws at once: it reaches both priors, and what they draw obeys the
seeds as ever.
"""

from __future__ import annotations

import pytest
import torch
from tests.helpers import spread, two_stage

from labelmint.contracts import check_generator, check_layout_source
from labelmint.errors import InputError
from labelmint.generators.two_stage import TwoStage
from labelmint.priors.memory import state_bytes
from labelmint.protocols import GroupedPrior
from labelmint.runs.precision import priors_in_bfloat16
from labelmint.systems.catalogue import SYSTEMS
from labelmint.systems.msgnet_sections import MSGNetSections
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
    torch.manual_seed(0)
    settings = with_values(
        MSGNetSections(), [*SMALLER, f"prior.at_once={at_once}", f"layout_prior.at_once={at_once}"]
    )
    wired = SYSTEMS["msgnet"].wire(settings, Facts(3, (16, 16), 4))
    for stage in wired.stages:
        stage.module.eval()
    _, prior, layout_prior = (stage.module for stage in wired.stages)
    assert prior.grid == (8, 4)
    assert isinstance(prior, GroupedPrior) == (at_once != "token")
    # with one path a place is a token
    assert isinstance(layout_prior, GroupedPrior) == (at_once == "row")
    if isinstance(prior, GroupedPrior):
        assert len(prior.order) == STEPS[at_once]
    assert state_bytes(prior, 64) > state_bytes(prior, 2) > 0  # type: ignore[arg-type]

    layouts = LayoutBatch(torch.randint(4, (3, 16, 16), generator=torch.Generator().manual_seed(0)))
    check_generator(spread(wired).images, layouts, 3)
    source = wired.layouts
    assert source is not None
    check_layout_source(source, (16, 16), 4)
    priors_in_bfloat16(wired)
    # another generator: the memory of the first is of float32
    check_generator(TwoStage(prior, two_stage(wired).written), layouts, 3)


def test_an_unknown_one_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"at_once=tokens: .*'token', 'place' or 'row'"):
        with_values(MSGNetSections(), ["prior.at_once=tokens"])
