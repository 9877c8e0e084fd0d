"""Retrieval from a large bank beside the drawing that it is for: CPU time of both, and what the bank takes.

    python -m benchmarks.retrieval [--layouts 20000] [--classes 10] [--queries 100] [--size 64] [--threads 1]
    [--json FILE]

Layouts are made up: of each of some classes one or two boxes about a place of that class, as cars and signs have
theirs, which leaves more layouts to be counted than boxes anywhere would. Queries have five classes. Drawing is that of
`bachgan` at `small`, a batch of 8.

    open_s       seconds from the state of a run to a bank that can be searched
    mib          of the bank: what is kept of layouts, and what they are searched by
    search_ms    a query, the median, of CPU time; share: of the time of drawing one image, retrieval left out
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe, write
from labelmint.layouts.bank import BackgroundBank, Similarity
from labelmint.layouts.retrieval import CELLS
from labelmint.systems.catalogue import SYSTEMS, settings_of
from labelmint.systems.system import Facts
from labelmint.types import Array, LayoutBatch

__all__ = ["main"]

MOST, OF_QUERY, DRAWN = 16, 5, 8  # boxes of a layout, classes of a query, images at once


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layouts", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=10, help="with boxes; a layout has 3 to 6 of them")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--size", type=int, default=64, help="height and width of the images")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    drawing, rng = _drawing(options.size), np.random.default_rng(0)
    boxes = [scene(rng, options.classes, int(rng.integers(3, 7))) for _ in range(options.layouts)]
    queries = [scene(rng, options.classes, OF_QUERY) for _ in range(options.queries)]
    rows = []
    for form in ("boxes", "map"):
        row = {"form": form, **_measured(form, boxes, queries, options.classes, options.size)}
        row |= {"draw_ms": drawing, "share": row["search_ms"] / drawing}
        rows.append(row)
        print(
            f"{form:<6} open {row['open_s']:.2f} s, {row['mib']:.0f} MiB; search {row['search_ms']:.2f} ms, draw "
            f"{drawing:.1f} ms: {row['share']:.1%}",
            flush=True,
        )
    write({"machine": describe(options.threads), "rows": rows}, options.json)


def scene(rng: np.random.Generator, classes: int, shown: int) -> Array:
    """Boxes (n, 5) in cells, of so many classes about their places."""
    found = []
    for one in rng.permutation(classes)[: min(shown, classes)]:
        for _ in range(rng.integers(1, 3)):
            x, y = (
                rng.normal([6 + 50 * one / classes, 20 + 20 * one / classes], [8, 6]).clip(0, 60).astype(int)
            )
            wide, high = rng.integers(4, 20, 2)
            found.append([one, x, y, min(x + wide, CELLS), min(y + high, CELLS)])
    return np.array(found[:MOST], np.float64)


def _measured(
    form: Similarity, boxes: list[Array], queries: list[Array], classes: int, size: int
) -> dict[str, Any]:
    """A bank that is opened from its state, and searched."""
    state, begin = _state(boxes, classes), time.process_time()
    bank = BackgroundBank(
        range(classes + 1), range(classes), classes, (CELLS, CELLS), MOST, form
    )  # the last class is all that lies around
    bank.load_state_dict(state)
    bank.places(queries[0], 3, (0, 0))
    opened = time.process_time() - begin
    times = [_cpu(lambda query=query: bank.places(query, 3, (0, 0))) for query in queries]  # type: ignore[misc]
    return {"open_s": opened, "mib": bank.nbytes / 2**20, "search_ms": 1000 * statistics.median(times)}


def _state(boxes: list[Array], classes: int) -> dict[str, torch.Tensor]:
    """That of a run with these layouts."""
    maps = np.full((len(boxes), CELLS, CELLS), classes, np.uint8)
    padded = np.full((len(boxes), MOST, 5), -1, np.int16)
    for row, own in enumerate(boxes):
        padded[row, : len(own)] = own
        for one, x0, y0, x1, y1 in own.astype(int):
            maps[row, y0:y1, x0:x1] = one
    numbers = np.arange(len(boxes))
    parts = {"maps": maps, "boxes": padded, "groups": numbers, "group_of": numbers}
    return {name: torch.from_numpy(part) for name, part in parts.items()}


def _drawing(size: int) -> float:
    """Milliseconds of CPU time of an image, the median of a few batches."""
    wired = SYSTEMS["bachgan"].wire(settings_of("bachgan", "small"), Facts(3, (size, size), 12))
    images = wired.images
    assert images is not None
    blank = torch.zeros(DRAWN, size, size, dtype=torch.uint8)
    layouts = LayoutBatch(
        blank, boxes=torch.full((DRAWN, 1, 5), -1.0), backgrounds=blank[:, None].repeat(1, 3, 1, 1)
    )
    dials = {dial.name: dial.usual for dial in images.dials}
    seeds = [(0, row) for row in range(DRAWN)]
    times = [_cpu(lambda: images.sample(layouts, seeds, dials)) for _ in range(6)]
    return 1000 * statistics.median(times[1:]) / DRAWN


def _cpu(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
