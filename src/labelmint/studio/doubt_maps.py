"""Where the segmenters that minted a label doubt it: 1 - the probability of the class read, at each pixel.

They lie where `labelmint label` puts them unless told otherwise, in LABELS-ensemble.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from labelmint.errors import InputError
from labelmint.pool.images import loaded_pairs
from labelmint.pool.stored import EnsembleFolder

if TYPE_CHECKING:
    from labelmint.types import Array, DataSet

__all__ = ["DoubtMaps", "ensemble_of"]


def ensemble_of(labels: Path) -> Path | None:
    """The folder of the segmenters that minted labels; None where there is none."""
    folder = labels.resolve().with_name(f"{labels.resolve().name}-ensemble")
    return folder if (folder / "ensemble.json").is_file() else None


class DoubtMaps:
    """An ensemble that reads images one by one.

    Arguments:
        folder: as `ensemble_of` finds it.

    Raises InputError for a folder that is no finished ensemble.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._ensemble, self._geometry, self._normalize, self._channels = EnsembleFolder(folder).open(device)

    def of(self, data: DataSet, name: str, size: tuple[int, int]) -> Array:
        """The doubt (H, W) float32 about an image of a data set, at a size.

        Raises InputError for a color image where the segmenters learned from grey ones.
        """
        pair = loaded_pairs(
            data,
            [name],
            self._geometry,
            normalize=self._normalize,
            group_by=None,
            folder=Path(gettempdir()),
            tell=lambda event: None,
            least_channels=self._channels,
        )[0]
        if pair.image.shape[2] != self._channels:
            raise InputError(f"{name!r} is a color image, and the segmenters learned from grey ones")
        shares = self._ensemble.probabilities(pair.image)
        if size != tuple(shares.shape[1:]):
            shares = functional.interpolate(shares[None], size, mode="bilinear", align_corners=False)[0]
        doubt: Array = (1 - shares.amax(dim=0)).numpy()
        return doubt
