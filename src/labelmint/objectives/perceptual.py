"""Perceptual distances, of features of networks that were trained on photographs. Of a VGG-19 mean absolute
differences:

    d(x, y) = sum_l w_l | F_l(x) - F_l(y) |,    F_l: after the first ReLU of stage l = 1 ... 5,  w = 1/32,
    1/16, 1/8, 1/4, 1

The features after another ReLU of each stage, with stages that are averaged in place of their maxima, are the layers
of a distance that is weighed layer by layer (`objectives.layered`). The weights come from a local file, a state dict
with the names that torchvision gives ("features.0.weight", ...), opened without running anything in it.

Of EfficientNet-lite0, whose weights are the extra `encoder`, squared differences of directions, as LPIPS has them,
without its learned weights:

    d(x, y) = 1/5 sum_l mean over pixels | F_l(x) / |F_l(x)| - F_l(y) / |F_l(y)| |^2,    F_l: at 1/2^l of the size

Nothing is downloaded. Without either there is `objectives.structure`.

References:
    Perceptual Losses for Real-Time Style Transfer and Super-Resolution (Johnson et al., 2016),
    https://arxiv.org/abs/1603.08155
    Very Deep Convolutional Networks for Large-Scale Image Recognition (Simonyan and Zisserman, 2014),
    https://arxiv.org/abs/1409.1556
    The Unreasonable Effectiveness of Deep Features as a Perceptual Metric (Zhang et al., 2018),
    https://arxiv.org/abs/1801.03924: Equation 1
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.errors import InputError
from labelmint.nn.efficientnet import LITE0, EfficientNetLite0, lite0
from labelmint.objectives.structure import structure_distance

__all__ = ["VGG_LAYERS", "Lite0Distance", "VGGDistance", "VGGFeatures", "perceptual_distance"]

_STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # width and convolutions of each
VGG_LAYERS = len(_STAGES)
_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the photographs


def perceptual_distance(of: str, device: torch.device) -> Callable[[Tensor, Tensor], Tensor]:
    """The distance that a setting names: a file of a VGG-19, "efficientnet-lite0", or "" for that of structure.

    Raises InputError where the file, or the extra, is not what it should be.
    """
    if not of:
        return structure_distance
    return (Lite0Distance(lite0()) if of == LITE0 else VGGDistance(of)).to(device)


class Lite0Distance(nn.Module):
    """The distance of EfficientNet-lite0; nothing in it learns."""

    def __init__(self, network: EfficientNetLite0) -> None:
        super().__init__()
        self.network = network

    def forward(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Scalar, of (B, C, H, W) in [-1, 1], of 1 or 3 channels."""
        pairs = zip(self.network(found), self.network(wanted), strict=True)
        apart = [
            (functional.normalize(x) - functional.normalize(y)).square().sum(dim=1).mean() for x, y in pairs
        ]
        return torch.stack(apart).mean()


class VGGFeatures(nn.Module):
    """The features F_1 ... F_5; nothing in it learns.

    Arguments:
        path: of the state dict.
        at: after which ReLU of each stage, from 1 on.
        averaged: whether a stage is halved by means, not by maxima.

    Attributes:
        sha256: of the file.

    Raises InputError when the file is missing, can't be read, or holds no VGG-19.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, path: str | Path, at: int = 1, averaged: bool = False) -> None:
        super().__init__()
        self.at = at
        self.stages = nn.ModuleList(_stages(at, averaged))
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(3, 1, 1))
        self._fill(Path(path))
        self.sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """One map a stage, of images (B, C, H, W) in [-1, 1], of 1 or 3 channels, at least 16 pixels a side."""
        x = ((image.expand(-1, 3, -1, -1) + 1) / 2 - self.mean) / self.deviation
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def _fill(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            raise InputError(
                f"{path}: no such file; give the state dict of a VGG-19, or leave it out"
            ) from None
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            reason = str(error).strip().split("\n", 1)[0]
            raise InputError(
                f"{path}: not a state dict that can be opened safely ({reason}); give that of a VGG-19"
            ) from None
        convolutions = [layer for layer in self.stages.modules() if isinstance(layer, nn.Conv2d)]
        for place, layer in zip(_places(self.at), convolutions, strict=True):
            for name, value in layer.named_parameters():
                key = f"features.{place}.{name}"
                given = state.get(key) if isinstance(state, dict) else None
                if not isinstance(given, Tensor) or given.shape != value.shape:
                    raise InputError(
                        f"{path}: no {key} of shape {tuple(value.shape)}; give the state dict of a VGG-19"
                    )
                value.data.copy_(given)


class VGGDistance(VGGFeatures):
    """The distance above.

    Arguments:
        path: of the state dict.
    """

    def forward(self, found: Tensor, wanted: Tensor) -> Tensor:  # type: ignore[override]
        """Scalar.

        Arguments:
            found, wanted: (B, C, H, W) in [-1, 1], of 1 or 3 channels, at least 16 pixels a side.
        """
        total = found.new_zeros(())
        for weight, x, y in zip(_WEIGHTS, super().forward(found), super().forward(wanted), strict=True):
            total = total + weight * (x - y).abs().mean()
        return total


def _stages(at: int, averaged: bool) -> list[nn.Sequential]:
    """From a ReLU of a stage, by its number from 1 on, to that of the next."""
    found, layers, inputs = [], list[nn.Module](), 3
    for width, count in _STAGES:
        for i in range(1, count + 1):
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
            inputs = width
            if i == at:
                found.append(nn.Sequential(*layers))
                layers = []
                if len(found) == len(_STAGES):
                    return found
        layers.append(nn.AvgPool2d(2) if averaged else nn.MaxPool2d(2))
    raise ValueError(f"no stage has a ReLU {at}")


def _places(at: int = 1) -> list[int]:
    """Where the convolutions stand in the whole network, up to the last that is needed: each is followed by a ReLU,
    each stage by a pooling.
    """
    places, place = [], 0
    for k, (_, count) in enumerate(_STAGES):
        needed = count if k + 1 < len(_STAGES) else at
        places += [place + 2 * i for i in range(needed)]
        place += 2 * count + 1
    return places
