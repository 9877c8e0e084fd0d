"""The training image nearest to a pair: the search of `evaluate` for copies, over training images that the data hold.

d(x, v)    of `metrics.nearest_view`: over all places, flips and turns, in grey levels after a fit of brightness
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from labelmint.errors import InputError

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem
    from labelmint.types import Array, DataSet

__all__ = ["Nearest", "Neighbor", "no_neighbors"]

_WORK = 2e10  # of the search for one image: a second or two of one core


class Neighbor(NamedTuple):
    """The nearest training view: the name of its pair, its distance in grey levels, its pixels, and the share of places
    that was searched.
    """

    name: str
    distance: float
    picture: Array
    searched: float


def no_neighbors(system: TrainedSystem, data: DataSet | None) -> str | None:
    """Why no training images can be shown; None where they can."""
    if data is None:
        return (
            "No nearest training images: a run keeps no images. Start the studio with --data DATA, the data it was "
            "trained on, to see them."
        )
    if not set(_training(system)) & set(data.names):
        return (
            f"No nearest training images: {data.source} holds none of the pairs that the run was trained on."
        )
    return None


class Nearest:
    """Training images of a run, loaded once.

    Arguments:
        system: of the run. data: that hold them.

    Raises InputError where they hold none.
    """

    def __init__(self, system: TrainedSystem, data: DataSet) -> None:
        from labelmint.datasets.fitting import fitted

        reason = no_neighbors(system, data)
        if reason is not None:
            raise InputError(reason)
        config, held = system.config, set(data.names)
        self.names: Sequence[str] = [name for name in _training(system) if name in held]
        loaded = fitted(
            data,
            self.names,
            system.geometry,
            channels=config.image_channels,
            normalize=config.request.normalize,
        )
        self.images = [one.image for one in loaded]

    def of(self, image: Array) -> Neighbor:
        """The nearest view of an image (H, W, C) uint8 of the run's size."""
        from labelmint.metrics.nearest_view import nearest_views, view

        found = nearest_views(image[None], self.images, most_work=_WORK)
        return Neighbor(
            name=self.names[int(found.reference[0])],
            distance=round(float(found.distance[0]), 2),
            picture=np.asarray(view(self.images, found, 0)),
            searched=float(found.searched),
        )


def _training(system: TrainedSystem) -> list[str]:
    from labelmint.training.run_folder import RunFolder

    return list(RunFolder(system.path).read_json("split.json").get("training", ()))
