"""The pairs of a run as a data set of PyTorch, drawn while a training loop asks for them.

    pair i = row i mod B of chunk i // B, as `synthesize` writes it;   worker w of W draws chunks w, w + W, ...

Nothing is written to disk. What a training that sees every pair many times draws again and again is better drawn once,
by `labelmint synthesize`, whose filter also drops what does not show its label.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, Sampler, get_worker_info

from labelmint.errors import InputError
from labelmint.hardware import computing_with
from labelmint.runs.draw import at_least
from labelmint.runs.draw_of import draw_of
from labelmint.runs.trained import TrainedSystem, load

if TYPE_CHECKING:
    from labelmint.types import AnnotatedImage, ClassSet, DataSet

__all__ = ["ByChunks", "SyntheticPairs", "SyntheticStream", "as_tensors"]

_KEPT = 2  # chunks that a process keeps: indices that come in turn cross the border of two

Transform = Callable[[dict[str, Any]], Any]


class SyntheticPairs(Dataset[Any]):
    """New pairs of a trained system: with n a data set by index, without one a stream that never ends.

    An item is a dict, or what `transform` makes of it:

        image       uint8 (C, H, W), as the PNG that `synthesize` writes holds it
        label       int64 (H, W), class ids; missing where the run learned from images alone
        instances   int32 (H, W), 1, 2, ... and 0 where there is no object; where the run has instances
        index, name of the pair

    Arguments:
        run: a run folder, or what `labelmint.load` returned: a system with another run's layouts, say.
        n: how many pairs; None for a stream.
        transform: called with the dict, in the worker.
        start: index of the first pair; item i is pair start + i.
        seed, batch_size, layouts, per_layout, vary, reseed, style_image, labels, dials: as in
            `TrainedSystem.synthesize`. The batch size is that of drawing, B, and a part of what decides the pixels.
        device, threads: of a run folder, as in `labelmint.load`; one thread unless told otherwise, since every worker
            takes as many. Workers that are forked can't use a GPU: take none, or multiprocessing_context="spawn".
        rank, ranks: which of several processes this is, for a stream; those of `torch.distributed` unless given.

    Attributes:
        system: what draws. classes: of the labels. batch_size: B.

    Raises InputError for what is no run, for values out of range, and for a GPU in a worker that was forked.
    """

    def __new__(cls, run: Any = None, n: int | None = None, *args: Any, **named: Any) -> SyntheticPairs:
        """A stream where no n is given."""
        made = SyntheticStream if cls is SyntheticPairs and n is None and run is not None else cls
        return super().__new__(made)

    def __init__(
        self,
        run: str | Path | TrainedSystem,
        n: int | None = None,
        transform: Transform | None = None,
        *,
        start: int = 0,
        seed: int = 0,
        batch_size: int | None = None,
        layouts: DataSet | None = None,
        per_layout: int = 1,
        vary: bool = False,
        reseed: Mapping[str, int] | None = None,
        style_image: str | Path | None = None,
        labels: str | None = None,
        device: str = "cpu",
        threads: int = 1,
        rank: int | None = None,
        ranks: int | None = None,
        **dials: float | None,
    ) -> None:
        at_least(start=(start, 0), n=(n, 1), threads=(threads, 1))
        with computing_with(torch.get_num_threads()):  # `load` sets them
            self.system = run if isinstance(run, TrainedSystem) else load(run, device=device, threads=threads)
        self._draw = draw_of(
            self.system,
            seed=seed,
            batch_size=batch_size,
            layouts=layouts,
            per_layout=per_layout,
            vary=vary,
            reseed=reseed,
            style_image=style_image,
            labels=labels,
            dials=dials,
        )
        self.n, self.start, self.transform, self.threads = n, start, transform, threads
        self.rank, self.ranks = _process(rank, ranks)
        self._chunks: OrderedDict[int, list[AnnotatedImage]] = OrderedDict()

    @property
    def classes(self) -> ClassSet:
        """The classes of the labels."""
        return self.system.classes

    @property
    def batch_size(self) -> int:
        """How many pairs are drawn together."""
        return self._draw.batch_size

    def __len__(self) -> int:
        if self.n is None:
            raise TypeError("a stream of pairs has no length")
        return self.n

    def __getitem__(self, index: int) -> Any:
        """Item `index`, which may count from the end; raises IndexError beyond n."""
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"item {index} of {count}")
        return self._item(self.start + index % count)

    def pair(self, index: int) -> AnnotatedImage:
        """Pair `index` itself, objects included, whatever n and start are."""
        chunk, row = divmod(index, self.batch_size)
        if chunk not in self._chunks:
            self._chunks[chunk] = self._drawn(chunk)
            if len(self._chunks) > _KEPT:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(chunk)
        return self._chunks[chunk][row]

    def sampler(
        self, *, shuffle: bool = False, seed: int = 0, batch_size: int | None = None, workers: int = 1
    ) -> ByChunks:
        """A sampler by which every chunk is drawn once an epoch; give it the batch size and the workers of the
        DataLoader.
        """
        return ByChunks(self, shuffle=shuffle, seed=seed, batch_size=batch_size, workers=workers)

    def _item(self, index: int) -> Any:
        item = as_tensors(self.pair(index), index, labelled=self.classes.labelled)
        return item if self.transform is None else self.transform(item)

    def _drawn(self, chunk: int) -> list[AnnotatedImage]:
        """The pairs of a chunk, with the same threads in every process."""
        if self.system.device.type == "cuda" and get_worker_info() and torch.cuda._is_in_bad_fork():
            raise InputError(
                "SyntheticPairs: a worker that was forked can't use a GPU; take num_workers=0 or "
                'multiprocessing_context="spawn"'
            )
        with computing_with(self.threads), torch.no_grad():
            return self.system.chunk(chunk, self._draw)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_chunks": OrderedDict()}  # of the process that drew them


class SyntheticStream(SyntheticPairs, IterableDataset[Any]):
    """Pairs start, start + 1, ... without end; chunks are shared out to the workers of all ranks.

    Every iterator begins at `start`; a training that goes on takes a later one.
    """

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        first, each = self.start // self.batch_size, self.ranks * workers
        for chunk in itertools.count(first + self.rank * workers + worker, each):
            for index in range(chunk * self.batch_size, (chunk + 1) * self.batch_size):
                if index >= self.start:
                    yield self._item(index)


class ByChunks(Sampler[int]):
    """Indices of a data set of pairs, chunk after chunk, so that no process draws a chunk twice.

    A DataLoader hands batch j to worker j mod W. The batches of W chunks are dealt out in turn, so that each worker
    gets those of one chunk.

    Arguments:
        pairs: with a fixed n.
        shuffle: chunks, and the pairs in each, in an order of their own each epoch.
        seed: of that order; `set_epoch` tells the epoch, as with PyTorch's own `DistributedSampler`.
        batch_size, workers: of the DataLoader; None takes the batch size of drawing, which fits best.
    """

    def __init__(
        self,
        pairs: SyntheticPairs,
        *,
        shuffle: bool = False,
        seed: int = 0,
        batch_size: int | None = None,
        workers: int = 1,
    ) -> None:
        at_least(seed=(seed, 0), batch_size=(batch_size, 1))
        self._size, self._n, self._start = pairs.batch_size, len(pairs), pairs.start
        self._batch, self._workers = batch_size or pairs.batch_size, max(workers, 1)
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Take the order of another epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self._seed, self._epoch])
        groups = list(self._groups())
        if self._shuffle:
            groups = [[int(i) for i in rng.permutation(groups[k])] for k in rng.permutation(len(groups))]
        for first in range(0, len(groups), self._workers):
            some = groups[first : first + self._workers]
            for place in range(0, self._size, self._batch):
                for group in some:
                    yield from group[place : place + self._batch]

    def _groups(self) -> Iterator[list[int]]:
        """Items of each chunk."""
        items = range(self._n)
        for _, group in itertools.groupby(items, lambda i: (self._start + i) // self._size):
            yield list(group)


def as_tensors(pair: AnnotatedImage, index: int, *, labelled: bool = True) -> dict[str, Any]:
    """A pair as the dict that `SyntheticPairs` hands out."""
    item: dict[str, Any] = {"image": torch.from_numpy(np.ascontiguousarray(pair.image.transpose(2, 0, 1)))}
    if labelled:
        item["label"] = torch.from_numpy(pair.layout.label_map.astype(np.int64))
    if labelled and pair.layout.instances is not None:
        item["instances"] = torch.from_numpy(pair.layout.instances.astype(np.int32))
    return {**item, "index": index, "name": pair.name}


def _process(rank: int | None, ranks: int | None) -> tuple[int, int]:
    """Which process of how many."""
    if (rank is None) != (ranks is None):
        raise InputError("SyntheticPairs: expected rank and ranks, or neither")
    if rank is None or ranks is None:
        found = torch.distributed
        there = found.is_available() and found.is_initialized()
        return (found.get_rank(), found.get_world_size()) if there else (0, 1)
    if not 0 <= rank < ranks:
        raise InputError(f"SyntheticPairs: rank {rank} of {ranks}: expected 0 <= rank < ranks")
    return rank, ranks
