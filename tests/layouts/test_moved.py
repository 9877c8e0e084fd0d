"""Pairs that are moved: registration, fineness, alignment, and the laws of the layouts drawn of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelmint.contracts import check_layout_source
from labelmint.generators.transferred import TransferredImages
from labelmint.layouts.alignment import ALIGNED, alignment
from labelmint.layouts.fineness import MOST_ZOOM, fitting_zooms, radial_spectrum
from labelmint.layouts.moved import MovedLayouts
from labelmint.layouts.pair_memory import PairMemory
from labelmint.layouts.registration import misfit, register, strongest
from labelmint.nn.free_form import FreeForm, jacobian, sampled
from labelmint.types import Array

SIZE = (16, 12)


def blob(row: float, column: float, size: tuple[int, int] = (24, 20), radius: float = 5.0) -> torch.Tensor:
    """An image (1, H, W) in [-1, 1] of one soft disk."""
    y, x = torch.meshgrid(torch.arange(size[0]).float(), torch.arange(size[1]).float(), indexing="ij")
    return torch.tanh((radius - torch.hypot(y - row, x - column)) / 2)[None].float()


def memory(warped: bool = False) -> PairMemory:
    """Two pairs larger than the layouts, or of their size, with moves of random strength."""
    drawn = np.random.default_rng(0)
    sizes = [SIZE, SIZE] if warped else [(20, 15), (16, 12)]
    found = PairMemory()
    found.hold_pairs(
        [torch.from_numpy(drawn.integers(0, 256, (1, *size), np.uint8)) for size in sizes],
        [torch.from_numpy(drawn.integers(0, 3, size, np.uint8)) for size in sizes],
    )
    found.hold(
        groups=torch.arange(2),
        donors=torch.from_numpy(drawn.integers(0, 256, (3, 1, *SIZE), np.uint8)),
        donor_groups=torch.tensor([0, 1, 2]),
        zooms=torch.tensor([[0.4, 2.5], [1.0, 3.0]]),
        controls=torch.from_numpy(drawn.normal(0, 1, (2, 2, 2, *form().grid))).float(),
        strengths=torch.tensor([[0.5, 2.0], [1.0, 0.0]]),
        warped=torch.tensor(warped),
        mirrored=torch.tensor([1]),
    )
    return found


def form() -> FreeForm:
    return FreeForm(SIZE, 5.0)


def test_a_warp_makes_images_alike_and_does_not_fold() -> None:
    moving, fixed, deformation = blob(10, 9)[None], blob(13, 11)[None], FreeForm((24, 20), 6.0)
    controls, alike = register(moving, fixed, deformation, steps=60, stiffness=0.1)
    before = 1 - misfit(moving, fixed, deformation, torch.zeros_like(controls), 0.0)
    assert float(alike) > 0.9 > float(before)
    strength = strongest(deformation, controls)
    assert float(strength) >= 1
    assert float(jacobian(strength * deformation(controls)).min()) > 0


@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.0])
def test_a_zoom_is_found_by_the_spectra(zoom: float) -> None:
    def pattern(scale: float) -> Array:
        drawn = np.random.default_rng(3)
        y, x = np.mgrid[:64, :64]
        found = sum(
            np.exp(-(np.hypot(y - row, x - column) ** 2) / (2 * (3 * scale) ** 2))
            for row, column in drawn.uniform(0, 64, (int(40 / scale**2), 2))
        )
        return (200 * np.minimum(found, 1)).astype(np.uint8)[..., None]

    one, other = (radial_spectrum(pattern(scale))[None] for scale in (1.0, zoom))
    found = float(fitting_zooms(one, other)[0, 0])
    assert 1 / MOST_ZOOM <= found <= MOST_ZOOM
    assert abs(np.log(found / zoom)) < np.log(1.35)
    assert float(fitting_zooms(one, one)[0, 0]) == 1


def test_images_of_one_thing_in_one_place_are_aligned_and_others_are_not() -> None:
    drawn = np.random.default_rng(0)
    near = torch.stack([blob(*(11 + drawn.normal(0, 1, 2))) for _ in range(8)])
    anywhere = torch.stack([blob(*drawn.uniform(0, 20, 2), radius=2) for _ in range(30)])
    assert alignment(near) > ALIGNED > alignment(anywhere)
    assert alignment(near[:2]) == 0


@pytest.mark.parametrize("warped", [False, True])
def test_layouts_keep_the_laws_and_are_their_pairs_at_the_places(warped: bool) -> None:
    held = memory(warped)
    source = MovedLayouts(held, SIZE, form())
    check_layout_source(source, SIZE, 3)
    seeds = [(1, index) for index in range(12)]
    drawn = source.sample(seeds, {"strength": 1.2})
    assert drawn.pairs is not None and drawn.places is not None
    assert set(drawn.pairs.tolist()) == {0, 1}
    for ids, pair, places in zip(drawn.ids, drawn.pairs, drawn.places, strict=True):
        again = sampled(held.map(int(pair))[None, None], places[None], "nearest")[0, 0]
        assert torch.equal(ids, again)


def test_without_strength_layouts_are_views_of_their_pairs() -> None:
    for warped in (False, True):
        held = memory(warped)
        held.hold(mirrored=torch.zeros(0, dtype=torch.int64))
        drawn = MovedLayouts(held, SIZE, form()).sample([(0, index) for index in range(4)], {"strength": 0.0})
        assert drawn.pairs is not None and drawn.places is not None
        for ids, pair, places in zip(drawn.ids, drawn.pairs, drawn.places, strict=True):
            left, top = places[0, 0].int().tolist()
            assert torch.equal(ids, held.map(int(pair))[top : top + SIZE[0], left : left + SIZE[1]])


def test_a_memory_is_kept_whole_in_its_state() -> None:
    one, other = memory(), PairMemory()
    other.load_state_dict(one.state_dict())
    assert len(other) == 2
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    assert torch.equal(other.image(1), one.image(1)) and torch.equal(other.map(0), one.map(0))
    assert one.donors_of(1).tolist() == [0, 2]
    with pytest.raises(ValueError, match="has no 'pixel'"):
        one.hold(pixel=torch.zeros(1))


def test_the_whole_pairs_that_crops_are_taken_of_count_in_the_memory_that_drawing_takes() -> None:
    small, large = memory(), memory()
    blank = torch.zeros(3, 900, 1000, dtype=torch.uint8)
    large.hold_pairs([blank], [blank[0]])
    assert (small.largest, large.largest, PairMemory().largest) == (300, 900_000, 0)
    layouts, images = (
        [made(one).drawing_bytes(1, {}) for one in (small, large)]
        for made in (
            lambda one: MovedLayouts(one, SIZE, form()),
            lambda one: TransferredImages(one, SIZE, 3, "none"),
        )
    )
    assert layouts[1] - layouts[0] == 4 * (900_000 - 300)  # a map, as floats
    assert images[1] - images[0] == 3 * 4 * (900_000 - 300)
