"""The script that makes slices of the hippocampus scans: one of each training scan, all that count of each
test scan.
"""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from experiments.hippocampus_slices import main

from labelmint.formats import read


def scans(folder: Path) -> Path:
    """Three scans of 12x10x6 voxels, whose slices 2, 3 and 4 show enough."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for name in ("a", "b", "c"):
        values = np.random.default_rng(ord(name)).integers(0, 2000, (12, 10, 6)).astype(np.float32)
        labels = np.zeros((12, 10, 6), np.uint8)
        labels[3:8, 2:8, 2:5] = 1
        labels[3:8, 5:8, 2:5] = 2
        labels[3, 2, 1] = 1  # a speck is no slice
        for part, array in (("images", values), ("labels", labels)):
            nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), folder / part / f"{name}.nii.gz")
    (folder / "train.txt").write_text("a\nb\n")
    (folder / "test.txt").write_text("c\n")
    return folder


def test_slices_that_show_enough_become_pairs(tmp_path: Path) -> None:
    assert main(["--data", str(scans(tmp_path / "scans")), "--out", str(tmp_path / "out")]) == 0
    data = read(tmp_path / "out")
    assert data.train is not None
    assert data.test is not None
    assert sorted(name[0] for name in data.train) == ["a", "b"]
    assert sorted(data.test) == ["c_z02", "c_z03", "c_z04"]
    assert data.classes.names == ("background", "anterior", "posterior")
    for name in data.names:
        pair = data.load(name)
        assert set(np.unique(pair.layout.label_map)) == {0, 1, 2}
        assert int(pair.image.max()) - int(pair.image.min()) > 200


def test_folders_that_do_not_fit_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "expected train.txt and test.txt" in capsys.readouterr().err
    assert main(["--data", str(scans(tmp_path / "scans")), "--out", str(tmp_path)]) == 2
    assert "exists" in capsys.readouterr().err
