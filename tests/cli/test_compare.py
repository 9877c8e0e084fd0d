"""The verb `compare`: what it passes on and prints, and what it refuses with one line and exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.comparison.made_up import apart, measured

from labelmint.comparison.options import ComparisonOptions
from labelmint.comparison.report import comparison_results
from labelmint.reports.files import write_report
from labelmint.reports.results import Figure, Picture, Results


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[ComparisonOptions]:
    """What comparisons are asked for; each finds the same, made up."""
    found: list[ComparisonOptions] = []

    def compare(data: Any, out: Path, options: ComparisonOptions, **more: Any) -> Results:
        found.append(options)
        figures = {
            name: Figure(name=name, title=name, value=1.25, low=1.01, high=1.49)
            for name in ("obedience.ratio", "fidelity.frechet_distance", "effort.minutes")
        }
        results = comparison_results(
            {system: [measured(system, figures=figures)] for system in options.systems},
            apart("mint", "flow", -1),
            minutes=options.minutes,
            picture=Picture(title="x", file="compare.png"),
            title="x",
            origin={},
        )
        write_report(results, out)
        return results

    monkeypatch.setattr("labelmint.comparison.compare.compare", compare)
    return found


def test_it_prints_the_answer_and_the_table_with_intervals(
    command: Command, digits_folder: Path, tmp_path: Path, asked: list[ComparisonOptions]
) -> None:
    out = tmp_path / "out"
    words = ("compare", digits_folder, "--systems", "mint,flow", "--out", out, "--minutes", 2, "--seeds", 2)
    more = ("--size", "32x64", "--set", "flow:generator.patch=1", "-n", 50, "--judge-steps", 7)
    answer = command(*words, *more)
    assert answer.code == 0, answer.err
    assert "GOOD: Take flow for these data and 2 minutes: it is better than mint." in answer.out
    assert "1.25 (1.01 to 1.49)" in answer.out and "compare.png" in answer.out
    (options,) = asked
    assert (options.systems, options.minutes, options.seeds) == (("mint", "flow"), 2, 2)
    assert (options.size, options.n, options.judge.steps) == ((32, 64), 50, 7)
    assert options.settings == ("flow:generator.patch=1",)
    printed = command(*words, *more, "--json").json
    assert printed == json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert printed["figures"]["flow.obedience.ratio"] == 1.25


def test_a_dry_run_writes_nothing(command: Command, digits_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("compare", digits_folder, "--systems", "pix2pix,flow", "--out", out, "--preset", "tiny")
    answer = command(*words, "--minutes", 0.5, "--threads", 1, "--dry-run")
    assert answer.code == 0, answer.err
    head, *rows, last = answer.out.splitlines()
    assert head.split()[:3] == ["system", "parameters", "trainings"]
    assert [row.split()[0] for row in rows] == ["pix2pix", "flow"]
    for row in rows:
        _, parameters, trainings, minutes, mebibytes = row.split()
        assert int(parameters.replace(",", "")) > 1000 and trainings == "1"
        assert 0 < float(minutes) <= 0.5 and int(mebibytes.replace(",", "")) > 100
    assert "nothing was written" in last
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--systems", "mint"), "at least two systems"),
        (("--systems", "mint,flo"), "did you mean 'flow'"),
        (("--systems", "mint,flow", "--minutes", "0"), "--minutes 0"),
        (("--systems", "mint,flow", "--size", "huge"), "--size huge"),
        (("--systems", "mint,flow", "--set", "prior.blocks=2"), "of which system?"),
    ],
)
def test_bad_requests_get_one_line_and_write_nothing(
    command: Command, digits_folder: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    answer = command("compare", digits_folder, *words, "--out", tmp_path / "out", "--threads", 1)
    assert answer.code == 2 and message in answer.err and "Traceback" not in answer.err
    assert not (tmp_path / "out").exists()
