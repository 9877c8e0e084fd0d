"""How a module learns: regimes, the stages that they train, and what every training loop is given.

A *regime* is one way of learning, one file each: `minimize` (an objective), `adversarial` (an objective against a
discriminator), `likelihood` (of tokens) and `imle` (the nearest of several samples). It knows its loss, and its one
plain loop. The plan measures the same loss that the loop minimizes. A *stage* is a module with its regime; a system
trains its stages in a row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.progress import Report
from labelmint.training.run_folder import RunFolder
from labelmint.types import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # seconds to import, and drawing does without

__all__ = ["MOST_JUDGED", "Bench", "Learning", "Networks", "Player", "Regime", "Stage"]

MOST_JUDGED = 256  # held-out pairs, in training
Networks = Mapping[str, nn.Module]  # the module of each player, by its name


class Learning(BaseModel):
    """What every regime can be told."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    steps: int = Field(3000, ge=1, description="iterations")
    batch_size: int = Field(32, ge=1)
    accumulate: int = Field(
        1, ge=1, description="parts of a batch, one after the other; more take less memory"
    )
    learning_rate: float = Field(1e-3, gt=0)
    shown: float = Field(
        0.0, ge=0, le=1, description="share of the views drawn to show each class as often as the others"
    )
    evaluate_every: int = Field(200, ge=1, description="steps between held-out figures")
    share: float = Field(0.25, gt=0, description="of a time budget, relative to the other parts")


class Player(NamedTuple):
    """One of those who learn in turn.

    Attributes:
        name: of the player. module: its network.
        rate: the highest learning rate of its schedule. betas: of Adam.
    """

    name: str
    module: nn.Module
    rate: float
    betas: tuple[float, float] = (0.9, 0.999)

    @property
    def group(self) -> dict[str, object]:
        """Its group of parameters for an optimizer."""
        learned = [p for p in self.module.parameters() if p.requires_grad]
        return {"params": learned, "lr": self.rate, "betas": self.betas}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a training loop works with.

    Arguments:
        fabric: device, precision, processes.
        run: where checkpoints, the log and the trained part go.
        training, validation: pairs.
        pool: images without labels, or None.
        seconds: the time budget of the stage, or None. endless: whether it alone ends the stage, not the steps.
        report: is told of progress.
        accumulate: parts of a batch, one after the other, as memory allows.
        now: the time that the budget counts, in seconds.
    """

    fabric: Fabric
    run: RunFolder
    training: Pairs
    validation: Pairs
    seconds: float | None
    report: Report
    accumulate: int = 1
    now: Callable[[], float] = time.perf_counter
    pool: Pairs | None = None
    endless: bool = False


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A module, how it learns, and its name: of its folder in the run, and of its section of the settings."""

    name: str
    module: nn.Module
    regime: Regime


class Regime(Protocol):
    """How a module learns."""

    @property
    def settings(self) -> Learning:
        """Steps, batch size, rates."""

    def players(self, module: nn.Module) -> tuple[Player, ...]:
        """Who learns in turn. The first is the module itself, and it alone is kept; all are planned for and
        checkpointed.
        """

    def steps(self, views: int) -> int:
        """The step budget, given how many views an epoch has."""

    def drawn(self, views: int) -> int:
        """Items that pass through the module without a way back, beside the steps: a search among samples."""

    def begin(self, module: nn.Module, pairs: Pairs, name: str) -> None:
        """Prepare a module for a training from the start, or one that is gone on with: a checkpoint is loaded
        afterwards.

        Arguments:
            pairs: the training pairs. name: of the stage.
        """

    def terms(self, player: str, networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """THE loss of a player on a batch, and its terms as figures: what the loop minimizes, late in the
        training, when all terms count.
        """

    def losses(self, networks: Networks, batch: Batch) -> Iterator[Tensor]:
        """The losses of one step as the loop computes them, one after the other: each is gone back from, and its
        gradients dropped, before the next is asked for. The plan measures them.
        """

    @property
    def copies(self) -> int:
        """The number of copies of the module's weights that the loop keeps beside them: their average, the best."""

    def kept_bytes(self, module: nn.Module, views: int, size: tuple[int, int]) -> int:
        """Bytes that the loop keeps of all pairs beside them, where each has one view of (H, W) pixels."""

    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """Figures on the first held-out pairs, or on all, in evaluation mode: the log shows them, and `evaluate`
        reports them.
        """

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        """Train the stage's module in place, from its checkpoint where there is one.

        Returns held-out figures, "steps" and "seconds". Raises KeyboardInterrupt after saving when it was asked to
        stop.
        """
