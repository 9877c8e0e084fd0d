"""Where the synthetic pairs of a cell come from: a generator trained on the cell's pairs alone, or pairs that
were given.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from labelmint.datasets.pair import Pair
from labelmint.dials import Heeding, heeded_by, settled
from labelmint.errors import InputError
from labelmint.evaluation.judging import judge_of
from labelmint.evaluation.loading import room
from labelmint.evaluation.material import teller
from labelmint.evaluation.subject import refuse_overlap, refuse_views
from labelmint.evaluation.views import Views, digest_of_pixels, view_digests, views_of_samples
from labelmint.formats import read
from labelmint.hardware import choose_device, choose_threads
from labelmint.progress import Report
from labelmint.protocols import Dial
from labelmint.runs.config import Request, read_run_config
from labelmint.runs.train import plan, train
from labelmint.runs.trained import TrainedSystem
from labelmint.runs.wire import shapes
from labelmint.synthesis import mint
from labelmint.synthesis.gate import TooFewHeldOut
from labelmint.synthesis.refill import TooFewPassed
from labelmint.synthesis.verdicts import Reason
from labelmint.systems.catalogue import SYSTEMS
from labelmint.training.run_folder import RunFolder
from labelmint.types import DataSet
from labelmint.usefulness.cells import Drawn
from labelmint.usefulness.plan import Cell, StudyOptions, Way
from labelmint.usefulness.real import RealPairs

__all__ = ["FromGenerators", "Given", "Maker", "dials_of_generators", "stored_samples"]

CANDIDATES = 4  # for each pair that is wanted: where fewer pass, most of the drawing would be for nothing


def dials_of_generators(request: Request, asked: Mapping[str, Sequence[float]]) -> tuple[Dial, ...]:
    """What generators will heed that are trained as the request says.

    Raises InputError for values of dials that they will not heed, or that are out of range.
    """
    wired = shapes(request)
    sources: list[Heeding] = [part for part in (wired.images, wired.layouts) if part is not None]
    for name, values in asked.items():
        for value in values:
            settled(request.system, sources, {name: value})
    return heeded_by(sources)


class Maker(Protocol):
    """Makes the synthetic pairs of cells."""

    @property
    def dials(self) -> tuple[Dial, ...]:
        """What it heeds when it draws."""

    @property
    def from_pool(self) -> bool:
        """True if its generators learn from the pool beside the cell's pairs."""

    def expected_seconds(self) -> float:
        """Seconds of a cell's generator, before the first was made; 0 where nothing is known."""

    def make(
        self, cell: Cell, way: Way, count: int, folder: Path, report: Report
    ) -> tuple[Views | None, Drawn]:
        """`count` pairs of a cell, kept below its folder, and what became of them; None where none could be
        had.
        """


class Given:
    """Pairs that any program made from the training part: the same for every seed."""

    dials: tuple[Dial, ...] = ()
    from_pool = False

    def __init__(self, views: Views) -> None:
        self.views = views

    @classmethod
    def open(cls, given: DataSet, real: RealPairs, report: Report) -> Given:
        """Raises InputError for pairs of other classes or another size, too few, and images of the test part."""
        refuse_overlap(real.data, given)
        views = views_of_samples(
            given,
            real.classes,
            real.geometry.size,
            real.channels,
            teller(report, "load synthetic"),
            room(),
            normalize=real.normalize,
        )
        tested = [
            Pair(name=name, group=group, image=image, ids=labels)
            for name, group, image, labels in zip(
                real.test.names, real.test.groups, real.test.images, real.test.labels, strict=True
            )
        ]
        refuse_views(views, tested, given.source)
        held_out = [real.fitted[name] for name in real.parts.validation if real.validation == "extra"]
        known = view_digests(held_out, real.geometry.size)
        same = [known[digest] for image in views.images if (digest := digest_of_pixels(image)) in known]
        if same:
            raise InputError(
                f"{given.source}: {len(same)} synthetic images are images of the validation part, "
                f"{same[0]!r} for one; make the pairs from "
                "the training part alone, which is train.txt (or all but test.txt) without the tenth that "
                "validates"
            )
        return cls(views)

    def expected_seconds(self) -> float:
        """Nothing is made."""
        return 0.0

    def make(
        self, cell: Cell, way: Way, count: int, folder: Path, report: Report
    ) -> tuple[Views | None, Drawn]:
        """All of them, whatever the count."""
        return self.views, Drawn(seconds=0.0)


