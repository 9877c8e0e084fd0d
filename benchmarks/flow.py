"""Flow: images a second that our velocity network trains on and draws, beside a plain U-Net's, in turns.

    python -m benchmarks.flow [--preset small ...] [--batch-size 16] [--evaluations 13]
                              [--plain-evaluations 20] [--precision fp32] [--repeat 5] [--threads 1] [--json FILE]

The plain U-Net has 32-64-64 channels at full, half and quarter size, two residual blocks a level on each way
with two group norms each, and the layout as a one-hot map at full size. A step of training is the loss of
`generators.flow` on random images and one of Adam; drawing is `integrate` at the evaluations
told. Each network runs as it is fastest on a few images: float32 or bfloat16 (autocast), contiguous or channels
last. Sides take turns; a ratio is the median of the ratios within a turn, so that other work on the machine
meets both.

    ratio                images a second, over the plain U-Net's at the same size
    gflops               operations a second, counted by `torch.utils.flop_counter`
    roof_share           gflops over those of a 3x3 convolution of 128 channels, forward, in the same turn
    backward_roof_share  of training, over those of that convolution forward and backward
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.machine import describe, in_turns, operations_of, write
from labelmint.dials import EVALUATIONS
from labelmint.generators.flow import guided, integrate, interpolate, stratified_times, velocity_loss
from labelmint.generators.velocity_unet import VelocityUNet
from labelmint.systems.flow import small, tiny
from labelmint.types import LayoutBatch

SYMBOLS, CHANNELS, WEIGHT = 5, 3, 3.0
PRESETS = {"tiny": (32, tiny().generator), "small": (64, small().generator)}
PLAIN, OURS, ROOF, BACKWARD_ROOF = "plain U-Net", "labelmint", "convolution", "convolution and backward"
ROOF_SHAPE = (16, 128, 32, 32)


class PlainBlock(nn.Module):
    """norm -> silu -> conv3 -> + time -> norm -> silu -> conv3, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, time: int) -> None:
        super().__init__()
        self.norm, self.first = nn.GroupNorm(8, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time, self.norm2 = nn.Linear(time, outputs), nn.GroupNorm(8, outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        hidden = self.first(functional.silu(self.norm(x))) + self.time(time)[:, :, None, None]
        y: Tensor = self.shortcut(x) + self.second(functional.silu(self.norm2(hidden)))
        return y


class PlainUNet(nn.Module):
    """The velocity network as anyone would write it first; what a level had is put beside what comes up."""

    def __init__(
        self, channels: int, symbols: int, widths: tuple[int, ...] = (32, 64, 64), blocks: int = 2
    ) -> None:
        super().__init__()
        self.symbols, self.blocks, features = symbols, blocks, 128
        self.time = nn.Sequential(
            nn.Linear(64, features), nn.SiLU(), nn.Linear(features, features), nn.SiLU()
        )
        self.stem = nn.Conv2d(channels + symbols + 1, widths[0], 3, padding=1)
        ways = [max(i - 1, 0) for i in range(len(widths))]
        self.down = nn.ModuleList(
            PlainBlock(widths[ways[i] if k == 0 else i], widths[i], features)
            for i in range(len(widths))
            for k in range(blocks)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(width, width, 3, stride=2, padding=1) for width in widths[:-1])
        self.middle = nn.ModuleList(PlainBlock(widths[-1], widths[-1], features) for _ in range(2))
        back = list(reversed(widths))
        self.up = nn.ModuleList(
            PlainBlock((back[ways[i]] if k == 0 else back[i]) + back[i], back[i], features)
            for i in range(len(back))
            for k in range(blocks)
        )
        self.enlarge = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for width in back[:-1])
        self.norm, self.out = nn.GroupNorm(8, widths[0]), nn.Conv2d(widths[0], channels, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        self.register_buffer("frequencies", torch.linspace(0, math.log(1000), 32).exp())

    def forward(self, x: Tensor, t: Tensor, layouts: LayoutBatch, shown: Tensor | None = None) -> Tensor:
        """Velocity (B, C, H, W); H and W must be multiples of 4."""
        ids = (
            layouts.ids.long()
            if shown is None
            else torch.where(shown[:, None, None], layouts.ids.long(), self.symbols)
        )
        angles = t[:, None] * self.get_buffer("frequencies")
        time = self.time(torch.cat([angles.cos(), angles.sin()], dim=1))
        x = self.stem(
            torch.cat([x, functional.one_hot(ids, self.symbols + 1).permute(0, 3, 1, 2).to(x.dtype)], dim=1)
        )
        kept: list[Tensor] = []
        for i, block in enumerate(self.down):
            x = block(x, time)
            kept.append(x)
            if (i + 1) % self.blocks == 0 and i + 1 < len(self.down):
                x = self.shrink[i // self.blocks](x)
        for block in self.middle:
            x = block(x, time)
        for i, block in enumerate(self.up):
            x = block(torch.cat([x, kept.pop()], dim=1), time)
            if (i + 1) % self.blocks == 0 and i + 1 < len(self.up):
                x = self.enlarge[i // self.blocks](functional.interpolate(x, scale_factor=2.0))
        found: Tensor = self.out(functional.silu(self.norm(x)))
        return found


class Way(NamedTuple):
    """How a network runs."""

    precision: str
    memory: str

    def cast(self) -> AbstractContextManager[Any]:
        """Autocast, or nothing."""
        return torch.autocast("cpu", torch.bfloat16) if self.precision == "bf16" else nullcontext()

    @property
    def format(self) -> torch.memory_format:
        """Of weights."""
        return torch.channels_last if self.memory == "channels last" else torch.contiguous_format


MEMORY = ("contiguous", "channels last")


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument(
        "--evaluations", type=int, default=int(EVALUATIONS.usual), help="of ours when it draws"
    )
    parser.add_argument("--plain-evaluations", type=int, default=20, help="of the plain U-Net when it draws")
    parser.add_argument(
        "--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"], help="tried"
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for preset in options.preset:
        found = measure(preset, options)
        rows += found
        print("\n".join(map(_text, found)), flush=True)
    write({"machine": describe(options.threads), "rows": rows}, options.json)


def measure(preset: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Training and drawing of both networks at a preset's size."""
    torch.manual_seed(0)
    side, config = PRESETS[preset]
    networks: dict[str, nn.Module] = {
        PLAIN: PlainUNet(CHANNELS, SYMBOLS),
        OURS: VelocityUNet(config, CHANNELS, SYMBOLS),
    }
    tried = [Way(precision, memory) for precision in options.precision for memory in MEMORY]
    ways = {name: fastest(network, side, tried) for name, network in networks.items()}
    turns = {PLAIN: options.plain_evaluations, OURS: options.evaluations}
    sides: dict[tuple[str, str], Callable[[], object]] = {}
    for name, network in networks.items():
        sides[name, "train"] = training(network, ways[name], side, options.batch_size)
        sides[name, "draw"] = drawing(network, ways[name], side, options.batch_size, turns[name])
    counted = {key: operations_of(work) for key, work in sides.items()}
    named: dict[str, Callable[[], object]] = {f"{name}, {what}": work for (name, what), work in sides.items()}
    times = in_turns(named | roofs(), options.repeat)
    made = [_row(name, what, times, counted[name, what], options.batch_size) for name, what in sides]
    shared = {"preset": preset, "size": side, "batch": options.batch_size}
    for row in made:
        name, evaluations = row["side"], {"evaluations": turns[row["side"]]} if row["what"] == "draw" else {}
        parameters = sum(p.numel() for p in networks[name].parameters())
        row |= shared | ways[name]._asdict() | {"parameters": parameters} | evaluations
    return made


def fastest(network: nn.Module, side: int, ways: list[Way], batch: int = 2) -> Way:
    """The way of running in which steps of training take least time; the network is left in it."""
    seconds = {}
    for way in ways:
        step = training(network, way, side, batch)
        step()
        begin = time.perf_counter()
        step()
        seconds[way] = time.perf_counter() - begin
    best = min(ways, key=seconds.__getitem__)
    network.to(memory_format=best.format)  # type: ignore[call-overload]
    return best


def training(network: nn.Module, way: Way, side: int, batch: int) -> Callable[[], object]:
    """One step on a batch of random images."""
    network.to(memory_format=way.format)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
    layouts = LayoutBatch(torch.randint(0, SYMBOLS, (batch, side, side)))
    noise, image = torch.randn(2, batch, CHANNELS, side, side).contiguous().unbind()
    times, shown = stratified_times(torch.rand(batch), WEIGHT), torch.rand(batch) > 0.1

    def step() -> None:
        optimizer.zero_grad()
        with way.cast():
            velocity = network(
                interpolate(noise, image, times).contiguous(memory_format=way.format), times, layouts, shown
            )
        velocity_loss(velocity.float(), noise, image).backward()
        optimizer.step()

    return step


def drawing(network: nn.Module, way: Way, side: int, batch: int, evaluations: int) -> Callable[[], object]:
    """One batch of images."""
    layouts = LayoutBatch(torch.randint(0, SYMBOLS, (batch, side, side)))
    noise = torch.randn(batch, CHANNELS, side, side).contiguous(memory_format=way.format)

    def draw() -> Tensor:
        with way.cast(), torch.no_grad():
            return integrate(guided(network, layouts), noise, evaluations)

    return draw


def roofs() -> dict[str, Callable[[], object]]:
    """A large convolution, forward, and forward and backward."""
    layer = nn.Conv2d(ROOF_SHAPE[1], ROOF_SHAPE[1], 3, padding=1, bias=False).to(
        memory_format=torch.channels_last
    )  # type: ignore[call-overload]
    x = torch.randn(ROOF_SHAPE).contiguous(memory_format=torch.channels_last)
    watched, upstream = x.clone().requires_grad_(), torch.randn_like(x)

    def forward() -> Tensor:
        with torch.no_grad():
            found: Tensor = layer(x)
            return found

    return {ROOF: forward, BACKWARD_ROOF: lambda: layer(watched).backward(upstream)}


def _row(
    name: str, what: str, times: dict[str, list[float]], operations: float, batch: int
) -> dict[str, Any]:
    mine, plain = times[f"{name}, {what}"], times[f"{PLAIN}, {what}"]
    roof = 2 * 9 * ROOF_SHAPE[1] * math.prod(ROOF_SHAPE)
    shares = [operations / a / (roof / b) for a, b in zip(mine, times[ROOF], strict=True)]
    row: dict[str, Any] = {
        "side": name,
        "what": what,
        "images_per_s": batch / statistics.median(mine),
        "ratio": statistics.median(b / a for a, b in zip(mine, plain, strict=True)),
        "gflops": operations / statistics.median(mine) / 1e9,
        "roof_gflops": roof / statistics.median(times[ROOF]) / 1e9,
        "roof_share": statistics.median(shares),
    }
    if what == "train":
        both = [operations / a / (3 * roof / b) for a, b in zip(mine, times[BACKWARD_ROOF], strict=True)]
        row["backward_roof_share"] = statistics.median(both)
    return row


def _text(row: dict[str, Any]) -> str:
    evaluations = f" in {row['evaluations']} evaluations" if "evaluations" in row else ""
    backward = (
        f", {100 * row['backward_roof_share']:.0f} % with backward" if "backward_roof_share" in row else ""
    )
    return (
        f"{row['preset']} {row['size']}x{row['size']}, {row['what']}{evaluations}: {row['side']} "
        f"({row['parameters'] / 1e6:.2f} M, {row['precision']}, {row['memory']}) {row['images_per_s']:.2f} images/s, "
        f"ratio {row['ratio']:.2f}, {row['gflops']:.1f} GFLOP/s, {100 * row['roof_share']:.0f} % of the roof of "
        f"{row['roof_gflops']:.0f}{backward}"
    )


if __name__ == "__main__":
    main()
