"""Does a synthetic digit read as its label says? A small classifier, trained on real digits cut out by their label boxes.

Real and synthetic digits are cut and scaled alike. The reader is trained with crops whose sides are moved by up to two pixels, so
that a box of a label that came from a coarse grid is no handicap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array

__all__ = ["DigitReader", "cut"]

_BATCH = 128
_REACH = 2.0  # pixels of a crop by which each side of a box may be off


def cut(pairs: Iterable[AnnotatedImage], size: int = 12, smallest: int = 4) -> tuple[Array, Array]:
    """Digits cut out by their boxes.

    Arguments:
        pairs: canvases with instances or objects; class ids 1..10 are the digits 0..9, others are passed over.
        size: side of a crop; boxes are resized to it.
        smallest: boxes with a shorter side are scraps of a label and are passed over.

    Returns crops (N, size, size) uint8 and digits (N,) in 0..9.
    """
    crops, digits = [], []
    for pair in pairs:
        for class_id, (top, left, bottom, right) in _boxes(pair):
            if 1 <= class_id <= 10 and min(bottom - top, right - left) >= smallest:
                grey = pair.image[top:bottom, left:right].mean(axis=2).round().astype(np.uint8)
                crops.append(np.asarray(Image.fromarray(grey).resize((size, size), Image.Resampling.BICUBIC)))
                digits.append(class_id - 1)
    return np.array(crops, np.uint8).reshape(-1, size, size), np.array(digits, np.int64)


def _boxes(pair: AnnotatedImage) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Class and box (top, left, bottom, right) in whole pixels of each digit: from the instances, else from the objects."""
    layout = pair.layout
    if layout.instances is None:
        for item in layout.objects:
            x0, y0, x1, y1 = (round(value) for value in item.box)
            yield item.class_id, (max(y0, 0), max(x0, 0), min(y1, layout.size[0]), min(x1, layout.size[1]))
        return
    for instance in np.unique(layout.instances[layout.instances > 0]):
        rows, columns = np.nonzero(layout.instances == instance)
        values, counts = np.unique(layout.label_map[rows, columns], return_counts=True)
        box = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
        yield int(values[counts.argmax()]), box


class _Network(nn.Module):
    """Two convolutions, two linear layers, (B, 1, s, s) -> logits (B, 10), for crops of any side s from 4 on."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveMaxPool2d(3),
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(576, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, crops: Tensor) -> Tensor:
        logits: Tensor = self.body(crops)
        return logits


class DigitReader:
    """A trained classifier of crops; make one with `DigitReader.train`."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval()

    @staticmethod
    def train(crops: Array, digits: Array, seed: int = 0, steps: int = 300) -> DigitReader:
        """Train on real crops.

        Arguments:
            crops: (N, s, s) uint8, as `cut` answers them.
            digits: (N,) in 0..9.
            seed: of weights, batches and distortions; the global random state is left as it was.
            steps: of 128 crops.
        """
        if len(crops) == 0:
            raise InputError("a digit reader needs digits to learn from, and there are none")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _Network()
            optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
            images, targets = _as_input(crops), torch.from_numpy(digits)
            for _ in range(steps):
                chosen = torch.randint(len(images), (_BATCH,))
                loss = functional.cross_entropy(network(_distort(images[chosen])), targets[chosen])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
        return DigitReader(network)

    @torch.no_grad()
    def read(self, crops: Array) -> Array:
        """The digit (N,) that each crop (N, s, s) uint8 looks like."""
        found = [self._network(_as_input(crops[k : k + 1024])).argmax(dim=1) for k in range(0, len(crops), 1024)]
        return torch.cat(found).numpy() if found else np.zeros(0, np.int64)

    def accuracy(self, crops: Array, digits: Array) -> float:
        """The share of crops that read as their label says; NaN where there are none."""
        return float((self.read(crops) == digits).mean()) if len(crops) else float("nan")


def _as_input(crops: Array) -> Tensor:
    return torch.from_numpy(crops.astype(np.float32) / 127.5 - 1)[:, None]


def _distort(crops: Tensor) -> Tensor:
    """Crops as boxes would cut them whose sides are off by up to two pixels each; beyond the crop its edge goes on."""
    count, side = len(crops), crops.shape[-1]
    off = (torch.rand(count, 2, 2) * 2 - 1) * _REACH * 2 / side  # low and high ends along x and y, on [-1, 1]
    low, high = -1 + off[..., 0], 1 + off[..., 1]
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = (high - low).T / 2
    theta[:, :, 2] = (high + low) / 2
    grid = functional.affine_grid(theta, list(crops.shape), align_corners=False)
    return functional.grid_sample(crops, grid, mode="bilinear", padding_mode="border", align_corners=False)
