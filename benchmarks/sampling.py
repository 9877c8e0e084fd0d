"""Speed of exact sampling: each position computed once, against the published way, rows 0..i again for each
position.

    python -m benchmarks.sampling [--grid 32x16] [--channels 128] [--batch 1 64] [--threads 2] [--precision
    fp32] [--json FILE]

Both sides have the same weights in one process: a PixelSNAIL of the published sizes (5x5 kernels, 4 blocks of
3 residual blocks, attention of channels / 2 in 8 heads), its logits scaled to a standard deviation of 2. The
published way runs our own modules on the first rows, masks applied beforehand, at the best of several batch
sizes; it is timed on every `--every`-th row and summed over all. It counts only when it reaches 60 % of the
rate of a convolution of this run. Ours is timed whole, drawing included.

    roof_share          operations of a sample, by formula, times samples a second, over the rate of a matrix
                        product of this run
    memory_roof_share   bytes of weights and of keys and values that a sample has to read, likewise over the
                        rate of reading memory
    max_logit_difference   between both ways, over every position, relative to the largest logit
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import (
    convolution_rate,
    describe,
    matrix_rate,
    memory_rate,
    operations_of,
    packed_operations,
    write,
)
from labelmint.nn.causal import CausalConv2d
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.seeds import uniforms
from labelmint.types import LayoutBatch

CODES, SYMBOLS, CPU = 256, 8, torch.device("cpu")


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--grid",
        nargs="+",
        type=grid_of,
        default=[(32, 16)],
        help="ROWSxCOLUMNS of tokens, two paths stacked",
    )
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64])
    parser.add_argument(
        "--published-batch", type=int, nargs="+", default=[1, 8, 32], help="of which the best counts"
    )
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of ours")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[options.precision]
    machine = {
        **describe(options.threads),
        "matrix_gflops": matrix_rate(dtype) / 1e9,
        "convolution_gflops": convolution_rate(options.channels, (32, 16), 16) / 1e9,
        "read_gb_per_s": memory_rate() / 1e9,
    }
    rows: list[dict[str, Any]] = []
    for grid in options.grid:
        rows += measure(grid, options, dtype, machine)
    write({"machine": machine, "precision": options.precision, "rows": rows}, options.json)


def grid_of(text: str) -> tuple[int, int]:
    """ "32x16" -> (32, 16); the rows of two paths, so an even number."""
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal()) or int(height) % 2 or not int(height) * int(width):
        raise argparse.ArgumentTypeError(
            f"{text}: expected ROWSxCOLUMNS, as 32x16, with an even number of rows"
        )
    return int(height), int(width)


def measure(
    grid: tuple[int, int], options: argparse.Namespace, dtype: torch.dtype, machine: dict[str, Any]
) -> list[dict[str, Any]]:
    """All batch sizes on one grid."""
    prior = made(grid, options.channels)
    published = max(
        (published_way(prior, batch, options.every) for batch in options.published_batch),
        key=lambda one: one["per_s"],
    )
    flops, counted = operations(prior), counted_operations(prior)
    if abs(counted / flops - 1) > 0.02:
        raise SystemExit(f"{counted:.4g} operations counted, {flops:.4g} by formula")
    rows = []
    for batch in options.batch:
        ours, difference = our_way(prior, batch, options.repeat, dtype)
        rows.append(
            {
                "grid": f"{grid[0]}x{grid[1]}",
                "channels": options.channels,
                "batch": batch,
                "published_per_s": published["per_s"],
                "published_batch": published["batch"],
                "published_gflops": published["gflops"],
                "counts": published["gflops"] >= 0.6 * machine["convolution_gflops"],
                "ours_per_s": ours,
                "speedup": ours / published["per_s"],
                "gflop_a_sample": flops / 1e9,
                "roof_share": ours * flops / 1e9 / machine["matrix_gflops"],
                "memory_roof_share": ours * bytes_read(prior, batch, dtype) / 1e9 / machine["read_gb_per_s"],
                "max_logit_difference": difference,
            }
        )
        print(
            {key: round(value, 4) if isinstance(value, float) else value for key, value in rows[-1].items()},
            flush=True,
        )
    return rows


def made(grid: tuple[int, int], channels: int, symbols: int = SYMBOLS) -> PixelSNAIL:
    """A prior of the published sizes with spread logits; symbols 0: without a condition."""
    torch.manual_seed(0)
    config = PixelSNAILConfig(
        channels=channels,
        residual_channels=channels,
        blocks=4,
        residual_blocks=3,
        kernel_rows=5,
        kernel_columns=5,
        attention_channels=channels // 2,
        attention_heads=8,
    )
    prior = PixelSNAIL(config, CODES, grid, stack=2, symbols=symbols).eval()
    for parameter in prior.parameters():
        parameter.requires_grad_(False)
    logits = prior(torch.randint(CODES, (2, *grid)), layouts_for(prior, 2))
    prior.out.weight.mul_(2 / logits.std())
    return prior


def layouts_for(prior: PixelSNAIL, batch: int) -> LayoutBatch:
    """Noise, at twice the tokens' resolution."""
    return LayoutBatch(torch.randint(SYMBOLS, (batch, prior.grid[0], 2 * prior.grid[1])))


