"""Device, precision and threads: chosen once, by what is there and by measurement, and stored in the run."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import torch
from torch import nn

from labelmint.errors import InputError
from labelmint.processors import cores

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = [
    "Chosen",
    "Hardware",
    "available_memory",
    "choose_device",
    "choose_hardware",
    "choose_threads",
    "computing_with",
    "fastest",
    "measured_threads",
    "open_fabric",
    "processes",
    "threads_of_run",
]

PRECISIONS = ("32-true", "bf16-mixed")
MOST_THREADS = 1024
_GAIN = 1.1  # more threads have to be faster by as much


class Hardware(NamedTuple):
    """Where a run computes: "cpu", "cuda" or "cuda:N"; "32-true" or "bf16-mixed"; CPU threads."""

    device: str
    precision: str
    threads: int


class Chosen(Protocol):
    """What a stored run says of the hardware that it chose (`runs.config.RunConfig`)."""

    device: str
    precision: str
    threads: int
    cores: int


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Compute with so many CPU threads, and with as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_hardware(device: str, precision: str, threads: int | None, stored: Chosen | None) -> Hardware:
    """What was asked for, else what the stored run chose, else what is found now; sets the number of threads.

    Raises InputError for what is not there.
    """
    where = choose_device(stored.device if device == "auto" and stored else device)
    asked = stored.threads if threads is None and stored else threads
    count = measured_threads(where) if asked is None else choose_threads(asked)
    torch.set_num_threads(count)
    chosen = choose_precision(stored.precision if precision == "auto" and stored else precision, where)
    return Hardware(str(where), chosen, count)


def open_fabric(hardware: Hardware, in_phases: bool = False) -> Fabric:
    """Lightning Fabric over one process, or over as many as `torchrun` started.

    Arguments:
        in_phases: whether parts of what is trained stand still for a while, and have no gradients to exchange.
    """
    from lightning_fabric import Fabric  # seconds to import, and drawing does without
    from lightning_fabric.strategies.ddp import DDPStrategy

    # its announcements are no news to the person who waits
    for logger in ("lightning_fabric", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    device, world = torch.device(hardware.device), processes()
    nodes = world // int(os.environ.get("LOCAL_WORLD_SIZE", world))
    devices: Any = world // nodes if world > 1 else [device.index or 0] if device.type == "cuda" else 1
    fabric = Fabric(
        accelerator=device.type,
        devices=devices,
        num_nodes=nodes,
        strategy=DDPStrategy(find_unused_parameters=in_phases) if world > 1 else "auto",
        precision=cast(Any, hardware.precision),
    )
    fabric.launch()
    return fabric


def processes() -> int:
    """How many processes `torchrun` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def choose_device(asked: str) -> torch.device:
    """ "auto" is the GPU where there is one, else the CPU; raises InputError for a device that is not there."""
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if asked == "cpu":
        return torch.device("cpu")
    if asked.partition(":")[0] in ("cuda", "gpu"):
        if not torch.cuda.is_available():
            raise InputError(
                f"--device {asked}: there is no GPU that PyTorch can use here; take --device cpu or --device "
                f"auto"
            )
        index = asked.partition(":")[2]
        if index and (not index.isdigit() or int(index) >= torch.cuda.device_count()):
            raise InputError(f"--device {asked}: there are GPUs 0 to {torch.cuda.device_count() - 1}")
        return torch.device(f"cuda:{index}" if index else "cuda")
    raise InputError(f"--device {asked}: expected auto, cpu, cuda or cuda:N")


def choose_threads(asked: int | None) -> int:
    """All cores that this process may use, unless told, here or by OMP_NUM_THREADS."""
    if asked is not None and not 1 <= asked <= MOST_THREADS:
        raise InputError(f"--threads {asked}: expected 1 or more, and at most {MOST_THREADS}")
    return asked or _told_threads() or cores()


