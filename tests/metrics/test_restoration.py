"""PSNR and SSIM against scikit-image."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from labelmint.metrics.restoration import MOST_PSNR, psnr, ssim


@pytest.mark.parametrize("channels", [1, 3])
def test_both_are_those_of_scikit_image(channels: int) -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 256, (40, 31, channels), np.uint8)
    made = np.clip(true + rng.normal(0, 20, true.shape), 0, 255).astype(np.uint8)
    assert psnr(made, true) == pytest.approx(peak_signal_noise_ratio(true, made, data_range=255))
    expected = structural_similarity(
        true,
        made,
        data_range=255,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(made, true) == pytest.approx(expected, abs=1e-9)


def test_equal_images_and_small_ones() -> None:
    image = np.full((12, 12, 1), 7, np.uint8)
    assert psnr(image, image) == MOST_PSNR and ssim(image, image) == pytest.approx(1)
    assert np.isnan(ssim(image[:10], image[:10]))
