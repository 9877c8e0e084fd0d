"""The VQ-VAE of two levels (VQ-VAE-2): a top grid for what is where, a bottom grid, conditioned on it, for
how it looks.

    image -> bottom encoder -> features -> top encoder -> VQ-T -> (h / t, w / t) grid
                                  |                         |
                                  +---- concat <---- top decoder ----> also to the image decoder
                                          |
                                        1x1 -> VQ-B -> (h, w) grid;  image <- decoder <- (bottom code, decoded
                                                                     top)

The bottom's code is chosen knowing the decoded top, and the decoder sees both, as published; encoders and
decoders are those of the VQGAN class.

References:
    Generating Diverse High-Fidelity Images with VQ-VAE-2 (Razavi et al., 2019),
    https://arxiv.org/abs/1906.00446
"""

from __future__ import annotations

import torch
from pydantic import Field, ValidationInfo, field_validator
from torch import Tensor, nn

from labelmint.nn.autoencoder import Decoder, Encoder
from labelmint.nn.strided import Output
from labelmint.protocols import Stream
from labelmint.tokenizers.codebooks import codebook_of, lookup
from labelmint.tokenizers.quantizer import Quantized
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.tokenizers.vq_model import VQModelConfig
from labelmint.types import Batch, LayoutBatch

__all__ = ["TwoLevelConfig", "TwoLevelVQ"]


class TwoLevelConfig(VQModelConfig):
    """Sizes of both levels; those of `VQModelConfig` are the bottom's. Both codebooks have as many entries."""

    top_downsamplings: int = Field(
        1, ge=1, le=4, description="halvings from the bottom grid to the top grid; published: 1"
    )

    @field_validator("image_encoder", "image_decoder")
    @classmethod
    def _sees_all(cls, value: str, of: ValidationInfo) -> str:
        if value != "network":
            raise ValueError(
                f"two levels need {of.field_name}=network: the bottom's code knows the top's, which sees all "
                f"of the image"
            )
        return value


class TwoLevelVQ(nn.Module):
    """Tokenizer with two streams: "top", then "bottom".

    Arguments:
        config: sizes.
        image_channels: C, 1 or 3.
        size: (H, W), multiples of 2^(downsamplings + top_downsamplings).
    """

    def __init__(self, config: TwoLevelConfig, image_channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.config, self.size = config, size
        width, dim, grid = config.widths[-1], config.code_dim, config.grid(size)
        widths = (width,) * (config.top_downsamplings + 1)
        attention = [min(grid) >> i < config.attention_below for i in range(len(widths))]
        self.bottom_encoder = config.encoder(image_channels, width, size)
        self.top_encoder = Encoder(width, dim, widths, attention, config.residual_blocks)
        self.top_decoder = Decoder(dim, dim, widths, attention, config.residual_blocks)
        self.bottom_head = nn.Conv2d(width + dim, dim, 1)
        self.top_quantizer, self.bottom_quantizer = (
            codebook_of(config.codebook, config.codebook_size, dim) for _ in range(2)
        )
        self.decoder = config.decoder(2 * dim, image_channels, size)
        self.output = Output(config.output)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Top first: it is drawn first."""
        (height, width), more = self.config.grid(self.size), self.config.top_downsamplings
        size = self.config.codebook_size
        return (Stream("top", size, (height >> more, width >> more)), Stream("bottom", size, (height, width)))

    @property
    def last_layer(self) -> Tensor:
        """The last weights of the image decoder."""
        return self.decoder.last_layer

    def forward(self, image: Tensor, layouts: LayoutBatch | None = None) -> Reconstruction:
        """The image, and what the codebooks did, top first; the layouts play no part."""
        top, bottom, decoded = self._quantize(image)
        return Reconstruction(self._image(bottom.vectors, decoded), [top, bottom])

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens of both grids."""
        top, bottom, _ = self._quantize(batch.image)
        return {"top": top.tokens, "bottom": bottom.tokens}

    def decode(self, tokens: dict[str, Tensor], layouts: LayoutBatch | None = None) -> Tensor:
        """Image (B, C, H, W) in [-1, 1], of both grids; the layouts play no part."""
        decoded = self.top_decoder(lookup(self.top_quantizer, tokens["top"]))
        return self._image(lookup(self.bottom_quantizer, tokens["bottom"]), decoded)

    def _quantize(self, image: Tensor) -> tuple[Quantized, Quantized, Tensor]:
        features = self.bottom_encoder(image)
        top = self.top_quantizer(self.top_encoder(features))
        decoded = self.top_decoder(top.vectors)
        bottom = self.bottom_quantizer(self.bottom_head(torch.cat([features, decoded], dim=1)))
        return top, bottom, decoded

    def _image(self, bottom: Tensor, decoded_top: Tensor) -> Tensor:
        image: Tensor = self.output(self.decoder(torch.cat([bottom, decoded_top], dim=1)))
        return image
