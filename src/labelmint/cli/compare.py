"""`labelmint compare`: which system for these data?"""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.evaluate import Features
from labelmint.cli.options import (
    AsJson,
    Augment,
    Clock,
    Crop,
    Data,
    Device,
    FormatIn,
    GroupBy,
    Ignore,
    Normalize,
    Orientation,
    Quiet,
    Rebalance,
    Scale,
    Seed,
    Threads,
    open_data,
    parse_size,
    parse_words,
)
from labelmint.cli.printing import print_json, table
from labelmint.cli.progress import Progress, duration
from labelmint.cli.takes import takes

if TYPE_CHECKING:
    from labelmint.comparison.options import ComparisonOptions
    from labelmint.reports.results import Results
    from labelmint.training.clock import ClockKind
    from labelmint.types import DataSet

__all__ = ["compare"]


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    data: Data
    systems: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="At least two, as in mint,flow; `labelmint systems` lists them. SYSTEM@VARIANT, as in flow@wide, "
            "has --set of its own.",
        ),
    ]
    minutes: Annotated[float, typer.Option(metavar="M", help="Time of each training.")] = 30.0
    clock: Clock = "wall"
    seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Trainings of each system; with 2 or more, intervals cover their spread as well.",
        ),
    ] = 1
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of runs, samples and report. The same command again continues it; more systems or seeds "
            "extend it."
        ),
    ] = Path("comparison")
    n: Annotated[
        int, typer.Option("-n", metavar="N", help="Samples of each training, for the test part's layouts.")
    ] = 400
    preset: Annotated[str, typer.Option(help="Of all systems; as for train.")] = "small"
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW", help="Size of the images; the preset's unless given.", show_default=False
        ),
    ] = None
    crop: Crop = False
    scale: Scale = 1.0
    augment: Augment = ""
    normalize: Normalize = "none"
    rebalance: Rebalance = "none"
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SYSTEM:KEY=VALUE",
            help="Set one value of one system, as in flow:generator.widths=64,96; repeatable.",
        ),
    ] = None
    judge_steps: Annotated[int, typer.Option(min=1, metavar="N", help="Training steps of the judge.")] = 1500
    features: Features = None
    group_by: GroupBy = None
    seed: Seed = 0
    device: Device = "auto"
    threads: Threads = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be done, and its time and memory.")
    ] = False
    format_in: FormatIn = None
    ignore: Ignore = ""
    orientation: Orientation = "auto"
    quiet: Quiet = False
    as_json: AsJson = False


@takes(_CommandLine)
def compare(chosen: _CommandLine) -> None:
    """Train systems for equal minutes, draw images for the test part's layouts, and say which is best.

    Writes report.html, report.json and compare.png.
    """
    from labelmint.comparison.options import ComparisonOptions
    from labelmint.segmenters.unet import SegmenterConfig

    options = ComparisonOptions(
        systems=parse_words(chosen.systems),
        minutes=chosen.minutes,
        clock=cast("ClockKind", chosen.clock),
        seeds=chosen.seeds,
        seed=chosen.seed,
        n=chosen.n,
        preset=chosen.preset,
        size=parse_size(chosen.size) if chosen.size is not None else None,
        crop=chosen.crop,
        scale=chosen.scale,
        augment=parse_words(chosen.augment),
        normalize=chosen.normalize,
        rebalance=chosen.rebalance,
        settings=tuple(chosen.settings or ()),
        group_by=chosen.group_by,
        judge=SegmenterConfig(steps=chosen.judge_steps),
        features=chosen.features,
        device=chosen.device,
        threads=chosen.threads,
    )
    data = open_data(
        chosen.data, chosen.format_in, chosen.ignore, orientation=chosen.orientation, quiet=chosen.quiet
    )
    if chosen.dry_run:
        _plan(data, options, chosen.as_json)
    else:
        _compare(data, chosen.out, options, chosen.as_json)


def _plan(data: DataSet, options: ComparisonOptions, as_json: bool) -> None:
    """Print what the comparison would take."""
    from labelmint.comparison.planning import planned

    with Progress() as progress:
        found = planned(data, options, report=progress.report)
    if as_json:
        print_json(found)
        return
    heads = ("system", "parameters", "trainings", "minutes each", "memory, MiB")
    rows = [
        (one["system"], one["parameters"], one["trainings"], one["seconds"] / 60, one["bytes"] >> 20)
        for one in found
    ]
    print(table(heads, rows))
    seconds = sum(one["seconds"] * one["trainings"] for one in found)
    print(f"expected: {duration(seconds)} of training, then drawing and judging; nothing was written")


def _compare(data: DataSet, out: Path, options: ComparisonOptions, as_json: bool) -> None:
    """Compare and print what was found."""
    from labelmint.comparison.compare import compare as run_comparison

    with Progress() as progress, interruptible("stopped; run the same command again to go on"):
        results = run_comparison(
            data, out, options, command=["labelmint", *sys.argv[1:]], report=progress.report
        )
    if as_json:
        print((out / "report.json").read_text(encoding="utf-8"), end="")
        return
    print(_text(results))
    print(f"look at {out / 'compare.png'} and {out / 'report.html'}; programs read {out / 'report.json'}")


def _text(results: Results) -> str:
    """The answer and the table of all figures."""
    from labelmint.reports.words import summary

    figures = results.sections[0].tables[0]
    rows = [[str(cell) for cell in row] for row in figures.rows]
    note = textwrap.fill(figures.note, 100, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([summary(results), "", table(figures.head, rows), note, ""])
