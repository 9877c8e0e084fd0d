"""A U-Net whose encoder is EfficientNet-lite0, which has learned ImageNet's classes.

    f_1 .. f_5 = EfficientNet-lite0(x), at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size;  f_0 = x
    logits = decoder(f_0 .. f_5), (B, K, H, W);   features(x) = mean of f_5 over positions

The encoder stays as it was found: with few labels the features are what helps, and the decoder has 2 million numbers of
its own. Its weights are an extra (`nn.efficientnet`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.nn.efficientnet import LITE0, EfficientNetLite0, lite0
from labelmint.segmenters.decoder import Decoder, padded

__all__ = ["LiteUNet"]

_CHANNELS = (16, 24, 40, 112, 320)  # of f_1 .. f_5


class LiteUNet(nn.Module):
    """See the module; any H and W, padded by repeated edges to multiples of 32.

    Arguments:
        image_channels: 1 or 3. classes: K.
        encoder: None takes the weights of the extra; raises InputError where it is missing.
    """

    def __init__(self, image_channels: int, classes: int, encoder: EfficientNetLite0 | None = None) -> None:
        super().__init__()
        if image_channels not in (1, 3):
            raise InputError(
                f"{LITE0} takes images of 1 or 3 channels, got {image_channels}; choose the plain U-Net"
            )
        self.encoder = lite0() if encoder is None else encoder
        self.decoder = Decoder((image_channels, *_CHANNELS), classes)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K, H, W)."""
        height, width = image.shape[-2:]
        whole = padded(image)
        logits: Tensor = self.decoder([whole, *self.encoder(whole)])
        return logits[..., :height, :width]

    def features(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 320)."""
        lowest: Tensor = self.encoder(padded(image))[-1]
        return lowest.float().mean(dim=(2, 3))

    def to_fast_layout(self) -> LiteUNet:
        """Return the module in the memory format that convolutions on CPUs prefer."""
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
