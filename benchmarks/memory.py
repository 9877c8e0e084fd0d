"""The memory that `train --dry-run` foretells beside what trainings take at their peak.

    python -m benchmarks.memory [--system spade ...] [--preset small] [--size 64x64] [--repeat 3] [--threads 1]
    [--json FILE]

Each plan and each training runs in a process of its own, on random images with layouts of cells, four steps a stage,
with a checkpoint at every step, as longer trainings write them by the clock.

    planned_mib    what the plan says, without what is resident after all was imported
    peak_mib       the most resident memory of the training, likewise; the median
    ratio          planned over peak
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe, write
from labelmint.runs.train import plan, train
from labelmint.systems.catalogue import SYSTEMS, settings_of
from labelmint.training import loop
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout

__all__ = ["main"]

SYSTEMS_COMPARED = ("spade", "pix2pixhd", "bicyclegan", "pix2pix", "flow", "mint")
CLASSES, PAIRS, CELL, STEPS = 8, 200, 8, "4"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--system", nargs="+", choices=SYSTEMS, default=SYSTEMS_COMPARED)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--size", default="64x64")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    rows = []
    for system in options.system:
        planned = _alone(planned_mib, system, options)
        peaks = [_alone(peak_mib, system, options) for _ in range(options.repeat)]
        peak = statistics.median(peaks)
        row = {"system": system, "planned_mib": planned, "peak_mib": peak, "peaks_mib": peaks}
        rows.append({**row, "ratio": planned / peak})
        print(
            f"{system:<12} planned {planned:6.0f} MiB, peak {peak:6.0f} MiB: {planned / peak:.2f}", flush=True
        )
    write({"machine": describe(options.threads), "rows": rows}, options.json)


def planned_mib(system: str, options: argparse.Namespace) -> float:
    """What the plan says, in this process."""
    asked, before = _asked(system, options), _imported_mib()
    return plan(_data(asked["size"]), **asked).bytes / 2**20 - before


def peak_mib(system: str, options: argparse.Namespace) -> float:
    """What a training takes, in this process."""
    asked, before = _asked(system, options), _imported_mib()
    loop.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    with tempfile.TemporaryDirectory() as folder:
        train(_data(asked["size"]), folder, **asked)
    return _memory_mib("VmHWM") - before


def _imported_mib() -> float:
    """What is resident once all that a training imports is there."""
    import lightning_fabric.strategies.ddp  # noqa: F401
    import matplotlib.pyplot  # noqa: F401

    return _memory_mib("VmRSS")


def _alone(work: Any, system: str, options: argparse.Namespace) -> float:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return float(pool.submit(work, system, options).result())


def _asked(system: str, options: argparse.Namespace) -> dict[str, Any]:
    height, width = (int(side) for side in options.size.split("x"))
    sections = settings_of(system, options.preset).each()
    steps = {f"{name}.{key}": STEPS for name in sections for key in ("steps", "evaluate_every")}
    return {
        "system": system,
        "preset": options.preset,
        "size": (height, width),
        "settings": steps,
        "device": "cpu",
        "precision": "32",
        "threads": options.threads,
    }


def _data(size: tuple[int, int]) -> DataSet:
    """Images of noise with layouts of cells, made when they are asked for."""

    def load(name: str) -> AnnotatedImage:
        rng = np.random.default_rng(int(name))
        cells = rng.integers(0, CLASSES, (size[0] // CELL, size[1] // CELL), np.uint8)
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        ids = np.kron(cells, np.ones((CELL, CELL), np.uint8))
        return AnnotatedImage(name=name, image=image, layout=Layout(label_map=ids))

    names = tuple(f"{k:03d}" for k in range(PAIRS))
    classes = ClassSet(tuple(ClassInfo(id=k, name=f"class {k}") for k in range(CLASSES)))
    return DataSet(source="noise", format="memory", classes=classes, names=names, load=load)


def _memory_mib(name: str) -> float:
    """A line of this process's status, as the kernel counts."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
