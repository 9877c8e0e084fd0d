"""Images along a flow: z ~ N(0, 1) carried along the velocities of a network, as `generators.flow` has it."""

from __future__ import annotations

from torch import Tensor, nn

from labelmint.dials import EVALUATIONS, GUIDANCE
from labelmint.generators.flow import guided, integrate
from labelmint.generators.velocity_unet import VelocityUNet
from labelmint.protocols import Dial, Dials, Noise
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
        self.dials: tuple[Dial, ...] = (EVALUATIONS, GUIDANCE) if learned_without else (EVALUATIONS,)

    def forward(self, layouts: LayoutBatch, noise: Tensor, dials: Dials) -> Tensor:
        """Images (B, C, H, W) of layouts and noise (B, C, H, W); beyond [-1, 1] by the errors of the flow."""
        guidance = dials.get(GUIDANCE.name, GUIDANCE.usual)
        return integrate(guided(self.velocity, layouts, guidance), noise, round(dials[EVALUATIONS.name]))
