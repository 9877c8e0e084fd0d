"""The discriminator of images by their objects: one look at the whole, one at each box, and all labels at the end.

    o = sum over boxes of paste(conv4([crop(x), label])),    h = conv4(conv4([conv4(conv4(x)), o])),
    D(x, s) = conv([conv3([h, sum of labels])])

Each convolution of the first line but the one of crops halves the sides, so crops and maps of objects have a quarter of
the image's sides. Verdicts are one a image. Normalization is within the item, as in `nn.patch`.

References:
    Generating Multiple Objects at Spatially Distinct Locations (Hinz et al., 2019), https://arxiv.org/abs/1901.00686
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelmint.nn.objects import crop, objects_of, paste, summed
from labelmint.nn.patch import Scales
from labelmint.types import LayoutBatch

__all__ = ["ObjectDiscriminator"]


def _layer(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1, bias=False),
        nn.GroupNorm(next(groups for groups in (8, 4, 2, 1) if outputs % groups == 0), outputs),
        nn.LeakyReLU(0.2),
    )


class ObjectDiscriminator(nn.Module):
    """Images (B, C, H, W) and their boxes -> verdicts (B, 1, 1, 1), high for real ones.

    Arguments:
        image_channels: C. channels: width of the first layer.
        labels: (S, L), what each symbol is, as `systems.obj_cgan` has them.
        size: (H, W), multiples of 16.
    """

    labels: Tensor

    def __init__(self, image_channels: int, channels: int, labels: Tensor, size: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("labels", labels, persistent=False)
        width, told = channels, labels.shape[1]
        self.crops = (size[0] // 4, size[1] // 4)
        self.first = nn.Sequential(
            nn.Conv2d(image_channels, width, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2)
        )
        self.second = _layer(width, 2 * width, 4, 2)
        self.objects = _layer(image_channels + told, 2 * width, 4, 1)
        self.third, self.fourth = _layer(4 * width, 4 * width, 4, 2), _layer(4 * width, 8 * width, 4, 2)
        self.told = _layer(8 * width + told, 8 * width, 3, 1)
        self.verdict = nn.Conv2d(8 * width, 1, (size[0] // 16, size[1] // 16))

    def forward(
        self, image: Tensor, layouts: LayoutBatch, wrong: tuple[Tensor, Tensor] | None = None
    ) -> Scales:
        """The maps of the layers, and the verdicts last, of one size.

        Arguments:
            wrong: items (n,) and others (n,): verdicts on these items with the labels of the others come behind all.
        """
        objects, count = objects_of(layouts), len(image)
        labels = self.labels[objects.symbol] * objects.there[:, None]
        cut = crop(image, objects, self.crops)
        seen = self.objects(torch.cat([cut, labels[:, :, None, None].expand(-1, -1, *self.crops)], dim=1))
        maps = [self.first(image)]
        maps.append(self.second(maps[-1]))
        own = summed(paste(seen, objects, self.crops), objects, count)
        maps.append(self.third(torch.cat([maps[-1], own.to(maps[-1].dtype)], dim=1)))
        maps.append(self.fourth(maps[-1]))
        whole, told = maps[-1], summed(labels, objects, count)
        if wrong is not None:
            whole, told = torch.cat([whole, whole[wrong[0]]]), torch.cat([told, told[wrong[1]]])
        beside = told[:, :, None, None].expand(-1, -1, *whole.shape[2:])
        maps.append(self.told(torch.cat([whole, beside.to(whole.dtype)], dim=1)))
        return [[*(one[:count] for one in maps), self.verdict(maps[-1])]]
