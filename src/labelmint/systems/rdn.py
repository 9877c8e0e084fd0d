"""Super-resolution: RDN, and SRCNN as its small baseline, which enlarge the images of other runs.

    L = mean |y - network(low(y))|,    no layout: labels are left unused

References:
    Residual Dense Network for Image Super-Resolution (Zhang et al., 2018), https://arxiv.org/abs/1802.08797
    Image Super-Resolution Using Deep Convolutional Networks (Dong et al., 2016), https://arxiv.org/abs/1501.00092
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from labelmint.generators.enlarging import Enlarger
from labelmint.generators.super_resolution import RDN, SRCNN, RDNConfig, SRCNNConfig
from labelmint.objectives.restoration import RestorationObjective
from labelmint.systems.sections import Sections
from labelmint.systems.system import Facts, System, Wired
from labelmint.systems.wiring import check_multiples
from labelmint.training.minimize import Minimize
from labelmint.training.regime import Learning, Stage

__all__ = ["SYSTEMS", "RDNSection", "RDNSections", "SRCNNSection", "SRCNNSections", "rdn", "srcnn"]


class UpscalerTraining(Learning):
    """How a network that enlarges is trained; the defaults are those published for RDN."""

    steps: int = Field(200_000, ge=1, description="iterations")
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(1e-4, gt=0)
    patch: int = Field(
        48,
        ge=0,
        description="pixels of the small image a side that are learned from at once; 0: whole images",
    )
    turned: bool = Field(True, description="whether patches are mirrored and turned at random")
    half_life: float = Field(
        0.0, ge=0, lt=1, description="of the average of the weights, a share of the steps done; 0: the last"
    )
    share: float = Field(1.0, gt=0, description="of a time budget, relative to the other parts")


class RDNSection(RDNConfig, UpscalerTraining):
    """RDN: sizes and training."""


class SRCNNSection(SRCNNConfig, UpscalerTraining):
    """SRCNN: sizes and training."""


class RDNSections(Sections):
    """Settings of rdn."""

    upscaler: RDNSection = RDNSection()


class SRCNNSections(Sections):
    """Settings of srcnn."""

    upscaler: SRCNNSection = SRCNNSection()


def rdn(settings: RDNSections, facts: Facts) -> Wired:
    """One network, one stage."""
    return _wired(RDN(settings.upscaler, facts.image_channels), settings.upscaler, facts)


def srcnn(settings: SRCNNSections, facts: Facts) -> Wired:
    """One network, one stage."""
    return _wired(SRCNN(settings.upscaler, facts.image_channels), settings.upscaler, facts)


def _wired(network: RDN | SRCNN, section: RDNSection | SRCNNSection, facts: Facts) -> Wired:
    check_multiples(facts.size, section.factor, f"an enlargement by {section.factor}")
    objective = RestorationObjective(section.factor, section.patch, section.turned)
    stage = Stage(name="upscaler", module=network, regime=Minimize(section, objective, section.half_life))
    return Wired(stages=(stage,), upscaler=Enlarger(network, facts.image_channels))


_ON_A_CPU: dict[str, Any] = {"skip": True, "patch": 24, "half_life": 0.05}


def tiny() -> RDNSections:
    """For minutes on 2 cores."""
    sizes = {"blocks": 3, "convolutions": 3, "growth": 16, "channels": 16}
    return RDNSections(upscaler=RDNSection(**sizes, **_ON_A_CPU, steps=3000, learning_rate=2e-3))


def small() -> RDNSections:
    """For about an hour on 2 cores."""
    sizes = {"blocks": 6, "convolutions": 4, "growth": 24, "channels": 32}
    return RDNSections(upscaler=RDNSection(**sizes, **_ON_A_CPU, steps=8000, learning_rate=1e-3))


def published() -> RDNSections:
    """The published sizes, C 8, D 16, G 64, with the patches of a factor of 2."""
    return RDNSections(upscaler=RDNSection(evaluate_every=1000))


def deeper() -> RDNSections:
    """C 6, D 20, G 64: the sizes of the weights for a factor of 2 that circulate, which the report may have used."""
    return RDNSections(upscaler=RDNSection(blocks=20, convolutions=6, evaluate_every=1000))


def tiny_srcnn() -> SRCNNSections:
    """For minutes on 2 cores."""
    return SRCNNSections(upscaler=SRCNNSection(channels=32, **_ON_A_CPU, steps=3000, learning_rate=2e-3))


def small_srcnn() -> SRCNNSections:
    """For about an hour on 2 cores."""
    return SRCNNSections(upscaler=SRCNNSection(middle=5, **_ON_A_CPU, steps=8000, learning_rate=1e-3))


_ENLARGED = "those of the run whose images are enlarged"

SYSTEMS = (
    System(
        name="rdn",
        source="Residual Dense Network for Image Super-Resolution (2018)",
        layout_source=_ENLARGED,
        image_generator="none: a residual dense network enlarges images of other runs",
        sections=RDNSections,
        wire=rdn,
        presets={"tiny": tiny, "small": small, "rdn-published": published, "rdn-x2": deeper},
        from_images=True,
        role="upscaler",
    ),
    System(
        name="srcnn",
        source="Image Super-Resolution Using Deep Convolutional Networks (2016)",
        layout_source=_ENLARGED,
        image_generator="none: three layers enlarge images of other runs",
        sections=SRCNNSections,
        wire=srcnn,
        presets={"tiny": tiny_srcnn, "small": small_srcnn},
        from_images=True,
        role="upscaler",
    ),
)
