"""Minting: n new pairs of a trained system as a data set on disk, whole or not at all, and the same bytes
after a resume.

    sample i = row i mod B of chunk i // B,    chunks start // B ... (start + n - 1) // B

With a filter the candidates start, start + 1, ... are judged until n are accepted; each keeps its index and
name. Chunks are drawn into OUT.partial, and encoded there while the next one is drawn; when all are there the
data set is put together beside them and takes its place at once, after its copies. A resume does what is
missing, and removes OUT.partial when nothing is.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from labelmint import formats
from labelmint.errors import InputError
from labelmint.hardware import choose_threads
from labelmint.progress import Event, Report
from labelmint.runs.given import Given
from labelmint.runs.precision import bfloat16_is_slow
from labelmint.synthesis.background import Background
from labelmint.synthesis.chunks import ChunkFolder, partial_of, remove_partial
from labelmint.synthesis.filter import SHARE, Filter, open_filter
from labelmint.synthesis.order import Order, settings_text
from labelmint.synthesis.provenance import Origin
from labelmint.synthesis.publish import publish
from labelmint.synthesis.refill import FACTOR, Selection, select
from labelmint.synthesis.settings import difference, read_settings, stored
from labelmint.synthesis.size_range import size_warnings
from labelmint.types import DataSet
from labelmint.version import __version__

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["check_target", "mint"]


def mint(
    system: TrainedSystem,
    out: str | Path,
    *,
    n: int,
    seed: int = 0,
    start: int = 0,
    format: str = "folder",
    layouts: DataSet | None = None,
    reference: DataSet | None = None,
    keep: Sequence[str] = (),
    per_layout: int = 1,
    vary: bool = False,
    layout_temperature: float | None = None,
    temperature: float = 0.85,
    guidance: float = 1.0,
    batch_size: int | None = None,
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
        layouts: take the layouts of this data set instead of drawing them.
        reference: the same for a run that writes layouts in tokens together with their images
            (`tokenizer.reference`).
        keep: "layout:CLASS", "image:CLASS" or "image:x0,y0,x1,y1": parts of those pairs that are not drawn
            anew (`runs.given`).
        per_layout: pairs in a row that share a layout; with `layouts`, `vary`, or a system that has no layout
            prior.
        vary: turn, zoom and mix those layouts, or else the training layouts of the run, into new ones
            (`layouts.varied`).
        layout_temperature, temperature: above 0; below 1 makes likelier and less varied layouts and images.
            None takes the run's own layout temperature.
        guidance: above 1 makes images that heed their layouts more, and vary less (`priors.guided`).
        batch_size: B, pairs drawn at a time. None takes that of the call that is resumed, else
            `TrainedSystem.usual_batch`.
        filter: "on" drops pairs whose image does not show what the label says, and near-copies of training
            images; "ignore" has doubtful pixels ignored instead where it can; both draw on until there are n,
            and need the judge that `evaluate` stores in the run. "off" does neither; "auto" is "on" where the
            run holds a judge and nothing is kept, else "off".
        filter_share: of real validation pairs that would be dropped.
        data: the real data that the judge learned from, where it has moved.
        most_candidates: 10 n unless given.
        resume: go on with what a stopped call left in OUT.partial, with its threads unless `load` was told
            others.
        copies: further folders for the same pairs, by other formats.
        report: called with an `Event` after each chunk.
        warn: called with a line for each class of which given objects lie outside the sizes trained on
            (`size_range`), when the judge itself reads real images badly, when memory holds fewer pairs at a
            time than usual, and when bfloat16 is slow here; Python's `warnings.warn` unless given.

    Returns:
        the folder.

    Raises InputError for bad values, a folder that is not empty, a resume with other settings than before, a
    filter without judge or real data, and too few candidates that pass it.
    """
    out = Path(out)
    if copies and format in copies:
        raise InputError(
            f"{copies[format]}: a copy in the format {format}, which {out} has already; expected another "
            f"format"
        )
    # The chunks beside `out` are needed until all are in their places, so it takes its own last.
    targets = {**{name: Path(path) for name, path in (copies or {}).items()}, format: out}
    for name, path in targets.items():
        check_target(path, n=n, format=name, resume=resume)
    layout_temperature = system.layout_temperature if layout_temperature is None else layout_temperature
    _check_numbers(seed=(seed, 0), start=(start, 0), per_layout=(per_layout, 1), batch_size=(batch_size, 1))
    _check_temperatures(temperature=temperature, layout_temperature=layout_temperature)
    system.check_guidance(guidance)
    names = next((data.names for data in (layouts, reference) if data is not None), ())
    if per_layout != 1 and not names and system.has_layout_prior and not vary:
        raise InputError(
            f"--per-layout {per_layout}: only has a meaning with --layouts or --vary, or for a run without a "
            f"layout prior; "
            "this one draws a layout for each image"
        )
    given = _given(system, layouts, reference, keep, vary)
    if keep and filter == "auto":
        filter = "off"  # what is kept of a training pair is a copy, and wanted
    sieve = _sieve(system, filter, filter_share, n=n, data=data, most_candidates=most_candidates)
    say, tell = warn or _warn, report or (lambda event: None)
    stopped = (*targets.values(), partial_of(out)) if resume else ()
    if batch_size is None:
        batch_size = stored("batch_size", *stopped) or system.usual_batch(say, guidance)
    before = None if system.threads_asked else stored("threads", *stopped)
    threads = torch.get_num_threads() if before is None else choose_threads(before)
    order = _order(
        system,
        given,
        names,
        sieve,
        n=n,
        start=start,
        seed=seed,
        batch_size=batch_size,
        temperature=temperature,
        guidance=guidance,
        layout_temperature=layout_temperature,
        per_layout=per_layout,
        vary=vary,
        threads=threads,
        keep=tuple(keep),
    )
    for line in order.cautions:
        say(line)
    missing = {name: path for name, path in targets.items() if not _is_complete(path, order, name)}
    if missing:
        system.check_batch(batch_size, guidance)
        with _computing_with(threads):
            if system.precision == "bf16-true" and bfloat16_is_slow(system.device, batch_size):
                say(
                    f"bfloat16 is slower than float32 here with --batch-size {batch_size}; --precision 32 "
                    f"draws faster"
                )
            if sieve is not None:
                sieve.prepare(system, data, tell)  # before anything long is drawn
            folder = ChunkFolder(partial_of(out), order.settings, system.classes, resume=resume)
            publish(order, folder, _select(order, folder, most_candidates or FACTOR * n, tell), missing)
    for path in targets.values():
        remove_partial(path)
    return out


