"""What the site has beside the pages of docs/: references made from the code, and pages that lie outside docs/.

    page of the site = file of docs/ | text made from the code | file of the checkout

On GitHub all links lead to files. In the site, links to a file outside docs/ lead to its page (`OUTSIDE`), and links in
such a file lead back.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_markdown"]

OUTSIDE = {
    "experiments/LOG.md": "log.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
}
_HOMES = {page: home for home, page in OUTSIDE.items() if page != "index.md"}
_LINK = re.compile(r"\]\(([^)#\s:]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    root = Path(config.config_file_path).parent
    made: dict[str, Callable[[], str]] = {
        "command-line.md": _commands,
        "api.md": _names,
        "settings.md": _settings,
    }
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text()))
    for uri, home in _HOMES.items():
        files.append(File.generated(config, uri, content=(root / home).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links that cross the border of docs/ to pages, and raise the headings of a page that begins at the second
    level.
    """
    here = page.file.src_uri
    folder = posixpath.dirname(_HOMES.get(here, f"docs/{here}"))

    def led(link: re.Match[str]) -> str:
        to = posixpath.normpath(posixpath.join(folder, link[1]))
        if to not in OUTSIDE and here not in _HOMES:
            return link[0]
        to = OUTSIDE.get(to, to.removeprefix("docs/"))
        return "](" + posixpath.relpath(to, posixpath.dirname(here) or ".")

    markdown = _LINK.sub(led, markdown)
    return re.sub(r"^#(#+ )", r"\1", markdown, flags=re.MULTILINE) if markdown.startswith("## ") else markdown


def _commands() -> str:
    """The verbs with their arguments and options, as typer itself documents them."""
    from typer import Context
    from typer.cli import get_docs_for_click

    from labelmint.cli.app import command

    _say_in_full(command())
    return get_docs_for_click(obj=command(), ctx=Context(command()), name="labelmint", title="Command line")


def _say_in_full(verb: Any) -> None:
    """Let the list of verbs hold the first sentence of each, which is cut after 45 characters otherwise."""
    for below in getattr(verb, "commands", {}).values():
        below.short_help = (
            " ".join((below.help or "").split("\n\n")[0].split()).partition(". ")[0].rstrip(".") + "."
        )
        _say_in_full(below)


def _names() -> str:
    """The public names; mkdocstrings fills in their docstrings."""
    import labelmint

    return "\n\n".join(["# Python", *(f"::: labelmint.{name}" for name in labelmint.__all__)])


def _settings() -> str:
    """One table a system: the value of each setting in each preset."""
    from labelmint.systems.catalogue import SYSTEMS

    lines = [
        "# Settings of systems",
        "",
        "`labelmint train --set NAME=VALUE` sets each; `labelmint systems --presets` says what presets are for.",
    ]
    for system in SYSTEMS.values():
        values: dict[str, dict[str, Any]] = {}
        says: dict[str, str] = {}
        for preset, settings in system.presets.items():
            for section, content in settings().each().items():
                for key, field in type(content).model_fields.items():
                    values.setdefault(f"{section}.{key}", {})[preset] = getattr(content, key)
                    says[f"{section}.{key}"] = field.description or ""
        head = ["setting", *(f"`{preset}`" for preset in system.presets), "what it is"]
        lines += ["", f"## {system.name}", "", _row(head), _row(["---"] * len(head))]
        for name, of in values.items():
            shown = [str(of[preset]) if preset in of else "" for preset in system.presets]
            lines.append(_row([f"`{name}`", *shown, says[name]]))
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    """One line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
