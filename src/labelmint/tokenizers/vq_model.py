"""The VQ-model of one image stream: VQ-VAE and VQGAN are this one module, trained under two objectives.

    image -> encoder -> VQ -> one (h, w) grid;  image <- decoder <-

References:
    Taming Transformers for High-Resolution Image Synthesis (Esser et al., 2021),
    https://arxiv.org/abs/2012.09841
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from labelmint.nn.autoencoder import Decoder, Encoder
from labelmint.nn.local import LocalDecoder, LocalEncoder
from labelmint.nn.strided import Output
from labelmint.protocols import Stream
from labelmint.tokenizers.codebooks import codebook_of, lookup
from labelmint.tokenizers.levels import LevelsConfig
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.types import Batch, LayoutBatch

__all__ = ["VQModel", "VQModelConfig"]


class VQModelConfig(LevelsConfig):
    """Sizes of a VQ-model of images; published: channels 128, multipliers 1,1,2,2,4, two blocks, code_dim
    256.
    """

    codebook_size: int = Field(256, ge=2, description="entries of the image's codebook")
    image_encoder: Literal["network", "local"] = Field(
        "network",
        description="what writes an image's tokens, with one path: all around, or each cell's near "
        "surroundings (residual_blocks + 1 "
        "blocks in all, no attention), which a prior predicts better",
    )
    image_decoder: Literal["network", "local"] = Field(
        "network",
        description="what reads them, with one path: all around, or near surroundings alone, which is faster "
        "and overfits few images less",
    )
    output: Literal["tanh", "linear"] = Field(
        "linear", description="the decoder's last function; dark images saturate tanh"
    )

    def encoder_of_images(self, inputs: int, outputs: int, size: tuple[int, int]) -> Encoder | LocalEncoder:
        """Maps of `size` to the grid, as `image_encoder` has it."""
        if self.image_encoder == "network":
            return self.encoder(inputs, outputs, size)
        return LocalEncoder(inputs, outputs, self.widths, self.residual_blocks + 1, self.patch)

    def decoder_of_images(self, inputs: int, outputs: int, size: tuple[int, int]) -> Decoder | LocalDecoder:
        """The grid to maps of `size`, as `image_decoder` has it."""
        if self.image_decoder == "network":
            return self.decoder(inputs, outputs, size)
        return LocalDecoder(inputs, outputs, self.widths, self.residual_blocks + 1, self.patch)


class VQModel(nn.Module):
    """Tokenizer with one stream "image" of grid (h, w).

    Arguments:
        config: sizes.
        image_channels: C, 1 or 3.
        size: (H, W), multiples of 2^downsamplings.
    """

    paths = ("one path",)

    def __init__(self, config: VQModelConfig, image_channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.config, self.size = config, size
        self.encoder = config.encoder_of_images(image_channels, config.code_dim, size)
        self.quantizer = codebook_of(config.codebook, config.codebook_size, config.code_dim)
        self.decoder = config.decoder_of_images(config.code_dim, image_channels, size)
        self.output = Output(config.output)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """One stream."""
        return (Stream("image", self.config.codebook_size, self.config.grid(self.size)),)

    @property
    def last_layer(self) -> Tensor:
        """The last weights of the image decoder."""
        return self.decoder.last_layer

    def forward(self, image: Tensor, layouts: LayoutBatch | None = None) -> Reconstruction:
        """The image, and what the codebook did; the layouts play no part."""
        quantized = self.quantizer(self.encoder(image))
        return Reconstruction(self.output(self.decoder(quantized.vectors)), [quantized])

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens (B, h, w)."""
        return {"image": self.quantizer(self.encoder(batch.image)).tokens}

    def decode(self, tokens: dict[str, Tensor], layouts: LayoutBatch | None = None) -> Tensor:
        """Image (B, C, H, W) in [-1, 1]; the layouts play no part."""
        image: Tensor = self.output(self.decoder(lookup(self.quantizer, tokens["image"])))
        return image
