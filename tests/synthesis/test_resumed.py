"""Minting that was stopped, killed or damaged goes on to the same bytes, and with the same settings alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.synthesis.fakes import Fake, files, make

from labelmint.datasets.digits import DIGIT_CLASSES
from labelmint.errors import InputError
from labelmint.formats.folder import write_folder
from labelmint.formats.image_files import write_png
from labelmint.storage import alone
from labelmint.synthesis.chunks import ChunkFolder


@pytest.mark.parametrize("stop_at", [0, 1, 2])
def test_a_stopped_mint_resumes_to_the_same_bytes_and_draws_nothing_twice(
    tmp_path: Path, stop_at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=stop_at))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="--resume"):
        make(tmp_path / "out")
    system = Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn == list(range(stop_at, 3))
    assert files(tmp_path / "out") == files(make(tmp_path / "never_stopped"))
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("damaged", ["images", "labels", "instances"])
def test_stopped_while_writing_nothing_appears_and_a_damaged_chunk_is_drawn_again(
    tmp_path: Path, monkeypatch: Any, damaged: str
) -> None:
    def fail(*args: object, **named: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr("labelmint.pictures.contact_sheet", fail)
        make(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    file = next((tmp_path / "out.partial" / "chunk-000001" / damaged).glob("synthetic_000006.*"))
    file.write_bytes(file.read_bytes()[:-20])
    system = Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn == [1]
    assert files(tmp_path / "out") == files(make(tmp_path / "never_stopped"))


class Killed(BaseException):
    """Nothing runs after it, not even what cleans up."""


def test_killed_in_the_middle_of_a_file_it_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: Any
) -> None:
    def cut_short(path: Path, array: Any, text: Any = None) -> None:
        if path.name == "synthetic_000005.png" and path.parent.name == "labels":
            path.with_name(f".{path.name}.partial").write_bytes(b"half a file")
            raise Killed
        write_png(path, array, text)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("labelmint.formats.folder.write_png", cut_short)
        patch.setattr("shutil.rmtree", lambda *args, **named: None)
        make(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "out.partial").rglob(".synthetic_000005.png.partial"))
    system = Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn[0] == 1
    assert files(tmp_path / "out") == files(make(tmp_path / "never_killed"))
    assert not list(tmp_path.glob("*.partial"))


def test_an_error_while_a_chunk_is_written_ends_the_command_and_a_resume_goes_on(
    tmp_path: Path, monkeypatch: Any
) -> None:
    def full(pairs: Any, folder: Path, classes: Any) -> None:
        if any(pair.name == "synthetic_000008" for pair in pairs):
            raise OSError("disk full")
        write_folder(pairs, folder, classes)

    system = Fake()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr("labelmint.synthesis.chunks.write_folder", full)
        make(tmp_path / "out", system, n=80)
    assert len(system.drawn) < 7
    again = Fake()
    make(tmp_path / "out", again, n=80, resume=True)
    assert again.drawn[0] == 2
    assert files(tmp_path / "out") == files(make(tmp_path / "never_full", n=80))


def test_the_batch_that_is_chosen_is_told_and_a_resume_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=1, usual=4), batch_size=None)
    system = Fake(usual=2)
    out = make(tmp_path / "out", system, batch_size=None, resume=True)
    assert system.drawn == [1, 2]
    assert files(out) == files(make(tmp_path / "asked", batch_size=4))
    assert json.loads((out / "settings.json").read_text())["batch_size"] == 4
    assert "--batch-size 4 " in (out / "README.md").read_text()
    make(out, Fake(usual=2), batch_size=None, resume=True)  # complete


@pytest.fixture
def threads() -> Iterator[Any]:
    """Sets their number for the time of a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_a_resume_keeps_its_threads_unless_others_are_asked_for(tmp_path: Path, threads: Any) -> None:
    def asked() -> Fake:
        system = Fake()
        system.threads_asked = True
        return system

    threads(2)
    expected = files(make(tmp_path / "never_stopped"))
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=1))
    threads(1)  # as found on another machine
    with pytest.raises(InputError, match=r"begun with threads 2, now it is 1; pass --threads 2 to resume"):
        make(tmp_path / "out", asked(), resume=True)
    system = Fake()
    out = make(tmp_path / "out", system, resume=True)
    assert (system.drawn, system.threads) == ([1, 2], [2, 2])
    assert torch.get_num_threads() == 1
    assert files(out) == expected
    make(out, Fake(stop_at=0), resume=True)  # complete
    with pytest.raises(
        InputError, match=r"made otherwise, with threads 2, now it is 1; pass --threads 2 to resume"
    ):
        make(out, asked(), resume=True)
    assert make(tmp_path / "asked", asked()).is_dir()
    for stored in (0, 5000, "2", None):
        (out / "settings.json").write_text(json.dumps({"threads": stored}))
        with pytest.raises(InputError):
            make(out, resume=True)


