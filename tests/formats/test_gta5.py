"""GTA-5 as it is published: found by its palette, read by its indices, in the parts of split.mat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.datasets.originals import gta5

from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.formats.gta5 import GTA5_LABELS


def test_indices_are_ids_though_the_palette_shows_colors_of_several_classes(tmp_path: Path) -> None:
    data = read(gta5(tmp_path, split=True))
    assert data.format == "gta5"
    assert len(data.classes) == 35
    assert data.names == ("00001", "00002", "00101", "00102", "00201")
    assert (data.train, data.validation, data.test) == (("00001", "00002", "00102"), ("00101",), ("00201",))
    label = data[0].layout.label_map
    assert np.unique(label).tolist() == [4, 7, 17, 26, 34]
    assert [data.classes.name_of(i) for i in (4, 34)] == ["static", "license plate"]
    kinds = [finding.kind for finding in data.findings]
    assert kinds == ["several formats", "sizes differ", "listed but missing"]
    assert "1 labels have another size than their image and are left out" in data.findings[1].text


def test_labels_in_colors_and_lists_instead_of_the_split(tmp_path: Path) -> None:
    gta5(tmp_path)
    palette = Image.open(tmp_path / "labels" / "00001.png")
    palette.convert("RGB").save(tmp_path / "labels" / "00002.png")
    (tmp_path / "train.txt").write_text("00001\n00101\n")
    (tmp_path / "val.txt").write_text("00002\n")
    data = read(tmp_path)
    assert (data.train, data.validation) == (("00001", "00101"), ("00002",))
    assert np.unique(data[1].layout.label_map).tolist() == [0, 7, 17, 26]  # black is unlabeled


def test_other_sets_of_the_same_tree_are_none(tmp_path: Path) -> None:
    gta5(tmp_path)
    for file in (tmp_path / "labels").iterdir():
        Image.fromarray(np.full((16, 32), 7, np.uint8)).save(file)
    assert read(tmp_path).format == "folder"
    (tmp_path / "mapping.mat").touch()
    assert read(tmp_path).format == "gta5"
    (tmp_path / "labels" / "00001.png").rename(tmp_path / "labels" / "0.png")
    (tmp_path / "images" / "00001.png").rename(tmp_path / "images" / "0.png")
    assert read(tmp_path).format == "folder"


@pytest.mark.parametrize("content", [b"", b"no matrix", b"MATLAB 5.0 MAT-file" + bytes(200)])
def test_a_damaged_split_is_refused(content: bytes, tmp_path: Path) -> None:
    gta5(tmp_path)
    (tmp_path / "split.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"split\.mat: not GTA-5's split, a MATLAB file with trainIds"):
        read(tmp_path)


def test_what_fits_nowhere_is_refused(tmp_path: Path) -> None:
    from scipy.io import savemat

    with pytest.raises(InputError, match=r"expected images/NNNNN\.png and labels/NNNNN\.png"):
        read(tmp_path, format="gta5")
    gta5(tmp_path)
    savemat(tmp_path / "split.mat", {"trainIds": [1, 2], "valIds": [2], "testIds": [101]})
    with pytest.raises(InputError, match="image 2 is in two parts"):
        read(tmp_path)
    (tmp_path / "split.mat").unlink()
    for file in (tmp_path / "labels").iterdir():
        Image.open(file).resize((3, 3)).save(file)
    with pytest.raises(InputError, match="every label has another size than its image"):
        read(tmp_path)
    assert GTA5_LABELS[34] == ("license plate", None)
