"""The double-path VQ-VAE of MSGNet (Figure 21, Table 4 of the long paper): attention path and convolution
path, two codebooks.

    stem ---+--> strided convolutions with self-attention ------> residual stack -> 1x1 -> VQ-A --+
            |              | (features)                                                           +--> [A; N],
                           one (2h, w) grid
            +--> strided convolutions, fed with those features -> residual stack -> 1x1 -> VQ-N --+

The decoder mirrors it: each code passes a residual stack of its own, the attention side attends once more,
and two branches of transposed convolutions, fed with each other's features, meet in the last one.

Where the paper is silent this follows its authors' published code, but for three choices: group normalization
instead of batch normalization (an item's tokens must not depend on its batch), equal widths in attention (see
`nn.attention`), and attention only on maps narrower than `attention_below`. Stage i of d has width channels /
2^(d - i).
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.attention import SelfAttention
from labelmint.nn.residual import ResidualStack
from labelmint.nn.strided import Output, double, halve, widths_of
from labelmint.protocols import Stream
from labelmint.tokenizers.quantizer import Quantizer
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.types import Batch, LayoutBatch

__all__ = ["DualPathConfig", "DualPathDecoder", "DualPathEncoder", "DualPathVQVAE"]


class DualPathConfig(BaseModel):
    """Sizes of the double-path VQ-VAE; the names are those of Table 4 where it has one."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(64, ge=8, multiple_of=8, description="hidden dim: width at the token grid")
    residual_channels: int = Field(64, ge=1, description="residual dim")
    residual_blocks: int = Field(2, ge=0)
    downsamplings: int = Field(
        2, ge=1, le=6, description="strided convolutions: a token covers 2^this pixels a side"
    )
    codebook_size: int = Field(256, ge=2, description="codebook num: entries of each of the two codebooks")
    code_dim: int = Field(64, ge=1, description="codebook size: width of an entry")
    codebook: Literal["ema", "loss"] = Field("ema", description="how the codebooks learn")
    attention_below: int = Field(17, ge=0, description="self-attention only on maps narrower than this")
    upsampling: Literal["transposed", "resize"] = Field(
        "transposed",
        description="how the decoder doubles its maps; transposed convolutions, as published, can leave a "
        "lattice",
    )
    output: Literal["tanh", "linear"] = Field(
        "tanh", description="the decoder's last function; dark images saturate tanh"
    )


class DualPathEncoder(nn.Module):
    """Image (B, C, H, W) -> vectors of both paths, (B, D, h, w) each; `outputs` are their widths, code_dim
    unless told otherwise.
    """

    def __init__(
        self,
        config: DualPathConfig,
        image_channels: int,
        size: tuple[int, int],
        outputs: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        depth = config.downsamplings
        widths = widths_of(config.channels, depth)
        narrow = [min(size) >> i < config.attention_below for i in range(1, depth + 1)]
        self.stem = halve(image_channels, widths[0])
        self.attend = nn.ModuleList(
            SelfAttention(width) if few else nn.Identity() for width, few in zip(widths, narrow, strict=True)
        )
        self.attention_path = nn.ModuleList(halve(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.convolution_path = nn.ModuleList(
            # From the second stage on, and wherever attention has acted, the features of the other path come
            # beside its own.
            halve(2 * a if i > 0 or narrow[0] else a, b)
            for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False))
        )
        self.heads = nn.ModuleList(
            nn.Sequential(
                ResidualStack(widths[-1], config.residual_channels, config.residual_blocks),
                nn.Conv2d(widths[-1], width, 1),
            )
            for width in outputs or (config.code_dim, config.code_dim)
        )
        self.beside_first = narrow[0]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        convolved = self.stem(image)
        attended = self.attend[0](convolved)
        for i, (down_a, down_n) in enumerate(zip(self.attention_path, self.convolution_path, strict=True)):
            beside = i > 0 or self.beside_first
            convolved = down_n(torch.cat([convolved, attended], dim=1) if beside else convolved)
            attended = functional.leaky_relu(self.attend[i + 1](down_a(attended)), 0.2)
        return self.heads[0](attended), self.heads[1](convolved)


class DualPathDecoder(nn.Module):
    """Vectors of both paths -> values (B, outputs, H, W), before `Output`; `inputs` are their widths,
    code_dim unless told otherwise.
    """

    def __init__(
        self,
        config: DualPathConfig,
        outputs: int,
        size: tuple[int, int],
        inputs: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        depth, full, up = config.downsamplings, config.channels, config.upsampling
        # after each transposed convolution but the last
        widths = [max(full >> i, 8) for i in range(1, depth)]
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, full, 1),
                ResidualStack(full, config.residual_channels, config.residual_blocks),
            )
            for width in inputs or (config.code_dim, config.code_dim)
        )
        self.attend = SelfAttention(full) if min(size) >> depth < config.attention_below else nn.Identity()
        before = [full, *widths[:-1]]
        self.convolution_side = nn.ModuleList(
            double(2 * a, b, up) for a, b in zip(before, widths, strict=False)
        )
        self.attention_side = nn.ModuleList(double(a, b, up) for a, b in zip(before, widths, strict=False))
        second = depth > 1 and min(size) >> (depth - 1) < config.attention_below
        self.attend_second = SelfAttention(widths[0]) if second else nn.Identity()
        self.out = double(2 * (widths[-1] if widths else full), outputs, up)

    @property
    def last_layer(self) -> Tensor:
        """The last weights, (inputs, outputs, 4, 4) or (outputs, inputs, 3, 3)."""
        return next(weights for weights in self.out.parameters() if weights.dim() > 1)

    def forward(self, attended: Tensor, convolved: Tensor) -> Tensor:
        q, p = self.attend(self.heads[0](attended)), self.heads[1](convolved)
        for i, (up_p, up_q) in enumerate(zip(self.convolution_side, self.attention_side, strict=True)):
            # The first level is fed by each path; after it the second branch continues the convolution path,
            # as published.
            new_p = functional.leaky_relu(up_p(torch.cat([p, q], dim=1)), 0.2)
            q = functional.leaky_relu(up_q(q if i == 0 else p), 0.2)
            q = self.attend_second(q) if i == 0 else q
            p = new_p
        found: Tensor = self.out(torch.cat([p, q], dim=1))
        return found


