"""What is kept draws: averages, the norms of averaged weights, and statistics over the batch."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from labelmint.training.average import Average, settle_norms


class NoLoop:
    """A loop that has checkpointed nothing."""

    def __init__(self) -> None:
        self.extra: dict[str, dict[str, torch.Tensor]] = {}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(spectral_norm(nn.Conv2d(1, 4, 3)), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))


def test_weights_of_a_half_life_ago_count_half() -> None:
    module = nn.Linear(1, 1, bias=False)
    average = Average(module, NoLoop(), 0.1)  # type: ignore[arg-type]
    average.kept.weight.data.fill_(0.0)  # type: ignore[union-attr, operator]
    module.weight.data.fill_(1.0)
    for _ in range(100):  # 0.1 of 1000 steps
        average.move(1000)
    assert float(average.kept.weight.detach()) == pytest.approx(0.5, abs=1e-4)  # type: ignore[arg-type, union-attr]
    average.give_back()
    assert float(module.weight.detach()) == pytest.approx(0.5, abs=1e-4)


def test_kept_weights_are_divided_by_their_own_largest_singular_value() -> None:
    module = network()
    with torch.no_grad():
        module[0].parametrizations.weight.original.copy_(torch.randn(4, 1, 3, 3))  # type: ignore[index, union-attr]
    settle_norms(module)
    assert module.training
    weight = module.eval()[0].weight.detach().flatten(1)  # type: ignore[index, union-attr]
    assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1.0, abs=1e-4)


def test_batch_statistics_are_those_of_the_kept_weights_on_fixed_batches() -> None:
    module, seen = network(), list[int]()
    images = torch.randn(64, 8, 1, 6, 6) * 3 + 1

    def run(number: int) -> None:
        seen.append(number)
        module(images[number])

    average = Average(module, NoLoop(), 0.0)  # type: ignore[arg-type]
    average.give_back(run)
    assert seen == list(range(64))
    maps = module.eval()[0](images.flatten(0, 1))  # type: ignore[index]
    wanted = maps.mean(dim=(0, 2, 3)).detach()
    assert module[1].running_mean.allclose(wanted, atol=1e-4)  # type: ignore[index, union-attr, operator]


def test_without_batches_statistics_stay_as_training_left_them() -> None:
    module = network()
    module(torch.randn(8, 1, 6, 6) * 3 + 1)
    before = module[1].running_mean.clone()  # type: ignore[index, union-attr, operator]
    assert before.abs().max() > 0
    Average(module, NoLoop(), 0.0).give_back()  # type: ignore[arg-type]
    assert module[1].running_mean.equal(before)  # type: ignore[index, union-attr, operator]
