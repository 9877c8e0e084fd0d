"""The styles that training images have: what new images draw theirs from.

    c = mu(x) + sigma(x) e,  e ~ N(0, I),    of all training images x
    m = mean of c,    A = principal axes of c, columns,    Q_d = quantile function of (A^T (c - m))_d          (1)
    T(z) = m + A q(z),    q_d(z) = Q_d(F(z_d)),    F the normal distribution's function                        (2)

An encoder's codes are N(0, I) one by one, as far as its divergence is small, but not all together: where data have
kinds, such as stains, their codes lie in groups far from 0, between which no image was ever drawn. So z ~ N(0, I) alone
draws images between two kinds, and kinds in shares that nothing sets right. By (2) each principal axis has the
distribution that the codes have along it, groups and their shares among them; the axes are taken as independent. T is a
bijection, linear between knots and beyond the last: styles of images have their z, and between two z lies a way.

References:
    Iterative Gaussianization: From ICA to Random Rotations (Laparra et al., 2011), https://arxiv.org/abs/1602.00229:
    one rotation of its kind
    From Variational to Deterministic Autoencoders (Ghosh et al., 2020), https://arxiv.org/abs/1903.12436: a
    distribution that is fitted to the codes after training
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["FittedCodes", "StylePrior"]

StylePrior: TypeAlias = Literal["normal", "fitted"]

_END, _KNOTS = 3.2, 65  # of z
_CODES = 1 << 15  # that are drawn of all images together, unless there are more images
_LEAST = 1e-3  # slope of q over the deviation of an axis, where many codes are equal


class FittedCodes(nn.Module):
    """T of Equation (2), z (B, D) -> codes (B, D); as z is until it is fitted.

    Arguments:
        code: D.
    """

    mean: Tensor
    axes: Tensor
    levels: Tensor
    knots: Tensor

    def __init__(self, code: int) -> None:
        super().__init__()
        knots = torch.linspace(-_END, _END, _KNOTS)
        self.register_buffer("mean", torch.zeros(code))
        self.register_buffer("axes", torch.eye(code))
        self.register_buffer("levels", knots.repeat(code, 1))
        self.register_buffer("knots", knots, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Codes of z."""
        knots = self.knots.expand_as(self.levels)
        return _between(z.float(), knots, self.levels) @ self.axes.T + self.mean

    def inverse(self, codes: Tensor) -> Tensor:
        """z of codes."""
        return _between(
            (codes.float() - self.mean) @ self.axes, self.levels, self.knots.expand_as(self.levels)
        )

    @torch.no_grad()
    def fit(self, encoded: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Equation (1), of mu and log sigma^2 of images, (B, D) each: as many e of each image as make enough codes."""
        means, variances = (torch.cat(parts).cpu().double() for parts in zip(*encoded, strict=True))
        drawn = torch.Generator().manual_seed(0)
        each = max(_CODES // len(means), 1)
        noise = torch.randn(each, *means.shape, generator=drawn, dtype=torch.float64)
        codes = (means + (variances / 2).exp() * noise).flatten(0, 1)
        mean = codes.mean(dim=0)
        spread, axes = torch.linalg.eigh((codes - mean).T @ (codes - mean) / len(codes))
        knots = self.knots.cpu().double()
        along = ((codes - mean) @ axes).numpy()
        levels = torch.from_numpy(np.quantile(along, torch.special.ndtr(knots).numpy(), axis=0)).T
        levels = levels + _LEAST * spread.clamp(min=_LEAST**2).sqrt()[:, None] * knots
        for kept, found in ((self.mean, mean), (self.axes, axes), (self.levels, levels)):
            kept.copy_(found)


def _between(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """Each column d of x (B, D) by the line through the points (at[d], values[d]), (D, K) each and rising; beyond them
    by the last two.
    """
    columns = x.T.contiguous()
    below = torch.searchsorted(at.contiguous(), columns).clamp(1, at.shape[1] - 1) - 1
    left, right, low, high = (side.gather(1, below + k) for side in (at, values) for k in (0, 1))
    return (low + (columns - left) * ((high - low) / (right - left))).T
