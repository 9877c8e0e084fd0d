"""Rectified flow: noise is carried to an image along a velocity learned from straight lines between the two.

    x_t = (1 - t) n + t x,    n ~ N(0, 1),    t = 0 pure noise, t = 1 the image                (1)
    dx_t / dt = x - n                                                                          (2)
    t_i = u_i / (u_i + w (1 - u_i)),    u_i = (i + U_i) / B,    U_i ~ U(0, 1)                  (3)
    p(t) = w / (1 + (w - 1) t)^2,    P(t) = w t / (1 + (w - 1) t)                              (4)
    L = E |v(x_t, t, s) - (x - n)|^2                                                           (5)
    v_g = v_u + g (v_c - v_u)                                                                  (6)
    X(x, t) = x + (1 - t) v(x, t)                                                              (7)
    x' = x + (t' - t) / (1 - t) (X + (X - X_before) / 2 - x)                                   (8)
    log(t_i / (1 - t_i)) evenly spaced, t_1 = min(1 / (8 N), 2 / (3 sqrt(n))),
        t_N-1 = 1 - 1 / (3 N)                                                                  (9)

The mean of the lines through a point x_t is the velocity v(x_t, t, s) = E[x - n | x_t, s], which carries the
distribution of noise to that of images given the layout s; (5) is least at it.

Times (3) are stratified, one in each B-th of the distribution (4), so that no batch misses pure noise. The
weight w is the density at t = 0, and 1 / w that at t = 1; 1 is uniform. What concerns a whole image (its
stain, its brightness) is decided where the noise of a mean over all pixels no longer hides it, for n pixels
at t near 1 / sqrt(n): in the first hundredths, which uniform times seldom meet. (4) is the shift of Esser
et al. (Section 5.3.2), which has that cause: log(t / (1 - t)) is shifted by -log(w). Their logit-normal
times avoid both ends, where the density (4) stays between w and 1 / w.

Drawing goes the way to X (7), the image that the velocity points to, in steps (8) of second order: straight
lines to images are diffusion with another clock, so this is DPM-Solver++(2M) for them. It evaluates once a
step and remembers X of the step before, which counts where both steps are as long in log(t / (1 - t)): not in
the first two, nor in the last. Times of drawing (9) lie closer near both ends, and for images of more pixels
begin earlier: on an even grid the first step passes over all of the way on which the kind of the image is
decided, and ends between kinds.

References:
    Rectified Flow (Liu et al., 2022), https://arxiv.org/abs/2209.03003: (1), (2), (5)
    Flow Matching for Generative Modeling (Lipman et al., 2022), https://arxiv.org/abs/2210.02747
    DPM-Solver++ (Lu et al., 2022), https://arxiv.org/abs/2211.01095: (8)
    Scaling Rectified Flow Transformers (Esser et al., 2024), https://arxiv.org/abs/2403.03206: (3)
    Classifier-Free Diffusion Guidance (Ho & Salimans, 2022), https://arxiv.org/abs/2207.12598: (6)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from labelmint.types import LayoutBatch

__all__ = [
    "Field",
    "Velocity",
    "guided",
    "integrate",
    "interpolate",
    "share_below",
    "stratified_times",
    "time_grid",
    "velocity_loss",
    "velocity_target",
    "warped",
]

Field: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # x (B, C, H, W) and t (B,) -> dx/dt (B, C, H, W)

_LEAST = 2.0**-20  # of u: float32 would round some times to 0 and 1


class Velocity(Protocol):
    """A network of velocities given layouts, as `generators.velocity_unet.VelocityUNet` is."""

    def __call__(self, x: Tensor, t: Tensor, layouts: LayoutBatch, shown: Tensor | None = None) -> Tensor:
        """Velocity (B, C, H, W) at x (B, C, H, W) and t (B,); layouts are seen where `shown` (B,) is true."""


def interpolate(noise: Tensor, image: Tensor, t: Tensor) -> Tensor:
    """Equation (1), x_t of noise and images (B, C, H, W) at times (B,)."""
    return torch.lerp(noise, image, t[:, None, None, None])


def velocity_target(noise: Tensor, image: Tensor) -> Tensor:
    """Equation (2), (B, C, H, W); the same at all times."""
    return image - noise


def stratified_times(uniforms: Tensor, weight: float) -> Tensor:
    """Equation (3), one time in (0, 1) of each stratum in order, for uniforms (B,) in [0, 1).

    Arguments:
        uniforms: U, one an item of the batch. Of items that are in no random order, times are to be shuffled.
        weight: w > 0, the density at pure noise; 1 is uniform.
    """
    strata = torch.arange(len(uniforms), device=uniforms.device, dtype=uniforms.dtype)
    return warped(((strata + uniforms) / len(uniforms)).clamp(_LEAST, 1 - _LEAST), weight)


def warped(u: Tensor, weight: float) -> Tensor:
    """The times of u in [0, 1], more of them near 0 for weights w above 1: the inverse of `share_below`."""
    return u / (u + weight * (1 - u))


def share_below(t: Tensor, weight: float) -> Tensor:
    """Equation (4), P(t): the share of times below t."""
    return weight * t / (1 + (weight - 1) * t)


def velocity_loss(velocity: Tensor, noise: Tensor, image: Tensor) -> Tensor:
    """Equation (5), a number: the mean over items, channels and pixels."""
    return (velocity - velocity_target(noise, image)).square().mean()


def guided(network: Velocity, layouts: LayoutBatch, guidance: float = 1.0) -> Field:
    """The field of equation (6) of B layouts, g = `guidance`.

    1 follows the layouts as learned, 0 ignores them, more insists on them. At 1 an evaluation is one pass of
    B rows through the network, at any other value one of 2 B rows.
    """
    if guidance == 1:
        return lambda x, t: network(x, t, layouts)
    both = _twice(layouts)
    shown = torch.arange(2 * len(layouts), device=layouts.ids.device) < len(layouts)

    def field(x: Tensor, t: Tensor) -> Tensor:
        conditional, unconditional = network(torch.cat([x, x]), torch.cat([t, t]), both, shown).chunk(2)
        return torch.lerp(unconditional, conditional, guidance)

    return field


def time_grid(evaluations: int, pixels: int) -> list[float]:
    """Equation (9), the N + 1 times of N steps from 0 to 1 for images of n pixels; evenly spaced below three steps."""
    if evaluations < 3:
        return [0.0, 0.5, 1.0] if evaluations == 2 else [0.0, 1.0]
    ends = min(1 / (8 * evaluations), 2 / (3 * pixels**0.5)), 1 - 1 / (3 * evaluations)
    first, last = torch.tensor(ends, dtype=torch.float64).logit().tolist()
    inner: list[float] = torch.linspace(first, last, evaluations - 1, dtype=torch.float64).sigmoid().tolist()
    return [0.0, *inner, 1.0]


@torch.no_grad()
def integrate(field: Field, noise: Tensor, evaluations: int) -> Tensor:
    """Images (B, C, H, W) of noise (B, C, H, W), on [-1, 1] but for errors; row r depends on row r alone.

    Each step (8) takes one evaluation of the field.

    Arguments:
        field: dx/dt, of `guided`.
        noise: N(0, 1), all that is random.
        evaluations: N, 1 or more.
    """
    if evaluations < 1:
        raise ValueError(f"a flow needs at least 1 evaluation, got {evaluations}")
    x, before, grid = noise, noise, time_grid(evaluations, noise.shape[2] * noise.shape[3])
    for i, (t, after) in enumerate(pairwise(grid)):
        image = x + (1 - t) * field(x, x.new_full((len(x),), t))
        aim = torch.lerp(before, image, 1.5) if 1 < i < evaluations - 1 else image
        x, before = torch.lerp(x, aim, (after - t) / (1 - t)), image
    return x


def _twice(layouts: LayoutBatch) -> LayoutBatch:
    """Each layout, then each again."""
    values = ((field.name, getattr(layouts, field.name)) for field in dataclasses.fields(layouts))
    twice = {name: torch.cat([value, value]) for name, value in values if value is not None}
    return dataclasses.replace(layouts, **twice)
