"""PixelSNAIL in half the steps: both codes of a place are drawn in one step of the network.

    p(z | s) = prod_i p(z1_i | z_<i, s) p(z2_i | z1_i, z_<i, s),    z_<i: the codes of all paths at the places
    before i

The network runs over the (h, w) places instead of (2h, w) tokens. What enters is the sum of the embeddings of
a place's codes; its last layer answers the first path's code, and a small head reads the same features beside
that code and answers the second's, and so on. The likelihood is exact, and no code is drawn without sight of
the other. What is lost is the other order's look ahead: there the second path's first token has seen the
whole first path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.types import LayoutBatch

__all__ = ["OnTrunk", "PlacePixelSNAIL"]


class OnTrunk(nn.Module):
    """What priors share that put the network of a PixelSNAIL, their trunk, to another order."""

    trunk: PixelSNAIL

    def prepare(self, condition: LayoutBatch | None) -> Tensor | None:
        """Features of the layouts, (B, C_c, h, w)."""
        return self.trunk.prepare(condition)

    def nothing_like(self, features: Tensor) -> Tensor:
        """What stands in place of such features where there is no layout."""
        return self.trunk.nothing_like(features)

    def forward(self, tokens: Tensor, layouts: LayoutBatch | None = None) -> Tensor:
        """Logits (B, K, stack * h, w) of tokens (B, stack * h, w) given layouts: prepare, then logits."""
        return self.logits(tokens, self.prepare(layouts))

    def logits(self, tokens: Tensor, condition: Tensor | None) -> Tensor:
        """In the order of the prior."""
        raise NotImplementedError


class _Head(nn.Module):
    """Logits of one path's code, given features and the codes of the paths before it, (..., C) and (...) each
    -> (..., K).

    u = elu(W x + sum_q E_q[z_q]),    logits = V elu(U u)
    """

    def __init__(self, channels: int, codebook_size: int, before: int) -> None:
        super().__init__()
        self.embed = nn.ModuleList(nn.Embedding(codebook_size, 2 * channels) for _ in range(before))
        self.first = nn.Linear(channels, 2 * channels)
        self.second = nn.Linear(2 * channels, channels)
        self.out = nn.Linear(channels, codebook_size)

    def forward(self, features: Tensor, codes: list[Tensor]) -> Tensor:
        x = self.first(features)
        for embed, code in zip(self.embed, codes, strict=True):
            x = x + embed(code)
        logits: Tensor = self.out(functional.elu(self.second(functional.elu(x))))
        return logits


@dataclass
class _State:
    """trunk: the network's own. features: of the place that is drawn, (B, C). codes: drawn there so far, (B,)
    each.
    """

    trunk: Any
    features: Tensor | None = None
    codes: list[Tensor] = field(default_factory=list)


class PlacePixelSNAIL(OnTrunk):
    """GroupedPrior over (B, stack * h, w) tokens of stacked paths, in h * w steps of the network.

    Arguments:
        config, codebook_size, symbols: as for `PixelSNAIL`.
        grid: (stack * h, w). stack: paths, at least 2.
    """

    _order: Tensor

    def __init__(
        self,
        config: PixelSNAILConfig,
        codebook_size: int,
        grid: tuple[int, int],
        stack: int,
        symbols: int = 0,
    ) -> None:
        super().__init__()
        if stack < 2 or grid[0] % stack:
            raise ValueError(f"a grid of at least two stacked paths is expected, got {grid} of {stack}")
        self.codebook_size, self.grid, self.stack = codebook_size, grid, stack
        self.trunk = PixelSNAIL(config, codebook_size, (grid[0] // stack, grid[1]), symbols=symbols)
        self.embed_others = nn.ModuleList(
            nn.Embedding(codebook_size + 1, config.channels) for _ in range(stack - 1)
        )
        self.heads = nn.ModuleList(
            _Head(config.channels, codebook_size, before) for before in range(1, stack)
        )
        order = torch.arange(grid[0] * grid[1]).view(stack, -1).t().reshape(-1, 1)
        self.register_buffer("_order", order, persistent=False)

    @property
    def order(self) -> Tensor:
        """Path after path at each place, (stack * h * w, 1)."""
        return self._order

    def logits(self, tokens: Tensor, condition: Tensor | None) -> Tensor:
        """The logits of path p at place i see all codes of the places before i, and those of paths before p
        at i.
        """
        codes = list(tokens.chunk(self.stack, dim=1))
        entered = self._entry([self.trunk.delayed(path.flatten(1), 1) for path in codes])
        features = self.trunk.features(entered.transpose(1, 2).unflatten(2, self.trunk.grid), condition)
        found, last = [self.trunk.out(features)], features.permute(0, 2, 3, 1)
        found += [head(last, codes[: path + 1]).permute(0, 3, 1, 2) for path, head in enumerate(self.heads)]
        return torch.cat(found, dim=2)

    def _entry(self, codes: list[Tensor]) -> Tensor:
        """(...) of each path -> (..., C)."""
        tables = [self.trunk.embed, *cast(list[nn.Embedding], list(self.embed_others))]
        embedded = [
            functional.embedding(code, table.weight) for code, table in zip(codes, tables, strict=True)
        ]
        return torch.stack(embedded).sum(dim=0)

    def to_bfloat16(self) -> PlacePixelSNAIL:
        """Weights in bfloat16, for drawing; those of the last layers stay as they are, so logits are float32."""
        self.trunk.to_bfloat16()
        self.embed_others.to(torch.bfloat16)
        return self

    @torch.no_grad()
    def start(self, batch_size: int, condition: Tensor | None, reuse: _State | None = None) -> _State:
        """No token yet; memory and weights as for `PixelSNAIL.start`."""
        return _State(self.trunk.start(batch_size, condition, reuse.trunk if reuse is not None else None))

    @torch.no_grad()
    def step(self, previous: Tensor | None, state: _State) -> Tensor:
        """Logits (B, K, 1) of one path's code, given the code (B, 1) before it; each `stack`-th is a step of
        the network.
        """
        if previous is not None:
            state.codes.append(previous[:, 0])
        if state.features is None or len(state.codes) == self.stack:
            codes = state.codes or [state.trunk.nothing] * self.stack
            state.features, state.codes = self.trunk.step_features(self._entry(codes), state.trunk), []
            logits = state.trunk.out(state.features)
        else:
            logits = self.heads[len(state.codes) - 1](state.features, state.codes)
        return cast(Tensor, logits).unsqueeze(2)