def _given(
    system: TrainedSystem, layouts: DataSet | None, reference: DataSet | None, keep: Sequence[str], vary: bool
) -> Given | None:
    data = layouts if layouts is not None else reference
    if layouts is not None and reference is not None:
        raise InputError("--reference: has its layouts already; leave --layouts out")
    if keep and data is None:
        raise InputError(f"--keep {keep[0]}: of what? give the pairs to keep it of with --layouts")
    if vary and (keep or system.needs_references):
        why = "--keep" if keep else f"a run whose layouts are written together with images, as {system.path}"
        raise InputError(f"--vary: varied layouts have no images; it does not go with {why}")
    return system.given(data, references=reference is not None, keep=keep) if data is not None else None


def _sieve(
    system: TrainedSystem,
    mode: str,
    share: float,
    *,
    n: int,
    data: DataSet | str | Path | None,
    most_candidates: int | None,
) -> Filter | None:
    if most_candidates is not None and most_candidates < n:
        raise InputError(
            f"--most-candidates {most_candidates}: expected at least as many as pairs are wanted, {n}"
        )
    sieve = open_filter(system, mode, share=share)
    if sieve is None and (data is not None or most_candidates is not None):
        useless = "--data" if data is not None else "--most-candidates"
        raise InputError(f"{useless}: only has a meaning with a filter, and it is off here; pass --filter on")
    return sieve


