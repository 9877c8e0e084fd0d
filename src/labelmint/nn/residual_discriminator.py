"""The residual discriminator: one verdict on an image as a whole.

    x -> mean2(conv3(relu(conv3(relu(x))))) + conv1(mean2(x))            a block that halves
    D(x) = w . h + b,    h = sum over pixels of relu(last map)           without classes
    D(x, c) = w . h + b + e_c . h                                        projection: e_c stands for the class

mean2 averages each 2x2 pixels. The first block has no first relu, the last does not halve. Widths double from block to
block up to sixteen times the first. Attention stands where the map has half the image's sides. Every weight is divided
by its largest singular value; nothing is normalized over a batch.

References:
    Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock et al., 2019),
    https://arxiv.org/abs/1809.11096: appendix B
    cGANs with Projection Discriminator (Miyato & Koyama, 2018), https://arxiv.org/abs/1802.05637
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.attention import SelfAttention
from labelmint.nn.initial import begin_orthogonal
from labelmint.nn.patch import Scales
from labelmint.nn.spectral import with_spectral_norm
from labelmint.types import LayoutBatch

__all__ = ["ResidualDiscriminator", "class_of_each"]

_WIDEST = 16


class ResidualDiscriminator(nn.Module):
    """Images (B, C, H, W) -> verdicts (B, 1), high for real ones.

    Arguments:
        inputs: C.
        channels: width of the first block; `width` is that of the last.
        halvings: blocks that halve; sides are multiples of 2^this.
        symbols: S of the layouts whose class it sees; the symbol S may stand where an image is cut out. 0: it sees
            images alone.
        attention: whether the map of half the image's sides is attended to.
    """

    def __init__(
        self, inputs: int, channels: int, halvings: int, symbols: int = 0, attention: bool = True
    ) -> None:
        super().__init__()
        widths = [channels * min(1 << k, _WIDEST) for k in range(halvings + 1)]
        self.blocks = nn.ModuleList(
            _Block(a, b, first=k == 0, halves=k < halvings)
            for k, (a, b) in enumerate(zip([inputs, *widths], widths, strict=False))
        )
        self.attention = SelfAttention(widths[0]) if attention else nn.Identity()
        self.width = widths[-1]
        self.verdict = nn.Linear(self.width, 1)
        self.classes = nn.Embedding(symbols + 1, widths[-1]) if symbols else None
        with_spectral_norm(begin_orthogonal(self))

    def forward(self, image: Tensor, layouts: LayoutBatch | None = None) -> Scales:
        """The verdicts as those of one size. Layouts play no part unless there are symbols, and then must be there
        (ValueError).
        """
        found = self.seen(image)
        verdict: Tensor = self.verdict(found)
        if self.classes is None:
            return [[verdict]]
        if layouts is None:
            raise ValueError("a discriminator of images given classes needs the layouts")
        return [[verdict + (self.classes(class_of_each(layouts)) * found).sum(dim=1, keepdim=True)]]

    def seen(self, image: Tensor) -> Tensor:
        """h, (B, width)."""
        x = image
        for k, block in enumerate(self.blocks):
            x = block(x)
            if k == 0:
                x = self.attention(x)
        return functional.relu(x).sum(dim=(2, 3))


def class_of_each(layouts: LayoutBatch) -> Tensor:
    """The symbol (B,) of each layout that has one everywhere, but where it is cut out: that has the highest number."""
    return layouts.ids.flatten(1).amin(dim=1).int()


class _Block(nn.Module):
    """(B, inputs, h, w) -> (B, outputs, h, w), or of half the sides."""

    def __init__(self, inputs: int, outputs: int, first: bool, halves: bool) -> None:
        super().__init__()
        self.first, self.halves = first, halves
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in ((inputs, outputs), (outputs, outputs))
        )
        self.beside = nn.Conv2d(inputs, outputs, 1) if halves or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers[0](x if self.first else functional.relu(x))
        y = self.layers[1](functional.relu(y))
        if self.halves:
            x, y = functional.avg_pool2d(x, 2), functional.avg_pool2d(y, 2)
        made: Tensor = y + self.beside(x)
        return made
