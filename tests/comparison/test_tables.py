"""The tables: means over trainings, the widest interval, and what was not measured."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.comparison.made_up import apart, measured

from labelmint.comparison.pictures import NAME, picture
from labelmint.comparison.report import comparison_results
from labelmint.comparison.tables import FIGURES, figures_of, table_of_figures
from labelmint.evaluation.fidelity import OF_LITE0
from labelmint.reports.results import Figure, Picture
from labelmint.types import ClassInfo, ClassSet

OF_ANOTHER = f"fidelity.{OF_LITE0}"


def figures(value: float, low: float, high: float) -> dict[str, Figure]:
    ratio = Figure(name="obedience.ratio", title="x", value=value, low=low, high=high, real=1.0)
    lacking = Figure(name="diversity.same_layout_ssim", title="x", value=None, refused="one image a layout")
    others = [
        Figure(name=name, title="x", value=2) for name in ("effort.minutes", "fidelity.frechet_distance")
    ]
    return {figure.name: figure for figure in (ratio, lacking, *others)}


def test_the_interval_of_two_trainings_holds_those_of_both() -> None:
    each = [
        measured("flow", seed, figures=figures(*three))
        for seed, three in enumerate([(0.9, 0.8, 0.95), (1.0, 0.9, 1.1)])
    ]
    found = {figure.name: figure for figure in figures_of(each)}
    ratio = found["flow.obedience.ratio"]
    assert (ratio.value, ratio.low, ratio.high) == (pytest.approx(0.95), 0.8, 1.1)
    assert found["flow.diversity.same_layout_ssim"].refused == "one image a layout"
    assert set(found) == {f"flow.{name}" for name in FIGURES if name != OF_ANOTHER}
    table = table_of_figures({"flow": tuple(found.values())}, 2)
    rows = {str(row[0]): row for row in table.rows}
    assert rows[FIGURES["obedience.ratio"]][1:] == ("1", "0.950 (0.800 to 1.10)")
    assert rows[FIGURES["diversity.same_layout_ssim"]][2] == "-"


def test_a_distance_of_another_network_has_a_row_where_it_was_asked_for() -> None:
    distance = Figure(name=OF_ANOTHER, title="x", value=3)
    found = figures_of([measured("flow", figures={**figures(1, 0.9, 1.1), OF_ANOTHER: distance})])
    rows = {str(row[0]): row for row in table_of_figures({"flow": found}, 1).rows}
    assert rows[FIGURES[OF_ANOTHER]][2] == "3"


def test_the_report_leaves_out_what_must_not_be_used() -> None:
    found = {
        "mint": [measured("mint", figures=figures(1, 0.9, 1.1))],
        "flow": [
            measured(
                "flow",
                figures=figures(1, 0.9, 1.1),
                level="bad",
                reasons=("Obedience 1: as it should be", "Copies per 1,000 400: bad"),
            )
        ],
    }
    results = comparison_results(
        found,
        apart("mint", "flow", -1, -1),
        minutes=30,
        picture=Picture(title="x", file="compare.png"),
        title="x",
        origin={},
    )
    assert results.verdict.text.startswith("Keep mint")
    assert "flow is out: Copies per 1,000 400: bad" in results.verdict.reasons
    assert results.figures["mint.obedience.ratio"].value == 1
    trainings = next(section for section in results.sections if section.name == "trainings")
    assert trainings.tables[0].rows[1][0] == "flow seed 0" and trainings.tables[0].rows[1][-1] == "do not use"


def test_the_smallest_objects_of_the_picture_show_their_class(tmp_path: Path) -> None:
    """Lines around the objects of a small layout were as wide as these, which all looked alike."""
    ids = np.zeros((16, 16), np.uint8)
    ids[4:6, 4:6] = 1
    layout = SimpleNamespace(ids=ids, instances=ids.astype(np.uint16))
    classes = ClassSet(
        (ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell", color=(10, 200, 30)))
    )
    image = np.zeros((16, 16, 3), np.uint8)
    samples: Any = SimpleNamespace(names=("a",), load=lambda name: SimpleNamespace(image=image))
    ground: Any = SimpleNamespace(
        layouts=[layout],
        data=SimpleNamespace(classes=classes),
        views=SimpleNamespace(images=image[None], labels=ids[None]),
        real=SimpleNamespace(foreground=(1,)),
    )
    picture(tmp_path, ground, {"flow": samples}, 0)
    with Image.open(tmp_path / NAME) as drawn:
        assert (np.asarray(drawn) == (10, 200, 30)).all(axis=2).sum() >= 100
