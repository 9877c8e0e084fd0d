"""`labelmint study`: do synthetic pairs help on these data?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    Data,
    Device,
    FormatIn,
    GroupBy,
    Ignore,
    Seed,
    Threads,
    open_data,
    parse_counts,
    parse_numbers,
    parse_size,
    parse_words,
)
from labelmint.cli.progress import Progress
from labelmint.errors import InputError

__all__ = ["study"]


def study(
    data: Data,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the report. The same command again goes on; more pairs, seeds or ratios extend "
            "it."
        ),
    ],
    n_train: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Numbers of real pairs, as in 10,all; 10,25,50,all unless given.",
            show_default=False,
        ),
    ] = None,
    ratio: Annotated[
        str, typer.Option(metavar="LIST", help="Synthetic pairs for each real one; the best is chosen.")
    ] = "0.5,1,2",
    seeds: Annotated[
        int, typer.Option(metavar="N", help="How often everything is repeated with other pairs and weights.")
    ] = 3,
    curve: Annotated[
        bool, typer.Option("--curve", help="Only the learning curve on real pairs: where is there headroom?")
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES",
            help="Begin nothing that takes longer; says what it left out.",
            show_default=False,
        ),
    ] = None,
    synthetic: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Study these pairs, made from the training part by any program.",
            show_default=False,
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            help="Which system; `labelmint systems` lists them. The preset's unless given: mint with tiny "
            "and small.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="Of the generators; as for train.")] = "small",
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Size of the views; the preset's unless given.", show_default=False),
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="Crops of that size instead of resized images.")
    ] = False,
    scale: Annotated[float, typer.Option(help="With --crop: resize by this factor before cropping.")] = 1.0,
    augment: Annotated[
        str,
        typer.Option(
            metavar="WORDS", help="Any of flips,mirror,turns,zoom: what keeps labels true, in all arms."
        ),
    ] = "",
    normalize: Annotated[
        str,
        typer.Option(
            metavar="HOW", help="none, or image: spread each image from its own range, in all arms."
        ),
    ] = "none",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set one value of the generators; repeatable."),
    ] = None,
    generator_minutes: Annotated[
        float | None,
        typer.Option(metavar="M", help="Time limit of each generator's training.", show_default=False),
    ] = None,
    temperature: Annotated[
        str, typer.Option(metavar="LIST", help="Of the samples; the best is chosen.")
    ] = "0.85",
    guidance: Annotated[
        str, typer.Option(metavar="LIST", help="Of the samples, as for synthesize; the best is chosen.")
    ] = "1",
    filter_: Annotated[
        str, typer.Option("--filter", help="on, off, or both: then the better one is chosen.")
    ] = "on",
    layouts: Annotated[
        str,
        typer.Option(
            help="The system's own, varied ones of the training pairs, or both: then the better is chosen."
        ),
    ] = "own",
    pool: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Different synthetic pairs; max(ratio * n, 500) unless given.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[str, typer.Option(help="unet, dense (DenseNet-121 encoder) or dense161.")] = "unet",
    encoder_weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of the DenseNet, a local file.", show_default=False),
    ] = None,
    most_steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="Training steps of an arm that finds no plateau.")
    ] = 8000,
    judge_steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="Training steps of the filter's judge.")
    ] = 600,
    group_by: GroupBy = None,
    seed: Seed = 0,
    device: Device = "auto",
    threads: Threads = None,
    format_in: FormatIn = None,
    ignore: Ignore = "",
    as_json: AsJson = False,
) -> None:
    """Measure whether synthetic pairs help a segmenter on your data. Writes report.html and report.json."""
    from labelmint.reports.words import summary
    from labelmint.segmenters.plateau import ArmConfig
    from labelmint.usefulness.plan import JUDGE, StudyOptions
    from labelmint.usefulness.study import study as run_study

    networks: dict[str, Any] = {
        "unet": {},
        "dense": {"network": "dense"},
        "dense161": {"network": "dense", "depth": "161"},
    }
    if network not in networks:
        raise InputError(f"--network {network}: expected one of {', '.join(networks)}")
    segmenter = ArmConfig(**networks[network], encoder_weights=encoder_weights, most_steps=most_steps)
    options = StudyOptions(
        n_train=parse_counts(n_train, "--n-train") if n_train is not None else None,
        ratios=parse_numbers(ratio, "--ratio"),
        temperatures=parse_numbers(temperature, "--temperature"),
        guidance=parse_numbers(guidance, "--guidance"),
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
        segmenter=segmenter,
        judge=JUDGE.model_copy(update={"steps": judge_steps}),
        device=device,
        threads=threads,
    )
    source = open_data(data, format_in, ignore)
    with Progress() as progress, interruptible("stopped; run the same command again to go on"):
        results = run_study(
            source, out, options, command=["labelmint", *sys.argv[1:]], report=progress.report
        )
    if as_json:
        print((out / "report.json").read_text(encoding="utf-8"), end="")
        return
    print(summary(results))
    print(f"look at {out / 'report.html'}; programs read {out / 'report.json'}")
