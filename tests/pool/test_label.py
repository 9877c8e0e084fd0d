"""Labels minted for a pool: at its images' own size, whole or not at all, and the same after a stop."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.helpers import contents
from tests.pool.blobs import FEW, SIZE, blob, write_labelled, write_pool

import labelmint
from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.pool.advise import advise
from labelmint.pool.images import in_channels
from labelmint.pool.label import label
from labelmint.pool.labelled import load_labelled
from labelmint.pool.options import LabelOptions
from labelmint.pool.rounds import _key
from labelmint.pool.stored import EnsembleFolder
from labelmint.progress import Event
from labelmint.storage import alone


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """few/ with labels, pool/ without, and new/ with minted ones beside new-ensemble/. To be read only."""
    path = tmp_path_factory.mktemp("label")
    write_labelled(path / "few", 6, instances=True)
    pool = write_pool(path / "pool", 4)
    Image.fromarray(blob(0)[0]).save(pool / "labelled.png")  # a0 of few
    large = np.repeat(np.repeat(blob(105)[0], 2, axis=0), 2, axis=1)
    Image.fromarray(large).save(pool / "large.png")
    lines: list[str] = []
    label(pool, path / "few", path / "new", warn=lines.append, **FEW)
    assert lines == [f"{pool}: 1 images are labelled already and are left out"]
    return path


def test_every_image_of_the_pool_has_a_label_of_its_own_size(place: Path) -> None:
    data = labelmint.read(place / "new")
    assert data.names == ("large", "p0", "p1", "p2", "p3")
    assert data.layout("p0").size == SIZE
    assert data.layout("large").size == (2 * SIZE[0], 2 * SIZE[1])
    assert (place / "new" / "images" / "p0.png").read_bytes() == (place / "pool" / "p0.png").read_bytes()
    assert data.classes.names == ("background", "disk")


def test_minted_labels_agree_with_true_ones_where_they_are_kept(place: Path) -> None:
    data = labelmint.read(place / "new")
    right = seen = 0
    for k in range(4):
        minted, true = data.layout(f"p{k}").label_map, blob(100 + k)[1]
        kept = minted != 255
        right, seen = right + int((minted == true)[kept].sum()), seen + int(kept.sum())
    assert seen > 0.5 * 4 * SIZE[0] * SIZE[1]
    assert right > 0.9 * seen


def test_objects_are_told_apart_where_labels_do(place: Path) -> None:
    layout = labelmint.read(place / "new").layout("p0")
    assert layout.instances is not None
    assert np.array_equal(layout.instances > 0, layout.label_map == 1)


def test_what_stands_beside_the_labels(place: Path) -> None:
    new = place / "new"
    facts = json.loads((new / "settings.json").read_text(encoding="utf-8"))
    assert facts["images"] == 5
    maps = [pair.layout.label_map for pair in labelmint.read(new)]  # of two sizes
    kept, pixels = (
        sum(counts) for counts in zip(*((int((one != 255).sum()), one.size) for one in maps), strict=True)
    )
    assert facts["kept"] == pytest.approx(kept / pixels)
    assert facts["held_out_images"] == facts["labelled_images"] == 6
    assert {"threshold", "kept", "precision", "recall", "dice"} == set(facts["expected"]["disk"])
    assert facts["expected"]["disk"]["kept"] >= 0.8
    lines = [line.split(",") for line in (new / "doubt.csv").read_text(encoding="utf-8").splitlines()]
    assert lines[0] == ["name", "kept", "doubt", "refused"]
    doubts = [float(line[2]) for line in lines[1:]]
    assert doubts == sorted(doubts, reverse=True)
    assert len(doubts) == 5
    with Image.open(new / "doubt.png") as sheet:
        assert sheet.width > 300
    card = (new / "README.md").read_text(encoding="utf-8")
    assert "their labels are not a person's" in card
    assert "read by the mean of all, so that the figures are on the careful side" in card
    assert "in 2 round(s)" in card and "the labelled images are not quite unseen" in card


def test_a_stopped_call_goes_on_and_ends_with_the_same_bytes(place: Path, tmp_path: Path) -> None:
    """Stopped after the first member of the second round: the others are trained, and nothing else is."""

    class Stop(Exception):
        pass

    def stopping(event: Event) -> None:
        if event.stage == "write labels":
            raise Stop

    ensemble = Path(shutil.copytree(place / "new-ensemble", tmp_path / "ensemble"))
    for member in ("member-2", "member-3"):
        shutil.rmtree(next(ensemble.glob(f"round-2-*/{member}")))
    stages: list[str] = []
    for report in (stopping, lambda event: stages.append(event.stage)):
        with pytest.raises(Stop) if report is stopping else nullcontext():
            label(
                place / "pool",
                place / "few",
                tmp_path / "new",
                ensemble=ensemble,
                report=report,
                warn=lambda line: None,
                **FEW,
            )
        assert (tmp_path / "new").exists() == (report is not stopping)
    assert not any("segmenter" in stage for stage in stages)  # those of the first call
    assert _bytes(ensemble) == _bytes(place / "new-ensemble")
    assert _bytes(tmp_path / "new") == _bytes(place / "new")


def test_labels_are_the_same_where_memory_does_not_hold_the_pool(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images and minted labels are then mapped from the disk, from which a member of the second round learns anew."""
    monkeypatch.setattr("labelmint.datasets.keeping.available_memory", lambda device: 0)
    ensemble = Path(shutil.copytree(place / "new-ensemble", tmp_path / "ensemble"))
    shutil.rmtree(next(ensemble.glob("round-2-*/member-3")))
    new = tmp_path / "new"
    label(place / "pool", place / "few", new, ensemble=ensemble, warn=lambda line: None, **FEW)
    assert _bytes(ensemble) == _bytes(place / "new-ensemble")
    assert _bytes(new) == _bytes(place / "new")


