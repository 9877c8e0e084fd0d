"""What a machine can do at most, measured in the run that compares with it."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

__all__ = [
    "convolution_rate",
    "describe",
    "in_turns",
    "matrix_rate",
    "median_seconds",
    "memory_rate",
    "operations_of",
    "packed_operations",
    "write",
]


def median_seconds(work: Callable[[], object], repeat: int = 5, device: torch.device | None = None) -> float:
    """Wall time of a call; the first is not counted."""
    times = []
    for _ in range(repeat + 1):
        begin = time.perf_counter()
        work()
        if device is not None and device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def in_turns(sides: Mapping[str, Callable[[], object]], repeat: int = 5) -> dict[str, list[float]]:
    """Wall times of each side; they take turns, so that other work on the machine meets all of them; the
    first turn is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeat + 1):
        for name, work in sides.items():
            begin = time.perf_counter()
            work()
            if turn:
                times[name].append(time.perf_counter() - begin)
    return times


def matrix_rate(dtype: torch.dtype = torch.float32, device: torch.device | None = None) -> float:
    """Operations a second of the fastest square product of 512 to 4096."""
    best = 0.0
    for side in (512, 1024, 2048, 4096):
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        best = max(best, 2 * side**3 / median_seconds(lambda a=a, b=b: a @ b, 3, device))  # type: ignore[misc]
    return best


def convolution_rate(
    channels: int, grid: tuple[int, int], batch: int, dtype: torch.dtype = torch.float32
) -> float:
    """Operations a second of a 5x5 convolution that doubles the channels, the largest one of a PixelSNAIL."""
    x = torch.randn(batch, channels, *grid, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(2 * channels, channels, 5, 5, dtype=dtype).contiguous(
        memory_format=torch.channels_last
    )
    seconds = median_seconds(lambda: functional.conv2d(x, weight, padding=2))
    return 2 * 25 * 2 * channels**2 * grid[0] * grid[1] * batch / seconds


def memory_rate() -> float:
    """Bytes a second read from 256 MiB."""
    values = torch.ones(1 << 26)
    return values.numel() * 4 / median_seconds(values.sum)


def operations_of(work: Callable[[], object]) -> float:
    """Of one call, by `torch.utils.flop_counter`, which leaves out attention on a CPU unless told; attention
    counts whole, as there.
    """
    mapping = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
        **packed_operations(),
    }
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        work()
    return float(counter.get_total_flops())


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    items, (queries, depth) = math.prod(query[:-2]), query[-2:]
    return 2 * items * queries * key[-2] * (depth + value[-1])


def _attention_backward(_: Sequence[int], *shapes: Any, **__: Any) -> int:
    query, key, value = shapes[:3]
    items, (queries, depth) = math.prod(query[:-2]), query[-2:]
    # the weights again; then q, k, v and the weights
    found: int = 2 * items * queries * key[-2] * (3 * depth + 2 * value[-1])
    return found


def packed_operations() -> dict[Any, Callable[..., int]]:
    """How to count oneDNN's packed operators, those that this build of PyTorch has (`labelmint.nn.packed`)."""
    known: dict[str, Callable[..., int]] = {
        "_linear_pointwise": _packed_product,
        "_convolution_pointwise": _packed_convolution,
    }
    return {
        getattr(torch.ops.mkldnn, name): count
        for name, count in known.items()
        if hasattr(torch.ops.mkldnn, name)
    }


def _packed_product(x: Sequence[int], *_: Any, out_shape: Sequence[int], **__: Any) -> int:
    return 2 * math.prod(x) * out_shape[-1]


def _packed_convolution(
    _: Sequence[int], weight: Sequence[int], *__: Any, out_shape: Sequence[int], **___: Any
) -> int:
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


def describe(threads: int) -> dict[str, Any]:
    """Processor, threads, versions."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "threads": threads,
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


def write(result: dict[str, Any], file: Path | None) -> None:
    """Print as JSON, and store it."""
    text = json.dumps(result, indent=1)
    print(text)
    if file is not None:
        file.write_text(text + "\n", encoding="utf-8")
