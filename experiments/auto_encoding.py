"""What tokens keep of images and of layouts: Tables 2 and 3 of the sVQ paper at the data's own scale.

    python -m experiments.auto_encoding --run RUN --data DIR --out DIR [--minutes 20] [--n 512] [--threads 1]
    [--beside RUN ...]
        --row tokenizer.semantic_weight=0.01 --row
        tokenizer.semantic_weight=1,tokenizer.semantic_codebook_size=256

RUN is a run of svqvae-t, svqgan-t or mint. Each --row is a coupled tokenizer of its settings with some
replaced (joined by commas), trained on the same pairs for equal minutes; `--row as-it-is` replaces none. Runs
--beside, of any system, stand as they were trained: the uncoupled ones, for example. An interrupted training
goes on when the same command is given again. Of n views of held-out pairs, in auto_encoding.json and for each
row:

    mse, ssim     of reconstructed images, the former on [-1, 1]
    frechet       distance between Gaussians of the judge's features of real and reconstructed images, not
                  FID; none with few views
    misread       share of a layout's pixels that come back as another class
    miou          mean intersection over union of layouts and what comes back, over labelled classes
    boundaries    1 - boundary score (2 pixels)

auto_encoding.png: real images and layouts, and both after each row's tokens. There are no weights for FID and
LPIPS here.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

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
from experiments.rows import Rows
from experiments.token_figures import (
    class_colors,
    frechet,
    images_back,
    layout_codes,
    layouts_back,
    pixels,
    views,
)
from torch import Tensor

from labelmint import formats
from labelmint.errors import InputError
from labelmint.protocols import LayoutTokenizer, Tokenizer
from labelmint.runs.config import RunConfig
from labelmint.runs.trained import TrainedSystem
from labelmint.runs.wire import wire
from labelmint.segmenters.judge import Judge
from labelmint.systems.sections import with_values
from labelmint.tokenizers.coupled import Coupled
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array, Batch

__all__ = ["main"]

_SHOWN = 8
_AS_IT_IS = "as-it-is"


def _config(of: RunConfig, row: str, minutes: float, threads: int) -> RunConfig:
    """That of a row; raises InputError where it is of no tokenizer."""
    values = [] if row == _AS_IT_IS else re.split(r",(?=[a-z_]+\.)", row)
    strange = [value for value in values if not value.startswith("tokenizer.")]
    if strange:
        raise InputError(
            f"--row {row}: {strange[0]} is no setting of the tokenizer; give tokenizer.KEY=VALUE"
        )
    settings = with_values(of.request.settings, values)
    request = of.request.model_copy(update={"settings": settings, "max_minutes": minutes})
    config = of.model_copy(update={"request": request, "threads": threads})
    with torch.device("meta"):
        wire(config)  # what does not go together is told before anything is trained
    return config


def _tokenizer(
    real: RealData, folder: Path, row: str, config: RunConfig, tell: Callable[[str], None]
) -> Coupled:
    """Trained, or as it was; all else of the run stays."""
    run, request = RunFolder(folder), config.request
    section = request.settings.each()["tokenizer"]
    accumulate = config.accumulate.get("tokenizer", section.accumulate)
    endless = section.model_copy(update={"steps": 1 << 20})  # time alone ends it
    stage = wire(with_section(config, "tokenizer", endless)).stages[0]
    tokenizer = cast(Coupled, stage.module)
    if run.finished("tokenizer"):
        tell(f"{row}: trained already")
        weights, _ = run.load_part("tokenizer")
        tokenizer.load_state_dict(weights)
        return tokenizer.to(real.system.device).eval()
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config.model_dump(mode="json"))
    tell(f"{row}: trains for {request.max_minutes:g} minutes")
    train_stage(real, stage, run, config, accumulate, plain(tell))
    return tokenizer.eval()


def _row(
    row: str,
    system: TrainedSystem,
    tokenizer: Tokenizer,
    codes: LayoutTokenizer,
    write: Callable[[Batch], Tensor],
    batches: Sequence[Batch],
    folder: Path,
    judge: Judge,
) -> tuple[dict[str, Any], list[list[Array]]]:
    """The figures of the tokenizers that a folder holds, and what they make of the first views.

    The views' symbols are those of the system; `write` answers the tokens of their layouts.
    """
    made, of_images = images_back(tokenizer, batches, system.device)
    with torch.no_grad():
        written = torch.cat([write(batch.to(system.device)).cpu() for batch in batches])
    back, of_layouts = layouts_back(
        codes, written, torch.cat([batch.layouts.ids for batch in batches]), system
    )
    about = RunFolder(folder).read_json("tokenizer/part.json")
    seen = pixels(torch.cat([batch.image for batch in batches]))
    found = {
        "row": row,
        **of_images,
        "frechet": frechet(judge, seen, pixels(made)),
        **of_layouts,
        "n": len(made),
        "codes_used": about["codes_used"],
        "steps": about["steps"],
        "minutes": about["seconds"] / 60,
        "weights": about["sha256"],
    }
    return found, _shown(made, back, system)


def _shown(images: Tensor, ids: Tensor, system: TrainedSystem) -> list[list[Array]]:
    """Images, and their layouts in the classes' colors."""
    return [list(pixels(images[:_SHOWN])), class_colors(ids[:_SHOWN], system)]