@torch.inference_mode()
def published_way(prior: PixelSNAIL, batch: int, every: int) -> dict[str, float]:
    """Samples a second when the first rows are computed anew for each position, and operations a second."""
    (height, width), background = prior.grid, prior.background
    convolutions = [module for module in prior.modules() if isinstance(module, CausalConv2d)]
    for module in convolutions:  # weights prepared once
        masked = (module.weight * module.visible).contiguous(memory_format=torch.channels_last)
        module.forward = _prepared(module, masked)  # type: ignore[method-assign]
    tokens, condition = torch.randint(CODES, (batch, height, width)), prior.prepare(layouts_for(prior, batch))
    assert condition is not None
    spent, worked = 0.0, 0.0
    try:
        for first in range(0, height, every):
            rows = min(first + (every + 1) // 2, height)  # in the middle of those that it stands for
            stands_for = min(every, height - first) * width
            prior.grid, prior.background = (rows, width), background[:, :rows]
            here, seen = (
                tokens[:, :rows],
                condition[:, :, :rows].contiguous(memory_format=torch.channels_last),
            )
            operations_there = operations_of(lambda here=here, seen=seen: prior.logits(here, seen))  # type: ignore[misc]
            times = []
            for _ in range(2):
                begin = time.perf_counter()
                prior.logits(here, seen)
                times.append(time.perf_counter() - begin)
            spent += min(times) * stands_for
            worked += operations_there * stands_for
    finally:
        prior.grid, prior.background = (height, width), background
        for module in convolutions:
            del module.forward
    return {"batch": batch, "per_s": batch / spent, "gflops": worked / spent / 1e9}


def _prepared(module: CausalConv2d, weight: Tensor) -> Any:
    def forward(x: Tensor) -> Tensor:
        padded = functional.pad(x, (module.reach, module.reach, module.rows - 1, 0))
        return functional.conv2d(padded, weight, module.bias)

    return forward


def our_way(prior: PixelSNAIL, batch: int, repeat: int, dtype: torch.dtype) -> tuple[float, float]:
    """Samples a second, and the largest difference of a logit from `logits`, relative to the largest."""
    height, width = prior.grid
    condition = prior.prepare(layouts_for(prior, batch))
    assert condition is not None
    exact, prior = (
        prior,
        prior if dtype == torch.float32 else made(prior.grid, prior.config.channels).to_bfloat16(),
    )
    few, tokens = min(batch, 4), torch.randint(CODES, (batch, height, width))
    full = exact.logits(tokens[:few], condition[:few]).flatten(2)
    state, previous, largest = prior.start(batch, condition.to(dtype)), None, 0.0
    for position in range(height * width):
        largest = max(
            largest, float((prior.step(previous, state)[:few].float() - full[:, :, position]).abs().max())
        )
        previous = tokens.flatten(1)[:, position]
    sampler, times = AncestralSampler(prior), []
    numbers = uniforms([(0, index) for index in range(batch)], "image", height * width)
    for _ in range(repeat + 1):
        begin = time.perf_counter()
        sampler.draw(condition.to(dtype), numbers, 1.0, CPU)
        times.append(time.perf_counter() - begin)
    return batch / statistics.median(times[1:]), largest / float(full.abs().max())


def operations(prior: PixelSNAIL) -> float:
    """Of a sample: two for each weight that a position reads, and for each of its attention channels with
    each position before it.
    """
    positions = prior.grid[0] * prior.grid[1]
    attention = sum(4 * block.attention.channels * (positions + 1) / 2 for block in prior._blocks())
    return positions * (2 * weights_read(prior)[0] + attention)


def weights_read(prior: PixelSNAIL) -> tuple[float, float]:
    """Weights that a position reads, and those of the rows above, which are read once a row."""
    above = whole = 0.0
    for name, module in prior.named_modules():
        if name.startswith("condition"):
            continue
        if isinstance(module, CausalConv2d):
            above += module.weight[:, :, :-1].numel()
            whole += module.weight[:, :, 0, 0].numel() * float(module.visible.sum())
        elif isinstance(module, torch.nn.Linear) or name.endswith("from_condition"):
            whole += module.weight.numel()
    return whole, above


def bytes_read(prior: PixelSNAIL, batch: int, dtype: torch.dtype) -> float:
    """Of a sample, which shares its weights with its batch: weights once a position or row, keys and values
    so far.
    """
    height, width = prior.grid
    whole, above = weights_read(prior)
    size, positions = torch.finfo(dtype).bits / 8, height * width
    kept = sum(2 * 4 * block.attention.channels * (positions + 1) / 2 for block in prior._blocks())
    return (positions * (whole - above) + height * above) * size / batch + positions * kept


def counted_operations(prior: PixelSNAIL) -> float:
    """The same, counted over the steps of one sample."""
    condition = prior.prepare(layouts_for(prior, 1))
    tokens = torch.randint(CODES, (1, prior.grid[0] * prior.grid[1]))
    with FlopCounterMode(display=False, custom_mapping=packed_operations()) as counter:
        state, previous = prior.start(1, condition), None
        for position in range(tokens.shape[1]):
            prior.step(previous, state)
            previous = tokens[:, position]
    return float(counter.get_total_flops())


if __name__ == "__main__":
    main()
