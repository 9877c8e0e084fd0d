"""A pool is opened alike wherever one is taken: images, never the maps beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.helpers import digits

import labelmint
from labelmint.datasets.unlabelled import open_pool
from labelmint.errors import InputError
from labelmint.runs.unlabelled import read_pool
from labelmint.types import DataSet


@pytest.fixture(scope="module")
def data() -> DataSet:
    return digits(3)


@pytest.mark.parametrize("format", ["folder", "cityscapes", "imagefolder"])
def test_maps_of_labels_are_no_images(data: DataSet, tmp_path: Path, format: str) -> None:
    labelmint.write(data, tmp_path / "set", format=format, classes=data.classes)
    for pool in (open_pool(tmp_path / "set"), read_pool(tmp_path / "set"), read_pool(data)):
        assert len(pool) == len(data)
        assert not pool.classes.labelled


def test_a_folder_that_holds_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, said in (("empty", "no images found: the folder is empty"), ("none", "no such file or folder")):
        with pytest.raises(
            InputError, match=f"^--unlabelled .*{name}: {said}; expected a folder of images, or"
        ):
            read_pool(tmp_path / name)
