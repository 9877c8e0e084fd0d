"""Tiles: views of one size, side by side around the middle of each pair."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from labelmint.datasets.moves import Move
from labelmint.datasets.pair import Pair

__all__ = ["tiles_of", "tiles_of_all"]


def tiles_of(shape: tuple[int, ...], size: tuple[int, int]) -> list[Move]:
    """All tiles of a size that an image of (H, W) pixels holds, row by row."""
    starts = []
    for have, want in zip(shape, size, strict=True):
        count = have // want
        starts.append([(have - count * want) // 2 + k * want for k in range(count)])
    return [Move(size=size, top=top, left=left) for top in starts[0] for left in starts[1]]


def tiles_of_all(pairs: Sequence[Pair], size: tuple[int, int], at_most: int) -> list[Pair]:
    """The tiles of all pairs, in order; evenly thinned by a hash where there are more than `at_most`."""
    places = [(k, move) for k, one in enumerate(pairs) for move in tiles_of(one.ids.shape, size)]
    if len(places) > at_most:
        by_hash = sorted(range(len(places)), key=lambda i: _hash(pairs[places[i][0]].name, places[i][1]))
        places = [places[i] for i in sorted(by_hash[:at_most])]
    return [pairs[k].seen(move) for k, move in places]


def _hash(name: str, move: Move) -> bytes:
    return hashlib.sha256(f"{name} {move.top} {move.left}".encode()).digest()
