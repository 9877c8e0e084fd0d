"""Speed of sampling: each position computed once, against the published way, which computes rows 0..i again for each position.

    python benchmarks/sampling.py [--batch 16] [--rows 16] [--columns 8] [--threads 2]

The published way takes minutes, so it is timed on every `--every`-th position of the same grid and scaled. Both run in one process,
interleaved; printed are medians and their ratio, and the share of the machine's measured matrix-product speed that the incremental
sampler reaches (2 operations a weight, a position and a sample; attention left out).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from labelmint.priors.ancestral import draw, uniforms
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.types import LayoutBatch


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("batch", 16),
        ("rows", 16),
        ("columns", 8),
        ("channels", 64),
        ("threads", 2),
        ("repeat", 5),
        ("every", 16),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    grid = (options.rows, options.columns)
    config = PixelSNAILConfig(channels=options.channels, residual_channels=options.channels, residual_blocks=2)
    prior = PixelSNAIL(config, 64, grid, stack=2, symbols=4).eval()
    layouts = LayoutBatch(torch.randint(4, (options.batch, 2 * grid[0], 4 * grid[1])))
    condition = prior.prepare(layouts).detach()
    numbers = uniforms([(0, i) for i in range(options.batch)], "image", grid[0] * grid[1])
    tokens = torch.randint(64, (options.batch, *grid))
    positions = range(options.every // 2, grid[0] * grid[1], options.every)

    def incremental() -> None:
        draw(prior, condition, numbers, 1.0, torch.device("cpu"))

    def recomputing() -> None:
        for position in positions:
            rows = position // grid[1] + 1
            _rows(prior, tokens, condition, rows)

    with torch.no_grad():
        times = [(seconds(incremental), seconds(recomputing) * grid[0] * grid[1] / len(positions)) for _ in range(options.repeat)]
    fast, slow = (statistics.median(column) for column in zip(*times, strict=True))
    weights = sum(p.numel() for name, p in prior.named_parameters() if "embed" not in name and not name.startswith("condition"))
    rate = 2 * weights * grid[0] * grid[1] * options.batch / fast
    print(
        json.dumps(
            {
                "grid": grid,
                "batch": options.batch,
                "threads": options.threads,
                "parameters": sum(p.numel() for p in prior.parameters()),
                "incremental_samples_per_second": round(options.batch / fast, 2),
                "published_way_samples_per_second": round(options.batch / slow, 3),
                "ratio": round(slow / fast, 1),
                "share_of_matrix_product_speed": round(rate / matrix_product_speed(), 3),
            }
        )
    )


def _rows(prior: PixelSNAIL, tokens: torch.Tensor, condition: torch.Tensor, rows: int) -> None:
    """The whole network on the first rows, as the published sampler runs it."""
    whole, background = prior.grid, prior.background
    prior.grid, prior.background = (rows, whole[1]), background[:, :rows]
    prior.logits(tokens[:, :rows], condition[:, :, :rows])
    prior.grid, prior.background = whole, background


def matrix_product_speed() -> float:
    """Operations a second of a 1024 x 1024 product."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    a @ b
    return 2 * 1024**3 / min(seconds(lambda: a @ b) for _ in range(5))


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
