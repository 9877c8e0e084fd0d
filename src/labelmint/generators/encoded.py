"""A code of an image: what a generator that draws images from codes takes in training from the real image.

    q(z|x) = N(mu(x), sigma(x)^2),    mu, log sigma^2 = linear(features(x))

The features are strided convolutions with normalization within the item, down to some 4 pixels a side; or the mean
over the last map, some 8 pixels a side, of residual blocks that halve.

References:
    Auto-Encoding Variational Bayes (Kingma & Welling, 2014), https://arxiv.org/abs/1312.6114
    Toward Multimodal Image-to-Image Translation (Zhu et al., 2017), https://arxiv.org/abs/1711.11586: residual blocks
    Semantic Image Synthesis with Spatially-Adaptive Normalization (Park et al., 2019): Figure 14
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from torch import Tensor, nn

from labelmint.nn.initial import begin_xavier
from labelmint.nn.objects import Objects, crop
from labelmint.nn.pooled import PooledBlock

__all__ = ["Encoded", "EncoderKind", "ImageEncoder", "ObjectEncoder", "ResidualEncoder", "image_encoder"]

EncoderKind: TypeAlias = Literal["strided", "residual"]

_COARSEST, _WIDEST = 4, 8
_POOLED = 4  # places a side that an object's features are pooled at
_COARSEST_AVERAGED, _WIDEST_BLOCK = 8, 4  # of the encoder of residual blocks


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


class ResidualEncoder(nn.Module):
    """Images (B, C, H, W) -> mu and log sigma^2, (B, D) each, by residual blocks.

    Arguments:
        inputs: C. channels: width of the first layer; block k has k + 1 times as many, at most 4 times.
        code: D. size: (H, W), which says how many blocks there are: four for 256x256 pixels.
    """

    def __init__(self, inputs: int, channels: int, code: int, size: tuple[int, int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(inputs, channels, 4, stride=2, padding=1)]
        side, width = min(size) // 2, channels
        while side > _COARSEST_AVERAGED:
            wider = channels * min(len(layers) + 1, _WIDEST_BLOCK)
            layers.append(PooledBlock(width, wider))
            side, width = side // 2, wider
        self.features = nn.Sequential(*layers, nn.LeakyReLU(0.2))
        self.code = nn.Linear(width, 2 * code)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """mu and log sigma^2."""
        mean, log_variance = self.code(self.features(image).mean(dim=(2, 3))).chunk(2, dim=1)
        return mean, log_variance


def image_encoder(
    kind: EncoderKind, inputs: int, channels: int, code: int, size: tuple[int, int]
) -> ImageEncoder | ResidualEncoder:
    """Either encoder; the residual one tells how bright an image is and its contrast, which norms take away.

    The strided one has SPADE's small weights at first. The residual one has torch's: what goes beside its norms would
    fade, and a code that says nothing of an image is not heeded for thousands of steps.
    """
    if kind == "residual":
        return ResidualEncoder(inputs, channels, code, size)
    return begin_xavier(ImageEncoder(inputs, channels, code, size))


class ObjectEncoder(nn.Module):
    """Images and their objects -> mu and log sigma^2 of the objects' codes, (n, D) each.

    Features of the image at half its size are pooled at 4x4 places in each box.

    Arguments:
        inputs: C. channels: width of the first layer. code: D.
    """

    def __init__(self, inputs: int, channels: int, code: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(inputs, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.code = nn.Sequential(
            nn.Linear(2 * channels * _POOLED**2, 4 * channels),
            nn.LeakyReLU(0.2),
            nn.Linear(4 * channels, 2 * code),
        )

    def forward(self, image: Tensor, objects: Objects) -> tuple[Tensor, Tensor]:
        """mu and log sigma^2."""
        pooled = crop(self.features(image), objects, (_POOLED, _POOLED))
        mean, log_variance = self.code(pooled.flatten(1)).chunk(2, dim=1)
        return mean, log_variance
