"""Patterns of cells: the nearest entry, what the table holds, and what is never lost."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.patterns import Patterns

SYMBOLS = 4


def blobs(count: int, size: tuple[int, int] = (24, 16), seed: int = 0, symbols: int = SYMBOLS) -> Tensor:
    """Layouts whose borders run every way."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, symbols, size[0] // 4, size[1] // 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, size, mode="bicubic").argmax(dim=1).to(torch.uint8)


def counted(entries: int, cell: int, ids: Tensor) -> Patterns:
    patterns = Patterns(SYMBOLS, entries, cell)
    patterns.count([ids])
    return patterns


def cells(ids: Tensor, cell: int) -> Tensor:
    """(B h w, cell cell), in raster order."""
    return (
        torch.nn.functional.unfold(ids[:, None].float(), cell, stride=cell)
        .transpose(1, 2)
        .flatten(0, 1)
        .to(torch.int16)
    )


@given(cell=st.sampled_from([1, 2, 4]), entries=st.integers(SYMBOLS, 40), seed=st.integers(0, 5))
def test_a_token_is_the_first_of_the_entries_that_differ_least(cell: int, entries: int, seed: int) -> None:
    patterns, ids = counted(entries, cell, blobs(4)), blobs(3, seed=seed + 1)
    differing = (cells(ids, cell)[:, None] != patterns.table).sum(dim=2)
    nearest = [row.tolist().index(min(row)) for row in differing]
    assert patterns.encode(ids).flatten().tolist() == nearest


@given(cell=st.sampled_from([2, 4]), entries=st.integers(SYMBOLS, 40), seed=st.integers(0, 5))
def test_no_cell_comes_back_worse_than_under_the_label_map_of_its_grid(
    cell: int, entries: int, seed: int
) -> None:
    patterns, ids = counted(entries, cell, blobs(4)), blobs(3, seed=seed + 1)
    height, width = ids.shape[1:]
    reduced = LabelMap(SYMBOLS, (height // cell, width // cell), (height, width)).reduce(ids)
    flat = reduced.repeat_interleave(cell, 1).repeat_interleave(cell, 2)
    wrong, under_label_map = (
        (cells(ids, cell) != cells(back, cell)).sum(dim=1)
        for back in (patterns.decode(patterns.encode(ids)), flat)
    )
    assert (wrong <= under_label_map).all()


def test_a_table_with_room_for_all_patterns_loses_nothing() -> None:
    ids = blobs(6)
    patterns = counted(len(cells(ids, 2).unique(dim=0)) + SYMBOLS, 2, ids)
    assert patterns.decode(patterns.encode(ids)).equal(ids.to(torch.int16))


def test_the_table_holds_each_symbol_and_then_what_is_missed_most() -> None:
    ids, entries = blobs(8), 20
    table = counted(entries, 4, ids).table
    assert table[:SYMBOLS].equal(torch.arange(SYMBOLS, dtype=torch.int32)[:, None].repeat(1, 16))
    found, times = cells(ids, 4).unique(dim=0, return_counts=True)
    for entry in range(SYMBOLS, entries):
        missed = times * (found[:, None] != table[:entry]).sum(dim=2).amin(dim=1)
        chosen = (found == table[entry]).all(dim=1)
        assert missed[chosen] == missed.max()


def test_many_entries_lose_less_than_few() -> None:
    ids = blobs(6, seed=1)

    def misread(entries: int) -> float:
        patterns = counted(entries, 4, blobs(6))
        return float((patterns.decode(patterns.encode(ids)) != ids).float().mean())

    assert misread(64) < 0.9 * misread(16) < 0.81 * misread(SYMBOLS)


def test_the_table_does_not_depend_on_how_layouts_come_in_batches() -> None:
    ids = blobs(12)
    whole = counted(24, 4, ids)
    parts = Patterns(SYMBOLS, 24, 4)
    parts.count(ids.flip(0).split(5))
    assert whole.table.equal(parts.table)


def test_with_fewer_patterns_than_entries_only_true_ones_are_used() -> None:
    ids = torch.zeros(2, 8, 8, dtype=torch.uint8)
    ids[:, :3] = 1
    patterns = counted(64, 2, ids)
    tokens = patterns.encode(ids)
    assert sorted(tokens.unique().tolist()) == [0, 1, SYMBOLS]
    assert patterns.decode(torch.full((1, 4, 4), 63)).unique().numel() == 1
    assert patterns.used.nonzero().flatten().tolist() == list(range(SYMBOLS + 1))


def test_a_layout_s_tokens_are_the_same_alone_and_after_saving() -> None:
    ids = blobs(5)
    patterns, other = counted(24, 4, ids), Patterns(SYMBOLS, 24, 4)
    other.load_state_dict(patterns.state_dict())
    assert patterns.encode(ids)[2:3].equal(other.encode(ids[2:3]))


def test_many_symbols_are_told_apart() -> None:
    ids = torch.arange(300, dtype=torch.int16).repeat(4).view(1, 30, 40)
    patterns = Patterns(300, 300, 1)
    assert patterns.decode(patterns.encode(ids)).equal(ids)


def test_a_table_without_room_for_the_symbols_is_refused() -> None:
    with pytest.raises(ValueError, match="no room for 5 symbols"):
        Patterns(5, 4, 2)
