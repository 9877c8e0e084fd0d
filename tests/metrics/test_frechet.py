"""The Frechet distance: closed forms, invariances, and torchmetrics' and MONAI's values."""

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.metrics.frechet import frechet_distance

RNG = np.random.default_rng(3)
A, B = RNG.normal(size=(200, 8)) @ RNG.normal(size=(8, 8)), RNG.normal(0.5, 1.5, size=(150, 8))


def test_it_is_what_torchmetrics_computes() -> None:
    import torch
    from torchmetrics.image.fid import _compute_fid

    moments = [torch.from_numpy(m) for x in (A, B) for m in (x.mean(axis=0), np.cov(x, rowvar=False))]
    assert frechet_distance(A, B) == pytest.approx(float(_compute_fid(*moments)), rel=1e-9)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MONAI calls SciPy in an old way
def test_it_is_what_monai_computes() -> None:
    import torch
    from monai.metrics import FIDMetric

    assert frechet_distance(A, B) == pytest.approx(
        float(FIDMetric()(torch.from_numpy(A), torch.from_numpy(B))), rel=1e-6
    )


def test_one_column_has_a_closed_form() -> None:
    a, b = A[:, :1], B[:, :1]
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_identical_sets_are_at_zero_and_a_shift_adds_its_square() -> None:
    step = RNG.normal(size=8)
    assert frechet_distance(A, A[::-1]) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(A, A + step) == pytest.approx(float(step @ step), rel=1e-10)
    assert frechet_distance(A, 3 * A) == pytest.approx(
        4 * float(np.square(A.mean(axis=0)).sum() + np.trace(np.cov(A, rowvar=False))), rel=1e-10
    )


def test_it_is_symmetric_and_unchanged_by_a_rotation() -> None:
    rotation = np.linalg.qr(RNG.normal(size=(8, 8)))[0]
    assert frechet_distance(B, A) == pytest.approx(frechet_distance(A, B), rel=1e-10)
    assert frechet_distance(A @ rotation, B @ rotation) == pytest.approx(frechet_distance(A, B), rel=1e-10)


def test_columns_without_variance_do_no_harm() -> None:
    a, b = (np.concatenate([x, x[:, :2], np.ones((len(x), 2))], axis=1).astype(np.float32) for x in (A, B))
    assert np.isfinite(frechet_distance(a, b))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(np.ones((20, 12)), np.ones((30, 12))) == 0


def test_too_few_rows_are_refused_with_the_number_needed() -> None:
    for a, b in ((A[:8], B), (A, B[:8])):
        with pytest.raises(InputError, match="at least 9 items"):
            frechet_distance(a, b)
    assert frechet_distance(A[:9], B) > 0
    with pytest.raises(InputError, match="one width"):
        frechet_distance(A, B[:, :3])
