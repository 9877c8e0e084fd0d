"""The documents tell the truth: their commands parse, their Python runs, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import SMALLEST_MINT

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(file: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def commands(file: Path) -> list[str]:
    """Every `labelmint ...` line in sh blocks of a document."""
    lines = [line.strip() for block in blocks(file, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("labelmint ")]


WITH_COMMANDS = [file for file in DOCUMENTS if commands(file)]


@pytest.mark.parametrize("file", WITH_COMMANDS, ids=lambda file: file.name)
def test_every_command_parses(file: Path) -> None:
    for line in commands(file):
        try:
            _parse(line)
        except Exception as error:
            raise AssertionError(f"{line}: {error}") from error


def _parse(line: str) -> None:
    import typer
    from labelmint.systems.presets import PRESETS

    from labelmint.cli import app
    from labelmint.cli.options import parse_size, parse_words
    from labelmint.datasets.geometry import AUGMENTATIONS
    from labelmint.systems.catalogue import SYSTEMS
    from labelmint.systems.sections import with_values

    words = shlex.split(line, comments=True)[1:]
    at: Any = typer.main.get_command(app)
    context = None
    while hasattr(at, "commands") and words and words[0] in at.commands:
        context = at.make_context(words[0], [], parent=context, resilient_parsing=True)
        at, words = at.commands[words[0]], words[1:]
    if "--help" in words or "--version" in words:
        return
    values = at.make_context(at.name, list(words), parent=context).params
    if values.get("size"):
        parse_size(values["size"])
    assert set(parse_words(values.get("augment") or "")) <= set(AUGMENTATIONS)
    preset = PRESETS[values.get("preset") or "tiny"]
    with_values(
        preset.settings(SYSTEMS[values.get("system") or preset.system].family), values.get("settings") or ()
    )


def test_documents_have_commands() -> None:
    assert sum(len(commands(file)) for file in WITH_COMMANDS) >= 10


def test_the_python_of_the_readme_runs(
    digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import labelmint

    (code,) = blocks(ROOT / "README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    assert 'preset="tiny"' in code
    shutil.copytree(digits_folder, tmp_path / "my-data")
    monkeypatch.chdir(tmp_path)
    exec(
        code.replace(
            'preset="tiny"', f'preset="tiny", settings={SMALLEST_MINT!r}, precision="32", threads=1'
        ),
        {},
    )
    assert len(labelmint.read("new-data")) == 100
    (conversion,) = blocks(ROOT / "docs" / "formats.md", "python")
    exec(conversion, {})
    assert labelmint.read("my-data-as-coco").format == "coco"


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_links_lead_somewhere(file: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", file.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (file.parent / link).exists()]
    assert missing == []