def _order(
    system: TrainedSystem,
    given: Given | None,
    names: Sequence[str],
    sieve: Filter | None,
    *,
    n: int,
    start: int,
    vary: bool,
    **rest: Any,
) -> Order:
    """The order, given the names of given pairs; `rest` are further fields of its origin."""
    whence = "drawn" if system.has_layout_prior and not vary else "training layouts of the run"
    origin = Origin(
        **_facts(system),
        **rest,
        layouts=whence if given is None else given.whence,
        layouts_digest=given.digest if given is not None else None,
        vary=vary,
    )
    sources = () if vary else tuple(names) or _sources(system)
    order = Order(
        system=system,
        origin=origin,
        n=n,
        start=start,
        layouts=given,
        sources=sources,
        ranges=system.ranges,
        sieve=sieve,
    )
    cautions = sieve.cautions if sieve is not None else ()
    if given is not None:
        cautions = (*cautions, *size_warnings(system, given.ids, order.layouts_used))
    return replace(order, cautions=cautions)


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
    if partial_of(path).exists() and not resume:
        raise InputError(
            f"{partial_of(path)}: a stopped command left its samples there; add --resume to go on, or remove "
            f"that folder"
        )


def _is_complete(out: Path, order: Order, format: str) -> bool:
    """Whether the folder to resume holds just these pairs already; raises InputError when it holds others."""
    file = out / "settings.json"
    if not file.is_file():
        return False
    before = read_settings(file)
    if before is None:
        raise InputError(f"{file}: damaged; give another --out, or remove {out}")
    before.pop("outcome", None)
    other = difference(before, json.loads(settings_text(order, format, None)))
    if other is not None:
        raise InputError(
            f"{out}: holds pairs that were made otherwise, with {other}, give another --out, or remove it"
        )
    return True


def _check_numbers(**values: tuple[int | None, int]) -> None:
    for name, (value, least) in values.items():
        if value is not None and value < least:
            raise InputError(f"--{name.replace('_', '-')} {value}: expected at least {least}")


def _check_temperatures(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < 100:
            raise InputError(f"--{name.replace('_', '-')} {value:g}: expected more than 0 and less than 100")


@contextmanager
def _computing_with(threads: int) -> Iterator[None]:
    """So many CPU threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _facts(system: TrainedSystem) -> dict[str, Any]:
    return {
        "version": __version__,
        "system": system.system,
        "weights": system.digest,
        "device": system.device.type,
        "precision": system.precision,
    }


def _sources(system: TrainedSystem) -> tuple[str, ...]:
    if system.has_layout_prior:
        return ()
    return tuple(f"training layout {j}" for j in range(len(system.training_layouts())))


def _select(order: Order, folder: ChunkFolder, most: int, report: Report) -> Selection | None:
    """Draw what is wanted; with a filter at most so many candidates, until enough are accepted."""
    if order.sieve is None:
        _draw(order, folder, order.chunks, report)
        return None
    return select(
        order.sieve,
        folder,
        lambda chunks: _draw(order, folder, chunks, report),
        n=order.n,
        start=order.start,
        most=most,
        batch_size=order.origin.batch_size,
        report=report,
    )


def _draw(order: Order, folder: ChunkFolder, chunks: Sequence[int], report: Report) -> None:
    """Draw those of the chunks that are missing; each is encoded and written while the next one is drawn."""
    origin, begin = order.origin, time.perf_counter()
    missing = [chunk for chunk in chunks if not folder.holds(chunk, order.candidates(chunk))]
    done, clipped = len(chunks) - len(missing), 0
    with Background() as background:
        for drawn, chunk in enumerate(missing, 1):
            pairs = order.system.sample_chunk(
                chunk,
                seed=origin.seed,
                batch_size=origin.batch_size,
                temperature=origin.temperature,
                guidance=origin.guidance,
                layout_temperature=origin.layout_temperature,
                layouts=order.layouts,
                per_layout=origin.per_layout,
                vary=origin.vary,
            )
            named = {
                index: replace(
                    pairs[index % origin.batch_size],
                    provenance={**origin.texts(index), **order.range_of(index)},
                )
                for index in order.candidates(chunk)
            }
            clipped += sum(int(pair.provenance.get("clipped", 0)) for pair in pairs)
            background.do(partial(folder.save, chunk, named))
            speed = drawn * origin.batch_size / (time.perf_counter() - begin)
            total = len(chunks) * origin.batch_size
            left = (len(missing) - drawn) * origin.batch_size / speed
            report(Event("synthesize", (done + drawn) * origin.batch_size, total, speed, left))
    if clipped:
        text = f"{clipped} values of the images drawn lay beyond the levels of a pixel and were clipped"
        report(Event("synthesize", len(chunks), len(chunks), message=text))
