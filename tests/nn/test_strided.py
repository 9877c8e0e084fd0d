"""Strided convolutions halve and double, and no item depends on its batch."""

import torch

from labelmint.nn.strided import Output, double, halve, widths_of


def test_halving_and_doubling_are_exact_for_even_sides() -> None:
    x = torch.rand(2, 3, 12, 20)
    half = halve(3, 8)(x)
    assert half.shape == (2, 8, 6, 10)
    assert double(8, 3)(half).shape == double(8, 3, "resize")(half).shape == x.shape


def test_resizing_treats_odd_and_even_pixels_alike() -> None:
    """A flat map stays flat inside; a transposed convolution shows its lattice until it has learned not to."""
    torch.manual_seed(0)
    flat = torch.ones(1, 8, 6, 6)
    with torch.no_grad():
        resized, transposed = (
            double(8, 3, kind)(flat)[..., 2:-2, 2:-2].std(dim=(2, 3)) for kind in ("resize", "transposed")
        )
    assert float(resized.max()) < 1e-6
    assert float(transposed.max()) > 1e-3


def test_an_item_does_not_depend_on_its_batch() -> None:
    down, x = halve(3, 6), torch.rand(4, 3, 8, 8)
    assert torch.allclose(down(x)[1:2], down(x[1:2]), atol=1e-6)


def test_widths_double_down_to_eight() -> None:
    assert widths_of(64, 3) == [16, 32, 64]
    assert widths_of(16, 4) == [8, 8, 8, 16]


def test_a_linear_end_learns_where_tanh_is_lost() -> None:
    """From an overshoot far below black, the gradient towards a dark grey is there without tanh, and gone
    with it.
    """
    for kind, learns in (("linear", True), ("tanh", False)):
        output, value = Output(kind).train(), torch.full((4,), -8.0, requires_grad=True)  # type: ignore[arg-type]
        loss = (output(value) + 0.87).square().mean()
        torch.autograd.backward(loss)
        assert value.grad is not None
        assert bool(value.grad.abs().max() > 1e-3) == learns


def test_images_stay_within_their_range() -> None:
    x = torch.linspace(-3, 3, 13)
    for kind in ("linear", "tanh"):
        image = Output(kind).eval()(x)  # type: ignore[arg-type]
        assert float(image.abs().max()) <= 1
        assert (image.diff() >= 0).all()
