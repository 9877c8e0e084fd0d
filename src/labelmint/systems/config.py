"""A run's configuration: typed, validated, saved in the run, and settable value by value as `section.key=value`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labelmint.errors import InputError
from labelmint.priors.pixelsnail import PixelSNAILConfig
from labelmint.tokenizers.dual_path import DualPathConfig
from labelmint.training.prior import PriorTraining
from labelmint.training.tokenizer import TokenizerTraining

__all__ = ["LayoutPriorSection", "PriorSection", "Settings", "TokenizerSection", "with_values"]


class TokenizerSection(DualPathConfig, TokenizerTraining):
    """The tokenizer: its sizes and its training."""


class PriorSection(PixelSNAILConfig, PriorTraining):
    """The image prior: its sizes, its training, and what it draws at once."""

    at_once: Literal["token", "place", "row"] = Field(
        "token", description="what a step draws: one token, the tokens that several paths have at a place, or a row of tokens"
    )


class LayoutPriorSection(PriorSection):
    """The layout prior: sizes, training, and how fine its grid is."""

    scale: int = Field(1, ge=1, description="cells of the layout grid a token, along each side")
    temperature: float = Field(0.75, gt=0, lt=100, description="at which layouts are drawn unless told otherwise")
    share: float = Field(0.2, gt=0, description="of a time budget, relative to the other parts")


class Settings(BaseModel):
    """One section a part. A preset is a function that returns these."""

    model_config = ConfigDict(extra="forbid")

    tokenizer: TokenizerSection = TokenizerSection()
    prior: PriorSection = PriorSection()
    layout_prior: LayoutPriorSection = LayoutPriorSection()


def with_values(settings: Settings, values: Mapping[str, str] | Iterable[str]) -> Settings:
    """Settings with some values replaced.

    Arguments:
        settings: of a preset.
        values: {"prior.channels": "96"} or ["prior.channels=96"].

    Raises InputError for an unknown key, naming the nearest right one, and for a value of the wrong type or out of range.
    """
    pairs = values.items() if isinstance(values, Mapping) else (_split(value) for value in values)
    content: dict[str, dict[str, Any]] = settings.model_dump()
    known = [f"{section}.{key}" for section, keys in content.items() for key in keys]
    for key, value in pairs:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known ones begin with {', '.join(content)}"
            raise InputError(f"--set {key}={value}: there is no setting {key!r}; {hint}")
        section, _, name = key.partition(".")
        content[section][name] = value
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where, got = ".".join(map(str, first["loc"])), first.get("input")
        shown = f"--set {where}={got}: " if not isinstance(got, dict) else f"--set {where}: "
        raise InputError(f"{shown}{first['msg'].removeprefix('Value error, ')}") from None


def _split(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected KEY=VALUE, as in --set prior.channels=96")
    return key.strip(), value.strip()
