"""The semantically coupled VQ-model: image and layout tokenized together (Figure 2 of the sVQ paper).

    (image, layout) -> one encoder --+--> z_s -> VQ-S --+--> layout decoder -> class logits
                                     |                  +--> stop-gradient --+
                                     +--> z_x -> VQ-X ------------------------+--> image decoder -> image

The image decoder sees the layout's codes and teaches them nothing, so the layout's tokens are learned from
the layout alone, and the image's tokens hold what the layout's do not. Where the paper is silent: the encoder
splits at its last convolution, both codes have one width, and the layout enters as a few learned channels a
symbol.

As published z_s comes from image and layout (`reference`), so a layout without an image has no tokens. Here
it does: z_s comes from the same encoder with a learned constant in the image's place, at the cost of one more
pass, and z_x from image and layout as before. Then every layout is written in one way, and no image is needed
anywhere. Dropping the image for a share of every batch only, so that both ways work, was tried: the same
layout became other tokens in each, 1 in 100 alike, and both decoders read them worse.

With `layout_encoder` "patterns" the layout's tokens are those of a table of cells (`tokenizers.patterns`):
they hold more of it, a prior predicts them far better, and nothing has to be learned. What couples is as
before: the image is encoded with the layout that the tokens stand for, and decoded with it.

With `image_encoder` "local" the encoder of one path sees each cell's near surroundings alone (`nn.local`): a
prior predicts its tokens better too. Where z_s is learned, it is the layout's encoder as well. With
`image_decoder` "local" the same holds for the decoder, which is faster and learns few images less by heart.

With `paths` "double" the image's part is MSGNet's double path (`tokenizers.dual_path`): two codebooks of
image codes, one (2h, w) grid. It has the width of the last level at the token grid, and z_s leaves with the
convolution path.

References:
    Semantic Image Synthesis with Semantically Coupled VQ-Model (Alaniz et al., 2022),
    https://arxiv.org/abs/2209.02536: Section 2
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.nn.sight import LayoutEmbedding
from labelmint.nn.strided import Output
from labelmint.protocols import Stream
from labelmint.tokenizers.codebooks import codebook_of, lookup
from labelmint.tokenizers.dual_path import DualPathConfig, DualPathDecoder, DualPathEncoder, DualPathVQVAE
from labelmint.tokenizers.layout_vq import LayoutDecoder, LayoutVQConfig
from labelmint.tokenizers.quantizer import Quantized
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.tokenizers.vq_model import VQModelConfig
from labelmint.types import Batch, LayoutBatch

__all__ = ["Coupled", "CoupledConfig", "CoupledVQ"]


class CoupledConfig(VQModelConfig, LayoutVQConfig):
    """Sizes of a coupled VQ-model; published: 16,384 image codes, 4,096 semantic codes, a grid of 16x16."""

    paths: Literal["one", "double"] = Field(
        "one",
        description="the image's part: one path, or MSGNet's two, whose encoder and decoder are its own",
    )
    reference: bool = Field(
        False, description="layouts are encoded with their images, as published, and need them ever after"
    )
    layout_encoder: Literal["network", "patterns"] = Field(
        "network",
        description="what writes a layout's tokens: a network, or a table of the patterns of cells, which "
        "holds more; with it the image's "
        "decoder sees the layout at full size",
    )
    layout_cell: int = Field(
        0,
        ge=0,
        le=64,
        description="pixels a side of a layout's token, with layout_encoder=patterns; 0: as many as an "
        "image's",
    )

    @model_validator(mode="after")
    def _check(self) -> CoupledConfig:
        if self.reference and self.layout_encoder == "patterns":
            raise ValueError(
                "reference=true needs layout_encoder=network, which svqvae-t and svqgan-t have: patterns are "
                "found without images"
            )
        if self.layout_cell and self.layout_encoder == "network":
            raise ValueError(
                "layout_cell needs layout_encoder=patterns: a network's tokens are as many as the image's"
            )
        return self

    @property
    def cell(self) -> int:
        """Pixels a side of a layout's token."""
        return self.layout_cell or 1 << self.downsamplings

    def double_path(self) -> DualPathConfig:
        """Sizes of the double path."""
        return DualPathConfig(
            channels=self.widths[-1],
            residual_channels=self.widths[-1],
            residual_blocks=self.residual_blocks,
            downsamplings=self.downsamplings,
            code_dim=self.code_dim,
            attention_below=self.attention_below,
        )


