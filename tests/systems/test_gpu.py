"""The same systems on a GPU."""

from pathlib import Path

import numpy as np
import pytest

from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem, load
from tests.helpers import digits, tiny_settings

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", params=["msgnet", "mint"])
def on_gpu(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    name, run = request.param, tmp_path_factory.mktemp("gpu") / "run"
    return train(digits(), run, system=name, preset="tiny", settings=tiny_settings(name), device="cuda")


def test_a_gpu_trains_and_draws_the_same_pairs_whatever_their_number(
    on_gpu: TrainedSystem, tmp_path: Path
) -> None:
    assert on_gpu.config.device == "cuda"
    whole, part = list(on_gpu.synthesize(8, batch_size=4)), list(on_gpu.synthesize(3, start=5, batch_size=4))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(whole[5:], part, strict=True))


def test_pairs_drawn_on_a_gpu_and_on_a_cpu_nearly_all_agree(on_gpu: TrainedSystem) -> None:
    cpu = load(on_gpu.path, device="cpu", threads=1)
    pairs = list(zip(on_gpu.synthesize(200, batch_size=25), cpu.synthesize(200, batch_size=25), strict=True))
    assert np.mean([np.array_equal(a.layout.label_map, b.layout.label_map) for a, b in pairs]) >= 0.99
    assert np.mean([np.abs(a.image.astype(int) - b.image).max() <= 1 for a, b in pairs]) >= 0.99
