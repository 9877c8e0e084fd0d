"""What the loops share: one stage's modules, optimizer, precision, checkpoints and reports."""

from __future__ import annotations

import hashlib
import math
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.progress import Event
from labelmint.training.clock import Clock
from labelmint.training.regime import Bench

__all__ = ["Loop", "move_average", "reseed"]

SECONDS_BETWEEN_CHECKPOINTS = 30.0
FEW = 0.05  # of the steps: a person is told where the time ends before
T = TypeVar("T")


def reseed(seed: int, stage: str, step: int, rank: int) -> None:
    """Make all random numbers of a step (dropout, noise, revival) depend on (seed, stage, step, rank) alone."""
    digest = hashlib.sha256(f"{seed}/{stage}/{step}/{rank}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:7], "big"))


@torch.no_grad()
def move_average(average: nn.Module, module: nn.Module, decay: float) -> None:
    """average <- decay average + (1 - decay) module, over all parameters."""
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - decay)


class Loop:
    """A stage in training: step, progress, learning rates, checkpoints and reports.

    Attributes:
        extra: more tensors to checkpoint, by group: averages, best weights.
        facts: more values to checkpoint.

    Arguments:
        name: of the stage and of its part in the run.
        bench: device, run, budget.
        module: all that is trained and checkpointed.
        optimizer: over its parameters.
        steps: the step budget. seconds: the time budget, or None.
    """

    def __init__(
        self,
        name: str,
        bench: Bench,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        steps: int,
        seconds: float | None,
    ) -> None:
        fabric, run, report = bench.fabric, bench.run, bench.report
        self.name, self.fabric, self.run, self.report = name, fabric, run, report
        self.module, self.optimizer = module, optimizer
        self._shares = [group["lr"] / optimizer.param_groups[0]["lr"] for group in optimizer.param_groups]
        self.extra: dict[str, dict[str, Tensor]] = {}
        self.step, self.progress = 0, 0.0
        self.facts: dict[str, Any] = {}
        elapsed = self._restore()
        self.clock = Clock(steps, seconds, elapsed, bench.now, bench.endless)
        self._saved_at = self.clock.elapsed
        if fabric.global_rank == 0:
            run.rewind_log(name, self.step)

    def set_learning_rate(self, rate: float) -> None:
        """Set the rate of the first parameter group; the others keep their ratio to it."""
        for group, share in zip(self.optimizer.param_groups, self._shares, strict=True):
            group["lr"] = rate * share

    def save_if_due(self, force: bool = False) -> None:
        """Checkpoint by the clock; what is saved when has no influence on the result."""
        if (
            force or self.clock.elapsed - self._saved_at > SECONDS_BETWEEN_CHECKPOINTS
        ) and self.fabric.global_rank == 0:
            tensors = {f"module.{k}": v for k, v in self.module.state_dict().items()}
            for name, group in self.extra.items():
                tensors |= {f"extra.{name}.{k}": v for k, v in group.items()}
            for name, parameter in self.module.named_parameters():
                for key, value in self.optimizer.state.get(parameter, {}).items():
                    tensors[f"optimizer.{key}.{name}"] = torch.as_tensor(value)
            self.run.save_checkpoint(
                self.name,
                _apart(tensors),
                {"step": self.step, "elapsed": self.clock.elapsed, "facts": self.facts},
            )
            self._saved_at = self.clock.elapsed

    def _restore(self) -> float:
        found = self.run.load_checkpoint(self.name)
        if found is None:
            return 0.0
        tensors, where = found
        self.module.load_state_dict({k[7:]: v for k, v in tensors.items() if k.startswith("module.")})
        parameters = dict(self.module.named_parameters())
        for key, value in tensors.items():
            kind, _, rest = key.partition(".")
            first, _, name = rest.partition(".")
            if kind == "extra":
                self.extra.setdefault(first, {})[name] = value.to(next(iter(parameters.values())).device)
            elif kind == "optimizer":
                parameter = parameters[name]
                # others count their steps on the CPU
                beside = first != "step" or self.optimizer.defaults.get("fused")
                device = parameter.device if beside else torch.device("cpu")
                self.optimizer.state[parameter][first] = value.to(device)
        self.step, self.facts = int(where["step"]), where["facts"]
        return float(where["elapsed"])

    def over(self, asked_to_stop: bool = False) -> bool:
        """True if the loop has to end before this step; saves first when asked to stop, and sets `progress`.

        Processes must agree to the last bit, so the first one's clock and signals decide for all.
        """
        decided = self.clock.over(self.step), asked_to_stop, self.clock.progress(self.step)
        over, stop, self.progress = self.agreed(decided)
        if stop:
            self.save_if_due(force=True)
            raise KeyboardInterrupt
        if over and self.step < FEW * self.clock.steps and self.fabric.global_rank == 0:
            said = f"its time is over after {self.step} of {self.clock.steps} steps; it has learned little"
            self.report(Event(self.name, self.step, max(self.step, 1), message=said))
        return over

    def agreed(self, value: T) -> T:
        """The first process's value, in all of them."""
        return self.fabric.broadcast(value) if self.fabric.world_size > 1 else value

    def tell(self, losses: dict[str, float], batch_size: int, message: str = "") -> None:
        """Report progress and write a line to the log; raise InputError when a loss is no longer a number."""
        if not all(math.isfinite(loss) for loss in losses.values()):
            raise InputError(
                f"{self.name}: the loss is no longer finite after {self.step} steps; lower "
                f"{self.name}.learning_rate"
            )
        speed = self.clock.speed(self.step)
        seconds_left = self.clock.seconds_left(self.step, speed)
        if self.fabric.global_rank == 0:
            row = {"stage": self.name, "step": self.step, "seconds": round(self.clock.elapsed, 2), **losses}
            self.run.log({**row, "images_per_second": round(speed * batch_size, 1)})
            steps = self.clock.steps
            if self.clock.seconds:
                in_time = self.step + int(seconds_left * speed)
                steps = in_time if self.clock.endless and speed > 0 else min(steps, in_time)
            self.report(
                Event(
                    self.name,
                    self.step,
                    max(steps, self.step, 1),
                    speed * batch_size,
                    seconds_left,
                    losses,
                    message,
                )
            )


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, copied where one shares memory with another (an average that is the best, say) or fills only a part
    of its own: such can't be stored twice, and copies of all would take as much again.
    """
    found, seen = dict[str, Tensor](), set[int]()
    for name, tensor in tensors.items():
        memory = tensor.untyped_storage()
        alone = memory.data_ptr() not in seen and memory.nbytes() == tensor.numel() * tensor.element_size()
        seen.add(memory.data_ptr())
        found[name] = tensor.detach() if alone else tensor.detach().clone()
    return found
