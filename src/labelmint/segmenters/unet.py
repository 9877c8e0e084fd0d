"""The judge's network: MONAI's residual U-Net (Ronneberger et al. 2015; Kerfoot et al. 2018), plain and
small.

    logits = U-Net(x),  x (B, C, H, W) on [-1, 1],  logits (B, K, H, W) over the K classes of the data
    features(x) = mean over positions of its lowest map, (B, channels[-1])

Batch normalization keeps what instance normalization removes: how bright a field without any object is.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.prelu import with_fast_prelu

__all__ = ["SegmenterConfig", "UNet"]


class SegmenterConfig(BaseModel):
    """Sizes and training of the judge."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    channels: tuple[int, ...] = Field(
        (32, 64, 128, 256), min_length=2, description="of the maps, from full resolution down by halves"
    )
    residual_units: int = Field(2, ge=0)
    steps: int = Field(1500, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-3, ge=0)
    evaluate_every: int = Field(100, ge=1, description="steps between held-out figures")


class UNet(nn.Module):
    """See the module; any H and W, padded by repeated edges to what the halvings divide."""

    def __init__(self, image_channels: int, classes: int, config: SegmenterConfig) -> None:
        super().__init__()
        from monai.networks.nets.unet import UNet as MonaiUNet

        self.halvings = len(config.channels) - 1
        body = MonaiUNet(
            spatial_dims=2,
            in_channels=image_channels,
            out_channels=classes,
            channels=config.channels,
            strides=(2,) * self.halvings,
            num_res_units=config.residual_units,
            norm="batch",
        )
        self.body: Any = with_fast_prelu(body)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K, H, W)."""
        height, width = image.shape[-2:]
        logits: Tensor = self.body(self._padded(image))
        return logits[..., :height, :width]

    def features(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels[-1])."""
        found: list[Tensor] = []
        handle = self._lowest().register_forward_hook(lambda module, args, output: found.append(output))
        try:
            self.forward(image)
        finally:
            handle.remove()
        return found[0].float().mean(dim=(2, 3))

    def _lowest(self) -> nn.Module:
        """The block between the way down and the way up: the innermost of the nested skip connections."""
        skips = [module for module in self.body.modules() if type(module).__name__ == "SkipConnection"]
        lowest: nn.Module = skips[-1].submodule
        return lowest

    def _padded(self, image: Tensor) -> Tensor:
        step = 2**self.halvings
        rows, columns = (-side % step for side in image.shape[-2:])
        if not rows and not columns:
            return image
        # Repeated edges reach any distance; `replicate` padding asks for batches of images only.
        return functional.pad(image, (0, columns, 0, rows), mode="replicate")

    def to_fast_layout(self) -> UNet:
        """Return the module in the memory format that convolutions on CPUs prefer."""
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
