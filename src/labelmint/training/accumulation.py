"""A batch in parts, one after the other, where memory does not hold it whole.

    grad L = sum_k n_k / n  grad L_k,    L, L_k: means over the n items of the batch and the n_k of part k

So the step is that of the whole batch; only the random numbers of dropout and noise fall to other items. Spectral norms
move on with the first part alone. What is taken over a batch is taken over each part: statistics of norms over the
batch, the adaptive weight of an adversary, free nats, means over objects, strata of times, and whose labels are wrong
for whom, of which a part of one item has none. With these the step is another. Passes without a way back go part by
part, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from torch import Tensor, nn

from labelmint.nn.spectral import standing_still
from labelmint.types import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # seconds to import, and drawing does without
    from lightning_fabric.wrappers import _FabricModule

__all__ = ["backward_in_parts", "parts_of", "slices"]


def slices(items: int, parts: int) -> list[slice]:
    """At most `parts` runs of items, as even as can be, none of them empty."""
    parts = min(parts, items)
    bounds = [items * k // parts for k in range(parts + 1)]
    return [slice(first, last) for first, last in zip(bounds, bounds[1:], strict=False)]


def parts_of(batch: Batch, parts: int, network: nn.Module) -> Iterator[Batch]:
    """The parts of a batch, one after the other, for passes of a network without a way back."""
    for part in slices(len(batch), parts):
        with standing_still(network) if part.start else nullcontext():
            yield batch[part]


def backward_in_parts(
    fabric: Fabric,
    model: _FabricModule,
    items: int,
    parts: int,
    loss_of: Callable[[slice], tuple[Tensor, dict[str, Tensor]]],
) -> dict[str, Tensor]:
    """Add the gradient of the batch's loss, part by part; returns the terms of the whole batch.

    Arguments:
        fabric, model: what was set up; processes exchange gradients with the last part alone.
        items: of the batch, in this process.
        parts: how many.
        loss_of: the mean loss of some items, and its terms, means likewise.
    """
    terms: dict[str, Tensor] = {}
    chosen = slices(items, parts)
    for part in chosen:
        share = (part.stop - part.start) / items
        with (
            fabric.no_backward_sync(model, enabled=part is not chosen[-1]),
            nullcontext() if part is chosen[0] else standing_still(model),
        ):
            loss, its_terms = loss_of(part)
            fabric.backward(loss * share)
        for name, term in its_terms.items():
            terms[name] = terms[name] + share * term.detach() if name in terms else share * term.detach()
    return terms
