"""The data that a training was given, as its system learns from them."""

from __future__ import annotations

from pathlib import Path

from labelmint.datasets.whole_images import whole_images
from labelmint.errors import InputError
from labelmint.progress import Event, Report
from labelmint.systems.catalogue import SYSTEMS, learning_from_images
from labelmint.types import DataSet

__all__ = ["source_of"]


def source_of(data: DataSet | str | Path, system: str, tell: Report) -> DataSet:
    """A data set, or what lies at a path, for a system by its name.

    Labels go where the system learns from images alone, but for one class an image; what became of them is told.
    Raises InputError for images without labels where it learns from labels.
    """
    alone = SYSTEMS[system].from_images
    source = data if isinstance(data, DataSet) else _read(data, alone)
    if alone:
        found = whole_images(source, classes=SYSTEMS[system].role == "images")
        if found.said:
            tell(Event("data", 0, 1, message=found.said))
        return found.data
    if not source.classes.labelled:
        raise InputError(
            f"{source.source}: holds images without labels, and {system} learns from labels; label them, or train "
            f"{' or '.join(learning_from_images())}, which learns from images alone"
        )
    return source


def _read(path: str | Path, alone: bool) -> DataSet:
    from labelmint.formats import read

    return read(path, alone=alone)
