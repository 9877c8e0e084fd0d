"""`labelmint train`: from labelled images to a run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import (
    AsJson,
    Augment,
    Clock,
    Crop,
    DataSets,
    Device,
    FormatIn,
    GroupBy,
    Ignore,
    Merge,
    Normalize,
    Orientation,
    Quiet,
    Rebalance,
    Scale,
    Seed,
    Settings,
    System,
    ThreadsToTrain,
    keep_merge,
    open_merged,
    parse_size,
    parse_words,
)
from labelmint.cli.printing import print_json, quoted, table
from labelmint.cli.progress import Progress, duration

if TYPE_CHECKING:
    from labelmint.progress import Report
    from labelmint.runs.trained import TrainedSystem
    from labelmint.types import DataSet

__all__ = ["train"]

_Out: TypeAlias = Annotated[
    Path, typer.Option(help="The run folder. The same command again continues a run that was stopped.")
]
_Preset: TypeAlias = Annotated[
    str,
    typer.Option(
        help="tiny: minutes on 2 cores. small: about an hour. The papers' own: see `labelmint systems`."
    ),
]
_Size: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="HxW", help="Size of the images to learn; the preset's unless given.", show_default=False
    ),
]
_Precision: TypeAlias = Annotated[str, typer.Option(help="auto, 32 or bf16.")]
_MaxMinutes: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="M",
        help="Divide this time over the stages of training and end with a usable model.",
        show_default=False,
    ),
]
_DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Only print what would be done, and its time and memory.")
]
_Unlabelled: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="More images, without labels (or with labels that are left unused): a folder. flow, and the tokenizers of "
        "msgnet and its relatives, of vqvae-t and of vqgan-t learn from these, too, and with prior.condition_dropout "
        "their image priors; transfer takes looks and shapes from them. Those that are images of DATA are left out.",
        show_default=False,
    ),
]
_Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Train with fewer than 20 pairs, too.")]

_Log: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="tensorboard: write losses for TensorBoard, too, into RUN/tensorboard (extra tensorboard).",
        show_default=False,
    ),
]


def train(
    data: DataSets,
    out: _Out,
    system: System = None,
    preset: _Preset = "small",
    size: _Size = None,
    crop: Crop = False,
    scale: Scale = 1.0,
    augment: Augment = "",
    normalize: Normalize = "none",
    rebalance: Rebalance = "none",
    unlabelled: _Unlabelled = None,
    settings: Settings = None,
    device: Device = "auto",
    precision: _Precision = "auto",
    threads: ThreadsToTrain = None,
    seed: Seed = 0,
    max_minutes: _MaxMinutes = None,
    clock: Clock = "wall",
    dry_run: _DryRun = False,
    merge: Merge = None,
    format_in: FormatIn = None,
    ignore: Ignore = "",
    orientation: Orientation = "auto",
    quiet: Quiet = False,
    group_by: GroupBy = None,
    force: _Force = False,
    log: _Log = None,
    as_json: AsJson = False,
) -> None:
    """Train a system on labelled images, its parts one after the other.

    A system of images alone (biggan) also takes a folder without labels. transfer keeps and moves training images.
    """
    wanted: dict[str, Any] = {
        "system": system,
        "preset": preset,
        "size": parse_size(size) if size is not None else None,
        "crop": crop,
        "scale": scale,
        "augment": parse_words(augment),
        "normalize": normalize,
        "rebalance": rebalance,
        "settings": tuple(settings or ()),
        "group_by": group_by,
        "device": device,
        "precision": precision,
        "threads": threads,
        "seed": seed,
        "max_minutes": max_minutes,
        "clock": clock,
        "unlabelled": unlabelled,
        "force": force,
    }
    from labelmint.systems.catalogue import learns_from_images

    logged = _logged(log, out)
    alone = learns_from_images(system, preset)
    source = open_merged(data, merge, format_in, ignore, orientation=orientation, quiet=quiet, alone=alone)
    _train(source, out, wanted, dry_run, as_json, lambda: keep_merge(merge, data, out), logged)


def _logged(log: str | None, out: Path) -> Callable[[Report], Report]:
    """What a report becomes that is logged elsewhere, too. Raises InputError for an unknown log, or a missing one."""
    if log is None:
        return lambda report: report
    from labelmint.errors import InputError
    from labelmint.training.tensorboard import for_tensorboard

    if log != "tensorboard":
        raise InputError(f"--log {log}: expected tensorboard, or leave it out for log.jsonl alone")
    for_tensorboard(out)  # which says at once that it is missing
    return lambda report: for_tensorboard(out / "tensorboard", report)


def _train(
    source: DataSet,
    out: Path,
    wanted: dict[str, Any],
    dry_run: bool,
    as_json: bool,
    keep: Callable[[], None],
    logged: Callable[[Report], Report],
) -> None:
    """Train or plan, and print what came of it; `keep` writes down what the data were merged by, and `logged` is what
    the report becomes.
    """
    from labelmint.runs import train as training

    speaks = int(os.environ.get("RANK", "0")) == 0  # under torchrun one process speaks for all
    with Progress() as progress, interruptible("stopped; run the same command again to go on"):
        report = progress.report if speaks else None
        if dry_run:
            plan = training.plan(source, **wanted, report=report).to_json()
        else:
            told = logged(report) if report is not None else None
            trained = training.train(source, out, **wanted, report=told)
            if speaks:
                keep()
    if not speaks:
        return
    if dry_run:
        print_json(plan) if as_json else print(_plan_text(plan))
    elif as_json:
        print_json(_facts(trained, out))
    else:
        print(_next(trained, out))


def _plan_text(plan: dict[str, Any]) -> str:
    heads = ("stage", "parameters", "tokens an image", "steps", "seconds", "memory, MiB")
    rows = [
        (s["name"], s["parameters"], s["tokens"], s["steps"], round(s["seconds"]), s["bytes"] >> 20)
        for s in plan["stages"]
    ]
    lines = ["configuration"]
    lines += [f"  {key} = {value}" for key, value in _flat(plan["configuration"])]
    lines += ["stages", table(heads, rows)]
    parts = [f"{s['name']} in {s['accumulate']} parts" for s in plan["stages"] if s["accumulate"] > 1]
    if parts:
        lines.append(f"batches are computed one part after the other: {', '.join(parts)}")
    lines.append(
        f"expected: {duration(plan['seconds'])}, {plan['bytes'] / 2**30:.1f} GiB of memory; nothing was "
        f"written"
    )
    return "\n".join(lines)


def _flat(content: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in content.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return rows


_MADE_WITH = {
    "layouts": "new images of another run, RUN, for its layouts",
    "upscaler": "new images of another run, RUN, enlarged",
}
_OPTIONS = {"layouts": "--layouts-from", "upscaler": "--upscale"}


def _facts(trained: TrainedSystem, out: Path) -> dict[str, Any]:
    run, option = quoted(out), _OPTIONS.get(trained.role)
    by = run if option is None else f"RUN {option} {run}"
    return {
        "run": str(out),
        "system": trained.system,
        "size": list(trained.size),
        "weights": trained.digest,
        "classes": list(trained.classes.names),
        "synthesize": f"labelmint synthesize {by} --out {quoted(_beside(out))} -n 100",
    }


def _next(trained: TrainedSystem, out: Path) -> str:
    pictures = [out / name for name in ("samples.png", "reconstructions.png", "curves.png")]
    found = " and ".join(", ".join(str(path) for path in pictures if path.is_file()).rsplit(", ", 1))
    what = "new images with their labels" if trained.classes.labelled else "new images"
    lines = [
        f"trained {trained.system} for images of {trained.size[0]}x{trained.size[1]} pixels; the run is {out}",
        f"  look at {found}",
        f"next: 100 {_MADE_WITH.get(trained.role, what)}",
        f"  {_facts(trained, out)['synthesize']}",
    ]
    if trained.system == "mint":
        lines.append(
            "too smooth, and more than a few images? --system flow keeps fine texture; --layouts-from lets it draw "
            "for the layouts of this run (docs/choose-a-system.md)"
        )
    return "\n".join(lines)


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.resolve().name}-synthetic")
