"""Drawing on the machines of a Ray cluster: a task a chunk.

    here: weights and order into the cluster's memory once;   a worker: chunk number -> its pairs;   here: written

A worker that is killed is replaced and its chunk drawn again; a sample depends on (weights, seed, index) alone, so the
bytes are the same. The cluster is that of `RAY_ADDRESS`, or all cores of this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from labelmint.errors import InputError
from labelmint.hardware import computing_with
from labelmint.types import AnnotatedImage

if TYPE_CHECKING:
    from labelmint.runs.draw import Draw
    from labelmint.runs.trained import TrainedSystem

__all__ = ["check_ray", "drawn_by_ray"]

_WAITING = 2  # chunks that are begun or wait, for each worker


def drawn_by_ray(
    system: TrainedSystem, draw: Draw, chunks: Sequence[int], threads: int
) -> Iterator[tuple[int, list[AnnotatedImage]]]:
    """Each chunk with its pairs, as they become ready.

    Arguments:
        system, draw: as `TrainedSystem.chunk` takes them; the run's folder must be readable on every machine.
        threads: of the CPU for each chunk; so many cores a worker takes, and a GPU where the system is on one.

    Raises InputError where Ray is missing.
    """
    ray = _opened()
    gpus = 1 if system.device.type == "cuda" else 0
    # A worker is replaced as often as it takes; an error of the drawing itself is raised here.
    task = ray.remote(num_cpus=threads, num_gpus=gpus, max_retries=-1)(_chunk)
    what = [ray.put((system, draw))]  # in a list, which is not opened for each task
    waiting: dict[Any, int] = {}
    left = iter(chunks)
    most = _WAITING * max(int(ray.cluster_resources().get("CPU", 1)) // threads, 1)
    try:
        while True:
            while len(waiting) < most and (chunk := next(left, None)) is not None:
                waiting[task.remote(what, chunk, threads)] = chunk
            if not waiting:
                return
            (ready, *_), _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(ready), ray.get(ready)
    finally:
        for one in waiting:
            ray.cancel(one, force=True)


def check_ray() -> None:
    """Raise InputError where Ray is missing."""
    if find_spec("ray") is None:
        raise InputError("--engine ray: Ray is not installed; pip install 'labelmint[ray]'")


def _opened() -> Any:
    """Ray, connected."""
    check_ray()
    os.environ.setdefault(
        "RAY_DEDUP_LOGS", "0"
    )  # else what is said twice is held, and printed when all is over
    import ray

    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    return ray


def _chunk(what: list[Any], number: int, threads: int) -> list[AnnotatedImage]:
    """The pairs of a chunk, on a worker."""
    system, draw = _order(what[0])
    with computing_with(threads):
        found: list[AnnotatedImage] = system.chunk(number, draw)
        return found


@lru_cache(maxsize=1)
def _order(reference: Any) -> Any:
    """What is drawn, fetched once a worker."""
    import ray

    return ray.get(reference)
