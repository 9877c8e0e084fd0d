"""A code of an image: what a generator that draws images from codes takes in training from the real image.

    q(z|x) = N(mu(x), sigma(x)^2),    mu, log sigma^2 = linear(features(x))

The features are strided convolutions with normalization within the item, down to some 4 pixels a side.

References:
    Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    Semantic Image Synthesis with Spatially-Adaptive Normalization (Park et al., 2019): Figure 14
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

__all__ = ["Encoded", "ImageEncoder"]

_COARSEST, _WIDEST = 4, 8


class Encoded(NamedTuple):
    """Images that a generator with an encoder gives back, and the distribution of the code that it drew them with.

    Attributes:
        image: (B, C, H, W). mean, log_variance: (B, D).
    """

    image: Tensor
    mean: Tensor
    log_variance: Tensor


class ImageEncoder(nn.Module):
    """Images (B, C, H, W) -> mu and log sigma^2, (B, D) each.

    Arguments:
        inputs: C. channels: width of the first layer; deeper ones have up to 8 times.
        code: D. size: (H, W).
    """

    def __init__(self, inputs: int, channels: int, code: int, size: tuple[int, int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        (height, width), before = size, inputs
        for k in range(6):
            if min(height, width) <= _COARSEST:
                break
            after = channels * min(1 << k, _WIDEST)
            norm = [nn.InstanceNorm2d(after)] if min(height, width) > 2 * _COARSEST else []
            layers += [
                *([nn.LeakyReLU(0.2)] if k else []),
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                *norm,
            ]
            height, width, before = (height + 1) // 2, (width + 1) // 2, after
        self.features = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Flatten())
        self.code = nn.Linear(before * height * width, 2 * code)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """mu and log sigma^2."""
        mean, log_variance = self.code(self.features(image)).chunk(2, dim=1)
        return mean, log_variance
