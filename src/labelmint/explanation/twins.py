"""One path against two at equal parameters: the tokenizer of a run beside twins that differ in one thing.

    twin         one path in place of two, its widths chosen so that it has as many parameters
    again        the run's own tokenizer from another seed, or for another number of steps
    equal bits   two paths whose codebooks have sqrt(K) entries: two tokens a place carry the bits of one
                 token of the twin

All see the same training pairs in the same order of batches, for as many steps, with the same learning rate.
A twin is kept as a run folder of its own, so a stopped training goes on; where the run was trained by the
clock, the twin gets the steps that it made.

Two paths have twice the tokens, and so twice the bits, of one path at the same codebook size. A lower error
alone is then no merit of the second path; "equal bits" tells what is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.explanation.held_out import Mean, mean_of, squared_errors
from labelmint.hardware import Hardware, available_memory, open_fabric
from labelmint.metrics.bootstrap import interval
from labelmint.progress import Event, Report
from labelmint.protocols import Tokenizer
from labelmint.runs.config import RunConfig, read_run_config
from labelmint.runs.prepare import Prepared, prepare
from labelmint.runs.trained import TrainedSystem
from labelmint.runs.wire import wire
from labelmint.storage import write_json
from labelmint.systems.msgnet import reconstructing
from labelmint.systems.msgnet_sections import GivenSections, MSGNetSections, TokenizerSection
from labelmint.tokenizers.vqvae import VQVAE
from labelmint.training.regime import Bench, Stage
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array, DataSet, LayoutBatch

__all__ = [
    "Contestant",
    "Difference",
    "contestant",
    "difference",
    "matched",
    "parameters_of",
    "prepare_again",
    "sizes_of",
    "steps_of",
    "train_twin",
    "twin_config",
    "unlike",
    "with_equal_bits",
]

ONE_PATH, SEES_LAYOUTS = "no-comp-msgnet", "cvq-vae"
CLOSE, RESAMPLES, LEAST = 0.03, 500, 1e-12
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
        ratio, low, high: quotient of the mean errors, with its 95 % interval.
        verdict: in words. spread: largest over smallest mean error among the seeds of one kind, 1 with one
            seed.
    """

    first: str
    second: str
    ratio: float
    low: float
    high: float
    seeds: int
    spread: float
    verdict: str


# Configurations ---------------------------------------------------------------------------------------------


def parameters_of(tokenizer: nn.Module) -> int:
    """All numbers that training decides, codebooks that move by averages included."""
    return sum(p.numel() for p in tokenizer.parameters())


def matched(system: TrainedSystem) -> RunConfig | None:
    """The configuration of a one-path run whose tokenizer has as many parameters; None where no widths come
    within 3 %.

    At each number of channels the residual width that comes nearest is taken; among these, the pair in whose
    proportion the run's own widths stand.
    """
    sizes = sizes_of(system.config)
    wanted, wide = parameters_of(system.part("tokenizer")), sizes.residual_channels / sizes.channels
    close = [one for one in _candidates(system, wanted) if abs(one[2] / wanted - 1) <= CLOSE]
    if not close:
        return None
    channels, residual, _ = min(close, key=lambda one: abs(math.log(one[1] / one[0] / wide)))
    return _changed(system.config, system=ONE_PATH, channels=channels, residual_channels=residual)


def _candidates(system: TrainedSystem, wanted: int) -> Iterator[tuple[int, int, int]]:
    """(channels, residual channels, parameters) of one-path tokenizers about as large: the count is linear in
    the second.
    """
    channels = 8
    while (least := _count(system, channels, 1)) <= wanted * (1 + CLOSE):
        slope = _count(system, channels, 2) - least
        residual = max(1 + round((wanted - least) / slope), 1) if slope else 1
        yield channels, residual, least + slope * (residual - 1)
        channels += 8


def _count(system: TrainedSystem, channels: int, residual: int) -> int:
    config = system.config
    sizes = sizes_of(config).model_copy(update={"channels": channels, "residual_channels": residual})
    with torch.device("meta"):  # shapes only
        return parameters_of(VQVAE(sizes, config.image_channels, config.request.size))


def sizes_of(config: RunConfig) -> TokenizerSection:
    """The section of the tokenizer of a run that `case.open_run` let in."""
    return _family(config).tokenizer


def _family(config: RunConfig) -> GivenSections:
    """The settings of a run that `case.open_run` let in."""
    settings = config.request.settings
    assert isinstance(settings, GivenSections)
    return settings


def with_equal_bits(config: RunConfig) -> RunConfig:
    """Two paths with round(sqrt(K)) entries each, at least 2."""
    return _changed(config, codebook_size=max(round(sizes_of(config).codebook_size ** 0.5), 2))


def twin_config(config: RunConfig, seed: int, steps: int) -> RunConfig:
    """The configuration of the same tokenizer, trained from a seed for n steps."""
    return _changed(config, seed=seed, steps=steps)


def steps_of(run: RunFolder) -> int:
    """Steps that the tokenizer of a run was trained for."""
    return int(run.read_json("tokenizer/part.json")["steps"])


