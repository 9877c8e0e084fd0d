"""What a coupled tokenizer keeps of images and of layouts, by its settings: Tables 2 and 3 of the sVQ paper at the data's own scale.

    python -m experiments.auto_encoding --run RUN --data DIR --out DIR [--minutes 20] [--n 512] [--threads 1]
        --row tokenizer.semantic_weight=0.01 --row tokenizer.semantic_weight=1,tokenizer.semantic_codebook_size=256

RUN is a run of svqvae-t, svqgan-t or mint. Each --row is a tokenizer of its settings with some replaced (joined by commas), trained on
the same pairs for equal minutes; `--row as-it-is` replaces none. An interrupted training goes on when the same command is given again.
Of n views of held-out pairs, in auto_encoding.json and for each row:

    mse, ssim     of reconstructed images, the former on [-1, 1]
    frechet       distance between Gaussians of the judge's features of real and reconstructed images, not FID; none with few views
    misread       share of a layout's pixels that come back as another class
    miou          mean intersection over union of layouts and what comes back, over labelled classes
    boundaries    1 - boundary score (2 pixels)

auto_encoding.png: real images and layouts, and both after each row's tokens. There are no weights for FID and LPIPS here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from experiments.common import (
    RealData,
    add_common,
    answer,
    at_least,
    check_same,
    open_real,
    plain,
    run_pairs,
    sheet,
    train_on,
    write_json,
)
from torch import Tensor

from labelmint import formats
from labelmint.errors import InputError
from labelmint.metrics.boundary import boundary_score
from labelmint.metrics.frechet import frechet_distance
from labelmint.metrics.overlap import confusion, iou
from labelmint.pictures import overlay
from labelmint.protocols import LayoutTokenizer, Tokenizer
from labelmint.segmenters.judge import Judge
from labelmint.systems.config import with_values
from labelmint.systems.hardware import Hardware, open_fabric
from labelmint.systems.run_config import RunConfig
from labelmint.systems.trained import TrainedSystem, build_parts
from labelmint.tokenizers.coupled import CoupledVQ
from labelmint.training.pairs import Pairs
from labelmint.training.run import RunFolder
from labelmint.training.vq_model import VQModelTraining, train_vq_model
from labelmint.types import Array, Batch, Layout

__all__ = ["AT_ONCE", "classes_of", "frechet", "images_back", "layouts_back", "main", "pixels", "ssim", "views"]

AT_ONCE, _SHOWN = 32, 8
_AS_IT_IS = "as-it-is"

# Figures, of any run's tokens ----------------------------------------------------------------------------------------------------


def views(pairs: Pairs, n: int, *, crops: bool) -> list[Batch]:
    """At least n random crops, a multiple of those drawn at once, or else every pair's one view, at most n of them."""
    if crops:
        return [pairs.batch(step, AT_ONCE) for step in range(-(-n // AT_ONCE))]
    n = min(n, len(pairs))
    return [pairs.fixed(first, min(AT_ONCE, n - first)) for first in range(0, n, AT_ONCE)]


def pixels(images: Tensor) -> Array:
    """(B, C, H, W) in [-1, 1] -> (B, H, W, C) uint8."""
    array: Array = ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return array


def classes_of(ids: Tensor, system: TrainedSystem) -> Array:
    """Class indices of symbol ids; -1 for ignored ones."""
    index = {class_id: k for k, class_id in enumerate(system.classes.ids)}
    table = np.array([index.get(class_id, -1) for class_id, _ in system.config.symbol_table.symbols])
    found: Array = table[ids.cpu().numpy()]
    return found


def ssim(real: Array, made: Array) -> float:
    """Structural similarity of images (B, H, W, C) uint8, the mean."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    a, b = (torch.from_numpy(x).permute(0, 3, 1, 2).float() for x in (real, made))
    return float(cast(Tensor, structural_similarity_index_measure(a, b, data_range=255.0)))


def frechet(judge: Judge, real: Array, made: Array) -> float | None:
    """Between the judge's features; None where there are too few images."""
    a, b = judge.features(real), judge.features(made)
    return frechet_distance(a, b) if min(len(a), len(b)) > a.shape[1] else None


@torch.no_grad()
def images_back(tokenizer: Tokenizer, batches: Sequence[Batch]) -> tuple[Tensor, dict[str, float]]:
    """Images after their tokens, and how far they are from what they were: mse, ssim."""
    made = torch.cat([tokenizer.decode(tokenizer.encode(batch), batch.layouts) for batch in batches]).clamp(-1, 1)
    real = torch.cat([batch.image for batch in batches])
    return made, {"mse": float((made - real).square().mean()), "ssim": ssim(pixels(real), pixels(made))}


@torch.no_grad()
def layouts_back(codes: LayoutTokenizer, written: Tensor, ids: Tensor, system: TrainedSystem) -> tuple[Tensor, dict[str, float]]:
    """Layouts of the tokens `written`, and how far they are from the ids that were: misread, miou, boundaries.

    Pixels that were ignored do not count; those that come back ignored count as the first class.
    """
    back = torch.cat([codes.decode_layouts(some) for some in written.split(AT_ONCE)])
    labels, read = classes_of(ids, system), np.maximum(classes_of(back, system), 0)
    counts = confusion(labels, read, len(system.classes)).sum(axis=0)
    labelled = counts.sum(axis=1) > 0
    hits, sizes = boundary_score(labels, read, len(system.classes))
    return back, {
        "misread": float(1 - counts.trace() / counts.sum()),
        "miou": float(iou(counts)[labelled].mean()),
        "boundaries": float(1 - hits.sum() / sizes.sum()),
    }


# Tokenizers of several settings --------------------------------------------------------------------------------------------------


def _tokenizer(real: RealData, folder: Path, row: str, minutes: float, threads: int, tell: Callable[[str], None]) -> CoupledVQ:
    """Trained for so long, or as it was; all else of the run stays."""
    config, run = _config(real.system.config, row, minutes, threads), RunFolder(folder)
    check_same(run, config)
    tokenizer = cast(CoupledVQ, build_parts(config).tokenizer)
    if run.finished("tokenizer"):
        tell(f"{row}: trained already")
        weights, _ = run.load_part("tokenizer")
        tokenizer.load_state_dict(weights)
        return tokenizer.eval()
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config.model_dump(mode="json"))
    training, validation = (
        run_pairs(real, names, augment=augment)
        for names, augment in ((real.about.parts.training, True), (real.about.parts.validation, False))
    )
    section = cast(VQModelTraining, config.request.settings.tokenizer).model_copy(update={"steps": 1 << 20})  # time alone ends it
    tell(f"{row}: trains for {minutes:g} minutes")
    device = real.system.device
    about = train_vq_model(
        "tokenizer", open_fabric(Hardware(str(device), config.precision, threads)), run, tokenizer.to(device), training, validation,
        section, 60 * minutes, plain(tell),
    )  # fmt: skip
    run.save_part("tokenizer", tokenizer.state_dict(), {"part": "tokenizer", "config": section.model_dump(), **about})
    return tokenizer.eval()


def _config(of: RunConfig, row: str, minutes: float, threads: int) -> RunConfig:
    values = [] if row == _AS_IT_IS else row.split(",")
    settings = with_values(of.request.settings, values)
    request = of.request.model_copy(update={"settings": settings, "max_minutes": minutes})
    return of.model_copy(update={"request": request, "threads": threads})


def _row(
    row: str, tokenizer: CoupledVQ, real: RealData, batches: Sequence[Batch], judge: Judge, folder: Path
) -> tuple[dict[str, Any], Tensor, Tensor]:
    """The figures of a tokenizer, and what it makes of the views."""
    tokenizer = tokenizer.cpu()
    made, of_images = images_back(tokenizer, batches)
    with torch.no_grad():
        written = torch.cat([tokenizer.encode(batch)["semantics"] for batch in batches])
    back, of_layouts = layouts_back(tokenizer, written, torch.cat([batch.layouts.ids for batch in batches]), real.system)
    about = json.loads((folder / "tokenizer" / "part.json").read_text(encoding="utf-8"))
    views = pixels(torch.cat([batch.image for batch in batches]))
    found = {
        "row": row, **of_images, "frechet": frechet(judge, views, pixels(made)), **of_layouts, "n": len(made),
        "codes_used": about["codes_used"], "steps": about["steps"], "minutes": about["seconds"] / 60,
    }  # fmt: skip
    return found, made, back


def _shown(images: Tensor, ids: Tensor, real: RealData) -> tuple[list[Array], list[Array]]:
    """Images, and their layouts in the classes' colors."""
    labels = np.array(real.classes.ids)[np.maximum(classes_of(ids[:_SHOWN], real.system), 0)]
    black = np.zeros((*labels.shape[1:], 3), np.uint8)
    return list(pixels(images[:_SHOWN])), [overlay(black, Layout(label_map=one), real.classes) for one in labels]


# Command -------------------------------------------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command; answers its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common(parser)
    parser.add_argument("--row", action="append", required=True, help=f"settings of a tokenizer, KEY=VALUE,...; or {_AS_IT_IS}")
    parser.add_argument("--minutes", type=float, default=20.0, help="of training, each row (default 20)")
    parser.add_argument("--n", type=int, default=512, help="held-out views at most (default 512)")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    chosen = parser.parse_args(words)

    def work() -> None:
        at_least(1, n=chosen.n, threads=chosen.threads, judge_steps=chosen.judge_steps)
        if not chosen.minutes > 0:
            raise InputError(f"--minutes {chosen.minutes}: expected more than 0")
        real = open_real(chosen.run, formats.read(chosen.data), device=chosen.device, at_most=chosen.at_most)
        if not isinstance(real.system.parts.tokenizer, CoupledVQ):
            raise InputError(f"{chosen.run}: a run of {real.system.system}; give one of svqvae-t, svqgan-t or mint")
        rows = tuple(dict.fromkeys(chosen.row))
        configs = [
            _config(real.system.config, row, chosen.minutes, chosen.threads) for row in rows
        ]  # a wrong row is told at once
        for row, config in zip(rows, configs, strict=True):
            check_same(RunFolder(chosen.out / row), config)
        torch.set_num_threads(chosen.threads)
        chosen.out.mkdir(parents=True, exist_ok=True)
        judge = train_on(
            real.training, real.validation, real, chosen.out / "judge", steps=chosen.judge_steps, seed=chosen.seed,
            device=chosen.device, report=plain(tell),
        )  # fmt: skip
        held_out = real.system.pairs_of(real.data.subset(real.about.parts.test))
        batches = views(held_out, chosen.n, crops=real.system.geometry.crop)
        cells = [*_shown(batches[0].image, batches[0].layouts.ids, real)]
        titles, found = ["image", "layout"], []
        for row in rows:
            tokenizer = _tokenizer(real, chosen.out / row, row, chosen.minutes, chosen.threads, tell)
            figures, made, back = _row(row, tokenizer, real, batches, judge, chosen.out / row)
            tell(str({key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}))
            found.append(figures)
            cells += _shown(made, back, real)
            titles += [row.replace("tokenizer.", "").replace(",", " "), ""]
        sheet(cells, chosen.out / "auto_encoding.png", rows=titles)
        write_json(
            chosen.out / "auto_encoding.json",
            {"run": str(chosen.run), "data": chosen.data.name, "seed": real.system.config.request.seed, "rows": found},
        )

    return answer(work)


if __name__ == "__main__":
    sys.exit(main())
