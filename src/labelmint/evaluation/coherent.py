"""Are the scenes coherent? Rules that real data keep, checked on layouts and on what the judge reads from the
images alone.

    learned rules       from the training pairs: classes never together, counts, places and areas never seen
    composition rules   written down, where the composition is known (`--composition`)

The rate of real test pairs that break a rule stands beside each: a rule that real data break says nothing
against samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelmint.evaluation.material import Material
from labelmint.evaluation.object_reader import ObjectReader, crops_at
from labelmint.evaluation.views import Views, ids_of
from labelmint.metrics.coherence import Rule, Scene, Violations, composition_rules, scene_objects, violations
from labelmint.metrics.layout_statistics import (
    LayoutDistances,
    LayoutStatistics,
    layout_distances,
    layout_statistics,
)
from labelmint.metrics.learned_rules import FEWEST_SCENES, learn_rules
from labelmint.pictures import contact_sheet
from labelmint.reports.results import Chart, Figure, Picture, Section, Series, Table
from labelmint.types import Array

__all__ = ["Incoherent", "coherent"]


class Incoherent(NamedTuple):
    """Which synthetic (N,) and which real test layouts (M,) break a rule."""

    synthetic: npt.NDArray[np.bool_]
    real: npt.NDArray[np.bool_]


SHOWN = 16
MERGE = 0.5  # a smaller piece of another class within an object is the judge's wavering
SPECK = 0.002  # smaller pieces of a reading, in shares of the image, are no objects
NARROWEST = 4  # pixels of the shorter side of a box whose class can be read


def coherent(
    material: Material, composition: str | None, grain: float = 0.0, reader_steps: int = 400
) -> tuple[Section, Incoherent]:
    """The section, and which layouts break a rule; `grain` is the cell of the layout grid that synthetic
    labels come from, in shares of the image's side."""
    names = dict(zip(material.classes.ids, material.classes.names, strict=True))
    labels = {name: _labelled(material, views) for name, views in _sets(material).items()}
    images = _read_scenes(material, labels["seen"], reader_steps)
    found: list[tuple[str, str, Violations, Violations]] = []
    for source, title, scenes in (("layouts", "on layouts", labels), ("images", "on images", images)):
        for kind, rules in _rules(scenes["seen"], names, composition, grain, source == "images"):
            fake, real = violations(rules, scenes["synthetic"]), violations(rules, scenes["real"])
            found.append((f"coherence.{kind}_{source}", title, fake, real))
    if not found:
        reason = f"rules are learned from at least {FEWEST_SCENES} training views"
        figure = Figure(
            name="coherence.learned_layouts",
            title="Layouts that break learned rules",
            value=None,
            refused=reason,
        )
        section = Section(
            name="coherence",
            title="Are the scenes coherent?",
            summary=f"Not measured: {reason}.",
            figures=(figure,),
        )
        return section, Incoherent(
            np.zeros(len(material.synthetic), bool), np.zeros(len(material.real), bool)
        )
    on_layouts = [(fake, real) for name, _, fake, real in found if name.endswith("_layouts")]
    wrong = Incoherent(_broken([fake for fake, _ in on_layouts]), _broken([real for _, real in on_layouts]))
    figures = tuple(_figure(name, title, fake, real, material) for name, title, fake, real in found)
    first = figures[0]
    return (
        Section(
            name="coherence",
            title="Are the scenes coherent?",
            summary=f"{first.value:.1f} % of synthetic layouts break {_kind(first.name)}; of real test "
            f"layouts {first.real:.1f} %."
            + (
                ""
                if material.drawn_layouts
                else " These layouts were not drawn: the run takes those of its training data."
            ),
            figures=(*figures, *_apart(labels, material)),
            tables=(*(_table(*one) for one in found), *_statistics(labels, material)),
            charts=(_counts(labels),),
            pictures=_pictures(material, found[0][2]),
        ),
        wrong,
    )


def _broken(found: Sequence[Violations]) -> npt.NDArray[np.bool_]:
    """Which scenes break a rule of any kind."""
    return np.array([any(reasons) for reasons in zip(*(one.reasons for one in found), strict=True)], bool)


def _sets(material: Material) -> dict[str, Views]:
    return {"seen": material.seen, "real": material.real, "synthetic": material.synthetic}


