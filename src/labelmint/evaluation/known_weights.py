"""True FID, KID and LPIPS, with local files of the known weights. Nothing is ever downloaded.

    FID = squared Frechet distance of Inception features              Heusel et al. 2017
    KID = unbiased squared MMD of Inception features, over subsets    Binkowski et al. 2018
    LPIPS(x, y) = |g(x) - g(y)|^2, g = weighted VGG-16 features       Zhang et al. 2018

The files are the TorchScript files of the StyleGAN family (and of clean-fid): `inception-2015-12-05.pt`,
which takes uint8 images and resizes them itself, and `vgg16.pt`, whose features are scaled so that squared
Euclidean distances are LPIPS. TorchScript holds a program in a small language of its own; a pickle, which may
run anything when it is opened, is refused.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.types import Array

if TYPE_CHECKING:
    from torchmetrics import Metric

__all__ = [
    "Inception",
    "Vgg",
    "inception_features",
    "known_fid",
    "known_kid",
    "lpips_distance",
    "lpips_diversity",
]

_FEATURES = 2048  # of the Inception's last pooling
_KID_LEAST, _KID_SUBSET, _KID_SUBSETS = 50, 100, 100
_LPIPS_LEAST = 16  # pixels a side: four times halved, VGG-16's last stage still has one
_BATCH = 32
_LPIPS_PIXELS = 1 << 19  # pixels in a batch of LPIPS, whose features hold about 120 numbers a pixel


class Inception(nn.Module):
    """The Inception of FID and KID, from a TorchScript file: uint8 images (B, 3, H, W) -> features (B, 2048)
    in float64.

    Matrices pass unchanged: they are features computed before. `sha256` names the file's bytes.
    Raises InputError when the file is missing, is not TorchScript, or does not return what the Inception does.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.num_features, self.sha256 = _FEATURES, _digest(path)
        self.network = _load(path, "inception-2015-12-05.pt")
        probe = _answer(
            self.network,
            path,
            "inception-2015-12-05.pt",
            torch.zeros(2, 3, 32, 32, dtype=torch.uint8),
            _AS_INCEPTION,
        )
        _check_answer(
            probe,
            path,
            f"inception-2015-12-05.pt, which answers (2, {_FEATURES})",
            probe.shape == (2, _FEATURES),
        )

    def forward(self, images: Tensor) -> Tensor:
        if images.ndim == 2:
            return images
        with _quiet(), torch.no_grad():
            features: Tensor = self.network(images, **_AS_INCEPTION)
        return features.double()


class Vgg(nn.Module):
    """The VGG-16 of LPIPS, from a TorchScript file: images 0..255 (B, 3, H, W) -> features (B, D).

    Their squared distances are LPIPS. `sha256` names the file's bytes. Raises InputError as `Inception` does.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.sha256 = _digest(path)
        self.network = _load(path, "vgg16.pt")
        probe = _answer(self.network, path, "vgg16.pt", torch.zeros(2, 3, 32, 32), _AS_LPIPS)
        _check_answer(probe, path, "vgg16.pt, which answers (2, D)", probe.ndim == 2 and len(probe) == 2)

    def forward(self, images: Tensor) -> Tensor:
        with _quiet(), torch.no_grad():
            features: Tensor = self.network(images.float(), **_AS_LPIPS)
        return features


_AS_INCEPTION = {"return_features": True}
_AS_LPIPS = {"resize_images": False, "return_lpips": True}


def _digest(path: Path) -> str:
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give the path of a file of weights on this machine, none is downloaded"
        )
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(path: Path, expected: str) -> Any:
    """The TorchScript program of a file, on the CPU."""
    try:
        with _quiet():
            return torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{path}: not a TorchScript file; expected {expected} of the StyleGAN family (pickles are "
            f"refused)"
        ) from error


def _answer(network: Any, path: Path, expected: str, images: Tensor, how: dict[str, bool]) -> Tensor:
    """What the network makes of the probe."""
    try:
        with _quiet(), torch.no_grad():
            answer = network(images, **how)
    except (RuntimeError, TypeError, ValueError) as error:
        call = ", ".join(f"{name}={value}" for name, value in how.items())
        raise InputError(
            f"{path}: cannot be called as net(images, {call}); expected {expected} of the StyleGAN family"
        ) from error
    if not isinstance(answer, Tensor):
        raise InputError(
            f"{path}: answers with a {type(answer).__name__}, no tensor; expected {expected} of the StyleGAN "
            f"family"
        )
    return answer


def _check_answer(answer: Tensor, path: Path, expected: str, right: bool) -> None:
    shape = tuple(answer.shape)
    if not right or not answer.is_floating_point() or not bool(answer.isfinite().all()):
        raise InputError(
            f"{path}: answers two images with {answer.dtype} {shape}; expected {expected}, finite floating "
            f"point"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of libraries about themselves: TorchScript's age, KID's memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def inception_features(images: Array, inception: Inception) -> npt.NDArray[np.float64]:
    """Features of images, computed once for use by several figures.

    Arguments:
        images: (N, H, W, C) uint8, one channel (repeated) or three.

    Returns (N, 2048).
    """
    batches = [inception(batch) for batch in _batches(images, _BATCH)]
    return torch.cat(batches).numpy() if batches else np.zeros((0, inception.num_features))


def known_fid(real: Array, synthetic: Array, weights: Path | Inception) -> float:
    """True FID, by torchmetrics.

    Arguments:
        real, synthetic: images (N, H, W, C) uint8 of one or three channels, or their `inception_features` (N,
            2048).
        weights: the file of the Inception, or the Inception loaded.

    Raises InputError when a side has fewer than 2,049 images (the covariance would be singular), before the
    network runs.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    _check_number("FID", real, synthetic, _FEATURES + 1)
    inception = _loaded(weights)
    with _quiet():
        metric = FrechetInceptionDistance(feature=inception)
        _feed(metric, real, synthetic)
        return max(float(metric.compute()), 0.0)


