"""Truncation: typical images of less variety, drawn from a code whose numbers are not far from 0.

    z' = F^-1(F(-t) + F(z) (F(t) - F(-t))),    F the normal distribution's function

Each number z' has the normal distribution between -t and t, and follows its z: an image is a function of its seed at
every t.

References:
    Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock et al., 2019),
    https://arxiv.org/abs/1809.11096: Section 3.1
"""

from __future__ import annotations

import torch
from torch import Tensor

from labelmint.dials import TRUNCATION
from labelmint.protocols import Dials

__all__ = ["truncated"]


def truncated(code: Tensor, dials: Dials) -> Tensor:
    """z' of normal numbers of any shape, as the dial has it; at its usual value they are as they were."""
    at = dials.get(TRUNCATION.name, TRUNCATION.usual)
    if at >= TRUNCATION.usual:
        return code
    below = torch.special.ndtr(torch.tensor(-at, dtype=torch.float64, device=code.device))
    share = below + torch.special.ndtr(code.double()) * (1 - 2 * below)
    cut: Tensor = torch.special.ndtri(share).to(code.dtype)
    return cut
