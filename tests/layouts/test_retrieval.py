"""Retrieval: the fast search finds what the definition finds, in both forms."""

from __future__ import annotations

import numpy as np
import pytest

from labelmint.layouts import retrieval
from labelmint.layouts.retrieval import CELLS, in_cells, nearest, shown_boxes, shown_maps, tables_of
from labelmint.types import Array

CLASSES, LAYOUTS = 4, 300


def scenes(count: int, seed: int) -> Array:
    """Boxes (count, 5, 5) of layouts, class and cells, padded with -1; some layouts have none, some two of a class."""
    rng, found = np.random.default_rng(seed), np.full((count, 5, 5), -1, np.int16)
    for k in range(count):
        for row in range(rng.integers(6)):
            x, y = rng.integers(0, CELLS - 1, 2)
            wide, high = rng.integers(1, 30, 2)
            found[k, row] = [rng.integers(CLASSES), x, y, min(x + wide, CELLS), min(y + high, CELLS)]
    return found


def filled(boxes: Array) -> Array:
    """Booleans (CLASSES, 64, 64): the cells of each class."""
    masks = np.zeros((CLASSES, CELLS, CELLS), bool)
    for one, x0, y0, x1, y1 in boxes.tolist():
        if one >= 0:
            masks[one, y0:y1, x0:x1] = True
    return masks


def plainly(query: Array, masks: list[Array], count: int, left_out: Array) -> list[int]:
    """Equation (1), as it is written."""
    wanted, scores = filled(query), []
    for place, own in enumerate(masks):
        of = [one for one in range(CLASSES) if wanted[one].any()]
        shared = sum(int((own[one] & wanted[one]).sum()) for one in of)
        united = sum(int((own[one] | wanted[one]).sum()) for one in of)
        scores.append((-shared / united, place) if shared and not left_out[place] else (0.0, place))
    return [place for score, place in sorted(scores)[:count] if score < 0]


@pytest.mark.parametrize("form", ["boxes", "map"])
def test_the_fast_search_is_the_definition(form: str) -> None:
    boxes = scenes(LAYOUTS, 0)
    boxes[200:] = boxes[:100]  # equals, of which the first come first
    masks = [filled(some) for some in boxes]
    shown = shown_boxes(boxes, CLASSES)
    if form == "map":
        maps = np.full((LAYOUTS, CELLS, CELLS), CLASSES, np.uint8)
        for place, own in enumerate(masks):
            for one in range(CLASSES):  # later classes hide former ones
                maps[place][own[one]] = one
        masks = [np.stack([ids == one for one in range(CLASSES)]) for ids in maps]
        shown = shown_maps(maps, CLASSES + 1, range(CLASSES))
    tables, left_out = tables_of(shown, LAYOUTS), np.arange(LAYOUTS) % 7 == 0
    for query in scenes(12, 1):
        own = query[query[:, 0] >= 0]
        assert nearest(tables, own, 3).tolist() == plainly(own, masks, 3, left_out & False)
        assert nearest(tables, own, 70, left_out).tolist() == plainly(own, masks, 70, left_out)


def test_the_definition_is_found_where_bounds_say_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_AT_ONCE", 100)
    maps = np.random.default_rng(2).integers(
        0, CLASSES, (LAYOUTS, CELLS, CELLS), np.uint8
    )  # noise: all tiles alike
    masks = [np.stack([ids == one for one in range(CLASSES)]) for ids in maps]
    tables, none = tables_of(shown_maps(maps, CLASSES, range(CLASSES)), LAYOUTS), np.zeros(LAYOUTS, bool)
    for query in scenes(6, 3):
        own = query[query[:, 0] >= 0]
        assert nearest(tables, own, 3).tolist() == plainly(own, masks, 3, none)


def test_nothing_is_found_of_nothing() -> None:
    tables = tables_of(shown_boxes(scenes(4, 0), CLASSES), 4)
    assert not len(nearest(tables, np.zeros((0, 5), np.int16), 3))
    assert not len(nearest(tables_of(shown_boxes(scenes(0, 0), CLASSES), 0), scenes(1, 1)[0, :1], 3))


def test_bits_are_counted_alike_without_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    words = np.random.default_rng(0).integers(0, 2**64, (3, CELLS), np.uint64)
    wanted = [[bin(word).count("1") for word in row] for row in words.tolist()]
    assert retrieval._ones(words).tolist() == wanted
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert retrieval._ones(words).tolist() == wanted


def test_boxes_cover_the_cells_whose_centers_they_hold_and_one_at_least() -> None:
    boxes = np.array([[3, 0, 0, 128, 32], [1, 3, 1, 5, 1.5], [1, 127.5, 31.9, 128, 32]])
    assert in_cells(boxes, (32, 128)).tolist() == [[3, 0, 0, 64, 64], [1, 1, 2, 2, 3], [1, 63, 63, 64, 64]]
