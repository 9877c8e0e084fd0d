"""What one training was found to be: its own report, and the values that differences are computed from.

    OUT/reports/flow-0/report.html, report.json, *.png     the sections of an evaluation
    OUT/reports/flow-0/values.npz                          values of single samples and of single real views

report.json is written last: where it is, nothing of this is measured again.
"""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labelmint.comparison.entrants import Entrant
from labelmint.errors import InputError
from labelmint.reports.files import read_report, write_report
from labelmint.reports.results import Results
from labelmint.storage import write_arrays
from labelmint.types import Array

__all__ = ["Measured", "Values", "read_measured", "report_folder", "write_measured"]


@dataclass(frozen=True, kw_only=True)
class Values:
    """What was measured of n samples, M real test views, K classes and D features of the judge.

    Attributes:
        counts, real_counts: (n, K, K) and (M, K, K), pixels by label and reading of the judge.
        features, real_features: (n, D) and (M, D).
        kept: (n,), the samples that are no copies.
    """

    counts: Array
    real_counts: Array
    features: Array
    real_features: Array
    kept: npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One entrant with its report and its values."""

    entrant: Entrant
    results: Results
    values: Values


def report_folder(out: Path, entrant: Entrant) -> Path:
    """Where the report of an entrant lies."""
    return out / "reports" / entrant.key


def write_measured(out: Path, found: Measured) -> None:
    """Store it, whole or not at all."""
    folder = report_folder(out, found.entrant)
    folder.mkdir(parents=True, exist_ok=True)
    write_arrays(folder / "values.npz", vars(found.values))
    write_report(found.results, folder)


def read_measured(out: Path, entrant: Entrant) -> Measured | None:
    """What is stored of an entrant, None where nothing whole is; raises InputError for damaged files."""
    folder = report_folder(out, entrant)
    if not (folder / "report.json").is_file():
        return None
    try:
        with (folder / "values.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            values = Values(**{name: stored[name] for name in Values.__dataclass_fields__})
        return Measured(entrant=entrant, results=read_report(folder), values=values)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        said = str(error) if isinstance(error, InputError) else f"{folder / 'values.npz'}: is damaged"
        what = said.partition("; ")[0]  # without what `evaluate` advises
        raise InputError(f"{what}; remove {folder}, and the same command makes it again") from None
