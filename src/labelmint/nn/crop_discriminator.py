"""The discriminators of an image and of its objects, cut out; those also tell of which class each is.

    D(x)    the residual discriminator of the whole image
    D(o_k), log p(class of k | o_k)    of each object o_k = crop(x, box k), from the same kind of network

References:
    Image Generation from Layout (Zhao et al., 2019), https://arxiv.org/abs/1811.11389
    Conditional Image Synthesis With Auxiliary Classifier GANs (Odena et al., 2017), https://arxiv.org/abs/1610.09585
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labelmint.nn.objects import crop, objects_of
from labelmint.nn.patch import Scales
from labelmint.nn.residual_discriminator import ResidualDiscriminator
from labelmint.nn.spectral import with_spectral_norm
from labelmint.types import LayoutBatch

__all__ = ["ImageAndCrops"]


class ImageAndCrops(nn.Module):
    """Images, several side by side in the channels, and the boxes of their layouts -> verdicts on images (n, 1), and on
    objects (m, 2), the second of which is the log likelihood of the object's class.

    Arguments:
        image_channels: C of one image. channels: width of the first blocks.
        halvings: blocks that halve images. side: pixels a side that objects are cut out to. symbols: S.
    """

    def __init__(self, image_channels: int, channels: int, halvings: int, side: int, symbols: int) -> None:
        super().__init__()
        self.channels, self.side = image_channels, side
        self.whole = ResidualDiscriminator(image_channels, channels, halvings, attention=False)
        self.crops = ResidualDiscriminator(
            image_channels, channels, max(side.bit_length() - 3, 1), attention=False
        )
        self.classes = with_spectral_norm(nn.Linear(self.crops.width, symbols))

    def forward(self, image: Tensor, layouts: LayoutBatch) -> Scales:
        """Verdicts in the order of the items; of a batch without any object zeros stand for those on objects, so that
        those on images weigh as much as ever. They are 0 times a verdict: processes exchange the gradients of all
        weights, whatever the batch of each shows.
        """
        each = image.unflatten(1, (-1, self.channels)).flatten(0, 1)
        rows = torch.arange(len(layouts), device=image.device)
        repeated = layouts[rows.repeat_interleave(len(each) // len(image))]
        found: Scales = self.whole(each)
        objects = objects_of(repeated)
        seen = self.crops.seen(crop(each, objects, (self.side, self.side)))
        likely = self.classes(seen).log_softmax(dim=1).gather(1, objects.symbol[:, None])
        judged = torch.cat([self.crops.verdict(seen), likely], dim=1)
        if not bool(objects.there.all()):
            judged = torch.zeros_like(found[0][-1]) + 0 * judged.sum()
        found.append([judged])
        return found
