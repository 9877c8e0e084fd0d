"""What is said of an export beside its pairs: all that manifest, settings, card and sheets are written from.

It needs neither the run nor the data, and goes into JSON and back: shards carry it to where they are joined.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from labelmint.formats.format import ImageFormat
from labelmint.runs.origin import Origin
from labelmint.runs.ranges import place_of
from labelmint.runs.streams import IMAGE
from labelmint.synthesis.filter_facts import FilterFacts
from labelmint.synthesis.refill import Selection
from labelmint.synthesis.size_range import GivenSizes
from labelmint.types import ClassInfo, ClassSet

__all__ = ["MOVED", "Export", "layouts_used", "settings_text"]

MOVED = (
    "every sample is a training pair, moved, and the search for copies does not find what is warped and recolored: "
    "nothing is withheld"
)


@dataclass(frozen=True, kw_only=True)
class Export:
    """What is said of an export.

    Attributes:
        origin: all that decides a sample, apart from its index.
        classes: of the labels. size: (H, W) of the run, before any enlargement.
        n, start: how many pairs, and the index of the first candidate.
        sources: names of the layouts that are taken in turn; empty when layouts are drawn or varied.
        ranges: names of the training pairs of which each image takes the range of one; empty where images are as
            they are.
        image_format: of the images, which decides nothing that is drawn.
        filter: what the filter says of itself; None when it is off.
        sizes: of the objects of given layouts; None where layouts are not given.
        moved: whether pairs are training pairs, moved.
        unsearched: images without labels that the run learned from, and the gate did not search for copies.
    """

    origin: Origin
    classes: ClassSet
    size: tuple[int, int]
    n: int
    start: int
    sources: tuple[str, ...]
    ranges: tuple[str, ...] = ()
    image_format: ImageFormat = "png"
    filter: FilterFacts | None = None
    sizes: GivenSizes | None = None
    moved: bool = False
    unsearched: int = 0

    @property
    def chunks(self) -> range:
        """Chunks that hold the candidates start ... start + n - 1."""
        size = self.origin.batch_size
        return range(self.start // size, -(-(self.start + self.n) // size))

    def candidates(self, chunk: int) -> range:
        """Those of these candidates that a chunk holds."""
        size, stop = self.origin.batch_size, self.start + self.n
        return range(max(chunk * size, self.start), min((chunk + 1) * size, stop))

    def chunk_of(self, index: int) -> int:
        """The chunk that a candidate is drawn in."""
        return index // self.origin.batch_size

    def source_of(self, index: int) -> str | None:
        """Name of the layout that a pair takes."""
        return self.sources[index // self.origin.per_layout % len(self.sources)] if self.sources else None

    def range_of(self, index: int) -> dict[str, str]:
        """The training pair whose range a pair's image has, for its provenance."""
        if not self.ranges:
            return {}
        seed = self.origin.reseed.get(IMAGE, self.origin.seed)
        return {"range": self.ranges[place_of((seed, index), len(self.ranges))]}

    @cached_property
    def cautions(self) -> tuple[str, ...]:
        """What is doubtful about the judge, about the layouts that these pairs take, about pairs that are training
        pairs, moved, and about copies.
        """
        found = () if self.filter is None else self.filter.cautions
        if self.moved:
            found = (*found, f"the run holds the training images; {MOVED}")
        if self.unsearched:
            found = (
                *found,
                f"copies of the {self.unsearched} images without labels that the run learned from were not looked for; "
                f"name these images by --unlabelled",
            )
        if self.sizes is None:
            return found
        used = layouts_used(self.sizes.count, self.origin.per_layout, self.n, self.start)
        return (*found, *self.sizes.warnings(used, self.classes))

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides the pairs, as plain JSON values."""
        filtered = {} if self.filter is None else {"filter": self.filter.settings}
        return {**self.origin.to_json(), "n": self.n, "start": self.start, **filtered}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, of which `from_json` makes it again."""
        return {
            **{
                name: getattr(self, name)
                for name in ("size", "n", "start", "sources", "ranges", "image_format", "moved", "unsearched")
            },
            "origin": {
                **vars(self.origin),
                "dials": dict(self.origin.dials),
                "reseed": dict(self.origin.reseed),
            },
            "classes": dataclasses.asdict(self.classes),
            "filter": None if self.filter is None else dataclasses.asdict(self.filter),
            "sizes": None if self.sizes is None else self.sizes.to_json(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Export:
        """The same as was stored; raises KeyError, TypeError or ValueError for anything else."""
        origin, classes = content["origin"], content["classes"]
        infos = tuple(
            ClassInfo(**{**one, "color": one["color"] and tuple(one["color"])}) for one in classes["classes"]
        )
        height, width = content["size"]
        return cls(
            origin=Origin(**{**origin, "keep": tuple(origin["keep"])}),
            classes=ClassSet(infos, tuple(classes["ignore"])),
            size=(int(height), int(width)),
            n=int(content["n"]),
            start=int(content["start"]),
            sources=tuple(content["sources"]),
            ranges=tuple(content["ranges"]),
            image_format=content["image_format"],
            filter=content["filter"] and FilterFacts(**content["filter"]),
            moved=bool(content.get("moved", False)),
            unsearched=int(content.get("unsearched", 0)),
            sizes=content["sizes"] and GivenSizes.from_json(content["sizes"]),
        )


def layouts_used(count: int, per_layout: int, n: int, start: int) -> list[int]:
    """Indices of those of `count` given layouts that pairs start ... start + n - 1 take in turn."""
    first, last = start // per_layout, (start + n - 1) // per_layout
    return sorted({k % count for k in range(first, min(last + 1, first + count))})


def settings_text(export: Export, format: str, selection: Selection | None) -> str:
    """settings.json of a data set."""
    cautions = {"warnings": export.cautions} if export.cautions else {}
    outcome = {"outcome": selection.outcome} if selection is not None else {}
    images = {"image_format": export.image_format} if export.image_format != "png" else {}
    return json.dumps({**export.settings, "format": format, **images, **cautions, **outcome}, indent=1) + "\n"
