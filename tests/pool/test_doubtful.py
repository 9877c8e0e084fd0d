"""doubt.csv: written and read again, and refused where it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelmint.errors import InputError
from labelmint.pool.doubtful import Row, read_rows, write_rows


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [Row("b,1", 0.5, 0.25, 3), Row("a", 1.0, 0.125, 0)]
    write_rows(tmp_path / "doubt.csv", rows)
    assert read_rows(tmp_path / "doubt.csv") == rows


@pytest.mark.parametrize("text", ["", "name\n", "a,1,nan,0\n", "a,inf,0,0\n", "a,1,0\n", "a,1,0,x\n"])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    head = "name,kept,doubt,refused\n" if text.startswith("a") else ""
    (tmp_path / "doubt.csv").write_text(head + text, encoding="utf-8")
    with pytest.raises(InputError, match="is damaged; run `labelmint label` again"):
        read_rows(tmp_path / "doubt.csv")
