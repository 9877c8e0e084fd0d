"""Fine texture: single waves, white noise, blur and noise, flat images, any size and number of channels."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from labelmint.errors import InputError
from labelmint.metrics.texture import BANDS, band_middles, fine_energy, fine_texture, spectra, texture_curve

RNG = np.random.default_rng(0)


def images(count: int = 30, size: tuple[int, int] = (48, 40), channels: int = 3) -> np.ndarray:
    """Images of some texture at all frequencies, uint8."""
    noise = RNG.normal(0, 40, (count, *size, channels))
    smooth = 4 * gaussian_filter(noise, (0, 2, 2, 0))
    return np.clip(128 + smooth + 0.2 * noise, 0, 255).astype(np.uint8)


REAL = images()


@pytest.mark.parametrize("size", [(64, 64), (33, 48), (40, 51), (8, 8)])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_energies_sum_to_the_variance_of_the_windowed_image(
    size: tuple[int, int], channels: int | None
) -> None:
    made = RNG.normal(10, 3, (5, *size) if channels is None else (5, *size, channels))
    grey = made if channels is None else made.mean(axis=3)
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in size))
    middle = (grey * window).sum(axis=(1, 2), keepdims=True) / window.sum()
    variance = np.square(window * (grey - middle)).sum(axis=(1, 2)) / np.square(window).sum()
    assert spectra(made).shape == (5, BANDS)
    assert spectra(made).sum(axis=1) == pytest.approx(variance, rel=1e-4)


@pytest.mark.parametrize("frequency", [0.1, 0.2, 0.3, 0.45])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_wave_lies_in_the_band_of_its_frequency(frequency: float, axis: int) -> None:
    place = np.arange(160).reshape(1, -1, 1) if axis == 1 else np.arange(160).reshape(1, 1, -1)
    energies = spectra(np.broadcast_to(100 * np.cos(2 * np.pi * frequency * place), (1, 160, 160)))[0]
    near = np.abs(band_middles() - frequency) < 1 / BANDS
    assert energies[near].sum() > 0.99 * energies.sum()
    assert energies.sum() == pytest.approx(100**2 / 2, rel=0.01)


def test_a_chessboard_beyond_nyquist_counts_as_fine() -> None:
    board = np.indices((64, 64)).sum(axis=0)[None] % 2
    energies = spectra(board)
    assert energies[0, -1] == pytest.approx(0.25, rel=1e-3)
    assert fine_energy(energies) == pytest.approx(0.25, rel=1e-3)


def test_white_noise_of_a_variance_has_that_energy_and_the_share_of_the_plane_that_is_fine() -> None:
    energies = spectra(RNG.normal(0, 5, (60, 64, 64)))
    assert energies.sum(axis=1).mean() == pytest.approx(25, rel=0.03)
    assert fine_energy(energies).mean() == pytest.approx(25 * (1 - np.pi / 16), rel=0.03)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(48, 40), (96, 96)])
def test_the_same_images_are_at_one_blurred_ones_below_and_noisy_ones_above(
    channels: int, size: tuple[int, int]
) -> None:
    real = images(20, size, channels)
    blurred = gaussian_filter(real.astype(float), (0, 1, 1, 0)).round().astype(np.uint8)
    noisy = np.clip(real + RNG.normal(0, 20, real.shape), 0, 255).astype(np.uint8)
    of_real, of_blurred, of_noisy = map(spectra, (real, blurred, noisy))
    assert fine_texture(of_real, of_real) == 1
    assert np.all(texture_curve(of_real, of_real) == 1)
    assert fine_texture(of_blurred, of_real) < 0.3
    assert fine_texture(of_noisy, of_real) > 1.5
    curve = texture_curve(of_blurred, of_real)
    assert curve[0] > 0.85
    assert curve[-1] < 0.2


def test_the_energy_of_blurred_noise_is_that_of_the_filter() -> None:
    noise = RNG.normal(0, 20, (40, 64, 64))
    blurred = gaussian_filter(noise, (0, 0.7, 0.7), mode="wrap")
    expected = np.exp(-((2 * np.pi * 0.7 * band_middles()) ** 2))  # the squared transfer of a Gaussian
    assert texture_curve(spectra(blurred), spectra(noise))[:8] == pytest.approx(expected[:8], rel=0.15)


def test_quotients_do_not_depend_on_the_units() -> None:
    a, b = spectra(REAL[:15]), spectra(REAL[15:])
    small = [spectra(part / 255) for part in (REAL[:15], REAL[15:])]
    assert small[0] * 255**2 == pytest.approx(a, rel=1e-3, abs=1e-3)
    assert fine_texture(*small) == pytest.approx(fine_texture(a, b), rel=1e-3)


def test_blocks_of_images_equal_single_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = spectra(REAL)
    monkeypatch.setattr("labelmint.metrics.texture._AT_ONCE", 4000)
    assert spectra(REAL) == pytest.approx(whole, rel=1e-5)
    assert spectra(REAL[3:4])[0] == pytest.approx(whole[3], rel=1e-5)


@pytest.mark.parametrize("value", [0, 7, 255, 0.1])
def test_flat_images_have_no_energy_at_all(value: float) -> None:
    flat = spectra(np.full((5, 33, 48, 3), value))
    assert np.all(flat == 0)
    assert fine_texture(flat, spectra(REAL)) == 0
    assert np.all(texture_curve(flat, spectra(REAL)) == 0)
    with pytest.raises(InputError, match="flat"):
        fine_texture(spectra(REAL), flat)
    assert np.isnan(texture_curve(spectra(REAL), flat)).all()


def test_small_images_leave_bands_without_a_frequency_empty() -> None:
    small = spectra(images(10, (8, 8)))
    assert np.isfinite(small).all()
    curve = texture_curve(small, small)
    assert set(curve[~np.isnan(curve)]) == {1.0}
    assert fine_texture(small, small) == 1


def test_wrong_images_are_refused() -> None:
    with pytest.raises(InputError, match="at least 8"):
        spectra(np.zeros((3, 4, 16)))
    with pytest.raises(InputError, match="NaN"):
        spectra(np.full((3, 16, 16), np.nan))
    with pytest.raises(InputError, match="got 0 and 30"):
        fine_texture(np.zeros((0, BANDS)), spectra(REAL))
