"""Advice from files: one of each kind, names fit for train.txt, the same for the same seed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.pool.advise import advise
from labelmint.pool.images import Pool
from labelmint.pool.label import label

FEW: dict[str, Any] = {"size": (24, 24), "threads": 1, "steps": 2}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of three kinds: dark and fine (8), bright and coarse (5), colored (3)."""
    folder = tmp_path_factory.mktemp("pool") / "images"
    folder.mkdir()
    for k in range(16):
        rng = np.random.default_rng(k)
        fine = rng.integers(0, 60, (24, 24), np.uint8)
        coarse = 150 + np.kron(rng.integers(0, 100, (4, 4)), np.ones((6, 6))).astype(np.uint8)
        colored = np.stack([coarse, fine, fine], axis=2)
        name, image = ("dark", fine) if k < 8 else ("bright", coarse) if k < 13 else ("color", colored)
        Image.fromarray(image).save(folder / f"{name}{k}.png")
    return folder.parent


def kinds(names: tuple[str, ...]) -> list[str]:
    return [name.rstrip("0123456789") for name in names]


def test_without_any_label_one_of_each_kind(pool: Path, tmp_path: Path) -> None:
    advice = advise(pool, out=tmp_path / "advice", n=3, **FEW)
    assert kinds(advice.names) == ["dark", "bright", "color"]
    assert (tmp_path / "advice" / "advice.txt").read_text().split() == list(advice.names)
    facts = json.loads((tmp_path / "advice" / "advice.json").read_text())
    assert facts == json.loads(json.dumps(advice.to_json()))
    assert facts["weights"]["embedding"] == 1
    with Image.open(tmp_path / "advice" / "advice.png") as sheet:
        assert sheet.width > 300
    assert "nothing is labelled yet" in advice.words[0]
    assert advise(pool, n=3, **FEW).names == advice.names


def test_kinds_without_a_label_come_first_and_are_said(pool: Path, tmp_path: Path) -> None:
    for part in ("images", "labels"):
        (tmp_path / "few" / part).mkdir(parents=True)
    for name in ("dark0", "dark1"):
        with Image.open(pool / "images" / f"{name}.png") as image:
            image.save(tmp_path / "few" / "images" / f"{name}.png")
        Image.fromarray(np.eye(24, dtype=np.uint8)).save(tmp_path / "few" / "labels" / f"{name}.png")
    lines: list[str] = []
    advice = advise(pool, tmp_path / "few", n=2, clusters=3, warn=lines.append, **FEW)
    assert kinds(advice.names) == ["bright", "color"]
    assert advice.words[0] == "2 of 3 clusters, 57% of the pool, hold no labelled image"
    assert any("brighter" in line and "coarser" in line for line in advice.words[1:])
    assert not {"dark0", "dark1"} & {one.medoid for one in advice.clusters}
    assert lines == [f"{pool}: 2 images are labelled already and are left out"]


def test_images_of_the_test_part_are_neither_advised_nor_labelled(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have other names in the pool, and one is stored in color there."""
    few, names = tmp_path / "few", ("dark0", "dark1", "dark2", "bright8")
    for part in ("images", "labels"):
        (few / part).mkdir(parents=True)
    for name in names:
        with Image.open(pool / "images" / f"{name}.png") as image:
            image.convert("RGB" if name == "bright8" else "L").save(few / "images" / f"{name}.png")
        Image.fromarray(np.eye(24, dtype=np.uint8)).save(few / "labels" / f"{name}.png")
    for name in ("dark2", "bright8"):
        (few / "images" / f"{name}.png").rename(few / "images" / f"tested-{name}.png")
        (few / "labels" / f"{name}.png").rename(few / "labels" / f"tested-{name}.png")
    (few / "test.txt").write_text("tested-dark2\ntested-bright8\n")
    lines: list[str] = []
    advice = advise(pool, few, n=12, clusters=3, warn=lines.append, **FEW)
    assert not set(names) & set(advice.names)
    told = [
        f"{pool}: 2 images are labelled already and are left out",
        f"{pool}: 2 images are of the test part of the labelled data and are left out",
    ]
    assert lines == told

    class Stop(Exception):
        pass

    def teach(ground: object, found: Pool, *about: object) -> None:
        assert len(found.pairs) == 12 and not set(names) & set(found.data.names)
        raise Stop

    lines.clear()
    monkeypatch.setattr("labelmint.pool.label.teach", teach)
    with pytest.raises(Stop):
        label(pool, few, tmp_path / "new", size=(24, 24), warn=lines.append)
    assert lines == told


def test_labels_of_a_test_part_alone_are_no_labels_to_learn_from(pool: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    for part in ("images", "labels"):
        (few / part).mkdir(parents=True)
    shutil.copy(pool / "images" / "dark0.png", few / "images")
    Image.fromarray(np.eye(24, dtype=np.uint8)).save(few / "labels" / "dark0.png")
    (few / "val.txt").write_text("dark0\n")
    lines: list[str] = []
    advice = advise(pool, few, n=15, warn=lines.append, **FEW)
    assert "dark0" not in advice.names and "nothing is labelled yet" in advice.words[0]
    assert lines == [f"{pool}: 1 images are of the test part of the labelled data and are left out"]


def test_many_images_are_not_parted_into_more_clusters_than_may_be_asked_for(
    pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Medoids are chosen among 4,000 images: 6 here."""
    monkeypatch.setattr("labelmint.metrics.medoids._MOST", 6)
    monkeypatch.setattr("labelmint.pool.advise._MOST_CLUSTERS", 5)
    advice = advise(pool, n=12, **FEW)
    assert len(set(advice.names)) == 12 and len(advice.clusters) == 5


def test_all_damaged_images_are_named_at_once(pool: Path, tmp_path: Path) -> None:
    images = Path(shutil.copytree(pool / "images", tmp_path / "images"))
    for damaged in range(1, 5):
        file = images / f"dark{damaged}.png"
        file.write_bytes(file.read_bytes()[:60])
        names = ", ".join(repr(f"dark{k}") for k in range(1, min(damaged, 3) + 1))
        more = " and 1 more" if damaged > 3 else ""
        told = re.escape(
            f"{damaged} of 16 images can't be read: {names}{more}; mend these files, or move them out"
        )
        with pytest.raises(InputError, match=f"{told}.*The first: .*dark1.png"):
            advise(tmp_path, n=2, **FEW)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"n": 17}, "-n 17: the pool holds 16"),
        ({"n": 0}, "-n 0"),
        ({"clusters": 0}, "--clusters 0"),
        ({"steps": -1}, "--steps -1"),
        ({"seed": -1}, "--seed -1"),
        ({"normalize": "all"}, "--normalize all"),
        ({"crop": True, "size": (32, 32)}, "smaller than the crop"),
        ({"scale": 0.5}, "--scale only has a meaning with --crop"),
        ({"n": 2, "ensemble": "nowhere"}, "holds no finished ensemble"),
    ],
)
def test_bad_requests_are_refused(pool: Path, tmp_path: Path, more: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        advise(pool, out=tmp_path / "advice", **{**FEW, **more})
    assert not (tmp_path / "advice").exists()
