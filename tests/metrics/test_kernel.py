"""The kernel distance: its definition, torchmetrics' value, and no bias."""

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.metrics import kernel
from labelmint.metrics.kernel import kernel_distance

RNG = np.random.default_rng(4)
A, B = RNG.normal(size=(60, 7)), RNG.normal(0.4, 1.3, size=(60, 7))


@pytest.mark.parametrize("block", [1, 100, 1 << 23])
def test_it_is_what_torchmetrics_computes(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torchmetrics.image.kid import poly_mmd

    monkeypatch.setattr(kernel, "_BLOCK", block)
    assert kernel_distance(A, B) == pytest.approx(
        float(poly_mmd(torch.from_numpy(A), torch.from_numpy(B))), rel=1e-9
    )


def test_sets_of_two_sizes_follow_the_definition() -> None:
    a, b = A[:5], B[:3]

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 7 + 1) ** 3)

    within_a = np.mean([k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    within_b = np.mean([k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    expected = within_a + within_b - 2 * np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert kernel_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_sets_of_one_distribution_are_at_zero_on_average() -> None:
    values = [kernel_distance(*RNG.normal(size=(2, 40, 5))) for _ in range(300)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(300)
    assert min(values) < 0 < max(values)
    assert kernel_distance(np.ones((4, 3)), np.ones((6, 3))) == pytest.approx(0, abs=1e-12)


def test_bad_sets_are_refused() -> None:
    with pytest.raises(InputError, match="at least 2 items"):
        kernel_distance(A[:1], B)
    with pytest.raises(InputError, match="one width"):
        kernel_distance(A, B[:, :2])
