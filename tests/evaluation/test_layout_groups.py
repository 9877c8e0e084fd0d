"""Samples of one layout are resampled together; where a manifest says so, or how many there are of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tests.evaluation.conftest import as_data
from tests.helpers import canvases
from tests.synthesis.fakes import Fake, make

from labelmint import formats
from labelmint.datasets.digits import DIGIT_CLASSES
from labelmint.evaluation.layout_groups import layout_groups
from labelmint.evaluation.views import views_of_samples
from labelmint.formats import read


def test_samples_of_layouts_that_are_taken_in_turn_are_of_one_group(tmp_path: Path) -> None:
    data = read(make(tmp_path / "out", Fake(own_layouts=False), n=7))
    views = views_of_samples(data, DIGIT_CLASSES, (16, 16), 1)
    assert views.groups == tuple(f"training layout {i % 3}" for i in range(7))


def rows(tmp_path: Path, found: Sequence[dict[str, object]], **settings: object) -> list[str]:
    """The groups of samples with these lines in their manifest."""
    folder = tmp_path / "out"
    formats.write(iter(canvases("pairs", len(found), seed=1)), folder, format="folder", classes=DIGIT_CLASSES)
    names = read(folder).names
    lines = [
        json.dumps({"name": name, **row}, ensure_ascii=False) for name, row in zip(names, found, strict=True)
    ]
    (folder / "manifest.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "settings.json").write_text(json.dumps(settings))
    groups = layout_groups(read(folder))
    return [groups.get(name, name) for name in names]


def test_layouts_that_are_drawn_are_told_by_how_many_images_each_has(tmp_path: Path) -> None:
    found = [{"layout": None, "seed": 0, "index": i} for i in (0, 2, 3, 4)]
    assert rows(tmp_path, found, per_layout=3) == [
        "seed 0, layout 0",
        "seed 0, layout 0",
        "seed 0, layout 1",
        "seed 0, layout 1",
    ]


def test_pairs_that_were_moved_are_told_by_the_pair(tmp_path: Path) -> None:
    found = [{"layout": "training layout 1", "pair": pair, "seed": 0, "index": 0} for pair in ("a", "b", "a")]
    assert rows(tmp_path, found) == ["a", "b", "a"]


def test_painted_layouts_are_told_by_their_maps_and_not_by_what_they_were_painted_on(tmp_path: Path) -> None:
    found = [
        {
            "layout": "painted on a blank layout",
            "painted": True,
            "layouts_digest": digest,
            "seed": 0,
            "index": i,
        }
        for i, digest in enumerate(("a", "b", "a"))
    ]
    assert rows(tmp_path, found) == ["painted a", "painted b", "painted a"]


def test_a_line_ends_at_a_newline_alone(tmp_path: Path) -> None:
    found = [{"layout": f"left\u2028right {i}", "seed": 0, "index": i} for i in (0, 0, 1)]
    assert rows(tmp_path, found) == ["left\u2028right 0", "left\u2028right 0", "left\u2028right 1"]


def test_without_a_manifest_that_can_be_read_each_sample_is_its_own(tmp_path: Path) -> None:
    data = as_data(canvases("pairs", 3, seed=1))
    assert layout_groups(data) == {}
    assert views_of_samples(data, DIGIT_CLASSES, (32, 32), 1).groups == data.names
    assert len(np.unique(rows(tmp_path, [{"index": 0}] * 3))) == 3
