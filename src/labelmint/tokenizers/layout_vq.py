"""Layouts through a codebook: a few hundred learned shapes where `tokenizers.label_map` keeps one symbol a
cell.

    layout -> symbols embedded -> encoder -> VQ -> one (h, w) grid;  symbol ids <- most likely class <-
    decoder <-

Tokens of the same grid give back labels at full resolution. Alone it is the tokenizer of semantics that
VQVAE-T and VQGAN-T set before their image tokens; `tokenizers.coupled` shares its parts. A layout enters as a
few learned channels a symbol, never as a one-hot map.

References:
    Semantic Image Synthesis with Semantically Coupled VQ-Model (Alaniz et al., 2022),
    https://arxiv.org/abs/2209.02536
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from labelmint.nn.sight import LayoutEmbedding
from labelmint.protocols import Stream
from labelmint.tokenizers.codebooks import codebook_of, lookup
from labelmint.tokenizers.levels import LevelsConfig
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.types import Batch, LayoutBatch

__all__ = ["LayoutDecoder", "LayoutVQ", "LayoutVQConfig"]

_LOGITS_BYTES = 64 << 20  # at once, when only the most likely class is wanted


class LayoutVQConfig(LevelsConfig):
    """Sizes of a VQ-model of layouts."""

    semantic_codebook_size: int = Field(64, ge=2, description="entries of the layout's codebook")
    layout_channels: int = Field(8, ge=1, description="channels that a layout's symbols are embedded into")


class LayoutDecoder(nn.Module):
    """Vectors (B, D, h, w) of layouts -> logits (B, S, H, W)."""

    def __init__(self, config: LayoutVQConfig, symbols: int, size: tuple[int, int]) -> None:
        super().__init__()
        # Of many symbols the last convolution costs most; where no block has seen the full size it has to
        # look around.
        self.decoder = config.decoder(config.code_dim, symbols, size, kernel=1 if config.patch == 1 else 3)
        self.at_once = max(_LOGITS_BYTES // (4 * symbols * size[0] * size[1]), 1)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.decoder(vectors)
        return logits

    @torch.no_grad()
    def ids(self, vectors: Tensor) -> Tensor:
        """The most likely symbols, (B, H, W), a few layouts at a time: the logits of a batch with many
        classes are large.
        """
        return torch.cat(
            [self.decoder(few).argmax(dim=1).to(torch.int16) for few in vectors.split(self.at_once)]
        )


class LayoutVQ(nn.Module):
    """Tokenizer with one stream "semantics" of grid (h, w); decoding returns symbol ids at full size.

    Arguments:
        config: sizes.
        symbols: S.
        size: (H, W), multiples of 2^downsamplings.
    """

    def __init__(self, config: LayoutVQConfig, symbols: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.config, self.size = config, size
        self.embed = LayoutEmbedding(symbols, config.layout_channels)
        self.encoder = config.encoder(config.layout_channels, config.code_dim, size)
        self.semantic_quantizer = codebook_of(config.codebook, config.semantic_codebook_size, config.code_dim)
        self.layout_decoder = LayoutDecoder(config, symbols, size)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """One stream."""
        return (Stream("semantics", self.config.semantic_codebook_size, self.config.grid(self.size)),)

    def forward(self, image: Tensor, layouts: LayoutBatch) -> Reconstruction:
        """The layout's logits, and what the codebook did; the images play no part."""
        quantized = self.semantic_quantizer(self.encoder(self.embed(layouts)))
        return Reconstruction(None, [], self.layout_decoder(quantized.vectors), (quantized,))

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens (B, h, w)."""
        return {"semantics": self.encode_layouts(batch.layouts)}

    def decode(self, tokens: dict[str, Tensor], layouts: LayoutBatch | None = None) -> Tensor:
        """Symbol ids (B, H, W)."""
        return self.decode_layouts(tokens["semantics"])

    def encode_layouts(self, layouts: LayoutBatch) -> Tensor:
        """Tokens (B, h, w) of layouts alone."""
        tokens: Tensor = self.semantic_quantizer(self.encoder(self.embed(layouts))).tokens
        return tokens

    def decode_layouts(self, tokens: Tensor) -> Tensor:
        """Tokens (B, h, w) -> symbol ids (B, H, W)."""
        return self.layout_decoder.ids(lookup(self.semantic_quantizer, tokens))
