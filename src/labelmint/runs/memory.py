"""How much memory drawing takes, counted before any is taken.

    bytes(B) = 5/4 (sum over priors of state(B) + fixed + B item)

`fixed` and `item` come from a rehearsal: everything but the priors' steps is done for one pair and for two,
while the tensors that are there at once are counted. The quarter more is for what no count of tensors sees,
the buffers of convolutions above all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labelmint.nn.peak_memory import SPARE, bytes_by_rows, peak_bytes
from labelmint.priors.guided import NetworkPrior
from labelmint.priors.memory import state_bytes

__all__ = ["SPARE", "drawing_bytes", "peak_bytes"]


def drawing_bytes(priors: Sequence[NetworkPrior], rehearse: Callable[[int], object]) -> Callable[[int], int]:
    """bytes(B).

    Arguments:
        priors: that draw, in evaluation mode.
        rehearse: does all the rest for so many pairs.
    """
    beside = bytes_by_rows(rehearse)
    return lambda batch_size: int(
        SPARE * (sum(state_bytes(prior, batch_size) for prior in priors) + beside.of(batch_size))
    )
