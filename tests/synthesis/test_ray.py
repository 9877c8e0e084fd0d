"""Drawing on Ray: the same bytes, when a worker is killed in the middle, too."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.synthesis.fakes import files

import labelmint
from labelmint.cli.app import main
from labelmint.errors import InputError
from labelmint.synthesis import mint, ray_engine
from labelmint.synthesis.ray_engine import drawn_by_ray

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray")


def test_without_ray_it_says_which_extra(
    monkeypatch: pytest.MonkeyPatch, mint_run: Path, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"Ray is not installed; pip install 'labelmint\[ray\]'"):
        mint(labelmint.load(mint_run), tmp_path / "out", n=1, filter="off", engine="ray")
    assert not list(tmp_path.iterdir())


def test_what_ray_prints_is_not_among_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, mint_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def talking(system: Any, draw: Any, chunks: Sequence[int], threads: int) -> Iterator[Any]:
        for chunk in chunks:
            print("(raylet) A worker died")  # as Ray does
            yield chunk, system.chunk(chunk, draw)

    monkeypatch.setattr(ray_engine, "find_spec", lambda name: name)
    monkeypatch.setattr(ray_engine, "drawn_by_ray", talking)
    words = [
        "synthesize",
        str(mint_run),
        "--out",
        str(tmp_path / "out"),
        "-n",
        "2",
        "--engine",
        "ray",
        "--json",
    ]
    assert main(words) == 0
    told = capfd.readouterr()
    assert json.loads(told.out)["pairs"] == 2
    assert "A worker died" in told.err


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # which its processes inherit
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore")
def test_two_workers_draw_the_bytes_of_one_process_though_one_is_killed(
    cluster: None, mint_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = labelmint.load(mint_run, threads=1)
    killed: list[int] = []

    def killing(*args: Any) -> Iterator[Any]:
        for done, found in enumerate(drawn_by_ray(*args)):
            yield found
            if done == 2:
                killed.extend(_kill_a_worker())

    monkeypatch.setattr(ray_engine, "drawn_by_ray", killing)
    options: dict[str, Any] = {"n": 16, "batch_size": 2, "filter": "off"}
    mint(system, tmp_path / "ray", engine="ray", **options)
    assert killed
    assert files(tmp_path / "ray") == files(mint(system, tmp_path / "here", **options))


def _kill_a_worker() -> list[int]:
    """Kill one process of Ray that draws."""
    for _ in range(50):
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes()
                if entry.name.isdecimal() and words.startswith(b"ray::_chunk") and _ours(int(entry.name)):
                    os.kill(int(entry.name), signal.SIGKILL)
                    return [int(entry.name)]
            except OSError:
                continue
        time.sleep(0.1)
    return []


def _ours(process: int) -> bool:
    """True for a process that this one started, whatever stands between."""
    while process > 1:
        if process == os.getpid():
            return True
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return False
