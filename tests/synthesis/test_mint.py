"""Minting: the sampling law on disk, resuming, what is refused, and what each file says of itself."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import labelmint
from labelmint.contracts import difference
from labelmint.datasets.digits import DIGIT_CLASSES
from labelmint.datasets.symbols import SymbolTable
from labelmint.dials import LAYOUT_TEMPERATURE, TEMPERATURE, settled
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.formats.folder import write_folder
from labelmint.formats.image_files import write_png
from labelmint.protocols import Dial, Dials
from labelmint.runs.draw import Draw
from labelmint.runs.given import Given
from labelmint.runs.origin import SOURCE_TYPE, origin_of
from labelmint.synthesis import mint
from labelmint.synthesis.background import MOST_WAITING, Background
from labelmint.synthesis.chunks import ChunkFolder
from labelmint.synthesis.provenance import count_objects, count_pixels
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

EVALUATIONS = Dial("grain", 8, 1, 64, "Steps of the fake.", whole=True)


class Fake:
    """A system whose sample i depends on (seed, i) alone; notes which chunks it drew and can be interrupted."""

    system, digest, device, size, classes = "fake", "0123", torch.device("cpu"), (16, 16), DIGIT_CLASSES
    path, precision, threads_asked, needs_references = Path("no-run"), "32-true", False, False
    ranges = layouts_from = None
    config = SimpleNamespace(symbol_table=SymbolTable(((0, 0),)), has_instances=False)

    def __init__(
        self,
        *,
        own_layouts: bool = True,
        stop_at: int | None = None,
        digest: str = "0123",
        precision: str = "32-true",
        usual: int = 8,
    ) -> None:
        self.precision, self.usual = precision, usual
        self.has_layout_prior, self.stop_at, self.digest = own_layouts, stop_at, digest
        self.drawn: list[int] = []
        self.threads: list[int] = []  # with which it drew
        self.told: dict[str, Dials] = {}  # the dials that each method was told

    @property
    def dials(self) -> tuple[Dial, ...]:
        layouts = LAYOUT_TEMPERATURE._replace(usual=0.75)
        return (TEMPERATURE, layouts, EVALUATIONS) if self.has_layout_prior else (TEMPERATURE, EVALUATIONS)

    def resolve(self, dials: Dials, *, draws_layouts: bool = True) -> dict[str, float]:
        return settled("fake", [self], dials)

    def usual_batch(self, warn: Any, dials: Dials) -> int:
        self.told["usual_batch"] = dials
        return self.usual

    def check_batch(self, batch_size: int, dials: Dials) -> None:
        self.told["check_batch"] = dials

    def chunk(self, number: int, draw: Draw) -> list[AnnotatedImage]:
        if number == self.stop_at:
            raise KeyboardInterrupt
        self.drawn.append(number)
        self.threads.append(torch.get_num_threads())
        self.told["chunk"] = draw.dials
        origin = origin_of(self, draw, torch.get_num_threads())  # type: ignore[arg-type]
        indices = range(number * draw.batch_size, (number + 1) * draw.batch_size)
        return [replace(self._pair(draw.seed, i), provenance=origin.texts(i)) for i in indices]

    def _pair(self, seed: int, index: int) -> AnnotatedImage:
        rng = np.random.default_rng((seed, index))
        instances = np.zeros((16, 16), np.uint16)
        instances[2:6, 2:6], instances[8:12, 3:9] = 1, 2
        labels = np.zeros((16, 16), np.uint8)
        labels[instances == 1], labels[instances == 2] = 1 + index % 10, 3
        return AnnotatedImage(
            name=f"synthetic_{index:06d}",
            image=rng.integers(0, 256, (16, 16, 1), dtype=np.uint8),
            layout=Layout(label_map=labels, instances=instances),
        )

    def given(self, data: DataSet, **how: Any) -> Given:
        return Given(ids=torch.zeros(len(data), 16, 16, dtype=torch.int16), names=data.names)

    def training_layouts(self) -> torch.Tensor:
        return torch.zeros(3, 16, 16, dtype=torch.int16)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def make(out: Path, system: Fake | None = None, **options: Any) -> Path:
    return mint(system or Fake(), out, **{"n": 10, "batch_size": 4, **options})  # type: ignore[arg-type]


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


@pytest.mark.parametrize("stop_at", [0, 1, 2])
def test_a_stopped_mint_resumes_to_the_same_bytes_and_draws_nothing_twice(
    tmp_path: Path, stop_at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=stop_at))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="--resume"):
        make(tmp_path / "out")
    system = Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn == list(range(stop_at, 3))
    assert files(tmp_path / "out") == files(make(tmp_path / "never_stopped"))
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("damaged", ["images", "labels", "instances"])
def test_stopped_while_writing_nothing_appears_and_a_damaged_chunk_is_drawn_again(
    tmp_path: Path, monkeypatch: Any, damaged: str
) -> None:
    def fail(*args: object, **named: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr("labelmint.pictures.contact_sheet", fail)
        make(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    file = next((tmp_path / "out.partial" / "chunk-000001" / damaged).glob("synthetic_000006.*"))
    file.write_bytes(file.read_bytes()[:-20])
    system = Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn == [1]
    assert files(tmp_path / "out") == files(make(tmp_path / "never_stopped"))


class Killed(BaseException):
    """Nothing runs after it, not even what cleans up."""


def test_killed_in_the_middle_of_a_file_it_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: Any
) -> None:
    def cut_short(path: Path, array: Any, text: Any = None) -> None:
        if path.name == "synthetic_000005.png" and path.parent.name == "labels":
            path.with_name(f".{path.name}.partial").write_bytes(b"half a file")
            raise Killed
        write_png(path, array, text)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("labelmint.formats.folder.write_png", cut_short)
        patch.setattr("shutil.rmtree", lambda *args, **named: None)
        make(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "out.partial").rglob(".synthetic_000005.png.partial"))
    system = Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn[0] == 1
    assert files(tmp_path / "out") == files(make(tmp_path / "never_killed"))
    assert not list(tmp_path.glob("*.partial"))


def test_an_error_while_a_chunk_is_written_ends_the_command_and_a_resume_goes_on(
    tmp_path: Path, monkeypatch: Any
) -> None:
    def full(pairs: Any, folder: Path, classes: Any) -> None:
        if any(pair.name == "synthetic_000008" for pair in pairs):
            raise OSError("disk full")
        write_folder(pairs, folder, classes)

    system = Fake()
    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr("labelmint.synthesis.chunks.write_folder", full)
        make(tmp_path / "out", system, n=80)
    assert len(system.drawn) < 7
    again = Fake()
    make(tmp_path / "out", again, n=80, resume=True)
    assert again.drawn[0] == 2
    assert files(tmp_path / "out") == files(make(tmp_path / "never_full", n=80))


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


def test_the_batch_that_is_chosen_is_told_and_a_resume_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=1, usual=4), batch_size=None)
    system = Fake(usual=2)
    out = make(tmp_path / "out", system, batch_size=None, resume=True)
    assert system.drawn == [1, 2]
    assert files(out) == files(make(tmp_path / "asked", batch_size=4))
    assert json.loads((out / "settings.json").read_text())["batch_size"] == 4
    assert "--batch-size 4 " in (out / "README.md").read_text()
    make(out, Fake(usual=2), batch_size=None, resume=True)  # complete


def test_dials_come_to_all_that_they_concern_and_an_unknown_one_is_said_by_its_name(tmp_path: Path) -> None:
    system, dials = Fake(), {"grain": 16}
    out = make(tmp_path / "out", system, dials=dials, batch_size=None)
    assert system.told == dict.fromkeys(("usual_batch", "check_batch", "chunk"), dials)
    assert json.loads((out / "settings.json").read_text())["grain"] == 16
    card = (out / "README.md").read_text()
    assert "--temperature 0.85 --layout-temperature 0.75 --dial grain=16 " in card
    with pytest.raises(InputError, match=r"grain 16.0, now it is 8.0; give the same options to resume"):
        make(out, batch_size=None, resume=True)


@pytest.fixture
def threads() -> Iterator[Any]:
    """Sets their number for the time of a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_a_resume_keeps_its_threads_unless_others_are_asked_for(tmp_path: Path, threads: Any) -> None:
    def asked() -> Fake:
        system = Fake()
        system.threads_asked = True
        return system

    threads(2)
    expected = files(make(tmp_path / "never_stopped"))
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=1))
    threads(1)  # as found on another machine
    with pytest.raises(InputError, match=r"begun with threads 2, now it is 1; pass --threads 2 to resume"):
        make(tmp_path / "out", asked(), resume=True)
    system = Fake()
    out = make(tmp_path / "out", system, resume=True)
    assert (system.drawn, system.threads) == ([1, 2], [2, 2])
    assert torch.get_num_threads() == 1
    assert files(out) == expected
    make(out, Fake(stop_at=0), resume=True)  # complete
    with pytest.raises(
        InputError, match=r"made otherwise, with threads 2, now it is 1; pass --threads 2 to resume"
    ):
        make(out, asked(), resume=True)
    assert make(tmp_path / "asked", asked()).is_dir()
    for stored in (0, 5000, "2", None):
        (out / "settings.json").write_text(json.dumps({"threads": stored}))
        with pytest.raises(InputError):
            make(out, resume=True)


