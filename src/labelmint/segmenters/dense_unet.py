"""A U-Net whose encoder is a DenseNet (Huang et al. 2017), MONAI's; MSGNet's second segmenter has a
DenseNet-161 as encoder.

    y = (x + 1) / 2, minus ImageNet's mean, over its standard deviation        x (B, C, H, W) on [-1, 1]
    f_1 .. f_5 = DenseNet(y), at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size;  f_0 = y
    logits = decoder(f_0 .. f_5), (B, K, H, W);   features(x) = mean of f_5 over positions

f_2, f_3 and f_4 are what the transitions between the dense blocks see, before they halve it.

The weights that circulate for the encoder (torchvision's `densenet121` and `densenet161`) were trained to
name the one object of photographs, 1,000 classes of ImageNet, on colors normalized as above: photographs, and
tasks close to them, gain most.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.errors import InputError
from labelmint.segmenters.decoder import Decoder, padded

__all__ = ["DEPTHS", "DenseSizes", "DenseUNet", "load_encoder_weights"]

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colors on [0, 1]


@dataclass(frozen=True)
class DenseSizes:
    """Sizes of a DenseNet: channels of its first map, channels that every layer adds, and layers of its four
    blocks.
    """

    first: int
    growth: int
    blocks: tuple[int, int, int, int]


# Table 1 of Huang et al.; the deepest as in torchvision.
DEPTHS = {"121": DenseSizes(64, 32, (6, 12, 24, 16)), "161": DenseSizes(96, 48, (6, 12, 36, 24))}


class DenseUNet(nn.Module):
    """See the module; any H and W, padded by repeated edges to multiples of 32.

    Arguments:
        image_channels: 1 or 3.
        classes: K.
        depth: of the encoder, by the DenseNet's name or by its sizes.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, image_channels: int, classes: int, *, depth: Literal["121", "161"] | DenseSizes = "121"
    ) -> None:
        super().__init__()
        from monai.networks.nets.densenet import DenseNet

        if image_channels not in (1, 3):
            raise InputError(
                f"a DenseNet encoder takes images of 1 or 3 channels, got {image_channels}; choose the plain "
                f"U-Net"
            )
        sizes = depth if isinstance(depth, DenseSizes) else DEPTHS[depth]
        self.name = "DenseNet" if isinstance(depth, DenseSizes) else f"DenseNet-{depth}"
        self.encoder: Any = DenseNet(
            spatial_dims=2,
            in_channels=image_channels,
            out_channels=1,
            init_features=sizes.first,
            growth_rate=sizes.growth,
            block_config=sizes.blocks,
        ).features
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _DEVIATION))
        if image_channels == 1:
            mean, deviation = (values.mean(dim=1, keepdim=True) for values in (mean, deviation))
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)
        self.decoder = Decoder((image_channels, *_channels(sizes)), classes)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K, H, W)."""
        height, width = image.shape[-2:]
        logits: Tensor = self.decoder(self._maps(image))
        return logits[..., :height, :width]

    def features(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels of the lowest map)."""
        return self._maps(image)[-1].float().mean(dim=(2, 3))

    def _maps(self, image: Tensor) -> list[Tensor]:
        """f_0 .. f_5."""
        x = ((padded(image) + 1) / 2 - self.mean) / self.deviation
        maps = [x]
        for name, block in self.encoder.named_children():
            if name.startswith("transition"):
                x = block.relu(block.norm(x))
                maps.append(x)
                x = block.pool(block.conv(x))
            else:
                x = block(x)
                if name == "relu0":
                    maps.append(x)
        return [*maps, functional.relu(x)]

    def to_fast_layout(self) -> DenseUNet:
        """Return the module in the memory format that convolutions on CPUs prefer."""
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _channels(sizes: DenseSizes) -> list[int]:
    """Channels of f_1 .. f_5: a block adds growth * layers, a transition halves."""
    found, channels = [sizes.first], sizes.first
    for layers in sizes.blocks:
        channels += sizes.growth * layers
        found.append(channels)
        channels //= 2
    return found


def load_encoder_weights(network: DenseUNet, path: Path) -> str:
    """Load the encoder from a local file of weights, and return the SHA-256 of the file's bytes.

    Arguments:
        path: a plain state dict (`.pth`, or `.safetensors`) of the DenseNet of the network's depth, as
            torchvision names its tensors (in both spellings, `norm.1` and `norm1`, prefixed or not) or as
            MONAI does. The classifier is left out. For grey images, the first convolution is summed over its
            input channels.

    Raises InputError when the file is missing, damaged, holds more than tensors, or is of another network;
    the network is then as it was.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; give the path of a file of weights on this machine, none is downloaded"
        )
    data = path.read_bytes()
    found, wanted = _named_as_monai(_tensors(path, data)), network.encoder.state_dict()
    first = "conv0.weight"
    if first in found and found[first].ndim == 4 and wanted[first].shape[1] == 1:
        found[first] = found[first].sum(dim=1, keepdim=True)
    expected = f"expected the weights of a {network.name} as torchvision stores them"
    # Files older than PyTorch 0.4.1 don't count batches.
    missing = sorted(
        name for name in wanted.keys() - found.keys() if not name.endswith("num_batches_tracked")
    )
    for which, names in (("lacks", missing), ("holds", sorted(found.keys() - wanted.keys()))):
        if names:
            more = f" and {len(names) - 1:,} more tensors" if len(names) > 1 else ""
            raise InputError(
                f"{path}: {which} {names[0]}{more} ({len(found):,} tensors are there); {expected}"
            )
    for name, value in found.items():
        if value.shape != wanted[name].shape:
            raise InputError(
                f"{path}: {name} is {tuple(value.shape)}, not {tuple(wanted[name].shape)}; {expected}"
            )
        if not bool(value.isfinite().all()):
            raise InputError(
                f"{path}: {name} holds numbers that are not finite; restore the file; {expected}"
            )
    network.encoder.load_state_dict(wanted | found)
    return hashlib.sha256(data).hexdigest()


def _tensors(path: Path, data: bytes) -> dict[str, Tensor]:
    """Tensors by name of a file that may hold nothing else."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load

            return load(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchScript, which is refused
            held = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise InputError(
            f"{path}: not a file of weights, or damaged ({type(error).__name__}); expected a plain state "
            f"dict, .pth or .safetensors "
            "(pickles of anything else are refused)"
        ) from error
    if not isinstance(held, Mapping) or not all(
        isinstance(n, str) and isinstance(v, Tensor) for n, v in held.items()
    ):
        raise InputError(
            f"{path}: holds more than tensors by name; expected a plain state dict: save model.state_dict() "
            f"itself"
        )
    return dict(held)


def _named_as_monai(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors by MONAI's names: `denselayer1.norm1` or `denselayer1.norm.1` becomes
    `denselayer1.layers.norm1`.
    """
    prefix = next(
        (name.removesuffix("conv0.weight") for name in tensors if name.endswith("conv0.weight")), ""
    )
    kept = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if not {"classifier", "class_layers"} & {*name.split(".")}
    }
    return {
        re.sub(r"(denselayer\d+)\.(?:layers\.)?(norm|conv)\.?([12])\.", r"\1.layers.\2\3.", name): v
        for name, v in kept.items()
    }
