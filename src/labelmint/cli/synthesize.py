"""`labelmint synthesize`: new labelled images from a run."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmint.cli.describe import Describe, Synonyms, read_names
from labelmint.cli.dial_options import DialValues, Guidance, LayoutTemperature, Style, Temperature, dials_of
from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    BatchSize,
    Device,
    DrawIn,
    FormatIn,
    ImageFormat,
    Seed,
    ThreadsToDraw,
    merge_of,
    open_merged,
    parse_batch,
    parse_reseed,
    sets_of,
)
from labelmint.cli.printing import filter_in_words, print_json, quoted
from labelmint.cli.progress import Progress
from labelmint.cli.takes import takes

if TYPE_CHECKING:
    from labelmint.synthesis import MintOptions
    from labelmint.types import DataSet

__all__ = ["synthesize"]


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    run: Annotated[
        Path, typer.Argument(help="A run folder, as `labelmint train` wrote it.", show_default=False)
    ]
    out: Annotated[Path, typer.Option(help="The folder to write; it must be new or empty.")]
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many new pairs.")]
    seed: Seed = 0
    start: Annotated[
        int, typer.Option(help="Index of the first pair; pair i is the same whatever -n and --start are.")
    ] = 0
    format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Any that `labelmint formats` lists as written.")
    ] = "folder"
    image_format: ImageFormat = "png"
    layouts: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Take the layouts of these labelled images.", show_default=False),
    ] = None
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Layouts with their images, for a run trained with --set tokenizer.reference=true.",
            show_default=False,
        ),
    ] = None
    layouts_from: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Draw the layouts with this run of the same classes and size, and the images with the first.",
            show_default=False,
        ),
    ] = None
    upscale: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Enlarge the images, and their labels, by this run of rdn or srcnn.",
            show_default=False,
        ),
    ] = None
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART",
            help="Draw the rest of the pairs of --layouts and keep layout:CLASS, image:CLASS or "
            "image:x0,y0,x1,y1; repeatable.",
            show_default=False,
        ),
    ] = None
    per_layout: Annotated[
        int,
        typer.Option(
            metavar="K",
            help="K images for each layout that is given, varied or taken from training; per_layout.png shows them "
            "beside it.",
        ),
    ] = 1
    vary: Annotated[
        bool,
        typer.Option(
            "--vary", help="Turn, zoom and mix the layouts, given ones or those of training, into new ones."
        ),
    ] = False
    reseed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SEED",
            help="Draw one stream of random numbers from another seed while the others stay: image=7 draws other "
            "images of the same layouts, layout=3 other layouts; msgnet-vq2 also has top and bottom, "
            "layout2im ground and objects, bachgan-apart foreground and background. Repeatable.",
            show_default=False,
        ),
    ] = None
    style_image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw every image in the style of this one. For runs whose encoder finds it: bicyclegan, and spade, "
            "bachgan and bachgan-wgan with generator.code above 0, as in tiny and small.",
            show_default=False,
        ),
    ] = None
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="For a run that sees boxes: boxes, as objects and filled in the map (the default), or given, the "
            "whole maps that they were found in, with all that boxes do not say ignored.",
            show_default=False,
        ),
    ] = None
    describe: Describe = None
    synonyms: Synonyms = None
    layout_temperature: LayoutTemperature = None
    temperature: Temperature = None
    guidance: Guidance = None
    style: Style = None
    dial: DialValues = None
    batch_size: BatchSize = "auto"
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
    ] = "auto"
    filter_share: Annotated[
        float,
        typer.Option(
            metavar="PERCENT",
            help="The share of real validation pairs that the filter may drop; more is stricter.",
        ),
    ] = 5.0
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DATA",
            help="The real data, where it has moved since `evaluate`; repeatable, for a run trained on "
            "several sets.",
            show_default=False,
        ),
    ] = None
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The images without labels that the run learned from, to be searched for copies, too.",
            show_default=False,
        ),
    ] = None
    most_candidates: Annotated[
        int | None,
        typer.Option(metavar="M", help="Give up after M candidates; 10 N unless given.", show_default=False),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Draw the K-th of N shares, counted from 0, of N machines: chunk k belongs to shard k mod N, and with "
            "a filter -n counts candidates. `labelmint join` makes one data set of all N.",
            show_default=False,
        ),
    ] = None
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Where to draw: here, or ray, on a Ray cluster (RAY_ADDRESS; without it the cores of this machine).",
        ),
    ] = "here"
    resume: Annotated[bool, typer.Option("--resume", help="Continue a command that was stopped.")] = False
    device: Device = "auto"
    threads: ThreadsToDraw = None
    precision: DrawIn = "32"
    format_in: FormatIn = None
    as_json: AsJson = False


@takes(_CommandLine)
def synthesize(chosen: _CommandLine) -> None:
    """Draw new images with their labels: the layout first, then the image for it.

    With a filter more are drawn than are written, until there are N; the others leave gaps in the numbers.
    Given layouts with larger or smaller objects than the run was trained on are drawn with a warning.
    """
    from labelmint.synthesis import MintOptions, check_target

    runs = (chosen.run, chosen.layouts_from, chosen.upscale)
    made_from = (*runs, chosen.layouts, chosen.reference, chosen.unlabelled, *(chosen.data or ()))
    check_target(chosen.out, n=chosen.n, format=chosen.format, resume=chosen.resume, sources=made_from)
    if chosen.layouts_from is not None:
        _check_alone(chosen)
    given, references = (
        _opened(path, chosen.run, chosen.format_in) for path in (chosen.layouts, chosen.reference)
    )
    options = MintOptions(
        n=chosen.n,
        seed=chosen.seed,
        start=chosen.start,
        format=chosen.format,
        image_format=chosen.image_format,
        layouts=given,
        reference=references,
        keep=tuple(chosen.keep or ()),
        per_layout=chosen.per_layout,
        vary=chosen.vary,
        reseed=parse_reseed(chosen.reseed or ()),
        style_image=chosen.style_image,
        labels=chosen.labels,
        describe=chosen.describe,
        synonyms=read_names(chosen.synonyms),
        dials=dials_of(
            chosen.dial,
            temperature=chosen.temperature,
            layout_temperature=chosen.layout_temperature,
            guidance=chosen.guidance,
            style=chosen.style,
        ),
        batch_size=parse_batch(chosen.batch_size),
        filter=chosen.filter,
        filter_share=chosen.filter_share / 100,
        data=_real(chosen),
        unlabelled=chosen.unlabelled,
        most_candidates=chosen.most_candidates,
        resume=chosen.resume,
        shard=chosen.shard,
        engine=chosen.engine,
    )
    if chosen.shard is not None:
        _told_of_shard(chosen, _mint(chosen, options))
        return
    facts = _facts(chosen, _mint(chosen, options))
    print_json(facts) if chosen.as_json else print(_told(facts, chosen.run))


def _check_alone(chosen: _CommandLine) -> None:
    """Raise InputError where layouts come from elsewhere, too."""
    from labelmint.errors import InputError

    given = {
        "--layouts": chosen.layouts,
        "--reference": chosen.reference,
        "--vary": chosen.vary,
        "--keep": chosen.keep,
        "--per-layout": chosen.per_layout != 1,
    }
    for option, value in given.items():
        if value:
            raise InputError(
                f"{option}: has no meaning with --layouts-from, which draws the layouts; leave one of the two out"
            )


def _mint(chosen: _CommandLine, options: MintOptions) -> list[str]:
    """Write the data set, by the run, with the layouts of a second one if --layouts-from names it, enlarged by a third
    if --upscale does; return the warnings, which are told on stderr as they come.
    """
    from labelmint.runs.trained import load
    from labelmint.synthesis import mint

    doubts: list[str] = []

    def say(line: str) -> None:
        doubts.append(line)
        print(f"labelmint: warning: {line}", file=sys.stderr, flush=True)

    system, layouts, upscaler = (
        None
        if run is None
        else load(run, device=chosen.device, threads=chosen.threads, precision=chosen.precision)
        for run in (chosen.run, chosen.layouts_from, chosen.upscale)
    )
    assert system is not None
    if layouts is not None:
        system = system.with_layouts_from(layouts)
    if upscaler is not None:
        system = system.with_upscaler(upscaler)
    with (
        redirect_stdout(sys.stderr),  # Ray prints there what becomes of its workers
        Progress() as progress,
        interruptible("stopped; run the same command with --resume to go on"),
    ):
        mint(system, chosen.out, options, report=progress.report, warn=say)
    return doubts


def _opened(path: Path | None, run: Path, format_in: str | None) -> DataSet | None:
    """Given pairs, under the classes that the run learned."""
    return None if path is None else open_merged([path], merge_of(run), format_in, "")


def _facts(chosen: _CommandLine, doubts: list[str]) -> dict[str, Any]:
    """What was made, as the export itself says it."""
    from labelmint.systems.catalogue import SYSTEMS

    settings = json.loads((chosen.out / "settings.json").read_text(encoding="utf-8"))
    filtered = {**settings["filter"], **settings["outcome"]} if "filter" in settings else None
    layouts = chosen.layouts or chosen.reference or settings["layouts"]
    return {
        "out": str(chosen.out),
        "pairs": chosen.n,
        "format": settings["format"],
        "system": settings["system"],
        "weights": settings["weights"],
        "layouts": f"{layouts}, varied" if settings.get("vary") else str(layouts),
        "labels": settings.get("labels"),
        "upscaled": {name: settings[name] for name in settings if name.startswith("upscale")} or None,
        "filter": filtered,
        "moved": SYSTEMS[settings["system"]].of_pairs,
        "warnings": doubts,
    }


def _real(chosen: _CommandLine) -> DataSet | Path | None:
    """The real data where they are said to be, or where a filter needs them and they lie where the run found them:
    as one set, under the run's merged classes, where it learned from several.
    """
    data = chosen.data or (sets_of(chosen.run) if _filters(chosen) else [])
    merge = merge_of(chosen.run)
    if not data:
        return None
    return data[0] if len(data) == 1 and merge is None else open_merged(data, merge, None, "")


def _filters(chosen: _CommandLine) -> bool:
    """True if the filter needs the real pairs."""
    judged = (chosen.run / "judge").is_dir() and not chosen.keep
    return chosen.filter in ("on", "ignore") or (chosen.filter == "auto" and judged)


def _told_of_shard(chosen: _CommandLine, doubts: list[str]) -> None:
    """Say what a shard is, and what is to be done with all of them."""
    facts = {"out": str(chosen.out), "shard": chosen.shard, "candidates": chosen.n, "warnings": doubts}
    if chosen.as_json:
        print_json(facts)
        return
    print(
        f"wrote shard {chosen.shard} of {chosen.n} candidates to {chosen.out}\n"
        f"next, when all shards are there: labelmint join SHARD... DST"
    )


def _told(facts: dict[str, Any], run: Path) -> str:
    out, what = Path(facts["out"]), "images" if facts["layouts"] == "none" else "pairs"
    return "\n".join(
        [
            f"wrote {facts['pairs']} new {what} by {facts['system']} to {out} (format {facts['format']}; "
            f"layouts: {facts['layouts']}{_told_of_labels(facts['labels'])}"
            f"{_told_of_upscaling(facts['upscaled'])})",
            f"  {filter_in_words(facts['filter'], facts['moved'])}",
            f"  look at {out / 'contact_sheet.png'}; {out / 'README.md'} says what the set is and how to make it again",
            f"next: labelmint inspect {quoted(out)}, and labelmint evaluate {quoted(run)} DATA --out REPORT "
            f"with the real data",
        ]
    )


def _told_of_labels(labels: str | None) -> str:
    known = {
        "boxes": "; labels: boxes, filled",
        "given": "; labels: whole maps, ignored where boxes tell nothing",
    }
    return known[labels] if labels else ""


def _told_of_upscaling(upscaled: dict[str, Any] | None) -> str:
    if upscaled is None:
        return ""
    return f"; enlarged {upscaled['upscale_factor']} times a side by {upscaled['upscaled_by']}"
