"""The sampler of a prior for each value of guidance; the memory of the last one stays for the next call."""

from __future__ import annotations

from collections.abc import Mapping

from labelmint.dials import GUIDANCE, TEMPERATURE
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.guided import NetworkPrior, guided, learned_without
from labelmint.priors.memory import state_bytes
from labelmint.protocols import Dial, Dials

__all__ = ["Samplers", "dials_of", "lacking_of"]


def dials_of(prior: NetworkPrior) -> tuple[Dial, ...]:
    """The temperature, and guidance where the prior learned to do without its layout."""
    return (TEMPERATURE, GUIDANCE) if learned_without(prior) else (TEMPERATURE,)


def lacking_of(prior: NetworkPrior, *sections: str) -> Mapping[str, str]:
    """Guidance, where a prior did not learn to do without its layout; `sections` are the settings of all priors that
    have to.
    """
    if learned_without(prior):
        return {}
    return {
        GUIDANCE.name: "its image prior never learned to do without its layout; train another run with "
        + " ".join(f"--set {section}.condition_dropout=0.1" for section in sections)
    }


class Samplers:
    """AncestralSamplers of one prior, plain and guided.

    Arguments:
        prior: in evaluation mode.
    """

    def __init__(self, prior: NetworkPrior) -> None:
        self.prior = prior
        self._plain = AncestralSampler(prior)
        self._guided: tuple[float, AncestralSampler] | None = None  # of the guidance that was asked for last

    def of(self, dials: Dials) -> AncestralSampler:
        """The sampler that draws with the guidance of these dials."""
        guidance = dials.get(GUIDANCE.name, GUIDANCE.usual)
        if guidance == GUIDANCE.usual:
            return self._plain
        if self._guided is None or self._guided[0] != guidance:
            self._guided = guidance, AncestralSampler(guided(self.prior, guidance))
        return self._guided[1]

    def state_bytes(self, batch_size: int, dials: Dials) -> int:
        """Memory of the prior's state in bytes; guidance takes that of twice the rows."""
        rows = 1 if dials.get(GUIDANCE.name, GUIDANCE.usual) == GUIDANCE.usual else 2
        return rows * state_bytes(self.prior, batch_size)
