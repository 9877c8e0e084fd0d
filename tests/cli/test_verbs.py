"""Each verb does what it says, for people and as JSON."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.helpers import SMALLEST_MINT

import labelmint
from labelmint.cli.demo import Sizes, run_demo
from labelmint.cli.options import parse_batch, parse_ids, parse_size, parse_words
from labelmint.cli.progress import Progress, duration, line
from labelmint.errors import InputError
from labelmint.progress import Event

VERBS = [
    "inspect",
    "convert",
    "formats",
    "systems",
    "train",
    "synthesize",
    "join",
    "runs",
    "card",
    "interpolate",
    "describe",
    "evaluate",
    "compare",
    "explain",
    "studio",
    "demo",
    "datasets",
    *(f"datasets make {name}" for name in ("digits", "multi-mnist", "clevr-64", "clevr-192")),
    *(f"datasets prepare {name}" for name in ("malaria", "brats", "cityscapes", "gta5", "clevr")),
]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(command: Any, verb: str) -> None:
    answer = command(*verb.split(), "--help")
    assert answer.code == 0
    assert "Usage" in answer.out


def test_help_and_imports_are_light() -> None:
    code = (
        "import sys; from labelmint.cli import main; main(['--help']);"
        "heavy = {'torch', 'numpy', 'PIL', 'scipy', 'skimage', 'matplotlib', 'pycocotools', 'sklearn', "
        "'pydantic'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "synthesize" in done.stdout


@pytest.mark.parametrize("module", ["labelmint", "labelmint.cli"])
def test_modules_are_the_command(module: str) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *words], capture_output=True, text=True, check=False
        )

    helped, refused = run("--help"), run("formats", "--nonsense")
    assert helped.returncode == 0
    assert "Usage: labelmint [OPTIONS]" in helped.stdout
    assert refused.returncode == 2
    assert refused.stderr.startswith("labelmint: error: ")
    assert refused.stderr.endswith("(see: labelmint formats --help)\n")


@pytest.mark.parametrize("words", [(), ("datasets",), ("datasets", "make")])
def test_without_a_command_there_is_help(command: Any, words: tuple[str, ...]) -> None:
    answer = command(*words)
    assert answer.code == 2
    assert "Usage" in answer.out
    assert answer.err.startswith("labelmint: error: a command is missing")


def test_names_that_the_console_can_not_show_are_no_error() -> None:
    code = "import sys, labelmint.cli; app = sys.modules['labelmint.cli.app'];"
    code += "app.command = lambda: lambda *w, **k: print('é 世界');"
    done = subprocess.run(
        [sys.executable, "-c", f"{code} sys.exit(app.main([]))"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\xe9 \\u4e16\\u754c\n", b"")


def test_version(command: Any) -> None:
    assert command("--version").out.strip() == f"labelmint {labelmint.__version__}"


def test_systems(command: Any) -> None:
    assert "LayoutPixelSNAIL" in command("systems").out
    assert {"msgnet", "pre-msgnet"} <= {row["name"] for row in command("systems", "--json").json}


def test_datasets_make_digits_writes_a_set_with_its_split(command: Any, tmp_path: Path) -> None:
    out = tmp_path / "set"
    answer = command(
        "datasets",
        "make",
        "digits",
        "--composition",
        "upper",
        "-n",
        10,
        "--canvas",
        "40x48",
        "--out",
        out,
        "--json",
    )
    assert answer.json == {"out": str(out), "pairs": 10, "format": "folder"}
    data = labelmint.read(out)
    assert len(data) == 10
    assert data[0].image.shape == (40, 48, 1)
    assert data.train is not None and data.test is not None
    assert sorted([*data.train, *data.test]) == list(data.names)
    again = tmp_path / "again"
    command(
        "datasets", "make", "digits", "--composition", "upper", "-n", 10, "--canvas", "40x48", "--out", again
    )
    assert contents(again) == contents(out)


def test_inspect(command: Any, digits_folder: Path, tmp_path: Path) -> None:
    sheet, rare = tmp_path / "pictures" / "sheet.png", tmp_path / "pictures" / "rare.png"
    answer = command("inspect", digits_folder, "--size", "32x32", "--sheet", sheet, "--rare", rare, "--json")
    assert answer.code == 0
    assert answer.json["pairs"] == 60
    nine = answer.json["classes"][10]
    assert nine["name"] == "9"
    assert nine["objects_kept"] == nine["objects_at_size"] == nine["objects"] > 0
    for file in (sheet, rare):
        with Image.open(file) as picture:
            assert min(picture.size) > 100
    assert "60 pairs" in command("inspect", digits_folder).out


@pytest.mark.parametrize(
    ("preset", "tokens"),
    [
        ("small", "512 patterns of 4x4"),
        ("clevr-64", "8x8 cells"),
        ("svq-256", "svqgan-t, which takes layouts as they are"),
    ],
)
def test_inspect_counts_what_the_tokens_of_a_preset_keep(
    command: Any, digits_folder: Path, preset: str, tokens: str
) -> None:
    answer = command("inspect", digits_folder, "--size", "32x32", "--preset", preset)
    assert answer.code == 0, answer.err
    assert f"kept of those at 32x32 by {'the ' if 'cells' in tokens else ''}{tokens}" in answer.out


def test_inspect_lists_what_is_odd_instead_of_refusing(
    command: Any, digits_folder: Path, tmp_path: Path
) -> None:
    broken = copy_of(digits_folder, tmp_path)
    (broken / "labels" / "digits_000003.png").unlink()
    (broken / "images" / "digits_000004.png").write_text("not an image")
    answer = command("inspect", broken, "--sheet", tmp_path / "sheet.png")
    assert answer.code == 0
    assert "digits_000003" in answer.out
    assert "digits_000004" in answer.out


def test_what_inspect_found_is_said_where_a_picture_cannot_be_written(
    command: Any, digits_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    for option in ("--sheet", "--rare"):
        answer = command("inspect", digits_folder, option, file / "sheet.png")
        assert answer.code == 2
        assert "60 pairs" in answer.out
        assert str(file) in answer.err


def test_a_dry_run_tells_all_and_writes_nothing(command: Any, digits_folder: Path, tmp_path: Path) -> None:
    words = ["train", digits_folder, "--out", tmp_path / "run", "--preset", "tiny", *settings(), "--dry-run"]
    facts = command(*words, "--json").json
    assert facts["configuration"]["request"]["settings"]["prior"]["channels"] == 16
    assert [stage["name"] for stage in facts["stages"]] == ["tokenizer", "prior", "layout_prior"]
    assert "nothing was written" in command(*words).out
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_train_then_synthesize(command: Any, digits_folder: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "my run", tmp_path / "new"
    trained = command(
        "train",
        digits_folder,
        "--out",
        run,
        "--preset",
        "tiny",
        "--size",
        "32",
        *settings(),
        "--precision",
        "32",
    )
    assert trained.code == 0, trained.err
    assert f"labelmint synthesize '{run}'" in trained.out
    assert "--system flow keeps fine texture" in trained.out
    again = command(
        "train", digits_folder, "--out", run, "--preset", "tiny", *settings(), "--precision", "32", "--json"
    ).json
    answer = command(
        "synthesize", run, "--out", out, "-n", 5, "--batch-size", 4, "--format", "coco", "--json"
    )
    assert answer.code == 0, answer.err
    assert answer.json["weights"] == again["weights"]
    assert answer.json["layouts"] == "drawn"
    assert len(labelmint.read(out)) == 5
    given = tmp_path / "given"
    answer = command(
        "synthesize", run, "--out", given, "-n", 3, "--layouts", digits_folder, "--per-layout", 2
    )
    assert f"layouts: {digits_folder}" in answer.out
    assert '"batch_size": 32' in (given / "settings.json").read_text()  # auto
    assert '"layout": "digits_000001"' in (given / "manifest.jsonl").read_text().splitlines()[2]
    repeated = tmp_path / "repeated"
    shell = (given / "README.md").read_text().split("```sh\n")[1].split("```")[0].replace("\\\n", " ")
    named = {"RUN": run, "DATA": digits_folder, "DIR": repeated}
    said = [named.get(word, word) for word in shlex.split(shell)]
    assert command(*said[1:]).code == 0
    assert contents(repeated) == contents(given)


def test_the_demo_goes_through_and_goes_on(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = Sizes(pairs=60, new=6, reader_steps=5, settings=SMALLEST_MINT)
    out = tmp_path / "demo"
    monkeypatch.setattr("labelmint.cli.demo.Sizes", lambda: sizes)
    answer = command("demo", "--out", out, "--minutes", "0.5", "--threads", 1)
    assert answer.code == 0, answer.err
    for word in (
        "read as their label says",
        "near-copies",
        "What to do next",
        f"labelmint synthesize {out / 'run'}",
    ):
        assert word in answer.out
    before = contents(out / "folder")
    (out / "coco" / "settings.json").unlink()  # as if the demo had been stopped before
    (out / "coco").rename(out / "gone")
    facts = run_demo(out, minutes=0.5, threads=1, seed=0, sizes=sizes)
    assert facts["new_pairs"] == 6
    assert facts["training_pairs"] == 48
    assert contents(out / "folder") == before
    assert [pair.image.tobytes() for pair in labelmint.read(out / "coco")] == [
        pair.image.tobytes() for pair in labelmint.read(out / "folder")
    ]
    assert (out / "contact_sheet.png").is_file()
    refused = command("demo", "--out", out, "--minutes", "0.7")
    assert refused.code == 2
    assert "minutes 0.5, now it is 0.7" in refused.err


def test_stopping_says_how_to_go_on(
    command: Any, digits_folder: Path, tiny_run: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    def stop(*args: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("labelmint.runs.train.train", stop)
    monkeypatch.setattr("labelmint.synthesis.mint", stop)
    for words, hint in (
        (["train", digits_folder, "--out", tmp_path / "run"], "run the same command again to go on"),
        (
            ["synthesize", tiny_run, "--out", tmp_path / "new", "-n", 3],
            "run the same command with --resume to go on",
        ),
    ):
        answer = command(*words)
        assert answer.code == 130
        assert answer.err.strip() == f"labelmint: stopped; {hint}"


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = "import sys, subprocess; from labelmint.cli import main; sys.exit(main(['--version']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert b"Traceback" not in said
    assert b"BrokenPipe" not in said


def test_options_are_read_strictly() -> None:
    assert parse_size("64x96") == (64, 96)
    assert parse_size(" 64 X 96 ") == (64, 96)
    assert parse_size("64") == (64, 64)
    for text in ("", "64x", "x64", "64x96x3", "-64", "6.4", "0", "64x0", "999999"):
        with pytest.raises(InputError, match="--size"):
            parse_size(text)
    assert parse_ids("254, 0") == (254, 0)
    assert parse_ids("") == ()
    for text in ("-1", "70000", "a"):
        with pytest.raises(InputError, match="--ignore"):
            parse_ids(text)
    assert (parse_batch("auto"), parse_batch("64")) == (None, 64)
    for text in ("", "0", "-4", "4.5", "many", "Auto"):
        with pytest.raises(InputError, match="--batch-size"):
            parse_batch(text)
    assert parse_words("flips, turns") == ("flips", "turns")


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    events = [Event("prior", step, 100, 12.345, 125.0, {"nats": 1.23456}) for step in range(101)]
    with Progress() as progress:
        for event in events:
            progress.report(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [line(events[0]), line(events[100])]
    assert line(events[0]) == "prior 0/100  12.35 images/s  2 min 05 s left  nats 1.235"
    assert line(replace(events[0], at_most=True)).split("  ")[2] == "at most 2 min 05 s left"
    assert [duration(seconds) for seconds in (0, 59.4, 60, 3599, 7800)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "59 min 59 s",
        "2 h 10 min",
    ]


def settings() -> list[str]:
    """The smallest settings as words of a command."""
    return [word for value in SMALLEST_MINT for word in ("--set", value)]


def copy_of(folder: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    import shutil

    return Path(shutil.copytree(folder, tmp_path / "copy"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
