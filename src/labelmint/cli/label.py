"""`labelmint label`: labels minted for images without any."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    Augment,
    Crop,
    Device,
    FormatIn,
    GroupBy,
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
from labelmint.cli.progress import Progress
from labelmint.cli.takes import takes

if TYPE_CHECKING:
    from labelmint.pool.options import LabelOptions

__all__ = ["label"]


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    unlabelled: Annotated[
        Path,
        typer.Argument(
            help="Images without labels: a folder, or a data set whose labels are not looked at.",
            show_default=False,
        ),
    ]
    data: Annotated[Path, typer.Option("--from", metavar="DATA", help="The labelled images to learn from.")]
    out: Annotated[Path, typer.Option(help="Folder to write: the images with their minted labels.")]
    format: Annotated[
        str,
        typer.Option("--format", metavar="NAME", help="Write this format; `labelmint formats` lists them."),
    ] = "folder"
    image_format: Annotated[
        str | None,
        typer.Option(
            "--image-format",
            metavar="NAME",
            help="Encode images as png, jpg, webp or tiff; left out, their files are copied as they are.",
            show_default=False,
        ),
    ] = None
    ensemble: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the segmenters: made here, continued after a stop, used again for other images. "
            "OUT-ensemble unless given.",
            show_default=False,
        ),
    ] = None
    members: Annotated[
        int, typer.Option(metavar="K", help="Segmenters, and folds of the labelled images; 3 or more.")
    ] = 3
    rounds: Annotated[
        int,
        typer.Option(
            metavar="R",
            help="Rounds of training; after the first, segmenters are trained anew, also on their own labels.",
        ),
    ] = 2
    agreement: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Precision and recall that the thresholds of each class reach on held-out labels; what is less "
            "sure is ignored.",
        ),
    ] = 0.95
    least_kept: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="Of the pixels read as a class, keep at least this share, precise or not."
        ),
    ] = 0.8
    size: Annotated[
        str,
        typer.Option(metavar="HxW", help="Size to which images are resized; with --crop that of the views."),
    ] = "128x128"
    crop: Crop = False
    scale: Scale = 1.0
    augment: Augment = ""
    normalize: Normalize = "none"
    group_by: GroupBy = None
    keep_colors: Annotated[
        bool,
        typer.Option(
            "--keep-colors", help="Train without inverted and recolored images: colors tell the classes."
        ),
    ] = False
    most_steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="Training steps of a segmenter that finds no plateau.")
    ] = 8000
    seed: Seed = 0
    device: Device = "auto"
    threads: Threads = None
    format_in: FormatIn = None
    unlabelled_format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Read the images without labels in this format.", show_default=False
        ),
    ] = None
    ignore: Ignore = ""
    orientation: Orientation = "auto"
    quiet: Quiet = False
    as_json: AsJson = False


@takes(_CommandLine)
def label(chosen: _CommandLine) -> None:
    """Mint labels for real images: segmenters trained on a few labelled ones read them; what they doubt is ignored.

    Labels come back at each image's own size. Where the labelled images tell objects apart, connected pieces of a
    class are objects.
    """
    from labelmint.datasets.unlabelled import open_pool
    from labelmint.pool.label import label as mint_labels
    from labelmint.pool.options import LabelOptions
    from labelmint.segmenters.plateau import ArmConfig

    options = LabelOptions(
        members=chosen.members,
        rounds=chosen.rounds,
        agreement=chosen.agreement,
        least_kept=chosen.least_kept,
        recolored=not chosen.keep_colors,
        ensemble=chosen.ensemble,
        format=chosen.format,
        image_format=chosen.image_format,
        unlabelled_format=chosen.unlabelled_format,
        segmenter=ArmConfig(most_steps=chosen.most_steps),
        size=parse_size(chosen.size),
        crop=chosen.crop,
        scale=chosen.scale,
        augment=parse_words(chosen.augment),
        normalize=chosen.normalize,
        group_by=chosen.group_by,
        seed=chosen.seed,
        device=chosen.device,
        threads=chosen.threads,
    )
    data = open_data(
        chosen.data, chosen.format_in, chosen.ignore, orientation=chosen.orientation, quiet=chosen.quiet
    )
    images = open_pool(chosen.unlabelled, chosen.unlabelled_format, chosen.orientation)
    with Progress() as progress, interruptible("stopped; run the same command again to go on"):
        mint_labels(
            images,
            data,
            chosen.out,
            options,
            report=progress.report,
            warn=lambda line: print(f"labelmint: {line}", file=sys.stderr),
        )
    _print(chosen.out, options, chosen.as_json)


def _print(out: Path, options: LabelOptions, as_json: bool) -> None:
    facts: dict[str, Any] = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    if as_json:
        print(json.dumps({"out": str(out), **facts}, indent=1, ensure_ascii=False))
        return
    print(f"wrote {facts['images']} images with minted labels to {out} (format {options.format})")
    print(f"{facts['kept']:.1%} of the pixels have a label; the others are ignored")
    print(f"expected by {facts['held_out_images']} labelled images that were held out:")
    for name, row in facts["expected"].items():
        if row["dice"] is not None:
            known = ((key, row[key]) for key in ("precision", "recall"))
            shown = ", ".join(f"{key} {'-' if value is None else f'{value:.3f}'}" for key, value in known)
            kept = "none read" if row["kept"] is None else f"{row['kept']:.1%} of its pixels kept"
            print(f"  {name}: Dice {row['dice']:.3f} ({shown}), {kept}")
    if facts["refused_objects"]:
        counted = ", ".join(f"{count} by {rule}" for rule, count in facts["refused_objects"].items())
        print(f"objects that no labelled image shows alike, ignored: {counted}")
    print(f"look at {out / 'doubt.png'}; correct the first lines of {out / 'doubt.csv'}")
