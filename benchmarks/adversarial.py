"""A training step of `spade` at its published layer sizes beside one with MONAI's blocks: images a second, and memory.

    python -m benchmarks.adversarial [--size 128] [--batch 2] [--repeat 5] [--threads 2] [--device cpu cuda]
    [--json FILE]

All sides have the preset's widths, normalization over the batch, layouts of 16 channels (learned, but one-hot as it
comes), the same images and losses (hinge, feature matching, the structure distance), and two optimizers' steps of fused
Adam. They take turns in one process, and medians over the turns count; memory is measured in a process of its own for
each.

    labelmint         the step of `training.adversarial`
    equal layers      MONAI's `SPADENetResBlock`, without the norms that it has on scales and shifts, and a
                      `MultiScalePatchDiscriminator` for each of two sizes, with spectral norm where ours have it:
                      the same networks, but that MONAI computes scales and shifts by a convolution each
    without spectral norm
                      the same without it, as MONAI has none: less work
    as it comes       the blocks with all that MONAI has in them, against one `MultiScalePatchDiscriminator` of two
                      networks with its own defaults (norms over the batch, a last kernel of one pixel: else images of
                      128 pixels would be too small for the second, which has twice the layers)

    seconds      of a step; ratio: seconds of this side over those of labelmint, the median over the turns; cpu_...:
                 the same of CPU time, which does not count that of other programs
    peak_mib     the most memory of two steps, beside what was there after import: resident, or of the GPU
"""

from __future__ import annotations

import argparse
import gc
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm as by_torch

from benchmarks.machine import describe, operations_of, write
from labelmint.nn.sight import LayoutEmbedding
from labelmint.objectives.adversarial import HINGE, feature_matching
from labelmint.objectives.structure import structure_distance
from labelmint.systems.catalogue import SYSTEMS, settings_of
from labelmint.systems.sections import with_values
from labelmint.systems.spade import SpadeSections
from labelmint.systems.system import Facts
from labelmint.training.adversarial import Adversarial
from labelmint.types import Batch, LayoutBatch

__all__ = ["SIDES", "Step", "main"]

OURS, SYMBOLS = "labelmint", 16
SIDES = (OURS, "equal layers", "without spectral norm", "as it comes")
BETAS = (0.0, 0.999)


class Step(NamedTuple):
    """A step to be timed, and the networks that it trains."""

    step: Callable[[], object]
    networks: tuple[nn.Module, ...]


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=128, help="height and width of the images")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--sides", nargs="+", choices=SIDES[1:], default=SIDES[1:])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", nargs="+", default=["cpu", "cuda"], help="those that are there")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="single settings of spade-256"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    rows = []
    for device in options.device:
        if device == "cpu" or torch.cuda.is_available():
            rows += compare(options, torch.device(device))
    write({"machine": describe(options.threads), "rows": rows}, options.json)


def compare(options: argparse.Namespace, device: torch.device) -> list[dict[str, Any]]:
    """One row a side."""
    names = (OURS, *options.sides)
    alone = {}
    for name in names:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            alone[name] = pool.submit(peak_and_operations, name, options, device).result()
    sides = {name: make(name, options, device) for name in names}
    times, used = _in_turns({name: side.step for name, side in sides.items()}, options.repeat)
    rows = []
    for name, side in sides.items():
        median, (peak, operations) = statistics.median(times[name]), alone[name]
        row = {
            "side": name,
            "device": str(device),
            "size": options.size,
            "batch": options.batch,
            "seconds": median,
            "images_per_s": options.batch / median,
            "ratio": _ratio(times[name], times[OURS]),
            "cpu_seconds": statistics.median(used[name]),
            "cpu_ratio": _ratio(used[name], used[OURS]),
            "peak_mib": peak,
            "parameters": sum(p.numel() for network in side.networks for p in network.parameters()),
            "operations": operations,
            "gflops": operations / median / 1e9,
        }
        rows.append(row)
        print(
            f"{device} {name:<22} {row['images_per_s']:8.3f} images/s  x{row['ratio']:<5.2f} "
            f"CPU {row['cpu_seconds']:6.2f} s  x{row['cpu_ratio']:<5.2f} {peak:7.0f} MiB "
            f"{row['parameters'] / 1e6:6.1f} M  {operations / 1e9:6.0f} GFLOP  {row['gflops']:6.1f} GFLOP/s",
            flush=True,
        )
    return rows


