"""`labelmint advise`: which images to label next."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    Augment,
    Crop,
    Device,
    FormatIn,
    Ignore,
    Normalize,
    Orientation,
    Quiet,
    Scale,
    Seed,
    Threads,
    open_data,
    parse_size,
    parse_words,
)
from labelmint.cli.printing import print_json
from labelmint.cli.progress import Progress
from labelmint.cli.takes import takes

__all__ = ["advise"]


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    unlabelled: Annotated[
        Path, typer.Option(help="The pool: a folder of images, or a data set whose labels are not looked at.")
    ]
    data: Annotated[
        Path | None,
        typer.Argument(help="What is labelled already; left out where nothing is.", show_default=False),
    ] = None
    n: Annotated[int, typer.Option("-n", metavar="N", help="Images to label next.")] = 10
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write: advice.txt (names), advice.json and advice.png (pictures).",
            show_default=False,
        ),
    ] = None
    clusters: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Kinds that the pool is divided into. Unless given n plus as many as are labelled, at most 2 n, "
            "and at most 500.",
            show_default=False,
        ),
    ] = None
    ensemble: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Segmenters of `labelmint label`: images about which they disagree come first.",
            show_default=False,
        ),
    ] = None
    steps: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Training steps of the embedding of images; 0 goes by scale, contrast and color alone.",
        ),
    ] = 300
    size: Annotated[str, typer.Option(metavar="HxW", help="Size to which images are resized.")] = "128x128"
    crop: Crop = False
    scale: Scale = 1.0
    augment: Augment = ""
    normalize: Normalize = "none"
    seed: Seed = 0
    device: Device = "auto"
    threads: Threads = None
    format_in: FormatIn = None
    unlabelled_format: Annotated[
        str | None, typer.Option(metavar="NAME", help="Read the pool in this format.", show_default=False)
    ] = None
    ignore: Ignore = ""
    orientation: Orientation = "auto"
    quiet: Quiet = False
    as_json: AsJson = False


@takes(_CommandLine)
def advise(chosen: _CommandLine) -> None:
    """Say which images to label next: one of each kind that no labelled image shows, the largest kinds first.

    Names go to stdout, one a line; what the labels so far miss goes to stderr.
    """
    from labelmint.datasets.unlabelled import open_pool
    from labelmint.pool.advise import AdviseOptions
    from labelmint.pool.advise import advise as choose_images

    options = AdviseOptions(
        n=chosen.n,
        clusters=chosen.clusters,
        steps=chosen.steps,
        ensemble=chosen.ensemble,
        size=parse_size(chosen.size),
        crop=chosen.crop,
        scale=chosen.scale,
        augment=parse_words(chosen.augment),
        normalize=chosen.normalize,
        seed=chosen.seed,
        device=chosen.device,
        threads=chosen.threads,
    )
    data = None
    if chosen.data is not None:
        data = open_data(
            chosen.data, chosen.format_in, chosen.ignore, orientation=chosen.orientation, quiet=chosen.quiet
        )
    images = open_pool(chosen.unlabelled, chosen.unlabelled_format, chosen.orientation)
    with Progress() as progress, interruptible("stopped; nothing was written"):
        advice = choose_images(images, data, chosen.out, options, report=progress.report, warn=_say)
    if chosen.as_json:
        print_json(advice.to_json())
        return
    for line in advice.words:
        _say(line)
    weights = ", ".join(f"{name} {weight:g}" for name, weight in advice.weights.items())
    _say(f"images were compared by {weights} (weights)")
    if chosen.out is not None:
        _say(f"look at {chosen.out / 'advice.png'}")
    for name in advice.names:
        print(name)


def _say(line: str) -> None:
    print(f"labelmint: {line}", file=sys.stderr)
