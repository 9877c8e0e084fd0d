"""Layouts as tokens: nothing invented, counts right, instances apart."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from labelmint.contracts import check_tokenizer
from labelmint.datasets.symbols import SymbolTable, color_instances
from labelmint.nn.sight import area_fractions
from labelmint.tokenizers.label_map import LabelMap
from labelmint.types import Batch, LayoutBatch

LABELS = np.array([[0, 3, 3, 255], [300, 3, 3, 0]], dtype=np.uint16)
INSTANCES = np.array([[0, 1, 2, 0], [0, 1, 2, 0]], dtype=np.uint16)
TABLE = SymbolTable.of([(LABELS, color_instances(INSTANCES, LABELS, 1))])


@given(arrays.arrays(np.uint8, (2, 8, 12), elements=st.integers(0, 4)))
def test_reducing_and_enlarging_invent_no_symbol_and_fractions_are_counts(ids: np.ndarray) -> None:
    label_map = LabelMap(5, (4, 3), (8, 12))
    batch = LayoutBatch(torch.from_numpy(ids))
    fractions = area_fractions(batch.ids, (4, 3), 5)
    for r, c in np.ndindex(4, 3):
        cell = ids[:, 2 * r : 2 * r + 2, 4 * c : 4 * c + 4].reshape(2, -1)
        expected = np.stack([(cell == s).mean(axis=1) for s in range(5)], axis=1)
        np.testing.assert_allclose(fractions[:, :, r, c].numpy(), expected, atol=1e-6)
    reduced, seen = label_map.reduce(batch.ids), label_map.as_seen(batch).ids
    for i in range(2):
        assert set(reduced[i].unique().tolist()) <= set(np.unique(ids[i]).tolist())
        assert set(seen[i].unique().tolist()) <= set(reduced[i].unique().tolist())


@given(arrays.arrays(np.uint8, (2, 3, 4), elements=st.integers(0, 4)))
def test_enlarging_equals_the_one_hot_definition(cells: np.ndarray) -> None:
    tokens = torch.from_numpy(cells)
    one_hot = torch.nn.functional.one_hot(tokens.long(), 5).permute(0, 3, 1, 2).double()
    shares = torch.nn.functional.interpolate(one_hot, size=(12, 20), mode="bilinear", align_corners=False)
    enlarged = LabelMap(5, (3, 4), (12, 20)).enlarge(tokens)
    assert shares.gather(1, enlarged[:, None].long())[:, 0].allclose(shares.amax(1), atol=1e-5)


def test_a_layout_made_of_whole_cells_survives_and_its_tokenizer_keeps_the_laws() -> None:
    cells = torch.randint(5, (2, 4, 6), generator=torch.Generator().manual_seed(0))
    ids = cells.repeat_interleave(2, 1).repeat_interleave(2, 2)
    label_map = LabelMap(5, (4, 6), (8, 12))
    assert label_map.reduce(ids).equal(cells)
    check_tokenizer(label_map, Batch(torch.zeros(2, 1, 8, 12), LayoutBatch(ids)))
    full = LabelMap(5, (8, 12), (8, 12))
    assert full.as_seen(LayoutBatch(ids)).ids.equal(ids.to(torch.int16))


def test_symbols_and_back() -> None:
    assert TABLE.symbols == ((0, 0), (3, 1), (3, 2), (255, 0), (300, 0))
    layout = TABLE.layout(TABLE.index(LABELS, color_instances(INSTANCES, LABELS, 1)), has_instances=True)
    np.testing.assert_array_equal(layout.label_map, LABELS)
    assert layout.instances is not None
    assert len(np.unique(layout.instances)) == 3
    assert len(np.unique(layout.instances[INSTANCES == 1])) == 1
    assert TABLE.layout(TABLE.index(LABELS, None), has_instances=False).instances is None


def test_colors_that_are_not_in_the_table_give_way_to_their_nearest() -> None:
    colors = np.array([[2, 0, 4, 1], [3, 1, 2, 0]])
    np.testing.assert_array_equal(TABLE.index(LABELS, colors), [[0, 1, 2, 3], [4, 1, 2, 0]])


def test_touching_and_near_instances_get_different_colors() -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(0, 40, (30, 2))
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(40), indexing="ij"), -1)
    distance = np.linalg.norm(grid[:, :, None] - points, axis=-1)
    instances = np.where(distance.min(-1) < 6, distance.argmin(-1) + 1, 0)
    colors = color_instances(instances, (instances > 0).astype(np.uint8), 1)
    assert ((colors > 0) == (instances > 0)).all()
    assert colors.max() <= 4
    clashes = sum(
        int(((a > 0) & (b > 0) & (a != b) & (ca == cb)).sum())
        for a, b, ca, cb in [
            (instances[1:], instances[:-1], colors[1:], colors[:-1]),
            (instances[:, 1:], instances[:, :-1], colors[:, 1:], colors[:, :-1]),
        ]
    )
    assert clashes <= 8  # four greedy colors nearly always suffice
    assert (color_instances(np.zeros((3, 3), int), np.zeros((3, 3), int), 2) == 0).all()


def test_only_instances_of_one_class_are_colored_apart() -> None:
    instances = np.repeat([[1, 1, 2, 2, 3, 3]], 4, axis=0)
    labels = np.repeat([[5, 5, 7, 7, 7, 7]], 4, axis=0)
    labels[0, 2] = 5  # a border pixel of another class does not make the instance one
    assert color_instances(instances, labels, 1)[1].tolist() == [1, 1, 1, 1, 2, 2]
