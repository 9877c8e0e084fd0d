"""config.json of a run: all that was asked for and all that was resolved."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializeAsAny, ValidationError, model_validator

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.symbols import SymbolTable
from labelmint.errors import InputError, named
from labelmint.layouts.boxes import BoxRule
from labelmint.systems.catalogue import SYSTEMS
from labelmint.systems.sections import Sections
from labelmint.training.clock import ClockKind
from labelmint.training.run_folder import FORMAT_VERSION, RunFolder
from labelmint.types import ClassInfo, ClassSet

__all__ = ["REVISION", "ClassEntry", "Request", "RunConfig", "read_run_config"]

# How a training sees its data. 0: a pool was drawn by the seed of the pairs, and held-out images had a say in the scale
# of the features that tell kinds of look apart.
REVISION = 1


class ClassEntry(BaseModel):
    """A class as saved in a run."""

    id: int
    name: str
    color: tuple[int, int, int] | None = None
    category: int | None = None


class Request(BaseModel):
    """What decides the result: another request in the same folder is refused."""

    model_config = ConfigDict(extra="forbid")

    system: str
    preset: str
    size: tuple[int, int]
    crop: bool
    scale: float
    augment: tuple[str, ...]
    group_by: str | None
    seed: int
    max_minutes: float | None
    settings: SerializeAsAny[Sections]
    normalize: str = "none"  # or "image"; "none" in older runs
    clock: ClockKind = "wall"  # which counts `max_minutes`
    rebalance: str = "none"  # or "classes", "appearance"; "none" in older runs
    endless: bool = False  # the last part learns until `max_minutes` are over, beyond its steps

    @property
    def geometry(self) -> Geometry:
        """How views are taken in training."""
        return Geometry(size=self.size, crop=self.crop, scale=self.scale, augment=frozenset(self.augment))

    @model_validator(mode="before")
    @classmethod
    def _of_system(cls, content: Any) -> Any:
        """Read settings as those of the system."""
        settings = content.get("settings") if isinstance(content, dict) else None
        if not isinstance(settings, dict):
            return content
        return {**content, "settings": named("system", content["system"], SYSTEMS).sections(**settings)}


class RunConfig(BaseModel):
    """The whole of config.json."""

    format_version: int = FORMAT_VERSION
    labelmint_version: str
    request: Request
    data: str = ""  # the name of the data set's folder or file; "" in older runs
    data_digest: str
    image_channels: int
    classes: tuple[ClassEntry, ...]
    ignore: tuple[int, ...]
    symbols: tuple[tuple[int, int], ...]
    has_instances: bool
    device: str
    precision: str
    threads: int
    cores: int = 0  # that were there to choose the threads from; 0 in older runs
    salient: tuple[int, ...] | None = None  # classes whose objects have boxes, where the system sees these
    boxes_digest: str = ""  # of the boxes that the system sees; "" where it sees none, and in older runs
    pool_digest: str = ""  # of the images without labels beside the labelled ones; "" where there are none
    pool_images: int = 0
    revision: int = 0  # `REVISION` when it was begun; 0 in older runs, which go on as they began
    accumulate: dict[str, int] = {}  # parts of a batch, by stage, where memory does not hold it whole

    @property
    def class_set(self) -> ClassSet:
        """The classes of the data."""
        return ClassSet(tuple(ClassInfo(**entry.model_dump()) for entry in self.classes), self.ignore)

    @property
    def symbol_table(self) -> SymbolTable:
        """The layout symbols."""
        return SymbolTable(self.symbols)

    @property
    def boxes(self) -> BoxRule | None:
        """Which boxes the system sees in place of a layout; None where it sees the map."""
        settings = self.request.settings.boxes
        if settings is None or self.salient is None:
            return None
        return BoxRule.of(self.symbol_table, self.class_set, self.salient, settings)

    def difference(self, other: RunConfig) -> str | None:
        """The first setting in which two requests (or the data) differ, as a phrase; None when none does."""
        mine, theirs = _flat(self.request.model_dump()), _flat(other.request.model_dump())
        for key in mine:
            if mine[key] != theirs.get(key):
                return f"{key} is {mine[key]!r} there and {theirs.get(key)!r} now"
        if self.data_digest != other.data_digest:
            return "the data or their parts differ"
        # other instances of the same maps have other boxes
        if self.boxes_digest and self.boxes_digest != other.boxes_digest:
            return "the objects of the data differ"
        return None if self.pool_digest == other.pool_digest else "the images without labels differ"


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= (
            _flat(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {f"{prefix}{key}".removeprefix("settings."): value}
        )
    return flat


def read_run_config(run: RunFolder) -> RunConfig:
    """config.json of a run; raises InputError when it is not one, newer, or damaged."""
    content = run.read_config()
    if content["format_version"] == 1:
        _drop_unused(content)
    try:
        return RunConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{run.path / 'config.json'}: {where}: {first['msg']}; restore it, or train again"
        ) from None


def _drop_unused(content: dict[str, Any]) -> None:
    """Runs of the first format hold sections of all kinds of systems; those of no stage go."""
    request = content.get("request")
    if isinstance(request, dict) and request.get("system") in SYSTEMS:
        known = SYSTEMS[request["system"]].sections.model_fields
        settings = request.get("settings")
        if isinstance(settings, dict):
            request["settings"] = {name: section for name, section in settings.items() if name in known}
