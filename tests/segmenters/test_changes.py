"""What is changed for some images of a batch alone equals what is computed for all and then chosen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from labelmint.segmenters import augmentation, changes, strong, warps
from labelmint.segmenters.strong import Strong


def for_all(
    rng: torch.Generator, image: Tensor, share: float, change: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """The plain definition of `change_some`."""
    drawn = torch.rand(len(image), 1, 1, 1, generator=rng) < share
    image.copy_(torch.where(drawn, change(image, torch.arange(len(image))), image))


def displace_all(rng: torch.Generator, grid: Tensor, elastic: float) -> None:
    """The plain definition of the elastic warps."""
    count, height, width, _ = grid.shape
    warped = (torch.rand(count, 1, 1, 1, generator=rng) < 0.3).float()
    points = 2 * elastic * torch.randn(count, 2, 5, 5, generator=rng)
    between = functional.interpolate(points, size=(height, width), mode="bicubic", align_corners=True)
    grid += warped * between.movedim(1, -1)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_changed_rows_are_those_of_the_whole_batch(
    channels: int, last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(24, channels, 16, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    image = image.contiguous(memory_format=torch.channels_last) if last else image
    ids, before = torch.randint(0, 3, (24, 16, 32), dtype=torch.int16), image.clone()

    def every() -> list[Tensor]:
        rngs = [torch.Generator().manual_seed(seed) for seed in range(3)]
        wide = Strong(turn=45.0)(image, ids, rngs[0])
        return [
            *wide,
            *augmentation.augment(image, ids, rngs[1], turn=15.0),
            torch.rand(1, generator=rngs[1]),
        ]

    few = every()
    for module in (augmentation, changes, strong):
        monkeypatch.setattr(module, "change_some", for_all)
    monkeypatch.setattr(warps, "_displace", displace_all)
    for one, wanted in zip(few, every(), strict=True):
        assert torch.allclose(one, wanted, atol=1e-6)
    assert torch.equal(image, before)
    assert not torch.equal(few[0], image)


def test_few_or_no_images_are_changed_as_they_are_drawn() -> None:
    seen: list[int] = []

    def change(image: Tensor, at: Tensor) -> Tensor:
        seen.extend(at.tolist())
        return -image

    for share, count in ((0.0, 0), (1.0, 9), (0.4, 3)):
        seen.clear()
        image = torch.arange(1.0, 10.0)[:, None, None, None].repeat(1, 2, 3, 3)
        changes.change_some(torch.Generator().manual_seed(1), image, share, change)
        assert torch.nonzero(image[:, 0, 0, 0] < 0)[:, 0].tolist() == seen
        assert len(seen) == count