def peak_and_operations(name: str, options: argparse.Namespace, device: torch.device) -> tuple[float, float]:
    """The memory of two steps, in MiB, and the operations of one, in this process."""
    torch.set_num_threads(options.threads)
    before = _resident_mib()
    with _Peak() as peak:
        side = make(name, options, device)
        side.step()
        operations = operations_of(side.step)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20, operations
    return peak.mib - before, operations


def _in_turns(
    sides: dict[str, Callable[[], object]], repeat: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of each side by the clock, and of the CPU; they take turns, and the first turn is not counted."""
    times, used = ({name: list[float]() for name in sides} for _ in range(2))
    for turn in range(repeat + 1):
        for name, work in sides.items():
            begin = time.perf_counter(), time.process_time()
            work()
            if turn:
                times[name].append(time.perf_counter() - begin[0])
                used[name].append(time.process_time() - begin[1])
    return times, used


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def make(name: str, options: argparse.Namespace, device: torch.device) -> Step:
    """A side by its name."""
    torch.manual_seed(0)
    settings = with_values(settings_of("spade", "spade-256"), options.set)
    assert isinstance(settings, SpadeSections)
    size = (options.size, options.size)
    cells = torch.randint(SYMBOLS, (options.batch, 1, *(max(side // 8, 1) for side in size)))
    ids = functional.interpolate(cells.float(), size)[:, 0].to(torch.uint8)
    batch = Batch(torch.rand(options.batch, 3, *size) * 2 - 1, LayoutBatch(ids)).to(device)
    if name == OURS:
        return _ours(settings, batch)
    return _monai(settings, batch, spectral=name == "equal layers", as_it_comes=name == "as it comes")


def _ours(settings: SpadeSections, batch: Batch) -> Step:
    """A step of ours, as `training.adversarial` computes it."""
    size, device = (batch.image.shape[2], batch.image.shape[3]), batch.image.device
    (stage,) = SYSTEMS["spade"].wire(settings, Facts(3, size, SYMBOLS)).stages
    regime = stage.regime
    assert isinstance(regime, Adversarial)
    players = regime.players(stage.module.to(device).train())
    model, rival = stage.module, players[1].module.to(device)
    optimizer = torch.optim.Adam([player.group for player in players], betas=BETAS, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        found = regime.objective(model, batch)
        assert found.image is not None
        loss, _ = regime._against(found, {"module": model, "discriminator": rival}, batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss, _ = regime._judged(rival, rival, batch, found.image.detach())
        loss.backward()
        optimizer.step()
        _wait_for(device)

    return Step(step, (model, rival))


def _monai(settings: SpadeSections, batch: Batch, spectral: bool, as_it_comes: bool) -> Step:
    """MONAI's classes in the same loop: the rival stands still while the generator learns."""
    device, section = batch.image.device, settings.generator
    size = (batch.image.shape[2], batch.image.shape[3])
    generator = MonaiGenerator(settings, size, spectral, as_it_comes).to(device)
    rival = MonaiDiscriminator(settings, spectral, as_it_comes).to(device)
    matching = section.matching * (section.discriminator_layers + 1)
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=rate, betas=BETAS, fused=True)
        for network, rate in ((generator, 1e-4), (rival, 4e-4))
    ]
    real, layouts = batch.image, batch.layouts

    def step() -> None:
        optimizers[0].zero_grad()
        rival.requires_grad_(False)
        made = generator(layouts)
        of_made = rival(made, layouts)
        with torch.no_grad():
            of_real = rival(real, layouts)
        loss = torch.stack([HINGE.generator(maps[-1]) for maps in of_made]).mean()
        loss = loss + matching * feature_matching(of_real, of_made)
        loss = loss + section.perceptual * structure_distance(made, real)
        loss.backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        rival.requires_grad_(True)
        pairs = zip(rival(real, layouts), rival(made.detach(), layouts), strict=True)
        loss = torch.stack([HINGE.discriminator(a[-1], b[-1]) for a, b in pairs]).mean()
        loss.backward()
        optimizers[1].step()
        _wait_for(device)

    return Step(step, (generator, rival))


