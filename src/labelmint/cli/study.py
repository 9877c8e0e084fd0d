"""`labelmint study`: do synthetic pairs help on these data?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

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
    Scale,
    Seed,
    Settings,
    System,
    Threads,
    open_data,
    parse_counts,
    parse_dials,
    parse_numbers,
    parse_size,
    parse_words,
)
from labelmint.cli.progress import Progress
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
}


def _list_of(dial: Dial) -> Any:
    """The option of values of a dial that are compared."""
    return typer.Option(
        dial.option,
        metavar="LIST",
        help=f"Of the samples; the best is chosen. {dial.says} {dial.usual:g} unless given.",
        show_default=False,
    )


_Out: TypeAlias = Annotated[
    Path,
    typer.Option(
        help="Folder of the report. The same command again goes on; more pairs, seeds or ratios extend it."
    ),
]
_NTrain: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Numbers of real pairs, as in 10,all; 10,25,50,all unless given.",
        show_default=False,
    ),
]
_Ratio: TypeAlias = Annotated[
    str, typer.Option(metavar="LIST", help="Synthetic pairs for each real one; the best is chosen.")
]
_Seeds: TypeAlias = Annotated[
    int, typer.Option(metavar="N", help="How often everything is repeated with other pairs and weights.")
]
_Curve: TypeAlias = Annotated[
    bool, typer.Option("--curve", help="Only the learning curve on real pairs: where is there headroom?")
]
_Budget: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES", help="Begin nothing that takes longer; says what it left out.", show_default=False
    ),
]
_Synthetic: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DATA",
        help="Study these pairs, made from the training part by any program.",
        show_default=False,
    ),
]
_Preset: TypeAlias = Annotated[str, typer.Option(help="Of the generators; as for train.")]
_Size: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="HxW", help="Size of the views; the preset's unless given.", show_default=False),
]
_GeneratorMinutes: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="M", help="Time limit of each generator's training.", show_default=False),
]
_Temperature: TypeAlias = Annotated[str | None, _list_of(TEMPERATURE)]
_Guidance: TypeAlias = Annotated[str | None, _list_of(GUIDANCE)]
_Dial: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=LIST",
        help="Of the samples, whatever else the system heeds; the best is chosen; repeatable.",
        show_default=False,
    ),
]
_Filter: TypeAlias = Annotated[
    str, typer.Option("--filter", help="on, off, or both: then the better one is chosen.")
]
_Layouts: TypeAlias = Annotated[
    str,
    typer.Option(
        help="The system's own, varied ones of the training pairs, or both: then the better is chosen."
    ),
]
_Pool: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Different synthetic pairs; max(ratio * n, 500) unless given.", show_default=False
    ),
]
_Network: TypeAlias = Annotated[str, typer.Option(help="unet, dense (DenseNet-121 encoder) or dense161.")]
_EncoderWeights: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Weights of the DenseNet, a local file.", show_default=False),
]
_MostSteps: TypeAlias = Annotated[
    int, typer.Option(min=1, metavar="N", help="Training steps of an arm that finds no plateau.")
]
_JudgeSteps: TypeAlias = Annotated[
    int, typer.Option(min=1, metavar="N", help="Training steps of the filter's judge.")
]


def study(
    data: Data,
    out: _Out,
    n_train: _NTrain = None,
    ratio: _Ratio = "0.5,1,2",
    seeds: _Seeds = 3,
    curve: _Curve = False,
    budget: _Budget = None,
    synthetic: _Synthetic = None,
    system: System = None,
    preset: _Preset = "small",
    size: _Size = None,
    crop: Crop = False,
    scale: Scale = 1.0,
    augment: Augment = "",
    normalize: Normalize = "none",
    settings: Settings = None,
    generator_minutes: _GeneratorMinutes = None,
    temperature: _Temperature = None,
    guidance: _Guidance = None,
    dial: _Dial = None,
    filter_: _Filter = "on",
    layouts: _Layouts = "own",
    pool: _Pool = None,
    network: _Network = "unet",
    encoder_weights: _EncoderWeights = None,
    most_steps: _MostSteps = 8000,
    judge_steps: _JudgeSteps = 600,
    group_by: GroupBy = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = None,
    format_in: FormatIn = None,
    ignore: Ignore = "",
    orientation: Orientation = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure whether synthetic pairs help a segmenter on your data. Writes report.html and report.json."""
    from labelmint.usefulness.plan import JUDGE, StudyOptions

    options = StudyOptions(
        n_train=parse_counts(n_train, "--n-train") if n_train is not None else None,
        ratios=parse_numbers(ratio, "--ratio"),
        dials=_dials(dial, temperature, guidance),
        filter=filter_,
        layouts=layouts,
        seeds=seeds,
        seed=seed,
        pool=pool,
        system=system,
        preset=preset,
        size=parse_size(size) if size is not None else None,
        crop=crop,
        scale=scale,
        augment=parse_words(augment),
        normalize=normalize,
        settings=tuple(settings or ()),
        group_by=group_by,
        generator_minutes=generator_minutes,
        synthetic=synthetic,
        curve=curve,
        budget=budget,
        segmenter=_segmenter(network, encoder_weights, most_steps),
        judge=JUDGE.model_copy(update={"steps": judge_steps}),
        device=device,
        threads=threads,
    )
    _study(open_data(data, format_in, ignore, orientation=orientation, quiet=quiet), out, options, as_json)


def _study(source: DataSet, out: Path, options: StudyOptions, as_json: bool) -> None:
    """Make the study and print what it found."""
    from labelmint.reports.words import summary
    from labelmint.usefulness.study import study as run_study

    with Progress() as progress, interruptible("stopped; run the same command again to go on"):
        results = run_study(
            source, out, options, command=["labelmint", *sys.argv[1:]], report=progress.report
        )
    if as_json:
        print((out / "report.json").read_text(encoding="utf-8"), end="")
        return
    print(summary(results))
    print(f"look at {out / 'report.html'}; programs read {out / 'report.json'}")


def _segmenter(network: str, encoder_weights: Path | None, most_steps: int) -> ArmConfig:
    from labelmint.segmenters.plateau import ArmConfig

    if network not in _NETWORKS:
        raise InputError(f"--network {network}: expected one of {', '.join(_NETWORKS)}")
    return ArmConfig(**_NETWORKS[network], encoder_weights=encoder_weights, most_steps=most_steps)


def _dials(
    texts: list[str] | None, temperature: str | None, guidance: str | None
) -> dict[str, tuple[float, ...]]:
    """The values to compare of each dial that was given."""
    own = {
        dial.name: parse_numbers(text, dial.option)
        for dial, text in ((TEMPERATURE, temperature), (GUIDANCE, guidance))
        if text is not None
    }
    others = parse_dials(texts or ())
    for name in own.keys() & others.keys():
        raise InputError(f"--dial {name}: {name} is given twice")
    return {**own, **others}
