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

import torch
from torch import Tensor

from labelmint.priors.ancestral import AncestralSampler
from labelmint.protocols import LayoutTokenizer, Prior, Tokenizer
from labelmint.seeds import Seed, uniforms
from labelmint.types import Kept, LayoutBatch

__all__ = ["TwoStage"]


class TwoStage:
    """ImageGenerator of a prior and a tokenizer, both in evaluation mode.

    Arguments:
        prior: over the tokenizer's last stream.
        tokenizer: of images; one of two streams has "semantics" first.
        layout_tokenizer: whose tokens the prior is given; None gives it the layouts.
        shown: the prior is given the layouts that those tokens stand for in their place.
    """

    def __init__(
        self,
        prior: Prior,
        tokenizer: Tokenizer,
        layout_tokenizer: LayoutTokenizer | None = None,
        *,
        shown: bool = False,
    ) -> None:
        stream = tokenizer.streams[-1]
        if stream.grid != prior.grid or stream.codebook_size != prior.codebook_size:
            raise ValueError(
                f"the prior is over {prior.grid} tokens of {prior.codebook_size} values, the tokenizer has "
                f"{stream}"
            )
        self.prior, self.tokenizer, self.stream, self.layout_tokenizer = (
            prior,
            tokenizer,
            stream,
            layout_tokenizer,
        )
        self.shown = shown
        self._sampler = AncestralSampler(prior)

    @torch.no_grad()
    def sample(
        self, layouts: LayoutBatch, seeds: Sequence[Seed], *, temperature: float, kept: Kept | None = None
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1]; some tokens may be kept of other images."""
        given, tokens = layouts, {}
        if self.layout_tokenizer is not None:
            tokens["semantics"] = _tokens_of(layouts, self.layout_tokenizer)
            given = LayoutBatch(
                self.layout_tokenizer.decode_layouts(tokens["semantics"])
                if self.shown
                else tokens["semantics"]
            )
        numbers = uniforms(seeds, self.stream.name, self.stream.grid[0] * self.stream.grid[1])
        condition, device = self.prior.prepare(given), layouts.ids.device
        tokens[self.stream.name] = self._sampler.draw(condition, numbers, temperature, device, kept)
        return self.tokenizer.decode(tokens, layouts)


def _tokens_of(layouts: LayoutBatch, tokenizer: LayoutTokenizer) -> Tensor:
    """Tokens (B, h, w) of layouts: those that they came from, else as the tokenizer writes them."""
    return layouts.tokens if layouts.tokens is not None else tokenizer.encode_layouts(layouts)