class OneHot(nn.Module):
    """Layouts -> maps (B, S, H, W), one-hot: what MONAI's examples give their networks."""

    width = SYMBOLS

    def forward(self, layouts: LayoutBatch) -> Tensor:
        """At full size."""
        return functional.one_hot(layouts.ids.long(), SYMBOLS).permute(0, 3, 1, 2).float().contiguous()


def seen(channels: int, as_it_comes: bool) -> OneHot | LayoutEmbedding:
    """How a network sees layouts: one-hot as it comes, else by learned channels as ours do."""
    return OneHot() if as_it_comes else LayoutEmbedding(SYMBOLS, channels)


class MonaiGenerator(nn.Module):
    """MONAI's residual blocks, joined as ours are."""

    def __init__(
        self, settings: SpadeSections, size: tuple[int, int], spectral: bool, as_it_comes: bool
    ) -> None:
        from monai.networks.nets.spade_network import SPADENetResBlock

        super().__init__()
        config = settings.generator
        widths, self.smallest = config.widths, tuple(side // config.multiple for side in size)
        self.see = seen(config.layout_channels, as_it_comes)
        channels = self.see.width
        self.begin = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            SPADENetResBlock(2, a, b, channels, config.hidden, norm=("BATCH", {"affine": False}))
            for a, b in zip((widths[0], *widths), widths, strict=False)
        )
        self.to_image = nn.Conv2d(widths[-1], 3, 3, padding=1)
        for name, module in list(self.blocks.named_modules()):
            place = name.rpartition(".")[2]
            if spectral and place in ("conv_0", "conv_1", "conv_s"):
                by_torch(module.conv)
            if not as_it_comes and place in ("mlp_gamma", "mlp_beta"):
                module.adn = nn.Identity()

    def forward(self, layouts: LayoutBatch) -> Tensor:
        """Layouts -> images (B, 3, H, W)."""
        layout = self.see(layouts)
        x = self.begin(functional.interpolate(layout, self.smallest))
        for k, block in enumerate(self.blocks):
            if k not in (0, 2):
                x = functional.interpolate(x, scale_factor=2.0)
            x = block(x, layout)
        return torch.tanh(self.to_image(functional.leaky_relu(x, 0.2)))


class MonaiDiscriminator(nn.Module):
    """MONAI's discriminators of two sizes: each over images at its size, or one class as it comes, which sees whole
    images alone.
    """

    def __init__(self, settings: SpadeSections, spectral: bool, as_it_comes: bool) -> None:
        from monai.networks.nets.patchgan_discriminator import MultiScalePatchDiscriminator

        super().__init__()
        section, self.as_it_comes = settings.generator, as_it_comes
        scales, self.see = section.discriminator_scales, seen(section.layout_channels, as_it_comes)
        self.each = nn.ModuleList(
            MultiScalePatchDiscriminator(
                scales if as_it_comes else 1,
                section.discriminator_layers,
                2,
                section.discriminator_channels,
                3 + self.see.width,
                norm="BATCH" if as_it_comes else ("INSTANCE", {"affine": False}),
                last_conv_kernel_size=1 if as_it_comes else 4,
            )
            for _ in range(1 if as_it_comes else scales)
        )
        for module in list(self.each.modules()):
            if spectral and isinstance(module, nn.Conv2d) and module.bias is None:
                by_torch(module)

    def forward(self, images: Tensor, layouts: LayoutBatch) -> list[list[Tensor]]:
        """Maps and verdicts of each size, of images beside their layouts."""
        found, x = list[list[Tensor]](), torch.cat([images, self.see(layouts)], dim=1)
        for k, one in enumerate(self.each):
            if k:
                x = functional.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            verdicts, maps = one(x)
            found += [[*its, last] for its, last in zip(maps, verdicts, strict=True)]
        return found


class _Peak:
    """The most resident memory of this process while it runs, looked at every few milliseconds."""

    def __enter__(self) -> _Peak:
        gc.collect()
        self.mib, self._over = _resident_mib(), threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._over.is_set():
            self.mib = max(self.mib, _resident_mib())
            time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
