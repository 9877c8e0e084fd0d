"""What a training will cost before it starts: parameters, tokens, seconds, memory.

Seconds and bytes are measured on one step of each stage on random data of the right shape. The bytes of all tensors of
its passes forth and back are counted (`nn.peak_memory`) for a few items and for fewer, and scaled to the batch:

    bytes = weights, gradients, moments and averages + 1.42 peak of a step,    peak(B) = fixed + B item

where the peak is that without the gradients of weights, which grow while the maps of the way forth go.

Time is that of a step at a small batch, scaled alike. Sizes above 128x128 are measured at about that size and scaled by
their area, which leaves out that attention grows faster.

A batch that does not fit in the free memory, with a quarter to spare for what no hook sees, is computed in as
many parts as it takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.generators.network import Remembers
from labelmint.nn.peak_memory import peak_bytes
from labelmint.protocols import AnyPrior, Tokenizer
from labelmint.runs.config import Request, RunConfig
from labelmint.runs.wire import wire
from labelmint.systems.system import Wired
from labelmint.training.clock import now_of
from labelmint.training.regime import Networks, Regime, Stage
from labelmint.types import Batch, LayoutBatch

__all__ = ["Plan", "StagePlan", "check_memory", "make_plan"]

BASE_BYTES = 472 << 20  # Python, PyTorch, its libraries, and what a first step touches of them
COPIES = 3  # weights and their two moments
UNSEEN = 1.42  # buffers of convolutions and gaps of the heap, over tensors; measured by benchmarks/memory.py
SPARE = 1.25  # where it is not sure to fit
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
    endless: bool = False

    @property
    def seconds(self) -> float:
        """Expected time in all, at most the time budget, which an endless training uses up."""
        if self.endless and self.max_minutes:
            return 60 * self.max_minutes
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
    wired: Wired,
    config: RunConfig,
    *,
    views: int,
    data_bytes: int,
    device: torch.device,
    timed: bool,
    available: int | None = None,
    boxes: int = 0,
    processes: int = 1,
) -> Plan:
    """Measure each stage's step on the device.

    Arguments:
        wired, config: what will be trained.
        views: an epoch. data_bytes: that the pairs take.
        device: to measure on.
        timed: False leaves the seconds out (0), for the memory check alone.
        available: bytes that a stage may take; None takes batches in the parts that `config` says.
        boxes: of the layout that has most, where the system sees these.
        processes: that share each batch; bytes and seconds are those of one.
    """
    request, (size, smaller) = config.request, _measured(config)
    image = torch.rand(BATCH_MEASURED, config.image_channels, *size) * 2 - 1
    ids = torch.zeros(BATCH_MEASURED, *size, dtype=torch.uint8)
    measure = _Measure(
        batch=Batch(image, LayoutBatch(ids, boxes=_boxes(config, boxes, size))).to(device),
        larger=request.size[0] * request.size[1] / (size[0] * size[1]),
        device=device,
        precision=config.precision,
        now=now_of(request.clock, config.threads),
        timed=timed,
        views=views,
        still=device.type == "cpu" and not (request.crop or request.augment or request.rebalance != "none"),
        size=request.size,
        boxes=boxes,
        processes=processes,
    )
    stages = tuple(
        _stage_plan(stage, measured, measure, config.accumulate.get(stage.name, 1), available)
        for stage, measured in zip(wired.stages, smaller.stages, strict=True)
    )
    return Plan(config.model_dump(mode="json"), stages, data_bytes, request.max_minutes, request.endless)


def _boxes(config: RunConfig, count: int, size: tuple[int, int]) -> Tensor | None:
    """Boxes (B, N, 5), as many in each layout as the fullest has; None for a system that sees none."""
    if config.boxes is None:
        return None
    if not count:
        return torch.full((BATCH_MEASURED, 1, 5), -1.0)
    box = [next(iter(config.boxes.first.values())), 0.0, 0.0, size[1] / 2, size[0] / 2]
    return torch.tensor(box).repeat(BATCH_MEASURED, count, 1)


@dataclass(frozen=True, kw_only=True)
class _Measure:
    """What all stages are measured with: a batch that is `larger` times as large in the run, on a device, by the clock
    that counts the minutes; the views of an epoch, and whether each pair has one view alone, of (H, W) pixels; the
    boxes of the fullest layout; the processes that share a batch.
    """

    batch: Batch
    larger: float
    device: torch.device
    precision: str
    now: Callable[[], float]
    timed: bool
    views: int
    still: bool
    size: tuple[int, int]
    boxes: int
    processes: int


def _stage_plan(
    stage: Stage, measured: Stage, measure: _Measure, accumulate: int, available: int | None
) -> StagePlan:
    """The plan of a stage, by the losses of a smaller one; those who learn in turn need time each, and memory one
    after the other.
    """
    regime, settings = stage.regime, stage.regime.settings
    players = measured.regime.players(measured.module)
    networks = {player.name: player.module.to(measure.device).eval() for player in players}
    step = partial(_step, measured.regime, networks, measure.batch, measure.precision)
    seconds = _seconds(step, measure) if measure.timed else 0.0
    own, *rivals = (
        sum(p.numel() for p in player.module.parameters()) for player in regime.players(stage.module)
    )
    few = (1, 2) if settings.batch_size < BATCH_MEASURED else (2, BATCH_MEASURED)
    less, more = _peaks(step, few, [p for network in networks.values() for p in network.parameters()])
    each = (more - less) / (few[1] - few[0])
    an_item = UNSEEN * each * measure.larger
    fixed = 4 * (COPIES * (own + sum(rivals)) + regime.copies * own + max(own, *rivals, 0))
    fixed += round(UNSEEN * max(more - each * few[1], 0))
    if isinstance(stage.module, Remembers):
        fixed += stage.module.kept_bytes(measure.views, measure.boxes)
    if measure.still:
        fixed += regime.kept_bytes(stage.module, measure.views, measure.size)
    accumulate, batch_size = (
        max(settings.accumulate, accumulate),
        -(-settings.batch_size // measure.processes),
    )
    if available is not None:
        accumulate = max(accumulate, _parts_that_fit(fixed, an_item, batch_size, available))
    items, searched = regime.steps(measure.views) * batch_size, regime.drawn(measure.views)
    search = partial(_search, measured.regime, networks, measure.batch, measure.precision)
    drawing = _seconds(search, measure) if searched and measure.timed else 0.0
    return StagePlan(
        name=stage.name,
        parameters=own + sum(rivals),
        tokens=_tokens_of(stage.module),
        steps=regime.steps(measure.views),
        seconds=(seconds * items + drawing * searched) / BATCH_MEASURED * measure.larger,
        bytes=fixed + int(an_item * math.ceil(batch_size / accumulate)),
        setting=f"{stage.name}.batch_size",
        accumulate=accumulate,
    )


def _peaks(
    step: Callable[[int], None], few: tuple[int, int], weights: Sequence[nn.Parameter]
) -> tuple[int, int]:
    """The most bytes of a step of fewer items and of more, without the gradients of the weights."""
    hooks = [one.register_post_accumulate_grad_hook(_drop) for one in weights if one.requires_grad]
    less, more = (peak_bytes(partial(step, items), gradients=True) for items in few)
    for hook in hooks:
        hook.remove()
    return less, more


def _drop(weight: Tensor) -> None:
    weight.grad = None


def _step(regime: Regime, networks: Networks, batch: Batch, precision: str, items: int) -> None:
    """The passes of a step forth and back; it changes no weights and leaves no gradients."""
    losses, half = regime.losses(networks, batch[:items]), precision == "bf16-mixed"
    while True:
        with torch.autocast(batch.image.device.type, torch.bfloat16, enabled=half):
            loss = next(losses, None)
        if loss is None:
            return
        loss.backward()
        del loss
        for network in networks.values():
            network.zero_grad()


@torch.no_grad()
def _search(regime: Regime, networks: Networks, batch: Batch, precision: str, items: int) -> None:
    """The passes of a step forth alone."""
    with torch.autocast(batch.image.device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
        next(regime.losses(networks, batch[:items]))


def _tokens_of(module: nn.Module) -> int:
    """Tokens that a tokenizer or a prior has of an image; 0 of any other module."""
    if isinstance(module, Tokenizer):
        return sum(math.prod(stream.grid) for stream in module.streams)
    return math.prod(module.grid) if isinstance(module, AnyPrior) else 0


def _parts_that_fit(fixed: int, an_item: float, batch_size: int, available: int) -> int:
    """The fewest equal parts of a batch that fit in memory, or the most that are tried."""
    most = min(MOST_PARTS, batch_size)
    fitting = (
        n for n in range(1, most) if SPARE * (fixed + an_item * math.ceil(batch_size / n)) <= available
    )
    return next(fitting, most)


def _measured(config: RunConfig) -> tuple[tuple[int, int], Wired]:
    """The size that is measured, and the untrained system for it: about 128x128 pixels, more where it needs more."""
    request, pixels = config.request, MEASURED_PIXELS
    while True:
        size = _size_of(request, pixels)
        settings = request.settings.resized(min(request.size), min(size))
        probe = {"request": request.model_copy(update={"size": size, "settings": settings})}
        try:
            return size, wire(config.model_copy(update=probe))
        except InputError:
            if size == request.size:
                raise
            pixels *= 4


def _size_of(request: Request, pixels: int) -> tuple[int, int]:
    """The size itself, or a smaller one of about the same shape that has about as many pixels."""
    height, width = request.size
    if height * width <= pixels:
        return request.size
    token, shrink = request.settings.multiple, (pixels / (height * width)) ** 0.5
    return max(round(height * shrink / token), 1) * token, max(round(width * shrink / token), 1) * token


def _seconds(step: Callable[[int], None], measure: _Measure) -> float:
    """Seconds of the passes of the measured batch, the faster of two after a warm-up; one alone when it is slow."""
    best = float("inf")
    for _ in range(3):
        begin = measure.now()
        step(BATCH_MEASURED)
        if measure.device.type == "cuda":
            torch.cuda.synchronize(measure.device)
        best = min(best, measure.now() - begin)
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