class FromGenerators:
    """A generator for each cell, trained and held to its pairs (`RealPairs.of_generator`) under its seed.

    Arguments:
        dials: those that it will heed.
        pool: images without labels of a cell, which its generator learns from beside the pairs; None for a system that
            has no use for them.
    """

    def __init__(
        self,
        real: RealPairs,
        options: StudyOptions,
        dials: tuple[Dial, ...],
        pool: Callable[[Cell], DataSet] | None = None,
    ) -> None:
        self.real, self.options, self.dials, self._pool = real, options, dials, pool
        self.from_pool = pool is not None

    def expected_seconds(self) -> float:
        """By a measurement of a few steps, as `train --dry-run` does."""
        options, geometry = self.options, self.real.geometry
        if options.generator_minutes is not None:
            return 60 * options.generator_minutes
        expected: float = plan(
            self.real.data,
            system=options.system,
            preset=options.preset,
            size=geometry.size,
            crop=geometry.crop,
            scale=geometry.scale,
            augment=options.augment,
            normalize=options.normalize,
            rebalance=options.rebalance,
            settings=options.settings,
            group_by=options.group_by,
            device=options.device,
            precision=options.precision,
            threads=options.threads,
            force=True,
        ).seconds
        return expected

    def make(
        self, cell: Cell, way: Way, count: int, folder: Path, report: Report
    ) -> tuple[Views | None, Drawn]:
        """Train what is not trained, draw what is not drawn."""
        begin, options, judge_dice = time.perf_counter(), self.options, None
        place = stored_samples(folder, way, count) or folder / f"samples-{way.key}-{count}"
        if not (place / "settings.json").is_file():
            system = self._system(cell, folder / "run", report)
            try:
                if way.filter == "on":
                    judge_dice = self._judge(cell, system, report)
                heeded = system.resolve(way.dials, draws_layouts=not way.vary)
                mint(
                    system,
                    place,
                    n=count,
                    seed=cell.seed,
                    dials={name: value for name, value in way.dials.items() if name in heeded},
                    vary=way.vary,
                    batch_size=_batch_size(folder),
                    filter=way.filter,
                    data=self.real.data if way.filter == "on" else None,
                    unlabelled=self._pool(cell) if way.filter == "on" and self._pool is not None else None,
                    most_candidates=CANDIDATES * count if way.filter == "on" else None,
                    resume=True,
                    report=report,
                    warn=lambda line: None,
                )
            except TooFewPassed as error:
                shutil.rmtree(place.with_name(f"{place.name}.partial"), ignore_errors=True)
                copies = error.counts[Reason.NEAR_COPY.value]
                return None, Drawn(
                    seconds=time.perf_counter() - begin,
                    refused=_why(error),
                    drawn=error.drawn,
                    copies=copies,
                    disagreeing=sum(error.counts.values()) - copies,
                    judge_dice=judge_dice,
                )
            except TooFewHeldOut as error:
                return None, Drawn(
                    seconds=time.perf_counter() - begin, refused=_why(error), judge_dice=judge_dice
                )
            finally:
                torch.set_num_threads(choose_threads(options.threads))  # a run has threads of its own
        views = views_of_samples(
            read(place, format="folder"),
            self.real.classes,
            self.real.geometry.size,
            self.real.channels,
            available=room(),
            normalize=self.real.normalize,
        )
        return views.take(range(count)), _outcome(place, time.perf_counter() - begin, judge_dice)

    def _system(self, cell: Cell, run: Path, report: Report) -> TrainedSystem:
        options, geometry = self.options, self.real.geometry
        # A run that is gone on with keeps its threads: they are a part of what decides its samples.
        threads = (
            read_run_config(RunFolder(run)).threads if (run / "config.json").is_file() else options.threads
        )
        data, parts, pool = self.real.data, self.real.of_generator(cell), None
        if self._pool is not None:  # of other images nothing is known but what the pool shows
            pool, parts = self._pool(cell), replace(parts, test=())
            data = data.subset([*parts.training, *parts.validation])
            if SYSTEMS[self.options.system or ""].of_pairs:  # nothing is learned, so no pair need be held out
                parts = replace(parts, training=self.real.pairs(cell).training)
        return train(
            data,
            run,
            system=options.system,
            preset=options.preset,
            size=geometry.size,
            crop=geometry.crop,
            scale=geometry.scale,
            augment=options.augment,
            normalize=options.normalize,
            rebalance=options.rebalance,
            settings=options.settings,
            group_by=options.group_by,
            device=options.device,
            precision=options.precision,
            threads=threads,
            seed=cell.seed,
            max_minutes=options.generator_minutes,
            force=True,
            parts=parts,
            unlabelled=pool,
            report=report,
        )

    def _judge(self, cell: Cell, system: TrainedSystem, report: Report) -> float:
        """Train the judge that the filter needs on the pairs of the cell alone, store it in the generator's
        run, and return its held-out Dice.
        """
        real, names, channels = self.real, self.real.of_generator(cell), system.config.image_channels
        training, validation = (
            [_grey(real.fitted[name], channels) for name in part]
            for part in (names.training, names.validation)
        )
        judge = judge_of(
            system.path,
            real.data,
            training,
            validation,
            real.geometry,
            channels=channels,
            foreground=real.foreground,
            seed=cell.seed,
            config=self.options.judge,
            device=choose_device(self.options.device),
            precision=self.options.precision,
            report=report,
        )
        return float(judge.about["held_out_dice"])


