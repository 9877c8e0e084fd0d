"""Conditional implicit maximum likelihood: every training image draws a sample toward itself.

    L = mean over j of min over k of d(x_j, G(s_j, z_jk)),    k = 1 ... m

It is minimized in rounds. A round draws its views j = 1 ... n of the training pairs once, m codes for each, and keeps
the code of the nearest sample, by the distance that training minimizes. Then the network learns from these frozen views
and codes for a number of steps. So no training image is without a sample near it, as the images without one are under
an adversary.

    view j of round r: row j of batch r of n pairs,    z_jk: a function of (seed, r, j, k)

Views and codes are drawn anew wherever they are needed. So all that a round remembers are the n numbers k, memory does
not grow with m, processes share out the j, and a training that was stopped goes on within its round. The search is in
evaluation mode, without gradients, and in bfloat16 where the training is.

References:
    Implicit Maximum Likelihood Estimation (Li & Malik, 2018), https://arxiv.org/abs/1809.09087
    Diverse Image Synthesis from Semantic Layouts via Conditional IMLE (Li et al., 2019),
    https://arxiv.org/abs/1811.12373: Algorithm 1
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.generators.network import seeded_noise
from labelmint.objectives.layered import LayeredObjective
from labelmint.objectives.objective import rows_at_once
from labelmint.protocols import Noise
from labelmint.training.accumulation import backward_in_parts
from labelmint.training.average import Average
from labelmint.training.clock import learning_rate, stop_on_interrupt
from labelmint.training.loop import Loop, reseed
from labelmint.training.regime import MOST_JUDGED, Bench, Learning, Networks, Player, Stage
from labelmint.types import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # seconds to import, and drawing does without

__all__ = ["IMLE", "Found", "IMLELearning", "Round", "search"]

_AT_ONCE = 16  # images that the search draws at once, of large ones fewer
_SEEN_AGAIN = 32  # views of a round that are searched once more at its end


class IMLELearning(Learning):
    """How long the rounds are, and how much they search."""

    round_steps: int = Field(
        10_000, ge=1, description="steps of a round; there are steps / round_steps rounds"
    )
    round_layouts: int = Field(400, ge=1, description="views of training pairs that a round learns from")
    codes: int = Field(10, ge=1, description="samples of each view, the nearest of which is drawn nearer")


class Round(NamedTuple):
    """The views of a round and their codes, none of which are kept.

    Attributes:
        pairs: to view. number: r. views: n. codes: m. noise: of the network.
    """

    pairs: Pairs
    number: int
    views: int
    codes: int
    noise: Noise

    def some(self, rows: Sequence[int], chosen: Sequence[int] | None = None) -> Batch:
        """Views by their j; with the codes k that are chosen for all j, if given."""
        batch = self.pairs.some(self.number, self.views, rows)
        return (
            batch if chosen is None else replace(batch, codes=self.codes_of(rows, [chosen[j] for j in rows]))
        )

    def codes_of(self, rows: Sequence[int], which: Sequence[int]) -> Tensor:
        """z_jk, (B, *shape) on the CPU, of each j and its k."""
        firsts = [(self.number * self.views + j) * self.codes for j in rows]
        seeds = [(self.pairs.seed, first + k) for first, k in zip(firsts, which, strict=True)]
        kind, shape = self.noise.kind, self.noise.shape
        drawn = seeded_noise(Noise(kind, shape, (("imle", shape[0]),)), seeds)
        assert drawn is not None
        return drawn

    def order(self, place: int, size: int) -> list[int]:
        """The j of a step of the round: all of them once, in random order, then anew."""
        counts = range(place * size, (place + 1) * size)
        orders = {
            epoch: np.random.default_rng([self.pairs.seed, 2, self.number, epoch]).permutation(self.views)
            for epoch in {count // self.views for count in counts}
        }
        return [int(orders[count // self.views][count % self.views]) for count in counts]


class Found(NamedTuple):
    """What a search found of some views: the k of the nearest sample, its distance, and the mean distance.

    All are (B,).
    """

    chosen: Tensor
    nearest: Tensor
    mean: Tensor


@torch.no_grad()
def search(
    network: nn.Module,
    objective: LayeredObjective,
    one: Round,
    rows: Sequence[int],
    autocast: Callable[[], AbstractContextManager[Any]],
) -> Found:
    """The nearest of m samples of each view: k = argmin of d(x_j, G(s_j, z_jk)), of equal ones the first.

    Arguments:
        network: in evaluation mode. objective: whose distance it is. rows: the j.
        autocast: makes the context to draw in.
    """
    balance = cast(Tensor, network.balance)
    batch = one.some(rows).to(balance.device)
    wanted, masks = objective.maps(batch.image), objective.masks(batch)
    apart = []
    for k in range(one.codes):
        codes = one.codes_of(rows, [k] * len(rows)).to(balance.device)
        with autocast():
            made = network(batch.layouts, codes, {})
        apart.append(objective.distances(made.float(), wanted, masks, balance))
    distances = torch.stack(apart)
    # argmin names any of equal ones
    nearest = distances.amin(dim=0)
    return Found((distances == nearest).int().argmax(dim=0), nearest, distances.mean(dim=0))


class IMLE:
    """Regime of a network with noise, and its distance.

    Arguments:
        settings: steps, rounds, batch size, rate.
        objective: its distance.
        half_life: of the moving average of the weights, a share of the steps done; 0 keeps the last weights.
        begin_from: called with the network before the training, to give it weights; or nothing.
    """

    def __init__(
        self,
        settings: IMLELearning,
        objective: LayeredObjective,
        half_life: float = 0.0,
        begin_from: Callable[[nn.Module], None] | None = None,
    ) -> None:
        self.settings, self.objective = settings, objective
        self.half_life, self.begin_from = half_life, begin_from

    def players(self, module: nn.Module) -> tuple[Player, ...]:
        """The network alone."""
        return (Player("module", module, self.settings.learning_rate),)

    def steps(self, views: int) -> int:
        """The steps of the settings."""
        return self.settings.steps

    def drawn(self, views: int) -> int:
        """The samples of all searches, those at the end of a round among them."""
        layouts = self.settings.round_layouts
        rounds = math.ceil(self.settings.steps / self.settings.round_steps)
        return (rounds * layouts + (rounds - 1) * min(_SEEN_AGAIN, layouts)) * self.settings.codes

    def begin(self, module: nn.Module, pairs: Pairs, name: str) -> None:
        """The weights to begin with, and what the objective does before the first step."""
        if self.begin_from is not None:
            self.begin_from(module)
        self.objective.begin(module, pairs.showing(self.settings.shown))

    def terms(self, player: str, networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The distance at the codes of the batch."""
        found = self.objective(networks[player], batch)
        return found.fidelity, found.terms

    def losses(self, networks: Networks, batch: Batch) -> Iterator[Tensor]:
        """That of the batch."""
        for player in networks:
            yield self.terms(player, networks, batch)[0]

    @property
    def copies(self) -> int:
        """The average, where there is one."""
        return int(self.half_life > 0)

    def kept_bytes(self, module: nn.Module, views: int, size: tuple[int, int]) -> int:
        """A number a view of a round."""
        return 8 * self.settings.round_layouts

    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """The objective's figures."""
        return self.objective.held_out(module.eval(), pairs, device, at_most)

    def round(self, training: Pairs, number: int) -> Round:
        """A round of the pairs that are shown."""
        assert self.objective.noise is not None
        settings = self.settings
        return Round(training, number, settings.round_layouts, settings.codes, self.objective.noise)

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        """Train in place; the figures are the objective's, of the weights that are kept, and of the last search
        "nearest" and "mean", the distance of the chosen samples and that of all, and "revised", the share of views
        of the round before, of its first 32, of which another sample became the nearest; "searching" are the seconds
        of all searches.
        """
        settings, fabric, module = self.settings, bench.fabric, stage.module
        (player,) = self.players(module)
        optimizer = torch.optim.Adam(
            [player.group], lr=settings.learning_rate, betas=player.betas, fused=True
        )
        loop = Loop(stage.name, bench, module, optimizer, settings.steps, bench.seconds)
        model, wrapped = fabric.setup(module, optimizer)
        average, networks = Average(module, loop, self.half_life), {player.name: cast(nn.Module, model)}
        rank, world = fabric.global_rank, fabric.world_size
        training, figures = bench.training.showing(settings.shown), dict[str, float]()
        with stop_on_interrupt() as asked_to_stop:
            while not loop.over(asked_to_stop()):
                number, place = divmod(loop.step, settings.round_steps)
                one = self.round(training, number)
                if loop.facts.get("round") != number and not self._begin_round(
                    fabric, module.eval(), one, loop, asked_to_stop
                ):
                    break
                reseed(training.seed, stage.name, loop.step, rank)
                loop.set_learning_rate(learning_rate(settings.learning_rate, loop.progress))
                rows = one.order(place, settings.batch_size)[rank::world]
                batch = one.some(rows, loop.facts["chosen"]).to(fabric.device)
                model.train()

                def loss_of(part: slice, batch: Batch = batch) -> tuple[Tensor, dict[str, Tensor]]:
                    return self.terms(player.name, networks, batch[part])

                wrapped.zero_grad()
                terms = backward_in_parts(fabric, model, len(batch), bench.accumulate, loss_of)
                wrapped.step()
                loop.step += 1
                average.move(loop.step)

                if loop.step % settings.evaluate_every == 0:
                    figures = self.held_out(average.judged(), bench.validation, fabric.device, MOST_JUDGED)
                if loop.step % 25 == 0 or loop.step % settings.evaluate_every == 0:
                    told = {name: float(term) for name, term in terms.items()}
                    loop.tell({**told, **loop.facts["search"], **figures}, settings.batch_size)
                loop.save_if_due()
        average.give_back()
        figures = self.held_out(module, bench.validation, fabric.device, MOST_JUDGED)
        figures |= loop.facts.get("search", {})
        loop.tell(figures, settings.batch_size)
        searching = loop.facts.get("searching", 0.0)  # seconds
        return {**figures, "steps": loop.step, "searching": searching, "seconds": loop.clock.elapsed}

    def _begin_round(
        self, fabric: Fabric, module: nn.Module, one: Round, loop: Loop, asked_to_stop: Callable[[], bool]
    ) -> bool:
        """Choose the codes of all views and see how the choice of the round before has aged; False when the time is
        over before.
        """
        facts, begin, told = loop.facts, loop.clock.elapsed, dict[str, float]()

        def over() -> bool:
            return loop.over(asked_to_stop())

        if "chosen" in facts:
            before = self.round(one.pairs, facts["round"])
            again = self._search(fabric, module, before, min(_SEEN_AGAIN, before.views), over)
            if again is None:
                return False
            changed = [now != then for now, then in zip(again[0].tolist(), facts["chosen"], strict=False)]
            told["revised"] = float(np.mean(changed))
        found = self._search(fabric, module, one, one.views, over)
        if found is None:
            return False
        chosen, nearest, mean = found
        facts["round"], facts["chosen"] = one.number, [int(k) for k in chosen.tolist()]
        facts["search"] = {"nearest": float(nearest.mean()), "mean": float(mean.mean()), **told}
        facts["searching"] = facts.get("searching", 0.0) + loop.clock.elapsed - begin
        return True

    def _search(
        self, fabric: Fabric, module: nn.Module, one: Round, views: int, over: Callable[[], bool]
    ) -> Tensor | None:
        """What the search finds of the first views, (3, views), each process with its share of them; None when the
        time is over before.
        """
        rank, world = fabric.global_rank, fabric.world_size
        device = cast(Tensor, module.balance).device
        found = torch.zeros(3, views, dtype=torch.float64, device=device)
        step = world * rows_at_once(_AT_ONCE, one.pairs.geometry.size)
        for first in range(0, views, step):
            if first and over():
                return None
            rows = [*range(first, min(first + step, views))][rank::world]
            if rows:
                found[:, rows] = torch.stack(
                    [part.double() for part in search(module, self.objective, one, rows, fabric.autocast)]
                )
        return cast(Tensor, fabric.all_reduce(found, reduce_op="sum")) if world > 1 else found
