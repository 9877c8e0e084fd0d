"""Fewer steps: what it costs to draw both codes of a place at once, or a whole row; and other priors over the
same tokens.

    python -m experiments.fewer_steps --run RUN --data DIR --out DIR [--compare token place row] [--minutes 8]
    [--n 256]
        [--batch-size 64] [--threads 1]

RUN is a finished run with PixelSNAIL, of msgnet's family or of mint (which has one code a place: --compare
place scene); its tokenizer stays as it is, so all priors learn the same tokens of the same pairs. A prior of
the run's own sizes is trained in each way for equal minutes, the held-out figure deciding which weights are
kept:

    token   one token a step, raster order over the stacked paths
    place   the codes of all paths at a place in one step of the network (`labelmint.priors.grouped`)
    row     all tokens of a row in one step (`labelmint.priors.rowwise`)
    scene   as `place`, and the layout's background and all else know which classes occur
            (`labelmint.priors.conditioning`)

OUT/token and the others are runs like any other, and an interrupted training goes on when the same command is
given again. fewer_steps.json and the lines printed hold for each of them, and for the run as it was trained:

    nats        -log p(z | s) per token, mean over test pairs          more_nats   the same minus that of the
                first, pair by pair
    images_per_second    tokens drawn and nothing else, batch size B, median of rounds in which the orders
                         take turns
    agreement   how far images drawn for test layouts show them, as a judge trained on real pairs sees it
                (`labelmint.segmenters.agreement`)                     more_agreement   minus that of the
                first, layout by layout

with 95 % bootstrap intervals over pairs; `real` is the agreement of the test pairs themselves.
fewer_steps.png: some test layouts, the real images, and draws of each order with the same seeds.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from experiments.common import (
    RealData,
    add_common,
    answer,
    at_least,
    judge_of,
    open_real,
    plain,
    two_stage,
    write_json,
)
from experiments.one_stage import check_same, train_stage, with_section
from experiments.sheet import sheet
from torch.nn import functional

import labelmint
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.evaluation.views import indices_of
from labelmint.metrics.bootstrap import interval
from labelmint.pictures import overlay
from labelmint.priors.ancestral import AncestralSampler
from labelmint.runs.config import RunConfig
from labelmint.runs.trained import TrainedSystem, load
from labelmint.runs.wire import wire
from labelmint.seeds import uniforms
from labelmint.segmenters.agreement import agreement_scores
from labelmint.segmenters.judge import Judge, load_judge
from labelmint.systems.sections import PriorSection
from labelmint.training.run_folder import RunFolder
from labelmint.types import AnnotatedImage, DataSet, LayoutBatch

__all__ = ["ORDERS", "WAYS", "fewer_steps", "main"]

ORDERS = ("token", "place", "row")
WAYS: dict[str, dict[str, Any]] = {
    **{order: {"at_once": order, "condition_scene": False} for order in ORDERS},
    "scene": {"at_once": "place", "condition_scene": True},
}
_ROUNDS = 5
_SHOWN = 8

Floats = npt.NDArray[np.float64]


def fewer_steps(
    real: RealData,
    judge: Judge,
    out: Path,
    *,
    ways: Sequence[str],
    minutes: float,
    n: int,
    batch_size: int,
    threads: int,
    seed: int,
    temperature: float,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Train what is not trained yet, write fewer_steps.json and fewer_steps.png, and answer what the former
    holds.

    Arguments:
        real: the run and its data. judge: trained on them. ways: of WAYS, the first of which the others are
            compared with.
        minutes: of training, each order. n: test pairs that figures are of. batch_size: of drawing. threads:
            of the CPU.
    """
    systems: dict[str, TrainedSystem] = {}
    for order in ways:
        _train(real, out / order, order, minutes, threads, tell)
        systems[order] = load(out / order, device=str(real.system.device), threads=threads)
    systems["run"] = real.system
    test = real.data.subset(real.about.parts.test[:n])
    drawn = {name: _drawn(system, test, batch_size, seed, temperature) for name, system in systems.items()}
    real_scores = agreement_scores(judge, real.real.images, real.real.labels)
    found = {
        **real.origin,
        "minutes": minutes,
        "threads": threads,
        "test_pairs": len(test),
        "batch_size": batch_size,
        "seed": seed,
        "temperature": temperature,
        "judge": judge.about["sha256"],
        "real": _with_interval("agreement", real_scores, seed),
        "orders": _orders(
            systems,
            {name: _nats(system, test) for name, system in systems.items()},
            _speeds({order: systems[order] for order in ways}, test, batch_size, seed, tell),
            {name: _agreement(judge, pairs, real) for name, pairs in drawn.items()},
            seed,
        ),
    }
    _picture(drawn, test, real, out)
    write_json(out / "fewer_steps.json", found)
    return found


