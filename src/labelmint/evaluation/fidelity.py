"""Do the samples look like real images, and are they as varied? Distances between sets of features of the
judge.

The features come from a network trained here on the user's data, so the distances are *not* FID and KID and
are not called so: those need the Inception network's weights (`--fid-weights`). Every figure stands beside
the same figure of real training views, as many as there are samples, against the same test views: the best
that can be expected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.evaluation.looks import looks
from labelmint.evaluation.material import Material
from labelmint.metrics.coverage import coverage
from labelmint.metrics.frechet import frechet_distance
from labelmint.metrics.kernel import kernel_distance
from labelmint.metrics.vendi import vendi_score
from labelmint.reports.results import Figure, Section
from labelmint.types import Array

if TYPE_CHECKING:
    from labelmint.evaluation.known_weights import Inception
    from labelmint.nn.efficientnet import EfficientNetLite0

__all__ = ["fidelity", "figure_or_refusal"]

NEIGHBORS = 5
REPEATS = 50  # resamples: each is a whole distance between sets


def figure_or_refusal(compute: Callable[[], Figure], name: str, title: str) -> Figure:
    """The figure, or the same name with the reason why there is none."""
    try:
        return compute()
    except InputError as error:
        return Figure(name=name, title=title, value=None, refused=str(error))


def fidelity(
    material: Material,
    kept: npt.NDArray[np.bool_],
    inception: Inception | None,
    encoder: EfficientNetLite0 | None = None,
) -> Section:
    """The section; `kept` (N,) marks the samples that are no copies."""
    real, fake = material.features("real"), material.features("synthetic")[kept]
    seen = material.features("seen")
    rng = np.random.default_rng(material.seed)
    # Coverage and recall grow with the number of samples, so both sides show as many.
    count = min(len(seen), len(fake))
    reference = seen[rng.permutation(len(seen))[:count]]
    groups, chosen = np.array(material.synthetic.groups)[kept], rng.permutation(len(fake))[:count]
    figures = [*_neighbors(real, fake[chosen], reference, material, groups[chosen].tolist())]
    layouts = groups.tolist()
    figures += [
        figure_or_refusal(
            lambda: _frechet(real, fake, reference, material, layouts), "fidelity.frechet_distance", FRECHET
        ),
        figure_or_refusal(
            lambda: _kernel(real, fake, reference, material, layouts), "fidelity.kernel_distance", KERNEL
        ),
        figure_or_refusal(
            lambda: _vendi(real, fake, material, layouts), "diversity.vendi", "Vendi score (judge features)"
        ),
    ]
    if inception is not None:
        figures += _known(material, kept, inception)
    if encoder is not None:
        figures.append(
            figure_or_refusal(lambda: _of_lite0(material, kept, encoder), f"fidelity.{OF_LITE0}", LITE0_TITLE)
        )
    look = looks(material, kept)
    coverages = {figure.name: figure for figure in figures}["fidelity.coverage"]
    value, best = (f"{x:.2f}" if x is not None else "unknown" for x in (coverages.value, coverages.real))
    return Section(
        name="fidelity",
        title="Do they look real, and are they as varied?",
        summary=f"The samples cover {value} of the test views' neighborhoods; as many real training views "
        f"cover {best}.",
        figures=(*figures, *look.figures),
        tables=look.tables,
        charts=look.charts,
        pictures=look.pictures,
    )


def _neighbors(
    real: Array, fake: Array, reference: Array, material: Material, layouts: Sequence[str]
) -> list[Figure]:
    how = {
        "precision": "share of the samples that lie within the neighborhood (5 nearest) of some test view",
        "recall": "share of the test views that lie within the neighborhood of some sample",
        "density": "neighborhoods of test views that a sample lies in, over 5",
        "coverage": "share of the test views with a sample in their neighborhood",
    }
    if min(len(real), len(fake), len(reference)) <= NEIGHBORS:
        reason = f"needs more than {NEIGHBORS} samples and test views; there are {len(fake)} and {len(real)}"
        return [
            Figure(name=f"fidelity.{name}", title=name.capitalize(), value=None, refused=reason)
            for name in how
        ]
    value, best = coverage(real, fake, k=NEIGHBORS), coverage(real, reference, k=NEIGHBORS)
    each = {
        "precision": value.precise,
        "recall": value.recalled,
        "density": value.dense,
        "coverage": value.covered,
    }
    found = []
    for name, text in how.items():
        items = each[name]

        def mean(index: Array, items: Array = items) -> float:
            return float(items[index].mean())

        # these are means over the test views
        groups = material.real.groups if name in ("recall", "coverage") else layouts
        low, high = material.interval(mean, groups)
        found.append(
            Figure(
                name=f"fidelity.{name}",
                title=name.capitalize(),
                value=getattr(value, name),
                low=low,
                high=high,
                real=getattr(best, name),
                better="higher",
                how=f"{text}, in the judge's features; of {len(fake)} samples",
            )
        )
    return found


def _repeats(material: Material) -> int:
    return min(REPEATS, material.resamples)


OF_LITE0, LITE0_TITLE = "frechet_efficientnet_lite0", "Fréchet distance (EfficientNet-lite0 features)"
FRECHET, KERNEL = "Fréchet distance (judge features)", "Kernel distance (judge features)"


def _frechet(
    real: Array, fake: Array, reference: Array, material: Material, layouts: Sequence[str]
) -> Figure:
    value = frechet_distance(real, fake)
    low, high = None, None
    if len(fake) // 2 > fake.shape[1]:
        low, high = material.half_interval(
            lambda index: frechet_distance(real, fake[index]), value, layouts, _repeats(material)
        )
    return Figure(
        name="fidelity.frechet_distance",
        title=FRECHET,
        value=value,
        low=low,
        high=high,
        real=frechet_distance(real, reference),
        better="lower",
        how="Fréchet distance between Gaussians fitted to the judge's features; not FID, and only comparable "
        "under the same judge",
    )


def _of_lite0(material: Material, kept: npt.NDArray[np.bool_], encoder: EfficientNetLite0) -> Figure:
    from labelmint.evaluation.encoded import encoded

    rng = np.random.default_rng(material.seed)
    chosen = rng.permutation(len(material.seen))[: int(kept.sum())]
    images = (material.real.images, material.synthetic.images[kept], material.seen.images[chosen])
    real, fake, reference = (encoded(one, encoder) for one in images)
    return Figure(
        name=f"fidelity.{OF_LITE0}",
        title=LITE0_TITLE,
        value=frechet_distance(real, fake),
        real=frechet_distance(real, reference),
        better="lower",
        how=f"Fréchet distance between Gaussians fitted to the features of EfficientNet-lite0, trained on photographs "
        f"(weights of SHA-256 {encoder.sha256[:16]}); not FID; {len(fake)} samples against {len(real)} test views",
    )


def _kernel(real: Array, fake: Array, reference: Array, material: Material, layouts: Sequence[str]) -> Figure:
    value = kernel_distance(real, fake)
    low, high = material.half_interval(
        lambda index: kernel_distance(real, fake[index]), value, layouts, _repeats(material)
    )
    return Figure(
        name="fidelity.kernel_distance",
        title=KERNEL,
        value=value,
        low=low,
        high=high,
        real=kernel_distance(real, reference),
        better="lower",
        how="unbiased squared MMD with a cubic kernel on the judge's features; not KID, and only comparable "
        "under the same judge",
    )


def _vendi(real: Array, fake: Array, material: Material, layouts: Sequence[str]) -> Figure:
    count = min(len(real), len(fake))
    rng = np.random.default_rng(material.seed)
    chosen, others = (rng.permutation(len(one))[:count] for one in (fake, real))
    a, b = fake[chosen], real[others]
    value = vendi_score(a)
    low, high = material.half_interval(
        lambda index: vendi_score(a[index]), value, [layouts[i] for i in chosen], _repeats(material)
    )
    return Figure(
        name="diversity.vendi",
        title="Vendi score (judge features)",
        value=value,
        low=low,
        high=high,
        real=vendi_score(b),
        better="higher",
        how=f"effective number of different images among {count}, exp of the entropy of the cosine kernel's "
        f"spectrum",
    )


def _known(material: Material, kept: npt.NDArray[np.bool_], inception: Inception) -> list[Figure]:
    """FID and KID of the samples, and of as many training views where there are enough."""
    from labelmint.evaluation.known_weights import inception_features, known_fid, known_kid

    chosen = np.random.default_rng(material.seed).permutation(len(material.seen))[: int(kept.sum())]
    images = (material.real.images, material.synthetic.images[kept], material.seen.images[chosen])
    real, fake, reference = (inception_features(one, inception) for one in images)
    how = (
        f"on Inception features (weights of SHA-256 {inception.sha256[:16]}), {len(fake)} samples against "
        f"{len(real)} test views"
    )
    found = []
    for name, title, compute in (("fid", "FID", known_fid), ("kid", "KID", known_kid)):

        def figure(name: str = name, title: str = title, compute: Callable[..., float] = compute) -> Figure:
            beside = figure_or_refusal(
                lambda: Figure(name=name, title=title, value=compute(real, reference, inception)), name, title
            )
            return Figure(
                name=f"fidelity.{name}",
                title=title,
                value=compute(real, fake, inception),
                real=beside.value,
                better="lower",
                how=how,
            )

        found.append(figure_or_refusal(figure, f"fidelity.{name}", title))
    return found
