"""Beside the nearest public tools: a VQ-VAE's training step against MONAI's, sampling against MONAI's and
x-transformers'.

    python -m benchmarks.peers [--part vqvae|sampling|all] [--threads 2] [--json FILE]

Sampling needs the extra `bench`. All sides of a comparison run in turns in one process, and medians over the
turns count. One row a side:

    seconds      of a training step, or of drawing a batch of token grids
    ratio        seconds of this side over those of labelmint, the median over the turns; above 1, labelmint
                 is faster
    parameters   that take effect
    operations   of that step or batch; gflops: operations over seconds

`peers_vqvae` and `peers_sampling` say what exactly is compared.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import describe, write
from benchmarks.peers_vqvae import compare_vqvaes

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("vqvae", "sampling", "all"), default="all")
    parser.add_argument("--size", type=int, default=64, help="height and width of the VQ-VAEs' images")
    parser.add_argument(
        "--images", type=int, nargs="+", default=[8, 32], help="batch sizes of a training step"
    )
    parser.add_argument("--grid", default="32x16", help="rows x columns of tokens to draw")
    parser.add_argument(
        "--channels", type=int, default=128, help="of our prior; the peers get as many parameters"
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16], help="batch sizes of sampling")
    parser.add_argument("--positions", type=int, default=16, help="at which MONAI's sampling is timed")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if options.part != "vqvae" and (
        missing := [name for name in ("einops", "x_transformers") if find_spec(name) is None]
    ):
        raise SystemExit(
            f"benchmarks.peers: sampling needs {' and '.join(missing)}; install the extra: pip install -e "
            f"'.[bench]', or take --part vqvae"
        )
    torch.set_num_threads(options.threads)
    machine, rows = describe(options.threads), list[dict[str, Any]]()
    if options.part != "sampling":
        for images in options.images:
            rows += _told(compare_vqvaes(options.size, images, options.threads, options.repeat))
    if options.part != "vqvae":
        from benchmarks.peers_sampling import compare_samplers

        height, _, width = options.grid.partition("x")
        for batch in options.batch:
            grid = (int(height), int(width))
            rows += _told(compare_samplers(grid, options.channels, batch, options.positions, options.repeat))
    write({"machine": machine, "rows": rows}, options.json)


def _told(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        print(
            f"{row['comparison']}, batch {row['batch']}: {row['side']:<38} {row['seconds']:9.4f} s  "
            f"x{row['ratio']:<7.2f} "
            f"{row['parameters'] / 1e6:6.2f} M  {row['operations'] / 1e9:8.1f} GFLOP  {row['gflops']:6.1f} "
            f"GFLOP/s",
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
