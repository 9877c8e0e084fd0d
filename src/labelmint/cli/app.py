"""The app that holds the verbs."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from labelmint.cli import (
    advise,
    card,
    compare,
    convert,
    datasets,
    demo,
    describe,
    evaluate,
    explain,
    formats,
    inspect,
    interpolate,
    join,
    label,
    runs,
    studio,
    study,
    synthesize,
    systems,
    train,
)
from labelmint.cli.errors import answer
from labelmint.version import __version__

__all__ = ["app", "command", "main"]

app = typer.Typer(
    name="labelmint",
    help="Train on images with their labels and mint new ones: any number of new images, each with its exact "
    "label.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("inspect")(inspect.inspect)
app.command("convert")(convert.convert)
app.command("formats")(formats.formats)
app.add_typer(datasets.app, name="datasets")
app.command("systems")(systems.systems)
app.command("train")(train.train)
app.command("synthesize")(synthesize.synthesize)
app.command("join")(join.join)
app.command("interpolate")(interpolate.interpolate)
app.command("describe")(describe.describe)
app.command("evaluate")(evaluate.evaluate)
app.command("runs")(runs.runs)
app.command("card")(card.card)
app.command("compare")(compare.compare)
app.command("advise")(advise.advise)
app.command("label")(label.label)
app.command("studio")(studio.studio)
app.command("study")(study.study)
app.command("explain")(explain.explain)
app.command("demo")(demo.demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"labelmint {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@functools.cache
def command() -> Any:
    """The app as a command of typer's, put together once a process."""
    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 2 after bad input, 130 after Ctrl-C.

    Arguments:
        arguments: the words after `labelmint`; those of the process when None.
    """
    if arguments is None and "OMP_WAIT_POLICY" not in os.environ:
        # Read when PyTorch loads. Idle threads that spin for long, the default, take the cores from the
        # working ones wherever other programs compute too; threads that never spin wait for the system to
        # wake them after each small operation, which halves the speed of small networks
        # (docs/performance.md). GNU's OpenMP spins this often, others sleep at once.
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names that a console can't show, as stderr has them.
        sys.stdout.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    return answer(lambda: command()(words, prog_name="labelmint", standalone_mode=False))
