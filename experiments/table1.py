"""Table 1 of the MSGNet papers, the core of `table1_multi_mnist` and `table1_clevr`.

Each row is a run. Per row, with a U-Net of one size and one number of steps throughout:

    real + synthetic   Dice on real test pairs after training on the real training pairs and n samples. The
                       long paper's words for "DICE (accuracy)"; beside it the same after training on the real
                       pairs alone, and the difference
    synthetic only     Dice on real test pairs after training on the samples alone, its weights chosen on a
                       tenth of them: "DICE (diversity)"
    real -> synthetic  Dice on the samples after training on real pairs (the first seed's): what goes by
                       "accuracy" beside such a "diversity" elsewhere. By the long paper's words CLEVR is
                       worse with real and synthetic pairs (0.738) than with synthetic ones alone (0.843),
                       which this reading would explain
    Frechet distance   on the features of the U-Net of the real pairs; it is not FID, and cannot be set beside
                       the papers'
    obedience, coherence, copies, reconstruction    as in `labelmint evaluate`; near-copies are left out where
    labels are judged

Dice is of all pixels of the test views together, mean over the foreground classes labelled there, and over
the seeds (of the U-Nets; samples are drawn once). Systems without a layout prior draw at the layouts of the
test part: at those of their training part an image of a scene that the layout decides is near to the training
image. Copies are searched among all training images. Every row is kept in OUT/rows and made again only when
its weights, data or options change; U-Nets and samples likewise, so a stopped command goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.common import RealData, add_common, answer, at_least, open_real, plain, write_json
from experiments.sheet import sheet
from experiments.table1_row import FEWEST, mean, row_of, score, unet
from experiments.table1_settings import Options, TableOne
from experiments.table1_text import markdown

import labelmint
from labelmint.datasets.pair import digest_of
from labelmint.errors import InputError
from labelmint.pictures import overlay
from labelmint.segmenters.judge import Judge

__all__ = ["main", "table"]

SHOWN = 8
_ALL = 1 << 30


def table(
    which: TableOne,
    runs: dict[str, Path],
    data: Path,
    out: Path,
    options: Options,
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Write table1.md, table1.json and samples.png; answer what the second holds."""
    source = labelmint.read(data)
    opened = {name: open_real(run, source, device=options.device, at_most=_ALL) for name, run in runs.items()}
    first = _agreeing(opened)
    (out / "rows").mkdir(parents=True, exist_ok=True)
    judges = _judges(first, out, options, tell)
    alone = [score(judge, first) for judge in judges]
    digest = digest_of([*first.training, *first.validation, *first.test])
    decisive = {key: value for key, value in dataclasses.asdict(options).items() if key != "device"}
    rows = {}
    for name, real in opened.items():
        key = {"weights": real.system.digest, "data": digest, **decisive}
        file = out / "rows" / f"{name}.json"
        row = _kept(file, key)
        if row is None:
            tell(f"{name}: {real.system.system} of {real.about.path}")
            row = row_of(name, real, judges[0], out, options, plain(tell))
            write_json(file, {"key": key, "row": row})
        else:
            tell(f"{name}: kept in {file}")
        rows[name] = row
    found = {
        "table": which.name,
        "data": source.source,
        "data_sha256": digest,
        "size": list(first.system.size),
        "real_pairs": {
            "learned": len(first.training[: options.at_most]),
            "training": len(first.training),
            "validation": len(first.validation),
            "test_views": len(first.real),
        },
        **decisive,
        "dice_real_only": mean(alone),
        "rows": rows,
        "published": [dataclasses.asdict(row) for row in which.published],
        "differs": list(which.differs),
    }
    write_json(out / "table1.json", found)
    (out / "table1.md").write_text(markdown(which, found), encoding="utf-8")
    _picture(opened, out)
    return found


