"""Training, stage by stage: images a second, where the time goes, and memory at the peak.

    python -m benchmarks.training [--preset small ...] [--system msgnet] [--batch-size N] [--steps 8]
    [--threads 2] [--json FILE]

Runs the loops of `labelmint.training` themselves on random images, each stage in a process of its own, so
that the memory at its peak is its own too. A step is what lies between two steps of the optimizer; seconds
are the median. Where the time goes is read from as many more steps under PyTorch's profiler: its own overhead
is not in the seconds. On a busy machine compare `cpu_seconds`, which do not count the time of others. The
random images are not cropped or augmented unless told, so priors keep their tokens where they see each image
at least twice, as in training. The papers' presets fit most machines at a smaller batch:

    python -m benchmarks.training --preset clevr-64 malaria --batch-size 2 --steps 1

    share            of the time of the profiled steps by kind of operation; "other" is Python and whatever
                     has no kind
    peak_mib         resident memory at the peak; `before_mib` of it was there before the first step
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.machine import describe, write
from labelmint.datasets.geometry import AUGMENTATIONS, Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.hardware import Hardware, choose_hardware, open_fabric
from labelmint.systems.catalogue import PRESETS, SYSTEMS, settings_of
from labelmint.systems.sections import with_values
from labelmint.systems.system import Facts
from labelmint.training.likelihood import Likelihood
from labelmint.training.regime import Bench, Stage
from labelmint.training.run_folder import RunFolder

NEVER, LARGER, SYMBOLS = 1_000_000_000, 4, 8
TOKENIZERS = ("tokenizer", "layout_tokenizer")
STAGES = (*TOKENIZERS, "prior", "layout_prior")
# all that happens within
SCOPES = {"loading views": "loading views", "tokenizing": "tokenizing", "Optimizer.": "optimizer"}
KINDS = {  # by the beginning of the operation's name, the first that fits
    "convolution": (
        "aten::mkldnn_conv",
        "aten::conv",
        "aten::_conv",
        "aten::thnn_conv",
        "aten::slow_conv",
        "aten::cudnn_conv",
    ),
    "attention": ("aten::_scaled_dot", "aten::scaled_dot", "aten::_flash", "aten::_efficient"),
    "matrix product": (
        "aten::addmm",
        "aten::mm",
        "aten::bmm",
        "aten::baddbmm",
        "aten::matmul",
        "aten::linear",
    ),
    "normalization": (
        "aten::native_group_norm",
        "aten::group_norm",
        "aten::native_batch_norm",
        "aten::native_layer_norm",
    ),
    "loss": (
        "aten::log_softmax",
        "aten::_log_softmax",
        "aten::nll_loss",
        "aten::cross_entropy",
        "aten::mse_loss",
    ),
    "upsampling": ("aten::upsample", "aten::_upsample"),
    "copies and casts": (
        "aten::copy_",
        "aten::_to_copy",
        "aten::cat",
        "aten::clone",
        "aten::constant_pad",
        "aten::stack",
        "aten::contig",
    ),
    "optimizer": ("aten::_fused_adam",),
    "averages and clipping": ("aten::_foreach",),
    "reading and writing by index": (
        "aten::index",
        "aten::_index",
        "aten::embedding",
        "aten::gather",
        "aten::scatter",
        "aten::bincount",
    ),
    "sums and maxima": (
        "aten::sum",
        "aten::mean",
        "aten::argm",
        "aten::max",
        "aten::amax",
        "aten::var",
        "aten::std",
        "aten::linalg",
    ),
    "memory": (
        "aten::empty",
        "aten::zeros",
        "aten::zero_",
        "aten::fill_",
        "aten::new_",
        "aten::resize",
        "aten::full",
        "aten::ones",
    ),
    "elementwise": ("aten::",),
}


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", nargs="+", choices=PRESETS, default=["small"])
    parser.add_argument("--system", choices=SYSTEMS, help="the preset's unless given")
    parser.add_argument("--stage", nargs="+", choices=STAGES, help="all unless given")
    parser.add_argument("--batch-size", type=int, help="the preset's unless given")
    parser.add_argument(
        "--steps", type=int, default=8, help="steps timed, and again as many profiled, after two to warm up"
    )
    parser.add_argument("--augment", nargs="*", choices=AUGMENTATIONS, default=[])
    parser.add_argument(
        "--crop", action="store_true", help=f"cut views out of images of {LARGER} times their sides"
    )
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="single settings, as of `labelmint train`"
    )
    parser.add_argument("--precision", choices=("auto", "32", "bf16"), default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    for preset in options.preset:
        for stage in options.stage or STAGES:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                row = pool.submit(measure, preset, stage, options).result()
            if row is not None:
                rows.append(row)
                print(_text(row), flush=True)
    write({"machine": describe(options.threads), "rows": rows}, options.json)


def measure(preset: str, stage: str, options: argparse.Namespace) -> dict[str, Any] | None:
    """One stage of a preset's system, in this process; None where the system has no such stage."""
    chosen = PRESETS[preset]
    system = SYSTEMS[options.system or chosen.system]
    settings = with_values(settings_of(system.name, preset), options.set)
    section = settings.each().get(stage)
    if section is None:
        return None
    hardware = choose_hardware("cpu", options.precision, options.threads, None)
    size = options.batch_size or section.batch_size
    steps = {"steps": 2 + 2 * options.steps, "evaluate_every": NEVER, "batch_size": size}
    config = section.model_copy(
        update=steps | ({} if stage in TOKENIZERS else {"epochs": NEVER, "patience": NEVER})
    )
    torch.manual_seed(0)
    wired = system.wire(settings.model_copy(update={stage: config}), Facts(3, chosen.size, SYMBOLS))
    measured = next(one for one in wired.stages if one.name == stage)
    Pairs.batch = _labelled("loading views", Pairs.batch)  # type: ignore[method-assign]
    pairs, watch, before = _random_pairs(chosen.size, options), _Watch(options.steps), _peak_mib()
    with tempfile.TemporaryDirectory() as folder, watch:
        _train(measured, pairs, RunFolder(folder), hardware)
    return {
        "preset": preset,
        "system": system.name,
        "stage": stage,
        "batch": size,
        "precision": hardware.precision,
        "parameters": sum(p.numel() for p in measured.module.parameters()),
        "seconds": watch.seconds,
        "cpu_seconds": watch.cpu_seconds,
        "images_per_s": size / watch.seconds,
        "share": watch.share,
        "before_mib": before,
        "peak_mib": _peak_mib(),
    }


