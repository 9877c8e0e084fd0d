"""What the tokenizers of the VQGAN class share: sizes of their encoders and decoders, and what they return in
training.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from labelmint.nn.autoencoder import Decoder, Encoder
from labelmint.tokenizers.codebooks import CodebookKind

__all__ = ["LevelsConfig"]


class LevelsConfig(BaseModel):
    """Sizes of encoders and decoders, and of a code."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    patch: int = Field(
        1, ge=1, le=8, description="pixels a side that the finest level holds as one; above 1 is far cheaper"
    )
    channels: int = Field(
        32, ge=8, multiple_of=8, description="width of the finest level, times its multiplier"
    )
    multipliers: tuple[int, ...] = Field(
        (1, 2, 2),
        min_length=1,
        max_length=7,
        description="width of each level, times channels; sizes halve between levels",
    )
    residual_blocks: int = Field(1, ge=1, description="residual blocks of a level; the decoder has one more")
    attention_below: int = Field(
        17, ge=0, description="self-attention only on maps narrower than this, and in the middle"
    )
    code_dim: int = Field(64, ge=1, description="width of a code")
    codebook: CodebookKind = Field("ema", description="how the codebooks learn")

    @field_validator("patch")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError(f"patch must be 1, 2, 4 or 8, got {value}")
        return value

    @field_validator("multipliers", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Read the text of a command line, 1,2,2."""
        return value.split(",") if isinstance(value, str) else value

    @field_validator("multipliers")
    @classmethod
    def _positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value) < 1:
            raise ValueError(f"multipliers must be 1 or more, got {min(value)}")
        return value

    @property
    def downsamplings(self) -> int:
        """Halvings: a token covers 2^this pixels a side."""
        return self.patch.bit_length() - 1 + len(self.multipliers) - 1

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, from the finest down."""
        return tuple(self.channels * m for m in self.multipliers)

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """(h, w) of the tokens of images of (H, W)."""
        return size[0] >> self.downsamplings, size[1] >> self.downsamplings

    def encoder(self, inputs: int, outputs: int, size: tuple[int, int]) -> Encoder:
        """Maps of `size` to the grid."""
        return Encoder(inputs, outputs, self.widths, self._attention(size), self.residual_blocks, self.patch)

    def decoder(self, inputs: int, outputs: int, size: tuple[int, int], kernel: int = 3) -> Decoder:
        """The grid to maps of `size`."""
        return Decoder(
            inputs, outputs, self.widths, self._attention(size), self.residual_blocks, self.patch, kernel
        )

    def _attention(self, size: tuple[int, int]) -> list[bool]:
        return [min(size) // self.patch >> i < self.attention_below for i in range(len(self.multipliers))]