def _judges(real: RealData, out: Path, options: Options, tell: Callable[[str], None]) -> list[Judge]:
    """U-Nets of the real pairs alone, one a seed, and at least one."""
    learned = real.training[: options.at_most]
    tell(f"U-Nets on {len(learned)} of {len(real.training)} real pairs, {options.seeds} seeds")
    seeds = range(options.seed, options.seed + max(options.seeds, 1))
    return [
        unet(learned, real.validation, real, out / "unets" / f"real-{seed}", seed, options, plain(tell))
        for seed in seeds
    ]


def _agreeing(opened: dict[str, RealData]) -> RealData:
    """The first, when all runs learned from the same views of the same pairs; raises InputError otherwise."""
    (first_name, first), *others = opened.items()
    for name, real in others:
        for what, mine, its in (
            ("size, crop or scale", first.system.geometry, real.system.geometry),
            ("training pairs", first.about.parts.training, real.about.parts.training),
            ("image channels", first.channels, real.channels),
        ):
            if mine != its:
                raise InputError(
                    f"--runs: {name} was trained with other {what} than {first_name}; one table needs the "
                    f"same for all"
                )
    return first


def _kept(file: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """A row that was made before under the same key."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        row: dict[str, Any] | None = content["row"] if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return row


def _picture(opened: dict[str, RealData], out: Path) -> None:
    """Real test pairs, then the first samples of each run; each image above itself under its label."""
    first = next(iter(opened.values()))
    groups = {"real": [first.real.pair(i, first.classes) for i in range(min(SHOWN, len(first.real)))]}
    for name, real in opened.items():
        groups[name] = list(
            real.system.synthesize(SHOWN, batch_size=SHOWN)
        )  # of images alone with blank labels
    rows, titles = [], []
    for name, pairs in groups.items():
        rows += [
            [pair.image for pair in pairs],
            [overlay(pair.image, pair.layout, first.classes) for pair in pairs],
        ]
        titles += [name, "its labels"]
    sheet(rows, out / "samples.png", rows=titles)


# Command ----------------------------------------------------------------------------------------------------


def main(which: TableOne, words: Sequence[str] | None = None, tell: Callable[[str], None] = print) -> int:
    """The command of a table; answers its exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python -m experiments.{which.name}",
        description=which.title,
        epilog="Data and runs:\n" + which.commands,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", nargs="+", required=True, metavar="NAME=RUN", help="rows, in order")
    parser.add_argument("--n", "-n", type=int, default=2000, help="samples a run (default 2000)")
    parser.add_argument(
        "--seeds",
        type=int,
        default=2,
        help="U-Nets of each kind (default 2); 0 leaves out the two columns that train on samples",
    )
    parser.add_argument(
        "--composition",
        default=which.composition,
        help="whose rules are checked: three, pairs, upper, center",
    )
    add_common(parser, run=False)
    chosen = parser.parse_args(words)
    return answer(lambda: _work(which, chosen, tell))


def _work(which: TableOne, chosen: argparse.Namespace, tell: Callable[[str], None]) -> None:
    at_least(FEWEST, n=chosen.n)
    at_least(0, seeds=chosen.seeds)
    at_least(1, judge_steps=chosen.judge_steps, at_most=chosen.at_most)
    options = Options(
        n=chosen.n,
        seeds=chosen.seeds,
        seed=chosen.seed,
        judge_steps=chosen.judge_steps,
        temperature=chosen.temperature,
        composition=chosen.composition,
        at_most=chosen.at_most,
        device=chosen.device,
    )
    table(which, _named(chosen.runs), chosen.data, chosen.out, options, tell)
    tell((chosen.out / "table1.md").read_text(encoding="utf-8"))


def _named(runs: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in runs:
        name, equals, path = text.partition("=")
        if (
            not equals
            or not name
            or not path
            or name in found
            or not name.replace("-", "").replace("_", "").isalnum()
        ):
            raise InputError(
                f"--runs {text}: expected NAME=RUN, each NAME once and of letters, digits and dashes, as in "
                f"msgnet=runs/msgnet"
            )
        found[name] = Path(path)
    return found
