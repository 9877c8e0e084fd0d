"""Registration: free-form deformations that make images look like other ones.

    c* = argmin_c  1 - NCC(x(g_c), y) + lambda bending(c),    by Adam from c = 0, many pairs (x, y) at once

NCC is the mean correlation of the two within windows, over windows and channels: how bright either is does not matter.
Images are blurred at first, so that what lies far apart is found.

References:
    Nonrigid registration using free-form deformations (Rueckert et al., 1999), IEEE Trans. Med. Imaging 18(8)
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from labelmint.nn.free_form import FreeForm, jacobian, sampled

__all__ = ["STRONGEST", "misfit", "register", "strongest"]

STRONGEST = 2.0  # times a field, at most
_RATE = 0.05  # of Adam, in spacings of the control points
_BLURRED = 0.5  # share of the steps that see blurred images
_LEAST_DETERMINANT = 0.1
_FLAT = 1e-4  # variance within a window, on [-1, 1], that is none


def register(
    moving: Tensor, fixed: Tensor, form: FreeForm, *, steps: int, stiffness: float
) -> tuple[Tensor, Tensor]:
    """Control points (B, 2, h, w) that warp images toward others, and how alike these then are, (B,) at most 1.

    Arguments:
        moving, fixed: (B, 1, H, W) in [-1, 1].
        steps: of Adam. stiffness: lambda.
    """
    scale = torch.tensor([form.spacing[1], form.spacing[0]], device=moving.device).view(1, 2, 1, 1)
    free = torch.zeros(len(moving), 2, *form.grid, device=moving.device, requires_grad=True)
    optimizer = torch.optim.Adam([free], lr=_RATE, betas=(0.9, 0.99))
    blurred = _blurred(moving), _blurred(fixed)
    with torch.enable_grad():
        for step in range(steps):
            seen, wanted = blurred if step < _BLURRED * steps else (moving, fixed)
            optimizer.param_groups[0]["lr"] = _RATE * (1 - step / steps)
            optimizer.zero_grad()
            misfit(seen, wanted, form, free * scale, stiffness).sum().backward()
            optimizer.step()
    controls = (free * scale).detach()
    with torch.no_grad():
        alike = 1 - misfit(moving, fixed, form, controls, 0.0)
    return controls, alike


def misfit(moving: Tensor, fixed: Tensor, form: FreeForm, controls: Tensor, stiffness: float) -> Tensor:
    """1 - NCC(x(g), y) + lambda bending, (B,)."""
    warped = sampled(moving, form.places(form(controls)))
    found = 1 - _correlation(warped, fixed, _window(form.size))
    return found + stiffness * form.bending(controls) if stiffness else found


@torch.no_grad()
def strongest(form: FreeForm, controls: Tensor) -> Tensor:
    """How many times each field can be taken before it folds, (B,) from 0 to `STRONGEST`, in steps of a twentieth."""
    field, found = form(controls), torch.zeros(len(controls), device=controls.device)
    going = torch.ones_like(found, dtype=torch.bool)
    for k in range(1, 21):
        strength = STRONGEST * k / 20
        going &= jacobian(strength * field).amin((1, 2)) > _LEAST_DETERMINANT
        found = torch.where(going, strength, found)
    return found


def _window(size: tuple[int, int]) -> int:
    """Pixels a side of the windows: about half of the shorter side, an odd number of at least 3."""
    return max(min(size) // 4 * 2 + 1, 3) if min(size) > 3 else min(size)


def _correlation(a: Tensor, b: Tensor, window: int) -> Tensor:
    def mean(image: Tensor) -> Tensor:
        return avg_pool2d(image, window, stride=max(window // 4, 1))

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    both = mean(a * b) - mean_a * mean_b
    found = both / ((var_a.clamp(min=0) + _FLAT) * (var_b.clamp(min=0) + _FLAT)).sqrt()
    return found.mean((1, 2, 3))


def _blurred(image: Tensor) -> Tensor:
    for _ in range(2):
        image = avg_pool2d(image, 5, stride=1, padding=2, count_include_pad=False)
    return image
