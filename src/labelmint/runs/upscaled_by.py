"""Images drawn by one run and enlarged by another: a cascade.

    x ~ p(x given s) of the one run, as it would be written,    y = the other's enlargement of x,    label: s enlarged

Every pixel of the label becomes a square of as many, so no class comes or goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from labelmint.datasets.enlarged_layouts import enlarged_layout
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.systems.catalogue import upscaling_systems
from labelmint.types import Array, Layout

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["RunUpscaler"]


class RunUpscaler:
    """The upscaler of another run.

    Attributes:
        run: that enlarges. system: its name. digest: SHA-256 of its weights. factor: f.

    Arguments:
        source: the run that enlarges. images: the run that draws images.

    Raises InputError where the one enlarges nothing, where the other draws no images, and where one has grey images and
    the other has color.
    """

    def __init__(self, source: TrainedSystem, images: TrainedSystem) -> None:
        if source.wired.upscaler is None:
            raise InputError(
                f"--upscale {source.path}: {source.system} enlarges no images; give a run of "
                f"{' or '.join(upscaling_systems())}"
            )
        assert images.images  # which refuses a run that has none
        ours, theirs = (_COLORS[run.config.image_channels] for run in (source, images))
        if ours != theirs:
            raise InputError(
                f"--upscale {source.path}: learned to enlarge {ours} images, and {images.path} draws {theirs} ones; "
                f"give a run that was trained on {theirs} images"
            )
        self.run = source
        self.system, self.digest, self._upscaler = source.system, source.digest, source.wired.upscaler
        self.factor, self._device, self._size = source.wired.upscaler.factor, source.device, images.size

    def enlarged(self, pixels: Array, labels: list[Layout]) -> tuple[Array, list[Layout]]:
        """Images (B, h, w, C) uint8 and their labels, with f times as many pixels a side."""
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            made = self._upscaler.enlarge(EIGHT_BITS.to_unit(pixels).to(self._device))
        return EIGHT_BITS.from_unit(made), [enlarged_layout(label, self.factor) for label in labels]

    def drawing_bytes(self, batch_size: int) -> int:
        """Memory that enlarging so many images takes, in bytes."""
        return self._upscaler.enlarging_bytes(batch_size, self._size)


_COLORS = {1: "grey", 3: "color"}