def test_grey_images_take_no_more_memory_in_color() -> None:
    image = blob(0)[0][..., None]
    grey = Pair(name="a", group="a", image=image, ids=np.zeros(SIZE, np.uint8))
    (color,) = in_channels([grey], 3)
    assert np.array_equal(color.image, np.repeat(image, 3, axis=2))
    assert np.shares_memory(color.image, image)
    assert in_channels([color], 3) == [color]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_other_images_are_labelled_by_the_same_members(place: Path, tmp_path: Path) -> None:
    before = contents(place / "new-ensemble")
    stages: list[str] = []
    label(
        write_pool(tmp_path / "other", 2, first=300),
        place / "few",
        tmp_path / "out",
        rounds=1,
        format="coco",
        ensemble=place / "new-ensemble",
        report=lambda event: stages.append(event.stage),
        warn=lambda line: None,
        **FEW,
    )
    assert not any("segmenter" in stage for stage in stages)
    after = contents(place / "new-ensemble")
    assert {k: v for k, v in after.items() if "member" in k} == {
        k: v for k, v in before.items() if "member" in k
    }
    assert labelmint.read(tmp_path / "out").format == "coco"


def test_an_ensemble_of_other_labels_is_refused(place: Path, tmp_path: Path) -> None:
    write_labelled(tmp_path / "few", 4)
    with pytest.raises(InputError, match=r"an ensemble of other labelled data.*--ensemble"):
        label(
            place / "pool",
            tmp_path / "few",
            tmp_path / "out",
            ensemble=place / "new-ensemble",
            warn=print,
            **FEW,
        )
    assert not (tmp_path / "out").exists()


def test_an_ensemble_is_of_the_pairs_that_it_was_held_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where labels are many: another val.txt, another ensemble, else pairs that were learned from set thresholds."""
    monkeypatch.setattr("labelmint.pool.labelled.MANY", 4)
    data, options = labelmint.read(write_labelled(tmp_path / "few", 6)), LabelOptions(**FEW)

    def key(*validation: str) -> str:
        parts = replace(data, test=("a0",), validation=validation)
        return _key(load_labelled(parts, options, 3, 1, tmp_path, lambda event: None), options)

    assert key("a1") == key("a1") != key("a2")


def test_labels_that_all_validate_are_dealt_into_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many labels with val.txt and test.txt, and none that only teaches: val.txt leaves none to learn from."""
    monkeypatch.setattr("labelmint.pool.labelled.MANY", 4)
    data = labelmint.read(write_labelled(tmp_path / "few", 6))
    parts = replace(data, test=("a0",), validation=("a1", "a2", "a3", "a4", "a5"))
    found = load_labelled(parts, LabelOptions(**FEW), 3, 1, tmp_path, lambda event: None)
    assert found.cross_fitted and not found.apart
    assert all(lesson.training and lesson.held_out for lesson in found.lessons)


def test_labels_of_a_test_part_alone_are_refused(place: Path, tmp_path: Path) -> None:
    few = Path(shutil.copytree(place / "few", tmp_path / "few"))
    (few / "val.txt").write_text("\n".join(f"a{k}" for k in range(6)))
    with pytest.raises(InputError, match="all 6 labelled images are of its test part"):
        label(place / "pool", few, tmp_path / "out", **FEW)