def damaged_rows(whole: str) -> Iterator[str]:
    """What a rows.json may have become and still is JSON."""
    yield from ("[]", "null", "3", '{"sums": []}', '{"sums": {}}', '{"rows": [], "sums": {}}')
    rows, sums = (json.loads(whole)[key] for key in ("rows", "sums"))
    (index, (name, holds, _)), *others = rows.items()
    for damaged in (
        {},
        dict(others),
        {**rows, index: name},
        {**rows, index: [name, {}]},
        {**rows, "99": [name, holds]},
    ):
        yield json.dumps({"rows": damaged, "sums": sums})
    yield json.dumps({"rows": rows})
    yield json.dumps({"rows": rows, "sums": {}})
    yield json.dumps({"rows": rows, "sums": [*sums]})


def test_a_chunk_whose_rows_are_damaged_is_drawn_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=1))
    folder = ChunkFolder(
        tmp_path / "out.partial",
        json.loads((tmp_path / "out.partial" / "settings.json").read_text()),
        DIGIT_CLASSES,
        resume=True,
    )
    file = folder.folder(0) / "rows.json"
    whole = file.read_text()
    assert folder.holds(0, range(4))
    assert not folder.holds(0, range(3))
    content = json.loads(whole)
    former = {index: [name, holds] for index, (name, holds, _) in content["rows"].items()}
    file.write_text(json.dumps({**content, "rows": former}))
    assert folder.holds(0, range(4))  # as former versions wrote it
    for damaged in damaged_rows(whole):
        file.write_text(damaged)
        assert not folder.holds(0, range(4)), damaged
    system = Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn == [0, 1, 2]
    assert files(tmp_path / "out") == files(make(tmp_path / "never_damaged"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "seed 0, now it is 1"),
        ({"batch_size": 2}, "batch_size 4, now it is 2"),
        ({"dials": {"temperature": 0.5}}, "temperature 0.85, now it is 0.5"),
        ({"n": 11}, "n 10, now it is 11"),
        ({"system": Fake(digest="4567")}, "weights '0123', now it is '4567'"),
        ({"system": Fake(precision="bf16-true")}, "precision '32-true', now it is 'bf16-true'"),
    ],
)
def test_a_resume_with_other_settings_is_refused_naming_the_difference(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=1))
    before = files(tmp_path)
    with pytest.raises(InputError) as refusal:
        make(tmp_path / "out", resume=True, warn=print, **change)
    assert said in str(refusal.value)
    assert files(tmp_path) == before


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_killed_between_any_two_moves_a_resume_ends_them_and_draws_nothing(
    tmp_path: Path, monkeypatch: Any, moves: int
) -> None:
    moved: list[str] = []

    def dies(move: Any, source: Any, *rest: Any, **named: Any) -> Any:
        name = Path(source).name
        if len(moved) == moves and (
            name.startswith("data-") or (moved and name in ("folder.partial", "coco.partial"))
        ):
            raise Killed
        moved.extend([name] if name.startswith("data-") and move is not shutil.rmtree else [])
        return move(source, *rest, **named)

    def both(system: Fake, **options: Any) -> None:
        make(tmp_path / "folder", system, copies={"coco": tmp_path / "coco"}, **options)

    remove = shutil.rmtree
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("os.rename", partial(dies, os.rename))
        patch.setattr("os.replace", partial(dies, os.replace))
        patch.setattr(
            "shutil.rmtree",
            lambda path, **named: dies(remove, path, **named) if len(moved) == 2 else remove(path, **named),
        )
        both(Fake())
    assert len(moved) == moves
    system = Fake()
    both(system, resume=True)
    assert system.drawn == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco", "folder"]
    assert files(tmp_path / "folder") == files(make(tmp_path / "alone"))
    assert files(tmp_path / "coco") == files(make(tmp_path / "copy", format="coco"))


def test_a_resume_of_what_is_complete_draws_nothing_and_of_other_pairs_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "out")
    before, system = files(tmp_path), Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn == []
    with pytest.raises(InputError, match="made otherwise"):
        make(tmp_path / "out", resume=True, seed=1)
    assert files(tmp_path) == before
    (tmp_path / "out" / "settings.json").write_text("[]")
    with pytest.raises(InputError, match="damaged"):
        make(tmp_path / "out", resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_where_another_command_works_it_is_refused_and_nothing_is_touched(
    tmp_path: Path, resume: bool
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=1))
    (tmp_path / "out.partial" / ".chunk-000001.partial").mkdir()
    before, system = sorted(tmp_path.rglob("*")), Fake()
    with alone(tmp_path / "out.partial"), pytest.raises(InputError, match="another command works there"):
        make(tmp_path / "out", system, resume=resume)
    assert system.drawn == []
    assert sorted(tmp_path.rglob("*")) == before
    make(tmp_path / "out", resume=True)


def test_a_command_that_was_killed_before_it_wrote_anything_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    assert files(make(tmp_path / "out")) == files(make(tmp_path / "other"))
    assert not list(tmp_path.glob("*.partial"))


def test_a_folder_of_somebody_else_beside_a_finished_export_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path / "out")
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "thesis.txt").write_text("precious")
    make(tmp_path / "out", resume=True)
    assert (tmp_path / "out.partial" / "thesis.txt").read_text() == "precious"
