"""The VQ-VAE of one path and one codebook, that of No-Comp MSGNet and of cVQ-VAE.

    image -> strided convolutions [with self-attention] [+ layout] -> residual stack -> 1x1 -> VQ -> one (h,
    w) grid
          <- transposed convolutions [with self-attention] [+ layout] <- residual stack <- 1x1 <-

The papers give one line on each. "A version that lacks a second path" (short paper, Section 3) is taken to be
the double-path VQ-VAE without its convolution path: attention stays, so that the number of paths and
codebooks is all that differs. "VQ-VAE adapted with layout conditioning" (long paper, Section 4.2) is taken to
be the plain VQ-VAE, without attention, whose encoder and decoder both see the layout: as area fractions of
its symbols, embedded, beside the first map of the encoder (half the image's size) and the last one of the
decoder, and beside the codes that enter the decoder.

References:
    Neural Discrete Representation Learning (van den Oord et al., 2017), https://arxiv.org/abs/1711.00937
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.attention import SelfAttention
from labelmint.nn.residual import ResidualStack
from labelmint.nn.sight import area_fractions
from labelmint.nn.strided import Output, double, halve, widths_of
from labelmint.protocols import Stream
from labelmint.tokenizers.dual_path import DualPathConfig
from labelmint.tokenizers.quantizer import Quantizer
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.types import Batch, LayoutBatch

__all__ = ["VQVAE"]


class _SeeLayout(nn.Module):
    """Features (B, C, h, w) -> the same, having seen the layout's area fractions in their cells."""

    def __init__(self, symbols: int, channels: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.embed = nn.Conv2d(symbols, channels, 1)
        self.mix = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def forward(self, features: Tensor, layouts: LayoutBatch | None) -> Tensor:
        if layouts is None:
            raise ValueError("this VQ-VAE was made for layouts and needs them to encode and to decode")
        height, width = features.shape[-2:]
        shares = area_fractions(layouts.ids, (height, width), self.symbols).to(features.dtype)
        mixed: Tensor = self.mix(torch.cat([features, self.embed(shares)], dim=1))
        return functional.leaky_relu(mixed, 0.2)


class _Encoder(nn.Module):
    """Image (B, C, H, W) [and layouts] -> vectors (B, D, h, w)."""

    def __init__(
        self,
        config: DualPathConfig,
        image_channels: int,
        size: tuple[int, int],
        symbols: int,
        attention: bool,
    ) -> None:
        super().__init__()
        widths = widths_of(config.channels, config.downsamplings)
        narrow = [
            attention and min(size) >> i < config.attention_below for i in range(1, config.downsamplings + 1)
        ]
        self.down = nn.ModuleList(
            halve(a, b) for a, b in zip([image_channels, *widths], widths, strict=False)
        )
        self.attend = nn.ModuleList(
            SelfAttention(b) if few else nn.Identity() for b, few in zip(widths, narrow, strict=True)
        )
        self.see = _SeeLayout(symbols, widths[0]) if symbols else None
        self.head = nn.Sequential(
            ResidualStack(widths[-1], config.residual_channels, config.residual_blocks),
            nn.Conv2d(widths[-1], config.code_dim, 1),
        )

    def forward(self, image: Tensor, layouts: LayoutBatch | None) -> Tensor:
        x = image
        for i, (down, attend) in enumerate(zip(self.down, self.attend, strict=True)):
            x = functional.leaky_relu(attend(down(x)), 0.2)
            if i == 0 and self.see is not None:
                x = self.see(x, layouts)
        vectors: Tensor = self.head(x)
        return vectors


class _Decoder(nn.Module):
    """Vectors (B, D, h, w) [and layouts] -> image in [-1, 1]."""

    def __init__(
        self,
        config: DualPathConfig,
        image_channels: int,
        size: tuple[int, int],
        symbols: int,
        attention: bool,
    ) -> None:
        super().__init__()
        depth, full = config.downsamplings, config.channels
        widths = [full, *(max(full >> i, 8) for i in range(1, depth))]
        narrow = [attention and min(size) >> (depth - i) < config.attention_below for i in range(2)]
        self.enter = nn.Conv2d(config.code_dim, full, 1)
        self.see_codes = _SeeLayout(symbols, full) if symbols else None
        self.stack = ResidualStack(full, config.residual_channels, config.residual_blocks)
        self.attend = SelfAttention(full) if narrow[0] else nn.Identity()
        self.up = nn.ModuleList(
            double(a, b, config.upsampling) for a, b in zip(widths, widths[1:], strict=False)
        )
        self.attend_second = SelfAttention(widths[1]) if depth > 1 and narrow[1] else nn.Identity()
        self.see_last = _SeeLayout(symbols, widths[-1]) if symbols else None
        self.out, self.output = double(widths[-1], image_channels, config.upsampling), Output(config.output)

    def forward(self, vectors: Tensor, layouts: LayoutBatch | None) -> Tensor:
        x = self.enter(vectors)
        if self.see_codes is not None:
            x = self.see_codes(x, layouts)
        x = self.attend(self.stack(x))
        for i, up in enumerate(self.up):
            x = functional.leaky_relu(up(x), 0.2)
            x = self.attend_second(x) if i == 0 else x
        if self.see_last is not None:
            x = self.see_last(x, layouts)
        image: Tensor = self.output(self.out(x))
        return image


class VQVAE(nn.Module):
    """Tokenizer with one stream "image" of grid (h, w).

    Arguments:
        config: sizes, of which it takes those of one path.
        image_channels: C, 1 or 3.
        size: (H, W), multiples of 2^downsamplings.
        symbols: S of the layouts that encoder and decoder see; 0 = they see none.
        attention: self-attention on maps narrower than `config.attention_below`.
    """

    paths = ("one path",)

    def __init__(
        self,
        config: DualPathConfig,
        image_channels: int,
        size: tuple[int, int],
        symbols: int = 0,
        attention: bool = True,
    ) -> None:
        super().__init__()
        self.config, self.size = config, size
        self.encoder = _Encoder(config, image_channels, size, symbols, attention)
        self.quantizer = Quantizer(config.codebook_size, config.code_dim, update=config.codebook)
        self.decoder = _Decoder(config, image_channels, size, symbols, attention)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """One stream."""
        height, width = (side >> self.config.downsamplings for side in self.size)
        return (Stream("image", self.config.codebook_size, (height, width)),)

    def forward(self, image: Tensor, layouts: LayoutBatch | None = None) -> Reconstruction:
        """Reconstruction (B, C, H, W), and what the codebook did."""
        quantized = self.quantizer(self.encoder(image, layouts))
        return Reconstruction(self.decoder(quantized.vectors, layouts), [quantized])

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens (B, h, w)."""
        return {"image": self.quantizer(self.encoder(batch.image, batch.layouts)).tokens}

    def decode(self, tokens: dict[str, Tensor], layouts: LayoutBatch | None = None) -> Tensor:
        """Image (B, C, H, W) in [-1, 1]; `layouts` are needed where the decoder sees them."""
        image: Tensor = self.decoder(self.quantizer.lookup(tokens["image"]), layouts)
        return image
