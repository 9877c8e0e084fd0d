"""What do the images look like as a set: the shares of their kinds, and their fine texture.

Samples stand beside real images, which are training and test views together: neither figure gains by copies,
and rare kinds need many images. The formulas are in `metrics.kinds` and `metrics.texture`; energies are in
squared grey levels of 0..255, at the size of the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.evaluation.material import Material
from labelmint.metrics.bootstrap import quotient_interval
from labelmint.metrics.kinds import Kinds, appearance, find_kinds, kind_of, shares, variation_by_chance
from labelmint.metrics.layout_statistics import total_variation
from labelmint.metrics.texture import (
    SMALLEST,
    band_middles,
    fine_energy,
    fine_texture,
    spectra,
    texture_curve,
)
from labelmint.pictures import image_grid
from labelmint.reports.results import Chart, Figure, Picture, Series, Table
from labelmint.types import Array

__all__ = ["FEWEST", "Looks", "looks"]

FEWEST = 16  # real images, and samples, below which there are no such figures
PIXELS = 1 << 23  # of each set that textures are computed on: under a second
REPEATS = 200  # resamples; each is cheap
_OF_A_KIND = 5  # images of a kind on both sides, for a texture of that kind
_SHOWN = 4  # images of a kind and a side, in the picture
_KINDS, _TEXTURE = "Shares of kinds, total variation", "Fine texture, samples over real"


@dataclass(frozen=True, kw_only=True)
class Looks:
    """The part of a section that shows how images look: what a `Section` takes under the same names."""

    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Side:
    """Real images, or samples.

    Attributes:
        images: (N, H, W, C) uint8. features: (N, 2 C), their appearance. kinds: (N,).
        places: (n,) of the images whose energies (n, 16) were computed.
    """

    images: Array
    features: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    energies: npt.NDArray[np.float64]

    def of_kind(self, kind: int) -> npt.NDArray[np.float64]:
        """Energies of the images of a kind."""
        return np.asarray(self.energies[self.kinds[self.places] == kind])

    def typical(self, kind: int, center: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Places of the images of a kind, those nearest to its center first."""
        places = np.flatnonzero(self.kinds == kind)
        away = np.linalg.norm(self.features[places] - center, axis=1)
        return np.asarray(places[np.argsort(away, kind="stable")])


@dataclass(frozen=True, kw_only=True)
class _Both:
    """Both sides, and what is known of the real one.

    Attributes:
        names, groups: (N,) of the real images: training views, then test views.
        trained: how many of them are training views.
        layouts: (N,) of the samples.
    """

    real: _Side
    samples: _Side
    kinds: Kinds
    names: tuple[str, ...]
    groups: tuple[str, ...]
    trained: int
    layouts: tuple[str, ...]


def looks(material: Material, kept: npt.NDArray[np.bool_]) -> Looks:
    """Kinds and texture of the samples that are no copies: those marked in `kept` (N,).

    Writes kinds.png into the report's folder. With fewer than 16 real images or samples, or images below 8x8
    pixels, both figures are refused, and there is nothing to draw.
    """
    real, samples, size = len(material.seen) + len(material.real), int(kept.sum()), material.size
    if min(real, samples) < FEWEST or min(size) < SMALLEST:
        reason = (
            f"needs at least {FEWEST} real images and samples of at least {SMALLEST}x{SMALLEST} pixels; "
            f"there are {real} and {samples} of {size[0]}x{size[1]}"
        )
        names = (("kinds_variation", _KINDS), ("fine_texture", _TEXTURE))
        return Looks(figures=tuple(_refused(name, title, reason) for name, title in names))
    both = _both(material, kept)
    texture, curves = _texture(both, material.seed)
    return Looks(
        figures=(_variation(both, material), texture),
        tables=(_table(both),),
        charts=(_bars(both), *curves),
        pictures=(_picture(both, material),),
    )


def _refused(name: str, title: str, reason: str) -> Figure:
    return Figure(name=f"fidelity.{name}", title=title, value=None, refused=reason)


def _both(material: Material, kept: npt.NDArray[np.bool_]) -> _Both:
    seen, test = material.seen, material.real
    images, samples = np.concatenate([seen.images, test.images]), material.synthetic.images[kept]
    features = appearance(images)
    kinds = find_kinds(features, seed=material.seed)
    return _Both(
        real=_side(images, features, kinds, material.seed),
        samples=_side(samples, appearance(samples), kinds, material.seed),
        kinds=kinds,
        names=seen.names + test.names,
        groups=seen.groups + test.groups,
        trained=len(seen),
        layouts=material.synthetic.take(np.flatnonzero(kept)).groups,
    )


