"""Tables of patterns are counted in the views that the training has."""

import numpy as np
import pytest
import torch
from tests.tokenizers.pairs import SYMBOLS, boxes

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.objectives.patterns import count_patterns
from labelmint.tokenizers.patterns import Patterns

SIDE = 24


@pytest.mark.parametrize("augment", [frozenset(), frozenset({"flips", "zoom"})])
def test_patterns_are_counted_once_in_each_still_pair_and_else_in_views_that_the_seed_tells(
    augment: frozenset[str],
) -> None:
    few = boxes(43, 1, (SIDE, SIDE))
    images = [np.zeros((SIDE, SIDE, 1), np.uint8) for _ in range(len(few))]
    ids = [one.numpy() for one in few.layouts.ids]
    tables = []
    for seed in (0, 0, 1):
        counted = Patterns(SYMBOLS, 40, 4)
        count_patterns(counted, Pairs(images, ids, Geometry(size=(SIDE, SIDE), augment=augment), seed))
        tables.append(counted.table)
    directly = Patterns(SYMBOLS, 40, 4)
    directly.count([torch.from_numpy(np.stack(ids))])
    assert tables[0].equal(tables[1])
    assert tables[0].equal(tables[2]) == tables[0].equal(directly.table) == (not augment)
