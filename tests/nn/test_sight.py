"""Edges between the symbols of a layout."""

import torch

from labelmint.nn.sight import LayoutEmbedding, symbol_edges
from labelmint.types import LayoutBatch


def test_an_edge_is_a_pixel_whose_symbol_differs_from_one_of_its_four_neighbors() -> None:
    torch.manual_seed(0)
    ids = torch.randint(2, (2, 5, 7), dtype=torch.uint8).repeat_interleave(2, 1).repeat_interleave(2, 2)
    found = symbol_edges(ids)
    for item, row, column in torch.cartesian_prod(*map(torch.arange, ids.shape)).tolist():
        around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        inside = [(y, x) for y, x in around if 0 <= y < ids.shape[1] and 0 <= x < ids.shape[2]]
        differs = any(ids[item, y, x] != ids[item, row, column] for y, x in inside)
        assert bool(found[item, row, column]) == differs


def test_edges_stand_beside_an_embedded_layout() -> None:
    ids = torch.zeros(1, 4, 4, dtype=torch.uint8)
    ids[:, :, 2:] = 1
    embedding = LayoutEmbedding(2, 3, edges=True)
    seen = embedding(LayoutBatch(ids))
    assert seen.shape[1] == embedding.width == 4
    assert seen[0, 3].tolist() == [[0, 1, 1, 0]] * 4
