"""Settings of MSGNet's family."""

from __future__ import annotations

from pydantic import Field

from labelmint.systems.sections import LayoutNetwork, LayoutPriorSection, Network, PriorSection, Sections
from labelmint.systems.wiring import TokenizerTraining
from labelmint.tokenizers.dual_path import DualPathConfig

__all__ = ["GivenSections", "MSGNetSections", "TokenizerSection"]


class TokenizerSection(DualPathConfig, TokenizerTraining):
    """The family's tokenizers: sizes and training."""

    unlabelled: float = Field(
        0.5, ge=0, le=0.9, description="share of the images without labels in a batch, where there are any"
    )

    @property
    def multiple(self) -> int:
        """Pixels a side of a token."""
        return 1 << self.downsamplings


class GivenSections(Sections):
    """Settings of the systems whose layouts are given."""

    tokenizer: TokenizerSection = TokenizerSection()
    prior: Network = PriorSection()


class MSGNetSections(GivenSections):
    """Settings of msgnet."""

    layout_prior: LayoutNetwork = LayoutPriorSection()

    def given(self) -> GivenSections:
        """The settings of a system whose layouts are given."""
        return GivenSections(tokenizer=self.tokenizer, prior=self.prior)
