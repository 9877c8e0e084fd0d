"""Minimizing an objective over random views of the training pairs.

theta <- Adam(grad L(theta; views)),    kept: theta, or its moving average with a half-life of h of the steps done
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from labelmint.datasets.beside import with_unlabelled
from labelmint.datasets.pairs import Pairs
from labelmint.objectives.objective import Objective
from labelmint.tokenizers.codebooks import see_in_parts
from labelmint.training.accumulation import backward_in_parts, slices
from labelmint.training.average import Average
from labelmint.training.clock import learning_rate, stop_on_interrupt
from labelmint.training.loop import Loop, reseed
from labelmint.training.regime import MOST_JUDGED, Bench, Learning, Networks, Player, Stage
from labelmint.types import Batch

__all__ = ["Minimize"]


class Minimize:
    """Regime of one player and its objective.

    Arguments:
        settings: steps, batch size, rate.
        objective: what is minimized.
        half_life: of the moving average of the weights, a share of the steps done; 0 keeps the last weights.
        clip: the largest norm of a gradient, or None.
        unlabelled: the share of the images without labels in a batch, where there are any.
    """

    def __init__(
        self,
        settings: Learning,
        objective: Objective,
        half_life: float = 0.0,
        clip: float | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
        unlabelled: float = 0.0,
    ) -> None:
        self.settings, self.objective = settings, objective
        self.half_life, self.clip, self.betas = half_life, clip, betas
        self.unlabelled = unlabelled

    def players(self, module: nn.Module) -> tuple[Player, ...]:
        """The module alone."""
        return (Player("module", module, self.settings.learning_rate, self.betas),)

    def steps(self, views: int) -> int:
        """The steps of the settings."""
        return self.settings.steps

    def drawn(self, views: int) -> int:
        """None."""
        return 0

    def begin(self, module: nn.Module, pairs: Pairs, name: str) -> None:
        """What the objective does before the first step."""
        self.objective.begin(module, pairs.showing(self.settings.shown))

    def terms(self, player: str, networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective."""
        found = self.objective(networks[player], batch)
        return found.fidelity + found.others, found.terms

    def losses(self, networks: Networks, batch: Batch) -> Iterator[Tensor]:
        """The objective's."""
        for player in networks:
            yield self.terms(player, networks, batch)[0]

    @property
    def copies(self) -> int:
        """The average, where there is one."""
        return int(self.half_life > 0)

    def kept_bytes(self, module: nn.Module, views: int, size: tuple[int, int]) -> int:
        """Nothing."""
        return 0

    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """The objective's figures."""
        return self.objective.held_out(module.eval(), pairs, device, at_most)

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        """Train in place; the figures are the objective's, of the weights that are kept."""
        settings, fabric, module = self.settings, bench.fabric, stage.module
        (player,) = self.players(module)
        optimizer = torch.optim.Adam([player.group], lr=settings.learning_rate, betas=self.betas, fused=True)
        loop = Loop(stage.name, bench, module, optimizer, settings.steps, bench.seconds)
        model, wrapped = fabric.setup(module, optimizer)
        average, networks = Average(module, loop, self.half_life), {player.name: cast(nn.Module, model)}
        rank, world = fabric.global_rank, fabric.world_size
        training, figures = bench.training.showing(settings.shown), dict[str, float]()
        see_in_parts(module, len(slices(settings.batch_size // world, bench.accumulate)))
        with stop_on_interrupt() as asked_to_stop:
            while not loop.over(asked_to_stop()):
                reseed(training.seed, stage.name, loop.step, rank)
                loop.set_learning_rate(learning_rate(settings.learning_rate, loop.progress))
                batch = with_unlabelled(
                    training, bench.pool, self.unlabelled, loop.step, settings.batch_size, rank, world
                ).to(fabric.device)
                model.train()

                def loss_of(part: slice, batch: Batch = batch) -> tuple[Tensor, dict[str, Tensor]]:
                    return self.terms(player.name, networks, batch[part])

                wrapped.zero_grad()
                terms = backward_in_parts(fabric, model, len(batch), bench.accumulate, loss_of)
                norm = None
                if self.clip is not None:
                    norm = fabric.clip_gradients(model, wrapped, max_norm=self.clip, error_if_nonfinite=False)
                if norm is None or bool(norm.isfinite()):  # one overflow must not spoil the weights
                    wrapped.step()
                loop.step += 1
                average.move(loop.step)

                if loop.step % settings.evaluate_every == 0:
                    figures = self.held_out(average.judged(), bench.validation, fabric.device, MOST_JUDGED)
                if loop.step % 25 == 0 or loop.step % settings.evaluate_every == 0:
                    told = {name: float(term) for name, term in terms.items()}
                    loop.tell({**told, **figures}, settings.batch_size)
                loop.save_if_due()
        see_in_parts(module, 1)
        average.give_back()
        figures = self.held_out(module, bench.validation, fabric.device, MOST_JUDGED)
        loop.tell(figures, settings.batch_size)
        return {**figures, "steps": loop.step, "seconds": loop.clock.elapsed}