@pytest.mark.parametrize("out", [".", ".."])
def test_the_folder_that_a_person_stands_in_has_its_ensemble_beside_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    stands = tmp_path / "new" / "below" if out == ".." else tmp_path / "new"
    (tmp_path / "new").mkdir()
    seen: list[Path] = []

    class Stop(Exception):
        pass

    def teach(ground: object, pool: object, options: object, folder: Path, tell: object) -> None:
        seen.append(folder)
        raise Stop

    monkeypatch.setattr("labelmint.pool.label.teach", teach)
    monkeypatch.setattr("labelmint.pool.label.check_target", lambda *about, **more: None)
    stands.mkdir(exist_ok=True)
    monkeypatch.chdir(stands)
    with pytest.raises(Stop):
        label(place / "pool", place / "few", out, warn=lambda line: None, **FEW)
    assert seen == [tmp_path / "new-ensemble"]


def test_a_place_that_takes_nothing_is_refused_before_anything_is_read(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the ensemble lies elsewhere, so that its training would succeed."""
    monkeypatch.setattr("labelmint.storage.os.access", lambda path, how: path != tmp_path)
    told = f"nothing may be written into {tmp_path}; give another --out"
    more: dict[str, Any] = {"report": lambda event: pytest.fail("works")}
    with pytest.raises(InputError, match=told):
        label(place / "pool", place / "few", tmp_path / "a" / "b", ensemble=place / "e", **more, **FEW)
    with pytest.raises(InputError, match=told):
        advise(place / "pool", place / "few", tmp_path / "advice", n=1, **more)


@pytest.mark.parametrize("inside", ["", "ensemble"])
def test_an_ensemble_in_the_folder_of_the_labels_is_refused_before_anything_is_trained(
    place: Path, tmp_path: Path, inside: str
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"--ensemble .*: lies in the folder of the labels"):
        label(
            place / "pool",
            place / "few",
            out,
            ensemble=out / inside,
            report=lambda event: pytest.fail("works"),
            **FEW,
        )
    assert not out.exists()


def test_two_commands_do_not_train_one_ensemble_at_once(tmp_path: Path) -> None:
    few, pool, place = (
        write_labelled(tmp_path / "few", 6),
        write_pool(tmp_path / "pool", 1),
        tmp_path / "members",
    )
    with alone(place), pytest.raises(InputError, match="another command works there"):
        label(pool, few, tmp_path / "out", ensemble=place, **FEW)
    assert not list(place.iterdir()) and not (tmp_path / "out").exists()


def test_a_damaged_ensemble_is_refused(place: Path, tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "ensemble"
    folder.mkdir()
    (folder / "latest.json").write_text('{"round": "round-1"}')
    (folder / "ensemble.json").write_text("{}")
    with pytest.raises(InputError, match="the ensemble is damaged"):
        EnsembleFolder(folder).open(torch.device("cpu"))
    with pytest.raises(InputError, match="holds no finished ensemble"):
        EnsembleFolder(tmp_path).open(torch.device("cpu"))


def test_what_to_remove_for_a_damaged_member_is_said(place: Path, tmp_path: Path) -> None:
    ensemble = Path(shutil.copytree(place / "new-ensemble", tmp_path / "ensemble"))
    member = ensemble / "round-1" / "member-2"
    weights = member / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    told = re.escape(f"(its SHA-256 differs from part.json); remove {member}, and the same command trains it")
    for _ in range(2):
        with pytest.raises(
            InputError, match=told if weights.exists() else "lacks member-2/weights.*; remove"
        ):
            label(place / "pool", place / "few", tmp_path / "out", ensemble=ensemble, warn=print, **FEW)
        weights.unlink(missing_ok=True)


def test_damaged_words_of_the_hardware_are_chosen_anew(tmp_path: Path) -> None:
    folder, options = EnsembleFolder(tmp_path / "ensemble"), LabelOptions(**FEW)
    found = folder.begin("key", options, {})
    mark = tmp_path / "ensemble" / "hardware.json"
    whole = mark.read_text(encoding="utf-8")
    for damaged in ('{"device": 5, "precision": "x", "threads": "a", "cores": null}', "[1]", ""):
        mark.write_text(damaged, encoding="utf-8")
        assert folder.begin("key", options, {}) == found
        assert mark.read_text(encoding="utf-8") == whole


@pytest.mark.parametrize(
    ("format", "without"), [("yolo", True), ("voc", False), ("nnunet", False), ("labelme", False)]
)
def test_formats_without_ignore_say_so(place: Path, tmp_path: Path, format: str, without: bool) -> None:
    lines: list[str] = []
    label(
        place / "pool",
        place / "few",
        tmp_path / "out",
        rounds=1,
        agreement=0.999,
        format=format,
        ensemble=place / "new-ensemble",
        warn=lines.append,
        **FEW,
    )
    assert any("ignore" in line for line in lines) == without
    assert len(labelmint.read(tmp_path / "out")) == 5
