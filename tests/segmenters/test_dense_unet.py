"""The U-Net with a DenseNet encoder: MONAI's maps, any size, torchvision's files of weights and no others."""

import functools
import io
import pickle
import re
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from monai.networks.nets.densenet import DenseNet
from safetensors.torch import save_file
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.segmenters.dense_unet import DEPTHS, DenseSizes, DenseUNet, load_encoder_weights
from labelmint.segmenters.training import segmentation_loss

TINY = DenseSizes(8, 4, (2, 2, 3, 2))
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def monai(sizes: DenseSizes = TINY, seed: int = 1) -> nn.Module:
    """MONAI's own DenseNet, with statistics that are not the initial ones."""
    torch.manual_seed(seed)
    network = DenseNet(
        2, 3, 10, init_features=sizes.first, growth_rate=sizes.growth, block_config=sizes.blocks
    )
    for name, value in network.state_dict().items():
        if value.is_floating_point() and value.ndim == 1:
            value.copy_(
                0.5 + torch.rand_like(value) if "running_mean" not in name else torch.randn_like(value) * 0.1
            )
    return network.eval()


def as_torchvision(network: nn.Module, spelling: str = "norm1") -> dict[str, Tensor]:
    """The tensors by torchvision's names: `norm1` in its modules, `norm.1` in its files."""
    dot = "." if spelling == "norm.1" else ""
    rename: Callable[[str], str] = lambda name: re.sub(r"\.layers\.(norm|conv)([12])", rf".\1{dot}\2", name)  # noqa: E731
    tensors = {
        rename(name).replace("class_layers.out", "classifier"): value
        for name, value in network.state_dict().items()
    }
    return {
        name: value for name, value in tensors.items() if not dot or not name.endswith("num_batches_tracked")
    }


@functools.cache
def network_of_none() -> DenseUNet:
    """One that no file fits: loading must leave it as it is."""
    return DenseUNet(3, 2, depth=TINY)


@functools.cache
def good() -> dict[str, Tensor]:
    """Weights that fit, to be spoiled."""
    return as_torchvision(monai())


def saved(tensors: object, path: Path) -> Path:
    torch.save(tensors, path)
    return path


def images(channels: int = 3, side: int = 64) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (5, 9), (1, 70)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_goes_through_and_items_do_not_mix(size: tuple[int, int], channels: int) -> None:
    torch.manual_seed(0)
    network = DenseUNet(channels, 4, depth=TINY).to_fast_layout().eval()
    x = torch.rand(2, channels, *size) * 2 - 1
    with torch.no_grad():
        logits, features = network(x), network.features(x)
        assert logits.shape == (2, 4, *size)
        assert features.ndim == 2
        assert torch.allclose(network(x[:1])[0], logits[0], atol=1e-4)
        assert torch.allclose(network.features(x[:1])[0], features[0], atol=1e-4)
    assert not torch.allclose(logits[0], logits[1])


@pytest.mark.parametrize(("depth", "millions"), [("121", 6.95), ("161", 26.47)])
def test_the_encoders_are_those_of_the_paper(depth: str, millions: float) -> None:
    with torch.device("meta"):
        encoder = DenseUNet(3, 2, depth=depth).encoder  # type: ignore[arg-type]
    assert sum(weight.numel() for weight in encoder.parameters()) / 1e6 == pytest.approx(
        millions, abs=0.01
    )  # torchvision's counts
    assert DEPTHS[depth].blocks[2] == len(encoder.denseblock3)


@pytest.mark.parametrize("spelling", ["norm1", "norm.1"])
@pytest.mark.parametrize("prefix", ["", "features.", "module.", "encoder.features."])
def test_torchvisions_weights_make_monais_features(tmp_path: Path, spelling: str, prefix: str) -> None:
    torch.manual_seed(0)
    network, reference = DenseUNet(3, 4, depth=TINY).eval(), monai()
    tensors = {
        re.sub(r"^features\.", "", name): value for name, value in as_torchvision(reference, spelling).items()
    }
    path = saved({prefix + name: value for name, value in tensors.items()}, tmp_path / "densenet.pth")
    before = {name: value.clone() for name, value in network.encoder.named_parameters()}
    others = {name: value.clone() for name, value in network.decoder.state_dict().items()}
    assert load_encoder_weights(network, path) == sha256(path.read_bytes()).hexdigest()
    assert all(not torch.equal(before[name], value) for name, value in network.encoder.named_parameters())
    assert all(torch.equal(others[name], value) for name, value in network.decoder.state_dict().items())
    with torch.no_grad():
        normalized = ((images() + 1) / 2 - MEAN) / DEVIATION
        expected = torch.relu(reference.features(normalized)).mean(dim=(2, 3))  # type: ignore[operator]
        assert torch.allclose(network.features(images()), expected, atol=1e-5)
    assert expected.std() > 0.01


