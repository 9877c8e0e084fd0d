"""What a training will cost before it starts: parameters, tokens, seconds, memory.

Seconds and bytes are measured on one step of each stage on random data of the right shape: activations are counted by hooks on what
autograd saves, for one item, and scaled to the batch; time is that of a step at a small batch, scaled alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.objectives.reconstruction import vq_loss
from labelmint.protocols import Prior, Tokenizer
from labelmint.systems.config import Settings
from labelmint.systems.parts import Facts, TwoStageParts
from labelmint.training.prior import steps_of
from labelmint.types import LayoutBatch

__all__ = ["Plan", "StagePlan", "check_memory", "make_plan"]

BASE_BYTES = 450 << 20  # Python, PyTorch and its libraries
COPIES = 6  # weights, gradient, two moments, average, best
BATCH_MEASURED = 4


@dataclass(frozen=True)
class StagePlan:
    """One stage: its name, parameters, tokens an image, steps, seconds, bytes at the peak, and the setting that shrinks them."""

    name: str
    parameters: int
    tokens: int
    steps: int
    seconds: float
    bytes: int
    setting: str


@dataclass(frozen=True)
class Plan:
    """The resolved configuration, its stages, and their sums."""

    configuration: dict[str, Any]
    stages: tuple[StagePlan, ...]
    data_bytes: int
    max_minutes: float | None

    @property
    def seconds(self) -> float:
        """Expected time in all, at most the time budget."""
        total = sum(stage.seconds for stage in self.stages)
        return min(total, 60 * self.max_minutes) if self.max_minutes else total

    @property
    def bytes(self) -> int:
        """Expected memory at the peak."""
        return BASE_BYTES + self.data_bytes + max(stage.bytes for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """A plain dict: configuration, stages, seconds, bytes."""
        return {
            "configuration": self.configuration,
            "stages": [dict(vars(stage)) for stage in self.stages],
            "seconds": round(self.seconds, 1),
            "bytes": self.bytes,
        }


def make_plan(
    parts: TwoStageParts, settings: Settings, facts: Facts, *, views: int, data_bytes: int, configuration: dict[str, Any],
    max_minutes: float | None, bfloat16: bool, timed: bool,
) -> Plan:  # fmt: skip
    """Measure each stage's step; `timed` = False leaves the seconds out (0), for the memory check alone."""
    image = torch.rand(BATCH_MEASURED, facts.image_channels, *facts.size) * 2 - 1
    layouts = LayoutBatch(torch.zeros(BATCH_MEASURED, *facts.size, dtype=torch.uint8))
    stages = []
    for name, module in parts.modules.items():
        section = getattr(settings, name)
        step = _loss_of(name, module, image, layouts)
        steps = section.steps if name == "tokenizer" else steps_of(section, views)
        seconds = _seconds(step, bfloat16) / BATCH_MEASURED * section.batch_size * steps if timed else 0.0
        parameters = sum(p.numel() for p in module.parameters())
        height, width = cast(Tokenizer, module).streams[0].grid if name == "tokenizer" else cast(Prior, module).grid
        needed = 4 * COPIES * parameters + _saved_bytes(step) // BATCH_MEASURED * section.batch_size
        stages.append(StagePlan(name, parameters, height * width, steps, seconds, needed, f"{name}.batch_size"))
        module.zero_grad(set_to_none=True)
    return Plan(configuration, tuple(stages), data_bytes, max_minutes)


def _loss_of(name: str, module: nn.Module, image: Tensor, layouts: LayoutBatch) -> Callable[[int], Tensor]:
    if name == "tokenizer":
        return lambda n: vq_loss(module.eval(), image[:n], 1.0, 0.25)[0]
    tokens = torch.zeros(len(image), *cast(Prior, module).grid, dtype=torch.long)
    given = layouts if name == "prior" else None
    return lambda n: negative_log_likelihood(module.eval(), tokens[:n], LayoutBatch(given.ids[:n]) if given is not None else None)


def _saved_bytes(step: Callable[[int], Tensor]) -> int:
    """Bytes that autograd keeps for a backward pass of the measured batch."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        step(1)
    return sum(kept.values()) * BATCH_MEASURED


def _seconds(step: Callable[[int], Tensor], bfloat16: bool) -> float:
    """Of a forward and a backward pass of the measured batch, the faster of two after a warm-up; one alone when it is slow."""
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = step(BATCH_MEASURED)
        loss.backward()
        best = min(best, time.perf_counter() - begin)
        if best > 10:
            break
    return best


def check_memory(plan: Plan, available: int) -> None:
    """Raise InputError, naming the setting to change, when the plan needs more memory than there is."""
    if plan.bytes <= available:
        return
    worst = max(plan.stages, key=lambda stage: stage.bytes)
    have, need = available / 2**30, plan.bytes / 2**30
    if plan.data_bytes > worst.bytes:
        raise InputError(
            f"the images need {need:.1f} GiB of memory and {have:.1f} GiB are free; take a smaller --size or a smaller --scale"
        )
    raise InputError(
        f"training {worst.name} needs about {need:.1f} GiB of memory and {have:.1f} GiB are free; "
        f"lower {worst.setting} (--set {worst.setting}=...) or take a smaller --size"
    )
