"""The last layers of a decoder that knows the layout at full size."""

import torch

from labelmint.nn.outlines import Outlines


def outlines() -> Outlines:
    torch.manual_seed(0)
    return Outlines(8, 4, 3)


def test_they_begin_as_what_the_decoder_answers() -> None:
    decoded = torch.randn(2, 11, 16, 16)
    assert outlines()(decoded, torch.randn(2, 4, 16, 16)).equal(decoded[:, :3])


def test_what_the_layout_changes_ends_two_pixels_from_it() -> None:
    network, decoded, layout = outlines(), torch.randn(2, 11, 16, 16), torch.randn(2, 4, 16, 16)
    torch.nn.init.normal_(network.out.weight)
    other = layout.clone()
    other[:, :, 6:9, 5:7] += 1
    with torch.no_grad():
        moved = (network(decoded, layout) != network(decoded, other)).any(dim=1).any(dim=0)
    assert moved[4:11, 3:9].all()
    moved[4:11, 3:9] = False
    assert not moved.any()


def test_features_that_know_no_border_are_drawn_with_that_of_the_layout() -> None:
    network, decoded = outlines(), torch.ones(1, 11, 16, 16)
    inside = torch.zeros(1, 1, 16, 16)
    inside[:, :, 3:11, 4:13] = 1
    layout, wanted = (
        torch.cat([inside, 1 - inside, inside, 1 - inside], dim=1),
        (2 * inside - 1).expand(-1, 3, -1, -1),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        (network(decoded, layout) - wanted).square().mean().backward()
        optimizer.step()
    assert (network(decoded, layout) - wanted).abs().max() < 0.3
