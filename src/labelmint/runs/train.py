"""Training a system: data, plan, then its stages in a row, into a run folder that can be stopped and gone on
with.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor

from labelmint.datasets.keeping import Disk, drop_cache
from labelmint.datasets.splits import Split
from labelmint.hardware import Hardware, available_memory, choose_hardware, open_fabric, processes
from labelmint.processors import cores
from labelmint.progress import Event, Report
from labelmint.runs.config import REVISION, ClassEntry, Request, RunConfig
from labelmint.runs.kinds import said_of_styles, with_styles, write_styles
from labelmint.runs.plan import Plan, check_memory, make_plan
from labelmint.runs.prepare import Prepared, prepare
from labelmint.runs.previews import LAST_PREVIEW, write_previews
from labelmint.runs.ranges import RANGES, write_ranges
from labelmint.runs.request import Asked, check_batches, check_same, make_request, stored_config
from labelmint.runs.source import source_of
from labelmint.runs.trained import TrainedSystem, load
from labelmint.runs.unlabelled import check_shares, check_takes_pool, pool_of, read_pool, seed_of_pool
from labelmint.runs.wire import shapes, wire
from labelmint.storage import alone, write_json
from labelmint.systems.catalogue import SYSTEMS
from labelmint.systems.system import Wired
from labelmint.training.average import batch_norms
from labelmint.training.clock import now_of
from labelmint.training.regime import Bench, Stage
from labelmint.training.run_folder import RunFolder
from labelmint.types import DataSet
from labelmint.version import __version__

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # seconds to import, and drawing does without

__all__ = ["plan", "train"]


def train(
    data: DataSet | str | Path,
    out: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    force: bool = False,
    parts: Split | None = None,
    unlabelled: DataSet | str | Path | None = None,
    report: Report | None = None,
    **asked: Unpack[Asked],
) -> TrainedSystem:
    """Train a system on labelled images and return it, loaded.

    Arguments:
        data: a data set or its path; images without labels for a system that learns from these alone.
        out: the run folder; the same call again goes on where a stopped one was.
        device, precision, threads: "auto"/None choose and store the choice.
        force: go on with fewer than 20 pairs.
        unlabelled: images without labels beside the labelled ones, or a data set whose labels are left unused.
        parts: the pairs to train and to validate on; by train.txt, test.txt and a hash of the names when
            None.
        report: called with an `Event` now and then.
        asked: system, preset, size and all else that decides the result, as `Asked` has them.

    Raises InputError for bad input, and where another command trains in that folder; KeyboardInterrupt after saving
    when stopped by Ctrl-C.
    """
    request, run, tell = make_request(**asked), RunFolder(out), report or (lambda event: None)
    now = now_of(request.clock, 1)  # data are loaded by one thread
    begin = now()
    source = source_of(data, request.system, tell)
    stored = stored_config(run, request)
    hardware = choose_hardware(device, precision, threads, stored)
    fabric = open_fabric(hardware, request.settings.in_phases)
    first = fabric.global_rank == 0
    fabric.barrier()  # no process may write before all have looked
    disk = Disk(run.path, writes=first)
    heard = tell if first else lambda event: None
    prepared = _prepared(source, request, force, parts, unlabelled, stored, disk, heard)
    config = _config(source, request, prepared, hardware, stored)
    check_same(run, stored, config)
    wired = wire(config)
    check_batches(wired.stages, fabric.world_size)
    if not all(run.finished(stage.name) for stage in wired.stages):
        config = _as_memory_allows(fabric, wired, config, prepared, stored is None, tell)
    elif stored is not None:
        config = stored  # which says how its weights were trained, whatever is asked for now
    with alone(run.path) if first else nullcontext():
        if first:
            _begin(run, config, stored, prepared)
        fabric.barrier()
        _train_stages(fabric, run, wired, config, prepared, now() - begin, tell)
        if first:
            _finish(run, wired, prepared, request, fabric.device)
        fabric.barrier()
        drop_cache(run.path)
    del wired, prepared  # or there would be two of each for a moment
    return load(out, device=str(fabric.device), threads=hardware.threads)


def _begin(run: RunFolder, config: RunConfig, stored: RunConfig | None, prepared: Prepared) -> None:
    """Store what a run is made of. The configuration comes first: by it a killed run is known, and gets what it still
    lacks when it goes on.
    """
    if config != stored:
        run.path.mkdir(parents=True, exist_ok=True)
        write_json(run.path / "config.json", config.model_dump(mode="json"))
    if not (run.path / "split.json").is_file():
        write_json(run.path / "split.json", prepared.lists)
    if config.request.normalize != "none" and not (run.path / RANGES).is_file():
        write_ranges(run, prepared.training)


def _finish(run: RunFolder, wired: Wired, prepared: Prepared, request: Request, device: torch.device) -> None:
    """Store layouts to draw for, and draw the pictures of a run."""
    if SYSTEMS[request.system].role != "upscaler" and not run.finished("layouts"):
        run.save_part("layouts", _stored_layouts(wired, prepared, device), {"part": "layouts"})
    if prepared.training.style_shares:
        write_styles(prepared, run.path / "styles.png")
    if not (run.path / LAST_PREVIEW).is_file():
        write_previews(run, wired, prepared.validation, device)


def plan(
    data: DataSet | str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    force: bool = False,
    unlabelled: DataSet | str | Path | None = None,
    report: Report | None = None,
    **asked: Unpack[Asked],
) -> Plan:
    """What `train` with the same arguments would do and need; writes nothing."""
    request, tell = make_request(**asked), report or (lambda event: None)
    request.settings.check_heeded()
    source = source_of(data, request.system, tell)
    hardware = choose_hardware(device, precision, threads, None)
    disk = Disk(Path(gettempdir()), named=False)
    prepared = _prepared(source, request, force, None, unlabelled, None, disk, tell)
    config = _config(source, request, prepared, hardware, None)
    where = torch.device(hardware.device)
    available = available_memory(where)
    made = make_plan(
        wire(config),
        config,
        views=prepared.training.views,
        data_bytes=prepared.bytes,
        boxes=prepared.boxes.fullest if prepared.boxes else 0,
        device=where,
        timed=True,
        available=available,
        processes=processes(),
    )
    check_memory(made, available)
    return made


def _as_memory_allows(
    fabric: Fabric, wired: Wired, config: RunConfig, prepared: Prepared, new: bool, tell: Report
) -> RunConfig:
    """The configuration with batches in as many parts as memory asks for; a stored run keeps its own. Raises
    InputError where it does not fit at all.
    """
    available = available_memory(fabric.device)
    needs = make_plan(
        wired,
        config,
        views=prepared.training.views,
        data_bytes=prepared.bytes,
        boxes=prepared.boxes.fullest if prepared.boxes else 0,
        device=fabric.device,
        timed=False,
        available=available if new else None,
        processes=fabric.world_size,
    )
    check_memory(needs, available)
    accumulate = fabric.broadcast(needs.accumulate) if fabric.world_size > 1 else needs.accumulate
    modules = {stage.name: stage.module for stage in wired.stages}
    for name, count in accumulate.items() if fabric.global_rank == 0 else ():
        # As this much memory is free now: with more, other weights.
        if count > config.request.settings.each()[name].accumulate:
            message = f"memory does not hold a batch whole; it is computed in {count} parts"
            if batch_norms(modules[name]):
                message += ", and norms over the batch take the statistics of each"
            tell(Event(name, 0, 1, message=message))
    return config.model_copy(update={"accumulate": accumulate})


def _prepared(
    data: DataSet,
    request: Request,
    force: bool,
    chosen: Split | None,
    unlabelled: DataSet | str | Path | None,
    stored: RunConfig | None,
    disk: Disk,
    tell: Report,
) -> Prepared:
    """The pairs to train on, and the images beside them, as a stored run saw them; where memory does not hold the pairs
    they lie on the disk.
    """
    beside, revision = None, _revision(stored)
    check_shares(request, unlabelled, begun=stored is not None)
    if unlabelled is not None:
        check_takes_pool(request.system, unlabelled.source if isinstance(unlabelled, DataSet) else unlabelled)
        beside = read_pool(unlabelled)  # before anything is loaded
    geometry = request.geometry

    def loading(done: int, of: int) -> None:
        if done % 50 == 0 or done == of:
            tell(Event("data", done, of))

    prepared = prepare(
        data,
        geometry,
        cell=shapes(request).reach,  # which sees whether the size fits, before anything is loaded
        group_by=request.group_by,
        seed=request.seed,
        force=force,
        parts=chosen,
        normalize=request.normalize,
        boxes=request.settings.boxes,
        available=available_memory(torch.device("cpu")),
        disk=disk,
        tell=loading,
    )
    if beside is not None:
        pool = pool_of(
            beside,
            data,
            prepared.split,
            geometry,
            channels=prepared.image_channels,
            normalize=request.normalize,
            seed=seed_of_pool(request.seed) if revision else request.seed,
            folder=disk.folder,
            tell=loading,
        )
        tell(Event("data", 1, 1, message=pool.said))
        prepared = replace(prepared, pool=pool)
    if request.settings.styles:
        prepared = with_styles(prepared, request.settings.styles, request.seed, alone=revision > 0)
        tell(Event("styles", 1, 1, message=said_of_styles(prepared)))
    if prepared.boxes is not None:
        tell(Event("boxes", 1, 1, message=str(prepared.boxes)))
    prepared.training.check_rebalanced(request.rebalance)  # before anything is written
    return prepared


def _config(
    data: DataSet, request: Request, prepared: Prepared, hardware: Hardware, stored: RunConfig | None
) -> RunConfig:
    return RunConfig(
        labelmint_version=stored.labelmint_version if stored else __version__,
        request=request,
        data=stored.data if stored else " + ".join(Path(one).name for one in data.source.split(" + ")),
        data_digest=prepared.digest,
        image_channels=prepared.image_channels,
        classes=tuple(
            ClassEntry(id=c.id, name=c.name, color=c.color, category=c.category) for c in data.classes.classes
        ),
        ignore=data.classes.ignore,
        symbols=prepared.symbols.symbols,
        has_instances=prepared.has_instances,
        salient=prepared.salient,
        device=hardware.device.partition(":")[0],
        precision=hardware.precision,
        threads=hardware.threads,
        cores=stored.cores if stored else cores(),
        boxes_digest=prepared.boxes_digest,
        pool_digest=prepared.pool.digest if prepared.pool else "",
        pool_images=len(prepared.pool.pairs) if prepared.pool else 0,
        revision=_revision(stored),
        accumulate=stored.accumulate if stored else {},
    )


def _revision(stored: RunConfig | None) -> int:
    """That of a run that is gone on with, or of a new one."""
    return stored.revision if stored else REVISION


@torch.no_grad()
def _stored_layouts(wired: Wired, prepared: Prepared, device: torch.device) -> dict[str, Tensor]:
    """Training layouts to draw from where none are given, with their tokens where these can't be had without
    images. Images without labels are all of the one layout that says nothing.
    """
    if not prepared.training.labelled:
        return {"ids": torch.zeros(1, *prepared.training.geometry.size, dtype=torch.uint8)}
    views = [*prepared.training_views()]
    stored = {"ids": torch.cat([view.layouts.ids for view in views])}
    if prepared.boxes is not None:
        stored["boxes"] = torch.cat([view.layouts.boxes for view in views if view.layouts.boxes is not None])
    if wired.keeping is not None and wired.needs_references:
        stored["tokens"] = torch.cat([wired.keeping.codes(view.to(device))[1].cpu() for view in views])
    return stored


def _train_stages(
    fabric: Fabric,
    run: RunFolder,
    wired: Wired,
    config: RunConfig,
    prepared: Prepared,
    spent: float,
    tell: Report,
) -> None:
    """Train what is not finished, load what is; a time budget is divided over the stages that are still to
    come.
    """
    minutes = config.request.max_minutes
    left = max(60 * minutes - spent, 1.0) if minutes else None
    training = prepared.training.rebalanced(config.request.rebalance)
    for stage in wired.stages:
        stage.module.to(fabric.device)
    for place, stage in enumerate(wired.stages):
        if run.finished(stage.name):
            weights, about = run.load_part(stage.name)
            stage.module.load_state_dict(weights)
            stage.module.eval()
            run.drop_checkpoint(stage.name)
        else:
            settings = stage.regime.settings
            shares = [later.regime.settings.share for later in wired.stages[place:]]
            bench = Bench(
                fabric=fabric,
                run=run,
                training=training,
                validation=prepared.validation,
                seconds=left * shares[0] / sum(shares) if left is not None else None,
                report=tell,
                accumulate=config.accumulate.get(stage.name, settings.accumulate),
                now=now_of(config.request.clock, config.threads),
                pool=prepared.pool.pairs if prepared.pool else None,
                endless=config.request.endless and stage is wired.stages[-1],
            )
            about = _train(stage, bench)
            if fabric.global_rank == 0:
                asked = settings.model_copy(update={"accumulate": bench.accumulate})
                about = {"part": stage.name, "config": asked.model_dump(), **about}
                run.save_part(stage.name, stage.module.state_dict(), about)
            fabric.barrier()
        if left is not None:
            left = max(left - float(about["seconds"]), 1.0)


def _train(stage: Stage, bench: Bench) -> dict[str, Any]:
    """What a stage does before its first step is a part of its time budget, but not of its schedule, which would
    else begin behind its warm-up. Its "seconds" are all that it took, in earlier processes, too.
    """
    begin, before = bench.now(), bench.run.elapsed(stage.name)
    stage.regime.begin(stage.module, bench.training, stage.name)
    if bench.seconds is not None:
        bench = replace(bench, seconds=max(bench.seconds - (bench.now() - begin), 1.0))
    about = dict(stage.regime.train(stage, bench))
    return {**about, "seconds": before + bench.now() - begin}
