"""The published presets of the adversarial family at their true size: two steps of each player, and what they take."""

import re
import time
from pathlib import Path

import pytest
import torch

from labelmint.systems.catalogue import PRESETS, SYSTEMS, settings_of
from labelmint.systems.system import Facts
from labelmint.training.adversarial import Adversarial
from labelmint.types import Batch, LayoutBatch

# GiB that two steps take, rounded up
PUBLISHED = {
    "pix2pix-256": 2,
    "bicyclegan-256": 2,
    "spade-256": 4,
    "cityscapes-256x512": 4,
    "pix2pixhd-512x1024": 6,
    "pix2pixhd-1024x2048": 11,
}


def free_gib() -> float:
    found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    assert found is not None
    return int(found[1]) / 2**20


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", PUBLISHED)
def test_two_steps_at_true_size(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if free_gib() < PUBLISHED[name]:
        pytest.skip(f"{name} needs about {PUBLISHED[name]} GiB of free memory; {free_gib():.0f} are there")
    preset, begin = PRESETS[name], time.process_time()
    torch.manual_seed(0)
    (stage,) = SYSTEMS[preset.system].wire(settings_of(preset.system, name), Facts(3, preset.size, 35)).stages
    regime = stage.regime
    assert isinstance(regime, Adversarial)
    players = regime.players(stage.module)
    networks = {player.name: player.module.train() for player in players}
    optimizer = torch.optim.Adam([player.group for player in players], betas=players[0].betas, fused=True)
    ids = torch.randint(35, (1, preset.size[0] // 32, preset.size[1] // 32), dtype=torch.uint8)
    ids = ids.repeat_interleave(32, 1).repeat_interleave(32, 2)
    batch = Batch(torch.rand(1, 3, *preset.size) * 2 - 1, LayoutBatch(ids))
    before = [p.detach().flatten()[:100].clone() for one in networks.values() for p in one.parameters()]
    for _ in range(2):
        for loss in regime.losses(networks, batch):
            assert bool(loss.isfinite())
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    after = [p.detach().flatten()[:100] for one in networks.values() for p in one.parameters()]
    assert sum(a.equal(b) for a, b in zip(after, before, strict=True)) < len(after) / 2
    status = Path("/proc/self/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    with capsys.disabled():
        seconds = time.process_time() - begin
        print(
            f"\n{name}: {seconds:.0f} s of CPU, {int(peak[1]) / 2**20 if peak else 0:.1f} GiB resident at the peak"
        )
