"""`labelmint card`: a model card of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["card"]


def card(
    run: Annotated[
        Path, typer.Argument(help="A run folder, as `labelmint train` wrote it.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; RUN/README.md unless given.", show_default=False)
    ] = None,
    license: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Of the weights, as in apache-2.0.", show_default=False)
    ] = None,
    data_license: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Of the training images and labels.", show_default=False),
    ] = None,
) -> None:
    """Write the model card of a run.

    It says what the run is, its data, settings and training, the figures of its newest `evaluate` report, and how to
    draw with it.
    """
    from labelmint.errors import InputError
    from labelmint.evaluation.known_runs import known_run
    from labelmint.evaluation.model_card import model_card
    from labelmint.storage import write_text

    for option, text in (("--license", license), ("--data-license", data_license)):
        if text is not None and (not text.strip() or "\n" in text):
            raise InputError(f"{option} {text!r}: expected one line of text")
    known, file = known_run(run), run / "README.md" if out is None else out
    if file.exists():
        raise InputError(f"{file}: exists already; name another file by --out, or remove it")
    if not file.absolute().parent.is_dir():
        raise InputError(f"{file}: its folder is missing; make it, or name another file by --out")
    write_text(file, model_card(known, license=license, data_license=data_license))
    print(f"wrote {file}")
