"""Coupled against uncoupled tokenizers, a row for each run: Table 1 of the sVQ paper at the scale of the data at hand.

    python -m experiments.coupled_table --run RUN [RUN ...] --data DIR --out DIR [--n 512] [--judge-steps 800]

Every run draws an image for each of the same n held-out views' layouts. One judge, a U-Net of the real training pairs, reads them all.

    ssim          between the drawn image and the real one of the layout (the paper's; it asks for the one image that was there)
    frechet       distance between Gaussians of the judge's features, not FID; none where there are fewer views than features
    obedience     foreground Dice between layouts and what the judge reads in the drawn images, over the same of the real images
    own           the same agreement, with layouts that the run drew itself; of runs with a layout prior
    mse           of the tokenizer's reconstruction, on [-1, 1]
    labels        1 - boundary score (2 pixels) of held-out labels after the codes that the run's layouts pass through
    nats          image tokens given the layout, a token; `alone`: without it, where `prior.condition_dropout` taught that
    bits          an image takes given its layout: nats times tokens
    per_s         images a second, drawing and decoding, on this machine
    minutes       of training

coupled_table.json holds them, coupled_table.png the first layouts with the images of every run below the real ones.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from experiments.common import add_common, answer, at_least, dice_by_class, open_real, plain, sheet, train_on, write_json
from torch import Tensor

from labelmint import formats
from labelmint.errors import InputError
from labelmint.metrics.boundary import boundary_score
from labelmint.metrics.frechet import frechet_distance
from labelmint.metrics.overlap import confusion
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.pictures import overlay
from labelmint.priors.guided import NetworkPrior, learned_without
from labelmint.protocols import LayoutTokenizer, Tokenizer
from labelmint.segmenters.judge import Judge
from labelmint.systems.given import Given
from labelmint.systems.parts import SemanticParts
from labelmint.systems.trained import TrainedSystem
from labelmint.training.pairs import Pairs
from labelmint.types import AnnotatedImage, Array, Batch, DataSet, Layout

__all__ = ["main", "row_of"]

_AT_ONCE, _SHOWN = 32, 8


def row_of(
    system: TrainedSystem, data: DataSet, names: tuple[str, ...], judge: Judge, foreground: tuple[int, ...], *, n: int, seed: int,
    temperature: float,
) -> tuple[dict[str, Any], list[AnnotatedImage], list[AnnotatedImage]]:  # fmt: skip
    """The figures of a run, and its first images beside the real ones."""
    batches = _views(system.pairs_of(data.subset(names)), n, crops=system.geometry.crop)
    ids = torch.cat([batch.layouts.ids for batch in batches])
    with torch.no_grad():
        written = torch.cat([system.parts.codes(batch)[1] for batch in batches])
    given = Given(ids=ids, tokens=written if system.needs_references else None)
    real = _pixels(torch.cat([batch.image for batch in batches]))
    begin = time.perf_counter()
    drawn = [
        pair
        for chunk in range(-(-len(ids) // _AT_ONCE))
        for pair in system.sample_chunk(chunk, seed=seed, batch_size=_AT_ONCE, temperature=temperature, layouts=given)
    ][: len(ids)]
    per_s = len(ids) / (time.perf_counter() - begin)
    labels, made = _classes(ids, system), np.stack([pair.image for pair in drawn])
    of_real, of_made = (dice_by_class(confusion(labels, judge.predict(x), len(system.classes)), foreground) for x in (real, made))
    tokens, nats, alone = _likelihood(system, batches)
    found = {
        "system": system.system, "weights": system.digest, "n": len(ids), "ssim": _ssim(real, made),
        "frechet": _frechet(judge.features(real), judge.features(made)), "agreement": of_made, "of real": of_real,
        "obedience": of_made / of_real if of_made is not None and of_real else None,
        "own": _own(system, judge, foreground, len(ids), seed, temperature),
        **_reconstruction(system, batches), "labels": _lost_boundaries(system, written, labels), "nats": nats, "alone": alone,
        "tokens": tokens, "bits": nats * tokens / math.log(2), "per_s": per_s, **_trained(system),
    }  # fmt: skip
    beside = [
        AnnotatedImage(name=pair.name, image=image, layout=pair.layout) for pair, image in zip(drawn[:_SHOWN], real, strict=False)
    ]
    return found, drawn[:_SHOWN], beside


def _views(pairs: Pairs, n: int, *, crops: bool) -> list[Batch]:
    """At least n random crops, a multiple of those drawn at once, or else every pair's one view, at most n of them."""
    if crops:
        return [pairs.batch(step, _AT_ONCE) for step in range(-(-n // _AT_ONCE))]
    n = min(n, len(pairs))
    return [pairs.fixed(first, min(_AT_ONCE, n - first)) for first in range(0, n, _AT_ONCE)]


def _pixels(images: Tensor) -> Array:
    array: Array = ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return array


def _classes(ids: Tensor, system: TrainedSystem) -> Array:
    """Class indices of symbol ids; -1 for ignored ones."""
    index = {class_id: k for k, class_id in enumerate(system.classes.ids)}
    table = np.array([index.get(class_id, -1) for class_id, _ in system.config.symbol_table.symbols])
    found: Array = table[ids.cpu().numpy()]
    return found


def _ssim(real: Array, made: Array) -> float:
    from torchmetrics.functional.image import structural_similarity_index_measure

    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).float() for x in (real, made))
    return float(cast(Tensor, structural_similarity_index_measure(a, b, data_range=255.0)))


def _frechet(real: Array, made: Array) -> float | None:
    """None where there are too few views."""
    return frechet_distance(real, made) if min(len(real), len(made)) > real.shape[1] else None


def _own(system: TrainedSystem, judge: Judge, foreground: tuple[int, ...], n: int, seed: int, temperature: float) -> float | None:
    if not system.has_layout_prior:
        return None
    pairs = list(system.synthesize(n, seed=seed, temperature=temperature, batch_size=_AT_ONCE))
    index = {class_id: k for k, class_id in enumerate(system.classes.ids)}
    labels = np.stack([np.vectorize(lambda k: index.get(k, -1))(pair.layout.label_map) for pair in pairs])
    return dice_by_class(confusion(labels, judge.predict(np.stack([p.image for p in pairs])), len(system.classes)), foreground)


@torch.no_grad()
def _lost_boundaries(system: TrainedSystem, written: Tensor, labels: Array) -> float:
    """Of layouts written in the tokens that they pass through, and read again."""
    parts = system.parts
    apart = parts.layout_tokenizer if isinstance(parts, SemanticParts) else parts.label_map
    codes = cast(LayoutTokenizer, apart if apart is not None else parts.tokenizer)
    back = _classes(torch.cat([codes.decode_layouts(some) for some in written.split(_AT_ONCE)]), system)
    hits, sizes = boundary_score(labels, np.where(back < 0, 0, back), len(system.classes))
    return 1 - float(hits.sum() / sizes.sum())


@torch.no_grad()
def _reconstruction(system: TrainedSystem, batches: list[Batch]) -> dict[str, float]:
    tokenizer = cast(Tokenizer, system.parts.tokenizer)
    decoded = [tokenizer.decode(tokenizer.encode(batch), batch.layouts) for batch in batches]
    real, made = torch.cat([batch.image for batch in batches]), torch.cat(decoded)
    return {"mse": float((made - real).square().mean()), "reconstruction ssim": _ssim(_pixels(real), _pixels(made))}


@torch.no_grad()
def _likelihood(system: TrainedSystem, batches: list[Batch]) -> tuple[int, float, float | None]:
    """Tokens an image, nats a token given the layout, and without it."""
    prior = cast(NetworkPrior, system.parts.prior)
    given, alone, count = 0.0, 0.0, 0
    for batch in batches:
        tokens, layouts = system.parts.image_tokens(batch)
        given += float(negative_log_likelihood(cast(torch.nn.Module, prior), tokens, layouts)) * len(tokens)
        count += len(tokens)
        if learned_without(prior):
            condition = prior.prepare(layouts)
            assert condition is not None
            logits = prior.logits(tokens, prior.nothing_like(condition))
            alone += float(torch.nn.functional.cross_entropy(logits, tokens)) * len(tokens)
    return tokens[0].numel(), given / count, alone / count if learned_without(prior) else None


def _trained(system: TrainedSystem) -> dict[str, Any]:
    import json

    parts = {
        stage.name: json.loads((system.path / stage.name / "part.json").read_text(encoding="utf-8"))
        for stage in system.parts.stages()
    }
    return {
        "minutes": sum(part["seconds"] for part in parts.values()) / 60,
        "steps": {name: part["steps"] for name, part in parts.items()},
        "parameters": sum(p.numel() for stage in system.parts.stages() for p in stage.module.parameters()),
    }


def _layout_of(pair: AnnotatedImage) -> AnnotatedImage:
    blank = np.zeros((*pair.layout.size, 3), np.uint8)
    return AnnotatedImage(
        name=pair.name, image=blank, layout=Layout(label_map=pair.layout.label_map, instances=pair.layout.instances)
    )


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common(parser, run=False)
    parser.add_argument("--run", type=Path, nargs="+", required=True, help="runs on these data, of one size, crop and scale")
    parser.add_argument("--n", type=int, default=512, help="held-out views at most (default 512)")
    options = parser.parse_args(arguments)
    tell = plain(lambda line: print(line, flush=True))

    def work() -> None:
        at_least(_AT_ONCE, n=options.n)
        data = formats.read(options.data)
        opened = [open_real(run, data, device=options.device, at_most=options.at_most) for run in options.run]
        first = opened[0]
        if any(one.about.geometry != first.about.geometry or one.about.parts != first.about.parts for one in opened):
            raise InputError(
                "--run: these were trained at different sizes, crops, scales or splits; give runs that can be compared"
            )
        options.out.mkdir(parents=True, exist_ok=True)
        judge = train_on(
            first.training, first.validation, first, options.out / "judge", steps=options.judge_steps, seed=options.seed,
            device=options.device, report=tell,
        )  # fmt: skip
        rows: list[dict[str, Any]] = []
        cells: list[list[Array]] = []
        titles: list[str] = []
        for run, one in zip(options.run, opened, strict=True):
            row, drawn, beside = row_of(
                one.system, data, first.about.parts.test, judge, first.foreground, n=options.n, seed=options.seed,
                temperature=options.temperature,
            )  # fmt: skip
            rows.append({"run": run.name, **row})
            print({key: round(value, 4) if isinstance(value, float) else value for key, value in rows[-1].items()}, flush=True)
            if not cells:
                black = [_layout_of(pair) for pair in beside]
                cells = [[overlay(pair.image, pair.layout, data.classes) for pair in black], [pair.image for pair in beside]]
                titles = ["layout", "real"]
            cells.append([pair.image for pair in drawn])
            titles.append(run.name)
        sheet(cells, options.out / "coupled_table.png", rows=titles)
        write_json(options.out / "coupled_table.json", {"data": str(options.data.name), "seed": options.seed, "rows": rows})

    return answer(work)


if __name__ == "__main__":
    sys.exit(main())
