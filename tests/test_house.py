"""The house: files and functions are short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_FILE, LONGEST_FUNCTION, LONGEST_LOOP = 400, 60, 200  # lines
LOOPS = {"src/labelmint/training/adversarial.py: train", "src/labelmint/training/likelihood.py: train"}
DEF = re.compile(r"( *)(?:async )?def (\w+)")


def _functions(lines: list[str]) -> Iterator[tuple[str, int]]:
    """Name and lines of every function, from `def` to its last line, as formatted code is indented: parsing takes
    twenty times as long.
    """
    for begin, line in enumerate(lines):
        if found := DEF.match(line):
            # Up to the next line that stands no deeper, but for the bracket that closes the arguments.
            after = re.compile(rf" {{0,{len(found[1])}}}[^ )]")
            end = next((k for k in range(begin + 1, len(lines)) if after.match(lines[k])), len(lines))
            yield found[2], len("\n".join(lines[begin:end]).rstrip().split("\n"))


@pytest.mark.parametrize("folder", ["src", "experiments", "benchmarks", "tests"])
def test_files_and_functions_are_short(folder: str) -> None:
    long = []
    for file in sorted((ROOT / folder).rglob("*.py")):
        lines, where = file.read_text(encoding="utf-8").splitlines(), file.relative_to(ROOT).as_posix()
        if len(lines) > LONGEST_FILE:
            long.append(f"{where}: {len(lines)} lines")
        for name, n in _functions(lines):
            what = f"{where}: {name}"
            if n > (LONGEST_LOOP if what in LOOPS else LONGEST_FUNCTION):
                long.append(f"{what}: {n} lines")
    assert not long, "take these apart: " + ", ".join(long)


def test_lines_of_a_function_are_those_of_its_text() -> None:
    text = [
        "class A:",
        "    def f(",
        "        self,",
        "    ) -> None:",
        "        def g() -> None:",
        "            pass",
        "",
        "        g()",
        "",
        "",
        "# end",
        "async def h() -> None:",
        "    pass",
    ]
    assert list(_functions(text)) == [("f", 7), ("g", 2), ("h", 2)]
