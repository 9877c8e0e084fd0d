"""The coupled tokenizer whose layouts are written by a table of patterns.

    layout -> patterns of its cells -> tokens;    tokens -> layout' -> embedded --+--> the image's encoder
                                                                                  +--> cell by cell, beside
                                                                                  z_x
    (image, layout') -> encoder -> z_x -> VQ-X -> decoder -> outlines -> image    +--> outlines, at full size
    (`nn.outlines`)

What the decoder sees beside the image's codes is learned from the image alone: there is nothing else for it
to teach.
"""

from __future__ import annotations

import torch
from torch import Tensor

from labelmint.nn.local import CellEncoder
from labelmint.nn.outlines import Outlines
from labelmint.tokenizers.coupled import Coupled, CoupledConfig
from labelmint.tokenizers.patterns import Patterns
from labelmint.tokenizers.quantizer import Quantized
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.types import Batch, LayoutBatch

__all__ = ["CoupledPatterns"]

_FEATURES = 8  # at full size, where each costs most; the layout chooses from them


class CoupledPatterns(Coupled):
    """Tokenizer with two streams: "semantics" of cells of `layout_cell` pixels and "image" of grid (h, w), or
    (2h, w) with the double path.

    `patterns` has to count layouts (`Patterns.count`) before training. Arguments: as those of `Coupled`; the
    size must be a multiple of the cells too.
    """

    def __init__(
        self, config: CoupledConfig, image_channels: int, symbols: int, size: tuple[int, int]
    ) -> None:
        super().__init__(
            config, image_channels, symbols, size, together=False, outputs=image_channels + _FEATURES
        )
        self.patterns = Patterns(symbols, config.semantic_codebook_size, config.cell)
        self.cells = CellEncoder(config.layout_channels, config.code_dim, 1 << config.downsamplings)
        self.outlines = Outlines(_FEATURES, config.layout_channels, image_channels)

    def forward(self, image: Tensor, layouts: LayoutBatch) -> Reconstruction:
        """The image, and what its codebooks did."""
        embedded = self._semantics(self.encode_layouts(layouts))
        quantized = self._of_image(image, embedded)
        return Reconstruction(self._image([q.vectors for q in quantized], embedded), quantized)

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens of the layout, and of the image beside it."""
        semantics = self.encode_layouts(batch.layouts)
        quantized = self._of_image(batch.image, self._semantics(semantics))
        return {"semantics": semantics, "image": torch.cat([q.tokens for q in quantized], dim=1)}

    def encode_layouts(self, layouts: LayoutBatch) -> Tensor:
        """Tokens of layouts, as the first stream has them."""
        return self.patterns.encode(layouts.ids)

    def decode_layouts(self, tokens: Tensor) -> Tensor:
        """Tokens of the semantics -> symbol ids (B, H, W)."""
        return self.patterns.decode(tokens)

    def _semantics(self, tokens: Tensor) -> Tensor:
        """The layouts that tokens stand for, embedded."""
        embedded: Tensor = self.embed(LayoutBatch(self.patterns.decode(tokens)))
        return embedded

    def _image(self, vectors: list[Tensor], semantics: Tensor) -> Tensor:
        decoded = self._decoded(vectors, self.cells(semantics))
        image: Tensor = self.output(self.outlines(decoded, semantics))
        return image

    def _of_image(self, image: Tensor, embedded: Tensor) -> list[Quantized]:
        return self._quantized(self.part.encode(torch.cat([image, embedded], dim=1)))
