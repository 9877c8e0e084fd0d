"""MATLAB files of level 5: what SciPy writes is read as SciPy reads it, and damage is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from labelmint.formats.mat_files import read_mat


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "i8", "f8"])
def test_numbers_are_those_that_scipy_reads(dtype: str, compressed: bool, tmp_path: Path) -> None:
    held = {"few": np.array([[1], [2]], dtype), "many": np.arange(100, dtype=dtype)[None], "text": "left out"}
    savemat(tmp_path / "a.mat", held, do_compression=compressed)
    found, wanted = read_mat(tmp_path / "a.mat", ("few", "many")), loadmat(tmp_path / "a.mat")
    assert set(found) == {"few", "many"}
    assert all(np.array_equal(found[name], wanted[name].ravel(order="F")) for name in found)


@pytest.mark.parametrize("compressed", [False, True])
def test_every_cut_and_every_flip_ends_in_numbers_or_one_error(compressed: bool, tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    savemat(file, {"ids": np.arange(30)}, do_compression=compressed)
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    for k in range(120, len(whole)):
        for data in (whole[:k], whole[:k] + bytes([int(rng.integers(256))]) + whole[k + 1 :]):
            file.write_bytes(data)
            try:
                assert set(read_mat(file, ("ids",))) <= {"ids"}
            except ValueError:
                continue
