"""Is the label true? The judge segments the images without their labels; its agreement with the labels is
compared with its agreement on real test pairs.

    obedience.ratio = mean Dice on synthetic pairs / mean Dice on real test pairs,
                      both over the foreground classes that are labelled in both sets

Dice, IoU and accuracy are of all pixels of a set together. The judge never saw a sample; near-copies are left
out before scoring, because a copied training pair agrees by having been learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from labelmint.datasets.objects import object_map
from labelmint.errors import InputError
from labelmint.evaluation.material import Material
from labelmint.evaluation.views import Views, ids_of
from labelmint.metrics.bootstrap import quotient_interval
from labelmint.metrics.detection import found_objects, matches
from labelmint.metrics.overlap import confusion, dice, iou, pixel_accuracy
from labelmint.reports.results import Chart, Figure, Section, Series, Table
from labelmint.types import Array

__all__ = ["agreement", "obedience"]

RATIO = "Obedience ratio"
WORST_JUDGE = 0.3  # mean Dice on real test pairs below which a quotient says nothing


def obedience(material: Material, kept: npt.NDArray[np.bool_]) -> Section:
    """The section; `kept` (N,) marks the samples that are no copies. Where the samples hold none of the foreground
    classes of the test part, it says so, and the verdict is bad. Raises InputError where the test part holds none at
    all: that says nothing of the samples.
    """
    counts = {
        "real": confusion(material.real.labels, material.reading("real"), len(material.classes)),
        "synthetic": confusion(
            material.synthetic.labels, material.reading("synthetic"), len(material.classes)
        )[kept],
    }
    labelled = {name: value.sum(axis=(0, 2)) for name, value in counts.items()}
    compared = [k for k in material.foreground if labelled["real"][k] > 0 and labelled["synthetic"][k] > 0]
    names = material.classes.names
    if not compared:
        return _nothing_in_common(labelled, material)
    in_both = [k for k in range(len(names)) if labelled["real"][k] > 0 and labelled["synthetic"][k] > 0]
    figures = _figures(
        counts, compared, in_both, material, material.synthetic.take(np.flatnonzero(kept)).groups
    )
    left_out = [names[k] for k in material.foreground if k not in compared]
    found = _detection(material, kept)
    ratio, real, fake = figures[0].value, figures[1].real, figures[1].value
    times = (
        f"{ratio:.2f} times as well as with real test labels"
        if ratio is not None
        else "and with real ones too little to compare"
    )
    summary = (
        f"The judge agrees with synthetic labels {times} (mean Dice {fake:.3f} against {real:.3f} over "
        f"{len(compared)} classes)."
    )
    summary += f" {int((~kept).sum())} near-copies were left out." if not kept.all() else ""
    if left_out:
        summary += f" Not compared, because a set has no such pixels: {', '.join(left_out)}."
    table = _by_class(counts, material)
    return Section(
        name="obedience",
        title="Is the label true?",
        summary=summary,
        figures=(*figures, *found),
        tables=(table,),
        charts=(_chart(counts, compared, material),),
    )


def _nothing_in_common(labelled: dict[str, Array], material: Material) -> Section:
    """The section where no foreground class is in both sets."""
    names = material.classes.names
    tested = [names[k] for k in material.foreground if labelled["real"][k] > 0]
    if not tested:
        lacking = ", ".join(names[k] for k in material.foreground)
        raise InputError(
            "no foreground class is labelled in the test part, so obedience can't be measured"
            + (f"; it lacks {lacking}: put pairs that hold them into test.txt" if lacking else "")
        )
    reason = "no foreground class is labelled both in the test part and in the synthetic pairs"
    summary = f"Not measured: {reason}. The test part holds {', '.join(tested)}."
    figures = (
        Figure(name="obedience.ratio", title=RATIO, value=None, better="higher", refused=reason),
        Figure(
            name="obedience.classes",
            title="Foreground classes labelled in both sets",
            value=0,
            real=len(tested),
            better="higher",
            how="of those that the test part holds, which stand under real data",
        ),
    )
    return Section(name="obedience", title="Is the label true?", summary=summary, figures=figures)


def _figures(
    counts: dict[str, Array],
    compared: list[int],
    in_both: list[int],
    material: Material,
    groups: Sequence[str],
) -> tuple[Figure, ...]:
    fake, real = counts["synthetic"], counts["real"]

    def mean_dice(values: Array) -> float:
        return float(np.nanmean(dice(values)[compared]))

    def mean_iou(values: Array) -> float:
        return float(np.nanmean(iou(values)[in_both]))

    def accuracy(values: Array) -> float:
        return pixel_accuracy(values.reshape(-1, *values.shape[-2:]).sum(axis=0))

    ratio: Figure = _ratio(fake, real, mean_dice, material, groups)
    rows = [ratio]
    for name, title, compute, how in (
        (
            "dice",
            "Mean Dice",
            mean_dice,
            "2 TP / (2 TP + FP + FN), all pixels of the set together, mean over the classes compared",
        ),
        (
            "miou",
            "mIoU",
            mean_iou,
            "TP / (TP + FP + FN), mean over the classes labelled in both sets, background included",
        ),
        (
            "pixel_accuracy",
            "Pixel accuracy",
            accuracy,
            "share of the pixels, ignored ones left out, that the judge reads as labelled",
        ),
    ):

        def of(index: Array, compute: Callable[[Array], float] = compute) -> float:
            return compute(fake[index])

        low, high = material.interval(of, groups)
        rows.append(
            Figure(
                name=f"obedience.{name}",
                title=title,
                value=compute(fake),
                low=low,
                high=high,
                real=compute(real),
                better="higher",
                how=how,
            )
        )
    return tuple(rows)


def _ratio(
    fake: Array, real: Array, mean_dice: Callable[[Array], float], material: Material, groups: Sequence[str]
) -> Figure:
    name, title = "obedience.ratio", RATIO
    how = (
        "mean Dice of the judge on synthetic pairs, divided by that on real test pairs, over foreground "
        "classes labelled in both"
    )
    below = mean_dice(real)
    if below < WORST_JUDGE:
        reason = (
            f"the judge reaches a mean Dice of {below:.2f} on real test pairs, and below {WORST_JUDGE} it "
            f"can't judge others; "
        )
        reason += "give it more steps (--judge-steps) or more training pairs"
        return Figure(name=name, title=title, value=None, better="higher", how=how, refused=reason)
    low, high = None, None
    if (
        min(len(set(material.real.groups)), len(set(groups))) > 1
    ):  # one patient says nothing about how patients differ
        low, high = quotient_interval(
            lambda index: mean_dice(fake[index]),
            len(fake),
            lambda index: mean_dice(real[index]),
            material.real.groups,
            material.resamples,
            material.seed,
            above_groups=groups,
        )
    return Figure(
        name=name,
        title=title,
        value=mean_dice(fake) / below,
        low=low,
        high=high,
        real=1.0,
        better="higher",
        how=how,
    )


def _by_class(counts: dict[str, Array], material: Material) -> Table:
    fake, real = (counts[name].sum(axis=0) for name in ("synthetic", "real"))
    rows = []
    for k, name in enumerate(material.classes.names):
        scores = [_number(of(total)[k]) for of in (dice, iou) for total in (real, fake)]
        quotient = scores[1] / scores[0] if scores[0] and scores[1] is not None else None
        shares = [float(total[k].sum() / max(total.sum(), 1)) * 100 for total in (real, fake)]
        rows.append((name, *scores[:2], quotient, *scores[2:], *shares))
    return Table(
        title="Class by class",
        head=(
            "class",
            "Dice real",
            "Dice synthetic",
            "ratio",
            "IoU real",
            "IoU synthetic",
            "% of pixels real",
            "% of pixels synthetic",
        ),
        rows=tuple(rows),
        note="Judged on all pixels of each set; a dash where the class is neither labelled nor read.",
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _chart(counts: dict[str, Array], compared: list[int], material: Material) -> Chart:
    names = tuple(material.classes.names[k] for k in compared)
    series = tuple(
        Series(name=name, x=names, y=tuple(float(v) for v in np.nan_to_num(dice(counts[name])[compared])))
        for name in ("synthetic", "real")
    )
    return Chart(title="Dice by class", kind="bars", x_label="class", y_label="Dice", series=series)


def _detection(material: Material, kept: npt.NDArray[np.bool_]) -> tuple[Figure, ...]:
    """How many labelled objects the judge finds; only where the data have instances."""
    if material.real.instances is None or material.synthetic.instances is None:
        return ()
    fake = _counted(material, material.synthetic, material.reading("synthetic"), np.flatnonzero(kept))
    real = _counted(material, material.real, material.reading("real"), np.arange(len(material.real)))
    if not fake.sum(axis=0)[1] or not real.sum(axis=0)[1]:
        return ()
    figures, groups = [], material.synthetic.take(np.flatnonzero(kept)).groups
    found = "instances of which the judge reads at least half of the pixels as their class"
    matched = (
        "2 M / (labelled + read objects), M matched one to one at IoU 0.5 within a class; read objects are "
        "connected pieces"
    )
    for name, title, score, how in (
        ("objects_found", "Labelled objects found", _share_found, found),
        ("detection_f1", "Detection F1", _f1, matched),
    ):
        low, high = material.interval(
            lambda index, score=score: score(fake[index]),  # type: ignore[misc]
            groups,
        )
        figures.append(
            Figure(
                name=f"obedience.{name}",
                title=title,
                value=score(fake),
                low=low,
                high=high,
                real=score(real),
                better="higher",
                unit="%",
                how=how,
            )
        )
    return tuple(figures)


def _share_found(counts: Array) -> float:
    found, labelled, _, _ = counts.sum(axis=0)
    return 100 * float(found / max(labelled, 1))


def _f1(counts: Array) -> float:
    _, labelled, read, matched = counts.sum(axis=0)
    return 100 * float(2 * matched / max(labelled + read, 1))


def _counted(material: Material, views: Views, readings: Array, chosen: Array) -> Array:
    """(n, 4): objects found, labelled, read, and matched with a read one, for each of the chosen views."""
    assert views.instances is not None
    place = {class_id: k for k, class_id in enumerate(material.classes.ids)}
    rows = []
    for i in chosen:
        objects, ids = object_map(
            ids_of(views.labels[i], material.classes), views.instances[i], material.backgrounds
        )
        # What is read where nothing is labelled is neither right nor wrong.
        reading = np.where(views.labels[i] < 0, views.labels[i], readings[i])
        pieces, read = object_map(ids_of(reading, material.classes), None, material.backgrounds)
        labelled = [place[class_id] for class_id in ids]
        matched = matches(objects, labelled, pieces, [place[class_id] for class_id in read])
        found = found_objects(objects, labelled, readings[i])
        rows.append((int(found.sum()), len(ids), len(read), sum(one.both for one in matched.values())))
    return np.array(rows, np.int64).reshape(-1, 4)


def agreement(labels: Array, readings: Array) -> npt.NDArray[np.float64]:
    """(N,) share of the pixels of each view, ignored ones left out, that are read as labelled; 1 where all
    are ignored.
    """
    seen = labels >= 0
    right = ((labels == readings) & seen).sum(axis=(1, 2))
    total = seen.sum(axis=(1, 2))
    return np.where(total > 0, right / np.maximum(total, 1), 1.0)
