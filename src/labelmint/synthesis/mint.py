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
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from labelmint import formats
from labelmint.errors import InputError
from labelmint.formats.format import image_format_named
from labelmint.hardware import choose_threads
from labelmint.progress import Report
from labelmint.runs.described import with_description
from labelmint.runs.draw import Draw
from labelmint.runs.given import Given
from labelmint.runs.labels import check_labels
from labelmint.runs.origin import origin_of
from labelmint.runs.streams import check_reseed
from labelmint.runs.style import style_of
from labelmint.storage import refuse_inside
from labelmint.synthesis.chunks import at_work, partial_of, refuse_left_over, remove_partial
from labelmint.synthesis.export import MOVED, Export, layouts_used, settings_text
from labelmint.synthesis.filter import SHARE, Filter, open_filter
from labelmint.synthesis.making import carry_out, nothing_left
from labelmint.synthesis.options import MintOptions
from labelmint.synthesis.order import Order
from labelmint.synthesis.ray_engine import check_ray
from labelmint.synthesis.settings import difference, read_settings, stored
from labelmint.synthesis.shard import Shard
from labelmint.synthesis.size_range import AT_MOST, GivenSizes

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["check_target", "mint"]


def mint(
    system: TrainedSystem,
    out: str | Path,
    options: MintOptions | None = None,
    *,
    report: Report | None = None,
    warn: Callable[[str], None] | None = None,
    **more: Any,
) -> Path:
    """Draw n pairs from index `start` on and write them as a data set with manifest, card and contact sheet.

    Arguments:
        system: as `labelmint.load` returns it.
        out: the folder to write; refused when it holds anything.
        options: or `more`, the fields of `MintOptions` by name; `n` has to be given.
        report: called with an `Event` after each chunk.
        warn: called with a line for each class of which given objects lie outside the sizes trained on
            (`size_range`), when the judge itself reads real images badly, when memory holds fewer pairs at a
            time than usual, and when bfloat16 is slow here; Python's `warnings.warn` unless given.

    Returns:
        the folder.

    Raises InputError for bad values, a dial that the system does not heed, a folder that is not empty, a resume
    with other settings than before, a folder in which another command works, a filter without judge or real
    data, and too few candidates that pass it.
    """
    options, say, tell = options or MintOptions(**more), warn or _warn, report or (lambda event: None)
    targets = _targets(Path(out), options)
    if options.engine == "ray":
        check_ray()
    if options.describe is not None:
        system = with_description(system, options.describe, options.synonyms, tell)
    _check_system(system, options)
    given = _given(system, options)
    sieve = _sieve(system, options)
    before = (*targets.values(), partial_of(Path(out))) if options.resume else ()
    batch_size = options.batch_size or stored("batch_size", *before) or system.usual_batch(say, options.dials)
    draw = Draw(
        seed=options.seed,
        batch_size=batch_size,
        dials=options.dials,
        layouts=given,
        per_layout=options.per_layout,
        vary=options.vary,
        reseed=options.reseed,
        style=None if options.style_image is None else style_of(system, options.style_image),
        labels=options.labels,
    )
    check_reseed(system, draw)
    order = _order(system, draw, sieve, options, _threads(system, before))
    for line in order.export.cautions:
        say(line)
    if _missing(targets, order):
        with at_work(Path(out)), nothing_left(Path(out), unless=options.resume):
            if missing := _missing(targets, order):  # another command may have ended meanwhile
                carry_out(order, options, partial_of(Path(out)), missing, say, tell)
    for path in targets.values():
        remove_partial(path)
    return Path(out)


# What is asked for ------------------------------------------------------------------------------------------


def _targets(out: Path, options: MintOptions) -> dict[str, Path]:
    """The folders to write by format. The chunks beside `out` are needed until all are in their places, so it
    takes its own last.
    """
    if options.format in options.copies:
        raise InputError(
            f"{options.copies[options.format]}: a copy in the format {options.format}, which {out} has "
            f"already; expected another format"
        )
    targets = {**{name: Path(path) for name, path in options.copies.items()}, options.format: out}
    for name, path in targets.items():
        check_target(path, n=options.n, format=name, resume=options.resume)
    return targets


def _check_system(system: TrainedSystem, options: MintOptions) -> None:
    """Raise InputError for what this system can't be told."""
    given = options.pairs is not None and not any(part.startswith("layout:") for part in options.keep)
    heeded = system.resolve(options.dials, draws_layouts=not options.vary and not given)
    for name in (options.format, *options.copies):
        formats.check_labels(name, system.classes)
    if system.learned_from_images:
        _check_whole_images(system, options)
    if system.moves_pairs:
        _check_moved(system, options)
    check_labels(system.config, options.labels)
    if unheeded := sorted(options.dials.keys() - heeded.keys()):
        raise InputError(
            f"{system.system} draws no layouts here, so nothing uses {unheeded[0]}; its dials: {', '.join(heeded)}"
        )
    if options.per_layout != 1 and options.pairs is None and system.has_layout_prior and not options.vary:
        raise InputError(
            f"--per-layout {options.per_layout}: only has a meaning with --layouts or --vary, or for a run "
            f"without a layout prior; this one draws a layout for each image"
        )
    if options.vary and (options.keep or system.needs_references):
        references = f"a run whose layouts are written together with images, as {system.path}"
        why = "--keep" if options.keep else references
        raise InputError(f"--vary: varied layouts have no images; it does not go with {why}")