def _changed(
    config: RunConfig, *, system: str | None = None, seed: int | None = None, **sizes: int
) -> RunConfig:
    settings, request = _family(config), config.request
    if system is not None and isinstance(settings, MSGNetSections):
        settings = settings.given()
    settings = settings.model_copy(update={"tokenizer": settings.tokenizer.model_copy(update=sizes)})
    update: dict[str, Any] = {"settings": settings, "max_minutes": None}
    update |= {"system": system} if system is not None else {}
    update |= {"seed": seed} if seed is not None else {}
    return config.model_copy(update={"request": request.model_copy(update=update)})


# Training ---------------------------------------------------------------------------------------------------


def prepare_again(system: TrainedSystem, data: DataSet, tell: Report) -> Prepared:
    """The pairs that the run was trained on; raises InputError when the data have changed since."""
    config = system.config
    request = config.request
    geometry = Geometry(
        size=request.size, crop=request.crop, scale=request.scale, augment=frozenset(request.augment)
    )
    prepared = prepare(
        data,
        geometry,
        normalize=request.normalize,
        cell=system.wired.reach,
        group_by=request.group_by,
        seed=request.seed,
        force=True,
        available=available_memory(torch.device("cpu")),
        tell=lambda done, of: tell(Event("data", done, of)) if done % 50 == 0 or done == of else None,
    )
    if prepared.digest != config.data_digest:
        raise InputError(
            f"{data.source}: its training pairs are not those that {system.path} was trained on, so a twin "
            f"would learn something else; "
            "give the same data, or pass --skip-twin"
        )
    return prepared


def train_twin(
    folder: Path, config: RunConfig, prepared: Prepared, *, hardware: Hardware, stage: str, tell: Report
) -> nn.Module:
    """A trained tokenizer, from its run folder where it is finished there.

    Arguments:
        folder: of the twin, a run folder; new, stopped, or finished.
        config: its sizes and training.
        prepared: the pairs. hardware: where to compute. stage: what reports of progress call it.
    """
    run, tokenizer = RunFolder(folder), wire(config).stages[0].module
    if (folder / "config.json").is_file():
        before = read_run_config(run).difference(config)
        if before:
            raise InputError(
                f"{folder}: holds a twin made otherwise ({before}); give another --out, or remove it"
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "split.json", prepared.split.to_json())
        write_json(folder / "config.json", config.model_dump(mode="json"))
    if run.finished("tokenizer"):
        weights, _ = run.load_part("tokenizer")
        tokenizer.load_state_dict(weights)
        return tokenizer.to(hardware.device).eval()
    fabric = open_fabric(hardware)
    training, validation = (
        Pairs(pairs.images, pairs.ids, pairs.geometry, config.request.seed, pairs.class_of)
        for pairs in (prepared.training, prepared.validation)
    )
    section = sizes_of(config)
    learning = Stage(name="tokenizer", module=tokenizer.to(fabric.device), regime=reconstructing(section))
    learning.regime.begin(tokenizer, training, learning.name)
    bench = Bench(
        fabric=fabric,
        run=run,
        training=training,
        validation=validation,
        seconds=None,
        report=lambda event: tell(replace(event, stage=stage)),
        accumulate=section.accumulate,
    )
    about = learning.regime.train(learning, bench)
    run.save_part(
        "tokenizer", tokenizer.state_dict(), {"part": "tokenizer", "config": section.model_dump(), **about}
    )
    return tokenizer.eval()


# Comparing --------------------------------------------------------------------------------------------------


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
        "precision": config.precision,
        "sees_layouts": request.system == SEES_LAYOUTS,
    }


def difference(first: list[Contestant], second: list[Contestant], views: Pairs, seed: int) -> Difference:
    """Errors of one kind of tokenizer over those of another, each averaged over its seeds first."""
    above, below = (np.mean([one.errors for one in kind], axis=0) for kind in (first, second))

    def quotient(chosen: Array) -> float:
        return float(max(above[chosen].mean(), LEAST) / max(below[chosen].mean(), LEAST))

    ratio, of_seeds = quotient(np.arange(len(views))), _uncertainty_of_seeds(first, second)
    low, high = interval(quotient, len(views), RESAMPLES, seed, groups=views.groups)
    low = ratio * math.exp(-math.hypot(min(math.log(low / ratio), 0.0), of_seeds))
    high = ratio * math.exp(math.hypot(max(math.log(high / ratio), 0.0), of_seeds))
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


def _uncertainty_of_seeds(first: list[Contestant], second: list[Contestant]) -> float:
    """Half the 95 % interval of the log ratio of mean errors over seeds; 0 where no kind has two."""
    from scipy.stats import t

    logs = [np.log([max(one.mse.value, LEAST) for one in kind]) for kind in (first, second)]
    freedom = len(first) + len(second) - 2
    if not freedom:
        return 0.0
    variance = sum(float(((values - values.mean()) ** 2).sum()) for values in logs) / freedom
    return float(t.ppf(0.975, freedom)) * math.sqrt(variance * (1 / len(first) + 1 / len(second)))


def _verdict(first: Contestant, second: Contestant, low: float, high: float, seeds: int) -> str:
    a, b = first.name, second.name
    cost = f"bits an image: {first.bits:,.0f} with {a}, {second.bits:,.0f} with {b}"
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
