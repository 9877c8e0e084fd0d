"""Making an entrant: its training, and its samples for the layouts of the test part.

OUT/runs/flow-0/       the run               OUT/samples/flow-0/    its samples, with their manifest
"""

from __future__ import annotations

from pathlib import Path

from labelmint.comparison.entrants import Entrant, asked
from labelmint.comparison.ground import Ground
from labelmint.comparison.options import ComparisonOptions
from labelmint.formats import read
from labelmint.hardware import Hardware
from labelmint.progress import Report
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem
from labelmint.synthesis import mint
from labelmint.types import DataSet

__all__ = ["drawn", "run_folder", "samples_folder", "trained"]


def run_folder(out: Path, entrant: Entrant) -> Path:
    """The run of an entrant."""
    return out / "runs" / entrant.key


def samples_folder(out: Path, entrant: Entrant) -> Path:
    """Its samples."""
    return out / "samples" / entrant.key


def trained(
    out: Path,
    entrant: Entrant,
    ground: Ground,
    options: ComparisonOptions,
    hardware: Hardware,
    report: Report,
) -> TrainedSystem:
    """The trained system; a finished run is only loaded, and a stopped one is gone on with."""
    return train(
        ground.data,
        run_folder(out, entrant),
        device=hardware.device,
        precision=hardware.precision,
        threads=hardware.threads,
        force=True,  # few pairs are no reason to compare nothing
        parts=ground.about.parts,
        report=report,
        **asked(options, entrant),
    )


def drawn(
    out: Path,
    entrant: Entrant,
    system: TrainedSystem,
    ground: Ground,
    options: ComparisonOptions,
    report: Report,
) -> DataSet:
    """Its samples: sample i has layout i mod L."""
    folder = samples_folder(out, entrant)
    mint(
        system,
        folder,
        n=options.n,
        seed=entrant.seed,
        layouts=ground.given(system),
        filter="off",
        resume=True,
        report=report,
        warn=lambda line: None,
    )
    return read(folder, format="folder")
