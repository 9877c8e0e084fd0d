"""`labelmint synthesize`: new labelled images from a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    BatchSize,
    Device,
    DrawIn,
    FormatIn,
    Seed,
    ThreadsToDraw,
    merge_of,
    open_merged,
    parse_batch,
    sets_of,
)
from labelmint.cli.printing import print_json, quoted
from labelmint.cli.progress import Progress

if TYPE_CHECKING:
    from labelmint.types import DataSet

__all__ = ["synthesize"]


def synthesize(
    run: Annotated[
        Path, typer.Argument(help="A run folder, as `labelmint train` wrote it.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; it must be new or empty.")],
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many new pairs.")],
    seed: Seed = 0,
    start: Annotated[
        int, typer.Option(help="Index of the first pair; pair i is the same whatever -n and --start are.")
    ] = 0,
    # the option's own name
    format: Annotated[str, typer.Option("--format", metavar="NAME", help="folder or coco.")] = "folder",
    layouts: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Take the layouts of these labelled images.", show_default=False),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Layouts with their images, for a run trained with --set tokenizer.reference=true.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART",
            help="Draw the rest of the pairs of --layouts and keep layout:CLASS, image:CLASS or "
            "image:x0,y0,x1,y1; repeatable.",
            show_default=False,
        ),
    ] = None,
    per_layout: Annotated[
        int,
        typer.Option(
            metavar="K", help="K images for each layout that is given, varied or taken from training."
        ),
    ] = 1,
    vary: Annotated[
        bool,
        typer.Option(
            "--vary", help="Turn, zoom and mix given layouts, or else those of training, into new ones."
        ),
    ] = False,
    layout_temperature: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            help="Below 1: likelier, less varied layouts. The run's own (layout_prior.temperature) unless "
            "given.",
        ),
    ] = None,
    temperature: Annotated[
        float, typer.Option(metavar="T", help="Below 1: likelier, less varied images.")
    ] = 0.85,
    guidance: Annotated[
        float,
        typer.Option(
            metavar="G",
            help="Above 1: images heed their layouts more. For runs trained with --set "
            "prior.condition_dropout=0.1.",
        ),
    ] = 1.0,
    batch_size: BatchSize = "auto",
    filter: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="MODE",
            help="on: drop pairs whose image does not show what the label says, and near-copies of training "
            "images; ignore: have doubtful "
            "pixels ignored where that helps; off; auto: on where `labelmint evaluate` left a judge in the "
            "run, off with --keep.",
        ),
    ] = "auto",
    filter_share: Annotated[
        float,
        typer.Option(
            metavar="PERCENT", help="Of real validation pairs that the filter would drop; more is stricter."
        ),
    ] = 5.0,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DATA",
            help="The real data, where it has moved since `evaluate`; repeatable, for a run trained on "
            "several sets.",
            show_default=False,
        ),
    ] = None,
    most_candidates: Annotated[
        int | None,
        typer.Option(metavar="M", help="Give up after so many; 10 N unless given.", show_default=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped command was.")] = False,
    device: Device = "auto",
    threads: ThreadsToDraw = None,
    precision: DrawIn = "32",
    format_in: FormatIn = None,
    as_json: AsJson = False,
) -> None:
    """Draw new images with their labels: the layout first, then the image for it.

    With a filter more are drawn than are written, until there are N; the others leave gaps in the numbers.
    Given layouts whose objects are larger or smaller than any that the run was trained on are drawn with a
    warning.
    """
    from labelmint.runs.trained import load
    from labelmint.synthesis import check_target, mint

    check_target(out, n=n, format=format, resume=resume)
    pairs_at_once = parse_batch(batch_size)
    given, references = (
        open_merged([data], merge_of(run), format_in, "") if data is not None else None
        for data in (layouts, reference)
    )
    filters = filter in ("on", "ignore") or (filter == "auto" and (run / "judge").is_dir() and not keep)
    real = _real(data or (sets_of(run) if filters else []), run)
    system = load(run, device=device, threads=threads, precision=precision)
    doubts: list[str] = []

    def say(line: str) -> None:
        doubts.append(line)
        print(f"labelmint: warning: {line}", file=sys.stderr, flush=True)

    with Progress() as progress, interruptible("stopped; run the same command with --resume to go on"):
        mint(
            system,
            out,
            n=n,
            seed=seed,
            start=start,
            format=format,
            layouts=given,
            reference=references,
            keep=tuple(keep or ()),
            per_layout=per_layout,
            vary=vary,
            layout_temperature=layout_temperature,
            temperature=temperature,
            guidance=guidance,
            batch_size=pairs_at_once,
            filter=filter,
            filter_share=filter_share / 100,
            data=real,
            most_candidates=most_candidates,
            resume=resume,
            report=progress.report,
            warn=say,
        )
    facts = {
        "out": str(out),
        "pairs": n,
        "format": format,
        "system": system.system,
        "weights": system.digest,
        "layouts": _layouts(layouts or reference, drawn=system.has_layout_prior and not vary)
        + (", varied" if vary else ""),
        "filter": _filtered(out),
        "warnings": doubts,
    }
    print_json(facts) if as_json else print(_told(facts, run))


def _real(data: list[Path], run: Path) -> DataSet | Path | None:
    """The real data where they are said to be: as one set, under the run's merged classes, where it learned
    from several.
    """
    merge = merge_of(run)
    if not data:
        return None
    return data[0] if len(data) == 1 and merge is None else open_merged(data, merge, None, "")


def _told(facts: dict[str, Any], run: Path) -> str:
    out = Path(facts["out"])
    return "\n".join(
        [
            f"wrote {facts['pairs']} new pairs by {facts['system']} to {out} (format {facts['format']}; "
            f"layouts: {facts['layouts']})",
            f"  {_told_of_filter(facts['filter'])}",
            f"  look at {out / 'contact_sheet.png'}; {out / 'README.md'} says what the set is and how to "
            f"make it again",
            f"next: labelmint inspect {quoted(out)}, and labelmint evaluate {quoted(run)} DATA --out REPORT "
            f"with the real data",
        ]
    )


def _layouts(given: Path | None, *, drawn: bool) -> str:
    if given is not None:
        return str(given)
    return "drawn" if drawn else "training layouts of the run"


def _filtered(out: Path) -> dict[str, Any] | None:
    """What the filter did, as the export itself says; None when it was off."""
    settings = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    return {**settings["filter"], **settings["outcome"]} if "filter" in settings else None


def _told_of_filter(filtered: dict[str, Any] | None) -> str:
    if filtered is None:
        return (
            "filter off: no pair was dropped, and copies of training images were not looked for (needs "
            "`labelmint evaluate` first)"
        )
    dropped = filtered["dropped"]
    doubtful = f", {dropped['mostly doubtful']} as mostly doubtful" if filtered["mode"] == "ignore" else ""
    return (
        f"{filtered['drawn']} drawn, {dropped['disagrees']} dropped by the filter (agreement under "
        f"{filtered['threshold']:.2f}){doubtful}, "
        f"{dropped['near-copy']} withheld as near-copies"
    )
