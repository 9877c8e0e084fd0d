"""What a system is made of once it is wired: a tokenizer, priors, and the grid on which layouts live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from labelmint.dials import LAYOUT_TEMPERATURE
from labelmint.generators.two_stage import TwoStage
from labelmint.layouts.from_prior import PriorLayouts
from labelmint.priors.alike import begin_alike
from labelmint.priors.guided import NetworkPrior
from labelmint.protocols import LayoutTokenizer, Tokenizer
from labelmint.tokenizers.coupled import Coupled
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.label_map import LabelMap
from labelmint.training.prior import Tokenize
from labelmint.types import Batch, LayoutBatch

__all__ = ["Facts", "SemanticParts", "StageSpec", "TwoStageParts"]


class Facts(NamedTuple):
    """What the data decide: image channels C, size (H, W), and the number of layout symbols S."""

    image_channels: int
    size: tuple[int, int]
    symbols: int


class StageSpec(NamedTuple):
    """One stage of training.

    name: of the part, its folder in the run, and its section of the settings. module: what is trained.
    tokenize: what a prior learns of a batch; None for a tokenizer, which learns the pairs themselves.
    """

    name: str
    module: nn.Module
    tokenize: Tokenize | None


@dataclass
class TwoStageParts:
    """Parts of a system whose images come from a prior over a tokenizer's tokens, given the layout as it is.

    Arguments:
        tokenizer: images <-> tokens.
        prior: over the tokens, given the layout.
        label_map: the grid that layouts pass through before anything sees them; at full size they stay as
            they are.
        layout_prior: over that grid; None where layouts are given.
    """

    tokenizer: nn.Module
    prior: nn.Module
    label_map: LabelMap
    layout_prior: nn.Module | None = None

    def stages(self) -> list[StageSpec]:
        """What is trained, in order."""
        stages = [
            StageSpec("tokenizer", self.tokenizer, None),
            StageSpec("prior", self.prior, self.image_tokens),
        ]
        if self.layout_prior is not None:
            stages.append(StageSpec("layout_prior", self.layout_prior, self.layout_tokens))
        return stages

    def begin(self, name: str, seed: int) -> None:
        """What is to be done before a stage is trained, those before it are; a checkpoint of the stage has
        the last word.
        """

    @property
    def cell(self) -> int:
        """Pixels a side of the cells of a layout: instances that are as near need different colors."""
        return self.label_map.size[0] // self.label_map.grid[0]

    @property
    def priors(self) -> list[NetworkPrior]:
        """Those that there are."""
        return [cast(NetworkPrior, prior) for prior in (self.prior, self.layout_prior) if prior is not None]

    def image_tokens(self, batch: Batch) -> tuple[Tensor, LayoutBatch]:
        """What the image prior learns: tokens, given layouts as they will be seen when sampled."""
        (tokens,) = cast(Tokenizer, self.tokenizer).encode(batch).values()
        return tokens, self.label_map.as_seen(batch.layouts)

    def layout_tokens(self, batch: Batch) -> tuple[Tensor, None]:
        """What the layout prior learns."""
        return self._coded_by.encode_layouts(batch.layouts), None

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tokens of images and of their layouts."""
        return self.image_tokens(batch)[0], self.layout_tokens(batch)[0]

    @property
    def needs_references(self) -> bool:
        """Whether layouts are written in tokens together with their images only."""
        return False

    def generator(self) -> TwoStage:
        """p(x | s)."""
        return TwoStage(
            cast(NetworkPrior, self.prior),
            cast(Tokenizer, self.tokenizer),
            self._condition,
            size=self.label_map.size,
            shown=self._shown,
            written=self.needs_references,
        )

    def layout_source(
        self, device: torch.device, temperature: float = LAYOUT_TEMPERATURE.usual
    ) -> PriorLayouts | None:
        """p(s), drawn at the run's own temperature unless told otherwise, or None where layouts are given."""
        if self.layout_prior is None:
            return None
        return PriorLayouts(cast(NetworkPrior, self.layout_prior), self._coded_by, device, temperature)

    @property
    def _layout_grid(self) -> tuple[int, int]:
        """(h, w) of the tokens of a layout."""
        return cast(Tokenizer, self._coded_by).streams[0].grid

    @property
    def _coded_by(self) -> LayoutTokenizer:
        """Whose tokens the layout prior is over."""
        return self.label_map

    @property
    def _condition(self) -> LayoutTokenizer | None:
        """Whose tokens the image prior is given in place of the layout."""
        return None

    @property
    def _shown(self) -> bool:
        """Whether it is given what these tokens stand for."""
        return False


@dataclass
class SemanticParts(TwoStageParts):
    """The same given the layout's tokens: those of a coupled tokenizer, or of another for layouts alone.

    The label map has full size: nothing but the tokenizer stands between layouts and tokens.

    Arguments:
        layout_tokenizer: of layouts alone, trained beside the tokenizer; None where that one is coupled.
    """

    layout_tokenizer: nn.Module | None = None

    def stages(self) -> list[StageSpec]:
        """What is trained, in order."""
        first, *others = super().stages()
        alone = (
            [StageSpec("layout_tokenizer", self.layout_tokenizer, None)]
            if self.layout_tokenizer is not None
            else []
        )
        return [first, *alone, *others]

    def begin(self, name: str, seed: int) -> None:
        """Patterns that look alike begin alike in the layout prior."""
        if name == "layout_prior" and isinstance(self.tokenizer, CoupledPatterns):
            begin_alike(cast(NetworkPrior, self.layout_prior), self.tokenizer.patterns, seed)

    @property
    def cell(self) -> int:
        """Pixels a side of a token."""
        return self.label_map.size[0] // self._layout_grid[0]

    def image_tokens(self, batch: Batch) -> tuple[Tensor, LayoutBatch]:
        """What the image prior learns: its tokens given those of the layouts."""
        found = cast(Tokenizer, self.tokenizer).encode(batch)
        semantics = (
            found["semantics"]
            if self.layout_tokenizer is None
            else self._coded_by.encode_layouts(batch.layouts)
        )
        return found["image"], LayoutBatch(
            self._coded_by.decode_layouts(semantics) if self._shown else semantics, tokens=semantics
        )

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tokens of images and of their layouts, which may have been written together."""
        tokens, given = self.image_tokens(batch)
        return tokens, cast(Tensor, given.tokens)

    @property
    def needs_references(self) -> bool:
        """As `tokenizer.reference` has it."""
        return isinstance(self.tokenizer, Coupled) and self.tokenizer.config.reference

    @property
    def _coded_by(self) -> LayoutTokenizer:
        return cast(
            LayoutTokenizer, self.layout_tokenizer if self.layout_tokenizer is not None else self.tokenizer
        )

    @property
    def _condition(self) -> LayoutTokenizer | None:
        return self._coded_by

    @property
    def _shown(self) -> bool:
        return isinstance(self.tokenizer, CoupledPatterns)
