"""Images without labels, as a pool is opened wherever a command takes one.

a folder with images/ in it     the images there; what else lies beside is not looked at
a data set in another format    its images, their labels left out
any other folder                all images below it
"""

from __future__ import annotations

from pathlib import Path

from labelmint.datasets.whole_images import without_labels
from labelmint.formats import read
from labelmint.formats.pairing import IMAGE_FOLDERS, folders_called
from labelmint.types import DataSet

__all__ = ["open_pool"]


def open_pool(path: str | Path, format: str | None = None, orientation: str = "auto") -> DataSet:
    """The images at a path, without any label. Raises InputError where there are none."""
    place = Path(path)
    if format is None and place.is_dir() and folders_called(place, IMAGE_FOLDERS):
        format = "images"
    return without_labels(read(place, format=format, orientation=orientation, alone=True))
