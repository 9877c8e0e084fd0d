"""Images of moved layouts: the labelled pair moved alike, with the look of an image drawn on its own.

    q ~ U{donors},    x = look(x_p(g), y_q)

The pair p and the places g come with the layout (`layouts.moved`), the donor from the seed of the image: what shapes
come from and what looks come from are independent.

References:
    Data augmentation using learned transformations for one-shot medical image segmentation (Zhao et al., 2019),
    https://arxiv.org/abs/1902.09383: shape and appearance drawn apart
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.generators.appearance import LOOKS
from labelmint.layouts.pair_memory import PairMemory
from labelmint.nn.free_form import sampled
from labelmint.protocols import Dial, Dials
from labelmint.seeds import Seed, uniforms
from labelmint.types import Batch, Kept, LayoutBatch

__all__ = ["TransferredImages"]


class TransferredImages:
    """ImageGenerator of moved layouts.

    Arguments:
        memory: of the pairs and the donors. size: (H, W). channels: C.
        look: "histogram", "residual", "reinhard", "none", or "auto": residual of aligned data, else histogram.
    """

    dials: tuple[Dial, ...] = ()

    def __init__(self, memory: PairMemory, size: tuple[int, int], channels: int, look: str) -> None:
        self.memory, self.size, self.channels, self._look = memory, size, channels, look

    @property
    def look(self) -> str:
        """How looks are given, once the data have decided."""
        if self._look == "auto":
            return "residual" if self.memory.aligned else "histogram"
        return self._look

    @property
    def random(self) -> bool:
        """True unless pairs keep their looks."""
        return self._look != "none"

    def sample(
        self, layouts: LayoutBatch, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of moved layouts; raises InputError for any others."""
        if layouts.pairs is None or layouts.places is None:
            raise InputError("transfer makes images of layouts that it moved itself; leave given layouts out")
        numbers = uniforms(seeds, "image", 1)[:, 0]
        images = [
            self._image(int(pair), places, self._donor(int(pair), float(number)))
            for pair, places, number in zip(layouts.pairs, layouts.places.cpu(), numbers, strict=True)
        ]
        return EIGHT_BITS.to_unit(np.stack(images)).to(layouts.ids.device)

    def sources(self, layouts: LayoutBatch, seeds: Sequence[Seed]) -> list[dict[str, str]]:
        """The names of the pair and of the donor that each image is made of; {} in the run of a former version."""
        names = self.memory.names
        if names is None or layouts.pairs is None:
            return [{} for _ in seeds]
        found = []
        for pair, number in zip(layouts.pairs.tolist(), uniforms(seeds, "image", 1)[:, 0], strict=True):
            donor = self._donor(pair, float(number))
            found.append({"pair": names[0][pair]} | ({} if donor is None else {"donor": names[1][donor]}))
        return found

    def given_back(self, batch: Batch) -> Tensor | None:
        """None: nothing is encoded."""
        return None

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Images of so many samples, and what is at hand to make one: the whole image of its pair, as floats."""
        made = (5 * batch_size + 200) * self.size[0] * self.size[1]
        return self.channels * (made + 4 * self.memory.largest)

    def _donor(self, pair: int, number: float) -> int | None:
        """The place of the donor that a pair takes its look from, by a number in [0, 1); None: it keeps its own."""
        donors = self.memory.donors_of(pair)
        return int(donors[int(number * len(donors))]) if self.look != "none" and len(donors) else None

    def _image(
        self, pair: int, places: Tensor, donor: int | None
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        """One image (H, W, C) uint8."""
        whole = self.memory.image(pair)
        moved = _levels(_looked_at(whole, places))
        if donor is not None:
            look = self.memory.donors[donor].flip(_mirrored(places))
            moved = LOOKS[self.look](moved, _levels(look))
        return np.round(moved).clip(0, 255).astype(np.uint8)


def _mirrored(places: Tensor) -> list[int]:
    """Axes of images (C, H, W) along which places (H, W, 2) run backwards: a donor is mirrored as its pair is."""
    down, across = (float(places[..., 1 - axis].diff(dim=axis).sum()) for axis in (0, 1))
    return [axis for axis, along in ((1, down), (2, across)) if along < 0]


def _levels(image: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return image.permute(1, 2, 0).numpy().astype(np.float64)


def _looked_at(image: Tensor, places: Tensor) -> Tensor:
    """An image (C, H, W) uint8 looked at in places (h, w, 2), as floats; where these lie more than a pixel apart, means
    of what lies between.
    """
    apart = max(float(places.diff(dim=axis).norm(dim=-1).median()) for axis in (0, 1))
    finer = max(math.ceil(apart - 0.25), 1)
    seen = places[None]
    if finer > 1:
        seen = interpolate(places.permute(2, 0, 1)[None], scale_factor=finer, mode="bilinear").permute(
            0, 2, 3, 1
        )
    mode = "bicubic" if bool((places != places.round()).any()) else "nearest"
    found = sampled(image[None].float(), seen.float(), mode)
    return torch.clamp(avg_pool2d(found, finer) if finer > 1 else found, 0, 255)[0]
