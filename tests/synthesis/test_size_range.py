"""Sizes beyond the training range: told once a class, on stderr and in the data set's own card, and never for
what was trained on.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import labelmint
from labelmint.cli import main
from labelmint.datasets.geometry import Geometry
from labelmint.runs.trained import TrainedSystem
from labelmint.synthesis import mint
from labelmint.synthesis.size_range import object_sizes, outside_sizes, size_warnings
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout

CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell")))


@pytest.fixture(scope="module")
def system(tiny_run: Path) -> TrainedSystem:
    return labelmint.load(tiny_run)


def enlarged(folder: Path, factor: int) -> DataSet:
    """The data with everything in the middle enlarged by a factor."""
    data = labelmint.read(folder)

    def load(name: str) -> AnnotatedImage:
        pair, side = data.load(name), 32 // factor
        rows = slice((32 - side) // 2, (32 + side) // 2)
        maps = [pair.layout.label_map[rows, rows], pair.layout.instances[rows, rows]]  # type: ignore[index]
        image, (labels, instances) = Geometry(size=(32, 32)).fit(name, pair.image[rows, rows], maps)
        return AnnotatedImage(name=name, image=image, layout=Layout(label_map=labels, instances=instances))

    return dataclasses.replace(data, load=load)


def test_a_size_is_outside_beyond_the_tolerance_only() -> None:
    trained = {1: np.array([[100, 10, 10], [400, 20, 20]])}
    inside = {1: np.array([[96, 10, 10], [419, 21, 20]])}
    assert outside_sizes(inside, trained, CLASSES, 7) == []
    (line,) = outside_sizes({1: np.array([[94, 10, 10], [200, 22, 10]])}, trained, CLASSES, 7)
    assert line.startswith("class 'cell': 2 of 2 given objects lie outside the sizes of 7 training layouts")
    assert "area 94 to 200 (trained on 100 to 400)" in line
    assert "width 10 to 22 (trained on 10 to 20)" in line
    assert "height" not in line
    (line,) = outside_sizes({1: np.array([[1, 1, 1]])}, {}, CLASSES, 7)
    assert "none of the 7 training layouts" in line


def test_sizes_are_those_of_the_instances(system: TrainedSystem, digits_folder: Path) -> None:
    data = labelmint.read(digits_folder)
    found = object_sizes(system, system.layouts_of(data))
    wanted: dict[int, list[tuple[int, int]]] = {}
    for pair in data:
        instances = pair.layout.instances
        assert instances is not None
        for k in np.unique(instances[instances > 0]):
            mask = instances == k
            rows = np.flatnonzero(mask.any(axis=1))
            class_id = int(np.bincount(pair.layout.label_map[mask]).argmax())
            wanted.setdefault(class_id, []).append((int(mask.sum()), int(np.ptp(rows)) + 1))
    assert list(found) == sorted(wanted)
    for class_id, sizes in found.items():
        assert sorted((int(area), int(height)) for area, _, height in sizes) == sorted(wanted[class_id])


def test_training_layouts_lie_inside_and_larger_ones_do_not(
    system: TrainedSystem, digits_folder: Path
) -> None:
    trained = system.training_layouts()
    assert size_warnings(system, trained, range(len(trained))) == []
    larger = system.layouts_of(enlarged(digits_folder, 2))
    assert len(size_warnings(system, larger, range(len(larger)))) > 1
    assert size_warnings(system, larger, range(len(larger))) == size_warnings(
        system, larger, range(len(larger))
    )
    assert size_warnings(system, torch.cat([trained[:1], larger]), [0]) == []


def test_mint_warns_and_the_card_tells(system: TrainedSystem, digits_folder: Path, tmp_path: Path) -> None:
    data = enlarged(digits_folder, 2)
    said: list[str] = []
    out = mint(
        system, tmp_path / "out", n=2, batch_size=2, layouts=data.subset(data.names[:2]), warn=said.append
    )
    assert said
    assert all(line in (out / "README.md").read_text() for line in said)
    assert json.loads((out / "settings.json").read_text())["warnings"] == said
    with pytest.warns(UserWarning, match="given objects lie outside"):
        mint(system, tmp_path / "out", n=2, batch_size=2, layouts=data.subset(data.names[:2]), resume=True)
    within = mint(system, tmp_path / "in", n=2, batch_size=2)
    assert "Doubtful" not in (within / "README.md").read_text()


def test_the_command_says_it_on_stderr(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = enlarged(digits_folder, 2)
    labelmint.write(iter(data), tmp_path / "large", format="folder", classes=data.classes)
    words = [
        "synthesize",
        tiny_run,
        "--out",
        tmp_path / "out",
        "-n",
        2,
        "--batch-size",
        2,
        "--layouts",
        tmp_path / "large",
        "--json",
    ]
    assert main([str(word) for word in words]) == 0
    said = capfd.readouterr()
    warned = [line for line in said.err.splitlines() if line.startswith("labelmint: warning: class ")]
    assert warned
    assert json.loads(said.out)["warnings"] == [line.removeprefix("labelmint: warning: ") for line in warned]
