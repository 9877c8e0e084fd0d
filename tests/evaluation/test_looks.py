"""Kinds and texture in a report: known mixtures, blur, groups, few and flat images, and what is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from labelmint.evaluation.looks import Looks, looks
from labelmint.evaluation.material import Material
from labelmint.evaluation.views import Views
from labelmint.reports.html import render
from labelmint.reports.results import Figure, Results, Section, Verdict
from labelmint.segmenters.judge import Judge
from labelmint.types import ClassInfo, ClassSet

CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="nucleus")))
STAINS = np.array([[20, 20, 20], [170, 140, 200], [220, 215, 225]])


def stained(counts: tuple[int, int, int], seed: int, channels: int = 3, side: int = 32) -> np.ndarray:
    """Images (N, H, W, C) uint8 with some texture, as many of each stain as counted."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(3), counts)
    noise = gaussian_filter(rng.normal(0, 12, (len(kinds), side, side, channels)), (0, 0.5, 0.5, 0))
    return np.clip(STAINS[kinds][:, None, None, :channels] + noise, 0, 255).astype(np.uint8)


def views(images: np.ndarray, name: str, per_group: int = 1) -> Views:
    names = tuple(f"{name}_{i:03d}" for i in range(len(images)))
    groups = tuple(f"{name}_{i // per_group}" for i in range(len(images)))
    labels = np.zeros(images.shape[:3], np.int16)
    return Views(names=names, groups=groups, images=images, labels=labels, instances=None)


def found(folder: Path, samples: np.ndarray, seen: np.ndarray, real: np.ndarray, per_group: int = 1) -> Looks:
    made = Material(
        folder=folder,
        classes=CLASSES,
        foreground=(1,),
        training=[],
        validation=[],
        test=[],
        seen=views(seen, "training", per_group),
        real=views(real, "test", per_group),
        synthetic=views(samples, "sample"),
        judge=cast(Judge, None),
        drawn_layouts=True,
        seed=0,
        report=lambda event: None,
    )
    return looks(made, np.ones(len(samples), bool))


def figures(part: Looks) -> tuple[Figure, Figure]:
    kinds, texture = part.figures
    assert (kinds.name, texture.name) == ("fidelity.kinds_variation", "fidelity.fine_texture")
    return kinds, texture


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.refused
    return figure.value


SEEN, REAL = stained((60, 30, 10), 0), stained((30, 15, 5), 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_fresh_images_of_the_mixture_are_as_real_ones(tmp_path: Path, channels: int) -> None:
    seen, real = stained((60, 30, 10), 0, channels), stained((30, 15, 5), 1, channels)
    part = found(tmp_path, stained((46, 24, 10), 2, channels), seen, real)
    kinds, texture = figures(part)
    assert value(kinds) == pytest.approx(0.025)
    assert kinds.real is not None
    assert 0.02 < kinds.real < 0.1
    assert kinds.low is not None
    assert kinds.high is not None
    assert 0 <= kinds.low <= value(kinds) <= kinds.high
    assert value(texture) == pytest.approx(1, abs=0.1)
    assert texture.real == pytest.approx(1, abs=0.1)
    rows = part.tables[0].rows
    assert [row[0] for row in rows] == ["kind 1", "kind 2", "kind 3"]
    assert [row[2] for row in rows] == pytest.approx([60, 30, 10])
    assert [row[3] for row in rows] == pytest.approx([57.5, 30, 12.5])
    assert [row[4] for row in rows] == pytest.approx([1, 1, 1], abs=0.1)


def test_one_stain_alone_and_blur_are_seen_and_only_where_they_are(tmp_path: Path) -> None:
    purple = stained((0, 50, 0), 3)
    kinds, _ = figures(part := found(tmp_path, purple, SEEN, REAL))
    assert value(kinds) == pytest.approx(0.7)
    assert [row[3] for row in part.tables[0].rows] == [0, 100, 0]
    assert [row[4] is None for row in part.tables[0].rows] == [True, False, True]
    mixed = stained((60, 30, 10), 4)
    mixed[60:90] = gaussian_filter(mixed[60:90].astype(float), (0, 1, 1, 0)).round()
    textures = [row[4] for row in found(tmp_path, mixed, SEEN, REAL).tables[0].rows]
    assert [isinstance(one, float) and one < 0.5 for one in textures] == [False, True, False]
    blurred = gaussian_filter(stained((60, 30, 10), 5).astype(float), (0, 1, 1, 0)).round().astype(np.uint8)
    kinds, texture = figures(found(tmp_path, blurred, SEEN, REAL))
    assert value(kinds) < 0.05
    assert value(texture) < 0.3
    assert texture.high is not None
    assert texture.high < 0.5


def test_the_report_draws_kinds_and_texture(tmp_path: Path) -> None:
    part = found(tmp_path, stained((60, 30, 0), 2), SEEN, REAL)
    bars, curve = part.charts
    assert [series.name for series in bars.series] == ["synthetic", "real"]
    assert bars.series[0].x == ("kind 1", "kind 2", "kind 3")
    assert [series.name for series in curve.series] == ["synthetic over real", "test over training views"]
    assert all(0 < float(x or 0) < 0.5 for x in curve.series[0].x)
    sheet = np.asarray(Image.open(tmp_path / part.pictures[0].file))
    assert sheet[-sheet.shape[0] // 6, -sheet.shape[1] // 4].tolist() == [255] * 3, "no sample is of kind 3"
    section = Section(name="fidelity", title="Looks", **{name: getattr(part, name) for name in vars(part)})
    verdict = Verdict(level="mixed", text="")
    page = render(Results(title="t", verdict=verdict, headline=(), sections=(section,)), tmp_path)
    for text in (
        "Kinds of images",
        "Texture by frequency",
        "fidelity.fine_texture",
        "training_0",
        "1 is right",
    ):
        assert text in page, text


def test_the_same_again_and_whole_groups_make_the_doubt_wider(tmp_path: Path) -> None:
    samples = stained((60, 30, 10), 2)
    once, again, grouped = (found(tmp_path, samples, SEEN, REAL, size) for size in (1, 1, 10))
    assert once == again
    assert (figures(grouped)[0].real or 0) > 1.5 * (figures(once)[0].real or 0)


def test_few_images_are_refused_in_words(tmp_path: Path) -> None:
    few = found(tmp_path, stained((20, 0, 0), 2), SEEN[:8], REAL[:7])
    for figure in figures(few):
        assert figure.value is None
        assert "at least 16 real images" in figure.refused
        assert "15 and 20" in figure.refused
    assert (few.tables, few.charts, few.pictures) == ((), (), ())
    tiny = found(tmp_path, stained((20, 0, 0), 2, side=4), SEEN[:, :4, :4], REAL[:, :4, :4])
    assert "at least 8x8 pixels" in figures(tiny)[1].refused


def test_flat_images_have_an_answer(tmp_path: Path) -> None:
    flat = np.full_like(SEEN, 7)
    kinds, texture = figures(found(tmp_path, SEEN, flat, flat[:20]))
    assert "of one kind" in kinds.refused
    assert "flat" in texture.refused
    kinds, texture = figures(found(tmp_path, flat, SEEN, REAL))
    assert value(texture) == 0
    assert value(kinds) == pytest.approx(0.4)
