"""The generator of bachgan-apart: what each code changes, and where it cannot change anything."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from labelmint.contracts import check_generator
from labelmint.formats.painting import paint
from labelmint.generators.apart import ApartConfig, ApartGenerator, Redrawn, blank
from labelmint.generators.network import OneNetwork
from labelmint.layouts.boxes import BoxRule
from labelmint.types import Batch, LayoutBatch, LayoutObject

RULE = BoxRule(first={1: 1}, grounds=(), ignored=2, most=3)  # of three symbols: ground, object, ignored
TAIL = 2  # pixels that the layers behind the fusion reach


def generator(**settings: str) -> OneNetwork:
    torch.manual_seed(0)
    sizes = {"channels": 8, "widest": 2, "doublings": 2, "hidden": 8, "layout_channels": 4, "code": 4}
    config = ApartConfig.model_validate(
        {**sizes, "object_code": 3, "norm": "instance", "output": "linear", **settings}
    )
    network = ApartGenerator(config, RULE, (0, 1, 2), 1, (32, 32))
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn(weights.shape), alpha=0.1)
    return OneNetwork(network, layouts()[:1])


def layouts() -> LayoutBatch:
    """One with two boxes, one at the edge, and one without any."""
    boxes = torch.full((2, 3, 5), -1.0)
    boxes[0, :2] = torch.tensor([[1.0, 4, 6, 20, 16], [1, 22, 20, 32, 32]])
    ids = torch.zeros(2, 32, 32, dtype=torch.uint8)
    for _, x0, y0, x1, y1 in boxes[0, :2].int().tolist():
        ids[0, y0:y1, x0:x1] = 1
    return LayoutBatch(ids, boxes=boxes)


def network_of(generator: OneNetwork) -> ApartGenerator:
    return cast(ApartGenerator, generator.network).eval()


def near(ids: Tensor) -> Tensor:
    """Pixels that lie in a box, or at most `TAIL` beside one."""
    grown = torch.nn.functional.max_pool2d((ids[:, None] == 1).float(), 2 * TAIL + 1, 1, TAIL)
    return grown > 0


def codes(**anew: int) -> Tensor:
    """The codes of two samples, some streams of which are drawn from another seed."""
    parts = [
        torch.randn(2, length, generator=torch.Generator().manual_seed(anew.get(name, seed)))
        for seed, (name, length) in enumerate((("foreground", 9), ("background", 4)))
    ]
    return torch.cat(parts, dim=1)


def test_the_laws_hold() -> None:
    check_generator(generator(), layouts(), image_channels=1)


def test_the_codes_are_streams_of_their_own() -> None:
    images = generator()
    assert images.noise is not None
    assert images.streams == ("foreground", "background")
    assert images.noise.streams == (("foreground", 9), ("background", 4))


@torch.no_grad()
def test_another_foreground_changes_boxes_and_no_pixel_farther_from_them_than_the_last_layers_reach() -> None:
    network, seen = network_of(generator()), layouts()
    plain, other = (network(seen, one, {}) for one in (codes(), codes(foreground=7)))
    assert other[~near(seen.ids)].equal(plain[~near(seen.ids)])
    assert not other[0].equal(plain[0])
    assert other[1].equal(plain[1])  # which has no boxes


@torch.no_grad()
def test_another_background_changes_nothing_where_all_is_foreground() -> None:
    network, seen = network_of(generator()), layouts()
    torch.nn.init.constant_(network.matte.bias, 1e4)  # type: ignore[arg-type]
    plain, other = (network(seen, one, {}) for one in (codes(), codes(background=7)))
    inner = (slice(10, 13), slice(8, 16))  # beyond the ramp of the first box by what the last layers reach
    assert other[0, :, *inner].equal(plain[0, :, *inner])
    assert not other[0, :, :4].equal(plain[0, :, :4])
    assert not other[1].equal(plain[1])


@torch.no_grad()
def test_a_box_begins_softly_but_at_the_edge_of_the_image() -> None:
    network = network_of(generator())
    ramp = network._within(layouts()).ramp[0, 0]
    assert ramp[10, 3:7].tolist() == [0, torch.tensor(1 / 3).item(), 1, 1]
    assert ramp[25, 31] == 1
    assert ramp[25, 21] == 0


def test_where_boxes_overlap_a_pixel_is_of_the_one_that_the_map_shows_whatever_their_order() -> None:
    network = network_of(generator())
    rows = [[1.0, 10, 10, 14, 14], [1, 4, 4, 28, 28], [1, 8, 8, 20, 20]]
    boxes = torch.tensor([rows, rows[::-1]])
    top = network._within(LayoutBatch(torch.zeros(2, 32, 32, dtype=torch.uint8), boxes=boxes)).top
    for row, some in enumerate(boxes[..., 1:].tolist()):
        painted = paint([LayoutObject(class_id=1, box=tuple(box)) for box in some], (32, 32))[1]
        assert torch.where(top[row] < 3, top[row] + 1, 0).equal(torch.from_numpy(painted.astype(int)))


@torch.no_grad()
def test_codes_of_boxes_that_are_not_there_change_nothing() -> None:
    network, seen, first = network_of(generator()), layouts(), codes()
    other = first.clone()
    other[0, 6:9], other[1, :9] = 5, 5
    assert network(seen, other, {}).equal(network(seen, first, {}))
    other[0, 3:6] += 1
    assert not network(seen, other, {})[0].equal(network(seen, first, {})[0])


def test_what_lies_in_boxes_says_nothing_of_the_background_and_each_object_is_told_by_its_own_box() -> None:
    network, seen = network_of(generator()), layouts()
    image = torch.rand(2, 1, 32, 32)
    other = image.clone()
    other[0, :, 6:16, 4:20] = -1
    with torch.no_grad():
        mean, changed = (network.code_of(Batch(one, seen)) for one in (image, other))
    assert changed[0, 9:].equal(mean[0, 9:])
    assert not changed[0, :3].equal(mean[0, :3])
    assert changed[0, 3:6].equal(mean[0, 3:6])
    assert mean[0, 6:9].eq(0).all()
    assert mean[1, :9].eq(0).all()
    outside = torch.ones(1, 1, 32, 32, dtype=torch.bool)
    assert blank(image[:1], outside).equal(image[:1])
    assert blank(image[:1], ~outside).eq(0).all()


def test_of_a_few_items_one_has_codes_of_chance_unless_it_would_be_the_only_one() -> None:
    network = network_of(generator()).train()
    for count in (1, 2, 3):
        seen = layouts()[torch.tensor([0, 1, 0])[:count]]
        noise, drawn = (torch.randn(count, codes().shape[1]) for _ in range(2))
        found = network(seen, noise, {}, torch.rand(count, 1, 32, 32), drawn)
        assert (found.chance, len(found.before)) == (min(count - 1, 1), 1)


def test_a_quarter_of_the_items_has_codes_of_chance_and_is_drawn_again() -> None:
    network, seen = network_of(generator()).train(), layouts()[torch.tensor([0, 1, 0, 0])]
    image, noise, drawn = torch.rand(4, 1, 32, 32), codes().repeat(2, 1), codes(foreground=5).repeat(2, 1)
    found = network(seen, noise, {}, image, drawn)
    assert isinstance(found, Redrawn)
    assert found.chance == 1
    assert found.before.equal(found.image[3:])
    network.eval()
    with torch.no_grad():
        assert torch.allclose(network(seen, drawn, {})[3], found.image[3].clamp(-1, 1), atol=1e-2)
    # Of three layouts with two boxes, and of four.
    assert [len(part) for part in (*found.objects, *found.background)] == [6, 6, 4, 4]
    assert not found.foreground_anew.equal(found.before)
    outside = found.outside.bool() & ~near(seen.ids[3:])
    assert torch.allclose(found.foreground_anew[outside], found.before[outside], atol=1e-4)


def test_codes_of_chance_are_those_of_other_images_where_they_are_fitted() -> None:
    network, seen = network_of(generator(style_prior="fitted")).train(), layouts()[torch.tensor([0, 0, 0, 0])]
    image, noise = torch.rand(4, 1, 32, 32), codes().repeat(2, 1)
    torch.manual_seed(0)
    found = network(seen, noise, {}, image, codes(foreground=5).repeat(2, 1))
    again = network_of(generator(style_prior="fitted")).train()
    torch.manual_seed(0)
    others = again(seen, noise, {}, image, codes(foreground=6, background=7).repeat(2, 1))
    assert others.image.equal(found.image)  # what is drawn counts for nothing
    assert not found.foreground_anew.equal(found.before)
    assert not found.background_anew.equal(found.before)


@torch.no_grad()
def test_new_images_draw_fitted_codes_and_real_ones_have_their_z() -> None:
    network, batch = network_of(generator(style_prior="fitted")), Batch(torch.rand(2, 1, 32, 32), layouts())
    before = network.code_of(batch)
    network.settle([batch])
    after = network.code_of(batch)
    assert not after[:, 9:].equal(before[:, 9:])
    objects, background = network._styled(network._codes(after))
    torch.testing.assert_close(objects[0, :2], before[0, :6].view(2, 3), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(background, before[:, 9:], atol=1e-4, rtol=1e-4)
    network.settle([Batch(batch.image[1:], batch.layouts[1:])])  # without any object
