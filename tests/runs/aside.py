"""Trainings in processes of their own, which are forked: PyTorch takes seconds to import. Where there is a device,
whose threads no fork survives, they are forked from a process that has imported everything and trained nothing.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.helpers import digits, empty_previews, tiny_settings

from labelmint.progress import Event
from labelmint.runs import train as pipeline
from labelmint.runs.config import RunConfig
from labelmint.runs.wire import wire
from labelmint.systems.system import Wired
from labelmint.training import loop

__all__ = ["train_aside", "train_by_two"]

ROOT = Path(__file__).parents[2]


def train_aside(
    out: Path, system: str, *, kill_at: tuple[str, int] | None = None, largest_file: int | None = None
) -> tuple[int, str]:
    """Train in another process, which writes a checkpoint at every step; its exit status, which is negative
    for a signal, and what it wrote to stderr.

    Arguments:
        kill_at: the stage and step at which the process kills itself.
        largest_file: bytes beyond which no file may grow, as on a full disk.
    """
    return _aside(_train_at_risk, out, system, kill_at, largest_file)


def train_by_two(
    out: Path, system: str, settings: Mapping[str, str], size: tuple[int, int] | None = None
) -> tuple[int, str]:
    """Train in two processes of one agent of `torchrun`; each leaves the digest of its weights in `out`.digestRANK."""
    return _aside(_launch_two, out, system, dict(settings), size)


def _aside(work: Callable[..., None], out: Path, *arguments: Any) -> tuple[int, str]:
    said = out.with_name(f"{out.name}.stderr")
    process = _context().Process(target=_speaking_into, args=(said, work, out, *arguments))
    with warnings.catch_warnings():
        # of Python 3.12 and later, about threads, which only wait here
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    process.join(280)
    if process.exitcode is None:
        process.kill()
        process.join()
        pytest.fail(f"it did not end: {said.read_text()[-500:]}")
    return process.exitcode, said.read_text()


def _context() -> Any:
    if not torch.accelerator.is_available():
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lightning_fabric", __name__])
    with pytest.MonkeyPatch.context() as patch:  # the server of Python 3.11 finds its modules here alone
        patch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{ROOT}")
        multiprocessing.forkserver.ensure_running()
    return context


def _speaking_into(file: Path, work: Callable[..., None], *arguments: Any) -> None:
    warnings.simplefilter("ignore", DeprecationWarning)
    # of torch, on processors where a convolution's gradient lies otherwise than its weights: slower, not wrong
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    sys.stderr = file.open("w", buffering=1)
    os.dup2(sys.stderr.fileno(), 2)
    work(*arguments)


def _train_at_risk(out: Path, system: str, kill_at: tuple[str, int] | None, largest_file: int | None) -> None:
    def report(event: Event) -> None:
        if kill_at and event.stage == kill_at[0] and event.step >= kill_at[1]:
            os.kill(os.getpid(), signal.SIGKILL)

    loop.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    if largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    _train(out, system, tiny_settings(system), report)


def _launch_two(out: Path, system: str, settings: dict[str, str], size: tuple[int, int] | None) -> None:
    """What `torchrun` does, but that its two processes are forked."""
    from torch.distributed.launcher.api import elastic_launch
    from torch.distributed.run import config_from_args, parse_args

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = parse_args(["--nproc_per_node=2", f"--master_port={port}", "forked"])
    config, _, _ = config_from_args(words)
    config.start_method = "fork"
    elastic_launch(config, _one_of_two)(out, system, settings, size)


def _one_of_two(out: Path, system: str, settings: dict[str, str], size: tuple[int, int] | None) -> None:
    built: list[Wired] = []

    def noted(config: RunConfig) -> Wired:
        built.append(wire(config))
        return built[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "wire", noted)
        patch.setattr(pipeline, "write_previews", empty_previews)
        _train(out, system, settings, size=size)
    weights = [one for stage in built[0].stages for one in stage.module.state_dict().values()]
    digest = sha256(b"".join(one.numpy().tobytes() for one in weights)).hexdigest()
    Path(f"{out}.digest{os.environ['RANK']}").write_text(digest)


def _train(
    out: Path,
    system: str,
    settings: Mapping[str, str],
    report: Callable[[Event], None] = lambda event: None,
    size: tuple[int, int] | None = None,
) -> None:
    torch.set_num_threads(1)
    pipeline.train(
        digits(),
        out,
        system=system,
        preset="tiny",
        settings=settings,
        precision="32",
        threads=1,
        report=report,
        size=size,
    )
