"""The generator of BicycleGAN: a U-Net from a layout and a code to an image, and the encoder that finds the code of an
image; so that another code is another image of the same layout.

    e_1 = conv([s, z]),    e_i = norm(conv(lrelu([e_{i-1}, z]))),    e_n = conv(lrelu([e_{n-1}, z]))    i < n
    d_n = norm(deconv(relu(e_n))),    d_i = norm(deconv(relu([d_{i+1}, e_i])))                          i > 1
    x   = tanh(deconv(relu([d_2, e_1])))

z is the same at every pixel. It is given to every layer that halves; the others have it by what they take over from
those. In training an item goes through two cycles:

    x -> z ~ q(z|x) -> G(s, z)         the image is to come back: the conditional autoencoder
    z ~ N(0, I) -> G(s, z) -> mu       the code is to come back: latent regression, mu of q(z|G(s, z))

The encoder stands still in the second: it would help to hide the code in the image otherwise. New images have codes
z ~ N(0, I), or T(z) where the codes of the training images are fitted after training (`generators.codes`). Kernels are
4x4 of stride 2, as in pix2pix, and so are the norms and the embedding of the layout (`generators.unet`).

References:
    Toward Multimodal Image-to-Image Translation (Zhu et al., 2017), https://arxiv.org/abs/1711.11586: Equations 4 to 9,
    Section 4
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.func import functional_call

from labelmint.dials import TRUNCATION
from labelmint.generators.codes import FittedCodes, StylePrior
from labelmint.generators.encoded import ResidualEncoder
from labelmint.generators.truncation import truncated
from labelmint.nn.initial import begin_xavier
from labelmint.nn.mirrored import doubling, halving, mirrored_widths
from labelmint.nn.sight import LayoutEmbedding
from labelmint.nn.strided import Output
from labelmint.protocols import Dial, Dials, Noise
from labelmint.types import Batch, LayoutBatch

__all__ = ["BicycleConfig", "BicycleGenerator", "Cycles"]


class BicycleConfig(BaseModel):
    """Sizes of BicycleGAN's generator and encoder; the defaults are those published for 256x256 pixels."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: int = Field(
        64, ge=8, multiple_of=8, description="width of the first layer; deeper ones have up to 8 times"
    )
    downsamplings: int = Field(8, ge=2, le=10, description="halvings; both sides are multiples of 2^this")
    code: int = Field(8, ge=1, description="numbers of the code, which tells images of one layout apart")
    encoder_channels: int = Field(
        64,
        ge=8,
        multiple_of=8,
        description="width of the encoder's first layer; deeper ones have up to 4 times",
    )
    layout_channels: int = Field(16, ge=1, description="channels that stand for a layout's symbols")
    style_prior: StylePrior = Field(
        "normal",
        description="what new images draw their code from: a normal distribution, as published, or one that is fitted "
        "after training to those of the training images",
    )
    output: Literal["tanh", "linear"] = Field(
        "tanh", description="the last function; dark images saturate tanh"
    )

    @property
    def multiple(self) -> int:
        """Pixels of which both sides are multiples."""
        return 1 << self.downsamplings


class Cycles(NamedTuple):
    """What an item becomes in both cycles.

    Attributes:
        image: (B, 2C, H, W), the image of the first cycle, then that of the second.
        mean, log_variance: (B, D), of q(z|x).
        again: (B, D), what the encoder, standing still, finds of the second cycle's code.
        drawn: (B, D), that code.
    """

    image: Tensor
    mean: Tensor
    log_variance: Tensor
    again: Tensor
    drawn: Tensor


class BicycleGenerator(nn.Module):
    """LayoutToImage of BicycleGAN.

    Arguments:
        config: sizes. symbols: S. image_channels: C, 1 or 3. size: (H, W), multiples of 2^downsamplings.
    """

    dials: tuple[Dial, ...] = (TRUNCATION,)

    def __init__(
        self, config: BicycleConfig, symbols: int, image_channels: int, size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.config = config
        widths, deepest = mirrored_widths(config.channels, config.downsamplings), config.downsamplings - 1
        self.embed = LayoutEmbedding(symbols, config.layout_channels)
        self.down = nn.ModuleList(
            halving(before + config.code, after, first=i == 0, normalized=0 < i < deepest)
            for i, (before, after) in enumerate(zip((config.layout_channels, *widths), widths, strict=False))
        )
        self.up = nn.ModuleList(
            doubling(
                widths[i] * (1 if i == deepest else 2),
                widths[i - 1] if i else image_channels,
                normalized=i > 0,
            )
            for i in reversed(range(config.downsamplings))
        )
        self.output = Output(config.output)
        self.encoder = ResidualEncoder(image_channels, config.encoder_channels, config.code, size)
        begin_xavier(self)
        self.styles = FittedCodes(config.code) if config.style_prior == "fitted" else None

    @property
    def noise(self) -> Noise:
        """The code."""
        return Noise("normal", (self.config.code,))

    def forward(
        self,
        layouts: LayoutBatch,
        noise: Tensor,
        dials: Dials,
        image: Tensor | None = None,
        drawn: Tensor | None = None,
    ) -> Tensor | Cycles:
        """Images (B, C, H, W) in [-1, 1] of layouts and codes z = noise (B, D).

        With `image`, the real images, both cycles: z = mu + sigma noise in the first, z = drawn (B, D) in the second.
        """
        seen = self.embed(layouts)
        if image is None or drawn is None:
            code = truncated(noise, dials)
            return self._made(seen, self.styles(code) if self.styles is not None else code)
        mean, log_variance = self.encoder(image)
        codes = torch.cat([mean + (log_variance / 2).exp() * noise, drawn])
        first, second = self._made(seen.repeat(2, 1, 1, 1), codes).chunk(2)
        still = {name: weight.detach() for name, weight in self.encoder.named_parameters()}
        again = functional_call(self.encoder, still, (second,))[0]
        return Cycles(torch.cat([first, second], dim=1), mean, log_variance, again, drawn)

    def code_of(self, batch: Batch) -> Tensor:
        """The z of mu(x), (B, D), of images."""
        mean: Tensor = self.encoder(batch.image)[0]
        return self.styles.inverse(mean) if self.styles is not None else mean

    def settle(self, batches: Iterable[Batch]) -> None:
        """Fit the codes of training pairs, where they are to be fitted."""
        if self.styles is not None:
            with torch.no_grad():
                self.styles.fit(self.encoder(batch.image) for batch in batches)

    def _made(self, seen: Tensor, code: Tensor) -> Tensor:
        """Images of embedded layouts and codes."""
        maps = [seen]
        for down in self.down:
            everywhere = code[:, :, None, None].expand(-1, -1, *maps[-1].shape[2:])
            maps.append(down(torch.cat([maps[-1], everywhere], dim=1)))
        x = maps.pop()
        for up in self.up[:-1]:
            x = torch.cat([up(x), maps.pop()], dim=1)
        image: Tensor = self.output(self.up[-1](x))
        return image
