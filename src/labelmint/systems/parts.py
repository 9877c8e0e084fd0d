"""What a system is made of once it is wired: a tokenizer, priors, and the grid on which layouts live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from labelmint.generators.two_stage import TwoStage
from labelmint.layouts.from_prior import PriorLayouts
from labelmint.protocols import ImageGenerator, LayoutSource, Prior, Tokenizer
from labelmint.tokenizers.label_map import LabelMap
from labelmint.types import Batch, LayoutBatch

__all__ = ["Facts", "TwoStageParts"]


class Facts(NamedTuple):
    """What the data decide: image channels C, size (H, W), and the number of layout symbols S."""

    image_channels: int
    size: tuple[int, int]
    symbols: int


@dataclass
class TwoStageParts:
    """Parts of a system whose images come from a prior over a tokenizer's tokens.

    Arguments:
        tokenizer: images <-> tokens.
        prior: over the tokens, given the layout.
        label_map: the grid that layouts pass through before anything sees them; at full size they stay as they are.
        layout_prior: over that grid; None where layouts are given.
    """

    tokenizer: nn.Module
    prior: nn.Module
    label_map: LabelMap
    layout_prior: nn.Module | None = None
    modules: Mapping[str, nn.Module] = field(init=False)

    def __post_init__(self) -> None:
        parts = {"tokenizer": self.tokenizer, "prior": self.prior, "layout_prior": self.layout_prior}
        self.modules = {name: part for name, part in parts.items() if part is not None}

    def image_tokens(self, batch: Batch) -> tuple[Tensor, LayoutBatch]:
        """What the image prior learns: tokens, given layouts as they will be seen when sampled."""
        (tokens,) = cast(Tokenizer, self.tokenizer).encode(batch).values()
        return tokens, self.label_map.as_seen(batch.layouts)

    def layout_tokens(self, batch: Batch) -> tuple[Tensor, None]:
        """What the layout prior learns."""
        return self.label_map.reduce(batch.layouts.ids), None

    def generator(self) -> ImageGenerator:
        """p(x | s)."""
        return TwoStage(cast(Prior, self.prior), cast(Tokenizer, self.tokenizer))

    def layout_source(self, device: torch.device) -> LayoutSource | None:
        """p(s), or None where layouts are given."""
        return PriorLayouts(cast(Prior, self.layout_prior), self.label_map, device) if self.layout_prior is not None else None
