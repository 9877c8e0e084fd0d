"""The judge: a segmenter trained on real pairs alone. It says what an image shows without seeing its label."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelmint.errors import InputError
from labelmint.segmenters.training import train_unet
from labelmint.segmenters.unet import SegmenterConfig, UNet
from labelmint.systems.hardware import choose_precision
from labelmint.training.clock import Report
from labelmint.training.pairs import Pairs
from labelmint.training.run import RunFolder
from labelmint.types import Array

__all__ = ["Judge", "train_judge"]

_AT_ONCE = 64


class Judge:
    """A trained U-Net over K classes; make one with `train_judge`.

    Attributes:
        about: how it was trained: held-out Dice, steps, digest of its weights.
    """

    def __init__(self, network: UNet, about: dict[str, float | str]) -> None:
        self._network, self.about = network.eval(), about

    def predict(self, images: Array, tell: Callable[[int, int], None] = lambda done, of: None) -> Array:
        """Class indices (N, H, W) int16 that the images (N, H, W, C) uint8 show."""
        return self._each(images, lambda x: self._network(x).argmax(dim=1).to(torch.int16), tell)

    def features(self, images: Array, tell: Callable[[int, int], None] = lambda done, of: None) -> Array:
        """Features (N, D) float64 of images (N, H, W, C) uint8: the means of the lowest map."""
        return self._each(images, self._network.features, tell).astype(np.float64)

    @torch.no_grad()
    def _each(self, images: Array, compute: Callable[[torch.Tensor], torch.Tensor], tell: Callable[[int, int], None]) -> Array:
        device, found = next(self._network.parameters()).device, []
        for first in range(0, len(images), _AT_ONCE):
            block = torch.from_numpy(np.ascontiguousarray(images[first : first + _AT_ONCE])).permute(0, 3, 1, 2)
            found.append(compute((block.float() / 127.5 - 1).to(device, memory_format=torch.channels_last)).cpu())
            tell(min(first + _AT_ONCE, len(images)), len(images))
        if not found:
            raise InputError("there are no images to look at")
        return torch.cat(found).numpy()


def train_judge(
    folder: Path,
    key: str,
    training: Pairs,
    validation: Pairs,
    *,
    image_channels: int,
    classes: int,
    foreground: tuple[int, ...],
    config: SegmenterConfig,
    device: torch.device,
    precision: str = "auto",
    report: Report,
) -> Judge:
    """The judge stored in folder/judge when it was made from the same (`key`), else a new one, stored there.

    Arguments:
        folder: a run, or the folder of a report.
        key: digest of all that decides the judge but its settings: data, views, seed.
        training, validation: real pairs; symbol maps hold class indices 0..K-1 and -1 for ignored pixels.
        precision: "auto", "32" or "bf16"; what was chosen is stored beside the weights.
        image_channels, classes: C and K. foreground: the class indices that its held-out figure is about.
    """
    with torch.random.fork_rng(devices=[]):
        chosen = choose_precision(precision, device)  # by a measurement on random numbers
        torch.manual_seed(training.seed)
        network = UNet(image_channels, classes, config)
    store, wanted = RunFolder(folder), {"key": key, "config": config.model_dump(mode="json")}
    stored = _stored(store, wanted)
    if stored is not None:
        network.load_state_dict(stored[0])
        return Judge(network.to(device), stored[1])
    network = network.to_fast_layout().to(device)
    facts = train_unet(network, training, validation, foreground, config, bfloat16=chosen == "bf16-mixed", report=report)
    folder.mkdir(parents=True, exist_ok=True)
    store.save_part("judge", network.state_dict(), {**wanted, **facts, "precision": chosen})
    return Judge(network, store.read_json("judge/part.json"))


def _stored(store: RunFolder, wanted: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Weights and facts of the stored judge where it is the wanted one; a damaged one is as good as none, for it can be made again."""
    if not store.finished("judge"):
        return None
    try:
        weights, about = store.load_part("judge")
    except InputError:
        return None
    return (weights, about) if {name: about.get(name) for name in wanted} == wanted else None
