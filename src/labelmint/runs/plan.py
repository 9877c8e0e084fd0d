"""What a training will cost before it starts: parameters, tokens, seconds, memory.

Seconds and bytes are measured on one step of each stage on random data of the right shape: activations are
counted by hooks on what autograd saves, for one item more, and scaled to the batch; time is that of a step at
a small batch, scaled alike. Sizes above 128x128 are measured at about that size and scaled by their area,
which leaves out that attention grows faster.

A batch that does not fit in the free memory, with a quarter to spare for what no hook sees, is computed in as
many parts as it takes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.nn.patch import PatchDiscriminator
from labelmint.objectives.adversarial import discriminator_loss, generator_loss
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.objectives.reconstruction import vq_loss
from labelmint.objectives.vq_model import vq_model_loss
from labelmint.protocols import Prior, Tokenizer
from labelmint.runs.config import Request, RunConfig
from labelmint.runs.trained import build_parts
from labelmint.systems.config import Section
from labelmint.systems.parts import StageSpec, TwoStageParts
from labelmint.tokenizers.levels import Reconstruction
from labelmint.training.prior import steps_of
from labelmint.training.vq_model import VQModelTraining, distance_of
from labelmint.types import Batch, LayoutBatch

__all__ = ["Plan", "StagePlan", "check_memory", "make_plan"]

BASE_BYTES = 450 << 20  # Python, PyTorch and its libraries
COPIES = 6  # weights, gradient, two moments, average, best
SPARE = 1.25  # buffers of convolutions and of the optimizer come on top
MOST_PARTS = 16  # of a batch, unless more are asked for
BATCH_MEASURED = 4
MEASURED_PIXELS = 128 * 128


@dataclass(frozen=True)
class StagePlan:
    """One stage: its name, parameters, tokens an image, steps, seconds, bytes at the peak, the setting that
    shrinks them, and the parts in which a batch is computed.
    """

    name: str
    parameters: int
    tokens: int
    steps: int
    seconds: float
    bytes: int
    setting: str
    accumulate: int = 1


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
    def accumulate(self) -> dict[str, int]:
        """Parts of a batch, of the stages that take more than one."""
        return {stage.name: stage.accumulate for stage in self.stages if stage.accumulate > 1}

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
    parts: TwoStageParts,
    config: RunConfig,
    *,
    views: int,
    data_bytes: int,
    device: torch.device,
    timed: bool,
    available: int | None = None,
) -> Plan:
    """Measure each stage's step on the device.

    Arguments:
        parts, config: what will be trained.
        views: an epoch. data_bytes: that the pairs take.
        device: to measure on.
        timed: False leaves the seconds out (0), for the memory check alone.
        available: bytes that a stage may take; None takes batches in the parts that `config` says.
    """
    request, size = config.request, _measured_size(config.request)
    probe = config.model_copy(update={"request": _shrunken(request, size)})
    larger = request.size[0] * request.size[1] / (size[0] * size[1])
    image = torch.rand(BATCH_MEASURED, config.image_channels, *size) * 2 - 1
    batch = Batch(
        image.to(device), LayoutBatch(torch.zeros(BATCH_MEASURED, *size, dtype=torch.uint8, device=device))
    )
    stages = []
    for spec, measured in zip(parts.stages(), build_parts(probe).stages(), strict=True):
        section = getattr(request.settings, spec.name)
        step = _loss_of(measured, section, batch)
        steps = section.steps if spec.tokenize is None else steps_of(section, views)
        item = _seconds(step, device, config.precision) / BATCH_MEASURED * larger if timed else 0.0
        parameters = sum(p.numel() for p in spec.module.parameters())
        grids = (
            [stream.grid for stream in cast(Tokenizer, spec.module).streams]
            if spec.tokenize is None
            else [cast(Prior, spec.module).grid]
        )
        tokens = sum(height * width for height, width in grids)
        one, two = _saved_bytes(step, 1), _saved_bytes(step, 2)  # the weights that are saved too count once
        fixed, an_item = 4 * COPIES * parameters + max(2 * one - two, 0), (two - one) * larger
        if spec.tokenize is not None and device.type == "cpu" and not (request.crop or request.augment):
            layouts = request.size[0] * request.size[1] if spec.name == "prior" else 0
            fixed += views * (2 * tokens + layouts)  # tokens and layouts that are kept
        accumulate = max(section.accumulate, config.accumulate.get(spec.name, 1))
        if available is not None:
            accumulate = max(accumulate, _parts_that_fit(fixed, an_item, section.batch_size, available))
        needed = fixed + int(an_item * math.ceil(section.batch_size / accumulate))
        seconds = item * section.batch_size * steps
        stages.append(
            StagePlan(
                spec.name, parameters, tokens, steps, seconds, needed, f"{spec.name}.batch_size", accumulate
            )
        )
    return Plan(config.model_dump(mode="json"), tuple(stages), data_bytes, request.max_minutes)


def _parts_that_fit(fixed: int, an_item: float, batch_size: int, available: int) -> int:
    """The fewest equal parts of a batch that fit in memory, or the most that are tried."""
    most = min(MOST_PARTS, batch_size)
    fitting = (
        n for n in range(1, most) if SPARE * (fixed + an_item * math.ceil(batch_size / n)) <= available
    )
    return next(fitting, most)


def _measured_size(request: Request) -> tuple[int, int]:
    """The size itself, or a smaller one of about the same shape that is safe to measure."""
    height, width = request.size
    if height * width <= MEASURED_PIXELS:
        return request.size
    sections = (request.settings.tokenizer, request.settings.layout_tokenizer)
    token = 1 << max(section.downsamplings for section in sections if section is not None)
    token = math.lcm(token, getattr(request.settings.tokenizer, "layout_cell", 0) or 1)
    shrink = (MEASURED_PIXELS / (height * width)) ** 0.5
    return max(round(height * shrink / token), 1) * token, max(round(width * shrink / token), 1) * token


def _shrunken(request: Request, size: tuple[int, int]) -> Request:
    """The request at another size, with attention at the same stages."""
    changed = {}
    for name in ("tokenizer", "layout_tokenizer"):
        if (section := getattr(request.settings, name)) is not None:
            # rounded up: no stage may lose it
            below = -(-section.attention_below * min(size) // min(request.size))
            changed[name] = section.model_copy(update={"attention_below": below})
    return request.model_copy(update={"size": size, "settings": request.settings.model_copy(update=changed)})


def _loss_of(spec: StageSpec, section: Section, batch: Batch) -> Callable[[int], Tensor]:
    """The loss of the first n items; an adversary counts with its own pass over what was made."""
    module, tokenize = spec.module.to(batch.image.device).eval(), spec.tokenize
    if isinstance(section, VQModelTraining):
        return _vq_model_loss_of(module, section, batch)
    if tokenize is None:
        return lambda n: vq_loss(
            module, Batch(batch.image[:n], LayoutBatch(batch.layouts.ids[:n])), 1.0, 0.25
        )[0]
    with torch.no_grad():
        tokens, seen = tokenize(batch)
    return lambda n: negative_log_likelihood(
        module, tokens[:n], LayoutBatch(seen.ids[:n]) if seen is not None else None
    )


def _vq_model_loss_of(module: nn.Module, section: VQModelTraining, batch: Batch) -> Callable[[int], Tensor]:
    channels = batch.image.shape[1]
    judge = PatchDiscriminator(channels, section.discriminator_channels, section.discriminator_layers).to(
        batch.image.device
    )
    distance = distance_of(section, batch.image.device)

    def loss(n: int) -> Tensor:
        few = Batch(batch.image[:n], LayoutBatch(batch.layouts.ids[:n]))
        found = Reconstruction(*module(few.image, few.layouts))
        parts = vq_model_loss(found, few, variance=1.0, commitment=0.25, distance=distance)
        if not section.adversary or found.image is None:
            return parts.fidelity + parts.others
        of_real, of_made = judge(few.image), judge(found.image)  # in training twice, one after the other
        return parts.fidelity + parts.others + generator_loss(of_made) + discriminator_loss(of_real, of_made)

    return loss


def _saved_bytes(step: Callable[[int], Tensor], items: int) -> int:
    """Bytes that autograd keeps for the backward pass of some items."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        step(items)
    return sum(kept.values())


def _seconds(step: Callable[[int], Tensor], device: torch.device, precision: str) -> float:
    """Of a forward and a backward pass of the measured batch, the faster of two after a warm-up; one alone
    when it is slow.
    """
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = step(BATCH_MEASURED)
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - begin)
        if best > 10:
            break
    return best


def check_memory(plan: Plan, available: int) -> None:
    """Raise InputError, naming the setting to change, when training needs more than the free memory; data are
    loaded by then.
    """
    worst = max(plan.stages, key=lambda stage: stage.bytes)
    if worst.bytes > available:
        raise InputError(
            f"training {worst.name} needs about {worst.bytes / 2**30:.1f} GiB of memory and "
            f"{available / 2**30:.1f} GiB are free; "
            f"lower {worst.setting} (--set {worst.setting}=...) or take a smaller --size"
        )
