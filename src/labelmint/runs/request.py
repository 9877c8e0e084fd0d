"""What was asked for, checked before any data are loaded: a new run, or one that is gone on with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict, Unpack, get_args

from labelmint.datasets.ranges import check_normalize
from labelmint.datasets.rebalancing import check_rebalance
from labelmint.errors import InputError, named
from labelmint.runs.config import Request, RunConfig, read_run_config
from labelmint.seeds import check_seed
from labelmint.storage import is_unused
from labelmint.systems.catalogue import PRESETS, SYSTEMS, settings_of
from labelmint.systems.sections import with_values
from labelmint.training.clock import ClockKind
from labelmint.training.regime import Stage
from labelmint.training.run_folder import RunFolder

__all__ = ["Asked", "check_batches", "check_same", "make_request", "stored_config"]


class Asked(TypedDict, total=False):
    """All that can be asked of a training, by the keywords of `train` and `plan`.

    Keys:
        system, preset: names; `labelmint systems` lists them. The preset is small unless given, the system the
            preset's.
        size: (H, W) of the images to learn; the preset's unless given.
        crop: random crops of that size instead of resizing. scale: resize by this factor before cropping.
        augment: any of "flips", "mirror", "turns", "zoom".
        normalize: "image" spreads each image from its own range to all levels (`datasets.ranges`); or "none".
        rebalance: "classes" or "appearance" shows rare classes, or rare looks of them, more often
            (`datasets.rebalancing`); or "none".
        settings: single values, as {"prior.channels": "96"} or ["prior.channels=96"].
        group_by: regular expression that groups names for the split.
        seed: of all random draws.
        max_minutes: divides this time over the stages and ends with a usable model.
        clock: which counts these minutes: "wall", or "processor", the work of each thread.
        endless: whether the last part learns until they are over, however many steps its preset has.
    """

    system: str | None
    preset: str
    size: tuple[int, int] | None
    crop: bool
    scale: float
    augment: Sequence[str]
    normalize: str
    rebalance: str
    settings: Mapping[str, str] | Iterable[str]
    group_by: str | None
    seed: int
    max_minutes: float | None
    clock: ClockKind
    endless: bool


def make_request(**asked: Unpack[Asked]) -> Request:
    """All that decides the result. Raises InputError for unknown names and values out of range."""
    preset, seed, minutes = asked.get("preset", "small"), asked.get("seed", 0), asked.get("max_minutes")
    chosen = named("preset", preset, PRESETS)
    wanted = named("system", asked.get("system") or chosen.system, SYSTEMS)
    if minutes is not None and not 0 < minutes < math.inf:
        raise InputError(f"--max-minutes {minutes:g}: expected a number of minutes, more than 0")
    normalize = asked.get("normalize", "none")
    check_normalize(normalize)
    if wanted.role == "upscaler" and normalize != "none":
        raise InputError(f"--normalize {normalize}: {wanted.name} enlarges images as they are; leave it out")
    rebalance = asked.get("rebalance", "none")
    check_rebalance(rebalance)
    if wanted.of_pairs and rebalance != "none":
        raise InputError(f"--rebalance {rebalance}: {wanted.name} shows each pair by its area; leave it out")
    if wanted.of_pairs and "zoom" in asked.get("augment", ()):
        raise InputError(
            f"--augment zoom: {wanted.name} finds for each pair how far to zoom it (generator.shape=zoom); leave it out"
        )
    check_seed(seed)
    clock = asked.get("clock", "wall")
    if clock not in get_args(ClockKind):
        raise InputError(f"--clock {clock}: expected wall or processor")
    return Request(
        system=wanted.name,
        preset=preset,
        size=asked.get("size") or chosen.size,
        crop=asked.get("crop", False),
        scale=asked.get("scale", 1.0),
        augment=tuple(sorted(set(asked.get("augment", ())))),
        group_by=asked.get("group_by"),
        seed=seed,
        max_minutes=minutes,
        clock=clock,
        endless=asked.get("endless", False),
        normalize=normalize,
        rebalance=rebalance,
        settings=with_values(settings_of(wanted.name, preset), asked.get("settings", ()), _elsewhere(preset)),
    )


def _elsewhere(preset: str) -> dict[str, str]:
    """The settings that some system of a preset has, and the first such system; the preset's own comes first."""
    found: dict[str, str] = {}
    for system in (SYSTEMS[PRESETS[preset].system], *SYSTEMS.values()):
        if preset in system.presets:
            for section, values in system.presets[preset]().each().items():
                for key in values.model_dump():
                    found.setdefault(f"{section}.{key}", system.name)
    return found


def stored_config(run: RunFolder, request: Request) -> RunConfig | None:
    """The configuration of a run that is gone on with, None for a new one; raises InputError when the folder
    holds something else, and for settings of a new one that nothing heeds.
    """
    if run.path.exists() and not run.path.is_dir():
        raise InputError(f"{run.path}: exists and is no folder; give another --out")
    if not (run.path / "config.json").is_file():
        if not is_unused(run.path):
            raise InputError(f"{run.path}: exists and is not a run folder; give another --out")
        request.settings.check_heeded()  # a run of a former version may hold what nothing heeded
        return None
    stored = read_run_config(run)
    _refuse(run, stored.difference(stored.model_copy(update={"request": request})))
    return stored


def check_same(run: RunFolder, stored: RunConfig | None, config: RunConfig) -> None:
    """Raise InputError when the data differ from those of the stored run."""
    _refuse(run, stored.difference(config) if stored else None)


def _refuse(run: RunFolder, difference: str | None) -> None:
    if difference:
        raise InputError(
            f"{run.path}: holds a run made otherwise ({difference}); give another --out, or the same options "
            f"and data to go on"
        )


def check_batches(stages: Iterable[Stage], processes: int) -> None:
    """Raise InputError when a batch of some stage can't be shared out evenly among the processes."""
    for stage in stages:
        size = stage.regime.settings.batch_size
        if size % processes:
            raise InputError(
                f"{stage.name}.batch_size={size}: must be a multiple of the {processes} processes"
            )
