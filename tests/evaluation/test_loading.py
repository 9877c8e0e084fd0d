"""Real pairs are the same wherever they lie, and where a command was stopped they are not decoded again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import Disk
from labelmint.datasets.splits import split_of
from labelmint.datasets.watching import watched
from labelmint.evaluation import gathering, loading
from labelmint.evaluation.loading import LoadedParts, load_parts
from labelmint.evaluation.subject import Subject
from labelmint.formats import read
from labelmint.types import DataSet, Finding
from labelmint.usefulness.plan import StudyOptions
from labelmint.usefulness.real import load_real

GEOMETRY = Geometry(size=(8, 8))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Grey and color images; one without objects, which is odd."""
    rng = np.random.default_rng(0)
    for part in ("images", "labels"):
        (tmp_path / "data" / part).mkdir(parents=True)
    for k in range(12):
        label = np.zeros((9, 8), np.uint8)
        label[1:4, 1:4] = k != 5
        Image.fromarray(label).save(tmp_path / "data" / "labels" / f"p{k:02d}.png")
        pixels = rng.integers(0, 256, (9, 8, 3) if k % 2 else (9, 8), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / "images" / f"p{k:02d}.png")
    (tmp_path / "data" / "test.txt").write_text("p10\np11\n")
    return read(tmp_path / "data")


def same(here: LoadedParts, there: LoadedParts) -> None:
    assert (here.channels, here.known) == (there.channels, there.known) == (3, {0, 1})
    for part in ("training", "validation", "test", "tested"):
        for one, other in zip(getattr(here, part), getattr(there, part), strict=True):
            assert (one.name, one.ids.dtype) == (other.name, other.ids.dtype)
            np.testing.assert_array_equal(one.image, other.image)
            np.testing.assert_array_equal(one.ids, other.ids)
            assert one.nbytes > 0 == other.nbytes


def test_parts_from_the_disk_are_those_from_memory_and_decoded_once(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[list[Finding]] = []

    def loaded() -> LoadedParts:
        told.append([])
        seen = watched(data, told[-1].append)
        disk, tell = Disk(tmp_path / "out"), lambda event: None
        how = {"channels": None, "group_by": None, "normalize": "image"}
        return load_parts(seen, split_of(data), GEOMETRY, **how, disk=disk, tell=tell)  # type: ignore[arg-type]

    here = loaded()
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(loading, "room", lambda: 100)
    there = loaded()
    monkeypatch.setattr(type(data.load), "__call__", lambda self, name: 1 / 0)
    again = loaded()
    assert here.tested[0].image.shape[2] != here.tested[1].image.shape[2]
    same(here, there)
    same(here, again)
    assert told[0] and told[0][0].text == told[1][0].text == told[2][0].text


def test_what_is_measured_with_is_the_same_from_the_disk(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = Subject(
        path=Path("pairs"), system=None, pairs=None, geometry=GEOMETRY, parts=split_of(data), group_by=None
    )

    def digests() -> tuple[str, bytes, bytes]:
        real = gathering.load_real(about, data, False, Disk(tmp_path / "evaluated"), lambda event: None)
        options, disk = StudyOptions(), Disk(tmp_path / "studied")
        studied = load_real(data, GEOMETRY.size, options, lambda event: None, disk)
        return studied.digest, real.seen.images.tobytes(), real.views.labels.tobytes()

    here = digests()
    monkeypatch.setattr(loading, "room", lambda: 0)
    assert here == digests() == digests()
    assert {path.parent.parent.name for path in tmp_path.rglob("*.pairs")} == {"evaluated", "studied"}
