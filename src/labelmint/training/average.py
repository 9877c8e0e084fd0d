"""The weights that are kept of a training: the last ones, or their moving average.

    average <- decay average + (1 - decay) weights,    decay = 2^(-1 / (h n)) after n steps

so that weights of h n steps ago count half. What a part keeps is what draws: for averaged weights the largest singular
values are sought anew where weights are divided by them, and batch statistics are those of the kept weights on fixed
batches of training pairs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import nn
from torch.nn.utils import parametrize

from labelmint.training.loop import Loop, move_average
from labelmint.types import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # seconds to import, and drawing does without

__all__ = ["Average", "Settling", "batch_norms", "settle_norms", "synchronize"]

_ITERATIONS, _BATCHES = 20, 64


@runtime_checkable
class Settling(Protocol):
    """A module that keeps something of the training pairs as its kept weights see them, such as clusters."""

    def settle(self, batches: Iterable[Batch]) -> None:
        """Take it from some pairs, in place of what was taken before; in evaluation mode, without gradients."""


class Average:
    """The moving average of a module's weights, checkpointed with its loop.

    Attributes:
        kept: what is judged in training: the average, or the module itself without one.

    Arguments:
        half_life: h, a share of the steps done; 0 keeps the last weights.
    """

    def __init__(self, module: nn.Module, loop: Loop, half_life: float) -> None:
        self.module, self.half_life = module, half_life
        self.kept = module
        if half_life:
            self.kept = copy.deepcopy(module).eval().requires_grad_(False)
            self.kept.load_state_dict(loop.extra.get("average", module.state_dict()), strict=False)
            loop.extra["average"] = dict(self.kept.named_parameters())

    def move(self, step: int) -> None:
        """Take in the weights after a step."""
        if self.kept is not self.module:
            move_average(self.kept, self.module, _decay(self.half_life, step))

    def judged(self) -> nn.Module:
        """What is kept, with all that is not learned as the module has it by now."""
        if self.kept is not self.module:
            for mine, its in zip(self.kept.buffers(), self.module.buffers(), strict=True):
                mine.copy_(its)
        return self.kept

    def give_back(self, run: Callable[[int], object] | None = None) -> None:
        """Leave in the module the weights that are kept, and all that follows from them.

        Arguments:
            run: passes the batch of a number through the module, for batch statistics to be taken from; without it they
                stay as training left them.
        """
        if self.kept is not self.module:
            self.module.load_state_dict(dict(self.kept.named_parameters()), strict=False)
        settle_norms(self.module)
        if run is not None:
            _settle_statistics(self.module, run)


@torch.no_grad()
def settle_norms(module: nn.Module) -> None:
    """Have spectral norms find the largest singular values of the weights as they are, by power iteration."""
    modes = {each: each.training for each in module.modules()}
    for each in module.modules():
        if hasattr(each, "n_power_iterations"):  # torch's spectral norm
            each.train()
    for each in module.modules():
        if parametrize.is_parametrized(each):
            for _ in range(_ITERATIONS):
                for name in each.parametrizations:  # type: ignore[union-attr]
                    getattr(each, name)
    for each, mode in modes.items():
        each.training = mode


def batch_norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The norms over the batch in a module."""
    return [each for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]


def synchronize(module: nn.Module, fabric: Fabric) -> None:
    """Have norms over the batch see that of all processes where these have GPUs; elsewhere PyTorch can't, and each
    process takes statistics of its share.
    """
    if fabric.world_size > 1 and fabric.device.type == "cuda" and batch_norms(module):
        nn.SyncBatchNorm.convert_sync_batchnorm(module)


@torch.no_grad()
def _settle_statistics(module: nn.Module, run: Callable[[int], object]) -> None:
    """Take the statistics of norms over the batch from `_BATCHES` batches, all weighted alike."""
    norms = [each for each in batch_norms(module) if each.track_running_stats]
    if not norms:
        return
    module.eval()
    momenta = [each.momentum for each in norms]
    for each in norms:
        each.reset_running_stats()
        each.momentum = None  # the plain mean
        each.train()
    for number in range(_BATCHES):
        run(number)
    for each, momentum in zip(norms, momenta, strict=True):
        each.momentum = momentum
        each.eval()


def _decay(half_life: float, steps: int) -> float:
    """Decay of the moving average after n steps."""
    return float(0.5 ** (1 / max(half_life * steps, 0.5)))
