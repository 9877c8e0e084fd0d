"""An embedding learned from a pool without labels: two views of one image lie near each other, those of others do not.

    L = mean_i  -ln exp(s_ij / T) / sum_(k != i) exp(s_ik / T)        s: cosine of projections, j: the other view of i

A view is a window of 48x48 pixels, mirrored where labels may be, a little brighter or darker, and noisier. Colors,
inversion and scale are left alone: these tell kinds apart. The embedding of an image is the mean and the
standard deviation over positions of the last map of the whole image.

References:
    A Simple Framework for Contrastive Learning of Visual Representations (Chen et al., 2020),
    https://arxiv.org/abs/2002.05709
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.datasets.geometry import Geometry, mirrored_axes
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.progress import Event, Report
from labelmint.training.clock import learning_rate, stop_on_interrupt
from labelmint.types import Array

__all__ = ["contrastive_loss", "embedded"]

_CHANNELS, _PROJECTION = (24, 48, 96), 32
_TEMPERATURE, _RATE, _BATCH = 0.2, 2e-3, 48
_VIEW = 48  # pixels a side


class _Encoder(nn.Module):
    """Three strided convolutions: (B, C, H, W) -> (B, 192)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, now in zip((channels, *_CHANNELS), _CHANNELS, strict=False):
            layers += [nn.Conv2d(before, now, 3, 2, 1), nn.GroupNorm(8, now), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.project = nn.Sequential(nn.Linear(2 * _CHANNELS[-1], 96), nn.ReLU(), nn.Linear(96, _PROJECTION))

    def forward(self, image: Tensor) -> Tensor:
        maps = self.body(image).flatten(2)
        return torch.cat([maps.mean(dim=2), (maps.var(dim=2, unbiased=False) + 1e-6).sqrt()], dim=1)


def contrastive_loss(first: Tensor, second: Tensor) -> Tensor:
    """The loss above of the projections (B, D) of one view each of B images, and of another."""
    both = functional.normalize(torch.cat([first, second]), dim=1)
    alike = (both @ both.T / _TEMPERATURE).fill_diagonal_(-torch.inf)
    other = torch.arange(len(both), device=both.device).roll(len(first))
    return functional.cross_entropy(alike, other)


def embedded(
    images: Sequence[Array],
    geometry: Geometry,
    *,
    steps: int,
    seed: int,
    device: torch.device,
    report: Report,
) -> npt.NDArray[np.float64]:
    """Train on images (H, W, C) uint8 of as many channels, and return the embedding (N, 192) of each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Encoder(images[0].shape[2]).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-4)
    axes, begin = mirrored_axes(geometry.augment), time.perf_counter()
    network.train()
    with stop_on_interrupt() as asked_to_stop:
        for step in range(steps):
            if asked_to_stop():
                raise KeyboardInterrupt
            rng = np.random.default_rng([seed, 5, step])
            places = rng.permutation(len(images))[:_BATCH]
            views = [
                torch.stack([_view(images[place], rng, axes) for place in places]).to(device)
                for _ in range(2)
            ]
            projected = network.project(network(torch.cat(views))).chunk(2)
            loss = contrastive_loss(*projected)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(_RATE, step / steps)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            if (step + 1) % 10 == 0 or step + 1 == steps:
                spent = time.perf_counter() - begin
                left = spent / (step + 1) * (steps - step - 1)
                speed = (step + 1) * 2 * len(places) / spent
                report(Event("embedding", step + 1, steps, speed, left, {"loss": float(loss.detach())}))
    return _read(network.eval(), images, device)


def _view(image: Array, rng: np.random.Generator, axes: Sequence[int]) -> Tensor:
    """A random view (C, 48, 48) on [-1, 1], at the image's own scale where it is as large."""
    sides = [min(side, _VIEW) for side in image.shape[:2]]
    top, left = (
        int(rng.integers(have - want + 1)) for have, want in zip(image.shape[:2], sides, strict=True)
    )
    seen = EIGHT_BITS.to_unit(np.array(image[None, top : top + sides[0], left : left + sides[1]]))
    if min(sides) < _VIEW:
        seen = functional.interpolate(seen, (_VIEW, _VIEW), mode="bilinear", align_corners=False)
    for axis in axes:
        if rng.random() < 0.5:
            seen = seen.flip(2 + axis)
    noise = torch.from_numpy(rng.standard_normal(seen.shape, dtype=np.float32)) * float(rng.uniform(0, 0.04))
    return (seen * float(rng.uniform(0.9, 1.1)) + float(rng.uniform(-0.06, 0.06)) + noise)[0]


@torch.no_grad()
def _read(network: nn.Module, images: Sequence[Array], device: torch.device) -> npt.NDArray[np.float64]:
    found = [network(EIGHT_BITS.to_unit(np.array(image[None])).to(device)).cpu() for image in images]
    return torch.cat(found).double().numpy()
