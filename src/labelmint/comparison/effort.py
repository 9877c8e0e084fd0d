"""What an entrant takes: parameters, steps and minutes of its training, and images a second in drawing."""

from __future__ import annotations

import time
from pathlib import Path

from labelmint.comparison.ground import Ground
from labelmint.reports.results import Figure, Section, Table
from labelmint.runs.draw import Draw
from labelmint.runs.trained import TrainedSystem
from labelmint.synthesis.settings import stored
from labelmint.training.run_folder import RunFolder

__all__ = ["effort"]


def effort(system: TrainedSystem, ground: Ground, samples: Path) -> Section:
    """The section; a batch as large as those of the samples is drawn once more, to take the time."""
    run = RunFolder(system.path)
    rows: list[tuple[str, int, int, float]] = []
    for stage in system.wired.stages:
        about = run.read_json(f"{stage.name}/part.json")
        count = sum(weights.numel() for weights in stage.module.parameters())
        rows.append((stage.name.replace("_", " "), count, int(about["steps"]), float(about["seconds"]) / 60))
    parameters, steps, minutes = (sum(each) for each in list(zip(*rows, strict=True))[1:])
    speed, batch = _speed(system, ground, samples)
    return Section(
        name="effort",
        title="What does it take?",
        summary=f"{steps:,} steps in {minutes:.1f} minutes; {speed:.3g} images a second.",
        figures=(
            Figure(
                name="effort.images_per_second",
                title="Images a second in drawing",
                value=speed,
                better="higher",
                how=f"{batch} at a time, on {system.device.type} with as many threads as in training",
            ),
            Figure(
                name="effort.parameters",
                title="Parameters",
                value=parameters,
                how="of what is kept of the training",
            ),
            Figure(name="effort.steps", title="Steps of training", value=steps, how="of all parts"),
            Figure(name="effort.minutes", title="Minutes of training", value=minutes, how="of all parts"),
        ),
        tables=(
            Table(title="Part by part", head=("part", "parameters", "steps", "minutes"), rows=tuple(rows)),
        ),
    )


def _speed(system: TrainedSystem, ground: Ground, samples: Path) -> tuple[float, int]:
    batch = stored("batch_size", samples) or 1
    draw = Draw(batch_size=batch, layouts=system.given(ground.given(system)))
    begin = time.perf_counter()
    system.chunk(0, draw)
    return batch / (time.perf_counter() - begin), batch
