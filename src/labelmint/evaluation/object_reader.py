"""What does an object look like, whatever stands around it? A small classifier of real objects, cut out by
their boxes.

It answers whether a synthetic digit reads as its label says, and of which class an object is that was found
in an image. It sees one object at a time: a segmenter, which sees the whole image, learns which classes go
together and corrects what it sees.

Real and synthetic objects are cut and scaled alike. The reader is trained with crops whose sides are moved by
up to two pixels, so that a box of a label that came from a coarse grid is no handicap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array

__all__ = ["ObjectReader", "crops_at", "cut"]

SIDE = 12
_BATCH = 128
_REACH = 2.0  # pixels of a crop by which each side of a box may be off

Box = tuple[int, int, int, int]  # top, left, bottom, right in whole pixels


def cut(
    pairs: Iterable[AnnotatedImage], size: int = SIDE, smallest: int = 4, without: Collection[int] = (0,)
) -> tuple[Array, Array]:
    """Objects cut out by their boxes.

    Arguments:
        pairs: with instances or objects.
        size: side of a crop; boxes are resized to it.
        smallest: boxes with a shorter side are scraps of a label and are passed over.
        without: class ids that are passed over.

    Returns crops (N, size, size, C) uint8 and class ids (N,).
    """
    crops, ids = [np.zeros((0, size, size, 1), np.uint8)], []
    for pair in pairs:
        found = [
            (class_id, box)
            for class_id, box in _boxes(pair)
            if class_id not in without and min(box[2] - box[0], box[3] - box[1]) >= smallest
        ]
        if found:
            crops.append(crops_at(pair.image, [box for _, box in found], size))
            ids += [class_id for class_id, _ in found]
    return np.concatenate(crops[1:] or crops), np.array(ids, np.int64)


def crops_at(image: Array, boxes: Sequence[Box], size: int = SIDE) -> Array:
    """Crops (N, size, size, C) of an image (H, W, C) uint8 at boxes (top, left, bottom, right)."""
    flat = image[..., 0] if image.shape[2] == 1 else image
    cuts = (Image.fromarray(flat[top:bottom, left:right]) for top, left, bottom, right in boxes)
    crops = [np.asarray(one.resize((size, size), Image.Resampling.BICUBIC)) for one in cuts]
    return np.array(crops, np.uint8).reshape(-1, size, size, image.shape[2])


def _boxes(pair: AnnotatedImage) -> Iterator[tuple[int, Box]]:
    """Class and box (top, left, bottom, right) in whole pixels of each object: from the instances, else from
    the objects.
    """
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
    """Three convolutions, two linear layers, (B, C, s, s) -> logits (B, K), for crops of any side s from 4
    on.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(3),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(576, 128),
            nn.ReLU(),
            nn.Linear(128, classes),
        )

    def forward(self, crops: Tensor) -> Tensor:
        logits: Tensor = self.body(crops)
        return logits


class ObjectReader:
    """A trained classifier of crops; make one with `ObjectReader.train`."""

    def __init__(self, network: nn.Module, ids: Array) -> None:
        self._network, self._ids = network.eval(), ids

    @staticmethod
    def train(crops: Array, ids: Array, seed: int = 0, steps: int = 300) -> ObjectReader:
        """Train on real crops.

        Arguments:
            crops: (N, s, s, C) uint8, as `cut` returns them.
            ids: (N,) class ids.
            seed: of weights, batches and distortions; the global random state is left as it was.
            steps: of 128 crops.
        """
        if len(crops) == 0:
            raise InputError("a reader of objects needs objects to learn from, and there are none")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            known, targets = np.unique(ids, return_inverse=True)
            network = _Network(crops.shape[3], len(known))
            optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
            images, wanted = EIGHT_BITS.to_unit(crops), torch.from_numpy(targets)
            for _ in range(steps):
                chosen = torch.randint(len(images), (_BATCH,))
                loss = functional.cross_entropy(network(_distort(images[chosen])), wanted[chosen])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
        return ObjectReader(network, known)

    @torch.no_grad()
    def read(self, crops: Array) -> Array:
        """The class id (N,) that each crop (N, s, s, C) uint8 looks like."""
        found = [
            self._network(EIGHT_BITS.to_unit(crops[k : k + 1024])).argmax(dim=1)
            for k in range(0, len(crops), 1024)
        ]
        return self._ids[torch.cat(found).numpy()] if found else np.zeros(0, np.int64)

    def accuracy(self, crops: Array, ids: Array) -> float:
        """The share of crops that read as their label says; NaN where there are none."""
        return float((self.read(crops) == ids).mean()) if len(crops) else float("nan")


def _distort(crops: Tensor) -> Tensor:
    """Crops as boxes would cut them whose sides are off by up to two pixels each; beyond the crop its edge
    goes on.
    """
    count, side = len(crops), crops.shape[-1]
    off = (torch.rand(count, 2, 2) * 2 - 1) * _REACH * 2 / side  # low and high ends along x and y, on [-1, 1]
    low, high = -1 + off[..., 0], 1 + off[..., 1]
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = (high - low).T / 2
    theta[:, :, 2] = (high + low) / 2
    grid = functional.affine_grid(theta, list(crops.shape), align_corners=False)
    return functional.grid_sample(crops, grid, mode="bilinear", padding_mode="border", align_corners=False)