def _why(error: InputError) -> str:
    """The reason without the folder before it and the advice behind it, which is for other commands."""
    return str(error).rpartition(".partial: ")[2].rpartition("; ")[0]


def _grey(one: Pair, channels: int) -> Pair:
    """A pair with as many channels as the cell's generator has: 1 where all of the cell's images are grey."""
    if one.image.shape[2] == channels:
        return one
    return replace(one, image=np.ascontiguousarray(one.image[..., :channels]))


def stored_samples(folder: Path, way: Way, count: int) -> Path | None:
    """The smallest finished folder with at least so many samples: a larger set begins with the smaller one."""
    found = []
    for path in folder.glob("samples-*"):
        # "t0.85-on" is not "t0.85-on-varied"
        number = re.fullmatch(rf"samples-{re.escape(way.key)}-(\d+)", path.name)
        if number and int(number[1]) >= count and (path / "settings.json").is_file():
            found.append((int(number[1]), path))
    return min(found)[1] if found else None


def _batch_size(folder: Path) -> int | None:
    """Batch size of samples which are there already: else a larger set would not begin with the smaller one, should
    memory have changed.
    """
    stored = sorted(folder.glob("samples-*/settings.json"))
    return int(json.loads(stored[0].read_text(encoding="utf-8"))["batch_size"]) if stored else None


def _outcome(place: Path, seconds: float, judge_dice: float | None) -> Drawn:
    outcome = json.loads((place / "settings.json").read_text(encoding="utf-8")).get("outcome")
    if outcome is None:
        return Drawn(seconds=seconds)
    dropped = outcome["dropped"]
    return Drawn(
        seconds=seconds,
        drawn=outcome["drawn"],
        copies=dropped.get(Reason.NEAR_COPY.value, 0),
        disagreeing=sum(count for reason, count in dropped.items() if reason != Reason.NEAR_COPY.value),
        judge_dice=judge_dice,
    )
