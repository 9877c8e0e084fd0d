"""Chunks are drawn into a folder: here, or on the machines of a Ray cluster (`synthesis.ray_engine`)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from labelmint.progress import Event, Report
from labelmint.synthesis.background import Background
from labelmint.synthesis.chunks import ChunkFolder
from labelmint.synthesis.order import Order
from labelmint.types import AnnotatedImage

__all__ = ["draw_chunks"]


def draw_chunks(order: Order, folder: ChunkFolder, chunks: Sequence[int], report: Report) -> None:
    """Draw those of the chunks that are missing; each is encoded and written while the next one is drawn."""
    size, begin = order.draw.batch_size, time.perf_counter()
    missing = [chunk for chunk in chunks if not folder.holds(chunk, order.candidates(chunk))]
    done, clipped = len(chunks) - len(missing), 0
    with Background() as background:
        for drawn, (chunk, pairs) in enumerate(_drawn(order, missing), 1):
            wanted = {index: pairs[index % size] for index in order.candidates(chunk)}
            clipped += sum(int(pair.provenance.get("clipped", 0)) for pair in pairs)
            background.do(partial(folder.save, chunk, wanted))
            speed = drawn * size / (time.perf_counter() - begin)
            left = (len(missing) - drawn) * size / speed
            report(Event("synthesize", (done + drawn) * size, len(chunks) * size, speed, left))
    if clipped:
        text = f"{clipped} values of the images drawn lay beyond the levels of a pixel and were clipped"
        report(Event("synthesize", len(chunks), len(chunks), message=text))


def _drawn(order: Order, chunks: Sequence[int]) -> Iterator[tuple[int, list[AnnotatedImage]]]:
    """Each chunk with its pairs, as they become ready."""
    wanted = (
        None if order.sieve is not None else range(order.export.start, order.export.start + order.export.n)
    )
    draw = replace(order.draw, wanted=wanted)
    if order.engine == "ray" and chunks:
        from labelmint.synthesis.ray_engine import drawn_by_ray

        yield from drawn_by_ray(order.system, draw, chunks, order.export.origin.threads)
        return
    for chunk in chunks:
        yield chunk, order.system.chunk(chunk, draw)
