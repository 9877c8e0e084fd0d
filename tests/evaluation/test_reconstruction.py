"""Errors of reconstructions."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from labelmint.evaluation.likelihood import reconstruction_errors


@pytest.mark.parametrize("channels", [1, 3])
def test_errors_of_reconstructions_agree_with_scikit_image(channels: int) -> None:
    rng = np.random.default_rng(0)
    originals = rng.integers(0, 256, (3, 32, 32, channels), dtype=np.uint8)
    decoded = np.clip(originals + rng.normal(0, 9, originals.shape), 0, 255).astype(np.uint8)
    found = {figure.name: figure.value for figure in reconstruction_errors(originals, decoded)}
    assert found["reconstruction.mse"] == pytest.approx(
        mean_squared_error(originals / 127.5, decoded / 127.5), rel=1e-5
    )
    assert found["reconstruction.psnr"] == pytest.approx(
        peak_signal_noise_ratio(originals, decoded, data_range=255), rel=1e-4
    )
    # Both by a Gaussian window of sigma 1.5; they differ in how they treat the border alone.
    ssim = [
        structural_similarity(
            a,
            b,
            channel_axis=2,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(originals, decoded, strict=True)
    ]
    assert found["reconstruction.ssim"] == pytest.approx(np.mean(ssim), abs=2e-3)
