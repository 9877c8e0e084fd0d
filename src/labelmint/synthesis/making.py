"""An order is carried out: chunks are drawn and judged, and become data sets, or a shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from labelmint.hardware import computing_with
from labelmint.layouts.described import Unmet
from labelmint.progress import Report
from labelmint.runs.precision import bfloat16_is_slow
from labelmint.synthesis.chunks import ChunkFolder, remove_partial
from labelmint.synthesis.drawing import draw_chunks
from labelmint.synthesis.publish import publish, versions_here
from labelmint.synthesis.refill import AT_ONCE, Selection, cautions_of, judged, select
from labelmint.synthesis.shard import store_shard
from labelmint.synthesis.space import check_space

if TYPE_CHECKING:
    from labelmint.synthesis.options import MintOptions
    from labelmint.synthesis.order import Order

__all__ = ["carry_out", "nothing_left"]


def carry_out(
    order: Order,
    options: MintOptions,
    chunks: Path,
    missing: Mapping[str, Path],
    say: Callable[[str], None],
    tell: Report,
) -> None:
    """Draw what is missing into the folder of chunks, and write the data sets, or the shard, that are missing."""
    system, draw = order.system, order.draw
    _check_space(order, chunks)
    system.check_batch(draw.batch_size, draw.dials)
    with computing_with(order.export.origin.threads):
        if system.precision == "bf16-true" and bfloat16_is_slow(system.device, draw.batch_size):
            say(
                f"bfloat16 is slower than float32 here with --batch-size {draw.batch_size}; --precision 32 "
                f"draws faster"
            )
        if order.sieve is not None:
            order.sieve.prepare(
                system, options.data, tell, unlabelled=options.unlabelled
            )  # before it is long
            assert order.sieve.gate is not None
            for line in cautions_of(order.sieve.gate.searched):
                say(line)
        folder = ChunkFolder(chunks, order.settings, system.classes, resume=options.resume)
        if order.shard is None:
            publish(order.export, folder, _select(order, folder, options.most, tell), missing)
            return
        _judge_shard(order, folder, tell)
        (out,) = missing.values()
        gate = None if order.sieve is None else order.sieve.gate
        store_shard(folder, order.export, gate, versions_here(), out)


@contextmanager
def nothing_left(out: Path, *, unless: bool) -> Iterator[None]:
    """Remove what was drawn where a description can't be met: the same command would stop there again."""
    try:
        yield
    except Unmet:
        if not unless:
            remove_partial(out)
        raise


def _check_space(order: Order, chunks: Path) -> None:
    """Raise InputError where the disk can't hold what is to be drawn beside the chunks that lie there."""
    many = order.export.n if order.shard is None else order.export.n // order.shard.of
    there = order.draw.batch_size * sum(1 for _ in chunks.glob("chunk-*"))
    check_space(chunks, max(many - there, 0), n=order.export.n, labelled=order.system.classes.labelled)


def _select(order: Order, folder: ChunkFolder, most: int, report: Report) -> Selection | None:
    """Draw what is wanted; with a filter at most so many candidates, until enough are accepted."""
    if order.sieve is None:
        draw_chunks(order, folder, order.chunks, report)
        return None
    return select(
        order.sieve,
        folder,
        lambda chunks: draw_chunks(order, folder, chunks, report),
        n=order.export.n,
        start=order.export.start,
        most=most,
        batch_size=order.draw.batch_size,
        report=report,
    )


def _judge_shard(order: Order, folder: ChunkFolder, report: Report) -> None:
    """Draw the chunks of a shard, and with a filter judge all of their candidates."""
    if order.sieve is None:
        draw_chunks(order, folder, order.chunks, report)
        return
    each = max(AT_ONCE // order.draw.batch_size, 1)
    for place in range(0, len(order.chunks), each):
        some = order.chunks[place : place + each]
        draw_chunks(order, folder, some, report)
        wanted = {chunk: order.export.candidates(chunk) for chunk in some}
        missing = [chunk for chunk in some if folder.load_verdicts(wanted[chunk].start) is None]
        if not missing:
            continue
        export = order.export
        verdicts = judged(order.sieve, folder, missing, range(export.start, export.start + export.n), report)
        for chunk in missing:
            folder.save_verdicts([one for one in verdicts if one.index in wanted[chunk]])
