"""Classes of one run among those of another, by their names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from labelmint.errors import InputError
from labelmint.types import Array, ClassSet

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["classes_by_name"]


def classes_by_name(source: TrainedSystem, images: TrainedSystem, used: Iterable[int]) -> Array:
    """The class id of the run that draws images for each class id of the run that draws layouts.

    Arguments:
        used: ids of the classes that may be drawn.

    Raises InputError for one that the run that draws images was not trained on.
    """
    known, used = {class_id for class_id, _ in images.config.symbols}, sorted(used)
    found = np.zeros(max(used) + 1, dtype=np.int64)
    for class_id in used:
        name = source.classes.name_of(class_id)
        there = _id_of(name, class_id in source.classes.ignore, images.classes)
        if there is None or there not in known:
            raise InputError(
                f"--layouts-from {source.path}: draws {name!r}, which {images.path} was not trained on; give a "
                f"run of the same classes"
            )
        found[class_id] = there
    return found


def _id_of(name: str, ignored: bool, classes: ClassSet) -> int | None:
    """The id of a class by its name; ignored pixels are ignored there too, where that can be said."""
    if ignored:
        return classes.ignore[0] if classes.ignore else None
    return next((info.id for info in classes.classes if info.name == name), None)
