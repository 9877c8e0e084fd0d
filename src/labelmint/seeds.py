"""Random numbers of samples: each is a function of (seed of the set, stage, index of the sample) alone.

They are drawn ahead on the CPU, so a sample depends on neither its batch nor its device nor on how many are
drawn. Every stage of drawing (the layout, the image, a code) has a stream of its own, named by a word. A stream can be
drawn anew while the others stay: it takes another seed of the set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from labelmint.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Seed", "Seeds", "check_seed", "normals", "several", "stream_of", "uniforms"]

Seed: TypeAlias = tuple[int, int]  # (seed of the set, index of the sample)

_MOST_TRAININGS = 1000


class Seeds(list[Seed]):
    """Seeds of samples, where some stages have another seed of the set than the rest.

    Arguments:
        seeds: of the samples. anew: the seed of the set by the name of such a stage.
    """

    def __init__(self, seeds: Iterable[Seed], anew: Mapping[str, int]) -> None:
        super().__init__(seeds)
        self.anew = dict(anew)


def check_seed(seed: int) -> None:
    """Raise InputError for a seed that PyTorch does not take, or that is below 0."""
    if not 0 <= seed < 1 << 63:
        raise InputError(f"--seed {seed}: expected a number from 0 to 2^63 - 1")


def several(seed: int, count: int) -> tuple[int, ...]:
    """Seeds of `count` trainings, from `seed` on. Raises InputError for no training, very many, or no such seeds."""
    if not 1 <= count <= _MOST_TRAININGS:
        raise InputError(f"--seeds {count}: expected 1 to {_MOST_TRAININGS}")
    seeds = tuple(range(seed, seed + count))
    for one in seeds:
        check_seed(one)
    return seeds


def stream_of(stage: str) -> int:
    """The number of a stream of random numbers."""
    return int.from_bytes(hashlib.sha256(stage.encode()).digest()[:4], "big")


def uniforms(seeds: Sequence[Seed], stage: str, count: int) -> Tensor:
    """Numbers (B, count) in [0, 1), row r from (seeds[r], stage) alone."""
    import torch

    rows = [rng.random(count) for rng in _generators(seeds, stage)]
    return torch.from_numpy(np.stack(rows)).float().clamp(max=1 - 2**-24)


def normals(seeds: Sequence[Seed], stage: str, shape: Sequence[int]) -> Tensor:
    """Standard normal numbers (B, *shape), row r from (seeds[r], stage) alone."""
    import torch

    rows = [rng.standard_normal(tuple(shape), dtype=np.float32) for rng in _generators(seeds, stage)]
    return torch.from_numpy(np.stack(rows))


def _generators(seeds: Sequence[Seed], stage: str) -> Iterator[np.random.Generator]:
    """The generator of each sample in a stage."""
    anew = seeds.anew if isinstance(seeds, Seeds) else {}
    return (np.random.default_rng([anew.get(stage, seed), stream_of(stage), index]) for seed, index in seeds)
