"""What the filter does to obedience: pairs of a run that it would keep and drop, as a reader sees them that
it has no part in.

    python -m experiments.filter_effect --run RUN --data DIR --out DIR [--n 500] [--vary] [--share 5 20]
    [--judge-steps 800]

RUN holds a judge, from which its filter is made (`labelmint evaluate` or `study` leave one). The reader is a
U-Net trained on all real training pairs of DIR, of which the run may have seen a few. For the n pairs drawn,
and for those that the filter keeps when it may drop so many percent of real validation views:

    agreement   Dice of the foreground classes between labels and what the reader reads, over all pixels of
                the pairs
    more        that of the kept pairs minus that of all, with a 95 % bootstrap interval over pairs

filter_effect.json holds them, filter_effect.png the pairs that the filter likes least, and those that it
likes best.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from experiments.common import add_common, answer, at_least, dice_by_class, plain, write_json
from experiments.sheet import sheet

from labelmint import formats
from labelmint.evaluation.judging import judge_of
from labelmint.evaluation.views import indices_of
from labelmint.hardware import choose_device
from labelmint.metrics.bootstrap import interval
from labelmint.metrics.overlap import confusion
from labelmint.pictures import overlay
from labelmint.progress import Report
from labelmint.runs.trained import TrainedSystem, load
from labelmint.segmenters.judge import Judge
from labelmint.synthesis.filter import open_filter
from labelmint.types import AnnotatedImage
from labelmint.usefulness.plan import JUDGE, StudyOptions
from labelmint.usefulness.real import RealPairs, load_real

__all__ = ["filter_effect", "main"]

_SHOWN = 8

Ints = npt.NDArray[np.int64]


def filter_effect(
    system: TrainedSystem,
    real: RealPairs,
    out: Path,
    *,
    n: int,
    vary: bool,
    shares: tuple[float, ...],
    steps: int,
    seed: int,
    temperature: float,
    report: Report,
) -> dict[str, Any]:
    """Draw, judge and read n pairs; write the picture and answer what filter_effect.json holds.

    Arguments:
        shares: of real validation views that the filter may drop. steps: of the reader's training.
    """
    reader = _reader(system, real, out, steps, seed, report)
    pairs = list(system.synthesize(n, seed=seed, temperature=temperature, vary=vary))
    labels = np.stack([indices_of(pair.layout.label_map, real.classes) for pair in pairs])
    counts = confusion(labels, reader.predict(np.stack([pair.image for pair in pairs])), len(real.classes))
    found: dict[str, Any] = {
        "n": n,
        "agreement": _agreement(counts, real.foreground),
        "reader": reader.about["held_out_dice"],
    }
    scores: npt.NDArray[np.float64] = np.empty(0)
    for share in shares:
        sieve = open_filter(system, "on", share=share)
        assert sieve is not None
        verdicts = sieve.reading(pairs)
        scores = np.array([verdict.agreement for verdict in verdicts])
        kept = np.array([verdict.reason is None for verdict in verdicts])
        found[f"share {share:g}"] = {
            "kept": int(kept.sum()),
            "agreement": _agreement(counts[kept], real.foreground),
        } | _more(counts, kept, real.foreground, seed)
    order = np.argsort(scores)
    _picture([[pairs[k] for k in part] for part in (order[:_SHOWN], order[-_SHOWN:])], real, out)
    return found


def _reader(
    system: TrainedSystem, real: RealPairs, out: Path, steps: int, seed: int, report: Report
) -> Judge:
    """Trained on all real training pairs."""
    training, validation = (
        [real.fitted[name] for name in part] for part in (real.parts.training, real.parts.validation)
    )
    return judge_of(
        out,
        real.data,
        training,
        validation,
        real.geometry,
        channels=system.config.image_channels,
        foreground=real.foreground,
        seed=seed,
        config=JUDGE.model_copy(update={"steps": steps}),
        device=choose_device("auto"),
        precision="auto",
        report=report,
    )


def _agreement(counts: Ints, foreground: tuple[int, ...]) -> float | None:
    return dice_by_class(counts, foreground) if len(counts) else None


def _more(
    counts: Ints, kept: npt.NDArray[np.bool_], foreground: tuple[int, ...], seed: int
) -> dict[str, Any]:
    def gained(rows: Ints) -> float:
        of_kept, of_all = (
            _agreement(counts[rows[kept[rows]]], foreground),
            _agreement(counts[rows], foreground),
        )
        return float("nan") if of_kept is None or of_all is None else of_kept - of_all

    return {"more": gained(np.arange(len(counts))), "interval": interval(gained, len(counts), seed=seed)}


def _picture(rows: list[list[AnnotatedImage]], real: RealPairs, out: Path) -> None:
    cells = [
        [one for pair in row for one in (pair.image, overlay(pair.image, pair.layout, real.classes))]
        for row in rows
    ]
    sheet(cells, out / "filter_effect.png", rows=["agree least", "agree most"])


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
    parser.add_argument("--n", type=int, default=500, help="pairs to draw (default 500)")
    parser.add_argument("--vary", action="store_true", help="draw for varied training layouts")
    parser.add_argument("--share", type=float, nargs="+", default=[5.0, 20.0], help="percent (default 5 20)")
    options = parser.parse_args(arguments)

    tell = plain(lambda line: print(line, flush=True))

    def work() -> None:
        at_least(2, n=options.n)
        system = load(options.run, device=options.device)
        geometry = system.geometry
        chosen = StudyOptions(
            size=geometry.size,
            crop=geometry.crop,
            scale=geometry.scale,
            augment=tuple(sorted(geometry.augment)),
        )
        real = load_real(formats.read(options.data), geometry.size, chosen, tell)
        options.out.mkdir(parents=True, exist_ok=True)
        found = filter_effect(
            system,
            real,
            options.out,
            n=options.n,
            vary=options.vary,
            shares=tuple(one / 100 for one in options.share),
            steps=options.judge_steps,
            seed=options.seed,
            temperature=options.temperature,
            report=tell,
        )
        write_json(
            options.out / "filter_effect.json", {"run": str(options.run), "weights": system.digest, **found}
        )
        print(found)

    return answer(work)


if __name__ == "__main__":
    sys.exit(main())