def _orders(
    systems: Mapping[str, TrainedSystem],
    nats: Mapping[str, Floats],
    speeds: Mapping[str, float],
    scores: Mapping[str, Floats],
    seed: int,
) -> dict[str, dict[str, Any]]:
    """The figures of each system, beside those of the first."""
    first = next(iter(systems))
    return {
        name: {
            **_trained(system),
            "images_per_second": speeds.get(name),
            **_with_interval("nats", nats[name], seed),
            **_with_interval("more_nats", nats[name] - nats[first], seed),
            **_with_interval("agreement", scores[name], seed),
            **_with_interval("more_agreement", scores[name] - scores[first], seed),
        }
        for name, system in systems.items()
    }


# Training ---------------------------------------------------------------------------------------------------


def _train(
    real: RealData, folder: Path, order: str, minutes: float, threads: int, tell: Callable[[str], None]
) -> None:
    """A run that is the given one but for its image prior, which draws in another order and is trained anew."""
    config, run = _config(real.system.config, order, minutes, threads), RunFolder(folder)
    if run.finished("prior"):
        tell(f"{order}: trained already")
        return
    _copy_but_prior(real.system.path, folder, config)
    # Time alone ends the training, so that every order has as much of it.
    section = config.request.settings.each()["prior"].model_copy(
        update={"patience": 1 << 30, "steps": 1 << 20, "epochs": 1e9}
    )
    stages = {stage.name: stage for stage in wire(with_section(config, "prior", section)).stages}
    tokenizer = stages["tokenizer"].module
    tokenizer.load_state_dict(real.system.part("tokenizer").state_dict())
    tokenizer.to(real.system.device).eval()
    tell(f"{order}: trains for {minutes:g} minutes")
    about = train_stage(real, stages["prior"], run, config, section.accumulate, plain(tell))
    tell(
        f"{order}: {about['steps']} steps, held-out nats {about['held_out_nats']:.4f} at step "
        f"{about['best_step']}"
    )


def _config(of: RunConfig, order: str, minutes: float, threads: int) -> RunConfig:
    prior = of.request.settings.each()["prior"].model_copy(update=WAYS[order])
    config = with_section(of, "prior", prior)
    request = config.request.model_copy(update={"max_minutes": minutes})
    return config.model_copy(update={"request": request, "threads": threads})


def _copy_but_prior(source: Path, folder: Path, config: RunConfig) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("tokenizer", "layouts", "layout_prior"):
        if (source / part).is_dir():
            shutil.copytree(source / part, folder / part, dirs_exist_ok=True)
    shutil.copy(source / "split.json", folder / "split.json")
    write_json(folder / "config.json", config.model_dump(mode="json"))


def _trained(system: TrainedSystem) -> dict[str, Any]:
    """Steps and seconds of the prior's training, and the step of the weights that were kept."""
    about = RunFolder(system.path).read_json("prior/part.json")
    return {name: about[name] for name in ("steps", "best_step", "seconds")}


# Figures ----------------------------------------------------------------------------------------------------


@torch.no_grad()
def _nats(system: TrainedSystem, test: DataSet) -> Floats:
    """Nats per token of each test pair, in its fixed view."""
    pairs, images, found = system.pairs_of(test), two_stage(system), []
    for first in range(0, len(pairs), 32):
        tokens, layouts = images.written.image_tokens(pairs.fixed(first, 32).to(system.device))
        losses = functional.cross_entropy(images.prior(tokens, layouts).float(), tokens, reduction="none")
        found.append(losses.mean(dim=(1, 2)).double().cpu())
    return torch.cat(found).numpy()


def _speeds(
    systems: Mapping[str, TrainedSystem],
    test: DataSet,
    batch_size: int,
    seed: int,
    tell: Callable[[str], None],
) -> dict[str, float]:
    """Images a second that tokens are drawn of; the first round, which takes memory, does not count."""
    samplers, conditions, times = {}, {}, {name: [] for name in systems}  # type: ignore[var-annotated]
    for name, system in systems.items():
        prior, ids = two_stage(system).prior, system.layouts_of(test)
        chosen = ids[torch.arange(batch_size) % len(ids)].to(system.device)
        samplers[name] = AncestralSampler(prior)
        with torch.no_grad():
            conditions[name] = prior.prepare(LayoutBatch(chosen))
    for round_ in range(_ROUNDS + 1):
        for name, system in systems.items():
            grid = two_stage(system).prior.grid
            numbers = uniforms([(seed, index) for index in range(batch_size)], "speed", grid[0] * grid[1])
            begin = time.perf_counter()
            tokens = samplers[name].draw(conditions[name], numbers, 1.0, system.device)
            int(tokens[0, 0, 0])  # waits for a GPU
            times[name].append(time.perf_counter() - begin)
        tell(f"  drawing {round_}/{_ROUNDS}")
    return {name: batch_size / statistics.median(of[1:]) for name, of in times.items()}


