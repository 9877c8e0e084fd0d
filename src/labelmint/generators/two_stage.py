"""The two-stage generator: z ~ p(z | s) from a prior, then x = decode(z).

The layout enters as it is, or as its tokens z_s: then the prior is p(z | z_s), and a coupled tokenizer
decodes x from both.

References:
    Neural Discrete Representation Learning (van den Oord et al., 2017), https://arxiv.org/abs/1711.00937
    Semantic Image Synthesis with Semantically Coupled VQ-Model (Alaniz et al., 2022),
    https://arxiv.org/abs/2209.02536
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from labelmint.generators.pair_tokens import PairTokens
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.guided import NetworkPrior, guided
from labelmint.seeds import Seed, uniforms
from labelmint.types import Batch, Kept, LayoutBatch

__all__ = ["TwoStage"]


class TwoStage:
    """ImageGenerator of a prior and a tokenizer, both in evaluation mode.

    Arguments:
        prior: over the tokenizer's last stream.
        written: how pairs are written in tokens.
    """

    def __init__(self, prior: nn.Module, written: PairTokens) -> None:
        stream, network = written.tokenizer.streams[-1], cast(NetworkPrior, prior)
        if stream.grid != network.grid or stream.codebook_size != network.codebook_size:
            raise ValueError(
                f"the prior is over {network.grid} tokens of {network.codebook_size} values, the tokenizer has "
                f"{stream}"
            )
        self.prior, self.written, self.stream = network, written, stream
        self.tokenizer = written.tokenizer
        self._sampler = AncestralSampler(network)

    @torch.no_grad()
    def sample(
        self, layouts: LayoutBatch, seeds: Sequence[Seed], *, temperature: float, kept: Kept | None = None
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1]; some tokens may be kept of other images."""
        given, tokens = layouts, {}
        if self.written.given != "layouts":
            tokens["semantics"] = (
                layouts.tokens
                if layouts.tokens is not None
                else self.written.of_layouts.encode_layouts(layouts)
            )
            given = LayoutBatch(self.written.condition(tokens["semantics"]).ids)
        numbers = uniforms(seeds, self.stream.name, self.stream.grid[0] * self.stream.grid[1])
        condition, device = self.prior.prepare(given), layouts.ids.device
        tokens[self.stream.name] = self._sampler.draw(condition, numbers, temperature, device, kept)
        return self.tokenizer.decode(tokens, layouts)

    def guided(self, guidance: float) -> TwoStage:
        """The generator that heeds its layouts more."""
        return (
            self if guidance == 1 else TwoStage(cast(nn.Module, guided(self.prior, guidance)), self.written)
        )

    @property
    def needs_references(self) -> bool:
        """Whether layouts are written in tokens together with their images only."""
        return self.written.references

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tokens of images and of their layouts."""
        return self.written.codes(batch)

    @torch.no_grad()
    def given_back(self, batch: Batch) -> Tensor:
        """Images (B, C, H, W) in [-1, 1], decoded from the tokens of those of the batch."""
        return self.tokenizer.decode(self.tokenizer.encode(batch), batch.layouts)
