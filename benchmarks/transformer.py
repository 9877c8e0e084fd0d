"""Speed of drawing from a transformer prior: keys and values kept, against the whole sequence again for each
token.

    python -m benchmarks.transformer [--grid 16x16 32x16] [--batch 1 16 64] [--width 256 --layers 8 --heads 8
    --key-value-heads 2]
                                     [--condition prefix aligned] [--published] [--threads 2] [--precision
                                     fp32] [--json FILE]

Both sides have the same weights in one process, logits scaled to a standard deviation of 2, and tokens of
another codebook given: 256 as a prefix, as published, or one for each token, added where it lies, as the
small presets have it. The other side runs our own modules on the prefix and the tokens so far, the last layer
at one position only, at the better of two batch sizes; it is timed after evenly spread numbers of tokens,
each of which stands for those around it. It counts only when it reaches 60 % of the rate of a float32 matrix
product of this run. Ours is timed whole: the prefix and the drawing included.

    roof_share          operations of a sample, by formula, times samples a second, over the rate of a matrix
                        product of this run
    packed_roof_share   the same over the rate of a product with weights packed by oneDNN (`nn.packed`)
    memory_roof_share   bytes of weights, keys and values that a sample's steps have to read, likewise over
                        the rate of reading memory
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

from benchmarks.machine import describe, matrix_rate, median_seconds, memory_rate, operations_of, write
from labelmint.nn.packed import product
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.transformer import TransformerConfig, TransformerPrior
from labelmint.protocols import Stream
from labelmint.seeds import uniforms

CPU, CODES_GIVEN, PREFIX = torch.device("cpu"), 4096, (16, 16)
PUBLISHED = {"width": 1024, "layers": 24, "heads": 16, "key_value_heads": 16, "codes": 16384}


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--grid", nargs="+", type=grid_of, default=[(16, 16), (32, 16)], help="ROWSxCOLUMNS of tokens"
    )
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--key-value-heads", type=int, default=2)
    parser.add_argument("--codes", type=int, default=1024)
    parser.add_argument(
        "--condition", nargs="+", choices=("prefix", "aligned"), default=["prefix", "aligned"]
    )
    parser.add_argument("--published", action="store_true", help=f"take the published sizes: {PUBLISHED}")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument(
        "--anew-batch",
        type=int,
        nargs="+",
        default=[1, 8],
        help="of the other side, of which the best counts",
    )
    parser.add_argument(
        "--positions", type=int, default=8, help="numbers of tokens after which the other side is timed"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of ours")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    if options.published:
        parser.set_defaults(**PUBLISHED)
        options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[options.precision]
    float32 = matrix_rate()
    machine = {
        **describe(options.threads),
        "float32_gflops": float32 / 1e9,
        "matrix_gflops": (float32 if dtype == torch.float32 else matrix_rate(dtype)) / 1e9,
        "packed_gflops": packed_rate(dtype) / 1e9,
        "read_gb_per_s": memory_rate() / 1e9,
    }
    rows: list[dict[str, Any]] = []
    for condition in options.condition:
        for grid in options.grid:
            rows += measure(grid, condition, options, dtype, machine)
    write({"machine": machine, "precision": options.precision, "rows": rows}, options.json)


def grid_of(text: str) -> tuple[int, int]:
    """ "32x16" -> (32, 16)."""
    height, _, width = text.partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) * int(width)):
        raise argparse.ArgumentTypeError(f"{text}: expected ROWSxCOLUMNS, as 32x16")
    return int(height), int(width)


def packed_rate(dtype: torch.dtype) -> float:
    """Operations a second of a product with weights that stay."""
    rows, side = 256, 1024
    x, base, weight = (
        torch.randn(rows, side).to(dtype),
        torch.zeros(4 * side, dtype=dtype),
        torch.randn(side, 4 * side).to(dtype),
    )
    packed = product(weight, rows)
    return 2 * rows * weight.numel() / median_seconds(lambda: packed(x, base), 9)


@torch.no_grad()
def measure(
    grid: tuple[int, int],
    condition: str,
    options: argparse.Namespace,
    dtype: torch.dtype,
    machine: dict[str, Any],
) -> list[dict[str, Any]]:
    """All batch sizes on one grid."""
    prior = made(grid, condition, options)
    anew = max(
        (anew_way(prior, batch, options.positions) for batch in options.anew_batch),
        key=lambda one: one["per_s"],
    )
    flops, counted, whole = operations(prior), counted_operations(prior), operations(prior, whole_prefix=True)
    if abs(counted / whole - 1) > 0.02:
        raise SystemExit(f"{counted:.4g} operations counted, {whole:.4g} by formula")
    drawn = prior if dtype == torch.float32 else made(grid, condition, options).to_bfloat16()
    rows = []
    for batch in options.batch:
        ours, difference = our_way(prior, drawn, batch, options.repeat)
        rows.append(
            {
                "grid": f"{grid[0]}x{grid[1]}",
                "width": options.width,
                "layers": options.layers,
                "heads": options.heads,
                "key_value_heads": options.key_value_heads,
                "condition": condition,
                "prefix": prior.prefix,
                "batch": batch,
                "anew_per_s": anew["per_s"],
                "anew_batch": anew["batch"],
                "anew_gflops": anew["gflops"],
                "counts": anew["gflops"] >= 0.6 * machine["float32_gflops"],
                "ours_per_s": ours,
                "speedup": ours / anew["per_s"],
                "gflop_a_sample": flops / 1e9,
                "roof_share": ours * flops / 1e9 / machine["matrix_gflops"],
                "packed_roof_share": ours * flops / 1e9 / machine["packed_gflops"],
                "memory_roof_share": ours * bytes_read(prior, batch, dtype) / 1e9 / machine["read_gb_per_s"],
                "max_logit_difference": difference,
            }
        )
        print(
            {key: round(value, 4) if isinstance(value, float) else value for key, value in rows[-1].items()},
            flush=True,
        )
    return rows


def made(grid: tuple[int, int], condition: str, options: argparse.Namespace) -> TransformerPrior:
    """A prior with spread logits."""
    torch.manual_seed(0)
    names = ("width", "layers", "heads", "key_value_heads")
    config = TransformerConfig(condition=condition, **{name: getattr(options, name) for name in names})
    stream = Stream("semantics", CODES_GIVEN, PREFIX if condition == "prefix" else grid)
    prior = TransformerPrior(config, options.codes, grid, given=stream).eval().requires_grad_(False)
    prior.out.weight.mul_(2 / prior(torch.randint(options.codes, (1, *grid)), given(prior, 1)).std())
    return prior


def given(prior: TransformerPrior, batch: int) -> Tensor:
    """Noise for a condition."""
    return torch.randint(CODES_GIVEN, (batch, *(PREFIX if prior.prefix else prior.grid)))


def anew_way(prior: TransformerPrior, batch: int, positions: int) -> dict[str, float]:
    """Samples a second when the whole sequence is computed anew for each token, and operations a second."""
    count, cells = prior.grid[0] * prior.grid[1], prior.prepare(given(prior, batch))
    assert cells is not None
    spent, worked = 0.0, 0.0
    for part in torch.arange(count).tensor_split(min(positions, count)):
        drawn = int(part[len(part) // 2])
        tokens = torch.randint(prior.codebook_size, (batch, drawn + 1))
        times = []
        for _ in range(2):
            begin = time.perf_counter()
            last_logits(prior, tokens, cells)
            times.append(time.perf_counter() - begin)
        spent += min(times) * len(part)
        worked += operations_of(lambda: last_logits(prior, tokens, cells)) * len(part)  # noqa: B023
    return {"batch": batch, "per_s": batch / spent, "gflops": worked / spent / 1e9}


def last_logits(prior: TransformerPrior, before: Tensor, cells: Tensor) -> Tensor:
    """Logits (B, K) of one position, given what stands before it and before those before it, (B, i)."""
    x = prior.embed(before) + prior._beside(cells)[:, : before.shape[1]]
    if prior.prefix_places is not None:
        x = torch.cat([cells + prior.prefix_places(), x], dim=1)
    for block in prior.blocks:
        x = block(x)
    logits: Tensor = prior.out(prior.norm(x[:, -1]))
    return logits


def our_way(exact: TransformerPrior, prior: TransformerPrior, batch: int, repeat: int) -> tuple[float, float]:
    """Samples a second, and the largest difference of a logit from `logits`, relative to the largest."""
    count, shown, few = exact.grid[0] * exact.grid[1], given(exact, batch), min(batch, 2)
    tokens = torch.randint(exact.codebook_size, (batch, *exact.grid))
    full = exact(tokens[:few], shown[:few]).flatten(2)
    condition, sampler = prior.prepare(shown), AncestralSampler(prior)
    state, previous, largest = prior.start(batch, condition), None, 0.0
    for position in range(count):
        largest = max(largest, float((prior.step(previous, state)[:few] - full[:, :, position]).abs().max()))
        previous = tokens.flatten(1)[:, position]
    sampler._state, times = state, []
    numbers = uniforms([(0, index) for index in range(batch)], "image", count)
    for _ in range(repeat):
        begin = time.perf_counter()
        sampler.draw(condition, numbers, 1.0, CPU)
        times.append(time.perf_counter() - begin)
    return batch / statistics.median(times), largest / float(full.abs().max())


def operations(prior: TransformerPrior, whole_prefix: bool = False) -> float:
    """Of a sample: two for each weight that a position reads, and four for each channel with each position at
    or before it; or, as PyTorch counts them, with each position of the prefix for those of the prefix.
    """
    before, after, config = prior.prefix, prior.grid[0] * prior.grid[1], prior.config
    whole = before + after
    pairs = whole * (whole + 1) / 2 + (before * (before - 1) / 2 if whole_prefix else 0)
    weights = block_weights(prior)
    return (
        2 * weights * whole + 2 * prior.out.weight.numel() * after + 4 * config.layers * config.width * pairs
    )


def block_weights(prior: TransformerPrior) -> int:
    """Weights of the blocks' products."""
    return sum(weight.numel() for name, weight in prior.blocks.named_parameters() if weight.dim() == 2)


def bytes_read(prior: TransformerPrior, batch: int, dtype: torch.dtype) -> float:
    """By the steps of a sample, which shares its weights with its batch; keys and values are float32."""
    before, after, config = prior.prefix, prior.grid[0] * prior.grid[1], prior.config
    kept = 2 * config.layers * config.key_value_heads * (config.width // config.heads) * 4
    weights = block_weights(prior) * torch.finfo(dtype).bits / 8 + prior.out.weight.numel() * 4
    return weights * after / batch + kept * sum(before + step for step in range(1, after + 1))


def counted_operations(prior: TransformerPrior) -> float:
    """The same as `operations`, counted over one sample."""
    condition, count = prior.prepare(given(prior, 1)), prior.grid[0] * prior.grid[1]

    def draw() -> None:
        state, previous = prior.start(1, condition), None
        for _ in range(count):
            previous = prior.step(previous, state).argmax(dim=1)

    return operations_of(draw)


if __name__ == "__main__":
    main()
