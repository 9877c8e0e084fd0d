"""Settings of the systems over VQ-models."""

from __future__ import annotations

import math

from labelmint.errors import InputError
from labelmint.systems.sections import (
    LayoutNetwork,
    LayoutPriorSection,
    Network,
    Sections,
    SeesPool,
    TransformerSection,
)
from labelmint.systems.wiring import VQModelTraining
from labelmint.tokenizers.coupled import CoupledConfig
from labelmint.tokenizers.layout_vq import LayoutVQConfig
from labelmint.training.regime import Learning

__all__ = [
    "CoupledSections",
    "ImageTokenizerSection",
    "LayoutTokenizerSection",
    "MintSections",
    "UncoupledSections",
    "VQModelSection",
]


# of the training of VQ-models, what has no meaning without images
_OF_IMAGES = {*VQModelTraining.model_fields} - {*Learning.model_fields, "commitment"}


class VQModelSection(CoupledConfig, VQModelTraining):
    """A VQ-model of images, or of images coupled with layouts: sizes and training."""

    @property
    def multiple(self) -> int:
        """Pixels that hold whole tokens of the image and of the layout a side."""
        return math.lcm(1 << self.downsamplings, self.cell)


class ImageTokenizerSection(SeesPool, VQModelSection):
    """A VQ-model of images alone: sizes and training."""


class LayoutTokenizerSection(LayoutVQConfig, VQModelTraining):
    """A VQ-model of layouts alone: sizes and training."""

    @property
    def multiple(self) -> int:
        """Pixels a side of a token."""
        return 1 << self.downsamplings


class CoupledSections(Sections):
    """Settings of the systems whose tokenizer writes image and layout."""

    tokenizer: VQModelSection = VQModelSection()
    prior: Network = TransformerSection()


class UncoupledSections(CoupledSections):
    """Settings of the systems with a tokenizer of layouts beside that of images."""

    tokenizer: ImageTokenizerSection = ImageTokenizerSection()
    layout_tokenizer: LayoutTokenizerSection = LayoutTokenizerSection()

    def check_heeded(self) -> None:
        """Raise InputError for a value of the layout's tokenizer that is about images, or of the image's that is about
        layouts.
        """
        usual, found = LayoutTokenizerSection(), self.layout_tokenizer
        for key in sorted(_OF_IMAGES):
            if getattr(found, key) != getattr(usual, key):
                raise InputError(
                    f"--set layout_tokenizer.{key}={getattr(found, key)}: is of a tokenizer of images, and that of "
                    f"layouts sees none; leave it out"
                )
        weight = self.tokenizer.semantic_weight
        if weight != ImageTokenizerSection().semantic_weight:
            raise InputError(
                f"--set tokenizer.semantic_weight={weight:g}: weighs layouts, and this tokenizer sees images alone; "
                f"leave it out"
            )

    def coupled(self) -> CoupledSections:
        """The settings of a system with one tokenizer."""
        sizes = self.tokenizer.model_dump(include=set(VQModelSection.model_fields))
        return CoupledSections(tokenizer=VQModelSection(**sizes), prior=self.prior)


class MintSections(CoupledSections):
    """Settings of mint."""

    layout_prior: LayoutNetwork = LayoutPriorSection()
