"""Ten labels and a pool: how true are minted labels, and does advice choose better images than chance?

    python -m experiments.pool_labels --data DIR --out DIR [--n 10] [--seed 0] [--choose random|advise]
    [--size 64x64 --crop --scale 0.5 --augment flips,turns,zoom] [--rounds 2] [--most-steps N]
    [--labels NEW --ensemble DIR]

The labels of all training images of DIR but n are hidden, `labelmint label` mints them anew, and what it minted is
held against what was hidden; the test part is never opened. With --labels the labels that an earlier call wrote are
held against the truth, and nothing is trained; the pool is then what they label.

    found       of the pixels that are kept, at the images' own size: Dice, precision, recall by class, and the share
                of the pixels labelled as the class that is kept
    expected    what `label` said before, by the labels that it held out
    curve       Dice over the share of the pixels of each class that is kept, at the scale of training: found, expected

pool_labels.json holds them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from experiments.common import answer, at_least, plain, write_json

import labelmint
from labelmint.cli.options import parse_size, parse_words
from labelmint.datasets.class_indices import indexed, indices_of
from labelmint.datasets.splits import split_of
from labelmint.datasets.whole_images import without_labels
from labelmint.hardware import choose_device
from labelmint.metrics.overlap import confusion
from labelmint.pool.advise import advise
from labelmint.pool.images import loaded_pairs
from labelmint.pool.label import label
from labelmint.pool.options import LabelOptions
from labelmint.pool.outcome import SHARES
from labelmint.pool.stored import EnsembleFolder
from labelmint.pool.thresholds import Tally, agreement, cuts_keeping
from labelmint.progress import Report
from labelmint.segmenters.plateau import ArmConfig
from labelmint.types import DataSet

__all__ = ["main", "pool_labels"]


def chosen_names(data: DataSet, n: int, way: str, options: LabelOptions, report: Report) -> tuple[str, ...]:
    """The names of n training images, by chance or by advice."""
    parts = split_of(data)
    names = sorted({*parts.training, *parts.validation})
    if way == "random":
        places = np.random.default_rng(options.seed).permutation(len(names))[:n]
        return tuple(names[place] for place in sorted(places))
    pool = without_labels(data.subset(names))
    seeing = {
        name: getattr(options, name)
        for name in ("size", "crop", "scale", "augment", "seed", "device", "threads")
    }
    return advise(pool, n=n, report=report, warn=print, **seeing).names


def pool_labels(
    data: DataSet, labels: Path, ensemble: Path, names: Sequence[str], report: Report
) -> dict[str, Any]:
    """Minted labels against the hidden ones of the same names."""
    minted, facts = labelmint.read(labels), json.loads((labels / "settings.json").read_text(encoding="utf-8"))
    count = len(data.classes)
    table, every = np.zeros((count, count), np.int64), np.zeros(count, np.int64)
    for name in names:
        true = indices_of(data.layout(name).label_map, data.classes)
        read = indices_of(minted.layout(name).label_map, minted.classes)
        every += np.bincount(true[true >= 0], minlength=count)
        table += confusion(np.where(read >= 0, true, -1)[None], np.maximum(read, 0)[None], count)[0]
    hits, labelled, shown = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    found = {
        name: {
            "dice": float(2 * hits[k] / max(labelled[k] + shown[k], 1)),
            "precision": float(hits[k] / max(shown[k], 1)),
            "recall": float(hits[k] / max(labelled[k], 1)),
            "kept": float(labelled[k] / max(every[k], 1)),
        }
        for k, name in enumerate(data.classes.names)
    }
    return {
        "images": len(names),
        "kept": float(table.sum() / max(every.sum(), 1)),
        "found": found,
        "expected": facts["expected"],
        "curve": _curve(data, ensemble, names, facts, report),
    }


def _curve(
    data: DataSet, folder: Path, names: Sequence[str], facts: dict[str, Any], report: Report
) -> list[dict[str, Any]]:
    """Dice over the share kept, by the members of the last round."""
    ensemble, geometry, normalize, channels = EnsembleFolder(folder).open(choose_device("auto"))
    pairs = loaded_pairs(
        data,
        names,
        geometry,
        normalize=normalize,
        group_by=None,
        folder=folder,
        tell=report,
        least_channels=channels,
    )
    tally = Tally(len(data.classes))
    for pair in pairs:
        tally.add(ensemble.probabilities(pair.image), indexed(pair, data.classes).ids)
    rows = []
    for share, expected in zip(SHARES, facts["curve"], strict=True):
        dice = agreement(tally, cuts_keeping(tally, share)).dice
        found = dict(
            zip(data.classes.names, (None if np.isnan(one) else float(one) for one in dice), strict=True)
        )
        rows.append({"share": share, "found": found, "expected": expected["dice"]})
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled images, most of which are hidden")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for labels, ensemble and the JSON file"
    )
    parser.add_argument("--n", type=int, default=10, help="labels that are not hidden (default 10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--choose", choices=("random", "advise"), default="random", help="how the n are chosen"
    )
    parser.add_argument("--size", default="64x64")
    parser.add_argument("--crop", action="store_true")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--augment", default="")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--most-steps", type=int, default=8000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--labels", type=Path, help="labels minted before, to measure alone")
    parser.add_argument("--ensemble", type=Path, help="of these labels")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    chosen = _parser().parse_args(arguments)
    tell = plain(lambda line: print(line, flush=True))

    def work() -> None:
        at_least(2, n=chosen.n)
        data, out = labelmint.read(chosen.data), chosen.out
        options = LabelOptions(
            size=parse_size(chosen.size),
            crop=chosen.crop,
            scale=chosen.scale,
            augment=parse_words(chosen.augment),
            rounds=chosen.rounds,
            seed=chosen.seed,
            threads=chosen.threads,
            ensemble=chosen.ensemble or out / "ensemble",
            segmenter=ArmConfig(most_steps=chosen.most_steps),
        )
        out.mkdir(parents=True, exist_ok=True)
        labels, few = chosen.labels, tuple[str, ...]()
        if labels is None:
            few, labels = chosen_names(data, chosen.n, chosen.choose, options, tell), out / "labels"
            parts = split_of(data)
            rest = sorted({*parts.training, *parts.validation} - {*few})
            label(
                without_labels(data.subset(rest)), data.subset(few), labels, options, report=tell, warn=print
            )
        names = labelmint.read(labels).names
        assert options.ensemble is not None
        found = pool_labels(data, labels, Path(options.ensemble), names, tell)
        write_json(out / "pool_labels.json", {"labelled": list(few), "chosen": chosen.choose, **found})
        print(json.dumps({key: found[key] for key in ("kept", "found", "curve")}, indent=1))

    return answer(work)


if __name__ == "__main__":
    sys.exit(main())
