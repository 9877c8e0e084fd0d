"""Settings of MSGNet's family."""

from __future__ import annotations

from labelmint.systems.sections import (
    LayoutNetwork,
    LayoutPriorSection,
    Network,
    PriorSection,
    Sections,
    SeesPool,
)
from labelmint.systems.wiring import TokenizerTraining
from labelmint.tokenizers.dual_path import DualPathConfig

__all__ = ["GivenSections", "MSGNetSections", "TokenizerSection"]


class TokenizerSection(SeesPool, DualPathConfig, TokenizerTraining):
    """The family's tokenizers: sizes and training."""

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
