"""What is known of the real pairs is known of them beside any samples."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from labelmint.evaluation.material import Material
from labelmint.evaluation.views import Views
from labelmint.segmenters.judge import Judge
from labelmint.types import Array, ClassInfo, ClassSet

CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="thing")))


class Reader:
    """Stands in for a judge; counts the images that it is shown."""

    shown = 0

    def predict(self, images: Array, tell: object = None) -> Array:
        self.shown += len(images)
        return (images[..., 0] > 100).astype(np.int16)

    def features(self, images: Array) -> Array:
        self.shown += len(images)
        return images.reshape(len(images), -1)[:, :5].astype(np.float64)


def views(count: int, seed: int) -> Views:
    names = tuple(f"{seed}-{i}" for i in range(count))
    images = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1)).astype(np.uint8)
    return Views(
        names=names,
        groups=names,
        images=images,
        labels=(images[..., 0] > 90).astype(np.int16),
        instances=None,
    )


def made(reader: Reader, synthetic: Views) -> Material:
    return Material(
        folder=Path(),
        classes=CLASSES,
        foreground=(1,),
        training=[],
        validation=[],
        test=[],
        seen=views(20, 1),
        real=views(10, 2),
        synthetic=synthetic,
        judge=cast(Judge, reader),
        drawn_layouts=False,
        seed=0,
        report=lambda event: None,
    )


def test_other_samples_have_the_figures_of_a_material_of_their_own_and_nothing_real_is_read_twice() -> None:
    reader, others = Reader(), views(7, 4)
    first = made(reader, views(8, 3))
    for which in ("real", "synthetic"):
        first.reading(which), first.features(which)
    assert reader.shown == 10 + 8 + 20 + 10 + 8
    second, alone = first.beside(others, Path("elsewhere")), made(Reader(), others)
    for which in ("seen", "real", "synthetic"):
        assert np.array_equal(second.features(which), alone.features(which))
    assert np.array_equal(second.reading("synthetic"), alone.reading("synthetic"))
    assert reader.shown == 10 + 8 + 20 + 10 + 8 + 7 + 7
    assert second.folder == Path("elsewhere") and first.folder == Path()


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ([f"{i}" for i in range(8)], True),  # samples of a layout each
        ([f"{i % 10}" for i in range(40)], True),
        ([f"{i % 9}" for i in range(40)], False),
        (["most"] * 21 + [f"{i}" for i in range(20)], False),
        (["one"] * 8, False),
    ],
)
def test_halves_of_few_or_uneven_layouts_give_no_interval(groups: list[str], told: bool) -> None:
    material = made(Reader(), views(2, 4))
    low, high = material.half_interval(lambda index: float(index.mean()), 1.0, groups, 20)
    assert (low is not None, high is not None) == (told, told)
