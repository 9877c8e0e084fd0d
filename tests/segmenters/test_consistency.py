"""Consistency on images without labels: sure readings teach, unsure ones add nothing, and no gradient reaches the
teacher.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.segmenters.consistency import Consistency
from labelmint.segmenters.mixture import Mixture
from labelmint.segmenters.strong import Strong
from labelmint.usefulness.arms import MINTED

SIDE = 8


def plain(image: Tensor, ids: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return image, ids


def pool(count: int = 6) -> Pairs:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (SIDE, SIDE, 1), np.uint8) for _ in range(count)]
    return Pairs(images, [np.full((SIDE, SIDE), -1, np.int16)] * count, Geometry(size=(SIDE, SIDE)), 0)


class Steep(nn.Module):
    """Class 1 where a pixel is bright; the steeper, the surer."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([-self.slope * image, self.slope * image], dim=1)


def test_the_loss_is_zero_where_the_teacher_is_unsure() -> None:
    """Also that of its gradient, whatever the segmenter reads."""
    network, teacher = Steep(3.0), Steep(1e-3)
    loss = Consistency(pool(), Strong(turn=15.0, mixed=True), seed=0).loss(network, teacher, 0, 4)
    torch.autograd.backward(loss)
    assert loss.item() == 0
    assert network.slope.grad is not None and network.slope.grad.item() == 0


def test_sure_pixels_alone_are_learned_and_all_are_counted() -> None:
    network, teacher = Steep(1.0), Steep(2.0)
    beside = Consistency(pool(), plain, seed=0, sure=0.95, share=2.0)
    weak = beside.weak(3, 4)
    assert weak.shape == (8, 1, SIDE, SIDE)
    shares = teacher(weak).softmax(dim=1)
    top, read = shares.max(dim=1)
    sure = top >= 0.95
    assert 0 < sure.float().mean() < 1
    wrong = functional.cross_entropy(network(weak), read, reduction="none")
    loss = beside.loss(network, teacher, 3, 4)
    torch.testing.assert_close(loss, (wrong * sure).sum() / sure.numel())
    torch.autograd.backward(loss)
    assert teacher.slope.grad is None
    assert network.slope.grad is not None and network.slope.grad.item() != 0


def test_a_step_is_a_function_of_seed_and_step() -> None:
    beside = [Consistency(pool(), Strong(turn=15.0, mixed=True), seed=seed) for seed in (0, 0, 1)]
    losses = [one.loss(Steep(1.0), Steep(9.0), step, 4).item() for one in beside for step in (0, 1)]
    assert losses[:2] == losses[2:4]
    assert len(set(losses)) == 4


def test_labels_moved_with_the_strong_view_stay_with_their_pixels() -> None:
    """The strong change moves what was read as it moves the image: a teacher of bright pixels stays right."""
    change = Strong(turn=45.0, recolored=False, mixed=True)
    beside, teacher = Consistency(pool(), change, seed=0), Steep(50.0)
    _, ids = beside._taught(teacher, beside.weak(0, 8), torch.device("cpu"), 0)
    assert set(ids.unique().tolist()) <= {-1, 0, 1}
    assert (ids >= 0).float().mean() > 0.8


@pytest.mark.parametrize(("ratio", "shares"), [(0.0, (0.25, 0.0, 0.75)), (1.0, (0.2, 0.2, 0.6))])
def test_minted_labels_have_their_share_of_the_batches(ratio: float, shares: tuple[float, ...]) -> None:
    """Each source is of one gray level."""
    geometry = Geometry(size=(SIDE, SIDE))
    sources = [
        Pairs([np.full((SIDE, SIDE, 1), level, np.uint8)], [np.full((SIDE, SIDE), k, np.int16)], geometry, 0)
        for k, level in enumerate((0, 128, 255))
    ]
    mixture = Mixture(
        sources[0],
        sources[1],
        ratio=ratio,
        turn=None,
        copy_paste=None,
        seed=0,
        further=[(sources[2], MINTED)],
    )
    seen = torch.cat([mixture.batch(step, 64).layouts.ids[:, 0, 0] for step in range(6)])
    found = [float((seen == k).float().mean()) for k in range(3)]
    assert found == pytest.approx(shares, abs=0.08)
