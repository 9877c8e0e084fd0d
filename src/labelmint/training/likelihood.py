"""Maximizing the likelihood of tokens: keep the weights that do best on held-out ones, stop when none do better.

With `keep="last"` it goes on to the end all the same. What is judged, kept and sampled from is the exponential
moving average of the weights. Of images without labels, where a share of each batch shows them, a prior learns p(z): it
is told of no layout.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Literal, TypeAlias, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from labelmint.datasets.beside import labelled_rows
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.progress import Event
from labelmint.protocols import AnyPrior
from labelmint.training.accumulation import backward_in_parts
from labelmint.training.clock import learning_rate, stop_on_interrupt
from labelmint.training.loop import Loop, move_average, reseed
from labelmint.training.regime import Bench, Learning, Networks, Player, Stage
from labelmint.training.tokens import TokenBatches, Tokenize, tokenized
from labelmint.types import Batch, LayoutBatch

__all__ = ["Likelihood", "Nats", "PriorTraining", "steps_of"]

Nats: TypeAlias = Callable[[nn.Module, Tensor, LayoutBatch | None, float], Tensor]

_FIGURES = 20  # held-out ones of a training, at least
_BETAS = (0.9, 0.95)
_MOST_JUDGED, _AT_ONCE = 512, 32  # held-out pairs


class PriorTraining(Learning):
    """How a prior is trained (Tables 5 and 6)."""

    epochs: float = Field(
        1000, gt=0, description="passes over the training pairs (over their area where they are cropped)"
    )
    steps: int = Field(6000, ge=1, description="at most this many steps, whatever the epochs")
    weight_decay: float = Field(0.01, ge=0)
    token_noise: float = Field(
        0.05, ge=0, lt=1, description="share of the tokens read that are replaced by random ones"
    )
    average: float = Field(0.998, ge=0, lt=1, description="decay of the moving average of the weights")
    evaluate_every: int = Field(
        200, ge=1, description="steps between held-out figures; fewer where few steps are budgeted"
    )
    patience: int = Field(
        5, ge=1, description="times evaluate_every steps without a better held-out figure before it stops"
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="which weights: those best on held-out pairs, or the last, which know the training pairs "
        "better",
    )
    share: float = Field(0.55, gt=0, description="of a time budget, relative to the other parts")


class Likelihood:
    """Regime of a prior over tokens.

    Arguments:
        settings: steps, batch size, rate.
        tokenize: what the prior learns of a batch; of trained tokenizers.
        sees_layouts: whether layouts of the full size condition it.
        prepare: called with the prior and the training pairs before the training starts, or nothing.
        nats: the loss of a prior on tokens and the layouts that condition them, a mean over the items, with a share of
            the tokens read replaced in training.
        unlabelled: the share of the images without labels in a batch, of a prior that can do without a layout: it
            learns p(z) from these. pool: how many there are. The figures that stop it are of pairs alone.
    """

    def __init__(
        self,
        settings: PriorTraining,
        tokenize: Tokenize,
        sees_layouts: bool = True,
        prepare: Callable[[nn.Module, Pairs], None] | None = None,
        nats: Nats = negative_log_likelihood,
        unlabelled: float = 0.0,
        pool: int = 0,
    ) -> None:
        self.settings, self.tokenize = settings, tokenize
        self.sees_layouts, self.prepare, self.nats = sees_layouts, prepare, nats
        self.unlabelled, self.pool = unlabelled if pool else 0.0, pool if unlabelled else 0

    def players(self, module: nn.Module) -> tuple[Player, ...]:
        """The prior alone."""
        return (Player("module", module, self.settings.learning_rate, _BETAS),)

    def steps(self, views: int) -> int:
        """The step budget, by `steps_of`."""
        return steps_of(self.settings, views, self.unlabelled)

    def drawn(self, views: int) -> int:
        """None."""
        return 0

    def begin(self, module: nn.Module, pairs: Pairs, name: str) -> None:
        """What is to be prepared, if anything is."""
        if self.prepare is not None:
            self.prepare(module, pairs)

    def terms(self, player: str, networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Nats a token, some of those that are read replaced by random ones."""
        tokens, seen = tokenized(self.tokenize, batch, batch.image.device)
        return self._nats(networks[player], tokens, seen)

    def _nats(
        self, prior: nn.Module, tokens: Tensor, seen: LayoutBatch | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.nats(prior, tokens, seen, self.settings.token_noise)
        return loss, {"nats": loss}

    def losses(self, networks: Networks, batch: Batch) -> Iterator[Tensor]:
        """That of the tokens."""
        for player in networks:
            yield self.terms(player, networks, batch)[0]

    @property
    def copies(self) -> int:
        """The average, and the best."""
        return 2

    def kept_bytes(self, module: nn.Module, views: int, size: tuple[int, int]) -> int:
        """Tokens of two bytes and layouts of one, which stay in memory where each image has one view."""
        tokens = math.prod(cast(AnyPrior, module).grid)
        return (views + self.pool) * (2 * tokens + (size[0] * size[1] if self.sees_layouts else 0))

    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """ "held_out_nats", a token, or what else `nats` counts by."""
        return {"held_out_nats": self._judge(module.eval(), self._tokens_of(pairs, device, at_most))}

    def _tokens_of(
        self, pairs: Pairs, device: torch.device, at_most: int | None
    ) -> list[tuple[Tensor, LayoutBatch | None]]:
        firsts = range(0, min(len(pairs), at_most or len(pairs)), _AT_ONCE)
        return [tokenized(self.tokenize, pairs.fixed(first, _AT_ONCE), device) for first in firsts]

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        """Train, load the weights that are kept into the prior, and return their "held_out_nats" (per token),
        "best_step" (after which they stood), "steps" and "seconds".
        """
        settings, fabric, prior, name = self.settings, bench.fabric, stage.module, stage.name
        optimizer = torch.optim.AdamW(
            prior.parameters(),
            lr=settings.learning_rate,
            betas=_BETAS,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        training, begin = bench.training.showing(settings.shown), bench.now()
        steps = self.steps(training.views)
        # Of a handful of pairs a prior knows too much within some dozen steps: the best weights must not go by
        # unseen.
        every = min(settings.evaluate_every, max(steps // _FIGURES, 1))
        device, rank, world = fabric.device, fabric.global_rank, fabric.world_size
        tell = bench.report if rank == 0 else lambda event: None
        batches = TokenBatches(
            self.tokenize,
            training,
            settings.batch_size,
            steps,
            device,
            rank,
            world,
            lambda done, of: tell(Event(f"encode for {name}", done, of)),
            bench.pool,
            self.unlabelled,
        )
        # A part of the time budget, but not of the schedule, which would else begin behind its warm-up.
        encoding = bench.now() - begin
        seconds = max(bench.seconds - encoding, 1.0) if bench.seconds is not None else None
        loop = Loop(name, bench, prior, optimizer, steps, seconds)
        model, wrapped = fabric.setup(prior, optimizer)
        average = copy.deepcopy(prior).eval().requires_grad_(False)
        average.load_state_dict(loop.extra.setdefault("average", prior.state_dict()), strict=False)
        loop.extra["average"] = dict(average.named_parameters())
        held_out = self._tokens_of(bench.validation, device, _MOST_JUDGED)
        last: dict[str, float] = {}
        with stop_on_interrupt() as asked_to_stop:
            while not loop.over(asked_to_stop()) and not self._waited_enough(loop):
                reseed(training.seed, name, loop.step, rank)
                loop.set_learning_rate(learning_rate(settings.learning_rate, loop.progress))
                tokens, layouts = batches(loop.step)
                model.train()

                def nats(
                    part: slice, tokens: Tensor = tokens, layouts: LayoutBatch | None = layouts
                ) -> tuple[Tensor, dict[str, Tensor]]:
                    return self._nats(model, tokens[part], layouts[part] if layouts is not None else None)

                wrapped.zero_grad()
                terms = backward_in_parts(fabric, model, len(tokens), bench.accumulate, nats)
                norm = fabric.clip_gradients(model, wrapped, max_norm=1.0, error_if_nonfinite=False)
                if norm is None or bool(norm.isfinite()):  # one overflow must not spoil the weights
                    wrapped.step()
                loop.step += 1
                move_average(average, prior, min(settings.average, loop.step / (loop.step + 10)))

                if loop.step % every == 0 or loop.step == steps:
                    last = {"held_out_nats": loop.agreed(self._judge(average, held_out))}
                    _keep_if_better(loop, average, last["held_out_nats"], settings.keep)
                if loop.step % 10 == 0 or loop.step % every == 0:
                    loop.tell({"nats": float(terms["nats"]), **last}, settings.batch_size)
                loop.save_if_due()
        _keep_if_better(loop, average, loop.agreed(self._judge(average, held_out)), settings.keep)
        if "best" not in loop.extra:
            raise InputError(f"{name}: the held-out loss was never finite; lower {name}.learning_rate")
        prior.load_state_dict(loop.extra["best"], strict=False)
        prior.eval()
        loop.tell({"held_out_nats": loop.facts["best"]}, settings.batch_size)
        return {
            "held_out_nats": loop.facts["best"],
            "best_step": loop.facts["best_step"],
            "steps": loop.step,
            "seconds": encoding + loop.clock.elapsed,
        }

    @torch.no_grad()
    def _judge(self, average: nn.Module, held_out: list[tuple[Tensor, LayoutBatch | None]]) -> float:
        """Held-out nats."""
        losses = [
            (float(self.nats(average, tokens, layouts, 0.0)), len(tokens)) for tokens, layouts in held_out
        ]
        return sum(loss * count for loss, count in losses) / sum(count for _, count in losses)

    def _waited_enough(self, loop: Loop) -> bool:
        """True if no held-out figure has been better for too long."""
        since = loop.step - loop.facts.get("best_step", 0)
        return self.settings.keep == "best" and since >= self.settings.patience * self.settings.evaluate_every


def steps_of(settings: PriorTraining, views: int, unlabelled: float = 0.0) -> int:
    """The step budget over a number of views an epoch, beside a share of images without labels in a batch."""
    pairs = labelled_rows(settings.batch_size, unlabelled)
    return min(max(math.ceil(settings.epochs * views / pairs), 1), settings.steps)


def _keep_if_better(loop: Loop, average: nn.Module, nats: float, keep: str) -> None:
    if nats < loop.facts.get("best", math.inf) or (keep == "last" and math.isfinite(nats)):
        loop.facts |= {"best": nats, "best_step": loop.step}
        loop.extra["best"] = {name: p.detach().clone() for name, p in average.named_parameters()}
