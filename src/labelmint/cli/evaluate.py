"""`labelmint evaluate`: is the label true, is it a copy, is it coherent?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    DataSets,
    Device,
    FormatIn,
    GroupBy,
    Ignore,
    Merge,
    Seed,
    Threads,
    merge_of,
    open_merged,
    parse_size,
    parse_words,
)
from labelmint.cli.progress import Progress

__all__ = ["evaluate"]


def evaluate(
    subject: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|SYNTHETIC",
            help="A run, or labelled images that any program made.",
            show_default=False,
        ),
    ],
    data: DataSets,
    out: Annotated[
        Path,
        typer.Option(help="The folder of the report. The same command again goes on where it was stopped."),
    ],
    n: Annotated[
        int | None,
        typer.Option("-n", metavar="N", help="With a run: how many samples to draw; 500 unless given."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="With SYNTHETIC: size of its images; found out unless given.",
            show_default=False,
        ),
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="With SYNTHETIC: its images are crops of larger real ones.")
    ] = False,
    scale: Annotated[
        float, typer.Option(metavar="F", help="With --crop: how the real images are resized first.")
    ] = 1.0,
    augment: Annotated[
        str,
        typer.Option(metavar="LIST", help="With SYNTHETIC: flips,mirror,turns where they keep labels true."),
    ] = "",
    group_by: GroupBy = None,
    normalize: Annotated[
        str, typer.Option(metavar="HOW", help="With SYNTHETIC: none, or image, as for train.")
    ] = "none",
    temperature: Annotated[
        float | None,
        typer.Option(metavar="T", help="With a run: of its images; 0.85 unless given.", show_default=False),
    ] = None,
    layout_temperature: Annotated[
        float | None,
        typer.Option(
            metavar="T", help="With a run: of its layouts; the run's own unless given.", show_default=False
        ),
    ] = None,
    composition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Rules to check beside the learned ones: pairs, three, upper or center."
        ),
    ] = None,
    judge_steps: Annotated[int, typer.Option(min=1, metavar="N", help="Training steps of the judge.")] = 1500,
    fid_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="TorchScript file of Inception, for true FID and KID.", show_default=False
        ),
    ] = None,
    lpips_weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TorchScript file of LPIPS' VGG, for LPIPS.", show_default=False),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = None,
    merge: Merge = None,
    format_in: FormatIn = None,
    ignore: Ignore = "",
    as_json: AsJson = False,
) -> None:
    """Measure pairs against real data: obedience, copies, fidelity, coherence. Writes report.html and
    report.json.
    """
    from labelmint.evaluation.evaluate import evaluate as run_evaluation
    from labelmint.evaluation.options import Options
    from labelmint.reports.words import summary
    from labelmint.segmenters.unet import SegmenterConfig

    options = Options(
        n=n,
        size=parse_size(size) if size is not None else None,
        crop=crop,
        scale=scale,
        augment=parse_words(augment),
        normalize=normalize,
        group_by=group_by,
        seed=seed,
        temperature=temperature,
        layout_temperature=layout_temperature,
        composition=composition,
        fid_weights=fid_weights,
        lpips_weights=lpips_weights,
        judge=SegmenterConfig(steps=judge_steps),
        device=device,
        threads=threads,
    )
    source = open_merged(data, merge or merge_of(subject), format_in, ignore)
    with Progress() as progress, interruptible("stopped; run the same command again to go on"):
        results = run_evaluation(
            subject, source, out, options, command=["labelmint", *sys.argv[1:]], report=progress.report
        )
    if as_json:
        print((out / "report.json").read_text(encoding="utf-8"), end="")
        return
    print(summary(results))
    print(f"look at {out / 'report.html'}; programs read {out / 'report.json'}")
