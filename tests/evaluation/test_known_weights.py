"""Known weights: tiny networks in files of the known kind give the values of direct computation; all other
files are refused.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.evaluation import known_weights
from labelmint.evaluation.known_weights import (
    Inception,
    Vgg,
    inception_features,
    known_fid,
    known_kid,
    lpips_distance,
    lpips_diversity,
)
from labelmint.metrics.frechet import frechet_distance
from labelmint.metrics.kernel import kernel_distance

RNG = np.random.default_rng(8)


class LikeInception(nn.Module):
    """Two channels of four quadrants, spread over the width by a fixed random matrix."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread = nn.Linear(12, width)

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        small = nn.functional.adaptive_avg_pool2d(images.to(torch.float32) / 255, [2, 2])
        features = torch.tanh(self.spread(small.flatten(1)))
        return features if return_features else features[:, :5]


class LikeVgg(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, images: Tensor, resize_images: bool = True, return_lpips: bool = False) -> Tensor:
        if resize_images:
            images = nn.functional.interpolate(images, [224, 224])
        features = self.layer(images / 255).flatten(1)
        return features if return_lpips else features[:, :7]


class Other(nn.Module):
    """Answers a call of the Inception, but not as the Inception does."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        if self.kind == "whole numbers":
            return torch.zeros(len(images), 2048, dtype=torch.int64)
        if self.kind == "nan":
            return torch.full([len(images), 2048], float("nan"))
        return torch.zeros(len(images), 2048, 1, 1)


class Several(nn.Module):
    def forward(self, images: Tensor, return_features: bool = False) -> list[Tensor]:
        return [torch.zeros(len(images), 2048)]


def _save(network: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(network.eval()).save(str(path))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    _save(LikeInception(2048), folder / "inception-2015-12-05.pt")
    _save(LikeInception(64), folder / "narrow.pt")
    _save(LikeInception(12), folder / "twelve.pt")
    _save(LikeVgg(), folder / "vgg16.pt")
    return folder


def _images(count: int, side: int = 16, channels: int = 3, bright: int = 256) -> np.ndarray:
    return RNG.integers(0, bright, (count, side, side, channels)).astype(np.uint8)


def test_features_are_those_of_the_network(files: Path) -> None:
    inception = Inception(files / "inception-2015-12-05.pt")
    images = _images(70)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.jit.load(str(files / "inception-2015-12-05.pt"))
    expected = network(torch.from_numpy(images).movedim(3, 1), return_features=True).detach().numpy()
    found = inception_features(images, inception)
    assert found.shape == (70, 2048) and found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    assert inception_features(images[:0], inception).shape == (0, 2048)


def test_grey_images_are_repeated(files: Path) -> None:
    inception, vgg = Inception(files / "inception-2015-12-05.pt"), Vgg(files / "vgg16.pt")
    grey, other = _images(5, channels=1), _images(5, channels=1)
    rgb, rgb_other = grey.repeat(3, axis=3), other.repeat(3, axis=3)
    np.testing.assert_array_equal(inception_features(grey, inception), inception_features(rgb, inception))
    np.testing.assert_array_equal(lpips_distance(grey, other, vgg), lpips_distance(rgb, rgb_other, vgg))


def test_the_digest_is_that_of_the_file(files: Path) -> None:
    for path, network in ((files / "inception-2015-12-05.pt", Inception), (files / "vgg16.pt", Vgg)):
        assert network(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_fid_is_the_frechet_distance_of_the_features(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_weights, "_FEATURES", 12)  # a matrix of 2048 x 2048 takes half a minute
    inception, real, fake = Inception(files / "twelve.pt"), _images(90, 8), _images(80, 8, bright=200)
    features = [inception_features(images, inception) for images in (real, fake)]
    expected = frechet_distance(*features)
    for found in (
        known_fid(real, fake, inception),
        known_fid(*features, inception),
        known_fid(real, fake, files / "twelve.pt"),
    ):
        assert found == pytest.approx(expected, rel=1e-6)
    assert known_fid(real, real[::-1], inception) == pytest.approx(0, abs=1e-5)


def test_kid_is_the_kernel_distance_of_the_features(files: Path) -> None:
    inception, real, fake = (
        Inception(files / "inception-2015-12-05.pt"),
        _images(60, 8),
        _images(60, 8, bright=200),
    )
    features = [inception_features(images, inception) for images in (real, fake)]
    # With 60 images on each side every subset is the whole set.
    assert known_kid(real, fake, inception) == pytest.approx(kernel_distance(*features), rel=1e-6)
    assert known_kid(*features, files / "inception-2015-12-05.pt") == pytest.approx(
        kernel_distance(*features), rel=1e-6
    )


@pytest.mark.slow
def test_kid_of_subsets_depends_on_its_seed_alone(files: Path) -> None:
    inception = Inception(files / "inception-2015-12-05.pt")
    features = [
        inception_features(_images(count, 8, bright=bright), inception)
        for count, bright in ((150, 256), (130, 200))
    ]
    before = torch.get_rng_state()
    found = known_kid(*features, inception, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert known_kid(*features, inception, seed=1) == found != known_kid(*features, inception, seed=2)
    assert found == pytest.approx(kernel_distance(*features), rel=0.1)


def test_too_few_images_are_refused_before_any_file_is_opened(tmp_path: Path) -> None:
    few, many = np.zeros((2048, 1, 1, 3), np.uint8), np.zeros((2049, 1, 1, 3), np.uint8)
    for real, fake in ((few, many), (many, few)):
        with pytest.raises(InputError, match="at least 2,049 images on each side"):
            known_fid(real, fake, tmp_path / "none.pt")
    with pytest.raises(InputError, match="at least 50 images on each side; got 49 real and 2,049 synthetic"):
        known_kid(few[:49], many, tmp_path / "none.pt")


def test_lpips_is_the_squared_distance_of_the_features(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_weights, "_LPIPS_PIXELS", 3 * 16 * 16)  # batches of 3
    vgg, a, b = Vgg(files / "vgg16.pt"), _images(7), _images(7)
    layer = vgg.network.layer
    features = [
        nn.functional.conv2d(
            torch.from_numpy(x).movedim(3, 1) / 255, layer.weight, layer.bias, stride=2
        ).flatten(1)
        for x in (a, b)
    ]
    expected = (features[0] - features[1]).square().sum(dim=1).detach().numpy()
    found = lpips_distance(a, b, vgg)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert lpips_distance(a, a, vgg).tolist() == [0] * 7
    np.testing.assert_array_equal(lpips_distance(b, a, vgg), found)
    assert lpips_distance(a[:0], b[:0], vgg).shape == (0,)


def test_diversity_is_the_mean_over_pairs_then_over_layouts(files: Path) -> None:
    vgg, first, second = Vgg(files / "vgg16.pt"), _images(3), _images(2)
    pairs = [lpips_distance(first[[i]], first[[j]], vgg)[0] for i, j in ((0, 1), (0, 2), (1, 2))]
    expected = (np.mean(pairs) + lpips_distance(second[:1], second[1:], vgg)[0]) / 2
    assert lpips_diversity([first, second], vgg) == pytest.approx(expected, rel=1e-6)
    assert lpips_diversity([first[[0, 0, 0]]], vgg) == 0
    for groups in ([], [first, second[:1]]):
        with pytest.raises(InputError, match="at least 2 images of one layout"):
            lpips_diversity(groups, vgg)


def test_unfit_images_are_refused(files: Path) -> None:
    inception, vgg = Inception(files / "inception-2015-12-05.pt"), Vgg(files / "vgg16.pt")
    for images in (_images(2, channels=4), _images(2).astype(np.uint16), _images(2)[0], _images(2) / 255):
        with pytest.raises(InputError, match="8 bits with one channel or three"):
            inception_features(images, inception)
        with pytest.raises(InputError, match="8 bits with one channel or three"):
            lpips_distance(images, images, vgg)
    with pytest.raises(InputError, match="at least 16 pixels a side; got 15x15"):
        lpips_distance(_images(2, 15), _images(2, 15), vgg)
    with pytest.raises(InputError, match="one shape"):
        lpips_distance(_images(2), _images(3), vgg)


@pytest.mark.parametrize("network", [Inception, Vgg])
@pytest.mark.parametrize(
    "kind", ["missing", "folder", "text", "empty", "pickle", "state dict", "old state dict"]
)
def test_files_that_are_no_torchscript_are_refused(
    network: type[Inception | Vgg], kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pt"
    if kind == "folder":
        path.mkdir()
    elif kind in ("text", "empty"):
        path.write_text("weights" if kind == "text" else "")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(_Trap(tmp_path / "opened")))
    elif kind != "missing":
        torch.save({"weight": torch.zeros(3)}, path, _use_new_zipfile_serialization=kind == "state dict")
    with pytest.raises(InputError, match=r"weights\.pt: (no such file|not a TorchScript file)") as refused:
        network(path)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "opened").exists()


class _Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_networks_of_another_kind_are_refused(files: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"narrow\.pt: answers two images with torch\.float32 \(2, 64\); expected .* \(2, 2048\)",
    ):
        Inception(files / "narrow.pt")
    with pytest.raises(
        InputError, match=r"vgg16\.pt: cannot be called as net\(images, return_features=True\)"
    ):
        Inception(files / "vgg16.pt")
    with pytest.raises(
        InputError, match=r"05\.pt: cannot be called as net\(images, resize_images=False, return_lpips=True\)"
    ):
        Vgg(files / "inception-2015-12-05.pt")
    for kind in ("whole numbers", "nan", "four axes"):
        with pytest.raises(
            InputError, match=r"other\.pt: answers two images with .*; expected inception-2015-12-05\.pt"
        ):
            Inception(_save(Other(kind), tmp_path / "other.pt"))
    with pytest.raises(InputError, match=r"several\.pt: answers with a list, no tensor"):
        Inception(_save(Several(), tmp_path / "several.pt"))
