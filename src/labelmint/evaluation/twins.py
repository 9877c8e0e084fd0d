"""One path against two at equal parameters: the tokenizer of a run beside twins that differ in one thing.

    twin         one path in place of two, its widths chosen so that it has as many parameters
    again        the run's own tokenizer from another seed, or for another number of steps
    equal bits   two paths whose codebooks have sqrt(K) entries: two tokens a place carry the bits of one token of the twin

All see the same training pairs in the same order of batches, for as many steps, with the same learning rate. A twin is kept as a run
folder of its own, so a stopped training goes on; where the run was trained by the clock, the twin gets the steps that it made.

Two paths have twice the tokens, and so twice the bits, of one path at the same codebook size. A lower error alone is then no merit of
the second path; "equal bits" tells what is.
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
from labelmint.errors import InputError
from labelmint.evaluation.held_out import HeldOut, Mean, mean_of, squared_errors
from labelmint.metrics.bootstrap import interval
from labelmint.protocols import Tokenizer
from labelmint.systems import TrainedSystem
from labelmint.systems.data import Prepared, prepare
from labelmint.systems.hardware import Hardware, available_memory, open_fabric
from labelmint.systems.run_config import RunConfig, read_run_config
from labelmint.systems.trained import build_parts
from labelmint.tokenizers.vqvae import VQVAE
from labelmint.training.clock import Event, Report
from labelmint.training.pairs import Pairs
from labelmint.training.run import RunFolder, write_json
from labelmint.training.tokenizer import train_tokenizer
from labelmint.types import Array, Batch, DataSet

__all__ = [
    "Contestant",
    "Difference",
    "contestant",
    "difference",
    "matched",
    "parameters_of",
    "prepare_again",
    "steps_of",
    "train_twin",
    "unlike",
    "with_equal_bits",
]

ONE_PATH, CLOSE, RESAMPLES = "no-comp-msgnet", 0.03, 500


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A tokenizer, and what it costs and reaches.

    Attributes:
        name: what it is. paths: of codes. seed, steps, batch_size: of its training.
        parameters: all of its numbers, codebooks included. channels, residual_channels: its widths.
        tokens, bits: an image; bits = tokens log2 K. codebook_size: K.
        mse: held-out, on [-1, 1]. psnr: of that mean, in dB.
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
    errors: Array

    def to_json(self) -> dict[str, Any]:
        """A plain dict, without the single errors."""
        return {key: value for key, value in vars(self).items() if key not in ("errors", "mse")} | {"mse": vars(self.mse)}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Held-out errors of `first` over those of `second`, means over seeds: below 1, the first is better.

    Attributes:
        ratio, low, high: quotient of the mean errors, with its 95 % interval by bootstrap over whole images (both on the same).
        verdict: in words. spread: largest over smallest mean error among the seeds of one kind, 1 with one seed.
    """

    first: str
    second: str
    ratio: float
    low: float
    high: float
    seeds: int
    spread: float
    verdict: str


# Configurations -----------------------------------------------------------------------------------------------------------------


def parameters_of(tokenizer: nn.Module) -> int:
    """All numbers that training decides, codebooks that move by averages included."""
    return sum(p.numel() for p in tokenizer.parameters())


def matched(system: TrainedSystem) -> RunConfig | None:
    """The configuration of a one-path run whose tokenizer has as many parameters; None where no widths come within 3 %.

    At each number of channels the residual width that comes nearest is taken; among these, the pair in whose proportion the run's own
    widths stand.
    """
    sizes = system.config.request.settings.tokenizer
    wanted, wide = parameters_of(system.parts.tokenizer), sizes.residual_channels / sizes.channels
    close = [one for one in _candidates(system, wanted) if abs(one[2] / wanted - 1) <= CLOSE]
    if not close:
        return None
    channels, residual, _ = min(close, key=lambda one: abs(math.log(one[1] / one[0] / wide)))
    return _changed(system.config, system=ONE_PATH, channels=channels, residual_channels=residual)


def _candidates(system: TrainedSystem, wanted: int) -> Iterator[tuple[int, int, int]]:
    """(channels, residual channels, parameters) of one-path tokenizers about as large: the count is linear in the second."""
    channels = 8
    while (least := _count(system, channels, 1)) <= wanted * (1 + CLOSE):
        slope = _count(system, channels, 2) - least
        residual = max(1 + round((wanted - least) / slope), 1) if slope else 1
        yield channels, residual, least + slope * (residual - 1)
        channels += 8


def _count(system: TrainedSystem, channels: int, residual: int) -> int:
    config = system.config
    sizes = config.request.settings.tokenizer.model_copy(update={"channels": channels, "residual_channels": residual})
    with torch.device("meta"):  # shapes only
        return parameters_of(VQVAE(sizes, config.image_channels, config.request.size))


def with_equal_bits(config: RunConfig) -> RunConfig:
    """Two paths with round(sqrt(K)) entries each, at least 2."""
    return _changed(config, codebook_size=max(round(config.request.settings.tokenizer.codebook_size**0.5), 2))


def steps_of(run: RunFolder) -> int:
    """Steps that the tokenizer of a run was trained for."""
    return int(run.read_json("tokenizer/part.json")["steps"])


def _changed(config: RunConfig, *, system: str | None = None, seed: int | None = None, **sizes: int) -> RunConfig:
    settings, request = config.request.settings, config.request
    settings = settings.model_copy(update={"tokenizer": settings.tokenizer.model_copy(update=sizes)})
    update: dict[str, Any] = {"settings": settings, "max_minutes": None}
    update |= {"system": system} if system is not None else {}
    update |= {"seed": seed} if seed is not None else {}
    return config.model_copy(update={"request": request.model_copy(update=update)})


