"""A trained system: loaded from its run folder, ready to draw pairs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.ranges import restored
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.dials import heeded_by, settled
from labelmint.hardware import choose_device, choose_threads, threads_of_run
from labelmint.layouts.varied import VariedLayouts
from labelmint.protocols import Dial, Dials, ImageGenerator, LayoutSource, Styled
from labelmint.runs.batch_size import check_batch, usual_batch
from labelmint.runs.config import RunConfig, read_run_config
from labelmint.runs.described import Described, sampled, with_description
from labelmint.runs.draw import Draw, at_least
from labelmint.runs.draw_of import draw_of
from labelmint.runs.given import Given
from labelmint.runs.keeping import given_by
from labelmint.runs.labels import labels_of
from labelmint.runs.layouts_from import RunLayouts
from labelmint.runs.origin import made_of, origin_of
from labelmint.runs.precision import named_precision, priors_in_bfloat16
from labelmint.runs.prepare import AsTrained
from labelmint.runs.ranges import DrawnRanges
from labelmint.runs.reopened import reopened, told
from labelmint.runs.streams import IMAGE, LAYOUT, streams_of
from labelmint.runs.upscaled_by import RunUpscaler
from labelmint.runs.weights import load_weights
from labelmint.runs.wire import wire
from labelmint.seeds import Seeds
from labelmint.systems.catalogue import SYSTEMS, check_mints
from labelmint.systems.system import Role, Wired
from labelmint.training.run_folder import RunFolder
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet, Kept, Layout, LayoutBatch

__all__ = ["TrainedSystem", "load"]


class TrainedSystem:
    """A system with its weights.

    Attributes:
        path: the run folder. config: what it was made with.
        classes: the classes of its data. size: (H, W) of its images.
        digest: SHA-256 over the digests of its parts. device: where it draws.
        precision: of its priors, "32-true" or "bf16-true".
        threads_asked: whether the CPU threads were asked for; a resume keeps those it began with where they
            were not.
        own_layouts: draws layouts; None where they are given.
        layouts_from, upscaled_by, described: the layout source and the upscaler of other runs, and a sentence, or None.
    """

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        wired: Wired,
        digest: str,
        device: torch.device,
        precision: str = "32-true",
        threads_asked: bool = False,
    ) -> None:
        self.path, self.config, self.digest = path, config, digest
        self.device, self.precision, self.threads_asked = device, precision, threads_asked
        self.classes: ClassSet = config.class_set
        self.size = config.request.size
        self.wired, self.own_layouts = wired, wired.layouts
        self.layouts_from: RunLayouts | None = None
        self.upscaled_by: RunUpscaler | None = None
        self.described: Described | None = None
        self._last_varied: tuple[Given | None, int, VariedLayouts] | None = None

    def __reduce__(self) -> tuple[Callable[..., TrainedSystem], tuple[()]]:
        """Another process opens the run again (`runs.reopened`)."""
        return partial(reopened, **told(self)), ()

    def __copy__(self) -> TrainedSystem:
        found = object.__new__(type(self))
        vars(found).update(vars(self))
        return found

    @property
    def system(self) -> str:
        """Its name."""
        return self.config.request.system

    @property
    def role(self) -> Role:
        """What the run is for: images of its own, or something for those of other runs."""
        return SYSTEMS[self.system].role

    @property
    def images(self) -> ImageGenerator:
        """What draws images. Raises InputError where the run is for those of other runs."""
        check_mints(self.system, self.path)
        assert self.wired.images is not None
        return self.wired.images

    @property
    def learned_from_images(self) -> bool:
        """True if it learned from images alone, or from one class an image."""
        return SYSTEMS[self.system].from_images

    @property
    def moves_pairs(self) -> bool:
        """True if its samples are training pairs, moved, which the run then holds."""
        return SYSTEMS[self.system].of_pairs

    @property
    def has_layout_prior(self) -> bool:
        """True if it draws its own layouts."""
        return self.own_layouts is not None

    @property
    def _sources(self) -> list[ImageGenerator | LayoutSource]:
        """What it draws with, unless layouts are given."""
        return [self.images] if self.own_layouts is None else [self.images, self.own_layouts]

    @property
    def dials(self) -> tuple[Dial, ...]:
        """What it heeds when it draws."""
        return heeded_by(self._sources)

    def with_layouts_from(self, other: TrainedSystem) -> TrainedSystem:
        """This system with another run's layouts in place of its own; raises InputError as `RunLayouts` does."""
        found = copy.copy(self)
        found.own_layouts = found.layouts_from = RunLayouts(other, self)
        return found

    def with_upscaler(self, other: TrainedSystem) -> TrainedSystem:
        """This system with images and labels enlarged by another run; raises InputError as `RunUpscaler` does."""
        found = copy.copy(self)
        found.upscaled_by = RunUpscaler(other, self)
        return found

    def with_description(self, text: str, synonyms: Mapping[str, str] | None = None) -> TrainedSystem:
        """This system with layouts drawn for a description in plain English; raises InputError as
        `described_layouts` does.
        """
        return with_description(self, text, synonyms)

    def resolve(self, dials: Dials, *, draws_layouts: bool = True) -> dict[str, float]:
        """A value for each of its dials: the one given, else the usual one. Raises InputError for a dial that
        it does not heed, and for a value out of range.

        Arguments:
            draws_layouts: False where they are given: nothing heeds the dials of layouts then, and they are left out.
        """
        values = settled(self.system, self._sources, dials)
        heeded = {dial.name for dial in (self.dials if draws_layouts else self.images.dials)}
        return {name: value for name, value in values.items() if name in heeded}

    def layouts_of(self, data: DataSet) -> Tensor:
        """Symbol maps (N, H, W) of a data set, fitted like the training data."""
        return self.as_trained.layouts(data).ids

    def pairs_of(self, data: DataSet) -> Pairs:
        """The pairs of a data set as this system sees them, for held-out figures."""
        return self.as_trained.pairs(data)

    @property
    def as_trained(self) -> AsTrained:
        """How this system sees pairs."""
        return AsTrained(
            geometry=self.geometry,
            symbols=self.config.symbol_table,
            classes=self.classes,
            cell=self.wired.reach,
            channels=self.config.image_channels,
            seed=self.config.request.seed,
            normalize=self.config.request.normalize,
            whole=self.learned_from_images,
            boxes=self.config.boxes,
        )

    @cached_property
    def ranges(self) -> DrawnRanges | None:
        """The ranges that its images are brought to; None where it learned from images as they are."""
        return DrawnRanges.read(RunFolder(self.path)) if self.config.request.normalize != "none" else None

    def given(self, data: DataSet | Pairs, *, references: bool = False, keep: Sequence[str] = ()) -> Given:
        """The pairs of a data set as this system takes them.

        Arguments:
            data: a data set, or its pairs as this system sees them.
            references: images are encoded together with their layouts, for systems whose tokenizer needs that.
            keep: parts as `runs.given` has them.

        Raises InputError as `runs.keeping.given_by` does.
        """
        return given_by(self, data, references=references, keep=keep)

    @property
    def geometry(self) -> Geometry:
        """How images come to the size of training, without augmentation."""
        request = self.config.request
        return Geometry(size=request.size, crop=request.crop, scale=request.scale)

    @property
    def grain(self) -> float:
        """The cells that layouts consist of, in shares of the shorter side."""
        return self.wired.cell / min(self.size)

    def part(self, name: str) -> nn.Module:
        """The trained module of a stage."""
        return next(stage.module for stage in self.wired.stages if stage.name == name)

    @property
    def needs_references(self) -> bool:
        """True if it takes a layout only together with its image (`tokenizer.reference`)."""
        return self.wired.needs_references

    def training_layouts(self) -> Tensor:
        """The layouts stored in the run, (N, H, W)."""
        return self.stored.ids

    @property
    def stored(self) -> Given:
        """Training layouts, with the tokens in which they were written where their images had a part in that."""
        stored = RunFolder(self.path).load_part("layouts")[0]
        return Given(ids=stored["ids"], tokens=stored.get("tokens"), boxes=stored.get("boxes"))

    def usual_batch(self, warn: Callable[[str], None], dials: Dials | None = None) -> int:
        """How many pairs are drawn at a time unless told otherwise, as `runs.batch_size` has it.

        Arguments:
            warn: is told when memory holds less than is usual.
            dials: as in `Draw`; guidance takes more memory.

        Raises InputError when memory does not hold one.
        """
        return usual_batch(lambda count: self.drawing_bytes(count, dials), self.device, warn)

    def check_batch(self, batch_size: int, dials: Dials | None = None) -> None:
        """Raise InputError when batches of this size take more memory than there is, naming one that fits."""
        check_batch(batch_size, lambda count: self.drawing_bytes(count, dials), self.device)

    def drawing_bytes(self, batch_size: int, dials: Dials | None = None) -> int:
        """Memory that drawing so many pairs at once takes, layouts and images, in bytes."""
        values = self.resolve(dials or {})
        drawing = sum(part.drawing_bytes(batch_size, values) for part in self._sources)
        return (
            drawing if self.upscaled_by is None else max(drawing, self.upscaled_by.drawing_bytes(batch_size))
        )

    def chunk(self, number: int, draw: Draw) -> list[AnnotatedImage]:
        """The pairs B number ... B number + B - 1, B = `draw.batch_size`.

        Sample i depends on (weights, seed, i) and is always computed in row i mod B of chunk i // B, so its
        bytes are the same however many are asked for.
        """
        rows = range(number * draw.batch_size, (number + 1) * draw.batch_size)
        seeds = draw.seeds(IMAGE, rows, streams_of(self.images))
        origin = origin_of(self, draw, torch.get_num_threads())
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            drawn, layouts, kept = self._layouts(rows, draw, origin.dials)
            images = self._images(layouts.to(self.device), seeds, draw, origin.dials, kept)
        labels = labels_of(self.config, drawn, layouts, draw.labels)
        pixels, marks = EIGHT_BITS.from_unit(images), made_of(self.images, layouts, seeds)
        if self.ranges is not None:
            pixels, clipped = restored(images, [self.ranges.range(seed) for seed in seeds])
            marks = [
                {**mark, "range": self.ranges.name(seed), "clipped": str(count)}
                for mark, seed, count in zip(marks, seeds, clipped, strict=True)
            ]
        if self.upscaled_by is not None:
            pixels, labels = self.upscaled_by.enlarged(pixels, labels)
        return [
            _pair(pixels[row], labels[row], {**origin.texts(index), **marks[row]}, index)
            for row, (_, index) in enumerate(seeds)
        ]

    def _images(
        self, layouts: LayoutBatch, seeds: Seeds, draw: Draw, dials: Dials, kept: Kept | None
    ) -> Tensor:
        """Images of layouts, by seed or in the style of a reference image."""
        if draw.style is None:
            return self.images.sample(layouts, seeds, dials, kept)
        return cast(Styled, self.images).in_style(layouts, seeds, draw.style.code, dials)

    def _layouts(self, rows: range, draw: Draw, dials: Dials) -> tuple[LayoutBatch, LayoutBatch, Kept | None]:
        """Layouts as they are drawn, as the images are drawn for them, and what is kept of the images."""
        seeds = draw.seeds(LAYOUT, rows, streams_of(self.own_layouts))
        of_layouts, of_images = (
            draw.layouts.kept(seeds, draw.per_layout) if draw.layouts is not None else (None, None)
        )
        source = self._source(draw)
        drawn = sampled(source, seeds, dials, of_layouts, draw.wanted)
        # its own source draws them as they are seen
        seen = drawn if source is self.wired.layouts else self.wired.see(drawn)
        return drawn, seen, of_images

    def _source(self, draw: Draw) -> LayoutSource:
        """Where layouts come from: drawn in part or whole, varied, or given."""
        given = draw.layouts
        if draw.vary:
            return self._varied(given, draw.per_layout)
        if self.own_layouts is not None and (given is None or given.layout is not None):
            return self.own_layouts
        return (given or self.stored).layouts(draw.per_layout)

    def _varied(self, given: Given | None, per_layout: int) -> VariedLayouts:
        """Made once for a set of layouts: it counts their objects."""
        if self._last_varied is None or self._last_varied[:2] != (given, per_layout):
            symbols, without = self.config.symbol_table.symbols, self.classes.without_objects
            background = [k for k, (class_id, _) in enumerate(symbols) if class_id in without]
            ids = self.training_layouts() if given is None else given.ids
            class_of = [class_id for class_id, _ in symbols]
            made = VariedLayouts(ids, background, self.config.request.augment, per_layout, class_of)
            self._last_varied = given, per_layout, made
        return self._last_varied[2]

    def synthesize(
        self,
        n: int,
        *,
        seed: int = 0,
        start: int = 0,
        batch_size: int | None = None,
        layouts: DataSet | None = None,
        per_layout: int = 1,
        vary: bool = False,
        reseed: Mapping[str, int] | None = None,
        style_image: str | Path | None = None,
        labels: str | None = None,
        **dials: float | None,
    ) -> Iterator[AnnotatedImage]:
        """Pairs start ... start + n - 1, one after the other.

        Arguments:
            seed, per_layout, vary, reseed, labels: as in `Draw`.
            batch_size: None is found by `usual_batch`.
            layouts: of this data set, in place of the run's own.
            style_image: a file whose style all images have, where an encoder finds it.
            dials: by name, as in `temperature=0.9`; None takes the usual value.

        Raises InputError for numbers out of range, a dial or stream that it does not heed, a style that it can't find,
        and a batch size that memory can't hold.
        """
        at_least(n=(n, 0), start=(start, 0))
        draw = draw_of(
            self,
            seed=seed,
            batch_size=batch_size,
            layouts=layouts,
            per_layout=per_layout,
            vary=vary,
            reseed=reseed,
            style_image=style_image,
            labels=labels,
            dials=dials,
        )
        draw, batch_size = replace(draw, wanted=range(start, start + n)), draw.batch_size
        for number in range(start // batch_size, -(-(start + n) // batch_size)):
            first = number * batch_size
            yield from self.chunk(number, draw)[max(start - first, 0) : start + n - first]


def _pair(pixels: Array, label: Layout, texts: dict[str, str], index: int) -> AnnotatedImage:
    image = np.ascontiguousarray(pixels)
    return AnnotatedImage(name=f"synthetic_{index:06d}", image=image, layout=label, provenance=texts)


def load(
    run: str | Path, *, device: str = "auto", threads: int | None = None, precision: str = "32"
) -> TrainedSystem:
    """A trained system from its run folder.

    Arguments:
        run: the folder.
        device: "auto", "cpu", "cuda" or "cuda:N".
        threads: of the CPU; unless given those of the run, where there are as many cores as it was trained
            with, else measured.
        precision: in which it draws, "32" or "bf16": faster where the processor multiplies bfloat16
            (`runs.precision`), and other samples.

    Raises InputError when it is none, unfinished, newer, or damaged, and for a device or precision not there.
    """
    chosen = named_precision(precision)
    folder = RunFolder(run)
    config = read_run_config(folder)
    where = choose_device(device)
    torch.set_num_threads(threads_of_run(config, where) if threads is None else choose_threads(threads))
    wired = wire(config)
    digest = load_weights(folder, wired.stages, where)
    if chosen == "bf16-true":
        priors_in_bfloat16(wired)
    return TrainedSystem(folder.path, config, wired, digest, where, chosen, threads_asked=bool(threads))
