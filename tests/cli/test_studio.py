"""`labelmint studio` on the command line: what it refuses, and that it starts and stops."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labelmint.cli import studio


def test_what_it_refuses_in_one_line(command: Any, tiny_run: Path, tmp_path: Path, monkeypatch: Any) -> None:
    taken = tmp_path / "taken"
    (taken / "file").mkdir(parents=True)
    for words, said in (
        (["studio", tmp_path / "none"], "not a run folder"),
        (["studio", tiny_run, "--out", taken], "exists already and is not an empty folder"),
        (["studio", tiny_run, "--out", tiny_run / "kept"], "lies inside of"),
        (["studio", tiny_run, "--data", tmp_path, "--out", tmp_path / "kept"], "lies inside of"),
        (["studio", tiny_run, "--port", 70000], "65535"),
        (["studio", tiny_run, "--report", taken], "give the folder that `labelmint evaluate` wrote"),
        (["studio", tiny_run, "--labels", taken], "give the folder that `labelmint label` wrote"),
        (["studio", tiny_run, "--checked", tmp_path / "new"], "give --labels, too"),
    ):
        answer = command(*words, "--no-browser")
        assert answer.code == 2
        assert said in answer.err
        assert answer.err.count("\n") == 1
    with monkeypatch.context() as patch:
        patch.setattr("labelmint.storage.os.access", lambda place, how: Path(place) != tmp_path)
        answer = command("studio", tiny_run, "--out", tmp_path / "kept", "--no-browser")
    assert answer.code == 2
    assert f"{tmp_path / 'kept'}: nothing may be written into {tmp_path}; give another --out" in answer.err
    monkeypatch.setattr(studio, "find_spec", lambda name: None)
    assert "pip install 'labelmint[studio]'" in command("studio", tiny_run).err


def test_kept_is_the_first_folder_that_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert studio._free() == Path("kept")
    (tmp_path / "kept").mkdir()
    assert studio._free() == Path("kept-2")


@pytest.mark.slow
def test_it_starts_and_control_c_stops_it(tiny_run: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "labelmint.cli", "studio", str(tiny_run), "--no-browser", "--port", "0"]
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        told = re.search(r"http://127\.0\.0\.1:(\d+)/(\?token=[\w-]{32})", started.stdout.readline())
        assert told is not None
        line = http.client.HTTPConnection("127.0.0.1", int(told[1]), timeout=60)
        line.request("GET", f"/api/about{told[2]}")
        assert b'"msgnet"' in line.getresponse().read()
        line.close()
        started.send_signal(signal.SIGINT)
        _, said = started.communicate(timeout=60)
    assert (started.returncode, said) == (130, "labelmint: stopped\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_does_not_open_ends_it_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}", encoding="utf-8")
    words = [sys.executable, "-m", "labelmint.cli", "studio", "run", "--no-browser", "--port", "0"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "it has no format_version" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_is_not_finished_is_refused_before_there_is_an_address(
    command: Any, tiny_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    next(run.glob("*prior")).rename(run / "aside")
    answer = command("studio", run, "--no-browser", "--port", 0)
    assert (answer.code, answer.out) == (2, "")
    assert "training has not finished" in answer.err
