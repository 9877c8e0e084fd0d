"""One row of Table 1: samples of a run, U-Nets trained with them, and the figures of `labelmint evaluate`."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from experiments.common import RealData, dice_by_class, train_on
from experiments.table1_settings import Options

import labelmint
from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.evaluation.coherent import coherent
from labelmint.evaluation.copied import copied
from labelmint.evaluation.fidelity import fidelity
from labelmint.evaluation.likelihood import AT_MOST, likelihood
from labelmint.evaluation.material import Material
from labelmint.evaluation.obedience import obedience
from labelmint.evaluation.views import Views, views_of_samples
from labelmint.metrics.overlap import confusion
from labelmint.progress import Report
from labelmint.segmenters.judge import Judge
from labelmint.synthesis import mint
from labelmint.training.run_folder import RunFolder

__all__ = ["FEWEST", "mean", "row_of", "score", "unet"]

FEWEST = 20  # samples that a row is of
SMOKE_MINUTES = {"cpu": 10, "cuda": 2}  # a shorter training is a smoke test


def row_of(
    name: str, real: RealData, judge: Judge, out: Path, options: Options, report: Report
) -> dict[str, Any]:
    """The row of a run.

    Arguments:
        name: of the row. judge: of the real pairs. out: of the table; samples, U-Nets and pictures are kept there.
    """
    views = _samples(name, real, out, options, report)
    labelled = real.system.classes.labelled
    scores = _scores(name, real, views, out, options, report) if labelled else ([None], [None])
    drawn = "drawn" if real.system.has_layout_prior else "of the test part"
    return {
        "system": real.system.system,
        "run": str(real.about.path),
        "layouts": drawn if labelled else "none",
        **_training(real),
        "dice_real_and_synthetic": mean(scores[0]),
        "dice_synthetic_only": mean(scores[1]),
        "figures": _figures(name, real, views, judge, out, options, report),
    }


def _scores(
    name: str, real: RealData, views: Views, out: Path, options: Options, report: Report
) -> tuple[list[float | None], list[float | None]]:
    """Dice with real and synthetic pairs, and with synthetic ones only, one a seed."""
    pairs = _as_pairs(views)
    held_out = max(len(pairs) // 10, 1)
    found = list[float | None](), list[float | None]()
    for seed in range(options.seed, options.seed + options.seeds):
        folder, learned = out / "unets" / name, real.training[: options.at_most]
        both = unet([*learned, *pairs], real.validation, real, folder / f"both-{seed}", seed, options, report)
        only = unet(pairs[held_out:], pairs[:held_out], real, folder / f"only-{seed}", seed, options, report)
        for scores, trained in zip(found, (both, only), strict=True):
            scores.append(score(trained, real))
    return found


def unet(
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    real: RealData,
    folder: Path,
    seed: int,
    options: Options,
    report: Report,
) -> Judge:
    """A U-Net trained on `pairs`, as the options say; kept in the folder."""
    return train_on(
        pairs,
        validation,
        real,
        folder,
        steps=options.judge_steps,
        seed=seed,
        device=options.device,
        report=report,
    )


def _samples(name: str, real: RealData, out: Path, options: Options, report: Report) -> Views:
    """Samples drawn once for these weights and options."""
    wanted = f"{real.system.digest} {options.n} {options.seed} {options.temperature:g} test layouts"
    folder = out / "samples" / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    system, labelled = real.system, real.system.classes.labelled
    given = labelled and not system.has_layout_prior
    heeds = any(dial.name == "temperature" for dial in system.dials)
    mint(
        system,
        folder,
        n=options.n,
        seed=options.seed,
        dials={"temperature": options.temperature} if heeds else {},
        filter="off",
        resume=True,
        report=report,
        layouts=real.data.subset(real.about.parts.test) if given else None,
        labels="given" if system.config.boxes else None,  # boxes that are filled are no outlines
        warn=lambda line: None,
    )
    samples = labelmint.read(folder, format="folder" if labelled else "images")
    return views_of_samples(samples, real.classes, system.size, real.channels)


def _as_pairs(views: Views) -> list[Pair]:
    return [
        Pair(name=name, group=name, image=views.images[i], ids=views.labels[i])
        for i, name in enumerate(views.names)
    ]


def score(judge: Judge, real: RealData) -> float | None:
    """Dice on the real test views."""
    counts = confusion(real.real.labels, judge.predict(real.real.images), len(real.classes))
    return dice_by_class(counts, real.foreground)


def _figures(
    name: str, real: RealData, views: Views, judge: Judge, out: Path, options: Options, report: Report
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
    if kept.sum() < FEWEST:
        raise InputError(
            f"{name}: only {int(kept.sum())} of {len(kept)} samples are no near-copies, too few to judge; "
            f"draw more (-n)"
        )
    sections = [section, fidelity(material, kept, None)]
    if real.system.classes.labelled:
        as_seen = real.system.pairs_of(real.data.subset(real.about.parts.test[:AT_MOST]))
        sections += [
            obedience(material, kept),
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


def mean(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and the values of the seeds; None where a value is."""
    known = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(known)) if known and len(known) == len(values) else None,
        "seeds": list(values),
    }
