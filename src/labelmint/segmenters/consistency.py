"""Learning from images without labels by consistency, as FixMatch does: where the teacher is sure of a weakly changed
view, the segmenter learns to read the same from a strongly changed one.

    v            a view as `Geometry` draws it: crops and the moves that --augment allows
    q_i          what the teacher (the moving average of the weights) reads of v at pixel i, p_i how probable it is
    loss         = 1/N sum over {i: p_i >= t} of -log f_{q_i}(strong(v))_i,     N: all pixels, strong moves q alike

Pixels that the teacher is not sure of add nothing. The strong change is that of arm A with CutMix, which mixes views
and what was read of them.

References:
    FixMatch (Sohn et al., 2020), https://arxiv.org/abs/2001.07685
    Semi-supervised semantic segmentation needs strong, varied perturbations (French et al., 2020),
    https://arxiv.org/abs/1906.01916: CutMix
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.segmenters.mixture import Change
from labelmint.segmenters.training import IGNORED
from labelmint.types import Array

__all__ = ["SHARE", "SURE", "Consistency"]

SURE = 0.95  # t
SHARE = 1.0  # unlabelled views for each labelled one
_VIEWS, _CHANGES = 5, 6  # streams of random numbers; those of `Mixture` are 2 and 3


class Consistency:
    """The loss of images without labels at a step of a training.

    Arguments:
        pool: the images; their maps are not looked at.
        change: the strong change of a batch, labels alike.
        seed: of the views and changes, which are a function of (seed, step).
        sure: t, in (0, 1]. share: unlabelled views for each labelled one.
    """

    def __init__(
        self, pool: Pairs, change: Change, *, seed: int, sure: float = SURE, share: float = SHARE
    ) -> None:
        self._pool, self._change, self._seed, self._sure, self._share = pool, change, seed, sure, share

    def weak(self, step: int, size: int) -> Tensor:
        """The views (B, C, H, W) on [-1, 1] of a step, B = share of `size`."""
        rngs = np.random.default_rng([self._seed, _VIEWS, step]).spawn(max(round(self._share * size), 1))
        return EIGHT_BITS.to_unit(np.stack([self._view(rng) for rng in rngs]))

    def _view(self, rng: np.random.Generator) -> Array:
        which, pool = int(rng.integers(len(self._pool))), self._pool
        return pool.geometry.draw(rng, pool.images[which], pool.ids[which])[0]

    def loss(
        self, network: nn.Module, teacher: nn.Module, step: int, size: int, bfloat16: bool = False
    ) -> Tensor:
        """The loss of a step; the teacher gets no gradient.

        Arguments:
            network, teacher: (B, C, H, W) on [-1, 1] -> logits (B, K, H, W); left in training and in evaluation mode.
            size: labelled views in the batch.
        """
        device, weak = next(network.parameters()).device, self.weak(step, size)
        image, ids = self._taught(teacher, weak, device, step)
        network.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            logits = network(image.to(device, memory_format=torch.channels_last))
        wrong = functional.cross_entropy(
            logits.float(), ids.to(device), ignore_index=IGNORED, reduction="sum"
        )
        return wrong / ids.numel()

    @torch.no_grad()
    def _taught(
        self, teacher: nn.Module, weak: Tensor, device: torch.device, step: int
    ) -> tuple[Tensor, Tensor]:
        """Strongly changed views (B, C, H, W), and what the teacher read (B, H, W), -1 where not sure."""
        shares = teacher.eval()(weak.to(device, memory_format=torch.channels_last)).float().softmax(dim=1)
        top, read = shares.max(dim=1)
        ids = torch.where(top >= self._sure, read, IGNORED).cpu()
        seed = int(np.random.default_rng([self._seed, _CHANGES, step]).integers(1 << 62))
        return self._change(weak, ids, torch.Generator().manual_seed(seed))
