"""The patch discriminator (PatchGAN): one verdict for every patch of an image, none for the whole.

    [conv4 stride 2 -> norm -> LeakyReLU 0.2] x n -> conv4 -> norm -> LeakyReLU -> conv4 -> (B, 1, h, w)

Widths double from layer to layer up to eight times the first; the first layer is not normalized.
Normalization is within the item, not over the batch: real and generated images come in batches apart, whose
statistics alone would give them away.

References:
    Image-to-Image Translation with Conditional Adversarial Networks (Isola et al., 2017),
    https://arxiv.org/abs/1611.07004
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["PatchDiscriminator"]


def _layer(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1, bias=False),
        nn.GroupNorm(next(g for g in (8, 4, 2, 1) if outputs % g == 0), outputs),
        nn.LeakyReLU(0.2),
    ]


class PatchDiscriminator(nn.Module):
    """Images (B, C, H, W) -> verdicts (B, 1, h, w), high for real ones; a patch is 70 pixels wide at three
    layers, 34 at two.

    Arguments:
        inputs: C.
        channels: width of the first layer.
        layers: n, those of stride 2; sides must be at least 3 * 2^n pixels.
    """

    def __init__(self, inputs: int, channels: int = 64, layers: int = 3) -> None:
        super().__init__()
        widths = [channels * min(1 << i, 8) for i in range(layers + 1)]
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, channels, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            *(layer for a, b in zip(widths[:-2], widths[1:-1], strict=True) for layer in _layer(a, b, 2)),
            *_layer(widths[-2], widths[-1], 1),
            nn.Conv2d(widths[-1], 1, 4, padding=1),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Verdicts."""
        found: Tensor = self.layers(image)
        return found