def damaged_rows(whole: str) -> Iterator[str]:
    """What a rows.json may have become and still is JSON."""
    yield from ("[]", "null", "3", '{"sums": []}', '{"sums": {}}', '{"rows": [], "sums": {}}')
    rows, sums = (json.loads(whole)[key] for key in ("rows", "sums"))
    (index, (name, holds)), *others = rows.items()
    for damaged in (
        {},
        dict(others),
        {**rows, index: name},
        {**rows, index: [name, {}]},
        {**rows, "99": [name, holds]},
    ):
        yield json.dumps({"rows": damaged, "sums": sums})
    yield json.dumps({"rows": rows})
    yield json.dumps({"rows": rows, "sums": {}})
    yield json.dumps({"rows": rows, "sums": [*sums]})


def test_a_chunk_whose_rows_are_damaged_is_drawn_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=1))
    folder = ChunkFolder(
        tmp_path / "out.partial",
        json.loads((tmp_path / "out.partial" / "settings.json").read_text()),
        DIGIT_CLASSES,
        resume=True,
    )
    file = folder.folder(0) / "rows.json"
    whole = file.read_text()
    assert folder.holds(0, range(4))
    assert not folder.holds(0, range(3))
    for damaged in damaged_rows(whole):
        file.write_text(damaged)
        assert not folder.holds(0, range(4)), damaged
    system = Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn == [0, 1, 2]
    assert files(tmp_path / "out") == files(make(tmp_path / "never_damaged"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "seed 0, now it is 1"),
        ({"batch_size": 2}, "batch_size 4, now it is 2"),
        ({"dials": {"temperature": 0.5}}, "temperature 0.85, now it is 0.5"),
        ({"n": 11}, "n 10, now it is 11"),
        ({"system": Fake(digest="4567")}, "weights '0123', now it is '4567'"),
        ({"system": Fake(precision="bf16-true")}, "precision '32-true', now it is 'bf16-true'"),
    ],
)
def test_a_resume_with_other_settings_is_refused_naming_the_difference(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", Fake(stop_at=1))
    before = files(tmp_path)
    with pytest.raises(InputError) as refusal:
        make(tmp_path / "out", resume=True, warn=print, **change)
    assert said in str(refusal.value)
    assert files(tmp_path) == before


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


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_killed_between_any_two_moves_a_resume_ends_them_and_draws_nothing(
    tmp_path: Path, monkeypatch: Any, moves: int
) -> None:
    moved: list[str] = []

    def dies(move: Any, source: Any, *rest: Any, **named: Any) -> Any:
        name = Path(source).name
        if len(moved) == moves and (
            name.startswith("data-") or (moved and name in ("folder.partial", "coco.partial"))
        ):
            raise Killed
        moved.extend([name] if name.startswith("data-") and move is not shutil.rmtree else [])
        return move(source, *rest, **named)

    def both(system: Fake, **options: Any) -> None:
        make(tmp_path / "folder", system, copies={"coco": tmp_path / "coco"}, **options)

    remove = shutil.rmtree
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("os.rename", partial(dies, os.rename))
        patch.setattr("os.replace", partial(dies, os.replace))
        patch.setattr(
            "shutil.rmtree",
            lambda path, **named: dies(remove, path, **named) if len(moved) == 2 else remove(path, **named),
        )
        both(Fake())
    assert len(moved) == moves
    system = Fake()
    both(system, resume=True)
    assert system.drawn == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco", "folder"]
    assert files(tmp_path / "folder") == files(make(tmp_path / "alone"))
    assert files(tmp_path / "coco") == files(make(tmp_path / "copy", format="coco"))


def test_every_png_the_manifest_and_the_card_say_where_the_pairs_came_from(tmp_path: Path) -> None:
    out = make(tmp_path / "out", seed=7, dials={"temperature": 0.5})
    with Image.open(out / "images" / "synthetic_000009.png") as picture:
        text = dict(picture.info)
    assert text["generator"] == "labelmint"
    assert text["version"] == labelmint.__version__
    assert text["synthetic"] == "true"
    assert text["DigitalSourceType"] == SOURCE_TYPE
    wanted = {
        "system": "fake",
        "weights": "0123",
        "seed": "7",
        "index": "9",
        "temperature": "0.5",
        "batch_size": "4",
    }
    assert wanted.items() <= text.items()
    lines = rows(out)
    assert [line["index"] for line in lines] == list(range(10))
    assert lines[9]["chunk"] == 2
    assert lines[9]["objects"] == {"2": 1, "9": 1}
    assert sum(lines[9]["pixels"].values()) == 256
    assert {"batch_size", "device", "precision", "threads", "weights", "seed"} <= lines[0].keys()
    card = (out / "README.md").read_text()
    for words in ("synthetic", "`fake`", "0123", "-n 10 --seed 7", "| 2 | 11 |", "torch"):
        assert words in card
    assert str(tmp_path) not in card
    assert json.loads((out / "settings.json").read_text())["temperature"] == 0.5
    with Image.open(out / "contact_sheet.png") as picture:
        assert min(picture.size) > 64


def test_given_layouts_and_those_of_the_run_are_named(tmp_path: Path) -> None:
    data = read(make(tmp_path / "layouts", n=3))
    given = rows(make(tmp_path / "given", layouts=data, per_layout=2, n=8))
    assert [row["layout"][-1] for row in given] == list("00112200")
    assert "--layouts DATA --per-layout 2" in (tmp_path / "given" / "README.md").read_text()
    own = make(tmp_path / "own", Fake(own_layouts=False), n=4)
    assert [row["layout"] for row in rows(own)] == [f"training layout {j}" for j in (0, 1, 2, 0)]
    assert "training layouts of the run" in (own / "README.md").read_text()
    assert rows(tmp_path / "layouts")[0]["layout"] is None


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


def test_counts_follow_instances_or_else_connected_pieces() -> None:
    labels = np.zeros((6, 6), np.uint8)
    labels[0:2], labels[4:6], labels[2, 0] = 1, 1, 255
    assert count_objects(Layout(label_map=labels), DIGIT_CLASSES) == {"0": 2}
    assert count_pixels(Layout(label_map=labels), DIGIT_CLASSES) == {"background": 11, "0": 24, "ignore": 1}
    instances = np.where(labels == 1, 5, 0).astype(np.uint16)
    assert count_objects(Layout(label_map=labels, instances=instances), DIGIT_CLASSES) == {"0": 1}


def test_the_background_of_each_mode_is_not_counted_as_objects() -> None:
    names = ("background FLAIR", "Background", "tumor")
    classes = ClassSet(tuple(ClassInfo(id=k, name=name) for k, name in enumerate(names)))
    labels = np.repeat(np.arange(3, dtype=np.uint8), 4).reshape(6, 2)
    assert count_objects(Layout(label_map=labels), classes) == {"tumor": 1}


def test_the_precision_of_drawing_stands_in_settings_manifest_and_card(tmp_path: Path) -> None:
    single, half = make(tmp_path / "single"), make(tmp_path / "half", Fake(precision="bf16-true"), warn=print)
    for out, precision in ((single, "32-true"), (half, "bf16-true")):
        assert json.loads((out / "settings.json").read_text())["precision"] == precision
        assert {row["precision"] for row in rows(out)} == {precision}
        assert ("--precision bf16" in (out / "README.md").read_text()) == (precision == "bf16-true")


@pytest.fixture
def real(tiny_run: Path) -> Iterator[Any]:
    yield labelmint.load(tiny_run, threads=1)


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


def test_a_resume_of_what_is_complete_draws_nothing_and_of_other_pairs_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "out")
    before, system = files(tmp_path), Fake()
    make(tmp_path / "out", system, resume=True)
    assert system.drawn == []
    with pytest.raises(InputError, match="made otherwise"):
        make(tmp_path / "out", resume=True, seed=1)
    assert files(tmp_path) == before
    (tmp_path / "out" / "settings.json").write_text("[]")
    with pytest.raises(InputError, match="damaged"):
        make(tmp_path / "out", resume=True)


def test_samples_per_layout_are_refused_where_each_draws_its_own(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="only has a meaning with --layouts or --vary, or for a run without a layout prior"
    ):
        make(tmp_path / "out", per_layout=3)
    assert not list(tmp_path.iterdir())
    make(tmp_path / "varied", per_layout=3, vary=True)
    own = make(tmp_path / "own", Fake(own_layouts=False), per_layout=3, n=4)
    assert [row["layout"][-1] for row in rows(own)] == list("0001")


def test_a_folder_of_somebody_else_beside_a_finished_export_is_left_alone(tmp_path: Path) -> None:
    make(tmp_path / "out")
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "thesis.txt").write_text("precious")
    make(tmp_path / "out", resume=True)
    assert (tmp_path / "out.partial" / "thesis.txt").read_text() == "precious"
