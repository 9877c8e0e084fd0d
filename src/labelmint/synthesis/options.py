"""What minting can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelmint.datasets.pairs import Pairs
from labelmint.dials import check_ranges
from labelmint.errors import InputError
from labelmint.formats import FORMATS, WRITABLE
from labelmint.formats.format import held_image_format, image_format_named
from labelmint.protocols import Dials
from labelmint.runs.draw import at_least, check_seeds
from labelmint.synthesis.filter import SHARE
from labelmint.synthesis.refill import FACTOR
from labelmint.synthesis.shard import Shard
from labelmint.types import DataSet

__all__ = ["ENGINES", "MintOptions"]

ENGINES = ("here", "ray")


@dataclass(frozen=True, kw_only=True)
class MintOptions:
    """What minting can be told.

    Arguments:
        n, start: how many pairs, and the index of the first candidate; a pair is the same whatever they are.
        seed: of every draw.
        format: one of `formats.WRITABLE`. image_format: of the images, "png", "jpg", "webp" or "tiff".
        layouts: take the layouts of this data set, or of pairs as the run sees them (`runs.prepare.AsTrained`),
            instead of drawing them.
        reference: the same for a run that writes layouts in tokens together with their images
            (`tokenizer.reference`).
        keep: "layout:CLASS", "image:CLASS" or "image:x0,y0,x1,y1": parts of those pairs that are not drawn
            anew (`runs.given`).
        per_layout: pairs in a row that share a layout; with `layouts`, `vary`, or a system that has no layout
            prior.
        vary: turn, zoom and mix those layouts, or else the training layouts of the run, into new ones
            (`layouts.varied`).
        reseed: other seeds for streams of random numbers, by name: `{"image": 7}` draws other images of the same
            layouts (`runs.streams`).
        style_image: an image file whose style all samples have, where the run's encoder finds it (`runs.style`).
        labels: of a run that sees boxes: "boxes", as objects and a map of these filled, or "given", the whole label
            maps that the boxes were found in, with whatever these do not tell as ignored. None takes what the run has.
        describe: a sentence that layouts are drawn for (`layouts.grammar`), as in "two cars on the left". synonyms:
            the name of a class by another name for it.
        dials: values for what the run heeds, by name (`labelmint.dials`): `{"temperature": 0.7}`.
        batch_size: B, pairs drawn at a time. None takes that of the call that is resumed, else
            `TrainedSystem.usual_batch`.
        filter: "on" drops pairs whose image does not show what the label says, and near-copies of training
            images; "ignore" has doubtful pixels ignored instead where it can; both draw on until there are n,
            and need the judge that `evaluate` stores in the run. "off" does neither; "auto" is "on" where the
            run holds a judge and nothing is kept, else "off".
        filter_share: of real validation pairs that would be dropped.
        data: the real data that the judge learned from, where it has moved.
        unlabelled: the images without labels that the run learned from, which are then searched for copies, too.
        most_candidates: 10 n unless given.
        resume: go on with what a stopped call left in OUT.partial, with its threads unless `load` was told
            others.
        copies: further folders for the same pairs, by other formats.
        shard: "K/N": draw the K-th share of the chunks alone, for `synthesis.join`; `n` counts candidates then, and
            the folder is no data set yet.
        engine: what computes chunks: "here", or "ray", on the machines of a Ray cluster.

    Raises InputError for values out of range, and for options that do not go together.
    """

    n: int
    seed: int = 0
    start: int = 0
    format: str = "folder"
    image_format: str = "png"
    layouts: DataSet | Pairs | None = None
    reference: DataSet | None = None
    keep: tuple[str, ...] = ()
    per_layout: int = 1
    vary: bool = False
    reseed: Mapping[str, int] = field(default_factory=dict)
    style_image: str | Path | None = None
    labels: str | None = None
    describe: str | None = None
    synonyms: Mapping[str, str] | None = None
    dials: Dials = field(default_factory=dict)
    batch_size: int | None = None
    filter: str = "auto"
    filter_share: float = SHARE
    data: DataSet | str | Path | None = None
    unlabelled: DataSet | str | Path | None = None
    most_candidates: int | None = None
    resume: bool = False
    copies: Mapping[str, str | Path] = field(default_factory=dict)
    shard: str | None = None
    engine: str = "here"

    def __post_init__(self) -> None:
        at_least(
            seed=(self.seed, 0),
            start=(self.start, 0),
            per_layout=(self.per_layout, 1),
            batch_size=(self.batch_size, 1),
        )
        if self.n < 1:
            raise InputError(f"-n {self.n}: expected at least 1")
        image_format_named(self.image_format)
        for name in {self.format, *self.copies} & set(WRITABLE):
            held_image_format(FORMATS[name], self.image_format)
        self._check_engine()
        check_ranges(self.dials)
        check_seeds(self.reseed)
        if self.most_candidates is not None and self.most_candidates < self.n:
            raise InputError(
                f"--most-candidates {self.most_candidates}: expected at least as many as pairs are wanted, "
                f"{self.n}"
            )
        if self.layouts is not None and self.reference is not None:
            raise InputError("--reference: has its layouts already; leave --layouts out")
        self._check_description()
        if self.keep and self.pairs is None:
            raise InputError(f"--keep {self.keep[0]}: of what? give the pairs to keep it of with --layouts")

    def _check_engine(self) -> None:
        """Raise InputError for an unknown engine, and for what is decided where shards are joined."""
        if self.engine not in ENGINES:
            raise InputError(f"--engine {self.engine}: expected one of {', '.join(ENGINES)}")
        if self.shard is None:
            return
        Shard.parse(self.shard)
        unused = {
            "--format": self.format != "folder",
            "--image-format": self.image_format != "png",
            "copies": bool(self.copies),
        }
        for option, given in unused.items():
            if given:
                raise InputError(f"{option}: has no meaning with --shard; give it to `labelmint join`")
        if self.most_candidates is not None:
            raise InputError("--most-candidates: has no meaning with --shard, of which -n counts candidates")

    def _check_description(self) -> None:
        """Raise InputError where layouts come from elsewhere than the description, too."""
        if self.describe is None:
            if self.synonyms is not None:
                raise InputError("--synonyms: of what? give a sentence with --describe")
            return
        other = {"--layouts": self.layouts, "--reference": self.reference, "--vary": self.vary}
        for option, value in (other | {"--per-layout": self.per_layout != 1}).items():
            if value not in (None, False):
                raise InputError(
                    f"{option}: has no meaning with --describe, for which a layout is drawn for each image; leave one "
                    f"of the two out"
                )

    @property
    def pairs(self) -> DataSet | Pairs | None:
        """The pairs whose layouts are taken."""
        return self.layouts if self.layouts is not None else self.reference

    @property
    def most(self) -> int:
        """Candidates to be judged at most."""
        return self.most_candidates or FACTOR * self.n

    @property
    def mode(self) -> str:
        """The filter's mode: what is kept of a training pair is a copy, and wanted."""
        return "off" if self.keep and self.filter == "auto" else self.filter
