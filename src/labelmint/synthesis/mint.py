"""Minting: n new pairs of a trained system as a data set on disk, whole or not at all, and the same bytes after a resume.

    sample i = row i mod B of chunk i // B,    chunks start // B ... (start + n - 1) // B

With a filter the candidates start, start + 1, ... are judged until n are accepted; each keeps its index and name.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmint import formats, pictures
from labelmint.errors import InputError
from labelmint.synthesis.chunks import ChunkFolder
from labelmint.synthesis.filter import SHARE, Filter, open_filter, with_ignored
from labelmint.synthesis.provenance import Origin, card, count_objects, count_pixels, manifest_row
from labelmint.synthesis.refill import FACTOR, Selection, select
from labelmint.synthesis.rejected import about_filter, shown, write_rejected
from labelmint.synthesis.size_range import size_warnings
from labelmint.synthesis.verdicts import Verdict
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
    sources: tuple[str, ...]  # names of the layouts that are taken in turn; empty when layouts are drawn or varied
    sieve: Filter | None = None
    cautions: tuple[str, ...] = ()  # what is doubtful about given layouts, and about the judge

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
        filtered = {} if self.sieve is None else {"filter": self.sieve.settings}
        return {**self.origin.to_json(), "n": self.n, "start": self.start, **filtered}


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
    vary: bool = False,
    layout_temperature: float | None = None,
    temperature: float = 0.85,
    batch_size: int = 32,
    filter: str = "auto",
    filter_share: float = SHARE,
    data: DataSet | str | Path | None = None,
    most_candidates: int | None = None,
    resume: bool = False,
    copies: Mapping[str, str | Path] | None = None,
    report: Report | None = None,
    warn: Callable[[str], None] | None = None,
) -> Path:
    """Draw n pairs from index `start` on and write them as a data set with manifest, card and contact sheet.

    Arguments:
        system: as `labelmint.load` answers it.
        out: the folder to write; refused when it holds anything.
        n, start: how many pairs, and the index of the first candidate; a pair is the same whatever they are.
        seed: of every draw.
        format: "folder" or "coco".
        layouts: take the layouts of this data set, each for `per_layout` pairs, instead of drawing them.
        vary: turn, zoom and mix those layouts, or else the training layouts of the run, into new ones (`layouts.varied`).
        layout_temperature, temperature: above 0; below 1 makes likelier and less varied layouts and images. None takes the run's own
            layout temperature.
        batch_size: B, pairs drawn at a time.
        filter: "on" drops pairs whose image does not show what the label says, and near-copies of training images; "ignore" has doubtful
            pixels ignored instead where it can; both draw on until there are n, and need the judge that `evaluate` stores in the run.
            "off" does neither; "auto" is "on" where the run holds a judge, else "off".
        filter_share: of real validation pairs that would be dropped.
        data: the real data that the judge learned from, where it has moved.
        most_candidates: 10 n unless given.
        resume: go on with what a stopped call left in OUT.partial.
        copies: further folders for the same pairs, by format.
        report: called with an `Event` after each chunk.
        warn: called with a line for each class of which given objects lie outside the sizes trained on (`size_range`); Python's
            `warnings.warn` unless given; and when the judge itself reads real images badly.

    Returns:
        the folder.

    Raises InputError for bad values, a folder that is not empty, a resume with other settings than before, a filter without judge
    or real data, and too few candidates that pass it.
    """
    targets = {format: Path(out), **{name: Path(path) for name, path in (copies or {}).items()}}
    for name, path in targets.items():
        check_target(path, n=n, format=name, resume=resume)
    _check_numbers(seed=(seed, 0), start=(start, 0), per_layout=(per_layout, 1), batch_size=(batch_size, 1))
    layout_temperature = system.layout_temperature if layout_temperature is None else layout_temperature
    for name, value in (("--temperature", temperature), ("--layout-temperature", layout_temperature)):
        if not 0 < value < 100:
            raise InputError(f"{name} {value:g}: expected more than 0 and less than 100")
    if per_layout != 1 and layouts is None and system.has_layout_prior and not vary:
        raise InputError(
            f"--per-layout {per_layout}: only has a meaning with --layouts; this system draws a layout for each image"
        )
    if most_candidates is not None and most_candidates < n:
        raise InputError(f"--most-candidates {most_candidates}: expected at least as many as pairs are wanted, {n}")
    sieve = open_filter(system, filter, share=filter_share)
    if sieve is None and (data is not None or most_candidates is not None):
        useless = "--data" if data is not None else "--most-candidates"
        raise InputError(f"{useless}: only has a meaning with a filter, and it is off here; pass --filter on")
    given = system.layouts_of(layouts) if layouts is not None else None
    origin = Origin(
        **_facts(system),
        seed=seed,
        batch_size=batch_size,
        temperature=temperature,
        layout_temperature=layout_temperature,
        layouts="given"
        if given is not None
        else "drawn"
        if system.has_layout_prior and not vary
        else "training layouts of the run",
        layouts_digest=hashlib.sha256(given.numpy().tobytes()).hexdigest() if given is not None else None,
        per_layout=per_layout,
        vary=vary,
    )
    sources = () if vary else _sources(system, layouts)
    order = _Order(system=system, origin=origin, n=n, start=start, layouts=given, sources=sources, sieve=sieve)
    if sieve is not None:
        order = replace(order, cautions=sieve.cautions)
    if given is not None:
        order = replace(order, cautions=(*order.cautions, *size_warnings(system, given, order.layouts_used)))
    for line in order.cautions:
        (warn or _warn)(line)
    if _is_complete(Path(out), order, format):
        return Path(out)
    system.check_batch(batch_size)
    tell = report or (lambda event: None)
    if sieve is not None:
        sieve.prepare(system, data, tell)  # before anything long is drawn
    folder = ChunkFolder(_partial(Path(out)), order.settings, resume=resume)
    selection = None
    if sieve is None:
        _draw(order, folder, order.chunks, tell)
    else:
        selection = select(
            sieve, folder, lambda chunks: _draw(order, folder, chunks, tell), n=n, start=start,
            most=most_candidates or FACTOR * n, batch_size=batch_size, report=tell,
        )  # fmt: skip
    _publish(order, folder, selection, targets)
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
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
        before.pop("outcome", None)
    except (ValueError, AttributeError):
        before = None
    if before != json.loads(_settings_text(order, format, None)):
        raise InputError(f"{out}: holds pairs that were made otherwise; give another --out, or remove it")
    return True


def _settings_text(order: _Order, format: str, selection: Selection | None) -> str:
    cautions = {"warnings": order.cautions} if order.cautions else {}
    outcome = {"outcome": selection.outcome} if selection is not None else {}
    return json.dumps({**order.settings, "format": format, **cautions, **outcome}, indent=1) + "\n"


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
        "precision": system.precision,
        "threads": torch.get_num_threads(),
    }


def _sources(system: TrainedSystem, layouts: DataSet | None) -> tuple[str, ...]:
    if layouts is not None:
        return layouts.names
    if system.has_layout_prior:
        return ()
    return tuple(f"training layout {j}" for j in range(len(system.training_layouts())))


def _draw(order: _Order, folder: ChunkFolder, chunks: Sequence[int], report: Report) -> None:
    """Draw those of the chunks that are missing."""
    from labelmint.training.clock import Event

    origin, begin = order.origin, time.perf_counter()
    missing = [chunk for chunk in chunks if folder.load(chunk) is None]
    done = len(chunks) - len(missing)
    for drawn, chunk in enumerate(missing, 1):
        pairs = order.system.sample_chunk(
            chunk,
            seed=origin.seed,
            batch_size=origin.batch_size,
            temperature=origin.temperature,
            layout_temperature=origin.layout_temperature,
            layouts=order.layouts,
            per_layout=origin.per_layout,
            vary=origin.vary,
        )
        folder.save(chunk, pairs)
        speed = drawn * origin.batch_size / (time.perf_counter() - begin)
        total = len(chunks) * origin.batch_size
        left = (len(missing) - drawn) * origin.batch_size / speed
        report(Event("synthesize", (done + drawn) * origin.batch_size, total, speed, left))


def _publish(order: _Order, folder: ChunkFolder, selection: Selection | None, targets: Mapping[str, Path]) -> None:
    """Write every target beside the chunks, then let them take their places."""
    staged = {}
    for format, target in targets.items():
        staged[target] = folder.path / f"data-{format}"
        shutil.rmtree(staged[target], ignore_errors=True)
        _write(order, folder, selection, staged[target], format)
    for target, ready in staged.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            target.rmdir()
        shutil.move(ready, target)
    shutil.rmtree(folder.path)


def _write(order: _Order, folder: ChunkFolder, selection: Selection | None, path: Path, format: str) -> None:
    """One data set: pairs, manifest.jsonl, contact_sheet.png, settings.json, README.md."""
    classes = order.system.classes
    objects: Counter[str] = Counter()
    pixels: Counter[str] = Counter()
    sheet: list[AnnotatedImage] = []
    manifest = folder.path / f"manifest-{format}.jsonl"
    with manifest.open("w", encoding="utf-8", newline="\n") as rows:

        def noted() -> Iterator[AnnotatedImage]:
            for index, pair, verdict in _pairs(order, folder, selection):
                objects.update(count_objects(pair.layout, classes))
                pixels.update(count_pixels(pair.layout, classes))
                facts = {} if verdict is None else verdict.facts
                rows.write(manifest_row(pair, order.origin, classes, index, order.source_of(index), facts))
                if len(sheet) < ON_THE_SHEET:
                    sheet.append(pair)
                yield pair

        formats.write(noted(), path, format=format, classes=classes)
    manifest.replace(path / "manifest.jsonl")
    pictures.contact_sheet(sheet, classes, path / "contact_sheet.png")
    (path / "settings.json").write_text(_settings_text(order, format, selection), encoding="utf-8")
    about, last = None, order.start + order.n - 1
    if order.sieve is not None and selection is not None:
        about, last = about_filter(selection, order.sieve), selection.verdicts[-1].index
        worst = [_pair(order, folder, verdict.index) for verdict in shown(selection)]
        write_rejected(selection, worst, order.sieve, path)
    text = card(
        order.origin, n=order.n, indices=(order.start, last), filtered=about, size=order.system.size, format=format,
        objects=objects, pixels={name: pixels[name] for name in _in_order(classes.names, pixels)}, versions=_versions(),
    )  # fmt: skip
    (path / "README.md").write_text(text + _doubts(order.cautions), encoding="utf-8", newline="\n")


def _doubts(cautions: tuple[str, ...]) -> str:
    """The section of README.md about them; nothing where there are none."""
    return "\n".join(["", "## Doubtful", "", *(f"- {line}" for line in cautions), ""]) if cautions else ""


def _pairs(
    order: _Order, folder: ChunkFolder, selection: Selection | None
) -> Iterator[tuple[int, AnnotatedImage, Verdict | None]]:
    """(index, pair, verdict) of the pairs that are wanted, with their provenance."""
    wanted: dict[int, Verdict | None] = dict.fromkeys(range(order.start, order.start + order.n))
    if selection is not None:
        wanted = {verdict.index: verdict for verdict in selection.accepted}
    size = order.origin.batch_size
    for chunk, indices in groupby(wanted, key=lambda index: index // size):
        pairs = folder.pairs(chunk)
        for index in indices:
            verdict, pair = wanted[index], pairs[index % size]
            if verdict is not None:
                pair = with_ignored(pair, verdict.doubtful, order.system.classes)
            yield index, replace(pair, provenance=order.origin.texts(index)), verdict


def _pair(order: _Order, folder: ChunkFolder, index: int) -> AnnotatedImage:
    """One candidate as it was drawn."""
    return folder.pairs(index // order.origin.batch_size)[index % order.origin.batch_size]


def _in_order(names: tuple[str, ...], found: Mapping[str, int]) -> list[str]:
    return [name for name in names if name in found] + sorted(set(found) - set(names))


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    return {"Python": platform.python_version(), **{name: version(name) for name in ("torch", "numpy", "pillow")}}
