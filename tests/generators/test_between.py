"""Codes between two others: ends to the bit, equal steps on an arc, and uniform numbers by their quantile."""

from __future__ import annotations

import pytest
import torch

from labelmint.generators.between import between
from labelmint.protocols import Noise

PLACES = torch.linspace(0, 1, 5)


def ends(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    draw = torch.randn if kind == "normal" else torch.rand
    first, last = draw(1, 3, 4, 5), draw(1, 3, 4, 5)
    if kind == "uniform":
        first[0, 0, 0, 0] = 0.0
        last[0, 0, 0, 1] = 1 - 2**-24
    return first, last


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_way_begins_and_ends_at_its_ends(kind: str) -> None:
    first, last = ends(kind)
    noise = Noise("normal" if kind == "normal" else "uniform", (3, 4, 5))
    codes = between(noise, first, last, PLACES)
    assert codes.shape == (5, 3, 4, 5)
    assert codes.dtype == torch.float32
    assert codes[:1].equal(first)
    assert codes[-1:].equal(last)
    back = between(noise, last, first, 1 - PLACES)
    assert codes.allclose(back, atol=1e-6)
    if kind == "uniform":
        assert bool(((codes >= 0) & (codes < 1)).all())


def test_normal_codes_keep_their_length_and_turn_by_equal_angles() -> None:
    first, last = (one / one.norm() * 7 for one in ends("normal"))
    codes = between(Noise("normal", (3, 4, 5)), first, last, PLACES).flatten(1)
    assert codes.norm(dim=1).allclose(torch.tensor(7.0))
    angles = torch.arccos((codes[1:] * codes[:-1]).sum(dim=1) / 49)
    assert angles.allclose(angles[0], atol=1e-4)


def test_uniform_codes_are_those_of_normal_ones() -> None:
    first, last = (one.clamp(0.01, 0.99) for one in ends("uniform"))
    found = between(Noise("uniform", (3, 4, 5)), first, last, PLACES)
    z = between(Noise("normal", (3, 4, 5)), torch.special.ndtri(first), torch.special.ndtri(last), PLACES)
    assert found.allclose(torch.special.ndtr(z), atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
def test_where_there_is_no_arc_the_line_is_taken(factor: float) -> None:
    first = torch.tensor([[1.0, 2.0]])
    codes = between(Noise("normal", (2,)), first, factor * first, PLACES)
    assert codes.allclose(first * (1 + PLACES[:, None] * (factor - 1)))
