"""Folders that appear whole or not at all, whatever killed processes left beside them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from labelmint.errors import InputError
from labelmint.formats.files import in_place_of, new_folder
from labelmint.storage import alone, write_text, write_together


@pytest.fixture(scope="module")
def gone() -> str:
    """How folders name a process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return as_named(process.pid)


def as_named(process: int) -> str:
    """How folders name a process of this machine."""
    return f"{sha256(platform.node().encode()).hexdigest()[:8]}-{process}"


def put(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "a").write_text(text)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_goes(gone: str, tmp_path: Path) -> None:
    mine, parent = as_named(os.getpid()), as_named(os.getppid())
    elsewhere = f"00000000-{gone.split('-')[1]}"  # another machine may have a process of this number
    others = (
        f".out.5.{gone}.partial",
        f".out.{gone}.more",
        f".out.{parent}.partial",
        f".out.{elsewhere}.partial",
    )
    for name in (f".out.{gone}.partial", f"..out.{gone}.new.{gone}.partial", f".out.{gone}.old", *others):
        put(tmp_path / name, "x")
    with new_folder(tmp_path / "out") as folder:
        assert folder.name == f".out.{mine}.partial"
        (folder / "a").write_text("new")
    assert names_in(tmp_path) == sorted([*others, "out"])
    assert (tmp_path / "out" / "a").read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks no folders")
def test_a_folder_that_another_container_fills_stays(gone: str, tmp_path: Path) -> None:
    put(tmp_path / f".out.{gone}.partial", "x")
    with alone(tmp_path / f".out.{gone}.partial"), new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / f".out.{gone}.partial" / "a").read_text() == "x"
    with (
        new_folder(tmp_path / "other") as folder,
        pytest.raises(InputError, match="another command"),
        alone(folder),
    ):
        pass


@pytest.mark.parametrize("there", [True, False], ids=["before both renames", "between them"])
def test_a_folder_is_in_its_place_after_a_kill_at_any_moment(there: bool, gone: str, tmp_path: Path) -> None:
    put(tmp_path / ("out" if there else f".out.{gone}.old"), "old")
    put(tmp_path / f".out.{gone}.new", "new")
    with pytest.raises(InputError, match="exists already"), new_folder(tmp_path / "out"):
        pass
    assert names_in(tmp_path) == ["out"]
    assert (tmp_path / "out" / "a").read_text() == ("old" if there else "new")
    with in_place_of(tmp_path / "out") as folder:
        (folder / "a").write_text("newer")
    assert names_in(tmp_path) == ["out"] and (tmp_path / "out" / "a").read_text() == "newer"


def test_names_as_long_as_the_file_system_holds_are_written(tmp_path: Path) -> None:
    file = tmp_path / f"{'ü' * 120}.png"  # 244 bytes
    write_text(file, "x")
    with write_together(file, tmp_path / f"{'b' * 250}.png") as asides:
        for aside in asides:
            aside.write_text("y")
    assert names_in(tmp_path) == [f"{'b' * 250}.png", file.name]
    assert file.read_text() == "y"


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_what_cannot_be_tidied_stays_and_ends_no_command(
    error: type[OSError], gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for what in ("new", "old", "partial"):
        put(tmp_path / f".out.{gone}.{what}", what)
    before, opened = names_in(tmp_path), os.open

    def closed(path: Any, *more: Any) -> int:
        if f".{gone}." in str(path):
            raise error(path)
        return opened(path, *more)

    monkeypatch.setattr("os.open", closed)
    with new_folder(tmp_path / "out"):
        pass
    assert names_in(tmp_path) == [*before, "out"]


def test_of_many_files_beside_a_folder_no_paths_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Path, "iterdir")
    with new_folder(tmp_path / "out"):
        pass
    with os.scandir(tmp_path) as entries:
        assert [entry.name for entry in entries] == ["out"]
