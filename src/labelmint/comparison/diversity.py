"""How different are images of one layout? The mean of 1 - SSIM over pairs of them.

Only images that show their layout count, since noise would be the most diverse: those whose agreement with their
label (the share of pixels that the judge reads as labelled) is at least 0.8 of the median of real test views.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelmint.comparison.ground import Ground
from labelmint.evaluation.material import Material
from labelmint.evaluation.obedience import agreement
from labelmint.evaluation.unlikeness import SMALLEST_SIDE, unlikeness
from labelmint.evaluation.views import Views, views_of_samples
from labelmint.metrics.bootstrap import interval
from labelmint.pictures import image_grid
from labelmint.reports.results import Figure, Picture, Section
from labelmint.runs.draw import Draw
from labelmint.runs.trained import TrainedSystem
from labelmint.types import AnnotatedImage, DataSet

__all__ = ["EACH", "LAYOUTS", "PASSING", "diversity"]

EACH, LAYOUTS, PASSING = 8, 16, 0.8
_NAME, _TITLE = "diversity.same_layout_ssim", "1 - SSIM among images of one layout"


def diversity(system: TrainedSystem, ground: Ground, material: Material, seed: int) -> Section:
    """The section: 8 images for each of at most 16 layouts, drawn here; writes same_layout.png."""
    if not system.images.random:
        return _refused(f"{system.system} draws one image a layout")
    if min(material.size) < SMALLEST_SIDE:
        return _refused(f"needs images of at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels")
    places = np.unique(
        np.linspace(0, len(ground.layouts) - 1, min(LAYOUTS, len(ground.layouts))).round()
    ).astype(int)
    samples = _drawn(system, ground, material, [int(place) for place in places], seed)
    image_grid(list(samples.images), material.folder / "same_layout.png", columns=EACH)
    passes = _passing(samples, material)
    groups = [ground.views.groups[place] for place in places]
    return Section(
        name="diversity",
        title="How different are images of one layout?",
        summary=f"{EACH} images were drawn for each of {len(places)} test layouts.",
        figures=(_unlike(samples, passes, groups, material), _share(passes, groups, material)),
        pictures=(
            Picture(
                title="Several images for one layout",
                file="same_layout.png",
                note=f"The {EACH} images in a row have the same layout, one of the test part's.",
            ),
        ),
    )


def _refused(why: str) -> Section:
    figure = Figure(name=_NAME, title=_TITLE, value=None, better="higher", refused=why)
    return Section(
        name="diversity",
        title="How different are images of one layout?",
        summary=f"Not measured: {why}.",
        figures=(figure,),
    )


def _drawn(system: TrainedSystem, ground: Ground, material: Material, places: list[int], seed: int) -> Views:
    """8 images in a row for each of some layouts."""
    given = system.given(ground.given(system, places))
    draw = Draw(seed=seed, batch_size=EACH, layouts=given, per_layout=EACH)
    pairs: dict[str, AnnotatedImage] = {}
    for chunk in range(len(places)):
        pairs |= {pair.name: pair for pair in system.chunk(chunk, draw)}
    data = DataSet(
        source=str(system.path),
        format="memory",
        classes=system.classes,
        names=tuple(pairs),
        load=pairs.__getitem__,
    )
    return views_of_samples(
        data, material.classes, material.size, material.real.images.shape[3], normalize=ground.about.normalize
    )


def _passing(samples: Views, material: Material) -> npt.NDArray[np.bool_]:
    """Which samples show their layout, (layouts, 8)."""
    usual = float(np.median(agreement(material.real.labels, material.reading("real"))))
    read = agreement(samples.labels, material.judge.predict(samples.images))
    return (read >= PASSING * usual).reshape(-1, EACH)


def _unlike(samples: Views, passes: npt.NDArray[np.bool_], groups: list[str], material: Material) -> Figure:
    images = samples.images.reshape(-1, EACH, *samples.images.shape[1:])
    known = [k for k, those in enumerate(passes) if those.sum() >= 2]
    if not known:
        why = f"of no layout do 2 of {EACH} images show what it says"
        return Figure(name=_NAME, title=_TITLE, value=None, better="higher", refused=why)
    values = np.array([unlikeness(images[k][passes[k]]) for k in known])
    low, high = None, None
    if len({groups[k] for k in known}) > 1:
        low, high = interval(
            lambda index: float(values[index].mean()),
            len(values),
            material.resamples,
            material.seed,
            groups=[groups[k] for k in known],
        )
    return Figure(
        name=_NAME,
        title=_TITLE,
        value=float(values.mean()),
        low=low,
        high=high,
        better="higher",
        how=f"mean over pairs of those of {EACH} images that show their layout, in {len(known)} test layouts; 0 when "
        f"all images of a layout are the same",
    )


def _share(passes: npt.NDArray[np.bool_], groups: list[str], material: Material) -> Figure:
    shares = 100 * passes.mean(axis=1)
    low, high = None, None
    if len(set(groups)) > 1:
        low, high = interval(
            lambda index: float(shares[index].mean()),
            len(shares),
            material.resamples,
            material.seed,
            groups=groups,
        )
    return Figure(
        name="diversity.passing",
        title="Images that show their layout",
        value=float(shares.mean()),
        low=low,
        high=high,
        better="higher",
        unit="%",
        how=f"agreement with the label at least {PASSING:g} of the median of real test views; the others are left out "
        f"of the diversity",
    )
