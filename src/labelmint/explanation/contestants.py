"""Tokenizers compared: what each costs and reaches on held-out images, and how the errors of two kinds differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from labelmint.datasets.pairs import Pairs
from labelmint.explanation.held_out import Mean, mean_of, squared_errors
from labelmint.explanation.twins import CLOSE, parameters_of, sizes_of
from labelmint.metrics.bootstrap import interval
from labelmint.metrics.student import half_width
from labelmint.protocols import Tokenizer
from labelmint.runs.config import RunConfig
from labelmint.types import Array, LayoutBatch

__all__ = ["Contestant", "Difference", "contestant", "difference", "unlike"]

SEES_LAYOUTS = "cvq-vae"
RESAMPLES, LEAST = 500, 1e-12

# the widths by their parameters
_COMPARED_BY_RESULT = ("steps", "batch_size", "codebook_size", "channels", "residual_channels")
_WITHOUT_INFLUENCE = ("evaluate_every", "share")


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A tokenizer, and what it costs and reaches.

    Attributes:
        name: what it is. paths: of codes. seed, steps, batch_size: of its training.
        parameters: all of its numbers, codebooks included. channels, residual_channels: its widths.
        tokens, bits: an image; bits = tokens log2 K. codebook_size: K.
        mse: held-out, on [-1, 1]. psnr: of that mean, in dB.
        settings: what else decides its training, by name.
        errors: (N,) of the views.
    """

    name: str
    paths: int
    seed: int
    steps: int
    batch_size: int
    parameters: int
    channels: int
    residual_channels: int
    codebook_size: int
    tokens: int
    bits: float
    mse: Mean
    psnr: float
    settings: dict[str, Any]
    errors: Array

    def to_json(self) -> dict[str, Any]:
        """A plain dict, without the single errors."""
        return {key: value for key, value in vars(self).items() if key not in ("errors", "mse")} | {
            "mse": vars(self.mse)
        }


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Held-out errors of `first` over those of `second`, means over seeds: below 1, the first is better.

    The interval holds two uncertainties, which add as squares of log ratios. That of the images: a bootstrap
    over whole ones, both kinds on the same. And, with several seeds, that of the trainings: t s sqrt(1/n +
    1/m), s the standard deviation of the log errors of n and m seeds about the mean of their kind, t
    Student's at n + m - 2 degrees of freedom. With one seed of each it is unknown.

    Attributes:
        ratio, low, high: quotient of the mean errors, with its 95 % interval; None where all views are of one image
            or group, which says nothing of how images differ.
        verdict: in words. spread: largest over smallest mean error among the seeds of one kind, 1 with one
            seed.
    """

    first: str
    second: str
    ratio: float
    low: float | None
    high: float | None
    seeds: int
    spread: float
    verdict: str


def contestant(
    name: str,
    tokenizer: nn.Module,
    config: RunConfig,
    steps: int,
    views: Pairs,
    tokens: torch.Tensor,
    device: torch.device,
    resample_seed: int,
) -> Contestant:
    """What a trained tokenizer reaches on held-out views, from its tokens of them (N, rows, w), and what it
    takes.
    """
    called, sizes = cast(Tokenizer, tokenizer), sizes_of(config)
    (stream,) = called.streams

    def decode(its: torch.Tensor, layouts: LayoutBatch) -> torch.Tensor:
        return called.decode({stream.name: its}, layouts)

    errors, places = squared_errors(views, tokens, decode, device), stream.grid[0] * stream.grid[1]
    mse = mean_of(errors, views, resample_seed)
    return Contestant(
        name=name,
        paths=len(getattr(tokenizer, "paths", ("",))),
        steps=steps,
        seed=config.request.seed,
        batch_size=sizes.batch_size,
        parameters=parameters_of(tokenizer),
        channels=sizes.channels,
        residual_channels=sizes.residual_channels,
        codebook_size=sizes.codebook_size,
        tokens=places,
        bits=places * math.log2(stream.codebook_size),
        mse=mse,
        psnr=10 * math.log10(4 / max(mse.value, LEAST)),
        settings=_settings(config, steps),
        errors=errors,
    )


def _settings(config: RunConfig, steps: int) -> dict[str, Any]:
    """What decides a training, but for what contestants are compared by anyway."""
    request = config.request
    sizes = sizes_of(config).model_dump(mode="json", exclude={*_COMPARED_BY_RESULT, *_WITHOUT_INFLUENCE})
    by_clock = request.max_minutes is not None and steps < sizes_of(config).steps
    return sizes | {
        "learning_rate_falls": f"by the clock, in {request.max_minutes:g} minutes for the run"
        if by_clock
        else "by steps",
        "augment": sorted(request.augment),
        "rebalance": request.rebalance,
        "images_without_labels": config.pool_images,
        "precision": config.precision,
        "sees_layouts": request.system == SEES_LAYOUTS,
    }


def difference(first: list[Contestant], second: list[Contestant], views: Pairs, seed: int) -> Difference:
    """Errors of one kind of tokenizer over those of another, each averaged over its seeds first."""
    above, below = (np.mean([one.errors for one in kind], axis=0) for kind in (first, second))

    def quotient(chosen: Array) -> float:
        return float(max(above[chosen].mean(), LEAST) / max(below[chosen].mean(), LEAST))

    ratio, low, high = quotient(np.arange(len(views))), None, None
    if len(set(views.groups)) > 1:
        ends = interval(quotient, len(views), RESAMPLES, seed, groups=views.groups)
        low, high = _widened(ratio, ends, _uncertainty_of_seeds(first, second))
    spread = max(
        max(one.mse.value for one in kind) / max(min(one.mse.value for one in kind), LEAST)
        for kind in (first, second)
    )
    seeds = min(len(first), len(second))
    return Difference(
        first=first[0].name,
        second=second[0].name,
        ratio=ratio,
        low=low,
        high=high,
        seeds=seeds,
        spread=spread,
        verdict=_verdict(first[0], second[0], low, high, seeds),
    )


def _widened(ratio: float, ends: tuple[float, float], of_seeds: float) -> tuple[float, float]:
    """An interval over images with the uncertainty of seeds, half an interval of log ratios, added to it."""
    below, above = min(math.log(ends[0] / ratio), 0.0), max(math.log(ends[1] / ratio), 0.0)
    return ratio * math.exp(-math.hypot(below, of_seeds)), ratio * math.exp(math.hypot(above, of_seeds))


def _uncertainty_of_seeds(first: list[Contestant], second: list[Contestant]) -> float:
    """Half the 95 % interval of the log ratio of mean errors over seeds; 0 where no kind has two."""
    one, other = (np.log([max(each.mse.value, LEAST) for each in kind]) for kind in (first, second))
    return half_width(one, other)


def _verdict(first: Contestant, second: Contestant, low: float | None, high: float | None, seeds: int) -> str:
    a, b = first.name, second.name
    cost = f"bits an image: {first.bits:,.0f} with {a}, {second.bits:,.0f} with {b}"
    if low is None or high is None:
        return f"no difference between {a} and {b} can be told on views of one image or group; {cost}"
    if low <= 1 <= high:
        where = "on these images" if seeds == 1 else f"on these images with {seeds} seeds"
        return f"no difference between {a} and {b} can be told {where}; {cost}"
    doubt = "; another seed may say otherwise" if seeds == 1 else ""
    return f"{'lower' if high < 1 else 'higher'} error with {a} than with {b}{doubt}; {cost}"


def unlike(a: Contestant, b: Contestant) -> dict[str, list[Any]]:
    """What two contestants should have alike and do not: steps, batch size, seed, codebook size, all other
    settings of their training, parameters beyond 3 %.
    """
    names = ("steps", "batch_size", "seed", "codebook_size")
    found = {
        name: [getattr(a, name), getattr(b, name)] for name in names if getattr(a, name) != getattr(b, name)
    }
    found |= {name: [its, b.settings[name]] for name, its in a.settings.items() if its != b.settings[name]}
    if abs(a.parameters / b.parameters - 1) > CLOSE:
        found["parameters"] = [a.parameters, b.parameters]
    return found
