"""Minting: n new pairs of a trained system as a data set on disk, whole or not at all, and the same bytes after a resume.

    sample i = row i mod B of chunk i // B,    chunks start // B ... (start + n - 1) // B

Chunks are drawn into OUT.partial; when all are there the data set is written beside them and takes its place at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmint import formats, pictures
from labelmint.errors import InputError
from labelmint.synthesis.chunks import ChunkFolder
from labelmint.synthesis.provenance import Origin, card, count_objects, count_pixels, manifest_row
from labelmint.synthesis.size_range import size_warnings
from labelmint.types import AnnotatedImage, DataSet

if TYPE_CHECKING:
    from torch import Tensor

    from labelmint.systems import TrainedSystem
    from labelmint.training.clock import Report

__all__ = ["check_target", "mint"]

ON_THE_SHEET = 24


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What is to be minted."""

    system: TrainedSystem
    origin: Origin
    n: int
    start: int
    layouts: Tensor | None
    sources: tuple[str, ...]  # names of the layouts that are taken in turn; empty when layouts are drawn
    cautions: tuple[str, ...] = ()  # what is doubtful about given layouts

    @property
    def chunks(self) -> range:
        size = self.origin.batch_size
        return range(self.start // size, -(-(self.start + self.n) // size))

    def source_of(self, index: int) -> str | None:
        return self.sources[index // self.origin.per_layout % len(self.sources)] if self.sources else None

    @property
    def layouts_used(self) -> list[int]:
        """Indices of the given layouts that some pair takes."""
        assert self.layouts is not None
        first, last = (index // self.origin.per_layout for index in (self.start, self.start + self.n - 1))
        return sorted({k % len(self.layouts) for k in range(first, min(last + 1, first + len(self.layouts)))})

    @property
    def settings(self) -> dict[str, Any]:
        return {**self.origin.to_json(), "n": self.n, "start": self.start}


def mint(
    system: TrainedSystem,
    out: str | Path,
    *,
    n: int,
    seed: int = 0,
    start: int = 0,
    format: str = "folder",
    layouts: DataSet | None = None,
    per_layout: int = 1,
    layout_temperature: float | None = None,
    temperature: float = 0.85,
    batch_size: int = 32,
    resume: bool = False,
    copies: Mapping[str, str | Path] | None = None,
    report: Report | None = None,
    warn: Callable[[str], None] | None = None,
) -> Path:
    """Draw the pairs start ... start + n - 1 and write them as a data set with manifest, card and contact sheet.

    Arguments:
        system: as `labelmint.load` answers it.
        out: the folder to write; refused when it holds anything.
        n, start: how many pairs, and the index of the first; a pair is the same whatever they are.
        seed: of every draw.
        format: "folder" or "coco".
        layouts: take the layouts of this data set, each for `per_layout` pairs, instead of drawing them.
        layout_temperature, temperature: above 0; below 1 makes likelier and less varied layouts and images. None takes the run's own
            layout temperature.
        batch_size: B, pairs drawn at a time.
        resume: go on with what a stopped call left in OUT.partial.
        copies: further folders for the same pairs, by format.
        report: called with an `Event` after each chunk.
        warn: called with a line for each class of which given objects lie outside the sizes trained on (`size_range`); Python's
            `warnings.warn` unless given.

    Returns:
        the folder.

    Raises InputError for bad values, a folder that is not empty, and a resume with other settings than before.
    """
    targets = {format: Path(out), **{name: Path(path) for name, path in (copies or {}).items()}}
    for name, path in targets.items():
        check_target(path, n=n, format=name, resume=resume)
    _check_numbers(seed=(seed, 0), start=(start, 0), per_layout=(per_layout, 1), batch_size=(batch_size, 1))
    layout_temperature = system.layout_temperature if layout_temperature is None else layout_temperature
    for name, value in (("--temperature", temperature), ("--layout-temperature", layout_temperature)):
        if not 0 < value < 100:
            raise InputError(f"{name} {value:g}: expected more than 0 and less than 100")
    if per_layout != 1 and layouts is None and system.has_layout_prior:
        raise InputError(
            f"--per-layout {per_layout}: only has a meaning with --layouts; this system draws a layout for each image"
        )
    given = system.layouts_of(layouts) if layouts is not None else None
    origin = Origin(
        **_facts(system),
        seed=seed,
        batch_size=batch_size,
        temperature=temperature,
        layout_temperature=layout_temperature,
        layouts="given" if given is not None else "drawn" if system.has_layout_prior else "training layouts of the run",
        layouts_digest=hashlib.sha256(given.numpy().tobytes()).hexdigest() if given is not None else None,
        per_layout=per_layout,
    )
    order = _Order(system=system, origin=origin, n=n, start=start, layouts=given, sources=_sources(system, layouts))
    if given is not None:
        order = replace(order, cautions=tuple(size_warnings(system, given, order.layouts_used)))
    for line in order.cautions:
        (warn or _warn)(line)
    if _is_complete(Path(out), order, format):
        return Path(out)
    folder = ChunkFolder(_partial(Path(out)), order.settings, resume=resume)
    _draw(order, folder, report or (lambda event: None))
    _publish(order, folder, targets)
    return Path(out)


def _warn(line: str) -> None:
    warnings.warn(line, UserWarning, stacklevel=3)


def check_target(out: str | Path, *, n: int, format: str, resume: bool) -> None:
    """Raise InputError when n pairs can't be written there in that format; looks only, and costs nothing."""
    if n < 1:
        raise InputError(f"-n {n}: expected at least 1")
    if format not in formats.WRITABLE:
        raise InputError(f"--format {format}: expected one of {', '.join(formats.WRITABLE)}")
    path = Path(out)
    complete = resume and (path / "settings.json").is_file()
    if not complete and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: exists and is not an empty folder; give another --out, or remove it")
    if _partial(path).exists() and not resume:
        raise InputError(
            f"{_partial(path)}: a stopped command left its samples there; add --resume to go on, or remove that folder"
        )


def _is_complete(out: Path, order: _Order, format: str) -> bool:
    """Whether the folder to resume holds just these pairs already; raises InputError when it holds others."""
    file = out / "settings.json"
    if not file.is_file():
        return False
    if file.read_text(encoding="utf-8") != _settings_text(order, format):
        raise InputError(f"{out}: holds pairs that were made otherwise; give another --out, or remove it")
    return True


def _settings_text(order: _Order, format: str) -> str:
    cautions = {"warnings": order.cautions} if order.cautions else {}
    return json.dumps({**order.settings, "format": format, **cautions}, indent=1) + "\n"


def _partial(out: Path) -> Path:
    whole = Path(os.path.abspath(out))  # noqa: PTH100 - unlike resolve() it keeps a link's own name
    return whole.with_name(f"{whole.name}.partial")


def _check_numbers(**values: tuple[int, int]) -> None:
    for name, (value, least) in values.items():
        if value < least:
            raise InputError(f"--{name.replace('_', '-')} {value}: expected at least {least}")


def _facts(system: TrainedSystem) -> dict[str, Any]:
    import torch

    import labelmint

    return {
        "version": labelmint.__version__,
        "system": system.system,
        "weights": system.digest,
        "device": system.device.type,
        "precision": "32-true",  # sampling never uses autocast
        "threads": torch.get_num_threads(),
    }


def _sources(system: TrainedSystem, layouts: DataSet | None) -> tuple[str, ...]:
    if layouts is not None:
        return layouts.names
    if system.has_layout_prior:
        return ()
    return tuple(f"training layout {j}" for j in range(len(system.training_layouts())))


def _draw(order: _Order, folder: ChunkFolder, report: Report) -> None:
    """Draw the chunks that are missing."""
    from labelmint.training.clock import Event

    origin, begin = order.origin, time.perf_counter()
    missing = [chunk for chunk in order.chunks if folder.load(chunk) is None]
    done = len(order.chunks) - len(missing)
    for drawn, chunk in enumerate(missing, 1):
        pairs = order.system.sample_chunk(
            chunk,
            seed=origin.seed,
            batch_size=origin.batch_size,
            temperature=origin.temperature,
            layout_temperature=origin.layout_temperature,
            layouts=order.layouts,
            per_layout=origin.per_layout,
        )
        folder.save(chunk, pairs)
        speed = drawn * origin.batch_size / (time.perf_counter() - begin)
        total = len(order.chunks) * origin.batch_size
        left = (len(missing) - drawn) * origin.batch_size / speed
        report(Event("synthesize", (done + drawn) * origin.batch_size, total, speed, left))


def _publish(order: _Order, folder: ChunkFolder, targets: Mapping[str, Path]) -> None:
    """Write every target beside the chunks, then let them take their places."""
    staged = {}
    for format, target in targets.items():
        staged[target] = folder.path / f"data-{format}"
        shutil.rmtree(staged[target], ignore_errors=True)
        _write(order, folder, staged[target], format)
    for target, ready in staged.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            target.rmdir()
        shutil.move(ready, target)
    shutil.rmtree(folder.path)


def _write(order: _Order, folder: ChunkFolder, path: Path, format: str) -> None:
    """One data set: pairs, manifest.jsonl, contact_sheet.png, settings.json, README.md."""
    classes = order.system.classes
    objects: Counter[str] = Counter()
    pixels: Counter[str] = Counter()
    sheet: list[AnnotatedImage] = []
    manifest = folder.path / f"manifest-{format}.jsonl"
    with manifest.open("w", encoding="utf-8", newline="\n") as rows:

        def noted() -> Iterator[AnnotatedImage]:
            for index, pair in _pairs(order, folder):
                objects.update(count_objects(pair.layout, classes))
                pixels.update(count_pixels(pair.layout, classes))
                rows.write(manifest_row(pair, order.origin, classes, index, order.source_of(index)))
                if len(sheet) < ON_THE_SHEET:
                    sheet.append(pair)
                yield pair

        formats.write(noted(), path, format=format, classes=classes)
    manifest.replace(path / "manifest.jsonl")
    pictures.contact_sheet(sheet, classes, path / "contact_sheet.png")
    (path / "settings.json").write_text(_settings_text(order, format), encoding="utf-8")
    text = card(
        order.origin, n=order.n, start=order.start, size=order.system.size, format=format,
        objects=objects, pixels={name: pixels[name] for name in _in_order(classes.names, pixels)}, versions=_versions(),
    )  # fmt: skip
    (path / "README.md").write_text(text + _doubts(order.cautions), encoding="utf-8", newline="\n")


def _doubts(cautions: tuple[str, ...]) -> str:
    """The section of README.md about them; nothing where there are none."""
    return "\n".join(["", "## Doubtful", "", *(f"- {line}" for line in cautions), ""]) if cautions else ""


def _pairs(order: _Order, folder: ChunkFolder) -> Iterator[tuple[int, AnnotatedImage]]:
    """(index, pair) of the pairs that are wanted, with their provenance."""
    for chunk in order.chunks:
        pairs = folder.load(chunk)
        if pairs is None:
            raise InputError(
                f"{folder.path}: chunk {chunk} vanished while the data set was written; run the same command with --resume"
            )
        for row, pair in enumerate(pairs):
            index = chunk * order.origin.batch_size + row
            if order.start <= index < order.start + order.n:
                yield index, replace(pair, provenance=order.origin.texts(index))


def _in_order(names: tuple[str, ...], found: Mapping[str, int]) -> list[str]:
    return [name for name in names if name in found] + sorted(set(found) - set(names))


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    return {"Python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy", "pillow")}}
