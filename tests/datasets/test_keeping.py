"""Pairs that memory does not hold lie in a mapped file: the same values, the same batches, kept until the command has
ended well, and never read when they are stale or half written.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from experiments.small_sets import small_set
from tests.helpers import digits

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import Disk, Shelf, drop_cache
from labelmint.datasets.merged import merge
from labelmint.datasets.origins import digest_of_origins
from labelmint.datasets.pair import Pair
from labelmint.datasets.ranges import Range
from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.runs.prepare import Prepared, prepare
from labelmint.types import DataSet

ARRAYS = ("image", "ids", "instances", "boxes")


def pairs() -> list[Pair]:
    """Pairs of any size and kind of array: with instances and boxes, with none, with none in a list of them."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(7):
        height, width = rng.integers(3, 9, 2)
        found.append(
            Pair(
                name=f"p{k} \udcff",
                group=f"g{k % 2}",
                image=rng.integers(0, 256, (height, width, 1 + 2 * (k % 2)), np.uint8),
                ids=rng.integers(0, 900, (height, width)).astype(np.uint16),
                instances=None if k % 3 else rng.integers(0, 4, (height, width)).astype(np.uint32),
                boxes=None if k % 2 else rng.random((k, 5)),
                range=Range(0.5, 99.25) if k % 2 else None,
            )
        )
    return found


def same(given: list[Pair], kept: list[Pair]) -> None:
    for one, other in zip(given, kept, strict=True):
        assert (one.name, one.group, one.range) == (other.name, other.group, other.range)
        for name in ARRAYS:
            a, b = getattr(one, name), getattr(other, name)
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                assert a.dtype == b.dtype
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("available", [0, 100, 1 << 40])
def test_pairs_are_the_same_wherever_they_lie(available: int, tmp_path: Path) -> None:
    given, disk = pairs(), Disk(tmp_path / "not" / "there")
    with Shelf(available=available, disk=disk, source="data") as shelf:
        kept = shelf.keep(iter(given), 7)
    assert [*tmp_path.iterdir()] == []
    same(given, kept)
    assert (sum(one.nbytes for one in kept) == 0) == (available < 1000)


def test_without_a_disk_they_are_refused_with_what_mends_it() -> None:
    shelf = Shelf(available=10, disk=None, source="data")
    with pytest.raises(InputError, match=r"data: 7 pairs need about .* smaller --size"):
        shelf.keep(iter(pairs()), 7)


def test_a_whole_cache_is_found_by_its_name_and_holds_no_array_twice(tmp_path: Path) -> None:
    given = pairs()
    with Shelf(available=0, disk=Disk(tmp_path), source="data", name="a") as shelf:
        once = shelf.keep(iter(given), 7)
        again = shelf.keep((one for one in once), 7)
        size = sum(file.stat().st_size for file in tmp_path.rglob("*.partial"))
        shelf.close({"all": again, "some": once[2:4]}, {"n": 3})
    (file,) = (tmp_path / "cache").iterdir()
    arrays = sum(part.nbytes for one in given for name in ARRAYS if (part := getattr(one, name)) is not None)
    assert size < arrays + 64 * len(ARRAYS) * len(given)
    found = Shelf(available=0, disk=Disk(tmp_path), source="data", name="a").stored()
    assert found is not None and found.facts == {"n": 3}
    same(given, found.parts["all"])
    same(given[2:4], found.parts["some"])
    assert Shelf(available=0, disk=Disk(tmp_path), source="data", name="b").stored() is None
    file.write_bytes(file.read_bytes()[:-1])  # which no command leaves
    assert Shelf(available=0, disk=Disk(tmp_path), source="data", name="a").stored() is None
    drop_cache(tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_half_a_cache_is_never_read(tmp_path: Path) -> None:
    shelf = Shelf(available=0, disk=Disk(tmp_path), source="data", name="a")
    shelf.keep(iter(pairs()), 7)  # and killed: neither closed nor left
    (half,) = (tmp_path / "cache").iterdir()
    assert half.name.endswith(".partial")
    with Shelf(available=0, disk=Disk(tmp_path), source="data", name="b") as other:
        assert other.stored() is None
        other.keep(iter(pairs()), 7)
        assert not half.exists()  # nor does it stay
    with pytest.raises(KeyError), Shelf(available=0, disk=Disk(tmp_path), source="d", name="c") as failing:
        failing.keep(iter(pairs()), 7)
        raise KeyError
    assert [*(tmp_path / "cache").iterdir()] == []
    shelf.__exit__(None, None, None)


GEOMETRY = Geometry(size=(24, 24), crop=True, augment=frozenset({"flips"}))


def prepared(data: DataSet, available: int, disk: Path) -> Prepared:
    return prepare(
        data, GEOMETRY, cell=4, group_by=None, seed=3, force=False, available=available, disk=Disk(disk)
    )


def same_batches(here: Prepared, there: Prepared) -> None:
    assert here.bytes > 0 == there.bytes
    assert (here.digest, here.symbols) == (there.digest, there.symbols)
    for step in range(5):
        one, other = here.training.batch(step, 4), there.training.batch(step, 4)
        assert one.image.equal(other.image)
        assert one.layouts.ids.equal(other.layouts.ids)
    assert here.validation.fixed(0, 2).image.equal(there.validation.fixed(0, 2).image)


def test_batches_from_the_disk_are_those_from_memory_to_the_byte(tmp_path: Path) -> None:
    same_batches(prepared(digits(), 1 << 40, tmp_path), prepared(digits(), 1000, tmp_path))
    assert [*tmp_path.iterdir()] == []  # which files decide them is not known


def test_a_run_that_is_gone_on_with_decodes_nothing_again(
    digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, first = (prepared(read(digits_folder), available, tmp_path) for available in (1 << 40, 1000))

    def decodes(name: str) -> None:
        raise AssertionError(name)

    data = read(digits_folder)
    monkeypatch.setattr(type(data.load), "__call__", lambda self, name: decodes(name))
    again = prepared(data, 1 << 40, tmp_path)
    same_batches(here, first)
    same_batches(here, again)


@pytest.mark.parametrize(
    "name", ["folder", "coco-panoptic", "yolo", "voc", "imagefolder", "webdataset", "nnunet"]
)
def test_the_name_of_a_cache_follows_the_files_of_every_loader(name: str, tmp_path: Path) -> None:
    folder, run = tmp_path / "data", tmp_path / "data" / "run"
    small_set(name, folder)
    data = read(folder)

    def found(how: object = 1) -> str | None:
        return digest_of_origins(data, data.names, how, run)

    first = found()
    run.mkdir()
    (run / "weights.bin").touch()
    assert first is not None and found() == first != found(2)
    for file in [one for one in folder.rglob("*") if one.is_file() and one.parent != run]:
        before = file.stat()
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert found() != first
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_files_elsewhere_and_merged_sets_count(tmp_path: Path) -> None:
    for name in "ab":
        small_set("coco", tmp_path / name)
    a, b = (read(tmp_path / name) for name in "ab")
    image = next((tmp_path / "a").rglob("first.png"))
    for data in (read(tmp_path / "a" / "annotations" / "instances_train.json"), merge([a, b])):
        first = digest_of_origins(data, data.names, 1)
        assert first is not None and first == digest_of_origins(data, data.names, 1)
        os.utime(image, ns=(0, image.stat().st_mtime_ns + 1))
        assert first != digest_of_origins(data, data.names, 1)
    unknown = digits()
    assert digest_of_origins(unknown, unknown.names, 1) is None
    assert not merge([a, unknown], union=True).origins
