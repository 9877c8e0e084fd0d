"""Where a sample came from: what was asked for, and the facts of the run that drew it.

Nothing here holds a date, a path or anything else that differs between two exports of the same samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labelmint.dials import TRUNCATION
from labelmint.protocols import Dials, ImageGenerator, Moving, in_digits
from labelmint.runs.labels import BOXES
from labelmint.runs.streams import in_words
from labelmint.seeds import Seed
from labelmint.version import __version__

if TYPE_CHECKING:
    from labelmint.runs.draw import Draw
    from labelmint.runs.trained import TrainedSystem
    from labelmint.types import LayoutBatch

__all__ = ["SOURCE_TYPE", "Origin", "made_of", "origin_of"]

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
# What the first version did not know is said only where it is used.
_UNSAID: dict[str, Any] = {
    "vary": False,
    "guidance": 1.0,
    "truncation": TRUNCATION.usual,
    "keep": [],
    "reseed": {},
    "style_image": None,
    "style_sha256": None,
    "labels": None,
    "upscaled_by": None,
    "upscale_factor": None,
    "upscale_digest": None,
    "description": None,
    "synonyms": None,
}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """All that decides a sample, apart from its index.

    Attributes:
        version: of labelmint.
        system: its name. weights: SHA-256 of its weights.
        seed, batch_size, per_layout, vary: as in `runs.draw.Draw`.
        dials: a value for each dial that the run heeds.
        layouts: "drawn", "training layouts of the run", that they were "given", or "none"; layouts_digest: SHA-256 of
            given ones, or of the weights of another run that drew them.
        keep: parts of the given pairs that were kept (`runs.given`).
        reseed: seeds of streams that were drawn anew (`runs.streams`).
        style_image, style_sha256: name of the file whose style all samples have, and its SHA-256; None for none.
        labels: of a system that sees boxes, "boxes" or "given" (`runs.labels`); None of one that sees maps.
        upscaled_by, upscale_factor, upscale_digest: system of the run that enlarged the images, how many times as many
            pixels a side they got, and SHA-256 of its weights; None where they are as they were drawn.
        description, synonyms: the sentence that layouts were drawn for, and other names of classes as JSON; or None.
        device, precision, threads: the same bytes are promised for the same ones only.
    """

    version: str
    system: str
    weights: str
    seed: int
    batch_size: int
    dials: Dials
    layouts: str
    layouts_digest: str | None
    per_layout: int
    device: str
    precision: str
    threads: int
    vary: bool = False
    keep: tuple[str, ...] = ()
    reseed: Mapping[str, int] = field(default_factory=dict)
    style_image: str | None = None
    style_sha256: str | None = None
    labels: str | None = None
    upscaled_by: str | None = None
    upscale_factor: int | None = None
    upscale_digest: str | None = None
    description: str | None = None
    synonyms: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain dict, each dial under its own name."""
        plain = {**vars(self), "keep": list(self.keep), "reseed": dict(sorted(self.reseed.items()))}
        expanded: dict[str, Any] = {}
        for name, value in plain.items():
            expanded |= self.dials if name == "dials" else {name: value}
        return _said(expanded)

    @property
    def said(self) -> Dials:
        """The dials that are said of a sample."""
        return _said(self.dials)

    @property
    def layouts_in_words(self) -> str:
        """Where layouts came from, and what was done to them."""
        return f"{self.layouts}, varied" if self.vary else self.layouts

    @property
    def chosen(self) -> dict[str, Any]:
        """Streams drawn anew, the style, the description and what enlarged the image, as far as there are such, for a
        row of the manifest.
        """
        of_upscaler = ("upscaled_by", "upscale_factor", "upscale_digest")
        names = ("reseed", "style_image", "style_sha256", "description", "synonyms", *of_upscaler)
        return {name: value for name, value in self.to_json().items() if name in names}

    def written_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) of images that are drawn at `size`, as they are written."""
        factor = self.upscale_factor or 1
        return factor * size[0], factor * size[1]

    def texts(self, index: int) -> dict[str, str]:
        """The text chunks of sample `index`'s PNG."""
        return {
            "generator": "labelmint",
            "version": self.version,
            "system": self.system,
            "weights": self.weights,
            "seed": str(self.seed),
            "index": str(index),
            **{name: in_digits(value) for name, value in self.said.items()},
            "batch_size": str(self.batch_size),
            "layouts": self.layouts_in_words,
            **({"keep": " ".join(self.keep)} if self.keep else {}),
            **{name: str(value) for name, value in self.chosen.items()},
            **({"reseed": in_words(self.reseed)} if self.reseed else {}),
            **({"labels": self.labels} if self.labels else {}),
            "synthetic": "true",
            "DigitalSourceType": SOURCE_TYPE,
        }


def _said(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in _UNSAID or value != _UNSAID[name]}


def made_of(images: ImageGenerator, layouts: LayoutBatch, seeds: Sequence[Seed]) -> list[dict[str, str]]:
    """The training images that each image is made of, by their part in it; {} for one that is drawn."""
    return images.sources(layouts, seeds) if isinstance(images, Moving) else [{} for _ in seeds]


def origin_of(system: TrainedSystem, draw: Draw, threads: int) -> Origin:
    """The origin of what a system draws, with so many CPU threads."""
    given, upscaler = draw.layouts, system.upscaled_by
    drawn = system.has_layout_prior and not draw.vary
    own, digest = ("drawn" if drawn else "training layouts of the run"), None
    if not system.classes.labelled:
        own = "none"
    if system.layouts_from is not None and drawn:
        own, digest = f"drawn by a run of {system.layouts_from.system}", system.layouts_from.digest
    if system.described is not None and drawn:
        own, digest = f"{own} for a description", system.described.digest
    described = system.described if drawn and given is None else None
    return Origin(
        version=__version__,
        system=system.system,
        weights=system.digest,
        seed=draw.seed,
        batch_size=draw.batch_size,
        dials=system.resolve(draw.dials, draws_layouts=draw.draws_layouts),
        layouts=own if given is None else given.whence,
        layouts_digest=digest if given is None else given.digest,
        per_layout=draw.per_layout,
        device=system.device.type,
        precision=system.precision,
        threads=threads,
        vary=draw.vary,
        keep=() if given is None else given.keep,
        reseed=draw.reseed,
        style_image=None if draw.style is None else draw.style.name,
        style_sha256=None if draw.style is None else draw.style.digest,
        labels=None if system.config.boxes is None else draw.labels or BOXES,
        upscaled_by=None if upscaler is None else upscaler.system,
        upscale_factor=None if upscaler is None else upscaler.factor,
        upscale_digest=None if upscaler is None else upscaler.digest,
        description=None if described is None else described.text,
        synonyms=(described.synonyms or None) if described is not None else None,
    )
