"""Is it a copy? Every sample beside its nearest training view, judged by a rule set on real held-out images.

The search and the rule are in `metrics.nearest_view` and `metrics.memorization`. Beside them, on the judge's
features, AuthPct and C_T, which the literature uses; they see meaning rather than pixels, and miss copies
that the search finds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError
from labelmint.evaluation.material import Material
from labelmint.evaluation.subject import FEWEST_SAMPLES
from labelmint.metrics.authenticity import authentic, c_t
from labelmint.metrics.copy_rule import CERTAIN
from labelmint.metrics.memorization import Memorization, memorization
from labelmint.metrics.nearest_view import view
from labelmint.pictures import image_grid
from labelmint.progress import Event
from labelmint.reports.results import Chart, Figure, Picture, Section, Series, Table

__all__ = ["copied", "scored"]

SHOWN = 24


def copied(
    material: Material, *, validation_is_held_out: bool = True
) -> tuple[Section, npt.NDArray[np.bool_]]:
    """The section, and which samples (N,) are copies; where the rule can't be set, none, and the section says
    why.

    Pairs of unknown making may have been made from the validation pairs as well: then these are searched like
    training pairs.
    """
    held_out = [*(material.validation if validation_is_held_out else ()), *material.test]
    sources = [*material.training, *(() if validation_is_held_out else material.validation)]
    training = [one.image for one in sources]
    try:
        found = memorization(
            material.synthetic.images,
            training,
            [one.image for one in held_out],
            training_groups=[one.group for one in sources],
            held_out_groups=[one.group for one in held_out],
            seed=material.seed,
            tell=lambda what, done, of: material.report(Event(what, done, of)),
        )
    except InputError as error:
        return _refused(str(error)), np.zeros(len(material.synthetic), bool)
    figures = (_copies(found, material), _searched(found), *_features(material))
    section = Section(
        name="memorization",
        title="Is it a copy?",
        summary=_summary(found),
        figures=figures,
        tables=_groups(found, material),
        charts=(_chart(found),),
        pictures=(_pictures(found, material, training),),
    )
    return section, found.copies


def scored(copies: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which samples (N,) the other figures are of: those that are no copies.

    Where fewer are left than an evaluation needs, copies are scored as they are, and the verdict says what they are.
    """
    kept = ~copies
    return kept if kept.sum() >= FEWEST_SAMPLES else np.ones_like(kept)


def _summary(found: Memorization) -> str:
    text = (
        f"{int(found.copies.sum())} of {len(found.copies)} samples lie nearer to a training image than real "
        f"images do "
        f"({100 * found.alarms:.1f} % of {found.real_items} real held-out views would be called copies by a "
        f"rule set on others)."
    )
    if found.flat.any():
        text += f" {int(found.flat.sum())} samples are flat and hold nothing that could be copied."
    tested = int((found.far < CERTAIN)[~found.flat].sum())
    if tested:
        text += f" {tested} samples are all but equal to held-out images."
    if found.to_training.searched < 1:
        text += (
            f" Only {100 * found.to_training.searched:.0f} % of the training positions were searched, "
            f"because there are so many."
        )
    return text


def _copies(found: Memorization, material: Material) -> Figure:
    def per_1000(index: npt.NDArray[np.int64]) -> float:
        return 1000 * float(found.copies[index].mean())

    groups = material.synthetic.groups
    low, high = material.interval(per_1000, groups)
    if not found.copies.any():
        # the rule of three: a resample of zeros knows no doubt
        low, high = 0.0, min(3000.0 / len(set(groups)), 1000.0)
    return Figure(
        name="memorization.copies_per_1000",
        title="Copies per 1,000",
        value=found.copies_per_1000,
        low=low,
        high=high,
        real=1000 * found.alarms,
        better="lower",
        unit="per 1,000",
        how=(
            "samples with (distance to the nearest training view + 1) / (distance to the nearest held-out "
            "view + 1) below "
            f"{found.rule.threshold:.2f}, in RMS grey levels without the sample's own grain after a fit of "
            f"brightness, over all "
            "positions, flips and turns (copies that are zoomed by much are not found); the threshold is the ratio "
            "that 1 % of real held-out views fall below"
        ),
    )


def _searched(found: Memorization) -> Figure:
    return Figure(
        name="memorization.searched",
        title="Training positions searched",
        value=100 * found.to_training.searched,
        better="higher",
        unit="%",
        how="of all positions in training images; below 100 % copies can be missed",
    )


def _features(material: Material) -> tuple[Figure, ...]:
    real, seen, fake = (material.features(name) for name in ("real", "seen", "synthetic"))
    share = authentic(fake, seen)
    low, high = material.interval(lambda index: 100 * float(share[index].mean()), material.synthetic.groups)
    auth = Figure(
        name="memorization.auth_pct",
        title="AuthPct",
        value=100 * float(share.mean()),
        low=low,
        high=high,
        real=100 * float(authentic(real, seen).mean()),
        better="higher",
        unit="%",
        how=f"samples whose nearest of {len(seen)} training views, in the judge's features, is farther from "
        f"them than from its own nearest "
        "training view (Alaa et al. 2022)",
    )
    how = (
        "Mann-Whitney z-score of distances to training views, samples against real test views, in cells "
        "(Meehan et al. 2020); "
        "below -3 speaks of copying"
    )
    try:
        score = Figure(
            name="memorization.c_t",
            title="C_T",
            value=c_t(seen, real, fake, seed=material.seed),
            better="neither",
            how=how,
        )
    except InputError as error:
        score = Figure(name="memorization.c_t", title="C_T", value=None, how=how, refused=str(error))
    return auth, score


def _groups(found: Memorization, material: Material) -> tuple[Table, ...]:
    """What was copied from, where anything was: by patient or slide, not by slice."""
    if not found.groups:
        return ()
    rows = tuple(list(found.groups.items())[:20])
    return (
        Table(title="Training images (or groups) that were copied from", head=("group", "copies"), rows=rows),
    )


def _chart(found: Memorization) -> Chart:
    edges = np.linspace(0, max(2.0, float(found.ratios.max()), float(found.rule.ratios.max())), 41)
    middles = tuple(float(value) for value in (edges[1:] + edges[:-1]) / 2)
    series = tuple(
        Series(name=name, x=middles, y=tuple(float(v) for v in np.histogram(values, edges)[0] / len(values)))
        for name, values in (("synthetic", found.ratios), ("real, held out", found.rule.ratios))
    )
    return Chart(
        title="Distance to training, divided by distance to held-out images",
        kind="lines",
        x_label="ratio",
        y_label="share",
        series=series,
        note=f"Left of {found.rule.threshold:.2f} a sample counts as a copy.",
    )


def _pictures(found: Memorization, material: Material, training: list[npt.NDArray[np.uint8]]) -> Picture:
    # Flat samples are near everything and say nothing.
    closest = np.argsort(found.ratios + np.where(found.flat, 1e6, 0))[:SHOWN]
    tiles = []
    for i in closest:
        tiles += [material.synthetic.images[i], view(training, found.to_training, int(i))]
    image_grid(tiles, material.folder / "closest_pairs.png", columns=8)
    return Picture(
        title="The samples nearest to training images",
        file="closest_pairs.png",
        note="In pairs: a sample, and beside it the nearest view of a training image; the nearest first.",
    )


def _refused(reason: str) -> Section:
    figure = Figure(
        name="memorization.copies_per_1000",
        title="Copies per 1,000",
        value=None,
        better="lower",
        refused=reason,
    )
    return Section(
        name="memorization", title="Is it a copy?", summary=f"Not measured: {reason}.", figures=(figure,)
    )
