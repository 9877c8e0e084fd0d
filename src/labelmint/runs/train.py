"""Training a system: data, plan, then its stages in a row, into a run folder that can be stopped and gone on
with.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.splits import Split
from labelmint.hardware import Hardware, available_memory, choose_hardware, cores, open_fabric
from labelmint.progress import Event, Report
from labelmint.runs.config import ClassEntry, Request, RunConfig
from labelmint.runs.plan import Plan, check_memory, make_plan
from labelmint.runs.prepare import Prepared, prepare
from labelmint.runs.previews import LAST_PREVIEW, write_previews
from labelmint.runs.ranges import write_ranges
from labelmint.runs.request import check_batches, check_same, make_request, stored_config
from labelmint.runs.trained import TrainedSystem, build_parts, load
from labelmint.storage import write_json
from labelmint.systems.catalogue import system_named
from labelmint.systems.parts import Facts, TwoStageParts
from labelmint.training.prior import train_prior
from labelmint.training.run_folder import RunFolder
from labelmint.training.tokenizer import train_tokenizer
from labelmint.training.vq_model import VQModelTraining, train_vq_model
from labelmint.types import DataSet
from labelmint.version import __version__

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # seconds to import, and drawing does without

__all__ = ["plan", "train"]


def train(
    data: DataSet | str | Path,
    out: str | Path,
    *,
    system: str | None = None,
    preset: str = "small",
    size: tuple[int, int] | None = None,
    crop: bool = False,
    scale: float = 1.0,
    augment: Sequence[str] = (),
    normalize: str = "none",
    settings: Mapping[str, str] | Iterable[str] = (),
    group_by: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    max_minutes: float | None = None,
    force: bool = False,
    parts: Split | None = None,
    report: Report | None = None,
) -> TrainedSystem:
    """Train a system on labelled images and answer it, loaded.

    Arguments:
        data: a data set or its path.
        out: the run folder; the same call again goes on where a stopped one was.
        system, preset: names; `labelmint systems` lists them. The preset's system when None.
        size: (H, W) of the images to learn; the preset's when None.
        crop: random crops of that size instead of resizing. scale: resize by this factor before cropping.
        augment: any of "flips", "mirror", "turns", "zoom".
        normalize: "image" spreads each image from its own range to all levels (`datasets.ranges`).
        settings: single values, as {"prior.channels": "96"} or ["prior.channels=96"].
        group_by: regular expression that groups names for the split.
        device, precision, threads: "auto"/None choose and store the choice.
        max_minutes: divides this time over the stages and ends with a usable model.
        force: go on with fewer than 20 pairs.
        parts: the pairs to train and to validate on; by train.txt, test.txt and a hash of the names when
            None.
        report: called with an `Event` now and then.

    Raises InputError for bad input; KeyboardInterrupt after saving when stopped by Ctrl-C.
    """
    begin, tell = time.perf_counter(), report or (lambda event: None)
    request = make_request(
        system, preset, size, crop, scale, augment, settings, group_by, seed, max_minutes, normalize
    )
    run, source = RunFolder(out), _opened(data)
    stored = stored_config(run, request)
    hardware = choose_hardware(device, precision, threads, stored)
    fabric = open_fabric(hardware)
    fabric.barrier()  # no process may write before all have looked
    prepared = _prepared(
        source, request, force, parts, tell if fabric.global_rank == 0 else lambda event: None
    )
    config = _config(source, request, prepared, hardware, stored)
    check_same(run, stored, config)
    modules = build_parts(config)
    check_batches(request.settings, {stage.name for stage in modules.stages()}, fabric.world_size)
    if not all(run.finished(stage.name) for stage in modules.stages()):
        available = available_memory(fabric.device)
        needs = make_plan(
            modules,
            config,
            views=prepared.training.views,
            data_bytes=prepared.bytes,
            device=fabric.device,
            timed=False,
            available=None if stored else available,
        )
        check_memory(needs, available)
        accumulate = fabric.broadcast(needs.accumulate) if fabric.world_size > 1 else needs.accumulate
        config = config.model_copy(update={"accumulate": accumulate})
        for name, count in accumulate.items() if fabric.global_rank == 0 else ():
            # as this much memory is free now: with more, other weights
            if count > getattr(request.settings, name).accumulate:
                tell(
                    Event(
                        name,
                        0,
                        1,
                        message=f"memory does not hold a batch whole; it is computed in {count} parts",
                    )
                )
    if fabric.global_rank == 0 and config != stored:
        run.path.mkdir(parents=True, exist_ok=True)
        write_json(run.path / "config.json", config.model_dump(mode="json"))
        write_json(run.path / "split.json", prepared.split.to_json())
        if request.normalize != "none":
            write_ranges(run, prepared.training)
    fabric.barrier()
    _train_stages(fabric, run, modules, config, prepared, time.perf_counter() - begin, tell)
    if fabric.global_rank == 0:
        if not run.finished("layouts"):
            run.save_part("layouts", _stored_layouts(modules, prepared, fabric.device), {"part": "layouts"})
        if not (run.path / LAST_PREVIEW).is_file():
            write_previews(run, modules, prepared.validation, fabric.device)
    fabric.barrier()
    return load(out, device=str(fabric.device), threads=config.threads)


def plan(
    data: DataSet | str | Path,
    *,
    system: str | None = None,
    preset: str = "small",
    size: tuple[int, int] | None = None,
    crop: bool = False,
    scale: float = 1.0,
    augment: Sequence[str] = (),
    normalize: str = "none",
    settings: Mapping[str, str] | Iterable[str] = (),
    group_by: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    max_minutes: float | None = None,
    force: bool = False,
    report: Report | None = None,
) -> Plan:
    """What `train` with the same arguments would do and need; writes nothing."""
    request = make_request(
        system, preset, size, crop, scale, augment, settings, group_by, seed, max_minutes, normalize
    )
    source, hardware = _opened(data), choose_hardware(device, precision, threads, None)
    prepared = _prepared(source, request, force, None, report or (lambda event: None))
    config = _config(source, request, prepared, hardware, None)
    where = torch.device(hardware.device)
    available = available_memory(where)
    made = make_plan(
        build_parts(config),
        config,
        views=prepared.training.views,
        data_bytes=prepared.bytes,
        device=where,
        timed=True,
        available=available,
    )
    check_memory(made, available)
    return made


def _opened(data: DataSet | str | Path) -> DataSet:
    if isinstance(data, DataSet):
        return data
    from labelmint.formats import read

    return read(data)


def _prepared(data: DataSet, request: Request, force: bool, chosen: Split | None, tell: Report) -> Prepared:
    geometry = Geometry(
        size=request.size, crop=request.crop, scale=request.scale, augment=frozenset(request.augment)
    )
    facts = Facts(1, request.size, 2)  # enough to see whether the size fits, before anything is loaded
    with torch.device("meta"):  # shapes alone
        parts = system_named(request.system).build(request.settings, facts)
    return prepare(
        data,
        geometry,
        cell=parts.cell,
        group_by=request.group_by,
        seed=request.seed,
        force=force,
        parts=chosen,
        normalize=request.normalize,
        available=available_memory(torch.device("cpu")),
        tell=lambda done, of: tell(Event("data", done, of)) if done % 50 == 0 or done == of else None,
    )


def _config(
    data: DataSet, request: Request, prepared: Prepared, hardware: Hardware, stored: RunConfig | None
) -> RunConfig:
    return RunConfig(
        labelmint_version=stored.labelmint_version if stored else __version__,
        request=request,
        data_digest=prepared.digest,
        image_channels=prepared.image_channels,
        classes=tuple(
            ClassEntry(id=c.id, name=c.name, color=c.color, category=c.category) for c in data.classes.classes
        ),
        ignore=data.classes.ignore,
        symbols=prepared.symbols.symbols,
        has_instances=prepared.has_instances,
        device=hardware.device.partition(":")[0],
        precision=hardware.precision,
        threads=hardware.threads,
        cores=stored.cores if stored else cores(),
        accumulate=stored.accumulate if stored else {},
    )


@torch.no_grad()
def _stored_layouts(parts: TwoStageParts, prepared: Prepared, device: torch.device) -> dict[str, Tensor]:
    """Training layouts to draw from where none are given, with their tokens where these can't be had without
    images.
    """
    views = [*prepared.training_views()]
    stored = {"ids": torch.cat([view.layouts.ids for view in views])}
    if parts.needs_references:
        stored["tokens"] = torch.cat([parts.codes(view.to(device))[1].cpu() for view in views])
    return stored


def _train_stages(
    fabric: Fabric,
    run: RunFolder,
    parts: TwoStageParts,
    config: RunConfig,
    prepared: Prepared,
    spent: float,
    tell: Report,
) -> None:
    """Train what is not finished, load what is; a time budget is divided over the stages that are still to
    come.
    """
    minutes, stages = config.request.max_minutes, parts.stages()
    left = max(60 * minutes - spent, 1.0) if minutes else None
    for stage in stages:
        stage.module.to(fabric.device)
    for place, stage in enumerate(stages):
        if run.finished(stage.name):
            weights, about = run.load_part(stage.name)
            stage.module.load_state_dict(weights)
            stage.module.eval()
            run.drop_checkpoint(stage.name)
        else:
            shares = [getattr(config.request.settings, later.name).share for later in stages[place:]]
            seconds = left * shares[0] / sum(shares) if left is not None else None
            section = getattr(config.request.settings, stage.name)
            parts.begin(stage.name, config.request.seed)
            section = section.model_copy(
                update={"accumulate": config.accumulate.get(stage.name, section.accumulate)}
            )
            if isinstance(section, VQModelTraining):
                about = train_vq_model(
                    stage.name,
                    fabric,
                    run,
                    stage.module,
                    prepared.training,
                    prepared.validation,
                    section,
                    seconds,
                    tell,
                )
            elif stage.tokenize is None:
                about = train_tokenizer(
                    fabric, run, stage.module, prepared.training, prepared.validation, section, seconds, tell
                )
            else:
                about = train_prior(
                    stage.name,
                    fabric,
                    run,
                    stage.module,
                    stage.tokenize,
                    prepared.training,
                    prepared.validation,
                    section,
                    seconds,
                    tell,
                )
            if fabric.global_rank == 0:
                about = {"part": stage.name, "config": section.model_dump(), **about}
                run.save_part(stage.name, stage.module.state_dict(), about)
            fabric.barrier()
        if left is not None:
            left = max(left - float(about["seconds"]), 1.0)
