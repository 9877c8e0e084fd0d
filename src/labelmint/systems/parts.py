"""What a system is made of once it is wired: a tokenizer, priors, and the grid on which layouts live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from labelmint.generators.two_stage import TwoStage
from labelmint.layouts.from_prior import PriorLayouts
from labelmint.protocols import ImageGenerator, LayoutSource, Prior, Tokenizer
from labelmint.tokenizers.label_map import LabelMap
from labelmint.training.prior import Tokenize
from labelmint.types import Batch, LayoutBatch

__all__ = ["Facts", "StageSpec", "TwoStageParts"]


class Facts(NamedTuple):
    """What the data decide: image channels C, size (H, W), and the number of layout symbols S."""

    image_channels: int
    size: tuple[int, int]
    symbols: int


class StageSpec(NamedTuple):
    """One stage of training.

    name: of the part, its folder in the run, and its section of the settings. module: what is trained. tokenize: what a prior learns
    of a batch; None for a tokenizer, which learns images.
    """

    name: str
    module: nn.Module
    tokenize: Tokenize | None


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

    def stages(self) -> list[StageSpec]:
        """What is trained, in order."""
        stages = [StageSpec("tokenizer", self.tokenizer, None), StageSpec("prior", self.prior, self.image_tokens)]
        if self.layout_prior is not None:
            stages.append(StageSpec("layout_prior", self.layout_prior, self.layout_tokens))
        return stages

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
