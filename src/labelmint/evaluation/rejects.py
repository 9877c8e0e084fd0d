"""How many samples would be thrown away, per 3,000 as the paper counts them: by rule here, and by a person's
eye on the sheets.

rejected:  its layout breaks a rule, or the judge agrees with its label on a smaller share of the pixels than
           on all but 1 % of the real test views

The real views of each half of the groups are judged by the threshold of the other half: a threshold is not tried
on what it was set on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelmint.evaluation.coherent import Incoherent
from labelmint.evaluation.material import Material
from labelmint.evaluation.obedience import agreement
from labelmint.evaluation.views import ids_of
from labelmint.metrics.copy_rule import halves
from labelmint.pictures import contact_sheet, image_grid, overlay
from labelmint.reports.results import Figure, Picture, Section
from labelmint.types import Array, Layout

__all__ = ["rejects"]

PER, STRICTNESS = 3000, 0.01
SHOWN, SHEETS, ON_A_SHEET = 12, 3, 100


def rejects(material: Material, incoherent: Incoherent) -> Section:
    """The section, with the worst cases and sheets of up to 300 samples to look at; `incoherent` as
    `coherent` found it.
    """
    real = agreement(material.real.labels, material.reading("real"))
    fake = agreement(material.synthetic.labels, material.reading("synthetic"))
    threshold = float(np.quantile(real, STRICTNESS))
    disobedient = fake < threshold
    rejected = disobedient | incoherent.synthetic
    usual = _usual(real, material.real.groups)
    low, high = material.interval(
        lambda index: PER * float(rejected[index].mean()), material.synthetic.groups
    )
    figures = [
        Figure(
            name="rejects.per_3000",
            title="Rejects per 3,000",
            value=PER * float(rejected.mean()),
            low=low,
            high=high,
            real=None if usual is None else PER * float((usual | incoherent.real).mean()),
            better="lower",
            unit="per 3,000",
            how="samples that are incoherent or disobedient, by the two rules below",
        )
    ]
    for name, title, flags, real_flags, how in (
        ("incoherent", "Incoherent", incoherent.synthetic, incoherent.real, "layout breaks a rule"),
        (
            "disobedient",
            "Disobedient",
            disobedient,
            usual,
            f"the judge agrees on less than {100 * threshold:.1f} % of the pixels",
        ),
    ):
        figures.append(
            Figure(
                name=f"rejects.{name}",
                title=title,
                value=PER * float(flags.mean()),
                better="lower",
                unit="per 3,000",
                how=how,
                real=None if real_flags is None else PER * float(real_flags.mean()),
            )
        )
    pictures = [_worst(material, fake), *_sheets(material)]
    return Section(
        name="rejects",
        title="How many would be thrown away?",
        summary=f"{int(rejected.sum())} of {len(rejected)} samples are rejected by rule: "
        f"{int(disobedient.sum())} disobedient, "
        f"{int(incoherent.synthetic.sum())} incoherent. The sheets are for looking: no rule sees what a "
        f"person sees.",
        figures=tuple(figures),
        pictures=tuple(pictures),
    )


def _usual(scores: Array, groups: Sequence[str]) -> Array | None:
    """Which real views (N,) lie below the threshold of the other half; None where there is one group."""
    if len(set(groups)) < 2:
        return None
    first, found = halves(groups), np.zeros(len(scores), bool)
    for half in (first, ~first):
        found[half] = scores[half] < np.quantile(scores[~half], STRICTNESS)
    return found


def _worst(material: Material, scores: Array) -> Picture:
    worst = np.argsort(scores, kind="stable")[:SHOWN]
    tiles = []
    for i in worst:
        image = material.synthetic.images[i]
        for indices in (material.synthetic.labels[i], material.reading("synthetic")[i]):
            tiles.append(
                overlay(image, Layout(label_map=ids_of(indices, material.classes)), material.classes)
            )
        tiles.insert(-2, image)
    image_grid(tiles, material.folder / "worst.png", columns=6)
    shares = ", ".join(f"{100 * scores[i]:.0f} %" for i in worst[:4])
    return Picture(
        title="Where image and label agree least",
        file="worst.png",
        note=f"In threes: the image, its label, what the judge reads. Pixels that agree, of the first: "
        f"{shares}.",
    )


def _sheets(material: Material) -> list[Picture]:
    found = []
    for k in range(min(SHEETS, -(-len(material.synthetic) // ON_A_SHEET))):
        chosen = range(k * ON_A_SHEET, min((k + 1) * ON_A_SHEET, len(material.synthetic)))
        name = f"look_{k + 1}.png"
        pairs = [material.synthetic.pair(i, material.classes) for i in chosen]
        contact_sheet(pairs, material.classes, material.folder / name, columns=10, limit=ON_A_SHEET)
        found.append(
            Picture(
                title=f"Samples {chosen[0] + 1} to {chosen[-1] + 1}",
                file=name,
                note="To look at: count those to reject.",
            )
        )
    return found
