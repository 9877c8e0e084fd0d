"""`labelmint study`: do synthetic pairs help on these data?"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmint.cli.dial_options import parse_dials
from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    Augment,
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
    Settings,
    System,
    Threads,
    open_data,
    parse_counts,
    parse_numbers,
    parse_size,
    parse_words,
)
from labelmint.cli.progress import Progress
from labelmint.cli.takes import takes
from labelmint.dials import GUIDANCE, TEMPERATURE
from labelmint.errors import InputError
from labelmint.protocols import Dial

if TYPE_CHECKING:
    from labelmint.segmenters.plateau import ArmConfig
    from labelmint.types import DataSet
    from labelmint.usefulness.plan import StudyOptions

__all__ = ["study"]

_NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {},
    "dense": {"network": "dense"},
    "dense161": {"network": "dense", "depth": "161"},
    "efficientnet-lite0": {"network": "lite0"},
}


def _list_of(dial: Dial) -> Any:
    """The option of values of a dial that are compared."""
    return typer.Option(
        dial.option,
        metavar="LIST",
        help=f"Of the samples; the answer is about the first. {dial.says} {dial.usual:g} unless given.",
        show_default=False,
    )


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    data: Data
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the report. The same command again continues it; more pairs, seeds or ratios extend it."
        ),
    ]
    n_train: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Numbers of labelled pairs in all, as in 10,all; 10,25,50,all unless given.",
            show_default=False,
        ),
    ] = None
    validation: Annotated[
        str,
        typer.Option(
            metavar="within|extra",
            help="within: the numbers count all labels, and some of these validate. extra: as many further pairs "
            "validate.",
        ),
    ] = "within"
    ratio: Annotated[
        str,
        typer.Option(
            metavar="LIST", help="Synthetic pairs for each real one; the answer is about the first."
        ),
    ] = "1"
    seeds: Annotated[
        int, typer.Option(metavar="N", help="How often everything is repeated with other pairs and weights.")
    ] = 3
    curve: Annotated[
        bool, typer.Option("--curve", help="Only the learning curve on real pairs: where is there headroom?")
    ] = False
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="Begin nothing that is not expected to end in time; a later call does the rest.",
            show_default=False,
        ),
    ] = None
    synthetic: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Study these pairs, made from the training part by any program.",
            show_default=False,
        ),
    ] = None
    system: System = None
    preset: Annotated[str, typer.Option(help="Of the generators; as for train.")] = "small"
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Size of the views; the preset's unless given.", show_default=False),
    ] = None
    crop: Crop = False
    scale: Scale = 1.0
    augment: Augment = ""
    normalize: Normalize = "none"
    rebalance: Rebalance = "none"
    settings: Settings = None
    generator_minutes: Annotated[
        float | None,
        typer.Option(metavar="M", help="Time limit of each generator's training.", show_default=False),
    ] = None
    temperature: Annotated[str | None, _list_of(TEMPERATURE)] = None
    guidance: Annotated[str | None, _list_of(GUIDANCE)] = None
    dial: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LIST",
            help="Any other dial of the samples; the answer is about the first value; repeatable.",
            show_default=False,
        ),
    ] = None
    filter: Annotated[
        str, typer.Option("--filter", help="on, off, or both: then the answer is about on.")
    ] = "on"
    layouts: Annotated[
        str,
        typer.Option(
            help="The system's own, varied ones of the training pairs, or both: then the answer is about own."
        ),
    ] = "own"
    samples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Different synthetic pairs; max(ratio * n, 500) unless given.",
            show_default=False,
        ),
    ] = None
    pool: Annotated[str | None, typer.Option(hidden=True)] = None
    arms: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Arms beside the usual ones; where A is named, these and no others. With --unlabelled: ST, labels "
            "minted for the pool; FM, consistency on it; TR, pairs of transfer; S+ST. A0, A0n: baselines of former "
            "versions.",
            show_default=False,
        ),
    ] = ""
    unlabelled: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|rest",
            help="Images without labels, for arms ST, FM, TR and S+ST; rest: the training part beyond the n pairs, its "
            "labels hidden.",
            show_default=False,
        ),
    ] = None
    share: Annotated[
        bool,
        typer.Option(
            "--share",
            help="Ask whether the synthetic pairs may be shared in place of the images: arm Y against A, copies, "
            "membership.",
        ),
    ] = False
    network: Annotated[
        str, typer.Option(help="unet; or by its encoder: dense (DenseNet-121), dense161, efficientnet-lite0.")
    ] = "unet"
    encoder_weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of the DenseNet, a local file.", show_default=False),
    ] = None
    most_steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="Training steps of an arm that finds no plateau.")
    ] = 8000
    judge_steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="Training steps of the filter's judge.")
    ] = 600
    group_by: GroupBy = None
    seed: Seed = 0
    device: Device = "auto"
    threads: Threads = None
    format_in: FormatIn = None
    ignore: Ignore = ""
    orientation: Orientation = "auto"
    quiet: Quiet = False
    as_json: AsJson = False


@takes(_CommandLine)
def study(chosen: _CommandLine) -> None:
    """Measure whether a segmenter gets better with synthetic pairs on your data. Writes report.html and report.json."""
    from labelmint.usefulness.plan import JUDGE, StudyOptions

    if chosen.pool is not None:
        raise InputError(f"--pool {chosen.pool}: the number of synthetic pairs is --samples now")
    options = StudyOptions(
        n_train=parse_counts(chosen.n_train, "--n-train") if chosen.n_train is not None else None,
        validation=chosen.validation,
        ratios=parse_numbers(chosen.ratio, "--ratio"),
        dials=_dials(chosen),
        filter=chosen.filter,
        layouts=chosen.layouts,
        seeds=chosen.seeds,
        seed=chosen.seed,
        samples=chosen.samples,
        arms=parse_words(chosen.arms),
        unlabelled=chosen.unlabelled,
        share=chosen.share,
        system=chosen.system,
        preset=chosen.preset,
        size=parse_size(chosen.size) if chosen.size is not None else None,
        crop=chosen.crop,
        scale=chosen.scale,
        augment=parse_words(chosen.augment),
        normalize=chosen.normalize,
        rebalance=chosen.rebalance,
        settings=tuple(chosen.settings or ()),
        group_by=chosen.group_by,
        generator_minutes=chosen.generator_minutes,
        synthetic=chosen.synthetic,
        curve=chosen.curve,
        budget=chosen.budget,
        segmenter=_segmenter(chosen),
        judge=JUDGE.model_copy(update={"steps": chosen.judge_steps}),
        device=chosen.device,
        threads=chosen.threads,
    )
    data = open_data(
        chosen.data, chosen.format_in, chosen.ignore, orientation=chosen.orientation, quiet=chosen.quiet
    )
    _study(data, chosen.out, options, chosen.as_json)


def _study(data: DataSet, out: Path, options: StudyOptions, as_json: bool) -> None:
    """Make the study and print what it found."""
    from labelmint.reports.words import summary
    from labelmint.usefulness.study import study as run_study

    with Progress() as progress, interruptible("stopped; run the same command again to go on"):
        results = run_study(data, out, options, command=["labelmint", *sys.argv[1:]], report=progress.report)
    if as_json:
        print((out / "report.json").read_text(encoding="utf-8"), end="")
        return
    print(summary(results))
    print(f"look at {out / 'report.html'}; programs read {out / 'report.json'}")


def _segmenter(chosen: _CommandLine) -> ArmConfig:
    from labelmint.segmenters.plateau import ArmConfig

    if chosen.network not in _NETWORKS:
        raise InputError(f"--network {chosen.network}: expected one of {', '.join(_NETWORKS)}")
    return ArmConfig(
        **_NETWORKS[chosen.network], encoder_weights=chosen.encoder_weights, most_steps=chosen.most_steps
    )


def _dials(chosen: _CommandLine) -> dict[str, tuple[float, ...]]:
    """The values to compare of each dial that was given."""
    own = {
        dial.name: parse_numbers(text, dial.option)
        for dial, text in ((TEMPERATURE, chosen.temperature), (GUIDANCE, chosen.guidance))
        if text is not None
    }
    others = parse_dials(chosen.dial or ())
    for name in own.keys() & others.keys():
        raise InputError(f"--dial {name}: {name} is given twice")
    return {**own, **others}