def _labelled(material: Material, views: Views) -> list[Scene]:
    return [
        scene_objects(
            ids_of(views.labels[i], material.classes),
            None if views.instances is None else views.instances[i],
            material.backgrounds,
        )
        for i in range(len(views))
    ]


def _read_scenes(material: Material, labelled: Sequence[Scene], reader_steps: int) -> dict[str, list[Scene]]:
    """What the images show without their labels: boxes from the judge, and where there are several classes
    each box's class from a reader that sees nothing else, because the judge knows which classes go together
    and corrects what it sees.
    """
    smallest = max(round(SPECK * material.size[0] * material.size[1]), 4)
    sets = _sets(material)
    found = {
        name: [
            scene_objects(ids_of(x, material.classes), None, material.backgrounds, smallest, merge=MERGE)
            for x in material.reading(name)
        ]
        for name in sets
    }
    if len(material.foreground) == 1:
        return found
    training = [_cuts(material.seen, i, scene) for i, scene in enumerate(labelled)]
    crops = np.concatenate([crops for crops, _ in training])
    ids = np.concatenate([ids for _, ids in training])
    if len(crops) == 0:
        return found
    # Few crops are learned soon, and then only by heart.
    steps = min(reader_steps, max(len(crops) // 4, 50))
    reader = ObjectReader.train(crops, ids, seed=material.seed, steps=steps)
    return {
        name: [_reread(reader, sets[name], i, scene) for i, scene in enumerate(scenes)]
        for name, scenes in found.items()
    }


def _cuts(views: Views, i: int, scene: Scene) -> tuple[Array, Array]:
    """Crops of a view at the objects of a scene that are wide enough to be read, and their class ids."""
    wide = [
        item
        for item in scene.objects
        if min(item.box[2] - item.box[0], item.box[3] - item.box[1]) >= NARROWEST
    ]
    boxes = [(int(one.box[1]), int(one.box[0]), int(one.box[3]), int(one.box[2])) for one in wide]
    return crops_at(views.images[i], boxes), np.array([one.class_id for one in wide], np.int64)


def _reread(reader: ObjectReader, views: Views, i: int, scene: Scene) -> Scene:
    """The scene with the classes that its crops look like; objects too narrow to be read keep theirs."""
    ids = iter(reader.read(_cuts(views, i, scene)[0]).tolist())
    objects = tuple(
        replace(item, class_id=next(ids))
        if min(item.box[2] - item.box[0], item.box[3] - item.box[1]) >= NARROWEST
        else item
        for item in scene.objects
    )
    return Scene(scene.size, objects)


def _rules(
    seen: Sequence[Scene], names: dict[int, str], composition: str | None, grain: float, read: bool
) -> list[tuple[str, tuple[Rule, ...]]]:
    """Kinds of rules and the rules; those learned from readings apply to readings."""
    kinds: list[tuple[str, tuple[Rule, ...]]] = []
    if len(seen) >= FEWEST_SCENES:
        kinds.append(("learned", learn_rules(seen, names, grain=grain)))
    if composition is not None:
        kinds.append(("composition", composition_rules(composition, tolerance=2.0 if read else 0.0)))
    return kinds


def _figure(name: str, where: str, fake: Violations, real: Violations, material: Material) -> Figure:
    broken = np.array([bool(reasons) for reasons in fake.reasons])
    low, high = material.interval(lambda index: 100 * float(broken[index].mean()), material.synthetic.groups)
    return Figure(
        name=name,
        title=f"Break {_kind(name)} {where}",
        value=100 * fake.rate,
        low=low,
        high=high,
        real=100 * real.rate,
        better="lower",
        unit="%",
        how=f"samples with a violation, by objects "
        f"{'of the labels' if where == 'on layouts' else 'read from the images alone'}",
    )


def _kind(name: str) -> str:
    return "learned rules" if ".learned_" in name else "the composition"


def _table(name: str, title: str, fake: Violations, real: Violations) -> Table:
    kind = "Learned rules" if ".learned_" in name else "Rules of the composition"
    rows = tuple(
        (rule, 100 * real.counts[rule] / max(real.scenes, 1), 100 * count / max(fake.scenes, 1))
        for rule, count in fake.counts.items()
    )
    return Table(
        title=f"{kind}, {title}", head=("rule", "% of real test pairs", "% of synthetic pairs"), rows=rows
    )


def _summaries(labels: dict[str, list[Scene]], material: Material) -> dict[str, LayoutStatistics]:
    ids = [material.classes.ids[k] for k in material.foreground]
    return {name: layout_statistics(scenes, ids) for name, scenes in labels.items()}


def _apart(labels: dict[str, list[Scene]], material: Material) -> tuple[Figure, ...]:
    # As many training layouts as samples: distances between sets shrink as the sets grow.
    chosen = np.random.default_rng(material.seed).permutation(len(labels["seen"]))[: len(labels["synthetic"])]
    statistics = _summaries({**labels, "seen": [labels["seen"][i] for i in chosen]}, material)
    fake = layout_distances(statistics["synthetic"], statistics["real"])
    real = layout_distances(statistics["seen"], statistics["real"])

    def mean(found: LayoutDistances, name: str) -> float | None:
        value = getattr(found, name)
        if not isinstance(value, dict):
            return float(value)
        return float(np.mean(list(value.values()))) if value else None

    empty = {
        name: 100 * float(np.mean([not scene.objects for scene in scenes])) for name, scenes in labels.items()
    }
    kinds = {
        "total_count_variation": (
            "Objects an image, total variation",
            "between their histograms and those of test layouts",
        ),
        "occupancy_difference": (
            "Places",
            "mean absolute difference of occupancy on an 8x8 grid, mean over classes",
        ),
        "cooccurrence_difference": (
            "Co-occurrence",
            "mean absolute difference of the shares of images that hold two classes together",
        ),
        "area_ks": (
            "Areas",
            "Kolmogorov-Smirnov distance of object areas, mean over classes; 1 for a class that one side alone holds",
        ),
    }
    emptiness = Figure(
        name="layouts.empty",
        title="Empty layouts",
        value=empty["synthetic"],
        real=empty["real"],
        unit="%",
        how="layouts without any object; those of real test pairs beside it",
    )
    return emptiness, *(
        Figure(
            name=f"layouts.{name}",
            title=title,
            value=mean(fake, name),
            real=mean(real, name),
            better="lower",
            how=how,
            refused="neither samples nor test pairs hold an object" if mean(fake, name) is None else "",
        )
        for name, (title, how) in kinds.items()
    )


def _statistics(labels: dict[str, list[Scene]], material: Material) -> tuple[Table, ...]:
    found = _summaries(labels, material)
    rows = []
    for k, class_id in enumerate(found["real"].classes):
        per_image = [found[name].objects_an_image_by_class[class_id] for name in ("real", "synthetic")]
        shares = [100 * float(found[name].area_fractions[k]) for name in ("real", "synthetic")]
        held = [100 * float(found[name].cooccurrence[k, k]) for name in ("real", "synthetic")]
        rows.append((material.classes.name_of(class_id), *per_image, *shares, *held))
    head = (
        "class",
        "objects real",
        "synthetic",
        "% of area real",
        "synthetic",
        "% of images real",
        "synthetic",
    )
    note = "Objects an image, share of the area, and share of the images that hold the class."
    return (Table(title="What layouts hold", head=head, rows=tuple(rows), note=note),)


def _counts(labels: dict[str, list[Scene]]) -> Chart:
    most = max(len(scene.objects) for name in ("real", "synthetic") for scene in labels[name])
    series = []
    for name in ("synthetic", "real"):
        counts = np.bincount([len(scene.objects) for scene in labels[name]], minlength=most + 1) / len(
            labels[name]
        )
        series.append(
            Series(name=name, x=tuple(float(k) for k in range(most + 1)), y=tuple(float(v) for v in counts))
        )
    return Chart(
        title="Objects an image",
        kind="lines",
        x_label="objects",
        y_label="share of images",
        series=tuple(series),
    )


def _pictures(material: Material, found: Violations) -> tuple[Picture, ...]:
    broken = [i for i, reasons in enumerate(found.reasons) if reasons][:SHOWN]
    if not broken:
        return ()
    contact_sheet(
        [material.synthetic.pair(i, material.classes) for i in broken],
        material.classes,
        material.folder / "incoherent.png",
    )
    reasons = "; ".join(found.reasons[i][0] for i in broken[:4])
    return (Picture(title="Layouts that break a rule", file="incoherent.png", note=f"The first: {reasons}."),)
