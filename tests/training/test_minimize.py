"""Minimizing an objective: one step whose gradient is no number is passed over, and many end in a line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.test_regimes import FEW, VQ, benches, msgnet_tokenizer

from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.objectives.objective import Loss
from labelmint.training.minimize import Minimize
from labelmint.training.regime import Stage
from labelmint.types import Batch


@dataclass
class Overflowing:
    """An objective whose gradients overflow at some of its calls."""

    at: tuple[int, ...]
    calls: list[int] = field(default_factory=list)

    def begin(self, module: torch.nn.Module, pairs: Pairs) -> None:
        VQ.begin(module, pairs)

    def __call__(self, network: Any, batch: Batch) -> Loss:
        found = VQ(network, batch)
        self.calls.append(len(self.calls))
        return found._replace(fidelity=found.fidelity * float("inf")) if self.calls[-1] in self.at else found

    def held_out(self, *given: Any) -> dict[str, float]:
        return VQ.held_out(*given)


def trained(objective: Any, rate: float, folder: Path) -> torch.nn.Module:
    torch.manual_seed(0)
    module = msgnet_tokenizer()
    settings = FEW.model_copy(update={"learning_rate": rate})
    Minimize(settings, objective, clip=1.0).train(
        Stage(name="tokenizer", module=module, regime=Minimize(settings, objective)),
        benches(folder)("run", lambda event: None),
    )
    return module


def test_a_step_whose_gradient_overflows_is_passed_over(tmp_path: Path) -> None:
    module = trained(Overflowing(at=(1,)), 1e-3, tmp_path)
    assert all(bool(weight.isfinite().all()) for weight in module.parameters())


def test_steps_that_lead_nowhere_end_in_a_line_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lower tokenizer\.learning_rate"):
        trained(VQ, 1e30, tmp_path)