def _random_pairs(size: tuple[int, int], options: argparse.Namespace) -> Pairs:
    """64 images of noise with layouts of cells, viewed as asked for."""
    rng, larger = np.random.default_rng(0), LARGER if options.crop else 1
    height, width = larger * size[0], larger * size[1]
    images = [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(64)]
    cells = [rng.integers(0, SYMBOLS, (height // 8, width // 8), np.uint8) for _ in range(64)]
    ids = [np.kron(cell, np.ones((8, 8), np.uint8)) for cell in cells]
    return Pairs(images, ids, Geometry(size=size, crop=options.crop, augment=frozenset(options.augment)), 0)


def _labelled(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, so that the profiler can tell it from the rest."""

    def labelled(*arguments: Any) -> Any:
        with record_function(name):
            return function(*arguments)

    return labelled


def _train(stage: Stage, pairs: Pairs, run: RunFolder, hardware: Hardware) -> None:
    regime = stage.regime
    if isinstance(regime, Likelihood):
        regime.tokenize = _labelled("tokenizing", regime.tokenize)
    else:  # a prior learns the tokens of an untrained tokenizer, which has nothing to prepare it with
        regime.begin(stage.module, pairs, stage.name)
    bench = Bench(
        fabric=open_fabric(hardware),
        run=run,
        training=pairs,
        validation=Pairs(pairs.images[:1], pairs.ids[:1], pairs.geometry, 0),
        seconds=None,
        report=lambda event: None,
        accumulate=regime.settings.accumulate,
    )
    regime.train(stage, bench)


class _Watch:
    """Looks at the clock after every step of any optimizer: two to warm up, then `steps` timed, then as many
    profiled.
    """

    def __init__(self, steps: int) -> None:
        self.steps, self.times = steps, list[tuple[float, float]]()
        self.profiler = profile(activities=[ProfilerActivity.CPU])
        self.share: dict[str, float] = {}

    def __enter__(self) -> None:
        self.handle = register_optimizer_step_post_hook(self._look)

    def __exit__(self, *_: object) -> None:
        self.handle.remove()

    def _look(self, optimizer: Optimizer, arguments: Any, named: Any) -> None:
        self.times.append((time.perf_counter(), time.process_time()))
        done = len(self.times) - 2
        if done == self.steps:
            self.profiler.start()
            self._began = time.perf_counter()
        elif done == 2 * self.steps:
            seconds = time.perf_counter() - self._began
            self.profiler.stop()
            self.share = _share(self.profiler, seconds)

    @property
    def seconds(self) -> float:
        """A step's, the median of those that no profiler saw."""
        return self._median(0)

    @property
    def cpu_seconds(self) -> float:
        """The same in seconds of all cores together."""
        return self._median(1)

    def _median(self, clock: int) -> float:
        timed = [times[clock] for times in self.times[1 : self.steps + 2]]
        return statistics.median(b - a for a, b in zip(timed, timed[1:], strict=False))


def _share(profiler: profile, seconds: float) -> dict[str, float]:
    """Of the time, by kind, largest first; they sum to 1."""
    spent: dict[str, float] = {}
    for event in profiler.events() or ():
        kind = _kind(event)
        if kind is not None:
            spent[kind] = spent.get(kind, 0.0) + event.self_cpu_time_total / 1e6
    total = max(seconds, sum(spent.values()))
    spent["other"] = spent.get("other", 0.0) + total - sum(spent.values())
    return {kind: value / total for kind, value in sorted(spent.items(), key=lambda item: -item[1])}


def _kind(event: Any) -> str | None:
    """Of an event of the profiler: that of a scope around it, else that of its name."""
    around = event
    while around is not None:
        for begin, kind in SCOPES.items():
            if around.name.startswith(begin):
                return kind
        around = around.cpu_parent
    name: str = event.name
    return next((kind for kind, begins in KINDS.items() if name.startswith(begins)), "other")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _text(row: dict[str, Any]) -> str:
    shares = ", ".join(
        f"{kind} {100 * share:.0f} %" for kind, share in row["share"].items() if share >= 0.005
    )
    return (
        f"{row['preset']} {row['system']} {row['stage']}, batch {row['batch']}, {row['precision']}: "
        f"{row['images_per_s']:.1f} images/s, {row['cpu_seconds']:.2f} s of CPU a step, "
        f"{row['peak_mib']:.0f} MiB; {shares}"
    )


if __name__ == "__main__":
    main()