class _OnePath(nn.Module):
    """The image's part of one path: (image, layout) -> z_x, `together` with z_s, and back from both."""

    names = ("one path",)

    def __init__(
        self, config: CoupledConfig, inputs: int, outputs: int, size: tuple[int, int], *, together: bool
    ) -> None:
        super().__init__()
        self.answers = 2 if together else 1
        self.encoder = config.encoder_of_images(inputs, self.answers * config.code_dim, size)
        self.decoder = config.decoder_of_images(2 * config.code_dim, outputs, size)

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        z: Tensor = self.encoder(x)
        return z.chunk(self.answers, dim=1)

    def decode(self, z_x: Tensor) -> Tensor:
        found: Tensor = self.decoder(z_x)
        return found


class _TwoPaths(nn.Module):
    """The image's part of two paths: z_x of the attention path, z_x of the convolution path, `together` with z_s."""

    names = DualPathVQVAE.paths

    def __init__(
        self, config: CoupledConfig, inputs: int, outputs: int, size: tuple[int, int], *, together: bool
    ) -> None:
        super().__init__()
        sizes, width = config.double_path(), config.code_dim
        self.answers = 2 if together else 1
        self.encoder = DualPathEncoder(sizes, inputs, size, outputs=(width, self.answers * width))
        self.decoder = DualPathDecoder(sizes, outputs, size, inputs=(2 * width, 2 * width))

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        attended, convolved = self.encoder(x)
        return attended, *convolved.chunk(self.answers, dim=1)

    def decode(self, attended: Tensor, convolved: Tensor) -> Tensor:
        found: Tensor = self.decoder(attended, convolved)
        return found