# Training -----------------------------------------------------------------------------------------------------------------------


def prepare_again(system: TrainedSystem, data: DataSet, tell: Report) -> Prepared:
    """The pairs that the run was trained on; raises InputError when the data have changed since."""
    config = system.config
    request = config.request
    geometry = Geometry(size=request.size, crop=request.crop, scale=request.scale, augment=frozenset(request.augment))
    prepared = prepare(
        data, geometry, cell=max(request.size[0] // system.parts.label_map.grid[0], 1), group_by=request.group_by, seed=request.seed,
        force=True, available=available_memory(torch.device("cpu")),
        tell=lambda done, of: tell(Event("data", done, of)) if done % 50 == 0 or done == of else None,
    )  # fmt: skip
    if prepared.digest != config.data_digest:
        raise InputError(
            f"{data.source}: its training pairs are not those that {system.path} was trained on, so a twin would learn something else; "
            "give the same data, or pass --skip-twin"
        )
    return prepared


def train_twin(
    folder: Path, config: RunConfig, prepared: Prepared, *, seed: int, steps: int, hardware: Hardware, stage: str, tell: Report
) -> nn.Module:
    """A trained tokenizer, from its run folder where it is finished there.

    Arguments:
        folder: of the twin, a run folder; new, stopped, or finished.
        config: of its sizes. seed, steps: of its training.
        prepared: the pairs. hardware: where to compute. stage: what reports of progress call it.
    """
    config = _changed(config, seed=seed, steps=steps)
    run, tokenizer = RunFolder(folder), build_parts(config).tokenizer
    if (folder / "config.json").is_file():
        before = read_run_config(run).difference(config)
        if before:
            raise InputError(f"{folder}: holds a twin made otherwise ({before}); give another --out, or remove it")
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
        Pairs(pairs.images, pairs.ids, pairs.geometry, seed) for pairs in (prepared.training, prepared.validation)
    )
    section = config.request.settings.tokenizer
    about = train_tokenizer(
        fabric, run, tokenizer.to(fabric.device), training, validation, section, None, lambda event: tell(replace(event, stage=stage))
    )  # fmt: skip
    run.save_part("tokenizer", tokenizer.state_dict(), {"part": "tokenizer", "config": section.model_dump(), **about})
    return tokenizer.eval()


# Comparing ----------------------------------------------------------------------------------------------------------------------


def contestant(
    name: str, tokenizer: nn.Module, config: RunConfig, steps: int, views: HeldOut, device: torch.device, resample_seed: int,
    training_seed: int | None = None,
) -> Contestant:  # fmt: skip
    """What a trained tokenizer reaches on held-out views, and what it takes; its seed is the configuration's unless given."""
    called, sizes = cast(Tokenizer, tokenizer), config.request.settings.tokenizer

    def reconstruct(batch: Batch) -> torch.Tensor:
        return called.decode(called.encode(batch), batch.layouts)

    errors = squared_errors(views, reconstruct, device)
    tokens = sum(stream.grid[0] * stream.grid[1] for stream in called.streams)
    mse = mean_of(errors, views, resample_seed)
    return Contestant(
        name=name, paths=len(getattr(tokenizer, "paths", ("",))), steps=steps,
        seed=config.request.seed if training_seed is None else training_seed,
        batch_size=sizes.batch_size, parameters=parameters_of(tokenizer), channels=sizes.channels,
        residual_channels=sizes.residual_channels, codebook_size=sizes.codebook_size, tokens=tokens,
        bits=sum(s.grid[0] * s.grid[1] * math.log2(s.codebook_size) for s in called.streams), mse=mse,
        psnr=10 * math.log10(4 / max(mse.value, 1e-12)), errors=errors,
    )  # fmt: skip


def difference(first: list[Contestant], second: list[Contestant], views: HeldOut, seed: int) -> Difference:
    """Errors of one kind of tokenizer over those of another, each averaged over its seeds first."""
    above, below = (np.mean([one.errors for one in kind], axis=0) for kind in (first, second))
    least = 1e-12

    def quotient(chosen: Array) -> float:
        return float(above[chosen].mean() / max(below[chosen].mean(), least))

    low, high = interval(quotient, len(views), RESAMPLES, seed, groups=views.groups)
    spread = max(max(one.mse.value for one in kind) / max(min(one.mse.value for one in kind), least) for kind in (first, second))
    return Difference(
        first=first[0].name, second=second[0].name, ratio=quotient(np.arange(len(views))), low=low, high=high,
        seeds=min(len(first), len(second)), spread=spread, verdict=_verdict(first[0], second[0], low, high),
    )  # fmt: skip


def _verdict(first: Contestant, second: Contestant, low: float, high: float) -> str:
    a, b = first.name, second.name
    cost = f"bits an image: {first.bits:,.0f} with {a}, {second.bits:,.0f} with {b}"
    if low <= 1 <= high:
        return f"no difference between {a} and {b} can be told on these images; {cost}"
    return f"{'lower' if high < 1 else 'higher'} error with {a} than with {b}; {cost}"


def unlike(a: Contestant, b: Contestant) -> dict[str, list[int]]:
    """What two contestants should have alike and do not: steps, batch size, seed, codebook size, parameters beyond 3 %."""
    names = ("steps", "batch_size", "seed", "codebook_size")
    found = {name: [getattr(a, name), getattr(b, name)] for name in names if getattr(a, name) != getattr(b, name)}
    if abs(a.parameters / b.parameters - 1) > CLOSE:
        found["parameters"] = [a.parameters, b.parameters]
    return found
