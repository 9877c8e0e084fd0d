"""What is known of runs without loading their weights: what each was made with, how long it learned, and how well its
images obey their labels, as the newest evaluation of just these weights says.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from labelmint.errors import InputError
from labelmint.reports.files import read_report
from labelmint.reports.results import Results
from labelmint.runs.config import RunConfig, read_run_config
from labelmint.runs.wire import wire
from labelmint.training.run_folder import RunFolder

__all__ = ["Known", "Learned", "known_run", "known_runs"]

OBEDIENCE = "obedience.ratio"


class Learned(NamedTuple):
    """What a stage learned for: steps and seconds, and the last held-out figures, by name."""

    stage: str
    steps: int
    seconds: float
    held_out: dict[str, float]


class Known(NamedTuple):
    """A run.

    Attributes:
        path: its folder. config: what it was made with.
        split: names of the training, validation and test pairs. learned: by its stages, in their order.
        digest: SHA-256 of its weights. report: the newest evaluation of these; None where there is none.
    """

    path: Path
    config: RunConfig
    split: dict[str, list[str]]
    learned: tuple[Learned, ...]
    digest: str
    report: Results | None

    @property
    def minutes(self) -> float:
        """Minutes of training, of all stages."""
        return sum(one.seconds for one in self.learned) / 60

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(one.steps for one in self.learned)

    @property
    def obedience(self) -> float | None:
        """The obedience ratio; None where nobody measured it."""
        figure = None if self.report is None else self.report.figures.get(OBEDIENCE)
        return None if figure is None or figure.refused else figure.value


def known_runs(folder: str | Path) -> dict[str, Known | str]:
    """Every run that lies in a folder, or the one that it is, by rising name; of a broken one what is wrong.

    Raises InputError where the folder is missing, or holds no run.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(f"{place}: no such folder; give one that holds runs")
    inside = [place] if _is_run(place) else sorted(path for path in place.iterdir() if _is_run(path))
    if not inside:
        raise InputError(
            f"{place}: holds no run; give the folder of those that `labelmint train --out` wrote"
        )
    found: dict[str, Known | str] = {}
    for path in inside:
        try:
            found[path.name or str(path.resolve())] = known_run(path)
        except (InputError, OSError) as error:
            found[path.name or str(path.resolve())] = str(error).removeprefix(f"{path}: ")
    return found


def known_run(path: str | Path) -> Known:
    """What is known of a run; raises InputError where it is none, unfinished or damaged."""
    run = RunFolder(path)
    config, split = read_run_config(run), run.read_json("split.json")
    digest, learned, rows = hashlib.sha256(), [], run.read_log()
    for stage in wire(config).stages:
        if not run.finished(stage.name):
            raise InputError(
                f"{run.path}: training has not finished ({stage.name} is missing); run the same command again"
            )
        about = run.read_json(f"{stage.name}/part.json")
        if not (run.path / stage.name / "weights.safetensors").is_file() or "sha256" not in about:
            raise InputError(
                f"{run.path}: the run lacks {stage.name}/weights.safetensors; restore it, or train again"
            )
        digest.update(str(about["sha256"]).encode())
        learned.append(_learned(stage.name, [row for row in rows if row.get("stage") == stage.name]))
    found = digest.hexdigest()
    return Known(run.path, config, split, tuple(learned), found, _newest_report(run.path, found))


def _is_run(path: Path) -> bool:
    return (path / "config.json").is_file()


def _learned(stage: str, rows: list[dict[str, Any]]) -> Learned:
    """What the last line of the log says of a stage."""
    last = rows[-1] if rows else {}
    held_out = {
        name: float(value)
        for row in rows
        for name, value in row.items()
        if name.startswith("held_out_") and isinstance(value, int | float)
    }
    return Learned(stage, int(last.get("step", 0)), float(last.get("seconds", 0.0)), held_out)


def _newest_report(run: Path, digest: str) -> Results | None:
    """The newest report in the run or beside it that is about these weights and can be read."""
    files = [*run.glob("*/report.json"), *run.absolute().parent.glob("*/report.json")]
    for file in sorted(files, key=lambda one: one.stat().st_mtime, reverse=True):
        try:
            request = json.loads((file.parent / "request.json").read_text(encoding="utf-8"))
            if isinstance(request, dict) and request.get("weights") == digest:
                return read_report(file.parent)
        except (OSError, ValueError, InputError):
            continue
    return None
