"""Training a system: data, plan, then its stages in a row, into a run folder that can be stopped and gone on with."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from labelmint.datasets.geometry import Geometry
from labelmint.errors import InputError
from labelmint.systems.catalogue import system_named
from labelmint.systems.config import Settings, with_values
from labelmint.systems.data import Prepared, prepare
from labelmint.systems.hardware import available_memory, choose_device, choose_precision, choose_threads
from labelmint.systems.parts import Facts, TwoStageParts
from labelmint.systems.plan import Plan, check_memory, make_plan
from labelmint.systems.presets import preset_named
from labelmint.systems.previews import write_previews
from labelmint.systems.run_config import ClassEntry, Request, RunConfig, read_run_config
from labelmint.systems.trained import TrainedSystem, build_parts, load
from labelmint.training.clock import Event, Report
from labelmint.training.prior import train_prior
from labelmint.training.run import RunFolder, write_json
from labelmint.training.tokenizer import train_tokenizer
from labelmint.types import DataSet

__all__ = ["plan", "train"]

# What is left of the time budget, divided: the tokenizer takes the first share, the image prior its share of the rest, and so on.
SHARES = {"tokenizer": 0.25, "prior": 0.75, "layout_prior": 1.0}


def train(
    data: DataSet | str | Path,
    out: str | Path,
    *,
    system: str = "msgnet",
    preset: str = "small",
    size: tuple[int, int] | None = None,
    crop: bool = False,
    scale: float = 1.0,
    augment: Sequence[str] = (),
    settings: Mapping[str, str] | Iterable[str] = (),
    group_by: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    max_minutes: float | None = None,
    force: bool = False,
    report: Report | None = None,
) -> TrainedSystem:
    """Train a system on labelled images and answer it, loaded.

    Arguments:
        data: a data set or its path.
        out: the run folder; the same call again goes on where a stopped one was.
        system, preset: names; `labelmint systems` lists them.
        size: (H, W) of the images to learn; the preset's when None.
        crop: random crops of that size instead of resizing. scale: resize by this factor before cropping.
        augment: any of "flips", "turns".
        settings: single values, as {"prior.channels": "96"} or ["prior.channels=96"].
        group_by: regular expression that groups names for the split.
        device, precision, threads: "auto"/None choose and store the choice.
        max_minutes: divides this time over the stages and ends with a usable model.
        force: go on with fewer than 20 pairs.
        report: called with an `Event` now and then.

    Raises InputError for bad input; KeyboardInterrupt after saving when stopped by Ctrl-C.
    """
    _quiet()
    tell = report or (lambda event: None)
    request = _request(system, preset, size, crop, scale, augment, settings, group_by, seed, max_minutes)
    where = choose_device(device)
    torch.set_num_threads(choose_threads(threads))
    run = RunFolder(out)
    stored = _stored(run, request)
    fabric = _fabric(where, _precision(precision, stored, where))
    fabric.barrier()  # no process may write before all have looked
    prepared = _prepared(data, request, force, tell if fabric.global_rank == 0 else lambda event: None)
    config = _config(_opened(data), request, prepared, fabric, threads, stored)
    _check_same(run, stored, config)
    parts = build_parts(config)
    if not all(run.finished(name) for name in parts.modules):
        check_memory(_plan(parts, config, prepared, timed=False), available_memory(where))
    if fabric.global_rank == 0:
        run.path.mkdir(parents=True, exist_ok=True)
        write_json(run.path / "split.json", prepared.split.to_json())
        write_json(run.path / "config.json", config.model_dump(mode="json"))
    fabric.barrier()
    _stages(fabric, run, parts, config, prepared, tell)
    if fabric.global_rank == 0 and not run.finished("layouts"):
        run.save_part("layouts", {"ids": prepared.training_layouts()}, {"part": "layouts"})
        write_previews(run, parts, prepared.validation, fabric.device)
    fabric.barrier()
    return load(out, device=str(where), threads=config.threads)


def plan(data: DataSet | str | Path, *, system: str = "msgnet", preset: str = "small", size: tuple[int, int] | None = None,
    crop: bool = False, scale: float = 1.0, augment: Sequence[str] = (), settings: Mapping[str, str] | Iterable[str] = (),
    group_by: str | None = None, device: str = "auto", precision: str = "auto", threads: int | None = None, seed: int = 0,
    max_minutes: float | None = None, force: bool = False, report: Report | None = None,
) -> Plan:  # fmt: skip
    """What `train` with the same arguments would do and need; writes nothing."""
    _quiet()
    request = _request(system, preset, size, crop, scale, augment, settings, group_by, seed, max_minutes)
    where = choose_device(device)
    torch.set_num_threads(choose_threads(threads))
    prepared = _prepared(data, request, force, report or (lambda event: None))
    fabric = _fabric(where, _precision(precision, None, where))
    config = _config(_opened(data), request, prepared, fabric, threads, None)
    made = _plan(build_parts(config), config, prepared, timed=True)
    check_memory(made, available_memory(where))
    return made


def _request(
    system: str, preset: str, size: tuple[int, int] | None, crop: bool, scale: float, augment: Sequence[str],
    settings: Mapping[str, str] | Iterable[str], group_by: str | None, seed: int, max_minutes: float | None,
) -> Request:  # fmt: skip
    system_named(system)
    chosen = preset_named(preset)
    if max_minutes is not None and max_minutes <= 0:
        raise InputError(f"--max-minutes {max_minutes:g}: expected more than 0")
    return Request(
        system=system,
        preset=preset,
        size=size or chosen.size,
        crop=crop,
        scale=scale,
        augment=tuple(sorted(set(augment))),
        group_by=group_by,
        seed=seed,
        max_minutes=max_minutes,
        settings=with_values(chosen.settings(), settings),
    )


def _opened(data: DataSet | str | Path) -> DataSet:
    if isinstance(data, DataSet):
        return data
    from labelmint.formats import read

    return read(data)


def _stored(run: RunFolder, request: Request) -> RunConfig | None:
    """The configuration of a run that is gone on with; raises InputError when the folder holds something else."""
    if not run.path.exists() or (run.path.is_dir() and not any(run.path.iterdir())):
        return None
    if not (run.path / "config.json").is_file():
        raise InputError(f"{run.path}: exists and is not a run folder; give another --out")
    stored = read_run_config(run)
    difference = stored.difference(stored.model_copy(update={"request": request}))
    if difference:
        raise InputError(
            f"{run.path}: holds a run made otherwise ({difference}); give another --out, or the same options to go on"
        )
    return stored


def _check_same(run: RunFolder, stored: RunConfig | None, config: RunConfig) -> None:
    difference = stored.difference(config) if stored else None
    if difference:
        raise InputError(f"{run.path}: holds a run made otherwise ({difference}); give another --out, or the same data to go on")


def _prepared(data: DataSet | str | Path, request: Request, force: bool, tell: Report) -> Prepared:
    geometry = Geometry(size=request.size, crop=request.crop, scale=request.scale, augment=frozenset(request.augment))
    facts = Facts(1, request.size, 2)  # enough to see whether the size fits, before anything is loaded
    parts = system_named(request.system).build(request.settings, facts)
    cell = max(request.size[0] // parts.label_map.grid[0], 1)
    return prepare(
        _opened(data),
        geometry,
        cell=cell,
        group_by=request.group_by,
        seed=request.seed,
        force=force,
        available=available_memory(torch.device("cpu")),
        tell=lambda done, of: tell(Event("data", done, of)) if done % 50 == 0 or done == of else None,
    )


def _precision(asked: str, stored: RunConfig | None, device: torch.device) -> str:
    if asked == "auto" and stored is not None:
        return stored.precision
    return choose_precision(asked, device)


def _config(
    data: DataSet, request: Request, prepared: Prepared, fabric: Fabric, threads: int | None, stored: RunConfig | None
) -> RunConfig:
    from labelmint import __version__

    return RunConfig(
        labelmint_version=__version__,
        request=request,
        data_digest=prepared.digest,
        image_channels=prepared.image_channels,
        classes=tuple(ClassEntry(id=c.id, name=c.name, color=c.color, category=c.category) for c in data.classes.classes),
        ignore=data.classes.ignore,
        symbols=prepared.symbols.symbols,
        has_instances=prepared.has_instances,
        device=fabric.device.type,
        precision=str(fabric._precision.precision),
        threads=choose_threads(threads if threads or stored is None else stored.threads),
    )


def _plan(parts: TwoStageParts, config: RunConfig, prepared: Prepared, timed: bool) -> Plan:
    request = config.request
    facts = Facts(config.image_channels, request.size, len(config.symbols))
    shown: dict[str, Any] = config.model_dump(mode="json")
    return make_plan(
        parts, request.settings, facts, views=prepared.training.views, data_bytes=prepared.bytes, configuration=shown,
        max_minutes=request.max_minutes, bfloat16=config.precision == "bf16-mixed", timed=timed,
    )  # fmt: skip


def _fabric(device: torch.device, precision: str) -> Fabric:
    """One process, or as many as `torchrun` started."""
    import os

    world = int(os.environ.get("WORLD_SIZE", "1"))
    accelerator = "cuda" if device.type == "cuda" else "cpu"
    if world > 1:
        nodes = world // int(os.environ.get("LOCAL_WORLD_SIZE", world))
        fabric = Fabric(accelerator=accelerator, devices=world // nodes, num_nodes=nodes, strategy="ddp", precision=precision)  # type: ignore[arg-type]
    else:
        devices: Any = [device.index or 0] if device.type == "cuda" else 1
        fabric = Fabric(accelerator=accelerator, devices=devices, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def _stages(fabric: Fabric, run: RunFolder, parts: TwoStageParts, config: RunConfig, prepared: Prepared, tell: Report) -> None:
    settings, minutes = config.request.settings, config.request.max_minutes
    left = 60 * minutes if minutes else None
    for module in parts.modules.values():
        module.to(fabric.device)
    for name, module in parts.modules.items():
        if run.finished(name):
            weights, about = run.load_part(name)
            module.load_state_dict(weights)
            module.eval()
        else:
            seconds = left * SHARES[name] if left is not None else None
            about = _stage(name, fabric, run, parts, settings, prepared, seconds, tell)
            if fabric.global_rank == 0:
                run.save_part(name, module.state_dict(), {"part": name, "config": getattr(settings, name).model_dump(), **about})
            fabric.barrier()
        if left is not None:
            left = max(left - float(about["seconds"]), 1.0)


def _stage(
    name: str, fabric: Fabric, run: RunFolder, parts: TwoStageParts, settings: Settings, prepared: Prepared, seconds: float | None,
    tell: Report,
) -> dict[str, Any]:  # fmt: skip
    training, validation = prepared.training, prepared.validation
    if name == "tokenizer":
        return train_tokenizer(fabric, run, parts.tokenizer, training, validation, settings.tokenizer, seconds, tell)
    tokenize = parts.image_tokens if name == "prior" else parts.layout_tokens
    section = settings.prior if name == "prior" else settings.layout_prior
    return train_prior(name, fabric, run, parts.modules[name], tokenize, training, validation, section, seconds, tell)


def _quiet() -> None:
    """Fabric announces things that are no news to the person who waits."""
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning_fabric")
