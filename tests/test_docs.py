"""The documents tell the truth: their commands parse, their Python runs, and what they name is there."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import SMALLEST_MINT

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"  # of the past, too: it names what is gone
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS = [CHANGELOG, *PAGES]
every_document = pytest.mark.parametrize(
    "file", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix()
)
every_page = pytest.mark.parametrize("file", PAGES, ids=lambda file: file.relative_to(ROOT).as_posix())


def blocks(file: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def commands(file: Path) -> list[str]:
    """Every `labelmint ...` line in the sh blocks of a document."""
    lines = [line.strip() for block in blocks(file, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("labelmint ")]


@every_document
def test_every_command_parses(file: Path) -> None:
    for line in commands(file):
        _check_command(line)


def _check_command(line: str) -> None:
    from labelmint.cli.app import command
    from labelmint.cli.options import parse_size, parse_words
    from labelmint.datasets.geometry import AUGMENTATIONS
    from labelmint.systems.catalogue import PRESETS, settings_of
    from labelmint.systems.sections import with_values

    words = shlex.split(line, comments=True)[1:]
    at: Any = command()
    context = None
    while hasattr(at, "commands") and words and words[0] in at.commands:
        context = at.make_context(words[0], [], parent=context, resilient_parsing=True)
        at, words = at.commands[words[0]], words[1:]
    if "--help" in words or "--version" in words:
        return
    values = at.make_context(at.name, list(words), parent=context).params
    if values.get("size"):
        parse_size(values["size"])
    assert set(parse_words(values.get("augment") or "")) <= set(AUGMENTATIONS), line
    for system in parse_words(values.get("systems") or ""):
        settings_of(system.partition("@")[0], values["preset"])
    preset = PRESETS[values.get("preset") or "tiny"]
    settings = values.get("settings") or ()
    if not values.get("systems"):
        with_values(settings_of(values.get("system") or preset.system, preset.name), settings)
    for value in settings if values.get("systems") else ():
        entrant, _, setting = value.partition(":")
        with_values(settings_of(entrant.partition("@")[0], preset.name), (setting,))
    if at.name == "study":
        _check_study(values)


def _check_study(values: dict[str, Any]) -> None:
    """What is asked of a study goes together."""
    from labelmint.cli.options import parse_counts, parse_words
    from labelmint.usefulness.plan import StudyOptions

    given = {name: values[name] for name in ("synthetic", "unlabelled", "share", "curve")}
    counts = parse_counts(values["n_train"], "--n-train") if values["n_train"] is not None else None
    StudyOptions(n_train=counts, arms=parse_words(values["arms"]), **given)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 90


def test_documents_have_commands() -> None:
    assert sum(len(commands(file)) for file in DOCUMENTS) >= 10


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
            'preset="tiny"',
            f'preset="tiny", settings={(*SMALLEST_MINT, "tokenizer.steps=8")!r}, precision="32", threads=1',
        ),
        {},
    )
    assert len(labelmint.read("new-data")) == 100
    (conversion,) = blocks(ROOT / "docs" / "formats.md", "python")
    exec(conversion, {})
    assert labelmint.read("my-data-as-coco").format == "coco"


@every_document
def test_links_lead_somewhere(file: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", file.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (file.parent / link).exists()]
    assert missing == []


def named(file: Path, pattern: str) -> set[str]:
    """What stands in single backticks in a document and matches as a whole."""
    quoted = re.findall(r"`([^`\n]+)`", file.read_text(encoding="utf-8"))
    return {text for text in quoted if re.fullmatch(pattern, text)}


@every_page
def test_every_python_file_that_is_named_exists(file: Path) -> None:
    places = (ROOT / "src" / "labelmint", ROOT)
    missing = [
        path
        for path in named(file, r"[\w/]+/\w+\.py")
        if not any((place / path).is_file() for place in places)
    ]
    assert missing == []


@every_page
def test_every_python_name_exists(file: Path) -> None:
    for name in named(file, r"labelmint(\.\w+)+(\(.*\))?"):
        parts = name.partition("(")[0].split(".")
        module = importlib.import_module(".".join(parts[:-1]))
        assert hasattr(module, parts[-1]) or importlib.util.find_spec(".".join(parts)), name


@every_page
def test_every_setting_that_is_named_is_one_of_some_system(file: Path) -> None:
    from labelmint.systems.catalogue import SYSTEMS

    known = {
        f"{section}.{key}"
        for system in SYSTEMS.values()
        for preset in system.presets.values()
        for section, values in preset().each().items()
        for key in type(values).model_fields
    }
    sections = {name.partition(".")[0] for name in known}
    found = {name.partition("=")[0] for name in named(file, rf"({'|'.join(sections)})\.\w+(=.*)?")}
    assert found <= known | NOT_IN_A_PRESET


# Settings of the other network of a section, which no preset has.
NOT_IN_A_PRESET = {"prior.key_value_heads", "prior.condition"}
