"""What is to be minted: what is said of it, and what draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelmint.runs.draw import Draw
from labelmint.synthesis.export import Export
from labelmint.synthesis.filter import Filter
from labelmint.synthesis.shard import Shard

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Order"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be minted.

    Attributes:
        system, draw: what draws, and how. export: what is said of it.
        sieve: the filter. shard: which of the chunks are drawn; None for all.
        engine: what computes chunks (`synthesis.drawing`).
    """

    system: TrainedSystem
    draw: Draw
    export: Export
    sieve: Filter | None = None
    shard: Shard | None = None
    engine: str = "here"

    @property
    def chunks(self) -> range:
        """Chunks that hold candidates, and are drawn; with a filter, but for a shard, more may be."""
        return self.export.chunks if self.shard is None else self.shard.of_these(self.export.chunks)

    def candidates(self, chunk: int) -> range:
        """Candidates of a chunk; with a filter any may be needed."""
        whole = range(chunk * self.draw.batch_size, (chunk + 1) * self.draw.batch_size)
        return whole if self.sieve is not None else self.export.candidates(chunk)

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides what is drawn, as plain JSON values."""
        return {**self.export.settings, **({} if self.shard is None else {"shard": str(self.shard)})}
