"""What the scripts of this folder share: a run beside the real data that it was trained on, segmenters of
those data, and options.

A script reads --data and one or more runs, and writes pictures and one JSON file into --out. Its figures hold
their number of items, seed, weights and data. Where a segmenter judges images it is trained on real pairs of
the training part and chosen on the validation part; it never sees a sample, and the same figure of real test
images stands beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair, digest_of
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.evaluation.subject import Subject, open_subject
from labelmint.evaluation.views import Views, fit, tiles
from labelmint.generators.two_stage import TwoStage
from labelmint.hardware import choose_device
from labelmint.progress import Event, Report
from labelmint.runs.draw import Draw
from labelmint.runs.given import Given
from labelmint.runs.trained import TrainedSystem
from labelmint.segmenters.judge import Judge, train_judge
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet

__all__ = [
    "RealData",
    "add_common",
    "answer",
    "at_least",
    "dice_by_class",
    "draw",
    "judge_of",
    "open_real",
    "plain",
    "run_pairs",
    "train_on",
    "two_stage",
    "write_json",
]

AT_MOST = 5000  # pairs of each part that are loaded
_VALIDATION_VIEWS = 256


@dataclass(frozen=True, kw_only=True)
class RealData:
    """A run's real pairs at the scale of its training.

    Attributes:
        about: the run, its geometry and its split. data: as read.
        training, validation, test: pairs. seen, real: views of the training and test pairs, at the size of
            samples.
        foreground: class indices that have objects.
    """

    about: Subject
    data: DataSet
    training: list[Pair]
    validation: list[Pair]
    test: list[Pair]
    seen: Views
    real: Views
    foreground: tuple[int, ...]

    @property
    def system(self) -> TrainedSystem:
        """The run."""
        assert self.about.system is not None
        return self.about.system

    @property
    def origin(self) -> dict[str, str]:
        """What figures are of: the run, its system and weights, and the data."""
        system = self.system
        return {
            "run": str(system.path),
            "system": system.system,
            "weights": system.digest,
            "data": self.data.source,
        }

    @property
    def classes(self) -> ClassSet:
        """Of the data."""
        return self.data.classes

    @property
    def channels(self) -> int:
        """Of all images."""
        return self.system.config.image_channels


def open_real(run: Path, data: DataSet, *, device: str = "auto", at_most: int = AT_MOST) -> RealData:
    """Load a run and its real pairs, at most so many of each part; raises InputError where they do not belong
    together.
    """
    if not (run / "split.json").is_file():
        raise InputError(f"{run}: is no run; give a folder that `labelmint train` wrote")
    about = open_subject(
        run, data, size=None, crop=False, scale=1.0, augment=(), group_by=None, device=device, threads=None
    )
    assert about.system is not None
    parts, channels = about.parts, about.system.config.image_channels
    training, validation, test = (
        fit(data, names, about.geometry, channels, about.group_by, normalize=about.normalize)
        for names in (parts.training[:at_most], parts.validation[:at_most], parts.test[:at_most])
    )
    without = data.classes.without_objects
    return RealData(
        about=about,
        data=data,
        training=training,
        validation=validation,
        test=test,
        seen=tiles(training, about.geometry.size, at_most=4000),
        real=tiles(test, about.geometry.size),
        foreground=tuple(k for k, class_id in enumerate(data.classes.ids) if class_id not in without),
    )


def train_on(
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    real: RealData,
    folder: Path,
    *,
    steps: int,
    seed: int,
    device: str = "auto",
    report: Report = lambda event: None,
) -> Judge:
    """A U-Net trained on `pairs`, its weights chosen on `validation`; stored in the folder, and taken from
    there the next time.

    With real.training and real.validation it is the judge of the real data.
    """
    geometry = real.about.geometry
    fixed = tiles(validation, geometry.size, _VALIDATION_VIEWS)
    how = (
        geometry.size,
        geometry.crop,
        geometry.scale,
        sorted(geometry.augment),
        seed,
        real.channels,
        real.classes.ids,
    )
    return train_judge(
        folder,
        digest_of([*pairs, *validation], how),
        Pairs.of(pairs, geometry, seed),
        Pairs(list(fixed.images), list(fixed.labels), Geometry(size=geometry.size), seed),
        image_channels=real.channels,
        classes=len(real.classes),
        foreground=real.foreground,
        config=SegmenterConfig(steps=steps, evaluate_every=max(steps // 8, 1)),
        device=choose_device(device),
        report=report,
    )


def run_pairs(real: RealData, names: Sequence[str], *, augment: bool) -> Pairs:
    """Pairs of the data as the run saw them."""
    seen = real.system.as_trained
    if augment:
        seen = replace(seen, geometry=real.about.geometry)
    return seen.pairs(real.data.subset(names))


def judge_of(real: RealData, folder: Path, chosen: argparse.Namespace, tell: Callable[[str], None]) -> Judge:
    """The judge of the real data, as the options say; kept in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return train_on(
        real.training,
        real.validation,
        real,
        folder,
        steps=chosen.judge_steps,
        seed=chosen.seed,
        device=chosen.device,
        report=plain(tell),
    )


