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
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from experiments.common import (
    RealData,
    add_common,
    answer,
    at_least,
    dice_by_class,
    open_real,
    plain,
    sheet,
    train_on,
    write_json,
)

import labelmint
from labelmint.datasets.pair import Pair, digest_of
from labelmint.errors import InputError
from labelmint.evaluation.coherent import coherent
from labelmint.evaluation.copied import copied
from labelmint.evaluation.fidelity import fidelity
from labelmint.evaluation.likelihood import AT_MOST, likelihood
from labelmint.evaluation.material import Material
from labelmint.evaluation.obedience import obedience
from labelmint.evaluation.views import Views, views_of_samples
from labelmint.metrics.overlap import confusion
from labelmint.pictures import overlay
from labelmint.progress import Report
from labelmint.segmenters.judge import Judge
from labelmint.synthesis import mint
from labelmint.training.run_folder import RunFolder

__all__ = ["Published", "TableOne", "main", "table"]

SHOWN = 8
_ALL = 1 << 30
_FEWEST = 20  # samples that a row is of
SMOKE_MINUTES = {"cpu": 10, "cuda": 2}  # a shorter training is a smoke test


@dataclass(frozen=True)
class Published:
    """A row as printed: system, DICE (accuracy), DICE (diversity), FID, and the paper."""

    system: str
    accuracy: float | None
    diversity: float | None
    fid: float | None
    paper: str


@dataclass(frozen=True)
class TableOne:
    """What tells one data set's table from another's: name, composition whose rules are known, the papers'
    rows, what differs here.
    """

    name: str
    title: str
    composition: str | None
    published: tuple[Published, ...]
    differs: tuple[str, ...]
    commands: str


@dataclass(frozen=True)
class _Options:
    """What decides the figures beside weights and data."""

    n: int
    seeds: int
    seed: int
    judge_steps: int
    temperature: float
    composition: str | None
    at_most: int
    device: str


