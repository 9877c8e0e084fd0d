"""Speed of the search for copies: products with all windows by products of matrices, and by the Fourier transform.

    python -m benchmarks.copies [--size 32 64 96 128] [--channels 3] [--queries 8] [--references 24] [--repeat 3]
                                [--threads 1] [--json FILE]

Both sides search the same random queries in the same random references, twice as high and wide, in turns; the
last column says whether they found the same views.

    cell    pixels of a coarse cell; (2 cell + 1)^2 windows are compared at full resolution for each candidate
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe, in_turns, write
from labelmint.metrics import view_distance
from labelmint.metrics.coarse_views import Scale
from labelmint.metrics.nearest_view import NearestViews, nearest_views
from labelmint.types import Array

MATRICES, FOURIER = "matrices", "Fourier"


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, nargs="+", default=[32, 64, 96, 128])
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--queries", type=int, default=8)
    parser.add_argument("--references", type=int, default=24)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rows = [
        row(size, options.channels, options.queries, options.references, options.repeat)
        for size in options.size
    ]
    for one in rows:
        print(
            f"{one['size']}x{one['size']}, cells of {one['cell']}: {one['matrices_ms']:.1f} ms a query by matrices, "
            f"{one['fourier_ms']:.1f} by Fourier transforms, {one['ratio']:.2f} times; "
            f"{'the same' if one['same'] else 'OTHER'} views"
        )
    if options.json:
        write(options.json, {"machine": describe(options.threads), "rows": rows})


def row(size: int, channels: int, queries: int, references: int, repeat: int) -> dict[str, Any]:
    """Both sides at one size: milliseconds a query, medians."""
    rng = np.random.default_rng(0)
    searched = list(rng.integers(0, 256, (references, 2 * size, 2 * size, channels), dtype=np.uint8))
    asked = rng.integers(0, 256, (queries, size, size, channels), dtype=np.uint8)
    sides = {name: by(name, asked, searched) for name in (MATRICES, FOURIER)}
    one, other = (work() for work in sides.values())
    spent = {name: statistics.median(times) / queries for name, times in in_turns(sides, repeat).items()}
    return {
        "size": size,
        "cell": Scale((size, size), 4).cell,
        "matrices_ms": 1e3 * spent[MATRICES],
        "fourier_ms": 1e3 * spent[FOURIER],
        "ratio": spent[FOURIER] / spent[MATRICES],
        "same": bool((one.position == other.position).all() and (one.reference == other.reference).all()),
    }


def by(side: str, queries: Array, references: list[Array]) -> Callable[[], NearestViews]:
    """The search with one way of taking products, whatever the number of windows."""

    def work() -> NearestViews:
        usual = view_distance._FEW_SHIFTS
        view_distance._FEW_SHIFTS = 10**9 if side == MATRICES else 0
        try:
            return nearest_views(queries, references)
        finally:
            view_distance._FEW_SHIFTS = usual

    return work


if __name__ == "__main__":
    main()