def known_kid(real: Array, synthetic: Array, weights: Path | Inception, seed: int = 0) -> float:
    """True KID, by torchmetrics: the mean over 100 subsets of min(100, N) images drawn by the seed.

    Arguments and errors as for `known_fid`, with at least 50 images on each side.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    _check_number("KID", real, synthetic, _KID_LEAST)
    inception, size = _loaded(weights), min(_KID_SUBSET, len(real), len(synthetic))
    with _quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        metric = KernelInceptionDistance(feature=inception, subsets=_KID_SUBSETS, subset_size=size)
        _feed(metric, real, synthetic)
        return float(metric.compute()[0])


def _loaded(weights: Path | Inception) -> Inception:
    return weights if isinstance(weights, Inception) else Inception(weights)


def _check_number(figure: str, real: Array, synthetic: Array, least: int) -> None:
    if min(len(real), len(synthetic)) < least:
        raise InputError(
            f"{figure} needs at least {least:,} images on each side; got {len(real):,} real and "
            f"{len(synthetic):,} synthetic"
        )


def _feed(metric: Metric, real: Array, synthetic: Array) -> None:
    for items, is_real in ((real, True), (synthetic, False)):
        for batch in _batches(items, _BATCH) if items.ndim != 2 else torch.from_numpy(items).split(1024):
            metric.update(batch, real=is_real)


def _batches(images: Array, size: int) -> Iterator[Tensor]:
    """Batches of images as networks take them, (B, 3, H, W) uint8; one channel is repeated."""
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise InputError(
            "known weights take images (N, H, W, C) of 8 bits with one channel or three; "
            f"got {images.dtype} {images.shape}: leave their options out"
        )
    for first in range(0, len(images), size):
        batch = torch.from_numpy(np.ascontiguousarray(images[first : first + size].transpose(0, 3, 1, 2)))
        yield batch.expand(-1, 3, -1, -1).contiguous()


def lpips_distance(a: Array, b: Array, vgg: Vgg) -> npt.NDArray[np.float64]:
    """LPIPS of each image of one set to the image at the same place of the other.

    Arguments:
        a, b: (N, H, W, C) uint8, one channel or three, at least 16 pixels a side.

    Returns (N,), at least 0.
    Raises InputError when shapes differ, or images are too small or of another kind.
    """
    if a.shape != b.shape:
        raise InputError(f"LPIPS compares images of one shape, pair by pair; got {a.shape} and {b.shape}")
    size = _lpips_batch(a)
    pairs = zip(_batches(a, size), _batches(b, size), strict=True)
    distances = [(vgg(left) - vgg(right)).double().square().sum(dim=1) for left, right in pairs]
    return torch.cat(distances).numpy() if distances else np.zeros(0)


def lpips_diversity(groups: Sequence[Array], vgg: Vgg) -> float:
    """How much images of one layout differ: the mean LPIPS over all pairs within a group, then over the
    groups.

    Arguments:
        groups: one array (N, H, W, C) a layout, as for `lpips_distance`, of two images or more.

    Raises InputError when there is no group, or one has fewer than two images.
    """
    if not groups or min(len(group) for group in groups) < 2:
        sizes = [len(group) for group in groups]
        raise InputError(
            f"LPIPS diversity needs groups of at least 2 images of one layout; got groups of {sizes}"
        )
    return float(np.mean([_mean_of_pairs(group, vgg) for group in groups]))


def _mean_of_pairs(images: Array, vgg: Vgg) -> float:
    """Mean squared distance over the pairs of a group; every image goes through the network once."""
    features = torch.cat([vgg(batch) for batch in _batches(images, _lpips_batch(images))])
    distances = [
        (features[i + 1 :] - features[i]).double().square().sum(dim=1) for i in range(len(features) - 1)
    ]
    return float(torch.cat(distances).mean())


def _lpips_batch(images: Array) -> int:
    """How many images go through VGG at once."""
    if images.ndim == 4 and min(images.shape[1:3]) < _LPIPS_LEAST:
        height, width = images.shape[1:3]
        raise InputError(f"LPIPS needs images of at least {_LPIPS_LEAST} pixels a side; got {height}x{width}")
    return max(_LPIPS_PIXELS // max(int(np.prod(images.shape[1:3])), 1), 1)
