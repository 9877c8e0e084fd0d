"""Training a prior: maximize the likelihood of tokens, keep the weights that do best on held-out ones, stop
when none do better.

With `keep="last"` it goes on to the end all the same. What is judged, kept and sampled from is the
exponential moving average of the weights.
"""

from __future__ import annotations

import copy
import math
import time
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.progress import Event, Report
from labelmint.training.accumulation import backward_in_parts
from labelmint.training.clock import learning_rate, stop_on_interrupt
from labelmint.training.loop import Stage, reseed
from labelmint.training.run_folder import RunFolder
from labelmint.training.tokens import TokenBatches, Tokenize, tokenized
from labelmint.types import LayoutBatch

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # seconds to import, and drawing does without

__all__ = ["PriorTraining", "Tokenize", "steps_of", "train_prior"]

_FIGURES = 20  # held-out ones of a training, at least


class PriorTraining(BaseModel):
    """How a prior is trained (Tables 5 and 6)."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    epochs: float = Field(
        1000, gt=0, description="passes over the training pairs (over their area where they are cropped)"
    )
    steps: int = Field(6000, ge=1, description="at most this many steps, whatever the epochs")
    batch_size: int = Field(32, ge=1)
    accumulate: int = Field(
        1, ge=1, description="parts of a batch, one after the other; more take less memory"
    )
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    token_noise: float = Field(
        0.05, ge=0, lt=1, description="share of the tokens read that are replaced by random ones"
    )
    average: float = Field(0.998, ge=0, lt=1, description="decay of the moving average of the weights")
    shown: float = Field(
        0.0, ge=0, le=1, description="share of the views drawn to show each class as often as the others"
    )
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


def train_prior(
    name: str,
    fabric: Fabric,
    run: RunFolder,
    prior: nn.Module,
    tokenize: Tokenize,
    training: Pairs,
    validation: Pairs,
    config: PriorTraining,
    seconds: float | None,
    report: Report,
) -> dict[str, float]:
    """Train, load the weights that are kept into `prior`, and answer their "held_out_nats" (per token),
    "best_step" (after which they stood), "steps" and "seconds".

    Goes on from the run's checkpoint. Raises KeyboardInterrupt after saving when it was asked to stop.
    """
    optimizer = torch.optim.AdamW(
        prior.parameters(),
        lr=config.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=config.weight_decay,
        fused=True,
    )
    steps, begin = steps_of(config, training.views), time.perf_counter()
    # Of a handful of pairs a prior knows too much within some dozen steps: the best weights must not go by
    # unseen.
    every = min(config.evaluate_every, max(steps // _FIGURES, 1))
    device, rank, world = fabric.device, fabric.global_rank, fabric.world_size
    training = training.showing(config.shown)
    tell = report if rank == 0 else lambda event: None
    batches = TokenBatches(
        tokenize,
        training,
        config.batch_size,
        steps,
        device,
        rank,
        world,
        lambda done, of: tell(Event(f"encode for {name}", done, of)),
    )
    # A part of the time budget, but not of the schedule, which would else begin behind its warm-up.
    encoding = time.perf_counter() - begin
    seconds = max(seconds - encoding, 1.0) if seconds is not None else None
    stage = Stage(name, fabric, run, prior, optimizer, steps, seconds, report)
    model, wrapped = fabric.setup(prior, optimizer)
    average = copy.deepcopy(prior).eval().requires_grad_(False)
    average.load_state_dict(stage.extra.setdefault("average", prior.state_dict()), strict=False)
    stage.extra["average"] = dict(average.named_parameters())
    held_out = [
        tokenized(tokenize, validation.fixed(first, 32), device)
        for first in range(0, min(len(validation), 512), 32)
    ]
    last: dict[str, float] = {}
    with stop_on_interrupt() as asked_to_stop:
        while not stage.over(asked_to_stop()) and (
            config.keep == "last"
            or stage.step - stage.facts.get("best_step", 0) < config.patience * config.evaluate_every
        ):
            reseed(training.seed, name, stage.step, rank)
            stage.set_learning_rate(learning_rate(config.learning_rate, stage.progress))
            tokens, layouts = batches(stage.step)
            model.train()

            def nats(
                part: slice, tokens: Tensor = tokens, layouts: LayoutBatch | None = layouts
            ) -> tuple[Tensor, dict[str, Tensor]]:
                seen = LayoutBatch(layouts.ids[part]) if layouts is not None else None
                loss = negative_log_likelihood(model, tokens[part], seen, config.token_noise)
                return loss, {"nats": loss}

            wrapped.zero_grad()
            terms = backward_in_parts(fabric, model, len(tokens), config.accumulate, nats)
            norm = fabric.clip_gradients(model, wrapped, max_norm=1.0, error_if_nonfinite=False)
            if norm is None or bool(norm.isfinite()):  # one overflow must not spoil the weights
                wrapped.step()
            stage.step += 1
            _move_average(average, prior, min(config.average, stage.step / (stage.step + 10)))

            if stage.step % every == 0 or stage.step == steps:
                last = {"held_out_nats": stage.agreed(_judge(average, held_out))}
                _keep_if_better(stage, average, last["held_out_nats"], config.keep)
            if stage.step % 10 == 0 or stage.step % every == 0:
                stage.tell({"nats": float(terms["nats"]), **last}, config.batch_size)
            stage.save_if_due()
    _keep_if_better(stage, average, stage.agreed(_judge(average, held_out)), config.keep)
    if "best" not in stage.extra:
        raise InputError(f"{name}: the held-out loss was never finite; lower {name}.learning_rate")
    prior.load_state_dict(stage.extra["best"], strict=False)
    prior.eval()
    stage.tell({"held_out_nats": stage.facts["best"]}, config.batch_size)
    return {
        "held_out_nats": stage.facts["best"],
        "best_step": stage.facts["best_step"],
        "steps": stage.step,
        "seconds": encoding + stage.clock.elapsed,
    }


def steps_of(config: PriorTraining, views: int) -> int:
    """The step budget over a number of views an epoch."""
    return min(max(math.ceil(config.epochs * views / config.batch_size), 1), config.steps)


@torch.no_grad()
def _move_average(average: nn.Module, module: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - decay)


@torch.no_grad()
def _judge(average: nn.Module, held_out: list[tuple[Tensor, LayoutBatch | None]]) -> float:
    """Held-out nats per token."""
    losses = [
        (float(negative_log_likelihood(average, tokens, layouts)), len(tokens))
        for tokens, layouts in held_out
    ]
    return sum(loss * count for loss, count in losses) / sum(count for _, count in losses)


def _keep_if_better(stage: Stage, average: nn.Module, nats: float, keep: str) -> None:
    if nats < stage.facts.get("best", math.inf) or (keep == "last" and math.isfinite(nats)):
        stage.facts |= {"best": nats, "best_step": stage.step}
        stage.extra["best"] = {name: p.detach().clone() for name, p in average.named_parameters()}