def two_stage(system: TrainedSystem) -> TwoStage:
    """Its generator; raises InputError where that writes no images in tokens."""
    if not isinstance(system.images, TwoStage):
        raise InputError(f"{system.path}: {system.system} writes no images in tokens; give another run")
    return system.images


def draw(
    system: TrainedSystem, given: Given, n: int, *, batch_size: int, seed: int, temperature: float
) -> list[AnnotatedImage]:
    """The first n images that a run draws for given layouts, which are taken in turn. Image i has the same random
    numbers whatever its layout is.
    """
    how = Draw(seed=seed, batch_size=batch_size, dials={"temperature": temperature}, layouts=given)
    return [pair for chunk in range(-(-n // batch_size)) for pair in system.chunk(chunk, how)][:n]


def dice_by_class(counts: Array, foreground: Sequence[int]) -> float | None:
    """Mean Dice over the foreground classes that are labelled somewhere in summed counts (N, K, K); None
    where none is.
    """
    from labelmint.metrics.overlap import dice

    labelled = [k for k in foreground if counts.sum(axis=(0, 2))[k] > 0]
    return float(np.mean(dice(counts)[labelled])) if labelled else None


# Command ----------------------------------------------------------------------------------------------------


def add_common(
    parser: argparse.ArgumentParser, *, run: bool = True, draws: bool = True, judges: bool = True
) -> None:
    """The options that every script takes: `run` of one that is given a run, `draws` of one that draws
    images, `judges` of one that trains a segmenter, or works where one could.
    """
    if run:
        parser.add_argument(
            "--run", type=Path, required=True, help="a run of `labelmint train` on these data"
        )
    parser.add_argument("--data", type=Path, required=True, help="the real data, with a test part")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures and the JSON file")
    if judges:
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--judge-steps", type=int, default=800, help="of 32 pairs, for each U-Net (default 800)"
        )
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    if draws:
        parser.add_argument(
            "--temperature",
            type=float,
            default=0.85,
            help="of the image prior (default 0.85, the authors' own)",
        )
    parser.add_argument(
        "--at-most", type=int, default=AT_MOST, help=f"pairs of each part that are loaded (default {AT_MOST})"
    )


def answer(work: Callable[[], None]) -> int:
    """Do a script's work; bad input is one line on stderr and exit code 2."""
    try:
        work()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def at_least(least: int, **values: int) -> None:
    """Raise InputError for an option below its least value."""
    for name, value in values.items():
        if value < least:
            raise InputError(f"--{name.replace('_', '-')} {value}: expected at least {least}")


def plain(tell: Callable[[str], None]) -> Report:
    """Progress as lines, a quarter at a time."""
    told: dict[str, int] = {}

    def report(event: Event) -> None:
        part = 4 * event.step // max(event.steps, 1)
        if part > told.get(event.stage, 0) or event.step >= event.steps > 0:
            told[event.stage] = part if event.step < event.steps else 0
            tell(f"  {event.stage} {event.step}/{event.steps}")

    return report


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, aside first."""
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(
        json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    aside.replace(path)
