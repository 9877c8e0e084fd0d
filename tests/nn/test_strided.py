"""Strided convolutions halve and double, and no item depends on its batch."""

import torch

from labelmint.nn.strided import double, halve, widths_of


def test_halving_and_doubling_are_exact_for_even_sides() -> None:
    x = torch.rand(2, 3, 12, 20)
    half = halve(3, 8)(x)
    assert half.shape == (2, 8, 6, 10)
    assert double(8, 3)(half).shape == x.shape


def test_an_item_does_not_depend_on_its_batch() -> None:
    down, x = halve(3, 6), torch.rand(4, 3, 8, 8)
    assert torch.allclose(down(x)[1:2], down(x[1:2]), atol=1e-6)


def test_widths_double_down_to_eight() -> None:
    assert widths_of(64, 3) == [16, 32, 64]
    assert widths_of(16, 4) == [8, 8, 8, 16]
