"""Minting: the sampling law on disk, formats and copies, and what is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.synthesis.fakes import Fake, files, make, rows

import labelmint
from labelmint.contracts import difference
from labelmint.datasets.digits import DIGIT_CLASSES
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.synthesis import check_target, mint
from labelmint.synthesis.background import MOST_WAITING, Background
from labelmint.synthesis.chunks import ChunkFolder
from labelmint.synthesis.space import least_bytes
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, Layout, LayoutObject


@pytest.mark.parametrize("format", ["folder", "coco"])
def test_what_is_written_reads_back_and_two_mints_are_equal(tmp_path: Path, format: str) -> None:
    out = make(tmp_path / "a", format=format)
    assert files(make(tmp_path / "b", format=format)) == files(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    listed = json.loads((out / "croissant.json").read_text())["distribution"]
    assert {"manifest.jsonl", "README.md", "settings.json", "images"} < {one["@id"] for one in listed}
    data = read(out)
    assert data.format == format
    assert data.names == tuple(f"synthetic_{i:06d}" for i in range(10))
    for index, pair in enumerate(data):
        made = Fake()._pair(0, index)
        assert np.array_equal(pair.image, made.image)
        assert np.array_equal(pair.layout.label_map, made.layout.label_map)


@pytest.mark.parametrize("format", ["folder", "coco"])
def test_images_are_written_in_another_format_with_their_provenance(tmp_path: Path, format: str) -> None:
    usual = make(tmp_path / "png", format=format)
    out = make(tmp_path / "tiff", format=format, image_format="tiff")
    assert files(make(tmp_path / "again", format=format, image_format="tiff")) == files(out)
    assert {file.suffix for file in (out / "images").iterdir()} == {".tiff"}
    for pair, other in zip(read(out), read(usual), strict=True):
        assert difference(pair, other) is None and "seed" in pair.provenance
    assert (out / "manifest.jsonl").read_bytes() == (usual / "manifest.jsonl").read_bytes()
    kept = [json.loads((path / "settings.json").read_text()).get("image_format") for path in (usual, out)]
    assert kept == [None, "tiff"] and "--image-format tiff" in (out / "README.md").read_text()
    with pytest.raises(InputError, match=r"image_format 'tiff', now it is None; pass --image-format tiff"):
        make(out, format=format, resume=True)
    with pytest.raises(InputError, match="--image-format gif: expected one of png, jpg"):
        make(tmp_path / "gif", image_format="gif")
    with pytest.raises(InputError, match="the format nnunet holds png images alone"):
        make(tmp_path / "jpg", format="nnunet", image_format="jpg")


def test_the_card_says_what_the_format_does_not_carry(tmp_path: Path) -> None:
    out = make(tmp_path / "out", format="ade20k")
    text = (out / "README.md").read_text()
    assert "## Not carried over" in text and "classes are numbered anew" in text
    data = read(out)
    assert (
        data.format == "ade20k" and data.classes.names == Fake().classes.names and min(data.classes.ids) == 1
    )


def test_a_sample_has_the_same_bytes_for_every_count_and_start(tmp_path: Path) -> None:
    whole = files(make(tmp_path / "whole", n=12))
    for start, n in ((0, 1), (3, 6), (11, 1)):
        part = files(make(tmp_path / f"from{start}", n=n, start=start))
        pictures = {name for name in part if name.startswith(("images/", "labels/", "instances/"))}
        assert len(pictures) == 3 * n
        assert all(part[name] == whole[name] for name in pictures)


def test_only_the_chunks_that_are_needed_are_drawn(tmp_path: Path) -> None:
    system = Fake()
    make(tmp_path / "out", system, n=5, start=7)
    assert system.drawn == [1, 2]


def test_work_in_the_background_is_done_and_little_of_it_waits() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.002)
        done.append(number)

    with Background() as background:
        for number in range(20):
            background.do(partial(work, number))
            assert number + 1 - len(done) <= MOST_WAITING
    assert done == list(range(20))
    with pytest.raises(KeyboardInterrupt), Background() as background:
        background.do(partial(work, 20))
        raise KeyboardInterrupt
    assert done[-1] == 20


def test_a_chunk_that_is_linked_gives_the_bytes_of_pairs_that_are_written(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    write(read(out), tmp_path / "written", format="folder", classes=DIGIT_CLASSES)
    written = files(tmp_path / "written")
    beside = {"README.md", "croissant.json"}  # each says what its own folder is
    assert len(written.keys() - beside) == 31
    assert all(files(out)[name] == data for name, data in written.items() if name not in beside)
    assert {file.stat().st_nlink for file in out.rglob("*.png")} == {1}


def test_without_hard_links_the_bytes_are_the_same(tmp_path: Path, monkeypatch: Any) -> None:
    linked = files(make(tmp_path / "linked"))

    def none(*args: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr("os.link", none)
    assert files(make(tmp_path / "copied")) == linked


def test_dials_come_to_all_that_they_concern_and_an_unknown_one_is_said_by_its_name(tmp_path: Path) -> None:
    system, dials = Fake(), {"grain": 16}
    out = make(tmp_path / "out", system, dials=dials, batch_size=None)
    assert system.told == dict.fromkeys(("usual_batch", "check_batch", "chunk"), dials)
    assert json.loads((out / "settings.json").read_text())["grain"] == 16
    card = (out / "README.md").read_text()
    assert "--temperature 0.85 --layout-temperature 0.75 --dial grain=16 " in card
    with pytest.raises(InputError, match=r"grain 16.0, now it is 8.0; give the same options to resume"):
        make(out, batch_size=None, resume=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 0}, "-n 0"),
        ({"start": -1}, "--start -1"),
        ({"seed": -1}, "--seed -1"),
        ({"batch_size": 0}, "--batch-size 0"),
        ({"per_layout": 0}, "--per-layout 0"),
        ({"dials": {"temperature": 0.0}}, "--temperature 0"),
        ({"dials": {"layout_temperature": float("inf")}}, "--layout-temperature inf"),
        ({"format": "bbbc041"}, "--format bbbc041"),
    ],
)
def test_bad_values_are_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as refusal:
        make(tmp_path / "out", **change)
    assert said in str(refusal.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"shard": "0/2"}])
def test_more_pairs_than_the_disk_holds_are_refused_before_anything_is_drawn(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    system = Fake()
    with pytest.raises(InputError, match=r"-n 1000000000000: .* at least [\d,.]+ GiB, .* GiB are free"):
        make(tmp_path / "out", system, n=10**12, **how)
    assert system.drawn == []
    assert not list(tmp_path.iterdir())


def test_what_lies_there_already_needs_no_more_space(tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=2))
    room = SimpleNamespace(total=1 << 40, free=2 * least_bytes(1, labelled=True))
    monkeypatch.setattr("shutil.disk_usage", lambda place: room)
    with pytest.raises(InputError, match="-n 10: "):
        make(tmp_path / "new")
    assert len(read(make(tmp_path / "out", resume=True))) == 10


def test_a_folder_that_holds_anything_is_left_alone_and_an_empty_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(InputError, match="not an empty folder"):
        make(tmp_path / "file")
    with pytest.raises(InputError, match="not an empty folder"):
        make(tmp_path / "new", copies={"coco": tmp_path})
    assert len(read(make(tmp_path / "out"))) == 10


def test_copies_hold_the_same_pairs_in_other_formats(tmp_path: Path) -> None:
    system = Fake()
    make(tmp_path / "folder", system, copies={"coco": tmp_path / "coco"})
    assert system.drawn == [0, 1, 2]
    assert files(tmp_path / "coco") == files(make(tmp_path / "alone", format="coco"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "coco", "folder"]
    with pytest.raises(InputError, match="a copy in the format folder, which"):
        make(tmp_path / "new", copies={"folder": tmp_path / "copy"})
    make(tmp_path / "folder", copies={"coco": tmp_path / "later"}, resume=True)
    assert files(tmp_path / "later") == files(tmp_path / "alone")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "coco", "folder", "later"]


def test_chunks_keep_all_of_a_pair(tmp_path: Path) -> None:
    box = (0.5, 1.0, 4.0, 5.25)
    things = (
        LayoutObject(class_id=2, box=box, polygons=((0.0, 0.0, 4.0, 0.0, 4.0, 4.0),), attributes={"age": 3}),
        LayoutObject(class_id=3, box=box, rle={"size": [8, 8], "counts": "88`1"}, crowd=True),
    )
    pairs = [
        AnnotatedImage(
            name=f"n{i}",
            image=np.full((8, 8, 3), i, np.uint8),
            layout=Layout(label_map=np.full((8, 8), 300 + i, np.uint16), objects=things[:i]),
        )
        for i in range(3)
    ]
    classes = ClassSet(tuple(ClassInfo(id=i, name=f"c{i}") for i in (2, 3, 300, 301, 302)), ())
    folder = ChunkFolder(tmp_path / "chunks", {}, classes, resume=False)
    folder.save(4, dict(zip((17, 19, 18), pairs, strict=True)))
    assert not folder.holds(3, range(12, 15))
    assert folder.holds(4, range(17, 20))
    loaded = folder.pairs(4)
    assert list(loaded) == [17, 19, 18]
    assert folder.rows(4)[19].holds["pixels"] == {"c301": 64}
    for made, found in zip(pairs, loaded.values(), strict=True):
        assert (found.name, found.layout.objects, found.layout.instances) == (
            made.name,
            made.layout.objects,
            None,
        )
        assert np.array_equal(found.image, made.image)
        assert np.array_equal(found.layout.label_map, made.layout.label_map)
        assert found.layout.label_map.dtype == made.layout.label_map.dtype


@pytest.fixture
def real(tiny_run: Path) -> Iterator[Any]:
    yield labelmint.load(tiny_run, threads=1)


@pytest.mark.slow
def test_a_real_system_mints_what_synthesize_draws(real: Any, tmp_path: Path) -> None:
    out = mint(real, tmp_path / "out", n=5, seed=3, start=2, batch_size=4)
    for made, found in zip(real.synthesize(5, seed=3, start=2, batch_size=4), read(out), strict=True):
        assert made.name == found.name
        assert np.array_equal(made.image, found.image)
        assert np.array_equal(made.layout.label_map, found.layout.label_map)
        assert found.provenance["weights"] == real.digest


def test_varied_layouts_are_told_and_resume(real: Any, tmp_path: Path) -> None:
    out = mint(real, tmp_path / "out", n=5, vary=True, batch_size=4)
    for made, found in zip(real.synthesize(5, vary=True, batch_size=4), read(out), strict=True):
        assert np.array_equal(made.layout.label_map, found.layout.label_map)
        assert found.provenance["layouts"] == "training layouts of the run, varied"
    card = (out / "README.md").read_text()
    assert "Layouts: training layouts of the run, varied" in card
    assert " --vary " in card
    with pytest.raises(InputError, match="made otherwise"):
        mint(real, out, n=5, batch_size=4, resume=True)


def test_samples_per_layout_are_refused_where_each_draws_its_own(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="only has a meaning with --layouts or --vary, or for a run without a layout prior"
    ):
        make(tmp_path / "out", per_layout=3)
    assert not list(tmp_path.iterdir())
    make(tmp_path / "varied", per_layout=3, vary=True)
    own = make(tmp_path / "own", Fake(own_layouts=False), per_layout=3, n=4)
    assert [row["layout"][-1] for row in rows(own)] == list("0001")


def test_pairs_may_lie_beside_a_file_that_they_are_made_from_but_in_no_folder(tmp_path: Path) -> None:
    (tmp_path / "ann.json").touch()
    check_target(tmp_path / "new", n=1, format="folder", resume=False, sources=[None, tmp_path / "ann.json"])
    with pytest.raises(InputError, match="lies inside of"):
        check_target(tmp_path / "new", n=1, format="folder", resume=False, sources=[tmp_path])
