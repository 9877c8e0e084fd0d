"""A run's configuration: typed, validated, saved in the run, and settable value by value as
`section.key=value`.

A section says by its type which network its part is: `tokenizer` is a VQ-VAE or a VQ-model, a prior is a
PixelSNAIL or a transformer.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from labelmint.errors import InputError
from labelmint.priors.pixelsnail import PixelSNAILConfig
from labelmint.priors.transformer import TransformerConfig
from labelmint.tokenizers.coupled import CoupledConfig
from labelmint.tokenizers.dual_path import DualPathConfig
from labelmint.tokenizers.layout_vq import LayoutVQConfig
from labelmint.training.prior import PriorTraining
from labelmint.training.tokenizer import TokenizerTraining
from labelmint.training.vq_model import VQModelTraining

__all__ = [
    "LayoutPriorSection",
    "LayoutTokenizerSection",
    "LayoutTransformerSection",
    "PriorSection",
    "Section",
    "Settings",
    "TokenizerSection",
    "TransformerSection",
    "VQModelSection",
    "with_values",
]


class TokenizerSection(DualPathConfig, TokenizerTraining):
    """MSGNet's tokenizers: sizes and training."""


class VQModelSection(CoupledConfig, VQModelTraining):
    """A VQ-model of images, or of images coupled with layouts: sizes and training."""


class LayoutTokenizerSection(LayoutVQConfig, VQModelTraining):
    """A VQ-model of layouts alone: sizes and training."""


class PriorSection(PixelSNAILConfig, PriorTraining):
    """A PixelSNAIL: its sizes, its training, and what it draws at once."""

    network: Literal["pixelsnail"] = "pixelsnail"
    at_once: Literal["token", "place", "row"] = Field(
        "token",
        description="what a step draws: one token, the tokens that several paths have at a place, or a row "
        "of tokens",
    )


class TransformerSection(TransformerConfig, PriorTraining):
    """A transformer: its sizes and its training."""

    network: Literal["transformer"] = "transformer"


class _OfLayouts(BaseModel):
    temperature: float = Field(
        0.75, gt=0, lt=100, description="at which layouts are drawn unless told otherwise"
    )
    share: float = Field(0.2, gt=0, description="of a time budget, relative to the other parts")


class LayoutPriorSection(_OfLayouts, PriorSection):
    """A layout prior: sizes, training, and how fine its grid is."""

    scale: int = Field(1, ge=1, description="cells of the layout grid a token, along each side")


class LayoutTransformerSection(_OfLayouts, TransformerSection):
    """A transformer over the tokens of layouts."""


Section: TypeAlias = (
    TokenizerSection
    | VQModelSection
    | LayoutTokenizerSection
    | PriorSection
    | TransformerSection
    | LayoutPriorSection
    | LayoutTransformerSection
)


def _tokenizer(value: Any) -> str:
    """Which tokenizer a section describes; only VQ-models have levels."""
    return (
        "vq-model"
        if "multipliers" in (value if isinstance(value, dict) else getattr(type(value), "model_fields", {}))
        else "vq-vae"
    )


def _network(value: Any) -> str:
    """Which prior; runs from before there was a choice do not say."""
    return str(
        value.get("network", "pixelsnail")
        if isinstance(value, dict)
        else getattr(value, "network", "pixelsnail")
    )


class Settings(BaseModel):
    """One section a part. A preset is a function that returns these."""

    model_config = ConfigDict(extra="forbid")

    tokenizer: Annotated[
        Annotated[TokenizerSection, Tag("vq-vae")] | Annotated[VQModelSection, Tag("vq-model")],
        Discriminator(_tokenizer),
    ] = TokenizerSection()
    layout_tokenizer: LayoutTokenizerSection | None = None
    prior: Annotated[
        Annotated[PriorSection, Tag("pixelsnail")] | Annotated[TransformerSection, Tag("transformer")],
        Discriminator(_network),
    ] = PriorSection()
    layout_prior: Annotated[
        Annotated[LayoutPriorSection, Tag("pixelsnail")]
        | Annotated[LayoutTransformerSection, Tag("transformer")],
        Discriminator(_network),
    ] = LayoutPriorSection()

    def sections(self) -> dict[str, Section]:
        """Those that there are, by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: section for name, section in found.items() if section is not None}


def with_values(
    settings: Settings, values: Mapping[str, str] | Iterable[str], elsewhere: Mapping[str, str] | None = None
) -> Settings:
    """Settings with some values replaced.

    Arguments:
        settings: of a preset.
        values: {"prior.channels": "96"} or ["prior.channels=96"]. Another `prior.network` has its own
            defaults, and keeps what both kinds of prior have.
        elsewhere: settings of other systems, and which these are.

    Raises InputError for an unknown key, naming whose it is or the nearest right one, and for a value of the
    wrong type or out of range.
    """
    pairs = list(values.items() if isinstance(values, Mapping) else (_split(value) for value in values))
    content: dict[str, dict[str, Any]] = {
        name: section.model_dump() for name, section in settings.sections().items()
    }
    for key, value in pairs:
        section, _, name = key.partition(".")
        if name == "network" and section in ("prior", "layout_prior"):
            if value not in _NETWORKS:
                raise InputError(f"--set {key}={value}: expected one of {', '.join(_NETWORKS)}")
            content[section] = _as_network(content[section], _NETWORKS[value][section])
    known = [f"{section}.{key}" for section, keys in content.items() for key in keys]
    for key, value in pairs:
        if key not in known:
            near, other = difflib.get_close_matches(key, known, n=1, cutoff=0.4), (elsewhere or {}).get(key)
            hint = f"did you mean {near[0]!r}?" if near else f"known ones begin with {', '.join(content)}"
            hint = f"--system {other} has it" if other else hint
            raise InputError(f"--set {key}={value}: there is no setting {key!r}; {hint}")
        section, _, name = key.partition(".")
        content[section][name] = value
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where, got = ".".join(str(part) for part in first["loc"] if part not in _TAGS), first.get("input")
        shown = f"--set {where}={got}: " if not isinstance(got, dict) else f"--set {where}: "
        raise InputError(f"{shown}{first['msg'].removeprefix('Value error, ')}") from None


_NETWORKS: dict[str, dict[str, type[BaseModel]]] = {
    "pixelsnail": {"prior": PriorSection, "layout_prior": LayoutPriorSection},
    "transformer": {"prior": TransformerSection, "layout_prior": LayoutTransformerSection},
}
_TAGS = ("vq-vae", "vq-model", *_NETWORKS)


def _as_network(content: dict[str, Any], wanted: type[BaseModel]) -> dict[str, Any]:
    kept = {key: value for key, value in content.items() if key in wanted.model_fields and key != "network"}
    return wanted(**kept).model_dump()


def _split(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected KEY=VALUE, as in --set prior.channels=96")
    return key.strip(), value.strip()
