"""Laws of the prior over boxes: its code gives boxes back, a token sees those before it, steps are the logits."""

from __future__ import annotations

import numpy as np
import torch

from labelmint.contracts import check_prior
from labelmint.priors.boxes import BoxCode, BoxTransformer, BoxTransformerConfig
from labelmint.types import Array

CODE = BoxCode(kinds=3, rows=5, sizes=16, places=24, size=(48, 64))


def prior() -> BoxTransformer:
    """A prior whose logits spread."""
    torch.manual_seed(0)
    made = (
        BoxTransformer(BoxTransformerConfig(width=16, layers=2, heads=2), CODE).eval().requires_grad_(False)
    )
    made.out.weight.mul_(30)
    return made


def boxes(sides: list[tuple[float, ...]]) -> Array:
    """Boxes in pixels of whatever numbers in [0, 1): kinds in turn, x0, y0, width, height."""
    found = []
    for kind, (x, y, wide, high) in enumerate(sides):
        across, down = 1 + wide * 63, 1 + high * 47
        x0, y0 = x * (64 - across), y * (48 - down)
        found.append((kind % 3, x0, y0, x0 + across, y0 + down))
    return np.array(found, np.float64).reshape(-1, 5)


def test_boxes_come_back_as_near_as_a_step_of_the_code() -> None:
    rng, half = np.random.default_rng(0), np.log([64 ** (1 / 30), 48 ** (1 / 30)])  # of a step of sizes
    for count in (0, 1, *[5] * 30):
        given = boxes([tuple(row) for row in rng.choice([0.0, 0.3, 0.999, rng.random()], (count, 4))])
        back = CODE.decode(CODE.encode(given)) * [1, 64, 48, 64, 48]
        assert sorted(back[:, 0]) == sorted(given[:, 0])
        assert (back[:, 1:] >= -1e-6).all() and (back[:, 3:] <= np.array([64, 48]) + 1e-6).all()
        assert (np.diff(np.prod(back[:, 3:] - back[:, 1:3], axis=1)) <= 1e-6).all()
        for kind, x0, y0, x1, y1 in given:
            sides = back[:, 3:] - back[:, 1:3]
            middles = np.abs((back[:, 1:3] + back[:, 3:]) / 2 - [(x0 + x1) / 2, (y0 + y1) / 2])
            room = np.array([64, 48]) / 24 + np.abs(sides - [x1 - x0, y1 - y0]) / 2
            ratios = np.abs(np.log(sides / [x1 - x0, y1 - y0]))
            near = (middles <= room).all(axis=1) & (ratios <= half + 1e-6).all(axis=1)
            assert (near & (back[:, 0] == kind)).any()


def test_what_an_edge_cuts_off_ends_at_that_edge() -> None:
    for table, sides in ((CODE.across, CODE.widths), (CODE.down, CODE.heights)):
        assert np.allclose(np.nanmin(table, axis=1), sides / 2)
        assert np.allclose(np.nanmax(table, axis=1), 1 - sides / 2)


def test_of_too_many_the_largest_are_written() -> None:
    rows = np.array([[0, 0, 0, k, k] for k in range(1, 9)], np.float64)
    back = CODE.decode(CODE.encode(rows))
    assert len(back) == 5
    assert np.isclose(back[0, 3] * 64, 8, rtol=0.2)


def test_it_keeps_the_laws_of_a_prior() -> None:
    check_prior(prior(), None)


def test_fewer_rows_have_the_same_logits() -> None:
    made, tokens = (
        prior(),
        torch.randint(CODE.codebook_size, (2, 5, 5), generator=torch.Generator().manual_seed(1)),
    )
    assert torch.allclose(made(tokens[:, :2]), made(tokens)[:, :, :2], atol=1e-5)


def test_sizes_of_the_training_pairs_are_counted() -> None:
    made = prior()
    tokens = np.stack([CODE.encode(boxes([(0.1, 0.1, 0.2, 0.2)] * 2)), CODE.encode(boxes([]))])
    made.count(torch.from_numpy(tokens))
    assert float(made.seen.sum()) == 2 and float(made.objects) == 1.0