def _side(images: Array, features: npt.NDArray[np.float64], kinds: Kinds, seed: int) -> _Side:
    """Images with their kinds, and the energies of as many, drawn at random, as have `PIXELS` together."""
    many = max(PIXELS // (images.shape[1] * images.shape[2]), FEWEST)
    places = np.sort(np.random.default_rng(seed).permutation(len(images))[:many])
    return _Side(
        images=images,
        features=features,
        kinds=kind_of(features, kinds.centers),
        places=places,
        energies=spectra(images[places]),
    )


# --- kinds ---


def _variation(both: _Both, material: Material) -> Figure:
    """The total variation; beside it, as that of real data, the value by chance."""
    real, samples, count = both.real.kinds, both.samples.kinds, len(both.kinds)
    if count == 1:
        return _refused("kinds_variation", _KINDS, f"all {len(real)} real images are of one kind")
    value = total_variation(real, samples)
    low, high = material.half_interval(
        lambda index: total_variation(real, samples[index]), value, both.layouts, REPEATS
    )
    usual, most = variation_by_chance(real, len(samples), both.groups, seed=material.seed)
    return Figure(
        name="fidelity.kinds_variation",
        title=_KINDS,
        value=value,
        low=None if low is None else max(low, 0.0),
        high=None if high is None else min(high, 1.0),
        real=usual,
        better="lower",
        how=(
            f"share of the samples that would have to be of another kind; kinds are {count} clusters of "
            f"{len(real)} real images by mean and deviation of their channels (silhouette "
            f"{both.kinds.separation:.2f}); under real data: the value by chance, that of {len(samples)} "
            f"fresh real images, which exceeds {most:.2g} once in 20 times"
        ),
    )


def _label(kind: int) -> str:
    return f"kind {kind + 1}"


def _percent(both: _Both) -> list[tuple[float, ...]]:
    """Shares (k,) in percent of the kinds, among samples and among real images."""
    return [tuple((100 * shares(side.kinds, len(both.kinds))).tolist()) for side in (both.samples, both.real)]


def _table(both: _Both) -> Table:
    rows = []
    for kind, (samples, real) in enumerate(zip(*_percent(both), strict=True)):
        example = both.names[both.real.typical(kind, both.kinds.centers[kind])[0]]
        rows.append((_label(kind), example, real, samples, _texture_of(both, kind)))
    return Table(
        title="Kinds of images",
        head=("kind", "a typical one", "% of real images", "% of samples", "fine texture, samples over real"),
        rows=tuple(rows),
        note=(
            "The two shares should be equal. A texture below 1 is smoother than in real images of that kind, "
            f"one above 1 rougher; with fewer than {_OF_A_KIND} images of a kind on a side there is none."
        ),
    )


def _texture_of(both: _Both, kind: int) -> float | None:
    """The fine texture within a kind: None where there are few images, or flat ones."""
    samples, real = both.samples.of_kind(kind), both.real.of_kind(kind)
    if min(len(samples), len(real)) < _OF_A_KIND:
        return None
    return _quotient(samples, real)


def _quotient(above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]) -> float | None:
    """A fine texture, None where there is nothing to divide by."""
    try:
        return fine_texture(above, below)
    except InputError:
        return None


def _bars(both: _Both) -> Chart:
    names = tuple(_label(kind) for kind in range(len(both.kinds)))
    samples, real = _percent(both)
    return Chart(
        title="Shares of kinds of images",
        kind="bars",
        x_label="",
        y_label="% of images",
        series=(Series(name="synthetic", x=names, y=samples), Series(name="real", x=names, y=real)),
        note="The two bars of a kind should be equally high. The picture below shows the kinds.",
    )


def _picture(both: _Both, material: Material) -> Picture:
    blank = np.full_like(both.real.images[0], 255)
    tiles = []
    for kind, center in enumerate(both.kinds.centers):
        for side in (both.real, both.samples):
            chosen = side.typical(kind, center)[:_SHOWN]
            tiles += [*side.images[chosen], *[blank] * (_SHOWN - len(chosen))]
    image_grid(tiles, material.folder / "kinds.png", columns=2 * _SHOWN)
    return Picture(
        title="Kinds of images",
        file="kinds.png",
        note=(
            f"A kind in each row, the first on top: on the left its {_SHOWN} most typical real images, on "
            "the right its samples; white where there are none."
        ),
    )


# --- texture ---


def _texture(both: _Both, seed: int) -> tuple[Figure, tuple[Chart, ...]]:
    """The figure and its curve; refused, and no curve, where real images are flat."""
    samples, real = both.samples.energies, both.real.energies
    try:
        value = fine_texture(samples, real)
    except InputError as error:
        return _refused("fine_texture", _TEXTURE, str(error)), ()
    above, below = fine_energy(samples), fine_energy(real)
    layouts, low, high = [both.layouts[place] for place in both.samples.places], None, None
    if len(set(layouts)) > 1:
        low, high = quotient_interval(
            lambda index: float(np.median(above[index])),
            len(above),
            lambda index: float(np.median(below[index])),
            [both.groups[place] for place in both.real.places],
            REPEATS,
            seed,
            above_groups=layouts,
        )
    trained = both.real.places < both.trained
    figure = Figure(
        name="fidelity.fine_texture",
        title=_TEXTURE,
        value=value,
        low=low,
        high=high,
        real=_quotient(real[~trained], real[trained]),
        how=(
            f"median energy of waves shorter than 4 pixels in {len(samples)} samples, over that of "
            f"{len(real)} real images ({np.median(below):.3g} squared grey levels); 1 is right, samples "
            "below it are too smooth, above it noisy, or of other kinds; under real data: test over training "
            "views"
        ),
    )
    return figure, (_curve(samples, real, trained),)


def _curve(
    samples: npt.NDArray[np.float64], real: npt.NDArray[np.float64], trained: npt.NDArray[np.bool_]
) -> Chart:
    curves = {"synthetic over real": texture_curve(samples, real)}
    if trained.any() and not trained.all():
        curves["test over training views"] = texture_curve(real[~trained], real[trained])
    x = tuple(band_middles().tolist())
    return Chart(
        title="Texture by frequency",
        kind="lines",
        x_label="cycles per pixel",
        y_label="median energy, quotient",
        series=tuple(Series(name=name, x=x, y=tuple(curve.tolist())) for name, curve in curves.items()),
        note=(
            "1 is right at every frequency. On the left are large shapes, on the right fine texture: 0.5 is "
            "a wave of two pixels, and all from 0.25 on make up the figure of fine texture."
        ),
    )
