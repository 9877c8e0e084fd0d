"""Free-form deformations: what control points move, and whether fields fold."""

from __future__ import annotations

import torch

from labelmint.nn.free_form import FreeForm, jacobian, sampled


def test_equal_control_points_move_all_pixels_alike() -> None:
    form = FreeForm((12, 9), 4.0)
    field = form(torch.tensor([1.5, -2.0]).view(1, 2, 1, 1).expand(1, 2, *form.grid))
    assert torch.allclose(field[0, 0], torch.full((12, 9), 1.5), atol=1e-5)
    assert torch.allclose(field[0, 1], torch.full((12, 9), -2.0), atol=1e-5)
    assert torch.allclose(jacobian(field), torch.ones(1, 11, 8), atol=1e-5)


def test_what_is_linear_bends_nothing() -> None:
    form = FreeForm((16, 16), 5.0)
    ramp = torch.arange(form.grid[0]).float()[:, None].expand(form.grid)
    controls = torch.stack([torch.zeros(form.grid), ramp])[None]
    assert float(form.bending(controls)) < 1e-10
    field = form(controls)
    assert torch.allclose(field[0, 1].diff(dim=0), torch.full((15, 16), 1 / form.spacing[0]), atol=1e-5)
    assert float(form.bending(torch.randn(1, 2, *form.grid))) > 0


def test_a_field_of_nothing_gives_every_pixel_back() -> None:
    form = FreeForm((7, 10), 3.0)
    places = form.places(form(torch.zeros(2, 2, *form.grid)))
    images = torch.rand(2, 3, 7, 10)
    assert torch.equal(sampled(images, places, "nearest"), images)
    assert torch.allclose(sampled(images, places), images, atol=1e-5)


def test_a_field_that_turns_back_folds() -> None:
    field = torch.zeros(1, 2, 6, 6)
    field[0, 0] = -2.0 * torch.arange(6)
    assert float(jacobian(field).max()) < 0
