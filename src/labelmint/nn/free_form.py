"""Free-form deformations: displacements of all pixels by cubic B-splines over a coarse grid of control points.

    d(y, x) = sum_ij B(y / delta_y - i) B(x / delta_x - j) c_ij,    B: the cubic B-spline
    g(y, x) = (x, y) + s d(y, x)

An image warped is x(g): each pixel takes what lies where the field points. The field is smooth, and does not fold where
the determinant of its Jacobian is positive everywhere.

References:
    Nonrigid registration using free-form deformations (Rueckert et al., 1999), IEEE Trans. Med. Imaging 18(8)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["FreeForm", "jacobian", "sampled"]


class FreeForm(nn.Module):
    """The displacements that control points make.

    Arguments:
        size: (H, W) of the fields. spacing: pixels between control points, about; at least one interval a side.
    """

    def __init__(self, size: tuple[int, int], spacing: float) -> None:
        super().__init__()
        self.size = size
        intervals = [max(round((side - 1) / spacing), 1) for side in size]
        self.grid = (intervals[0] + 3, intervals[1] + 3)
        self.spacing = (max(size[0] - 1, 1) / intervals[0], max(size[1] - 1, 1) / intervals[1])
        self.down: Tensor
        self.across: Tensor
        self.register_buffer("down", _weights(size[0], intervals[0]), persistent=False)
        self.register_buffer("across", _weights(size[1], intervals[1]), persistent=False)

    def forward(self, controls: Tensor) -> Tensor:
        """Displacements (B, 2, H, W) in pixels, x and then y, of control points (B, 2, h, w)."""
        return self.down @ controls @ self.across.T

    def bending(self, controls: Tensor) -> Tensor:
        """The bending energy (B,): mean squared second differences of the control points, in spacings."""
        x, y = controls[:, 0] / self.spacing[1], controls[:, 1] / self.spacing[0]
        both = torch.stack([x, y], dim=1)
        down, across = both.diff(n=2, dim=2), both.diff(n=2, dim=3)
        mixed = both.diff(dim=2).diff(dim=3)
        return (
            down.square().mean((1, 2, 3))
            + across.square().mean((1, 2, 3))
            + 2 * mixed.square().mean((1, 2, 3))
        )

    def places(self, displacements: Tensor) -> Tensor:
        """Where each pixel looks, (B, H, W, 2) in pixels, x and then y, of displacements (B, 2, H, W)."""
        height, width = self.size
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        here = torch.stack([x, y], dim=-1).to(displacements)
        return here + displacements.permute(0, 2, 3, 1)


def jacobian(displacements: Tensor) -> Tensor:
    """Determinants (B, H - 1, W - 1) of the Jacobian of (x, y) + d, by differences of displacements (B, 2, H, W)."""
    across = displacements.diff(dim=3)[:, :, :-1]
    down = displacements.diff(dim=2)[:, :, :, :-1]
    return (1 + across[:, 0]) * (1 + down[:, 1]) - across[:, 1] * down[:, 0]


def sampled(images: Tensor, places: Tensor, mode: str = "bilinear") -> Tensor:
    """Images (B, C, H, W) looked at in places (B, h, w, 2) in pixels; what lies outside is mirrored at the outermost
    pixels.

    Arguments:
        mode: "bilinear", "bicubic", or "nearest", which blends nothing.
    """
    height, width = images.shape[2:]
    half = torch.tensor([max(width - 1, 1), max(height - 1, 1)], device=places.device) / 2
    found = nn.functional.grid_sample(
        images.float(), (places / half - 1).float(), mode=mode, padding_mode="reflection", align_corners=True
    )
    return found.to(images.dtype) if mode == "nearest" else found


def _weights(side: int, intervals: int) -> Tensor:
    """The weights (side, intervals + 3) of the control points at each pixel of a side."""
    at = torch.arange(side, dtype=torch.float64) * intervals / max(side - 1, 1)
    first = at.floor().clamp(max=intervals - 1)
    t = at - first
    basis = torch.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], dim=1
    )
    found = torch.zeros(side, intervals + 3, dtype=torch.float64)
    return found.scatter_(1, first.long()[:, None] + torch.arange(4), basis / 6).float()
