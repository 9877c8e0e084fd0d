"""Coupled against uncoupled tokenizers, a row for each run: Table 1 of the sVQ paper at the scale of the data
at hand.

    python -m experiments.coupled_table --run RUN [RUN ...] --data DIR --out DIR [--n 512] [--judge-steps 800]

Every run draws an image for each of the same n held-out views' layouts. One judge, a U-Net of the real
training pairs, reads them all.

    ssim          between the drawn image and the real one of the layout (the paper's; it asks for the one
                  image that was there)
    frechet       distance between Gaussians of the judge's features, not FID; none where there are fewer
                  views than features
    obedience     foreground Dice between layouts and what the judge reads in the drawn images, over the same
                  of the real images
    own           the same agreement, with layouts that the run drew itself; of runs with a layout prior
    mse           of the tokenizer's reconstruction, on [-1, 1]
    labels        1 - boundary score (2 pixels) of held-out labels after the codes that the run's layouts pass
                  through
    miou          of the same, over labelled classes
    nats          image tokens given the layout, a token; `alone`: without it, where `prior.condition_dropout`
                  taught that
    bits          an image takes given its layout: nats times tokens
    per_s         images a second, drawing and decoding, on this machine
    minutes       of training

coupled_table.json holds them, coupled_table.png the first layouts with the images of every run below the real
ones.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiments.common import (
    add_common,
    answer,
    at_least,
    dice_by_class,
    draw,
    judge_of,
    open_real,
    two_stage,
)
from experiments.rows import Rows
from experiments.token_figures import (
    AT_ONCE,
    classes_of,
    frechet,
    images_back,
    layout_codes,
    layouts_back,
    pixels,
    ssim,
    views,
)

from labelmint import formats
from labelmint.errors import InputError
from labelmint.metrics.overlap import confusion
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.pictures import overlay
from labelmint.priors.guided import learned_without
from labelmint.runs.given import Given
from labelmint.runs.trained import TrainedSystem
from labelmint.segmenters.judge import Judge
from labelmint.training.run_folder import RunFolder
from labelmint.types import AnnotatedImage, Batch, DataSet

__all__ = ["main", "row_of"]

_SHOWN = 8


def row_of(
    system: TrainedSystem,
    data: DataSet,
    names: tuple[str, ...],
    judge: Judge,
    foreground: tuple[int, ...],
    *,
    n: int,
    seed: int,
    temperature: float,
) -> tuple[dict[str, Any], list[AnnotatedImage], list[AnnotatedImage]]:
    """The figures of a run, and its first images beside the real ones."""
    batches = views(system.pairs_of(data.subset(names)), n, crops=system.geometry.crop)
    ids = torch.cat([batch.layouts.ids for batch in batches])
    with torch.no_grad():
        written = torch.cat([two_stage(system).codes(batch.to(system.device))[1].cpu() for batch in batches])
    given = Given(ids=ids, tokens=written if system.needs_references else None)
    real = pixels(torch.cat([batch.image for batch in batches]))
    begin = time.perf_counter()
    drawn = draw(system, given, len(ids), batch_size=AT_ONCE, seed=seed, temperature=temperature)
    per_s = len(ids) / (time.perf_counter() - begin)
    labels, made = classes_of(ids, system), np.stack([pair.image for pair in drawn])
    of_real, of_made = (
        dice_by_class(confusion(labels, judge.predict(x), len(system.classes)), foreground)
        for x in (real, made)
    )
    tokens, nats, alone = _likelihood(system, batches)
    _, of_images = images_back(two_stage(system).tokenizer, batches, system.device)
    _, of_layouts = layouts_back(layout_codes(system), written, ids, system)
    found = {
        "system": system.system,
        "weights": system.digest,
        "n": len(ids),
        "ssim": ssim(real, made),
        "frechet": frechet(judge, real, made),
        "agreement": of_made,
        "of real": of_real,
        "obedience": of_made / of_real if of_made is not None and of_real else None,
        "own": _own(system, judge, foreground, len(ids), seed, temperature),
        "mse": of_images["mse"],
        "reconstruction ssim": of_images["ssim"],
        "labels": of_layouts["boundaries"],
        "miou": of_layouts["miou"],
        "nats": nats,
        "alone": alone,
        "tokens": tokens,
        "bits": nats * tokens / math.log(2),
        "per_s": per_s,
        **_trained(system),
    }
    beside = [
        AnnotatedImage(name=pair.name, image=image, layout=pair.layout)
        for pair, image in zip(drawn[:_SHOWN], real, strict=False)
    ]
    return found, drawn[:_SHOWN], beside


def _own(
    system: TrainedSystem, judge: Judge, foreground: tuple[int, ...], n: int, seed: int, temperature: float
) -> float | None:
    if not system.has_layout_prior:
        return None
    pairs = list(system.synthesize(n, seed=seed, temperature=temperature, batch_size=AT_ONCE))
    index = {class_id: k for k, class_id in enumerate(system.classes.ids)}
    labels = np.stack([np.vectorize(lambda k: index.get(k, -1))(pair.layout.label_map) for pair in pairs])
    return dice_by_class(
        confusion(labels, judge.predict(np.stack([p.image for p in pairs])), len(system.classes)), foreground
    )


@torch.no_grad()
def _likelihood(system: TrainedSystem, batches: list[Batch]) -> tuple[int, float, float | None]:
    """Tokens an image, nats a token given the layout, and without it."""
    images = two_stage(system)
    prior = images.prior
    given, alone, count = 0.0, 0.0, 0
    for batch in batches:
        tokens, layouts = images.written.image_tokens(batch.to(system.device))
        given += float(negative_log_likelihood(prior, tokens, layouts)) * len(tokens)
        count += len(tokens)
        if learned_without(prior):
            condition = prior.prepare(layouts)
            assert condition is not None
            logits = prior.logits(tokens, prior.nothing_like(condition))
            alone += float(torch.nn.functional.cross_entropy(logits, tokens)) * len(tokens)
    return tokens[0].numel(), given / count, alone / count if learned_without(prior) else None


def _trained(system: TrainedSystem) -> dict[str, Any]:
    folder = RunFolder(system.path)
    parts = {stage.name: folder.read_json(f"{stage.name}/part.json") for stage in system.wired.stages}
    return {
        "minutes": sum(part["seconds"] for part in parts.values()) / 60,
        "steps": {name: part["steps"] for name, part in parts.items()},
        "parameters": sum(p.numel() for stage in system.wired.stages for p in stage.module.parameters()),
    }


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser, run=False)
    parser.add_argument(
        "--run", type=Path, nargs="+", required=True, help="runs on these data, of one size, crop and scale"
    )
    parser.add_argument("--n", type=int, default=512, help="held-out views at most (default 512)")
    options = parser.parse_args(arguments)
    return answer(lambda: _compare(options, lambda line: print(line, flush=True)))


def _compare(options: argparse.Namespace, tell: Callable[[str], None]) -> None:
    at_least(AT_ONCE, n=options.n)
    data = formats.read(options.data)
    opened = [open_real(run, data, device=options.device, at_most=options.at_most) for run in options.run]
    first = opened[0]
    if any(
        one.about.geometry != first.about.geometry or one.about.parts != first.about.parts for one in opened
    ):
        raise InputError(
            "--run: these were trained at different sizes, crops, scales or splits; give runs that can be compared"
        )
    judge = judge_of(first, options.out / "judge", options, tell)
    rows = Rows(options.out / "coupled_table", {"data": str(options.data.name), "seed": options.seed}, tell)
    for run, one in zip(options.run, opened, strict=True):
        row, drawn, real = row_of(
            one.system,
            data,
            first.about.parts.test,
            judge,
            first.foreground,
            n=options.n,
            seed=options.seed,
            temperature=options.temperature,
        )
        if one is first:
            black = np.zeros((*one.system.size, 3), np.uint8)
            layouts = [overlay(black, pair.layout, data.classes) for pair in real]
            rows.show(("layout", "real"), (layouts, [pair.image for pair in real]))
        rows.add({"run": run.name, **row}, (run.name,), ([pair.image for pair in drawn],))


if __name__ == "__main__":
    sys.exit(main())