def table(
    which: TableOne,
    runs: dict[str, Path],
    data: Path,
    out: Path,
    options: _Options,
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Write table1.md, table1.json and samples.png; answer what the second holds."""
    source = labelmint.read(data)
    opened = {name: open_real(run, source, device=options.device, at_most=_ALL) for name, run in runs.items()}
    first = _agreeing(opened)
    (out / "rows").mkdir(parents=True, exist_ok=True)
    report = plain(tell)
    learned = first.training[: options.at_most]
    tell(f"U-Nets on {len(learned)} of {len(first.training)} real pairs, {options.seeds} seeds")
    judges = [
        train_on(
            learned,
            first.validation,
            first,
            out / "unets" / f"real-{seed}",
            steps=options.judge_steps,
            seed=seed,
            device=options.device,
            report=report,
        )
        for seed in range(options.seed, options.seed + max(options.seeds, 1))
    ]
    alone = [_score(judge, first) for judge in judges]
    digest = digest_of([*first.training, *first.validation, *first.test])
    decisive = {key: value for key, value in dataclasses.asdict(options).items() if key != "device"}
    rows = {}
    for name, real in opened.items():
        key = {"weights": real.system.digest, "data": digest, **decisive}
        file = out / "rows" / f"{name}.json"
        row = _kept(file, key)
        if row is None:
            tell(f"{name}: {real.system.system} of {real.about.path}")
            row = _row(name, real, judges[0], out, options, report)
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
            "learned": len(learned),
            "training": len(first.training),
            "validation": len(first.validation),
            "test_views": len(first.real),
        },
        **decisive,
        "dice_real_only": _mean(alone),
        "rows": rows,
        "published": [dataclasses.asdict(row) for row in which.published],
        "differs": list(which.differs),
    }
    write_json(out / "table1.json", found)
    (out / "table1.md").write_text(_markdown(which, found), encoding="utf-8")
    _picture(opened, out)
    return found


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


def _seeds(options: _Options) -> range:
    return range(options.seed, options.seed + options.seeds)


def _kept(file: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """A row that was made before under the same key."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        row: dict[str, Any] | None = content["row"] if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return row


# One row ----------------------------------------------------------------------------------------------------


def _row(
    name: str, real: RealData, judge: Judge, out: Path, options: _Options, report: Report
) -> dict[str, Any]:
    views = _samples(name, real, out, options, report)
    pairs = _as_pairs(views)
    held_out = max(len(pairs) // 10, 1)
    scores: dict[str, list[float | None]] = {"real_and_synthetic": [], "synthetic_only": []}
    for seed in _seeds(options):
        folder = out / "unets" / name
        learned = real.training[: options.at_most]
        both = train_on(
            [*learned, *pairs],
            real.validation,
            real,
            folder / f"both-{seed}",
            steps=options.judge_steps,
            seed=seed,
            device=options.device,
            report=report,
        )
        only = train_on(
            pairs[held_out:],
            pairs[:held_out],
            real,
            folder / f"only-{seed}",
            steps=options.judge_steps,
            seed=seed,
            device=options.device,
            report=report,
        )
        scores["real_and_synthetic"].append(_score(both, real))
        scores["synthetic_only"].append(_score(only, real))
    return {
        "system": real.system.system,
        "run": str(real.about.path),
        "layouts": "drawn" if real.system.has_layout_prior else "of the test part",
        **_training(real),
        **{f"dice_{name}": _mean(values) for name, values in scores.items()},
        "figures": _figures(name, real, views, judge, out, options, report),
    }


def _samples(name: str, real: RealData, out: Path, options: _Options, report: Report) -> Views:
    """Samples drawn once for these weights and options."""
    wanted = f"{real.system.digest} {options.n} {options.seed} {options.temperature:g} test layouts"
    folder = out / "samples" / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    test = None if real.system.has_layout_prior else real.data.subset(real.about.parts.test)
    mint(
        real.system,
        folder,
        n=options.n,
        seed=options.seed,
        dials={"temperature": options.temperature},
        filter="off",
        resume=True,
        report=report,
        layouts=test,
        warn=lambda line: None,
    )
    return views_of_samples(
        labelmint.read(folder, format="folder"), real.classes, real.system.size, real.channels
    )


def _as_pairs(views: Views) -> list[Pair]:
    return [
        Pair(name=name, group=name, image=views.images[i], ids=views.labels[i])
        for i, name in enumerate(views.names)
    ]


def _score(judge: Judge, real: RealData) -> float | None:
    """Dice on the real test views."""
    counts = confusion(real.real.labels, judge.predict(real.real.images), len(real.classes))
    return dice_by_class(counts, real.foreground)


def _figures(
    name: str, real: RealData, views: Views, judge: Judge, out: Path, options: _Options, report: Report
) -> dict[str, Any]:
    """All figures of the sections by name, each with the same of real data."""
    folder = out / "pictures" / name
    folder.mkdir(parents=True, exist_ok=True)
    seen, tested = real.seen, real.real
    if any(one.instances is None for one in (seen, tested, views)):  # one measure for both sides
        seen, tested, views = (dataclasses.replace(one, instances=None) for one in (seen, tested, views))
    material = Material(
        folder=folder,
        classes=real.classes,
        foreground=real.foreground,
        training=real.training,
        validation=real.validation,
        test=real.test,
        seen=seen,
        real=tested,
        synthetic=views,
        judge=judge,
        drawn_layouts=real.system.has_layout_prior,
        seed=options.seed,
        report=report,
    )
    section, copies = copied(material)
    kept = ~copies
    as_seen = real.system.pairs_of(real.data.subset(real.about.parts.test[:AT_MOST]))
    if kept.sum() < _FEWEST:
        raise InputError(
            f"{name}: only {int(kept.sum())} of {len(kept)} samples are no near-copies, too few to judge; "
            f"draw more (-n)"
        )
    sections = [
        section,
        obedience(material, kept),
        fidelity(material, kept, None),
        coherent(material, options.composition, grain=real.system.grain)[0],
        likelihood(real.system, as_seen, folder, None),
    ]
    figures = [figure for section in sections for figure in section.figures]
    found: dict[str, Any] = {
        figure.name: figure.model_dump(mode="json", include={"value", "low", "high", "real", "refused"})
        for figure in figures
    }
    return found | {"judged": {"value": int(kept.sum()), "real": None}}


def _training(real: RealData) -> dict[str, Any]:
    """How long the parts learned, and whether that is worth a row."""
    folder = RunFolder(real.system.path)
    about = {stage.name: folder.read_json(f"{stage.name}/part.json") for stage in real.system.wired.stages}
    minutes = sum(float(one.get("seconds", 0)) for one in about.values()) / 60
    device = real.system.config.device
    return {
        "trained_steps": {name: one.get("steps") for name, one in about.items()},
        "trained_minutes": round(minutes, 1),
        "trained_on": device,
        "smoke_test": minutes < SMOKE_MINUTES.get(device.partition(":")[0], 10),
    }


def _mean(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and the values of the seeds; None where a value is."""
    known = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known and len(known) == len(values) else None,
        "seeds": list(values),
    }


# What people read -------------------------------------------------------------------------------------------

_COLUMNS = (
    ("samples judged", "judged"),
    ("real -> synthetic", "obedience.dice"),
    ("obedience ratio", "obedience.ratio"),
    ("Fréchet (judge features)", "fidelity.frechet_distance"),
    ("coverage", "fidelity.coverage"),
    ("layouts against learned rules, %", "coherence.learned_layouts"),
    ("images, %", "coherence.learned_images"),
    ("layouts against the composition, %", "coherence.composition_layouts"),
    ("images, %", "coherence.composition_images"),
    ("copies per 1,000", "memorization.copies_per_1000"),
    ("reconstruction MSE", "reconstruction.mse"),
)


def _markdown(which: TableOne, found: dict[str, Any]) -> str:
    used = [
        (title, name)
        for title, name in _COLUMNS
        if any(name in row["figures"] for row in found["rows"].values())
    ]
    head = ["run", "system", "minutes", "real + synthetic", "synthetic only", *(title for title, _ in used)]
    alone = found["dice_real_only"]["mean"]
    lines = [
        f"# {which.title}",
        "",
        f"{found['n']} samples a run, U-Nets of {found['judge_steps']} steps of 32, "
        f"seeds: {max(found['seeds'], 1)} (mean; each in table1.json), "
        f"{found['real_pairs']['learned']} real training pairs (the systems learned from "
        f"{found['real_pairs']['training']}), {found['real_pairs']['test_views']} test views of "
        f"{found['size'][0]}x{found['size'][1]}.",
        f"Dice with real pairs alone: **{_text(alone)}**. In brackets the same figure of real data.",
        "",
        "| " + " | ".join(head) + " |",
        "| " + " | ".join(["---"] * 2 + ["---:"] * (len(head) - 2)) + " |",
    ]
    for name, row in found["rows"].items():
        smoke = " (smoke test)" if row["smoke_test"] else ""
        both = row["dice_real_and_synthetic"]["mean"]
        change = f" ({both - alone:+.3f})" if both is not None and alone is not None else ""
        cells = [name + smoke, row["system"], f"{row['trained_minutes']:g}", _text(both) + change]
        cells += [
            _text(row["dice_synthetic_only"]["mean"]),
            *(_figure_text(row["figures"].get(figure)) for _, figure in used),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "As printed:",
        "",
        "| system | DICE / F1 (accuracy) | DICE / F1 (diversity) | FID | paper |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for one in which.published:
        cells = [
            one.system,
            *(_text(value) for value in (one.accuracy, one.diversity)),
            f"{one.fid:g}" if one.fid else "-",
            one.paper,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "What differs from the papers:", "", *(f"- {line}" for line in (*which.differs, *_DIFFERS))]
    return "\n".join(lines) + "\n"


_DIFFERS = (
    "the papers name neither the U-Net, its training, how many samples were added, nor how Dice was "
    "averaged; ours are above",
    '"accuracy" is in the long paper the score after adding the samples, in the short one a "baseline '
    'performance on generated data"; both '
    "readings stand in columns of their own",
    "Fréchet distances on the features of our own U-Net are not FID, and only comparable within one table",
)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _figure_text(figure: dict[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    beside = "" if figure["real"] is None else f" [{figure['real']:.3g}]"
    return f"{figure['value']:.3g}{beside}"


def _picture(opened: dict[str, RealData], out: Path) -> None:
    """Real test pairs, then the first samples of each run; each image above itself under its label."""
    first = next(iter(opened.values()))
    groups = {"real": [first.real.pair(i, first.classes) for i in range(min(SHOWN, len(first.real)))]}
    for name, real in opened.items():
        groups[name] = list(real.system.synthesize(SHOWN, batch_size=SHOWN))
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

    def work() -> None:
        at_least(20, n=chosen.n)
        at_least(0, seeds=chosen.seeds)
        at_least(1, judge_steps=chosen.judge_steps, at_most=chosen.at_most)
        options = _Options(
            chosen.n,
            chosen.seeds,
            chosen.seed,
            chosen.judge_steps,
            chosen.temperature,
            chosen.composition,
            chosen.at_most,
            chosen.device,
        )
        table(which, _named(chosen.runs), chosen.data, chosen.out, options, tell)
        tell((chosen.out / "table1.md").read_text(encoding="utf-8"))

    return answer(work)


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
