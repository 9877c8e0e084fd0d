"""What a comparison will take, before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelmint.comparison.entrants import Entrant, asked
from labelmint.comparison.ground import checked
from labelmint.comparison.options import ComparisonOptions
from labelmint.formats import read
from labelmint.progress import Report
from labelmint.runs.train import plan
from labelmint.types import DataSet

__all__ = ["planned"]


def planned(
    data: DataSet | str | Path, options: ComparisonOptions, report: Report | None = None
) -> list[dict[str, Any]]:
    """Name, parameters, seconds and bytes of a training of each system; writes nothing. Raises InputError for what
    `compare` refuses before anything long begins.
    """
    source = data if isinstance(data, DataSet) else read(data)
    checked(source, options)
    found = []
    for system in options.systems:
        made = plan(
            source,
            device=options.device,
            precision=options.precision,
            threads=options.threads,
            force=True,
            report=report,
            **asked(options, Entrant(system, options.seed)),
        )
        found.append(
            {
                "system": system,
                "parameters": sum(stage.parameters for stage in made.stages),
                "trainings": options.seeds,
                "seconds": round(made.seconds, 1),
                "bytes": made.bytes,
            }
        )
    return found
