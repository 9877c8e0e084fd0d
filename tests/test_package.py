"""The package as people get it: its public names, its scripts, and a wheel that works outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import labelmint

ROOT = Path(__file__).resolve().parents[1]


def test_public_names_are_there_and_load_late() -> None:
    for name in labelmint.__all__:
        assert getattr(labelmint, name) is not None
    assert set(labelmint.__all__) <= set(dir(labelmint))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        labelmint.trian  # noqa: B018
    code = "import sys, labelmint; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_package_is_typed() -> None:
    assert (ROOT / "src" / "labelmint" / "py.typed").is_file()


def dev(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", *words], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_dev_says_what_it_can_and_what_it_lacks(tmp_path: Path) -> None:
    script = tmp_path / "dev"
    shutil.copy(ROOT / "dev", script)
    assert "./dev demo" in dev(str(script)).stdout
    unknown = dev(str(script), "tset")
    assert unknown.returncode == 2
    assert unknown.stderr == "dev: error: unknown command 'tset'; known are demo, test, check, site, setup\n"
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "constraints.txt").touch()
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    refused = dev(str(script), "setup", LABELMINT_PYTHON=str(old))
    assert refused.returncode == 2
    assert (
        refused.stderr.splitlines()[-1]
        == f"dev: error: LABELMINT_PYTHON={old} is not a Python of version 3.11 or later"
    )
    assert not (tmp_path / ".venv").exists()


FAKE_PYTHON = """#!/bin/sh
case "$*" in
"-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
*"pip install"*) echo begin >>"$NOTES" && sleep 0.5 && echo end >>"$NOTES" ;;
esac
"""


def test_of_two_setups_at_once_one_installs_and_a_killed_one_is_in_nobody_s_way(tmp_path: Path) -> None:
    script, python, notes = tmp_path / "dev", tmp_path / "python3", tmp_path / "notes"
    shutil.copy(ROOT / "dev", script)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    environment = {**os.environ, "LABELMINT_PYTHON": str(python), "NOTES": str(notes)}
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / ".venv.lock").mkdir()
    (tmp_path / ".venv.lock" / "pid").write_text(f"{gone.pid}\n")
    assert subprocess.run(["sh", script, "setup"], env=environment, check=False).returncode == 0
    (tmp_path / "constraints.txt").write_text("other\n")
    calls = [subprocess.Popen(["sh", script, "setup"], env=environment) for _ in range(2)]
    assert [call.wait(timeout=60) for call in calls] == [0, 0]
    assert notes.read_text().split() == 2 * ["begin", "end"]
    assert not (tmp_path / ".venv.lock").exists()


@pytest.mark.parametrize(("checks", "site", "tests"), [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_ci_shows_all_logs_and_fails_when_one_does(
    tmp_path: Path, checks: int, site: int, tests: int
) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "dev").write_text(
        f"#!/bin/sh\necho $1 >&2\ncase $1 in check) sleep 0.2; exit {checks} ;; site) exit {site} ;; "
        f"test) exit {tests} ;; esac\n"
    )
    (tmp_path / "dev").chmod(0o755)
    done = subprocess.run(["bash", tmp_path / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == bool(checks or site or tests)
    assert done.stdout.splitlines() == [
        f"== ./dev check (exit code {checks})",
        "check",
        f"== ./dev site (exit code {site})",
        "site",
        f"== ./dev test (exit code {tests})",
        "test",
    ]


def test_constraints_pin_every_dependency() -> None:
    import re
    import tomllib

    pins = {
        line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    assert {re.split(r"[^\w.-]", one)[0].lower() for one in wanted} <= pins
    assert "+" not in (ROOT / "constraints.txt").read_text().partition("torch==")[2].splitlines()[0]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_wheel_in_a_clean_environment_runs_the_demo(tmp_path: Path) -> None:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")
    }

    def run(*words: object) -> str:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    source = tmp_path / "source"
    kept = ("src", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md")
    for name in kept:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    run(sys.executable, "-m", "venv", "env")
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "-q", "wheel", "--no-deps", "-w", "wheels", source)
    (wheel,) = (tmp_path / "wheels").glob("labelmint-*.whl")
    shutil.rmtree(source)
    run(python, "-m", "pip", "-q", "install", "-c", ROOT / "constraints.txt", wheel)
    command = tmp_path / "env" / "bin" / "labelmint"
    assert "What to do next" in run(command, "demo", "--minutes", "1", "--out", "demo")
    assert run(command, "--version").strip() == f"labelmint {labelmint.__version__}"
    assert len(list((tmp_path / "demo" / "folder" / "images").iterdir())) == 200
    assert len(list((tmp_path / "demo" / "coco" / "images").iterdir())) == 200
