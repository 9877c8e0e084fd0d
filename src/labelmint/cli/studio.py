"""`labelmint studio`: a page in the browser, on this machine alone, to draw, paint and choose pairs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelmint.cli.errors import Stopped
from labelmint.cli.options import Device, FormatIn, ThreadsToDraw, merge_of, open_merged
from labelmint.cli.takes import takes
from labelmint.errors import InputError
from labelmint.storage import refuse_unwritable

if TYPE_CHECKING:
    from labelmint.studio.session import Session

__all__ = ["studio"]

_OUT = "kept"


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    run: Annotated[
        Path, typer.Argument(help="A run folder, as `labelmint train` wrote it.", show_default=False)
    ]
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Labelled images: layouts to paint on, and the training images to compare with.",
            show_default=False,
        ),
    ] = None
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of this machine; 0 takes a free one.")] = (
        8765
    )
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where what was kept is exported; a new or empty folder. Unless given kept, or kept-2 and so on "
            "where that is taken.",
            show_default=False,
        ),
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A folder of `labelmint evaluate` to look at; the newest beside the run unless given.",
            show_default=False,
        ),
    ] = None
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Minted labels to check: a folder of `labelmint label`.", show_default=False
        ),
    ] = None
    checked: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where checked labels are exported; LABELS-checked unless given. What was decided is kept in "
            "DIR-progress.",
            show_default=False,
        ),
    ] = None
    batch_size: Annotated[
        int,
        typer.Option(
            min=1, metavar="B", help="Pairs drawn at a time; another number gives slightly other pixels."
        ),
    ] = 4
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open nothing.")] = (
        False
    )
    device: Device = "auto"
    threads: ThreadsToDraw = None
    format_in: FormatIn = None


@takes(_CommandLine)
def studio(chosen: _CommandLine) -> None:
    """Open a page in the browser to draw new pairs, paint layouts and draw images for them, and keep what is good.

    The page is served to this machine alone, to whoever has its address with its token, and needs no network. Ctrl-C
    stops it.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise InputError("labelmint studio needs starlette and uvicorn; pip install 'labelmint[studio]'")
    _check_run(chosen.run)
    _check_what_is_shown(chosen)
    out = _free() if chosen.out is None else _unused(chosen.out, chosen.run, chosen.data)
    refuse_unwritable(out)  # what is kept lies in memory until it is exported
    from labelmint.studio.server import bound, serve

    def opened() -> Session:
        from labelmint.runs.trained import load
        from labelmint.studio.session import Session

        system = load(chosen.run, device=chosen.device, threads=chosen.threads)
        data = None
        if chosen.data is not None:
            data = open_merged([chosen.data], merge_of(chosen.run), chosen.format_in, "")
        checking = None
        if chosen.labels is not None:
            from labelmint.studio.checking import open_checking

            checking = open_checking(chosen.labels, chosen.checked)
        return Session(system, data, out, chosen.batch_size, report=chosen.report, checking=checking)

    def ready(address: str) -> None:
        print(f"the studio is at {address}   (Ctrl-C stops it)", flush=True)
        if not chosen.no_browser:
            _open(address)

    left = serve(bound(chosen.port), opened, ready).opened.result().unexported
    raise Stopped(f"stopped; {left} kept pairs were not exported" if left else "stopped")


def _check_run(run: Path) -> None:
    """Raise InputError for what is no run, before anything is loaded."""
    if not (run / "config.json").is_file():
        raise InputError(
            f"{run}: not a run folder (it has no config.json); give the folder that `labelmint train` wrote"
        )


def _check_what_is_shown(chosen: _CommandLine) -> None:
    """Raise InputError for a report or labels that are none, before anything is loaded."""
    if chosen.checked is not None and chosen.labels is None:
        raise InputError("--checked: says where checked labels go, and there are none; give --labels, too")
    if chosen.labels is not None and not (chosen.labels / "doubt.csv").is_file():
        raise InputError(
            f"--labels {chosen.labels}: holds no doubt.csv; give the folder that `labelmint label` wrote"
        )
    if chosen.report is not None:
        from labelmint.reports.files import read_report

        read_report(chosen.report)


def _unused(out: Path, run: Path, data: Path | None) -> Path:
    """The folder to export to. Raises InputError for one that is taken, or lies inside of the run or of the data."""
    from labelmint.formats import check_target

    check_target(out, format="folder", sources=[run] if data is None else [run, data])
    return out


def _free() -> Path:
    """The first of kept, kept-2, ... that is not there."""
    number = 1
    while (found := Path(_OUT if number == 1 else f"{_OUT}-{number}")).exists():
        number += 1
    return found


def _open(address: str) -> None:
    """Open the browser, where there is one; what it says goes nowhere."""
    import threading
    import webbrowser

    def browse() -> None:
        if not webbrowser.open(address):
            print("no browser was found; open the address yourself", file=sys.stderr, flush=True)

    threading.Thread(target=browse, daemon=True).start()
