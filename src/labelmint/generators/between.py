"""Codes between two others: on the arc between them, where codes of their kind lie.

    w = arccos(<a, b> / (|a| |b|)),    z(t) = sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b      (1)
    u(t) = Phi(z(t)),    a = Phi^-1(u_a),    b = Phi^-1(u_b)                                       (2)

Long normal vectors have nearly one length, and a straight line between two of them passes through shorter ones, which
no network has seen; the arc (1) does not. Uniform numbers become normal ones by their quantile (2) and come back.
Where an arc is not defined, as between vectors of one direction or of opposite ones, the line is taken.

References:
    Animating Rotation with Quaternion Curves (Shoemake, 1985): (1)
"""

from __future__ import annotations

import torch
from torch import Tensor

from labelmint.protocols import Noise

__all__ = ["between"]

_LEAST = 2.0**-25  # of uniform numbers: below it the quantile is infinite
_NO_ARC = 1e-6  # of sin(w)


def between(noise: Noise, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
    """Codes (B, *shape) at places t (B,) in [0, 1] on the way from one (1, *shape) to another; at 0 and 1 these
    themselves, to the bit.
    """
    if noise.kind == "uniform":
        a, b = (torch.special.ndtri(one.double().clamp(_LEAST, 1 - _LEAST)) for one in (first, last))
        found = torch.special.ndtr(_on_arc(a, b, t)).float().clamp(max=1 - 2**-24)
    else:
        found = _on_arc(first.double(), last.double(), t).float()
    at = t.reshape(-1, *[1] * (first.ndim - 1))
    return torch.where(at == 0, first, torch.where(at == 1, last, found))


def _on_arc(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Equation (1), (B, *shape), over all numbers of a code at once."""
    at = t.double().reshape(-1, *[1] * (a.ndim - 1))
    lengths = a.norm() * b.norm()
    angle = torch.arccos(((a * b).sum() / lengths).clamp(-1, 1)) if lengths > 0 else lengths
    if angle.sin() < _NO_ARC:
        return torch.lerp(a, b, at)
    return (((1 - at) * angle).sin() * a + (at * angle).sin() * b) / angle.sin()
