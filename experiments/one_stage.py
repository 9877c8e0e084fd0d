"""One stage of a run trained anew, all else as it was."""

from __future__ import annotations

import time
from typing import Any, cast

from experiments.common import RealData, run_pairs

from labelmint.errors import InputError
from labelmint.hardware import Hardware, open_fabric
from labelmint.progress import Report
from labelmint.runs.config import RunConfig
from labelmint.training.regime import Bench, Learning, Stage
from labelmint.training.run_folder import RunFolder

__all__ = ["check_same", "train_stage", "with_section"]


def with_section(config: RunConfig, name: str, section: Learning) -> RunConfig:
    """A configuration with other settings of one stage."""
    request = config.request
    settings = request.settings.model_copy(update={name: section})
    return config.model_copy(update={"request": request.model_copy(update={"settings": settings})})


def train_stage(
    real: RealData, stage: Stage, run: RunFolder, config: RunConfig, accumulate: int, report: Report
) -> dict[str, Any]:
    """Train one stage on the pairs that a run was trained on, for the minutes of a configuration, and save it."""
    device, name = real.system.device, stage.name
    training, validation = (
        run_pairs(real, names, augment=augment)
        for names, augment in ((real.about.parts.training, True), (real.about.parts.validation, False))
    )
    stage.module.to(device)
    begin = time.perf_counter()
    stage.regime.begin(stage.module, training, name)
    # A part of the time, but not of the schedule, which would else begin behind its warm-up.
    seconds = 60 * cast(float, config.request.max_minutes) - (time.perf_counter() - begin)
    bench = Bench(
        fabric=open_fabric(Hardware(str(device), config.precision, config.threads)),
        run=run,
        training=training,
        validation=validation,
        seconds=max(seconds, 1.0),
        report=report,
        accumulate=accumulate,
    )
    found = stage.regime.train(stage, bench)
    asked = stage.regime.settings.model_copy(update={"accumulate": accumulate})
    run.save_part(name, stage.module.state_dict(), {"part": name, "config": asked.model_dump(), **found})
    return dict(found)


def check_same(run: RunFolder, config: RunConfig) -> None:
    """Raise InputError where the folder holds another experiment."""
    if not (run.path / "config.json").is_file():
        return
    difference = RunConfig.model_validate(run.read_config()).difference(config)
    if difference is not None:
        raise InputError(f"{run.path}: holds another experiment ({difference}); give another --out")