class DualPathVQVAE(nn.Module):
    """Tokenizer with one stream "image" of grid (2h, w): the attention path's codes stacked above the
    convolution path's.

    Both halves share one vocabulary of K indices, each half with its own codebook.

    Arguments:
        config: sizes.
        image_channels: C, 1 or 3.
        size: (H, W), multiples of 2^downsamplings.
    """

    # the halves of the stream, each with a codebook of its own
    paths = ("attention path", "convolution path")

    def __init__(self, config: DualPathConfig, image_channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.config, self.size = config, size
        self.encoder = DualPathEncoder(config, image_channels, size)
        self.quantizers = nn.ModuleList(
            Quantizer(config.codebook_size, config.code_dim, update=config.codebook) for _ in range(2)
        )
        self.decoder = DualPathDecoder(config, image_channels, size)
        self.output = Output(config.output)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """One stacked stream."""
        height, width = (side >> self.config.downsamplings for side in self.size)
        return (Stream("image", self.config.codebook_size, (2 * height, width)),)

    def forward(self, image: Tensor, layouts: LayoutBatch | None = None) -> Reconstruction:
        """Reconstruction (B, C, H, W), and what each codebook did; the layouts play no part."""
        quantized = [quantizer(z) for quantizer, z in zip(self.quantizers, self.encoder(image), strict=True)]
        return Reconstruction(self.image_of(quantized[0].vectors, quantized[1].vectors), quantized)

    def encode(self, batch: Batch) -> dict[str, Tensor]:
        """Tokens (B, 2h, w)."""
        paths = [
            quantizer(z).tokens
            for quantizer, z in zip(self.quantizers, self.encoder(batch.image), strict=True)
        ]
        return {"image": torch.cat(paths, dim=1)}

    def decode(self, tokens: dict[str, Tensor], layouts: LayoutBatch | None = None) -> Tensor:
        """Image (B, C, H, W) in [-1, 1]; the layouts play no part."""
        halves = tokens["image"].chunk(2, dim=1)
        quantizers = cast(list[Quantizer], list(self.quantizers))
        return self.image_of(
            *(quantizer.lookup(half) for quantizer, half in zip(quantizers, halves, strict=True))
        )

    def image_of(self, attended: Tensor, convolved: Tensor) -> Tensor:
        """Image (B, C, H, W) in [-1, 1] of the vectors of both paths, (B, D, h, w) each."""
        image: Tensor = self.output(self.decoder(attended, convolved))
        return image