def _check_whole_images(system: TrainedSystem, options: MintOptions) -> None:
    """Raise InputError for what needs layouts, of a system that learned from images alone."""
    why = f"{system.path} learned from images without labels"
    if system.classes.labelled:
        why = f"{system.path} knows one class an image, and nothing of where it is"
    elif options.per_layout != 1:
        raise InputError(f"--per-layout {options.per_layout}: {why}, so there are no layouts; leave it out")
    if options.vary:
        raise InputError(f"--vary: {why}, so there is nothing to vary; leave it out")
    if options.mode in ("on", "ignore"):
        raise InputError(
            f"--filter {options.mode}: {why}, so the judge has nothing to hold images to; leave it out"
        )


def _check_moved(system: TrainedSystem, options: MintOptions) -> None:
    """Raise InputError for what needs layouts of its own, or images that may be no copies, of pairs that are moved."""
    if options.vary:
        raise InputError(
            f"--vary: {system.system} takes layout and image from one labelled pair, and moves both; leave it out"
        )
    if options.mode in ("on", "ignore"):
        raise InputError(f"--filter {options.mode}: {MOVED}; leave it out")


def _given(system: TrainedSystem, options: MintOptions) -> Given | None:
    if options.pairs is None:
        return None
    return system.given(options.pairs, references=options.reference is not None, keep=options.keep)


def _sieve(system: TrainedSystem, options: MintOptions) -> Filter | None:
    mode = "off" if system.learned_from_images or system.moves_pairs else options.mode
    sieve = open_filter(system, mode, share=options.filter_share)
    useless = {
        "--data": options.data,
        "--unlabelled": options.unlabelled,
        "--most-candidates": options.most_candidates,
        "--filter-share": None if options.filter_share == SHARE else options.filter_share,
    }
    for option, value in useless.items():
        if sieve is None and value is not None:
            raise InputError(
                f"{option}: only has a meaning with a filter, and it is off here; pass --filter on"
            )
    if sieve is not None and options.unlabelled is not None:
        sieve.pool = system.config.pool_digest
    return sieve


def _threads(system: TrainedSystem, before: Sequence[Path]) -> int:
    """CPU threads: those of the call that is resumed, unless others were asked for."""
    stored_threads = None if system.threads_asked else stored("threads", *before)
    return torch.get_num_threads() if stored_threads is None else choose_threads(stored_threads)


def _order(
    system: TrainedSystem, draw: Draw, sieve: Filter | None, options: MintOptions, threads: int
) -> Order:
    ranges = () if system.ranges is None else system.ranges.names
    export = Export(
        origin=origin_of(system, draw, threads),
        classes=system.classes,
        size=system.size,
        n=options.n,
        start=options.start,
        sources=_sources(system, draw),
        ranges=ranges,
        image_format=image_format_named(options.image_format),
        filter=None if sieve is None else sieve.facts,
        sizes=_sizes(system, draw, options),
        moved=system.moves_pairs,
        unsearched=system.config.pool_images if sieve is not None and not sieve.pool else 0,
    )
    shard = None if options.shard is None else Shard.parse(options.shard)
    return Order(system=system, draw=draw, export=export, sieve=sieve, shard=shard, engine=options.engine)


def _sizes(system: TrainedSystem, draw: Draw, options: MintOptions) -> GivenSizes | None:
    """Sizes of the given layouts that are looked at."""
    if draw.layouts is None:
        return None
    ids = draw.layouts.ids
    used = layouts_used(len(ids), draw.per_layout, options.n, options.start)
    # whoever joins shards may want fewer pairs, and these take other layouts first
    return GivenSizes.measured(system, ids, used if options.shard else used[:AT_MOST])


def _sources(system: TrainedSystem, draw: Draw) -> tuple[str, ...]:
    """Names of the layouts that are taken in turn."""
    if draw.vary:
        return ()
    if draw.layouts is not None:
        return draw.layouts.names
    if system.has_layout_prior or not system.classes.labelled:
        return ()
    return tuple(f"training layout {j}" for j in range(len(system.training_layouts())))


def _warn(line: str) -> None:
    warnings.warn(line, UserWarning, stacklevel=3)


def check_target(
    out: str | Path, *, n: int, format: str, resume: bool, sources: Iterable[str | Path | None] = ()
) -> None:
    """Raise InputError when n pairs can't be written there in that format, or would lie inside of a folder that they
    are made from (beside a file they may lie); looks only, and costs nothing.
    """
    if n < 1:
        raise InputError(f"-n {n}: expected at least 1")
    if format not in formats.WRITABLE:
        raise InputError(f"--format {format}: expected one of {', '.join(formats.WRITABLE)}")
    path = Path(out)
    if not (resume and (path.exists() or partial_of(path).exists())):
        refuse_inside(path, [one for one in sources if one is not None and Path(one).is_dir()])
    complete = resume and (path / "settings.json").is_file()
    if not complete and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: exists and is not an empty folder; give another --out, or remove it")
    if not resume:
        refuse_left_over(partial_of(path))


def _missing(targets: Mapping[str, Path], order: Order) -> dict[str, Path]:
    """The folders to write that are not complete, by format."""
    return {name: path for name, path in targets.items() if not _is_complete(path, order, name)}


def _is_complete(out: Path, order: Order, format: str) -> bool:
    """True if the folder to resume holds just these pairs already; raises InputError when it holds others."""
    file = out / "settings.json"
    if not file.is_file():
        return False
    before = read_settings(file)
    if before is None:
        raise InputError(f"{file}: damaged; give another --out, or remove {out}")
    before.pop("outcome", None)
    now = json.loads(settings_text(order.export, format, None)) if order.shard is None else order.settings
    other = difference(before, now)
    if other is not None:
        raise InputError(
            f"{out}: holds pairs that were made otherwise, with {other}, give another --out, or remove it"
        )
    return True
