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


def commands() -> list[tuple[str, str]]:
    """(document, command) of every `labelmint ...` line in sh blocks."""
    lines = [
        (file.name, line.strip())
        for file in DOCUMENTS
        for block in blocks(file, "sh")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [(name, line) for name, line in lines if line.startswith("labelmint ")]


@pytest.mark.parametrize(("document", "line"), commands())
def test_every_command_parses(document: str, line: str) -> None:
    import typer

    from labelmint.cli import app
    from labelmint.cli.options import parse_size, parse_words
    from labelmint.datasets.geometry import AUGMENTATIONS
    from labelmint.systems.catalogue import PRESETS, settings_of
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
    with_values(settings_of(values.get("system") or preset.system, preset.name), values.get("settings") or ())


def test_documents_have_commands() -> None:
    assert len(commands()) >= 10


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