def _held_out(real: RealData, n: int) -> list[Batch]:
    """The views, with the symbols of the run: runs of other cells may tell touching objects apart by other
    colors.
    """
    return views(
        real.system.pairs_of(real.data.subset(real.about.parts.test)), n, crops=real.system.geometry.crop
    )


def _writing(system: TrainedSystem) -> Callable[[Batch], Tensor]:
    """What writes its layouts in tokens, where need be with their images."""
    return lambda batch: two_stage(system).codes(batch)[1]


def _semantics(tokenizer: Coupled) -> Callable[[Batch], Tensor]:
    """The same of a coupled tokenizer by itself."""
    return lambda batch: tokenizer.encode(batch)["semantics"]


def _folder(out: Path, row: str) -> Path:
    """Of a row, whose settings may name files."""
    return out / row.replace("/", "_")


def _check_beside(real: RealData, beside: Sequence[RealData]) -> None:
    for other in beside:
        if other.about.geometry != real.about.geometry or other.about.parts != real.about.parts:
            raise InputError(
                f"--beside {other.about.path}: was trained at another size, crop, scale or split than --run; "
                f"give one like it"
            )


def _compare(chosen: argparse.Namespace, tell: Callable[[str], None]) -> None:
    at_least(1, n=chosen.n, threads=chosen.threads, judge_steps=chosen.judge_steps)
    if not chosen.minutes > 0:
        raise InputError(f"--minutes {chosen.minutes}: expected more than 0")
    data = formats.read(chosen.data)
    real, *beside = (
        open_real(run, data, device=chosen.device, at_most=chosen.at_most)
        for run in (chosen.run, *chosen.beside)
    )
    if not isinstance(two_stage(real.system).tokenizer, Coupled):
        raise InputError(
            f"{chosen.run}: a run of {real.system.system}; give one of svqvae-t, svqgan-t or mint"
        )
    _check_beside(real, beside)
    rows = {row: _config(real.system.config, row, chosen.minutes, chosen.threads) for row in chosen.row}
    for row, config in rows.items():
        check_same(RunFolder(_folder(chosen.out, row)), config)
    torch.set_num_threads(chosen.threads)
    judge = judge_of(real, chosen.out / "judge", chosen, tell)
    about = {
        "run": str(chosen.run),
        "data": chosen.data.name,
        "seed": real.system.config.request.seed,
        "judge_seed": chosen.seed,
        "judge": judge.about["sha256"],
    }
    first = _held_out(real, chosen.n)
    table = Rows(chosen.out / "auto_encoding", about, tell)
    table.show(("real", ""), _shown(first[0].image, first[0].layouts.ids, real.system))
    for other in beside:
        path, system = other.about.path, other.system
        tokenizer, codes = two_stage(system).tokenizer, layout_codes(system)
        views_of = _held_out(other, chosen.n)
        found, shown = _row(path.name, system, tokenizer, codes, _writing(system), views_of, path, judge)
        table.add(found, _titles(path.name), shown)
    for row, config in rows.items():
        folder = _folder(chosen.out, row)
        trained = _tokenizer(real, folder, row, config, tell)
        found, shown = _row(row, real.system, trained, trained, _semantics(trained), first, folder, judge)
        table.add(found, _titles(row), shown)


def _titles(row: str) -> tuple[str, str]:
    return row.replace("tokenizer.", "").replace(",", " "), ""


def main(words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command; answers its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser, draws=False)
    parser.add_argument(
        "--row",
        action="append",
        required=True,
        help=f"settings of a tokenizer, KEY=VALUE,...; or {_AS_IT_IS}",
    )
    parser.add_argument(
        "--beside", type=Path, nargs="+", default=[], help="runs whose tokenizers are measured as they are"
    )
    parser.add_argument("--minutes", type=float, default=20.0, help="of training, each row (default 20)")
    parser.add_argument(
        "--n",
        type=int,
        default=512,
        help="held-out views: so many crops or a few more, or else at most (default 512)",
    )
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    chosen = parser.parse_args(words)
    return answer(lambda: _compare(chosen, tell))


if __name__ == "__main__":
    sys.exit(main())
