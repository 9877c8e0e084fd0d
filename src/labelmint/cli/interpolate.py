"""`labelmint interpolate`: a movie of one layout between two codes, or of layouts that change under one code."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmint.cli.dial_options import DialValues, Guidance, Style, dials_of
from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    BatchSize,
    Device,
    FormatIn,
    ThreadsToDraw,
    merge_of,
    open_merged,
    parse_batch,
    parse_numbers,
)
from labelmint.cli.printing import print_json
from labelmint.cli.progress import Progress
from labelmint.cli.takes import takes
from labelmint.errors import InputError

if TYPE_CHECKING:
    from labelmint.types import DataSet

__all__ = ["interpolate"]


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    run: Annotated[
        Path, typer.Argument(help="A run folder, as `labelmint train` wrote it.", show_default=False)
    ]
    out: Annotated[
        Path,
        typer.Option(
            help="movie.gif, movie.png (APNG), movie.mp4 where ffmpeg is installed, or a new folder for the frames as "
            "a data set."
        ),
    ]
    layouts: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Show a layout of these labelled images; one of the training pairs unless given.",
            show_default=False,
        ),
    ] = None
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which layout; the first unless given.", show_default=False),
    ] = None
    sequence: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Show all layouts of these labelled images, in order of their names, under one code.",
            show_default=False,
        ),
    ] = None
    move: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="The largest object of this class moves in the layout and comes back, under one code.",
            show_default=False,
        ),
    ] = None
    by: Annotated[
        str | None,
        typer.Option(
            metavar="DX,DY",
            help="With --move: how far, in pixels of the layout to the right and down.",
            show_default=False,
        ),
    ] = None
    zoom: Annotated[
        float, typer.Option(metavar="S", help="With --move: its size at the far end; 0.5 is half as large.")
    ] = 1.0
    from_seed: Annotated[int, typer.Option(metavar="A", min=0, help="Seed of the first frame's code.")] = 0
    to_seed: Annotated[
        int | None,
        typer.Option(
            metavar="B",
            min=0,
            help="Seed of the last frame's code. Unless given A + 1 for a layout that stands still; layouts that "
            "change are shown under one code.",
            show_default=False,
        ),
    ] = None
    frames: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="How many; 60 unless given, of a sequence all of its layouts.",
            show_default=False,
        ),
    ] = None
    fps: Annotated[float, typer.Option(metavar="N", help="Frames a second.")] = 12.0
    guidance: Guidance = None
    style: Style = None
    dial: DialValues = None
    batch_size: BatchSize = "auto"
    device: Device = "auto"
    threads: ThreadsToDraw = None
    format_in: FormatIn = None
    as_json: AsJson = False


@takes(_CommandLine)
def interpolate(chosen: _CommandLine) -> None:
    """Make a movie: one layout while its code goes from one seed's to another's, or layouts that change under one
    code.

    Each frame shows its label beside its image. The command reports how much neighboring frames differ, beside the
    same layouts under a fresh code each. For systems whose images have a code: pix2pix, pix2pixhd with features,
    bicyclegan, spade and bachgan with a code, bachgan-apart, obj-cgan, layout2im, biggan, cimle, crn with several
    outputs, flow.
    """
    from labelmint.movies.interpolate import interpolate as film
    from labelmint.movies.options import MovieOptions
    from labelmint.movies.publish import check_out
    from labelmint.runs.trained import load

    check_out(chosen.out)
    options = MovieOptions(
        layouts=_opened(chosen.layouts, chosen),
        name=chosen.name,
        sequence=_opened(chosen.sequence, chosen),
        move=chosen.move,
        by=_by(chosen.by),
        zoom=chosen.zoom,
        from_seed=chosen.from_seed,
        to_seed=chosen.to_seed,
        frames=chosen.frames,
        per_second=chosen.fps,
        dials=dials_of(chosen.dial, guidance=chosen.guidance, style=chosen.style),
        batch_size=parse_batch(chosen.batch_size),
    )
    system = load(chosen.run, device=chosen.device, threads=chosen.threads)
    with Progress() as progress, interruptible("stopped; nothing was written"):
        facts = film(system, chosen.out, options, report=progress.report, warn=_say)
    print_json(facts) if chosen.as_json else print(_told(facts))


def _opened(path: Path | None, chosen: _CommandLine) -> DataSet | None:
    """Given layouts, under the classes that the run learned."""
    return None if path is None else open_merged([path], merge_of(chosen.run), chosen.format_in, "")


def _by(text: str | None) -> tuple[float, float]:
    """ "40,-10" -> (40.0, -10.0). Raises InputError for anything else."""
    if text is None:
        return 0.0, 0.0
    found = parse_numbers(text, "--by")
    if len(found) != 2:
        raise InputError(f"--by {text}: expected DX,DY in pixels to the right and down, as in 40,-10")
    return found[0], found[1]


def _say(line: str) -> None:
    print(f"labelmint: warning: {line}", file=sys.stderr, flush=True)


def _told(facts: dict[str, Any]) -> str:
    layouts, seeds = facts["layouts"], f"under the code of seed {facts['from_seed']}"
    what = f"the layout {layouts[0]!r}" if len(layouts) == 1 else f"{len(layouts)} layouts"
    if facts["kind"] == "moved":
        what += f", whose {facts['move']} moves,"
    if facts["to_seed"] is not None:
        seeds = f"from the code of seed {facts['from_seed']} to that of {facts['to_seed']}"
    found = facts["difference_to_the_frame_before"]
    means = {name: each["mean"] for name, each in found.items() if isinstance(each, dict)}
    own = next(iter(means.values()))
    line = f"neighboring frames differ by {own:.3g} of 255 levels"
    if "fresh codes" in means:
        share = found["share_of_fresh_codes"]
        beside = "" if share is None else f" ({100 * share:.0f} % of that)"
        line += f"; under a fresh code each by {means['fresh codes']:.3g}{beside}"
    return f"wrote {facts['out']}: {facts['frames']} frames of {what} {seeds}\n{line}\nlook at {facts['files'][2]}"