class Coupled(nn.Module, ABC):
    """What the coupled tokenizers share: the image's part, written with a layout embedded and read with what
    its tokens stand for.

    Arguments:
        config: sizes.
        image_channels: C, 1 or 3.
        symbols: S of the layouts.
        size: (H, W), multiples of 2^downsamplings.
        together: whether the image's encoder writes the layout's codes too.
        outputs: channels of what the image's decoder returns, C unless told otherwise.
    """

    def __init__(
        self,
        config: CoupledConfig,
        image_channels: int,
        symbols: int,
        size: tuple[int, int],
        *,
        together: bool,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        self.config, self.size = config, size
        self.embed = LayoutEmbedding(symbols, config.layout_channels)
        part = _OnePath if config.paths == "one" else _TwoPaths
        self.part = part(
            config,
            image_channels + config.layout_channels,
            outputs or image_channels,
            size,
            together=together,
        )
        self.output = Output(config.output)
        self.paths = self.part.names
        self.quantizers = nn.ModuleList(
            codebook_of(config.codebook, config.codebook_size, config.code_dim) for _ in self.paths
        )

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Semantics first: they are drawn first."""
        height, width = self.config.grid(self.size)
        of_layout = (self.size[0] // self.config.cell, self.size[1] // self.config.cell)
        return (
            Stream("semantics", self.config.semantic_codebook_size, of_layout),
            Stream("image", self.config.codebook_size, (len(self.paths) * height, width)),
        )

    @property
    def last_layer(self) -> Tensor:
        """The last weights of the image decoder, before what `nn.outlines` adds to its output."""
        return self.part.decoder.last_layer

    @abstractmethod
    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens of both streams."""

    @abstractmethod
    def encode_layouts(self, layouts: LayoutBatch) -> Tensor:
        """Tokens of layouts without an image, as the first stream has them. Raises InputError where the
        tokenizer needs one.
        """

    @abstractmethod
    def decode_layouts(self, tokens: Tensor) -> Tensor:
        """Tokens of the semantics -> symbol ids (B, H, W)."""

    def decode(self, tokens: dict[str, Tensor], layouts: LayoutBatch | None = None) -> Tensor:
        """Image (B, C, H, W) in [-1, 1], of both streams; the layouts play no part."""
        halves = tokens["image"].chunk(len(self.paths), dim=1)
        vectors = [lookup(quantizer, half) for quantizer, half in zip(self.quantizers, halves, strict=True)]
        return self._image(vectors, self._semantics(tokens["semantics"]))

    @abstractmethod
    def _semantics(self, tokens: Tensor) -> Tensor:
        """What tokens of the layout stand for: their codes (B, D, h, w), or the layout itself, embedded (B,
        E, H, W).
        """

    @abstractmethod
    def _image(self, vectors: list[Tensor], semantics: Tensor) -> Tensor:
        """Image of its own codes, (B, D, h, w) for each path, and of what the layout's tokens stand for."""

    def _quantized(self, z: Sequence[Tensor]) -> list[Quantized]:
        return [quantizer(each) for quantizer, each in zip(self.quantizers, z, strict=True)]

    def _decoded(self, vectors: list[Tensor], beside: Tensor) -> Tensor:
        """What the decoder returns of codes with other maps of their size beside them."""
        return self.part.decode(*(torch.cat([each, beside], dim=1) for each in vectors))


class CoupledVQ(Coupled):
    """Tokenizer with two streams: "semantics" of grid (h, w) and "image" of grid (h, w), or (2h, w) with the
    double path; both are learned.

    Arguments: as those of `Coupled`.
    """

    def __init__(
        self, config: CoupledConfig, image_channels: int, symbols: int, size: tuple[int, int]
    ) -> None:
        super().__init__(config, image_channels, symbols, size, together=True)
        self.semantic_quantizer = codebook_of(config.codebook, config.semantic_codebook_size, config.code_dim)
        self.layout_decoder = LayoutDecoder(config, symbols, size)
        self.no_image = None if config.reference else nn.Parameter(torch.zeros(image_channels, 1, 1))

    def forward(self, image: Tensor, layouts: LayoutBatch) -> Reconstruction:
        """Image and logits, and what the codebooks did."""
        quantized, semantics = self._quantize(image, layouts)
        logits = self.layout_decoder(semantics.vectors)
        still = semantics.vectors.detach()  # the image teaches the layout's codes nothing
        return Reconstruction(
            self._image([q.vectors for q in quantized], still), quantized, logits, (semantics,)
        )

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens of image and layout; without `reference` those of the semantics see the layout alone."""
        quantized, semantics = self._quantize(batch.image, batch.layouts)
        return {"semantics": semantics.tokens, "image": torch.cat([q.tokens for q in quantized], dim=1)}

    def encode_layouts(self, layouts: LayoutBatch) -> Tensor:
        """Tokens (B, h, w) of layouts without an image. Raises InputError where the tokenizer needs one."""
        tokens: Tensor = self.semantic_quantizer(self._of_layout(self.embed(layouts))).tokens
        return tokens

    def decode_layouts(self, tokens: Tensor) -> Tensor:
        """Tokens (B, h, w) of the semantics -> symbol ids (B, H, W)."""
        return self.layout_decoder.ids(self._semantics(tokens))

    def _semantics(self, tokens: Tensor) -> Tensor:
        return lookup(self.semantic_quantizer, tokens)

    def _image(self, vectors: list[Tensor], semantics: Tensor) -> Tensor:
        image: Tensor = self.output(self._decoded(vectors, semantics))
        return image

    def _quantize(self, image: Tensor, layouts: LayoutBatch) -> tuple[list[Quantized], Quantized]:
        embedded = self.embed(layouts)
        *z_x, together = self.part.encode(torch.cat([image, embedded], dim=1))
        z_s = together if self.config.reference else self._of_layout(embedded)
        return self._quantized(z_x), self.semantic_quantizer(z_s)

    def _of_layout(self, embedded: Tensor) -> Tensor:
        """z_s of a layout without an image."""
        if self.no_image is None:
            raise InputError(
                "this tokenizer encodes layouts with their images; give reference images, or train with "
                "tokenizer.reference=false"
            )
        nothing = self.no_image.expand(len(embedded), -1, *self.size)
        return self.part.encode(torch.cat([nothing, embedded], dim=1))[-1]
