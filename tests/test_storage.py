"""A folder is marked as one piece of work: gone on with where it is the same, refused where it is another."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from labelmint.errors import InputError
from labelmint.storage import alone, claim, is_unused, read_mark, write_together


def _claim(folder: Path, made: bool = True, **wanted: Any) -> None:
    def held(key: str, before: Mapping[str, Any]) -> str | None:
        return f"another count ({key} was {before.get(key)})" if made else None

    claim(folder, "mark.json", "count", {"count": 1, **wanted}, held)


def _mark(folder: Path) -> Any:
    return json.loads((folder / "mark.json").read_text(encoding="utf-8"))


def test_a_new_folder_is_marked_and_the_same_work_goes_on(tmp_path: Path) -> None:
    for _ in range(2):
        _claim(tmp_path / "a" / "b", of=Path("x"))
    assert _mark(tmp_path / "a" / "b") == {"count": 1, "of": "x"}


def test_other_work_is_refused_once_something_was_made(tmp_path: Path) -> None:
    _claim(tmp_path, of=1)
    with pytest.raises(
        InputError, match=r"holds another count \(of was 1\); give another --out, or remove it"
    ):
        _claim(tmp_path, of=2)
    assert _mark(tmp_path)["of"] == 1
    _claim(tmp_path, made=False, of=2)
    assert _mark(tmp_path)["of"] == 2


def test_a_mark_with_a_name_of_any_bytes_is_read_back(tmp_path: Path) -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    for _ in range(2):
        _claim(tmp_path, of=name)
    assert read_mark(tmp_path / "mark.json")["of"] == name
    with pytest.raises(InputError, match="holds another count"):
        _claim(tmp_path, of="x")


def test_a_damaged_mark_is_named(tmp_path: Path) -> None:
    (tmp_path / "mark.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"mark\.json: is damaged"):
        _claim(tmp_path)


def test_foreign_folders_and_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    for place in (tmp_path, tmp_path / "note.txt"):
        with pytest.raises(InputError, match="exists and is no count; give another --out"):
            _claim(place)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_what_a_killed_command_left_of_its_first_file_is_no_work(tmp_path: Path) -> None:
    assert is_unused(tmp_path / "new")
    (tmp_path / ".mark.json.partial").touch()
    assert is_unused(tmp_path)


def test_files_that_belong_together_are_named_the_first_one_last_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, named, replace = [tmp_path / name for name in ("a", "b", "c")], list[str](), Path.replace

    def noted(aside: Path, target: Path) -> Path:
        named.append(target.name)
        return replace(aside, target)

    monkeypatch.setattr(Path, "replace", noted)
    for taken in (True, False):
        with pytest.raises(IsADirectoryError) if taken else nullcontext(), write_together(*paths) as asides:
            for aside in asides:
                aside.touch()
            assert not any(path.is_file() for path in paths)
            if taken:  # what appears meanwhile in the place of the first
                paths[0].mkdir()
        assert named == ["c", "b", "a"]
        named.clear()
        if taken:
            assert [path.name for path in tmp_path.iterdir()] == ["a"]
            paths[0].rmdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_one_command_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    folder, order = tmp_path / "a" / "b", list[str]()
    waiting = threading.Event()

    def second() -> None:
        with alone(folder, waiting.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with alone(folder):
        with pytest.raises(InputError, match="another command works there"), alone(folder):
            pass
        with alone(tmp_path):  # another folder is free
            thread.start()
            assert waiting.wait(30)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    with alone(folder):
        assert not list(folder.iterdir())