def _told_threads() -> int:
    """OMP_NUM_THREADS, 0 where it does not tell."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() else 0


def threads_of_run(config: Chosen, device: torch.device) -> int:
    """The run's threads where as many cores are there as it was trained with, for the same bytes; else what
    is found here.
    """
    if config.cores in (0, cores()):  # 0: older runs do not tell
        return config.threads
    return measured_threads(device)


def measured_threads(device: torch.device) -> int:
    """OMP_NUM_THREADS, else the fastest of one, half and all of the cores; the fewest of those that are about
    equal.

    All of them beside a GPU, where they decide little, and where processes would measure against each other.
    """
    if _told_threads() or device.type != "cpu" or processes() > 1:
        return choose_threads(None)
    return _fewest_of_the_fastest(cores())


@cache
def _fewest_of_the_fastest(most: int) -> int:
    """Measured on training steps, once a process."""
    counts = sorted({1, max(most // 2, 1), most})
    if len(counts) == 1:
        return most
    net, x, before = *_network_and_batch(), torch.get_num_threads()
    try:
        seconds = fastest([partial(_with_threads, count, net, x) for count in counts])
    finally:
        torch.set_num_threads(before)
    best = min(seconds)
    return next(count for count, taken in zip(counts, seconds, strict=True) if taken <= _GAIN * best)


def _with_threads(count: int, net: nn.Module, x: torch.Tensor) -> None:
    torch.set_num_threads(count)
    _training_step(net, x, False)


def choose_precision(asked: str, device: torch.device) -> str:
    """ "auto" takes bfloat16 where a short measurement (CPU) or the device (GPU) says that it is faster by a
    fifth.
    """
    names = {"32": "32-true", "bf16": "bf16-mixed"} | {name: name for name in PRECISIONS}
    if asked in names:
        return names[asked]
    if asked != "auto":
        raise InputError(f"--precision {asked}: expected auto, 32 or bf16")
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    if processes() > 1:  # each would measure for itself, and they have to agree
        return "32-true"
    return "bf16-mixed" if _faster_in_bfloat16(torch.get_num_threads()) else "32-true"


@cache
def _faster_in_bfloat16(threads: int) -> bool:
    """By a fifth, measured on training steps, once a process for each number of threads."""
    net, x = _network_and_batch()
    single, half = fastest([partial(_training_step, net, x, bfloat16) for bfloat16 in (False, True)])
    return 1.2 * half < single


def fastest(steps: Sequence[Callable[[], None]], rounds: int = 12, at_most: float = 1.0) -> list[float]:
    """Seconds of each step: the fastest of some rounds, taken in turns, so that other work on the machine
    does not decide.

    Arguments:
        rounds: after a first one that does not count. at_most: seconds after which no other round begins, but
            two are always made.
    """
    for step in steps:
        step()
    best, begin = [math.inf] * len(steps), time.perf_counter()
    for turn in range(rounds):
        if turn >= 2 and time.perf_counter() - begin > at_most:
            break
        for place, step in enumerate(steps):
            started = time.perf_counter()
            step()
            best[place] = min(best[place], time.perf_counter() - started)
    return best


def _network_and_batch() -> tuple[nn.Module, torch.Tensor]:
    """About as large as a stage of the preset `small`; weights and images are of no consequence, and nobody's
    seed is used up.
    """
    with torch.random.fork_rng(devices=[]):
        return nn.Conv2d(64, 64, 3, padding=1), torch.randn(16, 64, 32, 32)


def _training_step(net: nn.Module, x: torch.Tensor, bfloat16: bool) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        loss = net(x).float().square().mean()
    loss.backward()


def available_memory(device: torch.device) -> int:
    """Free bytes on the device; a very large number where nothing tells. Those of a machine are shared out among the
    processes that `torchrun` started there.
    """
    if device.type == "cuda":
        # by PyTorch, for what comes
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    return _free_of_the_machine() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _free_of_the_machine() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123
            fields = dict(line.split(":", 1) for line in file)
        free = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 1 << 62
    return min(free, *_left_in_groups(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")))


def _left_in_groups(own: Path, root: Path) -> Iterator[int]:
    """Bytes that each control group which this process is in leaves it, and a very large number: those of its job,
    container and so on, of versions 2 and 1.

    Arguments:
        own: the file that names them. root: where they lie; only those that can be seen there count.
    """
    yield 1 << 62
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = ["0::/"]
    for number, kinds, path in (line.split(":", 2) for line in lines if line.count(":") > 1):
        first = number == "0" and not kinds
        if not first and "memory" not in kinds.split(","):
            continue
        limit, used, idle = (
            ("memory.max", "memory.current", "inactive_file")
            if first
            else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        )
        top = root if first else root / "memory"
        group = top / path.strip("/")
        for one in (group, *group.parents)[: len(group.relative_to(top).parts) + 1]:
            with suppress(OSError, ValueError):
                # what was read from files is given up when there is need
                parts = dict(line.split() for line in (one / "memory.stat").read_text().splitlines())
                taken = int((one / used).read_text()) - int(parts.get(idle, 0))
                yield max(int((one / limit).read_text()) - taken, 0)
