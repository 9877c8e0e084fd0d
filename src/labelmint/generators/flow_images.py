"""Images along a flow: z ~ N(0, 1) carried along the velocities of a network, as `generators.flow` has it.

A network that is told kinds of look draws the kind of each image first, k ~ p(k), or takes the one of the dial "style".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from labelmint.dials import EVALUATIONS, GUIDANCE, STYLE
from labelmint.generators.flow import guided, integrate
from labelmint.generators.velocity_unet import VelocityUNet
from labelmint.protocols import Dial, Dials, Noise
from labelmint.seeds import Seed, uniforms
from labelmint.types import LayoutBatch

__all__ = ["FlowImages"]


class FlowImages(nn.Module):
    """LayoutToImage of a velocity network.

    Arguments:
        velocity: the network.
        image_channels: C. size: (H, W).
        learned_without: whether it learned to do without its layout, as guidance needs it.
    """

    def __init__(
        self, velocity: VelocityUNet, image_channels: int, size: tuple[int, int], *, learned_without: bool
    ) -> None:
        super().__init__()
        self.velocity = velocity
        self.noise = Noise("normal", (image_channels, *size))
        styles = velocity.config.styles
        self.dials: tuple[Dial, ...] = (
            EVALUATIONS,
            *([GUIDANCE] if learned_without else []),
            *([STYLE._replace(most=styles - 1)] if styles else []),
        )

    def completed(self, layouts: LayoutBatch, seeds: Sequence[Seed]) -> LayoutBatch:
        """Layouts with a kind of look each, drawn by seed where the network is told one."""
        if not self.velocity.config.styles:
            return layouts
        upto = self.velocity.shares.double().cumsum(0).cpu()
        drawn = torch.searchsorted(upto, uniforms(seeds, "style", 1)[:, 0].double(), right=True)
        return replace(layouts, styles=drawn.clamp(max=len(upto) - 1).to(layouts.ids.device))

    def forward(self, layouts: LayoutBatch, noise: Tensor, dials: Dials) -> Tensor:
        """Images (B, C, H, W) of layouts and noise (B, C, H, W); beyond [-1, 1] by the errors of the flow."""
        style = round(dials.get(STYLE.name, STYLE.usual))
        if style >= 0 and layouts.styles is not None:
            layouts = replace(layouts, styles=torch.full_like(layouts.styles, style))
        guidance = dials.get(GUIDANCE.name, GUIDANCE.usual)
        return integrate(guided(self.velocity, layouts, guidance), noise, round(dials[EVALUATIONS.name]))
