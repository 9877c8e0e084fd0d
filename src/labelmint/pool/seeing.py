"""How images of a pool and labelled images are seen alike: the options that `label` and `advise` share."""

from __future__ import annotations

from dataclasses import dataclass

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.ranges import check_normalize
from labelmint.seeds import check_seed

__all__ = ["Seeing"]


@dataclass(frozen=True, kw_only=True)
class Seeing:
    """The scale of images, and what may be done to them.

    Arguments:
        size: (H, W) to which images are resized; with `crop` that of the views a segmenter is trained on.
        crop, scale, augment, normalize, group_by: as for `train`. With `crop` whole images are read, resized by
            `scale` alone.
        seed: of every random draw.
        device, precision, threads: where and how to compute.

    Raises InputError for values out of range.
    """

    size: tuple[int, int] = (128, 128)
    crop: bool = False
    scale: float = 1.0
    augment: tuple[str, ...] = ()
    normalize: str = "none"
    group_by: str | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        check_normalize(self.normalize)
        check_seed(self.seed)
        _ = self.geometry  # which raises the errors of its own

    @property
    def geometry(self) -> Geometry:
        """Views of that size; raises InputError for what is no geometry."""
        return Geometry(size=self.size, crop=self.crop, scale=self.scale, augment=frozenset(self.augment))
