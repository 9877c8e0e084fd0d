"""The strong augmentation, the moving average, fixed steps, and readings of mirror images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelmint.segmenters.fixed import train_for
from labelmint.segmenters.mirrored import Mirrored
from labelmint.segmenters.plateau import ArmConfig
from labelmint.segmenters.stepping import Averaged
from labelmint.segmenters.strong import Strong, cutmix
from labelmint.types import Batch, LayoutBatch

SIZE = (24, 32)


def blobs(count: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    ids = np.zeros((count, *SIZE), np.int16)
    for k in range(count):
        top, left = rng.integers(3, 11, 2)
        ids[k, top : top + 9, left : left + 12] = 1
    return torch.from_numpy(ids)


def painted(ids: Tensor, channels: int = 3) -> Tensor:
    return torch.where(ids > 0, 0.6, -0.6)[:, None].repeat(1, channels, 1, 1)


def strong(**more: bool) -> Strong:
    return Strong(turn=45.0, zoom=2.0, **more)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("recolored", [False, True])
def test_image_and_label_change_alike(recolored: bool, mixed: bool) -> None:
    """Objects stay where their labels are, brighter than the rest, or darker where images are inverted."""
    ids = blobs(48)
    image, moved = strong(recolored=recolored, mixed=mixed)(
        painted(ids), ids, torch.Generator().manual_seed(3)
    )
    assert image.shape == (48, 3, *SIZE)
    assert moved.dtype == ids.dtype
    assert set(moved.unique().tolist()) == {0, 1}
    assert float(image.abs().max()) <= 1.0
    level = image.mean(dim=1)
    both = [k for k in range(48) if 20 < int(moved[k].sum()) < moved[k].numel() - 20]
    assert len(both) > 40
    apart = torch.stack([level[k][moved[k] == 1].median() - level[k][moved[k] == 0].median() for k in both])
    if not mixed:
        assert float((apart < -0.05).float().mean()) == pytest.approx(0.25 * recolored, abs=0.15)
        assert float((apart.abs() > 0.05).float().mean()) > 0.8


def test_inversion_leaves_labels_and_ignored_pixels() -> None:
    ids = blobs(32)
    ids[:, :4] = -1
    still = Strong(turn=0.0, zoom=1.0)
    image, kept = still(painted(ids, 1), ids, torch.Generator().manual_seed(0))
    assert set(kept.unique().tolist()) == {-1, 0, 1}
    again = still(painted(ids, 1), ids, torch.Generator().manual_seed(0))
    assert torch.equal(image, again[0])


def test_a_mixed_view_has_a_rectangle_of_another_with_its_labels() -> None:
    count = 200
    image = torch.arange(count)[:, None, None, None].expand(count, 1, *SIZE).float()
    ids = torch.arange(count)[:, None, None].expand(count, *SIZE)
    mixed, marks = cutmix(image, ids, torch.Generator().manual_seed(0), 1.0)
    assert torch.equal(mixed[:, 0].long(), marks)
    other = marks != ids
    assert float(other.float().mean()) == pytest.approx(0.25, abs=0.04)
    assert float(other.float().mean(dim=(1, 2)).max()) <= 0.6
    for k in range(count):
        assert set(marks[k].unique().tolist()) <= {k, (k - 1) % count}
        rows, columns = other[k].any(dim=1).sum(), other[k].any(dim=0).sum()
        assert int(rows * columns) == int(other[k].sum())
    assert torch.equal(cutmix(image, ids, torch.Generator(), 0.0)[1], ids)


class _Slope(nn.Module):
    """Reads its column, which no mirror image does."""

    def forward(self, image: Tensor) -> Tensor:
        slope = torch.linspace(0, 1, image.shape[-1]).expand(len(image), 1, *image.shape[-2:])
        return torch.cat([image + slope, -image], dim=1)


def test_mirror_images_are_read_and_averaged() -> None:
    image = torch.rand(2, 1, 6, 8)
    plain = _Slope()
    assert torch.equal(Mirrored(plain, ())(image), plain(image))
    twice = Mirrored(plain, (1,))(image).softmax(dim=1)
    wanted = (plain(image).softmax(dim=1) + plain(image.flip(3)).softmax(dim=1).flip(3)) / 2
    assert torch.allclose(twice, wanted, atol=1e-6)
    fourfold = Mirrored(plain, (0, 1))
    mirrored = fourfold(image.flip(2, 3)).softmax(dim=1).flip(2, 3)
    assert torch.allclose(fourfold(image).softmax(dim=1), mirrored, atol=1e-6)


def test_the_average_is_that_of_its_formula() -> None:
    network = nn.Linear(1, 1, bias=False)
    averaged, wanted = Averaged(network, 0.9), float(network.weight.detach())
    for step in range(1, 30):
        with torch.no_grad():
            network.weight.fill_(step)
        averaged.update()
        decay = min(0.9, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * step
    assert float(averaged.network.state_dict()["weight"]) == pytest.approx(wanted, rel=1e-5)
    assert Averaged(network, 0.0).network is network


def test_the_average_goes_on_from_weights_that_were_loaded_and_has_statistics_and_counts() -> None:
    network = nn.BatchNorm2d(2)
    averaged = Averaged(network, 0.5)
    loaded = {name: torch.full_like(value, 3) for name, value in network.state_dict().items()}
    for one in (network, averaged.network):
        one.load_state_dict(loaded)
    network(torch.zeros(4, 2, 3, 3))  # halfway or a tenth of the way to these statistics
    averaged.update()
    share = 1 - 2 / 11
    found = averaged.network.state_dict()
    assert found["num_batches_tracked"] == 4
    assert torch.allclose(found["running_mean"], torch.full((2,), 3 - share * 0.3))
    assert torch.allclose(found["weight"], torch.full((2,), 3.0))


class _Script:
    def __init__(self) -> None:
        self.asked: list[int] = []

    def batch(self, step: int, size: int) -> Batch:
        self.asked.append(step)
        ids = blobs(size, step)
        return Batch(painted(ids), LayoutBatch(ids))


def test_fixed_steps_are_trained_and_the_average_is_kept() -> None:
    def trained(average: float) -> tuple[nn.Module, _Script]:
        torch.manual_seed(0)
        network, script = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 2, 1)), _Script()
        config = ArmConfig(batch_size=4, learning_rate=2e-2)
        train_for(
            network,
            script,
            (30, 6, 4),
            config,
            average=average,
            bfloat16=False,
            report=lambda event: None,
            stage="a",
        )
        return network, script

    network, script = trained(0.9)
    assert script.asked == list(range(40))
    assert not network.training
    ids = blobs(4, 99)
    with torch.no_grad():
        assert float((network(painted(ids)).argmax(1) == ids).float().mean()) > 0.95
    last, _ = trained(0.0)
    assert not torch.equal(network[0].weight, last[0].weight)  # type: ignore[index]
