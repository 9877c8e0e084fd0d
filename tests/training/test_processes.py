"""Several processes: what is kept of norms over the batch, and who decides and writes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning_fabric import Fabric
from tests.tokenizers.pairs import SYMBOLS
from tests.training.test_regimes import SIDE, benches
from torch import nn

from labelmint.generators.spade import SpadeConfig, SpadeGenerator
from labelmint.nn.free_form import FreeForm
from labelmint.nn.patch import PatchDiscriminator
from labelmint.objectives.adversarial import HINGE
from labelmint.objectives.likeness import LikenessObjective
from labelmint.objectives.objective import Loss
from labelmint.training import warps
from labelmint.training.adversarial import Adversarial, Against
from labelmint.training.average import synchronize
from labelmint.training.clock import Clock
from labelmint.training.regime import Learning, Stage
from labelmint.training.run_folder import RunFolder
from labelmint.training.warps import Search
from labelmint.types import Batch


class Noting(LikenessObjective):
    """An objective that notes which pairs it sees."""

    seen: list[list[int]]

    def __call__(self, network: Callable[..., Any], batch: Batch) -> Loss:
        assert batch.items is not None
        self.seen.append(batch.items.tolist())
        return super().__call__(network, batch)


def seen_by(rank: int, folder: Path) -> tuple[list[list[int]], nn.Module]:
    """The pairs that one of two processes sees in a training of one step, and what it trained."""

    class OneOfTwo(Fabric):
        world_size, global_rank = 2, rank

    torch.manual_seed(0)
    sizes = SpadeConfig(channels=8, widest=1, doublings=2, hidden=8, layout_channels=4, norm="batch", code=0)
    network = SpadeGenerator(sizes, SYMBOLS, 1, (SIDE, SIDE))
    objective = Noting(network.noise, absolute=1.0)
    objective.seen = []
    against = Against(discriminator=lambda: PatchDiscriminator(1, 8, 1), loss=HINGE, rate=1e-3)
    # no weight moves, so that statistics differ by the batches alone
    regime = Adversarial(Learning(steps=1, batch_size=4, learning_rate=1e-12), objective, against)
    folder.mkdir()
    bench = replace(benches(folder)("run", lambda event: None), fabric=OneOfTwo(accelerator="cpu", devices=1))
    regime.begin(network, bench.training, "generator")
    regime.train(Stage(name="generator", module=network, regime=regime), bench)
    return objective.seen, network


def test_statistics_that_are_kept_are_of_whole_batches_and_the_same_in_every_process(tmp_path: Path) -> None:
    (first, one), (second, other) = (seen_by(rank, tmp_path / str(rank)) for rank in range(2))
    assert first[0] != second[0]
    assert [len(items) for items in first] == [2] + [4] * 64
    assert first[1:] == second[1:]
    for (name, mine), its in zip(one.named_buffers(), other.buffers(), strict=True):
        assert "running" not in name or torch.allclose(mine, its, atol=1e-5), name


@pytest.mark.parametrize(("processes", "device", "shared"), [(1, "cuda", 0), (2, "cpu", 0), (2, "cuda", 1)])
def test_norms_over_the_batch_are_synchronized_where_pytorch_can(
    processes: int, device: str, shared: int
) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    weights, names = [*network.parameters()], [*network.state_dict()]
    synchronize(network, cast(Any, SimpleNamespace(world_size=processes, device=torch.device(device))))
    assert isinstance(network[1], nn.SyncBatchNorm) == bool(shared)
    assert [*network.state_dict()] == names
    assert all(mine is before for mine, before in zip(network.parameters(), weights, strict=True))


class Remembered:
    """Three pairs, of which each has the two others as donors."""

    def __len__(self) -> int:
        return 3

    def donors_of(self, pair: int) -> torch.Tensor:
        return torch.tensor([k for k in range(3) if k != pair])


@pytest.mark.parametrize("rank", [0, 1])
def test_a_search_for_warps_stops_with_the_first_process_which_alone_writes(
    rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warps, "stop_on_interrupt", lambda: nullcontext(lambda: rank == 0))
    fabric = SimpleNamespace(
        world_size=2, global_rank=rank, device=torch.device("cpu"), broadcast=lambda decided: (False, True)
    )
    run = RunFolder(tmp_path)
    bench = cast(Any, SimpleNamespace(fabric=fabric, run=run, report=lambda event: None))
    search = Search("generator", FreeForm((SIDE, SIDE), 4.0), steps=1, stiffness=1.0)
    with pytest.raises(KeyboardInterrupt):
        search.fill(cast(Any, Remembered()), 6, 2, bench, Clock(1, None))
    assert (run.load_checkpoint("generator") is None) == (rank == 1)
