"""A verb with its options in a dataclass is the verb with as many parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer

from labelmint.cli.takes import takes


@dataclass(frozen=True)
class Words:
    text: Annotated[str, typer.Argument(help="What is said.", show_default=False)]
    n: Annotated[int, typer.Option("-n", min=1, help="How often.")] = 2
    loud: Annotated[bool, typer.Option("--loud", help="In capitals.")] = False


def _said(command: typer.Typer, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    typer.main.get_command(command)(words, prog_name="say", standalone_mode=False)
    return capsys.readouterr().out


def test_fields_are_the_parameters_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    plain, taking = typer.Typer(add_completion=False), typer.Typer(add_completion=False)

    @plain.command()
    def say(
        text: Annotated[str, typer.Argument(help="What is said.", show_default=False)],
        n: Annotated[int, typer.Option("-n", min=1, help="How often.")] = 2,
        loud: Annotated[bool, typer.Option("--loud", help="In capitals.")] = False,
    ) -> None:
        """Say something."""
        print((text.upper() if loud else text) * n)

    @taking.command("say")
    @takes(Words)
    def say_so(chosen: Words) -> None:
        """Say something."""
        print((chosen.text.upper() if chosen.loud else chosen.text) * chosen.n)

    for words in (["--help"], ["ab"], ["ab", "-n", "3"], ["--loud", "ab"]):
        assert _said(plain, words, capsys) == _said(taking, words, capsys) != ""
