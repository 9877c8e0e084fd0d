"""A trained system: loaded from its run folder, ready to draw pairs."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.ranges import restored
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.generators.two_stage import TwoStage
from labelmint.hardware import available_memory, choose_device, choose_threads, threads_of_run
from labelmint.layouts.from_prior import PriorLayouts
from labelmint.layouts.varied import VariedLayouts
from labelmint.priors.guided import MOST_GUIDANCE, NetworkPrior, learned_without
from labelmint.priors.memory import state_bytes
from labelmint.protocols import LayoutSource
from labelmint.runs.config import RunConfig, read_run_config
from labelmint.runs.given import Given, cells, part_of
from labelmint.runs.memory import SPARE, drawing_bytes
from labelmint.runs.precision import named_precision, priors_in_bfloat16
from labelmint.runs.prepare import AsTrained
from labelmint.runs.ranges import DrawnRanges
from labelmint.seeds import Seed
from labelmint.systems.catalogue import system_named
from labelmint.systems.parts import Facts, TwoStageParts
from labelmint.training.run_folder import RunFolder
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet, Kept

__all__ = ["TrainedSystem", "build_parts", "load"]

# more gain little where a few pairs are asked for, since B does not depend on how many
_MOST_AT_ONCE = {"cpu": 32, "cuda": 256}
_KEPT_AT_ONCE = 32  # pairs that are encoded at a time
_LARGEST = 1024  # batch size that is named to one whose own does not fit


class TrainedSystem:
    """A system with its weights.

    Attributes:
        path: the run folder.
        config: what it was made with.
        classes: the classes of its data.
        size: (H, W) of its images.
        digest: SHA-256 over the digests of its parts.
        device: where it draws.
        precision: of its priors, "32-true" or "bf16-true".
        threads_asked: whether the CPU threads were asked for; a resume keeps those it began with where they
            were not.
    """

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        parts: TwoStageParts,
        digest: str,
        device: torch.device,
        precision: str = "32-true",
        threads_asked: bool = False,
    ) -> None:
        self.path, self.config, self.digest, self.device, self.precision = (
            path,
            config,
            digest,
            device,
            precision,
        )
        self.threads_asked = threads_asked
        self.classes: ClassSet = config.class_set
        self.size = config.request.size
        self._parts, self._generator = parts, parts.generator()
        self._own_layouts = parts.layout_source(device)
        self._with_guidance: tuple[float, TwoStage] | None = None
        self._last_varied: tuple[Given | None, int, VariedLayouts] | None = None

    @property
    def system(self) -> str:
        """Name of the system."""
        return self.config.request.system

    @property
    def layout_temperature(self) -> float:
        """At which layouts are drawn unless told otherwise."""
        return self.config.request.settings.layout_prior.temperature

    @property
    def has_layout_prior(self) -> bool:
        """Whether it draws its own layouts."""
        return self._own_layouts is not None

    def layouts_of(self, data: DataSet) -> Tensor:
        """Symbol maps (N, H, W) of a data set, fitted like the training data; an argument of `sample_chunk`."""
        return torch.from_numpy(self.as_trained.layouts(data))

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
            cell=self._parts.cell,
            channels=self.config.image_channels,
            seed=self.config.request.seed,
            normalize=self.config.request.normalize,
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

        Raises InputError for parts that are none, for a layout's part where the system draws no layouts, and for
        references that a system has no use for or lacks.
        """
        parts = [part_of(text, self.classes, self.size) for text in keep]
        of_layouts = [text for text, part in zip(keep, parts, strict=True) if part.of == "layout"]
        if of_layouts and not self.has_layout_prior:
            raise InputError(
                f"--keep {of_layouts[0]}: {self.system} draws no layouts, so given ones are kept whole; leave "
                f"it out, or train msgnet or mint"
            )
        if references != self.needs_references:
            raise InputError(
                f"--reference {data.source}: {self.system} needs no reference images here; give --layouts "
                f"instead"
                if references
                else f"--layouts {data.source}: this run writes layouts in tokens together with images "
                f"(tokenizer.reference); give --reference"
            )
        if not references and not parts:
            return Given(
                ids=data.fixed(0, len(data)).layouts.ids if isinstance(data, Pairs) else self.layouts_of(data)
            )
        pairs, found = data if isinstance(data, Pairs) else self.pairs_of(data), []
        class_of = torch.tensor([class_id for class_id, _ in self.config.symbol_table.symbols])
        for first in range(0, len(pairs), _KEPT_AT_ONCE):
            batch = pairs.fixed(first, min(_KEPT_AT_ONCE, len(pairs) - first))
            with torch.no_grad():
                images, layouts = (tokens.cpu() for tokens in self.parts.codes(batch.to(self.device)))
            class_ids = class_of[batch.layouts.ids.long()]
            within = (
                cells([part.within(class_ids) for part in parts if part.of == of], tokens)
                for of, tokens in (("layout", layouts), ("image", images))
            )
            found.append((batch.layouts.ids, layouts, images, *within))
        ids, layouts, images, of_layout, of_image = (torch.cat(every) for every in zip(*found, strict=True))
        for of, where in (("layout", of_layout), ("image", of_image)):
            asked = " --keep ".join(text for text, part in zip(keep, parts, strict=True) if part.of == of)
            if asked and not where.any():
                raise InputError(
                    f"--keep {asked}: keeps nothing of {data.source}: no token has half of its pixels there"
                )
        return Given(
            ids=ids,
            tokens=layouts if references else None,
            layout=Kept(layouts, of_layout) if of_layouts else None,
            image=Kept(images, of_image) if len(of_layouts) < len(parts) else None,
        )

    @property
    def geometry(self) -> Geometry:
        """How images come to the size of training, without augmentation."""
        request = self.config.request
        return Geometry(size=request.size, crop=request.crop, scale=request.scale)

    @property
    def parts(self) -> TwoStageParts:
        """The trained parts."""
        return self._parts

    @property
    def needs_references(self) -> bool:
        """Whether it takes a layout only together with its image (`tokenizer.reference`)."""
        return self._parts.needs_references

    def training_layouts(self) -> Tensor:
        """The layouts stored in the run, (N, H, W)."""
        return self._stored.ids

    @property
    def _stored(self) -> Given:
        """Training layouts, with the tokens in which they were written where their images had a part in that."""
        stored = RunFolder(self.path).load_part("layouts")[0]
        return Given(ids=stored["ids"], tokens=stored.get("tokens"))

    def usual_batch(self, warn: Callable[[str], None], guidance: float = 1.0) -> int:
        """How many pairs are drawn at a time unless told otherwise: the largest power of two up to 32 on a
        CPU, 256 on a GPU, that memory holds now, whatever is asked for later.

        Arguments:
            warn: is told when memory holds less than these. guidance: other than 1 takes more memory.

        Raises InputError when memory does not hold one.
        """
        most = _MOST_AT_ONCE[self.device.type]
        found = self._fitting(most, guidance)
        if found is None:
            self.check_batch(1, guidance)
            found = 1
        if found < most:
            warn(
                f"memory holds {found} pairs at a time, not {most} as usual: drawing is slower, and other "
                f"samples than those of {most} come"
            )
        return found

    def check_batch(self, batch_size: int, guidance: float = 1.0) -> None:
        """Raise InputError when batches of this size take more memory than there is, naming one that fits."""
        needed, available = self._needed(batch_size, guidance), available_memory(self.device)
        if needed > available:
            fitting = self._fitting(_LARGEST, guidance)
            mend = (
                f"take --batch-size {fitting}"
                if fitting
                else "one sample does not fit either; free memory, or train a smaller preset"
            )
            raise InputError(
                f"--batch-size {batch_size}: drawing as many at once takes {needed / 2**30:.1f} GiB of "
                f"memory, and "
                f"{available / 2**30:.1f} are free; {mend}"
            )

    def _needed(self, batch_size: int, guidance: float) -> int:
        """Bytes; with guidance the image prior draws twice as many rows."""
        beside = state_bytes(cast(NetworkPrior, self._parts.prior), batch_size) if guidance != 1 else 0
        return self._drawing_bytes(batch_size) + int(SPARE * beside)

    def _fitting(self, most: int, guidance: float) -> int | None:
        """The largest power of two that memory holds."""
        available = available_memory(self.device)
        sizes = (1 << exponent for exponent in reversed(range(most.bit_length())))
        return next((size for size in sizes if self._needed(size, guidance) <= available), None)

    @cached_property
    def _drawing_bytes(self) -> Callable[[int], int]:
        return drawing_bytes(self._parts.priors, self._rehearse)

    def _rehearse(self, pairs: int) -> object:
        """All that is done for some pairs, but the steps of the priors."""
        condition, images = self._parts.rehearse(pairs, self.device)
        return condition, EIGHT_BITS.from_unit(images)

    def sample_chunk(
        self,
        chunk: int,
        *,
        seed: int = 0,
        batch_size: int = 32,
        temperature: float = 0.85,
        guidance: float = 1.0,
        layout_temperature: float | None = None,
        layouts: Tensor | Given | None = None,
        per_layout: int = 1,
        vary: bool = False,
    ) -> list[AnnotatedImage]:
        """The pairs chunk * B ... chunk * B + B - 1, B = batch_size.

        Sample i depends on (weights, seed, i) and is always computed in row i mod B of chunk i // B, so its
        bytes are the same however many are asked for. Temperatures > 0 divide the logits of the image and the
        layout prior; guidance above 1 heeds the layout more, and needs a prior trained for it; layouts (N, H,
        W) from `layouts_of` take the place of drawn ones, each for `per_layout` samples in a row, and of
        pairs from `runs.given` parts can be kept. With `vary` given layouts, or those of the training
        pairs, are turned, zoomed and mixed for each sample (`layouts.varied`) instead of taken as they are.
        """
        layout_temperature = self.layout_temperature if layout_temperature is None else layout_temperature
        for name, value in (("temperature", temperature), ("layout temperature", layout_temperature)):
            if not 0 < value < 100:
                raise InputError(f"{name} must be above 0 (and below 100), got {value}")
        seeds = [(seed, chunk * batch_size + row) for row in range(batch_size)]
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            given = Given(ids=layouts) if isinstance(layouts, Tensor) else layouts
            kept = given.kept(seeds, per_layout) if given is not None else (None, None)
            source = self._layout_source(given, per_layout, vary)
            if isinstance(source, PriorLayouts):
                seen = source.sample(seeds, temperature=layout_temperature, kept=kept[0])
            else:
                found = source.sample(seeds, temperature=layout_temperature)
                seen = replace(self._parts.label_map.as_seen(found), tokens=found.tokens)
            images = self._guided(guidance).sample(
                seen.to(self.device), seeds, temperature=temperature, kept=kept[1]
            )
        pixels, clipped = EIGHT_BITS.from_unit(images), [0] * batch_size
        if self.ranges is not None:
            pixels, clipped = restored(images, [self.ranges.range(seed) for seed in seeds])
        ids = seen.ids.cpu().numpy()
        marks = {
            "generator": "labelmint",
            "synthetic": "true",
            "system": self.system,
            "weights": self.digest,
            "seed": str(seed),
            "temperature": f"{temperature:g}",
            "layout_temperature": f"{layout_temperature:g}",
            **({"guidance": f"{guidance:g}"} if guidance != 1 else {}),
            "batch_size": str(batch_size),
            "layouts": self._whence(given, vary),
        }
        return [
            self._pair(seed, pixels[row], ids[row], marks, clipped[row]) for row, seed in enumerate(seeds)
        ]

    def _whence(self, given: Given | None, vary: bool) -> str:
        """Where layouts come from, in the words of `synthesis.provenance`."""
        own = "drawn" if self._own_layouts is not None and not vary else "training layouts of the run"
        return (given.whence if given is not None else own) + (", varied" if vary else "")

    def check_guidance(self, guidance: float) -> None:
        """Raise InputError for guidance that is out of range, or that the image prior was not trained for."""
        if not 0 <= guidance <= MOST_GUIDANCE:
            raise InputError(f"--guidance {guidance:g}: expected at least 0 and at most {MOST_GUIDANCE:g}")
        if guidance != 1 and not learned_without(cast(NetworkPrior, self._parts.prior)):
            raise InputError(
                f"--guidance {guidance:g}: the image prior of {self.path} never learned to do without its "
                f"layout; train another run with "
                "--set prior.condition_dropout=0.1"
            )

    def _guided(self, guidance: float) -> TwoStage:
        """The generator that draws with this guidance; its memory is kept for the next call."""
        if guidance == 1:
            return self._generator
        if self._with_guidance is None or self._with_guidance[0] != guidance:
            self.check_guidance(guidance)
            self._with_guidance = guidance, self._parts.generator(guidance)
        return self._with_guidance[1]

    def _layout_source(self, given: Given | None, per_layout: int, vary: bool) -> LayoutSource:
        """Drawn ones, in part or whole, or given ones."""
        if vary:
            return self._varied(given, per_layout)
        if self._own_layouts is not None and (given is None or given.layout is not None):
            return self._own_layouts
        return (given or self._stored).layouts(per_layout)

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

    def _pair(
        self, seed: Seed, pixels: Array, ids: Array, marks: dict[str, str], clipped: int
    ) -> AnnotatedImage:
        index = seed[1]
        if self.ranges is not None:
            marks = {**marks, "range": self.ranges.name(seed), "clipped": str(clipped)}
        layout = self.config.symbol_table.layout(ids, self.config.has_instances)
        provenance = {**marks, "index": str(index)}
        return AnnotatedImage(
            name=f"synthetic_{index:06d}",
            image=np.ascontiguousarray(pixels),
            layout=layout,
            provenance=provenance,
        )

    def synthesize(
        self,
        n: int,
        *,
        seed: int = 0,
        start: int = 0,
        batch_size: int | None = None,
        temperature: float = 0.85,
        guidance: float = 1.0,
        layout_temperature: float | None = None,
        layouts: DataSet | Pairs | None = None,
        per_layout: int = 1,
        vary: bool = False,
    ) -> Iterator[AnnotatedImage]:
        """Pairs start ... start + n - 1, one after the other; the arguments are those of `sample_chunk`, and
        a batch size of None is found by `usual_batch`.

        Raises InputError for numbers out of range, and a batch size that memory can't hold.
        """
        for name, value, least in (
            ("n", n, 0),
            ("seed", seed, 0),
            ("start", start, 0),
            ("batch_size", batch_size, 1),
        ):
            if value is not None and value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")
        if batch_size is None:
            batch_size = self.usual_batch(
                lambda line: warnings.warn(line, UserWarning, stacklevel=4), guidance
            )
        self.check_guidance(guidance)
        self.check_batch(batch_size, guidance)
        given = self.given(layouts, references=self.needs_references) if layouts is not None else None
        for chunk in range(start // batch_size, -(-(start + n) // batch_size)):
            pairs = self.sample_chunk(
                chunk,
                seed=seed,
                batch_size=batch_size,
                temperature=temperature,
                guidance=guidance,
                layout_temperature=layout_temperature,
                layouts=given,
                per_layout=per_layout,
                vary=vary,
            )
            first = chunk * batch_size
            yield from pairs[max(start - first, 0) : start + n - first]


def build_parts(config: RunConfig) -> TwoStageParts:
    """The untrained parts of a configuration; the same weights for the same seed."""
    facts = Facts(config.image_channels, config.request.size, len(config.symbols))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.request.seed)
        return system_named(config.request.system).build(config.request.settings, facts)


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

    Raises InputError when it is none, unfinished, newer, or damaged, and for a device or precision that is
    not there.
    """
    chosen = named_precision(precision)
    folder = RunFolder(run)
    config = read_run_config(folder)
    where = choose_device(device)
    torch.set_num_threads(threads_of_run(config, where) if threads is None else choose_threads(threads))
    parts, digest = build_parts(config), hashlib.sha256()
    for name, module, _ in parts.stages():
        if not folder.finished(name):
            raise InputError(
                f"{folder.path}: training has not finished ({name} is missing); run the same `labelmint "
                f"train` again"
            )
        weights, about = folder.load_part(name)
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise InputError(
                f"{folder.path / name}: the weights do not fit config.json ({reason}); restore it, or train "
                f"again"
            ) from None
        module.to(where).eval()
        digest.update(about["sha256"].encode())
    if chosen == "bf16-true":
        priors_in_bfloat16(parts)
    return TrainedSystem(
        folder.path, config, parts, digest.hexdigest(), where, chosen, threads_asked=bool(threads)
    )
