"""`labelmint synthesize`: new labelled images from a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    BatchSize,
    Device,
    DialValues,
    DrawIn,
    FormatIn,
    Guidance,
    ImageFormat,
    LayoutTemperature,
    Seed,
    Temperature,
    ThreadsToDraw,
    dials_of,
    merge_of,
    open_merged,
    parse_batch,
    sets_of,
)
from labelmint.cli.printing import print_json, quoted
from labelmint.cli.progress import Progress

if TYPE_CHECKING:
    from labelmint.synthesis import MintOptions
    from labelmint.types import DataSet

__all__ = ["synthesize"]

_Run: TypeAlias = Annotated[
    Path, typer.Argument(help="A run folder, as `labelmint train` wrote it.", show_default=False)
]
_Out: TypeAlias = Annotated[Path, typer.Option(help="The folder to write; it must be new or empty.")]
_Count: TypeAlias = Annotated[int, typer.Option("-n", metavar="N", help="How many new pairs.")]
_Start: TypeAlias = Annotated[
    int, typer.Option(help="Index of the first pair; pair i is the same whatever -n and --start are.")
]
_Format: TypeAlias = Annotated[
    str, typer.Option("--format", metavar="NAME", help="Any that `labelmint formats` lists as written.")
]
_Layouts: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="DATA", help="Take the layouts of these labelled images.", show_default=False),
]
_Reference: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DATA",
        help="Layouts with their images, for a run trained with --set tokenizer.reference=true.",
        show_default=False,
    ),
]
_Keep: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PART",
        help="Draw the rest of the pairs of --layouts and keep layout:CLASS, image:CLASS or "
        "image:x0,y0,x1,y1; repeatable.",
        show_default=False,
    ),
]
_LayoutsFrom: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Draw the layouts with this run of the same classes and size, and the images with the first.",
        show_default=False,
    ),
]
_PerLayout: TypeAlias = Annotated[
    int,
    typer.Option(metavar="K", help="K images for each layout that is given, varied or taken from training."),
]
_Vary: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--vary", help="Turn, zoom and mix given layouts, or else those of training, into new ones."
    ),
]
_Filter: TypeAlias = Annotated[
    str,
    typer.Option(
        "--filter",
        metavar="MODE",
        help="on: drop pairs whose image does not show what the label says, and near-copies of training "
        "images; ignore: have doubtful "
        "pixels ignored where that helps; off; auto: on where `labelmint evaluate` left a judge in the "
        "run, off with --keep.",
    ),
]
_FilterShare: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="PERCENT", help="Of real validation pairs that the filter would drop; more is stricter."
    ),
]
_Data: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DATA",
        help="The real data, where it has moved since `evaluate`; repeatable, for a run trained on "
        "several sets.",
        show_default=False,
    ),
]
_MostCandidates: TypeAlias = Annotated[
    int | None,
    typer.Option(metavar="M", help="Give up after so many; 10 N unless given.", show_default=False),
]
_Resume: TypeAlias = Annotated[bool, typer.Option("--resume", help="Go on where a stopped command was.")]


def synthesize(
    run: _Run,
    out: _Out,
    n: _Count,
    seed: Seed = 0,
    start: _Start = 0,
    format: _Format = "folder",
    image_format: ImageFormat = "png",
    layouts: _Layouts = None,
    reference: _Reference = None,
    layouts_from: _LayoutsFrom = None,
    keep: _Keep = None,
    per_layout: _PerLayout = 1,
    vary: _Vary = False,
    layout_temperature: LayoutTemperature = None,
    temperature: Temperature = None,
    guidance: Guidance = None,
    dial: DialValues = None,
    batch_size: BatchSize = "auto",
    filter: _Filter = "auto",
    filter_share: _FilterShare = 5.0,
    data: _Data = None,
    most_candidates: _MostCandidates = None,
    resume: _Resume = False,
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
    from labelmint.synthesis import MintOptions, check_target

    check_target(out, n=n, format=format, resume=resume)
    if layouts_from is not None:
        _check_alone(
            layouts=layouts,
            reference=reference,
            vary=vary or None,
            keep=keep or None,
            per_layout=per_layout if per_layout != 1 else None,
        )
    given, references = (_opened(path, run, format_in) for path in (layouts, reference))
    options = MintOptions(
        n=n,
        seed=seed,
        start=start,
        format=format,
        image_format=image_format,
        layouts=given,
        reference=references,
        keep=tuple(keep or ()),
        per_layout=per_layout,
        vary=vary,
        dials=dials_of(
            dial, temperature=temperature, layout_temperature=layout_temperature, guidance=guidance
        ),
        batch_size=parse_batch(batch_size),
        filter=filter,
        filter_share=filter_share / 100,
        data=_real(data or (sets_of(run) if _filters(filter, run, keep) else []), run),
        most_candidates=most_candidates,
        resume=resume,
    )
    runs = [run] if layouts_from is None else [run, layouts_from]
    doubts = _mint(runs, out, options, device=device, threads=threads, precision=precision)
    _tell(_facts(out, n, layouts or reference, doubts), run, as_json)


def _filters(filter: str, run: Path, keep: list[str] | None) -> bool:
    """True if this filter needs the real pairs."""
    return filter in ("on", "ignore") or (filter == "auto" and (run / "judge").is_dir() and not keep)


def _check_alone(**given: object) -> None:
    """Raise InputError where layouts come from elsewhere, too."""
    from labelmint.errors import InputError

    for name, value in given.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{option}: has no meaning with --layouts-from, which draws a layout for each image; leave one of the "
                f"two out"
            )


def _mint(
    runs: list[Path], out: Path, options: MintOptions, *, device: str, threads: int | None, precision: str
) -> list[str]:
    """Write the data set, by the first run, with the layouts of a second one; return the warnings, which are told
    on stderr as they come.
    """
    from labelmint.runs.trained import load
    from labelmint.synthesis import mint

    doubts: list[str] = []

    def say(line: str) -> None:
        doubts.append(line)
        print(f"labelmint: warning: {line}", file=sys.stderr, flush=True)

    system, *others = (load(run, device=device, threads=threads, precision=precision) for run in runs)
    for other in others:
        system = system.with_layouts_from(other)
    with Progress() as progress, interruptible("stopped; run the same command with --resume to go on"):
        mint(system, out, options, report=progress.report, warn=say)
    return doubts


def _opened(path: Path | None, run: Path, format_in: str | None) -> DataSet | None:
    """Given pairs, under the classes that the run learned."""
    return None if path is None else open_merged([path], merge_of(run), format_in, "")


def _facts(out: Path, n: int, given: Path | None, doubts: list[str]) -> dict[str, Any]:
    """What was made, as the export itself says it."""
    settings = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    filtered = {**settings["filter"], **settings["outcome"]} if "filter" in settings else None
    layouts = settings["layouts"] if given is None else str(given)
    return {
        "out": str(out),
        "pairs": n,
        "format": settings["format"],
        "system": settings["system"],
        "weights": settings["weights"],
        "layouts": f"{layouts}, varied" if settings.get("vary") else layouts,
        "filter": filtered,
        "warnings": doubts,
    }


def _real(data: list[Path], run: Path) -> DataSet | Path | None:
    """The real data where they are said to be: as one set, under the run's merged classes, where it learned
    from several.
    """
    merge = merge_of(run)
    if not data:
        return None
    return data[0] if len(data) == 1 and merge is None else open_merged(data, merge, None, "")


def _tell(facts: dict[str, Any], run: Path, as_json: bool) -> None:
    print_json(facts) if as_json else print(_told(facts, run))


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
