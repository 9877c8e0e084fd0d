"""CRN and CIMLE at the published size for GTA-5: two steps of each stage."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path

import pytest
import torch

from labelmint.generators.network import draw_noise
from labelmint.systems.catalogue import PRESETS, SYSTEMS, settings_of
from labelmint.systems.system import Facts
from labelmint.types import Batch, LayoutBatch
from tests.systems.test_adversarial_presets import free_gib

PRESET = PRESETS["gta5-256x512"]
SYMBOLS, GIB = 20, 8  # the evaluated classes and what is ignored; that two steps take, rounded up


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("name", "number"), [("crn", 0), ("cimle", 0), ("cimle", 1)])
def test_two_steps_at_true_size(name: str, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    if free_gib() < GIB:
        pytest.skip(f"needs about {GIB} GiB of free memory; {free_gib():.0f} are there")
    begin = time.process_time()
    torch.manual_seed(0)
    settings = settings_of(name, PRESET.name)
    stage = SYSTEMS[name].wire(settings, Facts(3, PRESET.size, SYMBOLS)).stages[number]
    (player,) = stage.regime.players(stage.module)
    networks = {player.name: stage.module.train()}
    optimizer = torch.optim.Adam([player.group], betas=player.betas, fused=True)
    ids = torch.randint(SYMBOLS, (1, PRESET.size[0] // 32, PRESET.size[1] // 32), dtype=torch.uint8)
    layouts = LayoutBatch(ids.repeat_interleave(32, 1).repeat_interleave(32, 2))
    noise = stage.module.noise
    codes = draw_noise(noise, 1, torch.device("cpu")) if noise and noise.kind == "normal" else None
    batch = Batch(torch.rand(1, 3, *PRESET.size) * 2 - 1, layouts, codes=codes)
    before = [weights.detach().flatten()[:100].clone() for weights in stage.module.parameters()]
    losses = []
    for _ in range(2):
        for loss in stage.regime.losses(networks, batch):
            loss.backward()
            losses.append(float(loss.detach()))
            optimizer.step()
            optimizer.zero_grad()
    assert len(losses) == 2 and all(map(math.isfinite, losses))
    after = [weights.detach().flatten()[:100] for weights in stage.module.parameters()]
    assert sum(a.equal(b) for a, b in zip(after, before, strict=True)) < len(after) / 2
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    with capsys.disabled():
        seconds, gib = time.process_time() - begin, int(peak[1]) / 2**20 if peak else 0
        print(f"\n{name}, {stage.name}: {seconds:.0f} s of CPU, {gib:.1f} GiB resident at the peak")