def _drawn(
    system: TrainedSystem, test: DataSet, batch_size: int, seed: int, temperature: float
) -> list[AnnotatedImage]:
    """One image for each test layout."""
    return list(
        system.synthesize(len(test), layouts=test, seed=seed, batch_size=batch_size, temperature=temperature)
    )


def _agreement(judge: Judge, pairs: Sequence[AnnotatedImage], real: RealData) -> Floats:
    labels = np.stack([indices_of(pair.layout.label_map, real.classes) for pair in pairs])
    return agreement_scores(judge, np.stack([pair.image for pair in pairs]), labels)


def _with_interval(name: str, values: Floats, seed: int) -> dict[str, Any]:
    """The mean under its name, and its interval under NAME_interval."""
    low, high = interval(lambda index: float(values[index].mean()), len(values), repeats=1000, seed=seed)
    return {name: float(values.mean()), f"{name}_interval": [low, high]}


def _picture(drawn: Mapping[str, Sequence[AnnotatedImage]], test: DataSet, real: RealData, out: Path) -> None:
    views = real.system.pairs_of(test.subset(test.names[:_SHOWN])).fixed(0, _SHOWN).image
    images = list(EIGHT_BITS.from_unit(views))
    layouts = [
        overlay(image, pair.layout, real.classes) for image, pair in zip(images, drawn["run"], strict=False)
    ]
    cells = [layouts, images, *([pair.image for pair in of[:_SHOWN]] for of in drawn.values())]
    sheet(cells, out / "fewer_steps.png", rows=["layout", "real", *drawn])


# Command ----------------------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command; answers its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.fewer_steps", description="Both codes of a place at once, or a row."
    )
    add_common(parser)
    parser.add_argument(
        "--compare",
        choices=tuple(WAYS),
        nargs="+",
        default=list(ORDERS),
        help="priors (default token place row)",
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="of training, each way (default 8)")
    parser.add_argument("--n", type=int, default=256, help="test pairs that figures are of (default 256)")
    parser.add_argument("--batch-size", type=int, default=64, help="of drawing (default 64)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    chosen = parser.parse_args(words)

    return answer(lambda: _work(chosen, tell))


def _work(chosen: argparse.Namespace, tell: Callable[[str], None]) -> None:
    at_least(
        1, n=chosen.n, batch_size=chosen.batch_size, threads=chosen.threads, judge_steps=chosen.judge_steps
    )
    if not chosen.minutes > 0:
        raise InputError(f"--minutes {chosen.minutes}: expected more than 0")
    real = open_real(chosen.run, labelmint.read(chosen.data), device=chosen.device, at_most=chosen.at_most)
    torch.set_num_threads(chosen.threads)
    _check_run(real.system, chosen.compare)
    for order in chosen.compare:
        config = _config(real.system.config, order, chosen.minutes, chosen.threads)
        check_same(RunFolder(chosen.out / order), config)
    found = fewer_steps(
        real,
        _judge(real, chosen, tell),
        chosen.out,
        ways=tuple(dict.fromkeys(chosen.compare)),
        minutes=chosen.minutes,
        n=chosen.n,
        batch_size=chosen.batch_size,
        threads=chosen.threads,
        seed=chosen.seed,
        temperature=chosen.temperature,
        tell=tell,
    )
    for name, row in found["orders"].items():
        tell(_line(name, row))
    tell(f"real   agreement {found['real']['agreement']:.3f} of the test pairs themselves")


def _check_run(system: TrainedSystem, compared: Sequence[str]) -> None:
    sections = system.config.request.settings.each()
    if "layout_tokenizer" in sections or not isinstance(sections.get("prior"), PriorSection):
        raise InputError(
            f"{system.path}: is a run of {system.system} with another prior; give one with PixelSNAIL of "
            f"msgnet's family or mint"
        )
    if getattr(two_stage(system).prior, "stack", 1) < 2 and {"token", "place"} <= set(compared):
        raise InputError(
            f"{system.path}: has one code a place, so token and place are the same; leave one out, or give a "
            f"run of msgnet or pre-msgnet"
        )


def _judge(real: RealData, chosen: argparse.Namespace, tell: Callable[[str], None]) -> Judge:
    """That of the run where it holds one."""
    if RunFolder(real.system.path).finished("judge"):
        return load_judge(real.system.path, real.system.device)
    return judge_of(real, chosen.out, chosen, tell)


def _line(name: str, row: Mapping[str, Any]) -> str:
    def shown(what: str, digits: int) -> str:
        low, high = row[f"{what}_interval"]
        return f"{row[what]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"

    speed = f"{row['images_per_second']:7.2f} images/s" if row["images_per_second"] else " " * 16
    return (
        f"{name:6} nats {shown('nats', 4)}, more {shown('more_nats', 4)}  {speed}  agreement "
        f"{shown('agreement', 3)}, "
        f"more {shown('more_agreement', 3)}"
    )


if __name__ == "__main__":
    sys.exit(main())
