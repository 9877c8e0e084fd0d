"""Boxes in place of a layout: which objects have one, and labels that say no more than boxes do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.symbols import SymbolTable
from labelmint.errors import InputError
from labelmint.layouts.boxes import BoxRule, BoxSettings, count_boxes, salient_classes
from labelmint.types import Array, ClassInfo, ClassSet, LayoutBatch

NAMES = ("background", "cell", "speck", "sky")
CLASSES = ClassSet(tuple(ClassInfo(id=k, name=name) for k, name in enumerate(NAMES)))
# cell has two colors; the last symbol is what is ignored
TABLE = SymbolTable(((0, 0), (1, 1), (1, 2), (2, 0))).with_ignored(255)


def rule(salient: Sequence[int] = (1, 2), table: SymbolTable = TABLE, **settings: float) -> BoxRule:
    return BoxRule.of(table, CLASSES, salient, BoxSettings.model_validate(settings))


def drawn(*boxes: tuple[int, int, int, int, int]) -> Array:
    """A map (12, 16) of symbols, of filled boxes one over the other."""
    ids = np.zeros((12, 16), np.uint8)
    for symbol, x0, y0, x1, y1 in boxes:
        ids[y0:y1, x0:x1] = symbol
    return ids


def pair(ids: Array, instances: Array | None = None, boxes: Array | None = None) -> Pair:
    blank = np.zeros((*ids.shape, 1), np.uint8)
    return Pair(name="a", group="a", image=blank, ids=ids, instances=instances, boxes=boxes)


TOUCHING = drawn((1, 0, 0, 4, 4), (2, 4, 0, 8, 4), (3, 10, 6, 11, 7))


def test_pieces_of_a_map_have_boxes_of_their_class_and_small_ones_have_none() -> None:
    boxes, small = rule().found(pair(TOUCHING))
    assert boxes.tolist() == [[1, 0, 0, 4, 4], [1, 4, 0, 8, 4]]  # of both colors, one class
    assert small == 1
    assert rule(least_box=1).found(pair(TOUCHING))[0].tolist()[2] == [3, 10, 6, 11, 7]


def test_an_instance_in_two_pieces_has_one_box_and_what_is_of_no_instance_has_its_own() -> None:
    ids = drawn((1, 0, 0, 2, 2), (1, 6, 0, 8, 3), (1, 12, 8, 16, 12))
    instances = (ids > 0).astype(np.uint16)
    instances[8:] = 0
    assert rule().of_pair(pair(ids, instances)).tolist() == [[1, 0, 0, 8, 3], [1, 12, 8, 16, 12]]


def test_annotated_boxes_stay_as_they_are_but_for_classes_without_boxes() -> None:
    given = np.array([[1, 0.5, 0, 1, 1.5], [0, 0, 0, 9, 9], [3, 2, 2, 4, 4]])
    assert rule((1,)).found(pair(TOUCHING, boxes=given))[0].tolist() == [[1, 0.5, 0, 1, 1.5]]


def test_a_layout_has_its_largest_boxes_in_their_order() -> None:
    ids = drawn((1, 0, 0, 3, 3), (3, 4, 0, 9, 5), (1, 10, 0, 12, 2), (3, 0, 6, 4, 10))
    assert rule(most_boxes=2).of_map(ids).tolist() == [[3, 4, 0, 9, 5], [3, 0, 6, 4, 10]]


def test_layouts_are_seen_alike_by_their_boxes_and_by_their_maps() -> None:
    ids, empty = torch.from_numpy(TOUCHING)[None], torch.zeros(1, 12, 16, dtype=torch.uint8)
    found = rule().see(LayoutBatch(torch.cat([ids, empty])))
    assert found.boxes is not None
    assert found.boxes.shape == (2, 16, 5)
    assert found.boxes[0, :2].tolist() == [[1, 0, 0, 4, 4], [1, 4, 0, 8, 4]]
    assert (found.boxes[0, 2:] == -1).all()
    assert (found.boxes[1] == -1).all()  # an image without objects
    assert found.ids[0].bool().sum() == 32
    again = rule().see(LayoutBatch(found.ids, boxes=found.boxes[:, :3]))
    assert again.boxes is not None
    assert again.boxes.equal(found.boxes)
    assert again.ids.equal(found.ids)


def test_a_label_is_boxes_and_a_map_of_these_filled() -> None:
    seen = rule().see(LayoutBatch(torch.from_numpy(TOUCHING)[None]))
    (label,) = rule().labels(seen, TABLE)
    assert [(one.class_id, one.box) for one in label.objects] == [(1, (0, 0, 4, 4)), (1, (4, 0, 8, 4))]
    assert label.label_map[:4, :8].tolist() == [[1] * 8] * 4
    assert label.label_map[4:].max() == 0  # the background is known: all else has boxes
    assert label.instances is not None
    assert set(np.unique(label.instances)) == {0, 1, 2}


def test_what_is_not_known_has_an_id_where_no_symbol_stands_for_it() -> None:
    table = SymbolTable(TABLE.symbols[:4])  # without one for what is ignored
    chosen = rule((1,), table)
    (label,) = chosen.labels(chosen.see(LayoutBatch(torch.from_numpy(TOUCHING)[None])), table, unknown=9)
    assert set(np.unique(label.label_map)) == {1, 9}


@pytest.mark.parametrize("why", ["a class has no boxes", "as many boxes as there may be"])
def test_where_more_may_stand_beside_the_boxes_it_is_ignored(why: str) -> None:
    chosen = rule((1,)) if why == "a class has no boxes" else rule(most_boxes=2)
    drawn_ = LayoutBatch(torch.from_numpy(TOUCHING)[None])
    seen = chosen.see(drawn_)
    (label,) = chosen.labels(seen, TABLE)
    assert set(np.unique(label.label_map)) == {1, 255}
    whole = chosen.whole(drawn_, seen)[0]
    assert set(np.unique(whole)) == {1, 2, 4}
    assert (whole[:4, :8] == TOUCHING[:4, :8]).all()


def test_a_whole_map_keeps_what_boxes_tell_and_ignores_what_was_left_out() -> None:
    round_ = drawn((1, 0, 0, 5, 5), (3, 10, 6, 11, 7))
    round_[0, 0] = 0  # an outline that is no box
    given = LayoutBatch(torch.from_numpy(round_)[None])
    (whole,) = rule().whole(given, rule().see(given))
    assert (whole == np.where(round_ == 3, 4, round_)).all()


def test_a_view_has_at_most_so_many_boxes() -> None:
    ids = drawn((1, 0, 0, 3, 3), (3, 4, 0, 9, 5), (1, 10, 0, 12, 2), (3, 0, 6, 4, 10))
    cut = Geometry(size=(6, 12), crop=True, augment=frozenset({"flips"}))
    pairs = Pairs([np.zeros((12, 16, 1), np.uint8)], [ids], cut, 0).with_boxes(rule().of_pair, 2)
    for step in range(4):
        batch = pairs.batch(step, 2)
        assert batch.layouts.boxes is not None
        assert batch.layouts.boxes.shape == (2, 2, 5)
        for map_, boxes in zip(batch.layouts.ids, batch.layouts.boxes, strict=True):
            for symbol, x0, y0, x1, y1 in boxes[boxes[:, 0] >= 0].int().tolist():
                assert (map_[y0:y1, x0:x1] == symbol).all()
    assert pairs.take([0]).batch(0, 1).layouts.boxes.shape == (1, 2, 5)  # type: ignore[union-attr]


def test_classes_that_cover_more_than_a_tenth_have_no_boxes_unless_named() -> None:
    pixels = {0: 500, 1: 100, 2: 0, 3: 400, 255: 0}
    assert salient_classes(pixels, CLASSES, BoxSettings()) == (1, 2)
    assert salient_classes(pixels, CLASSES, BoxSettings(salient="sky, cell")) == (1, 3)
    assert salient_classes({0: 500, 3: 400}, CLASSES, BoxSettings()) == (3,)  # there are no others
    with pytest.raises(InputError, match="no class 'moon'; there are background, cell"):
        salient_classes(pixels, CLASSES, BoxSettings(salient="moon"))
    with pytest.raises(InputError, match="no pair shows 'sky'"):
        salient_classes({0: 1, 1: 1}, CLASSES, BoxSettings(salient="sky"))
    with pytest.raises(InputError, match="show no class that has any"):
        salient_classes({0: 500}, CLASSES, BoxSettings())


def test_what_is_left_out_is_counted() -> None:
    pixels, settings = {0: 80, 1: 10, 2: 1, 3: 9}, BoxSettings(most_boxes=1)
    some = [pair(TOUCHING), pair(np.zeros_like(TOUCHING))]
    chosen = BoxRule.of(TABLE, CLASSES, (1, 2), settings)
    count = count_boxes(some, chosen, None, [0, 1, 1, 2, 255], pixels, CLASSES, settings)
    assert str(count) == (
        "1 boxes of 1 class; left out: 1 smaller than 4 pixels, 1 beyond 1 an image; without boxes: sky (9.0% of the "
        "pixels)"
    )
    assert count.fullest == 1
