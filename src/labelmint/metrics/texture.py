"""Fine texture: the energy of images by spatial frequency, samples over real images.

    g = mean over channels of x                                              (1)  grey image (H, W)
    P(f) = |F[w (g - mean_w(g))](f)|^2 / (H W sum of w^2)                    (2)  w: Hann's window
    E_b = sum of P(f) over frequencies of band b, |f| = sqrt(f_y^2 + f_x^2)  (3)
    fine(x) = sum of E_b over bands above half the Nyquist frequency         (4)
    fine texture = median of fine(samples) / median of fine(real)            (5)
    curve_b = median of E_b(samples) / median of E_b(real)                   (6)

The window, 0 beyond the border, keeps the step from one border to the other out of the spectrum. Frequencies
are in cycles per pixel, Nyquist is 0.5: a wave of two pixels. Bands are equally wide from 0 to Nyquist; the
last one holds the corners of the spectrum as well, up to 0.71, where a chessboard lies. Energies are in
squared units of the images, grey levels of 0..255 in `evaluate`; they sum to the variance of the windowed
image, and white noise of variance v has about v. Both sets must be in the same units and of one size.

Blurred samples are well below 1, noise and lattices above. A flat image has an energy of exactly 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = [
    "BANDS",
    "FINE",
    "SMALLEST",
    "band_middles",
    "fine_energy",
    "fine_texture",
    "spectra",
    "texture_curve",
]

BANDS = 16  # an even number: half of Nyquist lies between two
FINE = slice(BANDS // 2, None)  # the bands above half of Nyquist
SMALLEST = 8  # pixels along a side
_AT_ONCE = 1 << 22  # pixels transformed at once: 32 MB of their spectra


def spectra(images: Array) -> npt.NDArray[np.float64]:
    """The energy (N, 16) of each image in each band: equations (1) to (3).

    Arguments:
        images: (N, H, W) or (N, H, W, C), finite numbers of any range, at least 8 pixels high and wide.

    Bands without a frequency of the grid (images below 32 pixels have such) hold 0.
    Raises InputError for another shape, and for NaN and infinities.
    """
    if images.ndim not in (3, 4) or 0 in images.shape or min(images.shape[1:3]) < SMALLEST:
        raise InputError(
            f"texture needs images (N, H, W) or (N, H, W, C), H and W at least {SMALLEST}; got {images.shape}"
        )
    height, width = images.shape[1:3]
    window = (_hann(height)[:, None] * _hann(width)).astype(np.float32)
    scale = height * width * float(np.square(window, dtype=np.float64).sum())
    membership = (_membership(height, width) / scale).astype(np.float32)
    step = max(_AT_ONCE // (height * width), 1)
    blocks = [_energies(images[k : k + step], window, membership) for k in range(0, len(images), step)]
    return np.concatenate(blocks)


def _hann(length: int) -> npt.NDArray[np.float64]:
    """Hann's window without its two zeros."""
    return np.asarray(np.hanning(length + 2)[1:-1])


def _membership(height: int, width: int) -> npt.NDArray[np.float64]:
    """(H (W // 2 + 1), 16): how often each coefficient of a real transform counts in each band.

    Such a transform keeps half of the coefficients; those that stand for two count twice.
    """
    across = fft.rfftfreq(width)
    frequency = np.hypot(fft.fftfreq(height)[:, None], across)
    band = np.clip(np.ceil(frequency / 0.5 * BANDS - 1e-9).astype(int) - 1, 0, BANDS - 1)
    times = np.where((across == 0) | (across == 0.5), 1.0, 2.0) * np.ones((height, 1))
    return np.asarray(np.eye(BANDS)[band.ravel()] * times.reshape(-1, 1))


def _energies(
    images: Array, window: npt.NDArray[np.float32], membership: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    grey = images.astype(np.float32)
    if images.ndim == 4:
        # A sum of whole planes: a mean over a short last axis is slow.
        grey = np.asarray(sum(np.moveaxis(grey, 3, 0)) / np.float32(images.shape[3]))
    if not np.isfinite(grey).all():
        raise InputError("texture needs finite images; found NaN or infinity")
    # Less the first pixel before the mean: flat images become zeros, not the rounding of a mean.
    grey = grey - grey[:, :1, :1]
    grey -= np.tensordot(grey, window / window.sum(), axes=2)[:, None, None]
    coefficients = fft.rfft2(grey * window, axes=(1, 2)).reshape(len(images), -1)
    return np.asarray((coefficients.real**2 + coefficients.imag**2) @ membership, np.float64)


def band_middles() -> npt.NDArray[np.float64]:
    """The middle (16,) of each band between 0 and Nyquist, in cycles per pixel."""
    return (np.arange(BANDS) + 0.5) / BANDS * 0.5


def fine_energy(energies: Array) -> npt.NDArray[np.float64]:
    """The energy (N,) above half of Nyquist, of energies by band (N, 16): equation (4)."""
    return np.asarray(energies[:, FINE].sum(axis=1))


def fine_texture(samples: Array, real: Array) -> float:
    """Equation (5) of energies by band (N, 16) and (M, 16): 1 as in real images, 0 if most samples are flat.

    Raises InputError when a set is empty, or most real images are flat: there is nothing to compare with.
    """
    if len(samples) == 0 or len(real) == 0:
        raise InputError(f"fine texture needs samples and real images; got {len(samples)} and {len(real)}")
    below = float(np.median(fine_energy(real)))
    if below <= 0:
        raise InputError("most real images are flat, without texture that samples could be compared with")
    return float(np.median(fine_energy(samples))) / below


def texture_curve(samples: Array, real: Array) -> npt.NDArray[np.float64]:
    """Equation (6), (16,), of energies by band (N, 16) and (M, 16); NaN where real images have no energy."""
    above, below = np.median(samples, axis=0), np.median(real, axis=0)
    curve: npt.NDArray[np.float64] = np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)
    return curve
