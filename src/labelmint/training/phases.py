"""Phases of one training: how far smaller its images are, and which part of the module learns, by how far it is.

    phase of p in [0, 1] = the first that lasts beyond p, the last one at 1

So a network is trained from coarse to fine in one stage: phases are shares of its progress, which goes by steps or by
time, whichever is further, and a training that is gone on with is in the phase that it was stopped in. A smaller batch
has images averaged over squares, and of layouts each square's first pixel.

References:
    High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (Wang et al., 2018),
    https://arxiv.org/abs/1711.11585: Section 3.2
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from labelmint.types import Batch, LayoutBatch

__all__ = ["Phase", "free", "phase_at", "smaller"]


class Phase(NamedTuple):
    """One of several.

    Attributes:
        until: the share of the progress at which it ends.
        shrink: by what images and layouts are smaller along each side.
        learns: the names of the parts of the module that learn in it; none: those that always do.
    """

    until: float
    shrink: int = 1
    learns: tuple[str, ...] = ()


_WHOLE = Phase(1.0)


def phase_at(phases: Sequence[Phase], progress: float) -> Phase:
    """The phase that a training is in; the whole module at full size where there are none."""
    return next((phase for phase in phases if progress < phase.until), phases[-1] if phases else _WHOLE)


def free(module: nn.Module, phase: Phase) -> None:
    """Have the parts of a phase learn, and all else stand still; nothing for a phase that names none."""
    for name, weight in module.named_parameters() if phase.learns else ():
        weight.requires_grad_(any(name.startswith(f"{part}.") for part in phase.learns))


def smaller(batch: Batch, shrink: int) -> Batch:
    """A batch of sides that are so many times smaller; sides must be multiples of `shrink`."""
    if shrink == 1:
        return batch

    def coarse(ids: Tensor | None) -> Tensor | None:
        return None if ids is None else ids[:, ::shrink, ::shrink].contiguous()

    ids, boxes = coarse(batch.layouts.ids), batch.layouts.boxes
    assert ids is not None
    if boxes is not None:
        boxes = boxes.clone()
        boxes[..., 1:] = boxes[..., 1:].where(boxes[..., :1] < 0, boxes[..., 1:] / shrink)
    layouts = LayoutBatch(ids, coarse(batch.layouts.instances), boxes)
    return Batch(functional.avg_pool2d(batch.image, shrink), layouts, batch.items)
