"""One pair at the scale of training, and how pairs become a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from labelmint.datasets.moves import Move
from labelmint.datasets.objects import largest
from labelmint.datasets.ranges import Range
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.types import Array, Batch, LayoutBatch

__all__ = ["Pair", "collate", "digest_of", "padded"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """An image and its layout in memory.

    Arguments:
        name, group: of the pair; neighbors share a group, all others have their name for it.
        image: (H, W, C) uint8.
        ids: (H, W) class ids, class indices or symbols, as whoever made it says.
        instances: (H, W), 0 = none, each other number one object; None where the pair has none.
        boxes: (N, 5): what `ids` holds for the object's class, and x0, y0, x1, y1 in pixels; None where the
            pair has none.
        range: the levels that the image was spread from, where it was (`datasets.ranges`); else None.
        style: the kind of look of the image (`runs.kinds`); -1 where it is not known.
    """

    name: str
    group: str
    image: Array
    ids: Array
    instances: Array | None = None
    boxes: Array | None = None
    range: Range | None = None
    style: int = -1

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        height, width = self.ids.shape
        return int(height), int(width)

    @property
    def nbytes(self) -> int:
        """Memory that it takes; what is mapped from a file takes none that others could not have."""
        parts = (self.image, self.ids, self.instances, self.boxes)
        return sum(part.nbytes for part in parts if part is not None and not isinstance(part, np.memmap))

    def seen(self, move: Move) -> Pair:
        """One view of it: all of its parts are moved alike."""
        return replace(
            self,
            image=move.image(self.image),
            ids=move.ids(self.ids),
            instances=None if self.instances is None else move.ids(self.instances),
            boxes=None if self.boxes is None else move.boxes(self.boxes),
        )


def collate(pairs: Sequence[Pair], items: Sequence[int], instances: bool, most_boxes: int | None) -> Batch:
    """Pairs of one size as a batch.

    Arguments:
        items: the number of each pair in its data set.
        instances: whether the batch has instances; a pair without them has none of its own.
        most_boxes: rows of boxes an item, the largest; rows that are not needed are -1. None for no boxes.
    """
    layouts = LayoutBatch(
        _stacked([pair.ids for pair in pairs]),
        instances=_stacked([_instances_of(pair) for pair in pairs]) if instances else None,
        boxes=padded([pair.boxes for pair in pairs], most_boxes) if most_boxes is not None else None,
        styles=_styles_of(pairs),
    )
    image = EIGHT_BITS.to_unit(np.stack([pair.image for pair in pairs]))
    return Batch(image, layouts, torch.tensor(list(items), dtype=torch.int64))


def digest_of(pairs: Iterable[Pair], how: object = ()) -> str:
    """SHA-256 of the names, pixels, maps and boxes of pairs, and of `how`, whose repr must not vary."""
    digest = hashlib.sha256(repr(how).encode())
    for pair in pairs:
        digest.update(pair.name.encode("utf-8", "surrogateescape"))
        digest.update(pair.image.tobytes())
        digest.update(pair.ids.tobytes())
        digest.update(b"" if pair.boxes is None else pair.boxes.tobytes())
    return digest.hexdigest()


def _stacked(maps: Sequence[Array]) -> Tensor:
    return torch.from_numpy(np.stack(maps))


def _instances_of(pair: Pair) -> Array:
    """Instances as int32: torch can do little with unsigned numbers of 16 bits."""
    return np.zeros(pair.ids.shape, np.int32) if pair.instances is None else pair.instances.astype(np.int32)


def _styles_of(pairs: Sequence[Pair]) -> Tensor | None:
    styles = [pair.style for pair in pairs]
    return torch.tensor(styles) if max(styles, default=-1) >= 0 else None


def padded(boxes: Sequence[Array | None], rows: int) -> Tensor:
    """Boxes (n, 5) each as one tensor (B, rows, 5), padded with -1; of more than there are rows the largest."""
    found = torch.full((len(boxes), rows, 5), -1.0)
    for row, some in enumerate(boxes):
        if some is not None:
            kept = largest(some, rows)
            found[row, : len(kept)] = torch.from_numpy(kept)
    return found
