"""Ancestral sampling on a GPU: a row of tokens is one recorded graph, replayed for every row.

    row r = replay of { z_i ~ p(z_i | z_<i) : i = r w ... r w + w - 1 }

A step of a small network is some two hundred small kernels, and on a GPU the launches of these cost more than
their work. They are launched once, for one row, recorded as a CUDA graph and replayed for every row of every
batch. That needs a prior whose steps are the same operations on the same addresses in each row: where it
stands, it reads from memory. Softmax, drawing and storing the token are in the graph; the host only says
"next row".

Not measured on a GPU yet: written for one, and tested on a CPU, where the same steps run without being
recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from labelmint.protocols import Condition, Prior, State
from labelmint.types import Kept

__all__ = ["FixedPrior", "RowSampler", "choose"]

_WARM_UP = 2  # runs before the recording, in which libraries choose their kernels and take their memory


@runtime_checkable
class FixedPrior(Prior, Protocol):
    """A prior that can work at fixed addresses, so that its steps of one column are the same operations in
    every row.
    """

    def start_fixed(self, batch_size: int, condition: Condition, reuse: State = None) -> State:
        """A state for such steps, which take the token K where there is none before; reused it keeps its
        addresses, if it can be reused.
        """


def choose(logits: Tensor, number: Tensor, temperature: float | Tensor) -> Tensor:
    """Tokens (B,) from logits (B, K): min { k : sum_{j <= k} softmax(logits / T)_j > u }, u = number (B, 1)."""
    cumulative = torch.softmax(logits.float() / temperature, dim=1).cumsum(dim=1)
    drawn = torch.searchsorted(cumulative, number * cumulative[:, -1:], right=True)[:, 0]
    return drawn.clamp_(max=logits.shape[1] - 1)


class RowSampler:
    """Draws tokens a row at a time; recorded on a CUDA device, step by step elsewhere.

    Arguments:
        prior: in evaluation mode, whose weights must not change any more.
        batch_size: B.
        device: of the prior.
    """

    def __init__(self, prior: FixedPrior, batch_size: int, device: torch.device) -> None:
        positions = prior.grid[0] * prior.grid[1]
        self.prior, self.batch_size, self.device = prior, batch_size, device
        self._numbers = torch.zeros(batch_size, positions, device=device)
        self._temperature = torch.ones((), device=device)
        self._tokens = torch.zeros(batch_size, positions, dtype=torch.long, device=device)
        self._kept = Kept(torch.zeros_like(self._tokens), torch.zeros_like(self._tokens, dtype=torch.bool))
        self._place = torch.zeros(1, dtype=torch.long, device=device)
        self._last = torch.zeros(batch_size, dtype=torch.long, device=device)
        self._state: State = None
        self._row: Callable[[], None] = self._draw_row

    @torch.no_grad()
    def draw(
        self, condition: Condition, numbers: Tensor, temperature: float, kept: Kept | None = None
    ) -> Tensor:
        """Tokens (B, N), given uniform numbers (B, N), and flat ones that are kept."""
        self._numbers.copy_(numbers)
        self._kept.where.zero_()
        if kept is not None:
            self._kept.tokens.copy_(kept.tokens)
            self._kept.where.copy_(kept.where)
        self._temperature.fill_(temperature)
        before = self._state
        self._restart(condition)
        if self.device.type == "cuda" and self._state is not before:
            self._record(condition)
        for _ in range(self.prior.grid[0]):
            self._row()
        return self._tokens.clone()

    def _restart(self, condition: Condition) -> None:
        self._state = self.prior.start_fixed(self.batch_size, condition, self._state)
        self._place.zero_()
        self._last.fill_(self.prior.codebook_size)

    def _draw_row(self) -> None:
        for _ in range(self.prior.grid[1]):
            logits = self.prior.step(self._last, self._state)
            drawn = choose(logits, self._numbers.index_select(1, self._place), self._temperature)
            there, where = (part.index_select(1, self._place)[:, 0] for part in self._kept)
            self._last.copy_(torch.where(where, there, drawn))
            self._tokens.index_copy_(1, self._place, self._last[:, None])
            self._place.add_(1)

    def _record(self, condition: Condition) -> None:
        """Make `_row` the replay of a recorded row; what is recorded does not run, so the state is as before
        the first token.
        """
        with torch.cuda.device(self.device):
            stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP):
                    self._draw_row()
                    self._restart(condition)
            torch.cuda.current_stream().wait_stream(stream)
            with torch.cuda.graph(graph, stream=stream):
                self._draw_row()
            self._restart(condition)  # the prior counted the columns of the recording
        self._row = graph.replay
