"""The objective of a tokenizer that writes layouts by a table of patterns, which is counted before the first step."""

from __future__ import annotations

from typing import cast

from torch import nn

from labelmint.datasets.pairs import Pairs
from labelmint.objectives.vq_model import VQObjective
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.patterns import Patterns

__all__ = ["PatternsObjective", "count_patterns"]

_AT_ONCE, _MOST_VIEWS, _MOST_PIXELS = 32, 2048, 1 << 25  # that patterns are counted in


class PatternsObjective(VQObjective):
    """Objective of a `CoupledPatterns`."""

    def begin(self, module: nn.Module, pairs: Pairs) -> None:
        """Count the patterns of the training pairs, too."""
        super().begin(module, pairs)
        count_patterns(cast(CoupledPatterns, module).patterns, pairs)


def count_patterns(patterns: Patterns, training: Pairs) -> None:
    """Fill a table from random views, the same in every process; where each pair has one view, from these."""
    views = min(max(_MOST_PIXELS // training.fixed(0, 1).layouts.ids.numel(), _AT_ONCE), _MOST_VIEWS)
    if training.still:
        batches = (training.fixed(first, _AT_ONCE) for first in range(0, len(training), _AT_ONCE))
    else:
        batches = (training.batch(step, _AT_ONCE) for step in range(-(-views // _AT_ONCE)))
    patterns.count(batch.layouts.ids for batch in batches)
