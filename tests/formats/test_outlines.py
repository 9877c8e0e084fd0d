"""Laws of outlines: filled by COCO's own rule they give back the mask, apart and joined."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco
from scipy.ndimage import label

from labelmint.formats.outlines import joined, outlines_of
from labelmint.formats.painting import decode

RING = np.pad(np.pad(np.zeros((2, 3), dtype=bool), 2, constant_values=True), ((1, 2), (2, 3)))


def filled(*polygons: tuple[float, ...], size: tuple[int, ...]) -> np.ndarray:
    """How many polygons cover each pixel."""
    shapes = coco.frPyObjects([list(polygon) for polygon in polygons], *size) if polygons else []
    texts = [{"size": size, "counts": shape["counts"].decode()} for shape in shapes]
    return sum((decode(text, (size[0], size[1])).astype(int) for text in texts), np.zeros(size, dtype=int))


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_filled_outlines_are_the_mask(share: float) -> None:
    generator = np.random.default_rng(int(share * 100))
    for _ in range(40):
        mask = generator.random(generator.integers(1, 14, 2)) < share
        rings, holes = outlines_of(mask)
        assert len(rings) == label(mask)[1]
        assert np.array_equal(filled(*rings, size=mask.shape) - filled(*holes, size=mask.shape), mask)
        if rings:
            assert np.array_equal(filled(joined([*rings, *holes]), size=mask.shape), mask)


def test_outlines_run_through_corners_of_pixels_with_the_object_on_the_right() -> None:
    assert outlines_of(RING) == (((2, 1, 9, 1, 9, 7, 2, 7),), ((7, 3, 4, 3, 4, 5, 7, 5),))
    corner = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.uint8)
    assert outlines_of(corner).rings == ((1, 1, 2, 1, 2, 2, 1, 2), (2, 2, 3, 2, 3, 3, 2, 3))
    assert outlines_of(np.zeros((3, 0), dtype=bool)) == outlines_of(corner > 1) == ((), ())


def test_one_outline_stays_as_it_is_and_several_are_joined_where_they_are_nearest() -> None:
    one, other = (0.5, 0.0, 4.0, 0.0, 4.0, 3.25), (9.0, 9.0, 5.0, 4.0, 9.0, 4.0)
    assert joined([one]) == one
    path = joined([one, other])
    assert path == (0.5, 0, 4, 0, 4, 3.25, 5, 4, 9, 4, 9, 9, 5, 4, 4, 3.25)
    assert np.array_equal(filled(path, size=(12, 12)), filled(one, other, size=(12, 12)))


def test_any_outlines_that_do_not_overlap_cover_the_same_joined() -> None:
    generator = np.random.default_rng(3)
    for _ in range(60):
        polygons = [
            tuple((generator.random((5, 2)) * 7 + (10 * place, 10 * (place % 2))).ravel().tolist())
            for place in range(4)
        ]
        both = filled(*polygons, size=(20, 40))
        assert np.array_equal(filled(joined(polygons), size=(20, 40)), both)
