"""GTA-5 at the size of the papers: Cityscapes' 19 classes, the authors' parts, and pairs that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.datasets.originals import gta5

import labelmint
from labelmint.datasets.cityscapes import CITYSCAPES_CLASSES
from labelmint.datasets.gta5 import prepare_gta5
from labelmint.datasets.prepared import write_prepared
from labelmint.errors import InputError


def test_scenes_are_shrunk_to_the_evaluated_classes_in_the_parts_of_the_authors(tmp_path: Path) -> None:
    prepared = prepare_gta5(gta5(tmp_path / "source", split=True), size=(4, 8))
    written = write_prepared(prepared, tmp_path / "out")
    assert (written.pairs, written.train, written.validation, written.test) == (5, 3, 1, 1)
    data = labelmint.read(tmp_path / "out")
    assert data.classes == CITYSCAPES_CLASSES
    assert (data.train, data.validation, data.test) == (("00001", "00002", "00102"), ("00101",), ("00201",))
    assert data[0].image.shape == (4, 8, 3)
    label = data[0].layout.label_map
    assert label[0, 0] == 255  # static
    assert label[1, 5] == 255  # the license plate, 8 of whose 16 pixels are of the car
    assert (label[2:, 4:] == 5).all()
    assert (label[1:, :4] == 0).all()
    (sizes, listed) = prepared.findings
    assert (sizes.kind, sizes.names) == ("sizes differ", ("00202",))
    assert sizes.text.endswith("00202.png (16x32, its label 8x32)")
    assert (listed.kind, listed.names) == ("listed but missing", ("24966",))


def test_without_split_hundreds_of_frames_stay_together(tmp_path: Path) -> None:
    prepared = prepare_gta5(gta5(tmp_path))
    (held,) = {name[:3] for name in prepared.test}
    assert {name for name in prepared.items if name.startswith(held)} == prepared.test
    assert prepared.group_by


def larger(source: Path) -> tuple[int, int]:
    return 32, 64


def without_labels(source: Path) -> tuple[int, int]:
    (source / "labels").rename(source / "annotations")
    return 4, 8


def unknown(source: Path) -> tuple[int, int]:
    Image.fromarray(np.full((16, 32), 99, np.uint8)).save(source / "labels" / "00001.png")
    return 4, 8


def named(source: Path) -> tuple[int, int]:
    (source / "classes.json").write_text('{"names": {"7": "road", "40": "tram"}}')
    for file in (source / "labels").iterdir():
        Image.fromarray(np.full((16, 32), 40, np.uint8)).save(file)
    return 4, 8


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (larger, "'00001' is 16x32 pixels, less than the 32x64 that are wanted"),
        (without_labels, "no images/ with labels/ beside it; --source takes the folder of GTA-5"),
        (unknown, r"00001\.png: ids that are no classes of this set: 99 \(512 pixels\); GTA-5 has 0 to 34"),
        (named, "'00001' holds the id 40, which is none of GTA-5's"),
    ],
)
def test_what_does_not_fit_is_refused(
    spoil: Callable[[Path], tuple[int, int]], said: str, tmp_path: Path
) -> None:
    size = spoil(gta5(tmp_path))
    with pytest.raises(InputError, match=said):
        list(prepare_gta5(tmp_path, size=size))
