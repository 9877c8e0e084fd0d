"""`boxes`, labelmint's own: a prior over the sets of boxes of a data set, which draws layouts for other runs.

    s ~ p(s) over sets of boxes;    images are drawn by a run that sees boxes, or by any other for shapes in them

References:
    LayoutTransformer (Gupta et al., 2021), https://arxiv.org/abs/2006.14615
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.layouts.box_prior import BoxPrior, kinds_of
from labelmint.layouts.boxes import BoxRule, BoxSettings
from labelmint.objectives.box_likelihood import BoxNats
from labelmint.priors.boxes import BoxCode, BoxTransformer, BoxTransformerConfig
from labelmint.systems.sections import Sections
from labelmint.systems.system import Facts, System, Wired
from labelmint.training.likelihood import Likelihood, PriorTraining
from labelmint.training.regime import Stage
from labelmint.types import Batch

__all__ = ["SYSTEMS", "BoxPriorSection", "BoxesSections", "box_prior", "boxes", "tiny"]

_MOST_COUNTED = 4096  # training views whose objects are counted


class BoxPriorSection(BoxTransformerConfig, BoxSettings, PriorTraining):
    """The prior: boxes, sizes and training."""

    most_boxes: int = Field(32, ge=1, le=256, description="boxes of an image at most, the largest")
    blur: float = Field(
        0.7, ge=0, le=8, description="standard deviation of coordinates in training, in steps of their code"
    )
    temperature: float = Field(
        1.0, gt=0, lt=100, description="at which layouts are drawn unless told otherwise"
    )


class BoxesSections(Sections):
    """Settings of boxes."""

    layout_prior: BoxPriorSection = BoxPriorSection()


def tokens_of(code: BoxCode, rule: BoxRule, batch: Batch) -> tuple[Tensor, None]:
    """Tokens (B, rows, 5) of the boxes of pairs."""
    if batch.layouts.boxes is None:  # a batch that only measures
        end = torch.full((len(batch), code.rows, 5), code.kinds)
        return end.to(batch.image.device), None
    kind_of = {symbol: kind for kind, symbol in enumerate(kinds_of(rule))}
    found = []
    for some in batch.layouts.boxes.cpu().double().numpy():
        some = some[some[:, 0] >= 0]
        some[:, 0] = [kind_of[int(symbol)] for symbol in some[:, 0]]
        found.append(code.encode(some))
    return torch.from_numpy(np.stack(found)).to(batch.image.device), None


def _count(code: BoxCode, rule: BoxRule, prior: nn.Module, pairs: Pairs) -> None:
    """Tell the prior what sizes the objects of the training pairs have."""
    assert isinstance(prior, BoxTransformer)
    views = (pairs.batch(first, 1) for first in range(min(pairs.views, _MOST_COUNTED)))
    prior.count(torch.cat([tokens_of(code, rule, view)[0] for view in views]).to(prior.seen.device))


def box_prior(section: BoxPriorSection, rule: BoxRule, facts: Facts) -> tuple[Stage, BoxPrior]:
    """The stage that trains a prior over boxes, and what draws from it."""
    code = BoxCode(
        kinds=len(kinds_of(rule)), rows=rule.most, sizes=section.sizes, places=section.places, size=facts.size
    )
    prior = BoxTransformer(section, code)
    regime = Likelihood(
        section,
        partial(tokens_of, code, rule),
        sees_layouts=False,
        prepare=partial(_count, code, rule),
        nats=BoxNats(code, section.blur),
    )
    stage = Stage(name="layout_prior", module=prior, regime=regime)
    every = range(facts.symbols)
    names = facts.names or tuple(map(str, every))
    return stage, BoxPrior(prior, rule, facts.class_ids or every, names, section.temperature)


def boxes(settings: BoxesSections, facts: Facts) -> Wired:
    """One prior over boxes, and no images."""
    section = settings.layout_prior
    every = {k: k for k in range(facts.symbols)}  # where nothing is known of the data but how many
    rule = facts.boxes or BoxRule(first=every, grounds=(), ignored=0, most=section.most_boxes)
    stage, source = box_prior(section, rule, facts)
    return Wired(stages=(stage,), layouts=source, see=rule.see)


def tiny() -> BoxesSections:
    """For minutes on 2 cores."""
    return BoxesSections(
        layout_prior=BoxPriorSection(
            width=96, layers=3, heads=4, steps=1500, batch_size=32, learning_rate=1e-3, evaluate_every=50
        )
    )


def small() -> BoxesSections:
    """For half an hour on 2 cores."""
    return BoxesSections(
        layout_prior=BoxPriorSection(
            width=160, layers=4, heads=4, steps=6000, batch_size=32, learning_rate=6e-4, evaluate_every=100
        )
    )


SYSTEMS = (
    System(
        name="boxes",
        source="labelmint",
        layout_source="prior over the boxes of layouts, from the largest to the smallest",
        image_generator="none: its layouts are for other runs",
        sections=BoxesSections,
        wire=boxes,
        presets={"tiny": tiny, "small": small},
        role="layouts",
    ),
)
