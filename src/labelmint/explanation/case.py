"""What `explain` is told and what it looks at: options, the run, its held-out views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.evaluation.subject import Subject, open_subject
from labelmint.explanation.held_out import tokens_of, views_of
from labelmint.progress import Report
from labelmint.runs.config import read_run_config
from labelmint.runs.trained import TrainedSystem
from labelmint.systems.msgnet_sections import GivenSections
from labelmint.training.run_folder import RunFolder
from labelmint.types import DataSet

__all__ = ["Case", "ExplainOptions", "held_out_of", "open_run", "paths_of", "thinned"]

MOST_SEEDS, MOST_PIXELS, MOST_SHOWN = 9, 6, 12
HELD_OUT_IMAGES, HELD_OUT_VIEWS = 512, 1000


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """What `explain` can be told.

    Arguments:
        pixels: (row, column) of the pixels whose attention is drawn; chosen in every image unless given.
        show: names of held-out images to draw, all of them in both pictures; chosen unless given.
        against: a trained run with the other number of paths, to compare with in place of a twin trained
            here.
        skip_twin: compare with nothing.
        steps: training steps of the twin; those of the run unless given. With another number the run's
            tokenizer is trained again too, so that both have as many.
        seeds: how many of each kind are trained, from the run's seed on.
        equal_bits: compare with two paths of sqrt(K) entries too.
        seed: of resamples and shuffles.
        device, threads: where to compute.
    """

    pixels: tuple[tuple[int, int], ...] = ()
    show: tuple[str, ...] = ()
    against: Path | None = None
    skip_twin: bool = False
    steps: int | None = None
    seeds: int = 1
    equal_bits: bool = False
    seed: int = 0
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise InputError(f"--steps {self.steps}: expected at least 1")
        if not 1 <= self.seeds <= MOST_SEEDS:
            raise InputError(f"--seeds {self.seeds}: expected 1 to {MOST_SEEDS}")
        if len(self.pixels) > MOST_PIXELS:
            raise InputError(
                f"--pixel: {len(self.pixels)} are given; a row of the picture has room for {MOST_PIXELS}"
            )
        if len(set(self.show)) > MOST_SHOWN:
            raise InputError(
                f"--show: {len(set(self.show))} images are named; the pictures have room for {MOST_SHOWN}"
            )
        trains = {
            "--steps": self.steps is not None,
            "--seeds": self.seeds > 1,
            "--equal-bits": self.equal_bits,
        }
        asked = next((name for name, given in trains.items() if given), None)
        if asked and (self.skip_twin or self.against is not None):
            no = "--skip-twin" if self.skip_twin else "--against"
            raise InputError(
                f"{asked}: is about training a twin, and {no} trains none; leave out one of the two"
            )
        if self.skip_twin and self.against is not None:
            raise InputError(
                "--against: compares, and --skip-twin compares with nothing; leave out one of the two"
            )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A run, what it is looked at on, and where that is written."""

    about: Subject
    system: TrainedSystem
    tokenizer: nn.Module
    data: DataSet
    views: Pairs
    gallery: Pairs  # what pictures choose from
    folder: Path
    options: ExplainOptions
    tell: Report

    @property
    def device(self) -> torch.device:
        return self.system.device

    @cached_property
    def tokens(self) -> torch.Tensor:
        """(N, rows, w) of the views, encoded once for all that is told of them."""
        return tokens_of(self.tokenizer, self.views, self.device)

    @property
    def paths(self) -> tuple[str, ...]:
        return paths_of(self.tokenizer)


def open_run(run: Path, data: DataSet, options: ExplainOptions) -> Subject:
    """The run with its held-out names; raises InputError when it is no trained run of these data."""
    folder = RunFolder(run)
    folder.read_config()
    folder.read_json("split.json")
    request = read_run_config(folder).request
    if not isinstance(request.settings, GivenSections):
        raise InputError(
            f"{run}: is a run of {request.system}, and `explain` is about MSGNet's two paths; give a run of "
            f"msgnet, pre-msgnet, "
            "no-comp-msgnet or cvq-vae"
        )
    return open_subject(
        run,
        data,
        size=None,
        crop=False,
        scale=1.0,
        augment=(),
        group_by=None,
        device=options.device,
        threads=options.threads,
    )


def paths_of(tokenizer: nn.Module) -> tuple[str, ...]:
    """Names of the paths of codes."""
    return tuple(getattr(tokenizer, "paths", ("one path",)))


def held_out_of(system: TrainedSystem, data: DataSet, names: Sequence[str]) -> Pairs:
    """Views of test pairs as a run sees them; the same views in the same order for every run of one size,
    crop and scale.
    """
    return views_of(system, data, thinned(names, HELD_OUT_IMAGES), HELD_OUT_VIEWS)


def thinned(names: Sequence[str], at_most: int) -> tuple[str, ...]:
    """At most n names, evenly spread."""
    return tuple(names[round(k)] for k in np.linspace(0, len(names) - 1, min(at_most, len(names))))
