"""Settings of a system: one typed section a stage, settable value by value as `section.key=value`.

A system owns its sections: a subclass of `Sections` with one field for each of its stages, named as the stage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from labelmint.errors import InputError, nearest
from labelmint.layouts.boxes import BoxSettings
from labelmint.priors.pixelsnail import PixelSNAILConfig
from labelmint.priors.transformer import TransformerConfig
from labelmint.training.likelihood import PriorTraining
from labelmint.training.regime import Learning

__all__ = [
    "LayoutNetwork",
    "LayoutPriorSection",
    "LayoutTransformerSection",
    "Network",
    "PixelSNAILTraining",
    "PriorSection",
    "Sections",
    "SeesPool",
    "TransformerSection",
    "TransformerTraining",
    "with_values",
]

T = TypeVar("T", bound="Sections")


class PixelSNAILTraining(PixelSNAILConfig, PriorTraining):
    """A PixelSNAIL: its sizes, its training, and what it draws at once."""

    network: Literal["pixelsnail"] = "pixelsnail"
    at_once: Literal["token", "place", "row"] = Field(
        "token",
        description="what a step draws: one token, the tokens that several paths have at a place, or a row "
        "of tokens",
    )


class TransformerTraining(TransformerConfig, PriorTraining):
    """A transformer: its sizes and its training."""

    network: Literal["transformer"] = "transformer"


class SeesPool(BaseModel):
    """What a part is told that learns from images without labels, too."""

    unlabelled: float = Field(
        0.5, ge=0, le=0.9, description="share of the images without labels in a batch, where there are any"
    )


class _OfImages(BaseModel):
    unlabelled: float | None = Field(
        None,
        ge=0,
        le=0.9,
        description="share of the images without labels in a batch, where there are any, of a prior with "
        "condition_dropout; 0.5 unless given",
    )


class PriorSection(_OfImages, PixelSNAILTraining):
    """A PixelSNAIL over the tokens of images."""


class TransformerSection(_OfImages, TransformerTraining):
    """A transformer over the tokens of images."""


class _OfLayouts(BaseModel):
    temperature: float = Field(
        0.75, gt=0, lt=100, description="at which layouts are drawn unless told otherwise"
    )
    share: float = Field(0.2, gt=0, description="of a time budget, relative to the other parts")


class LayoutPriorSection(_OfLayouts, PixelSNAILTraining):
    """A layout prior: sizes, training, and how fine its grid is."""

    scale: int = Field(1, ge=1, description="cells of the layout grid a token, along each side")


class LayoutTransformerSection(_OfLayouts, TransformerTraining):
    """A transformer over the tokens of layouts."""


def _network(value: Any) -> str:
    """The network of a section; runs from before there was a choice do not name one."""
    kind = value.get("network", "pixelsnail") if isinstance(value, dict) else value.network
    return str(kind)


Network: TypeAlias = Annotated[
    Annotated[PriorSection, Tag("pixelsnail")] | Annotated[TransformerSection, Tag("transformer")],
    Discriminator(_network),
]
LayoutNetwork: TypeAlias = Annotated[
    Annotated[LayoutPriorSection, Tag("pixelsnail")]
    | Annotated[LayoutTransformerSection, Tag("transformer")],
    Discriminator(_network),
]


class Sections(BaseModel):
    """One section a stage. A preset is a function that returns these."""

    model_config = ConfigDict(extra="forbid")

    def each(self) -> dict[str, Learning]:
        """The sections by name, which is that of their stage."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    @property
    def multiple(self) -> int:
        """Pixels of which both sides of an image have to be a multiple."""
        return math.lcm(*(getattr(section, "multiple", 1) for section in self.each().values()))

    @property
    def in_phases(self) -> bool:
        """True if parts of what is trained stand still for a while."""
        return any(getattr(section, "phases", ()) for section in self.each().values())

    @property
    def boxes(self) -> BoxSettings | None:
        """Which objects have boxes, where some part sees these in place of label maps."""
        sections: list[Any] = [*self.each().values()]
        return next((section for section in sections if isinstance(section, BoxSettings)), None)

    @property
    def styles(self) -> int:
        """The kinds of look that some part tells apart; 0 for none."""
        return max(getattr(section, "styles", 0) for section in self.each().values())

    def check_heeded(self) -> None:
        """Raise InputError for a value that was set and that nothing heeds."""

    def resized(self, before: int, now: int) -> Any:
        """The sections for images whose shorter side is `now` in place of `before`, with attention at the same
        stages.
        """
        changed = {}
        for name, section in self.each().items():
            if (below := getattr(section, "attention_below", None)) is not None:
                # Rounded up: no stage may lose it.
                changed[name] = section.model_copy(update={"attention_below": -(-below * now // before)})
        return self.model_copy(update=changed)


def with_values(
    settings: T, values: Mapping[str, str] | Iterable[str], elsewhere: Mapping[str, str] | None = None
) -> T:
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
    content = {name: section.model_dump() for name, section in settings.each().items()}
    for key, value in pairs:
        section, _, name = key.partition(".")
        networks = _networks(type(settings), section)
        if name == "network" and networks:
            if value not in networks:
                raise InputError(f"--set {key}={value}: expected one of {', '.join(networks)}")
            content[section] = _as_network(content[section], networks[value])
    known = [f"{section}.{key}" for section, keys in content.items() for key in keys]
    for key, value in pairs:
        if key not in known:
            near, other = nearest(key, known, 0.4), (elsewhere or {}).get(key)
            hint = f"did you mean {near!r}?" if near else f"known ones begin with {', '.join(content)}"
            hint = f"--system {other} has it" if other else hint
            raise InputError(f"--set {key}={value}: there is no setting {key!r}; {hint}")
        section, _, name = key.partition(".")
        content[section][name] = value
    try:
        return type(settings).model_validate(content)
    except ValidationError as error:
        raise InputError(_refusal(error, type(settings))) from None


def _refusal(error: ValidationError, kind: type[Sections]) -> str:
    first = error.errors()[0]
    tags = {tag for section in kind.model_fields for tag in _networks(kind, section)}
    where, got = ".".join(str(part) for part in first["loc"] if part not in tags), first.get("input")
    shown = f"--set {where}={got}: " if not isinstance(got, dict) else f"--set {where}: "
    said = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{shown}{said}"


def _networks(kind: type[Sections], section: str) -> dict[str, type[BaseModel]]:
    """The sections that a field may hold by the name of their network; empty where it holds one kind alone."""
    field = kind.model_fields.get(section)
    kinds = [get_args(each)[0] for each in get_args(field.annotation)] if field else []
    return {str(each.model_fields["network"].default): each for each in kinds}


def _as_network(content: dict[str, Any], wanted: type[BaseModel]) -> dict[str, Any]:
    kept = {key: value for key, value in content.items() if key in wanted.model_fields and key != "network"}
    return wanted(**kept).model_dump()


def _split(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected KEY=VALUE, as in --set prior.channels=96")
    return key.strip(), value.strip()