def test_safetensors_and_monais_own_names_are_read_too(tmp_path: Path) -> None:
    reference = monai()
    save_file(as_torchvision(reference), tmp_path / "densenet.safetensors")
    first, second = DenseUNet(3, 2, depth=TINY), DenseUNet(3, 2, depth=TINY)
    load_encoder_weights(first, tmp_path / "densenet.safetensors")
    load_encoder_weights(second, saved(reference.state_dict(), tmp_path / "monai.pth"))
    for one, two, true in zip(
        first.encoder.parameters(), second.encoder.parameters(), reference.features.parameters(), strict=True
    ):  # type: ignore[operator, union-attr]
        assert torch.equal(one, true)
        assert torch.equal(two, true)


def test_grey_images_are_seen_as_grey_colors(tmp_path: Path) -> None:
    reference, network = monai(), DenseUNet(1, 2, depth=TINY).eval()
    load_encoder_weights(network, saved(as_torchvision(reference), tmp_path / "densenet.pth"))
    normalized = ((images(1) + 1) / 2 - MEAN.mean()) / DEVIATION.mean()
    with torch.no_grad():
        expected = torch.relu(reference.features(normalized.expand(-1, 3, -1, -1))).mean(dim=(2, 3))  # type: ignore[operator]
        assert torch.allclose(network.features(images(1)), expected, atol=1e-5)


def _without(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: value for key, value in tensors.items() if key != name}


NORM, CONV = "features.denseblock2.denselayer1.norm1.weight", "features.conv0.weight"
WRONG: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "lacking": (lambda t: _without(t, NORM), r"lacks denseblock2\.denselayer1\.layers\.norm1\.weight \("),
    "other": (
        lambda t: {"layer.weight": torch.zeros(3)},
        r"lacks conv0\.weight and \d+ more tensors \(1 tensors are there\)",
    ),
    "more": (lambda t: {**t, "features.denseblock9.weight": torch.zeros(1)}, r"holds denseblock9\.weight"),
    "shape": (
        lambda t: {**t, CONV: torch.zeros(8, 3, 3, 3)},
        r"conv0\.weight is \(8, 3, 3, 3\), not \(8, 3, 7, 7\)",
    ),
    "not finite": (lambda t: {**t, NORM: t[NORM] * float("nan")}, "not finite"),
    "deeper": (
        lambda t: as_torchvision(monai(DenseSizes(8, 4, (2, 2, 3, 3)))),
        r"holds denseblock4\.denselayer3",
    ),
    "checkpoint": (lambda t: {"state_dict": t, "epoch": 3}, "more than tensors by name"),
    "list": (lambda t: list(t.values()), "more than tensors by name"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_the_weights_of_another_network_are_refused_and_change_nothing(tmp_path: Path, kind: str) -> None:
    make, message = WRONG[kind]
    path, network = saved(make(dict(good())), tmp_path / "wrong.pth"), network_of_none()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(InputError, match=message) as error:
        load_encoder_weights(network, path)
    assert str(error.value).startswith(f"{path}: ")
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


class Ran(RuntimeError):
    """A pickle was run."""


def _run() -> None:
    raise Ran


class Harm:
    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _run, ()


def _scripted() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


def _whole(legacy: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(good(), buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


DAMAGED: dict[str, Callable[[], bytes]] = {
    "a pickle that runs": lambda: pickle.dumps({"conv0.weight": Harm()}),
    "a module": lambda: pickle.dumps(nn.Linear(2, 2)),
    "TorchScript": _scripted,
    "truncated": lambda: _whole(False)[:-1000],
    "an old file truncated": lambda: _whole(True)[:-1000],
    "a head alone": lambda: _whole(True)[:40],
    "empty": lambda: b"",
    "text": lambda: b"<html>not found</html>" * 20,
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", DAMAGED)
def test_pickles_and_damaged_files_are_refused(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(DAMAGED[kind]())
    with pytest.raises(InputError, match=re.escape(f"{path}: not a file of weights, or damaged")):
        load_encoder_weights(network_of_none(), path)


def test_old_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    path.write_bytes(_whole(True))
    load_encoder_weights(DenseUNet(3, 2, depth=TINY), path)


def test_a_missing_file_and_other_channels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_encoder_weights(network_of_none(), tmp_path / "none.pth")
    with pytest.raises(InputError, match="1 or 3 channels, got 4"):
        DenseUNet(4, 2, depth=TINY)


@pytest.mark.slow
def test_it_learns_and_every_weight_takes_part() -> None:
    torch.manual_seed(0)
    network = DenseUNet(1, 2, depth=TINY).train()
    x = torch.nn.functional.avg_pool2d(torch.randn(4, 1, 35, 35), 4, stride=1) * 2
    labels = (x[:, 0] > 0).long()
    optimizer, losses = torch.optim.AdamW(network.parameters(), lr=1e-2), []
    for step in range(25):
        loss = segmentation_loss(network(x), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        if step == 0:
            assert all(
                weight.grad is not None and bool(weight.grad.isfinite().all())
                for weight in network.parameters()
            )
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0.8
    assert losses[-1] < 0.3
