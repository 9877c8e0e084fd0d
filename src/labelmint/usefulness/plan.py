"""What a study is asked for, and which real pairs each of its cells may use.

    cell (n, k):  n training pairs, k the seed of their choice, of the generator and of the segmenters
    order of seed k = names by SHA-256 of (k, name);   training(n, k) = the first n of the pool in that order

So the choices of a seed are nested: those of 25 pairs hold those of 10. With groups, the groups are ordered
by hash and then the names in each, so that n pairs come from as few groups as possible.

    --validation within   these n are all labels that there are: nothing else is trained on or chosen by
    --validation extra    of the validation pairs as many are taken beside them, but at least 4
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from labelmint.datasets.splits import Split
from labelmint.dials import DIALS, check_ranges
from labelmint.errors import InputError
from labelmint.nn.efficientnet import lite0
from labelmint.protocols import Dial, Dials
from labelmint.seeds import several
from labelmint.segmenters.plateau import ArmConfig
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.types import DataSet
from labelmint.usefulness.arms import BESIDE, POOLED, USUAL
from labelmint.usefulness.order import in_order

__all__ = [
    "GIVEN",
    "REST",
    "Cell",
    "StudyOptions",
    "Way",
    "counts",
    "pairs_of_cell",
    "samples_needed",
    "way_of",
    "ways",
]

FILTERS, LAYOUTS = ("on", "off", "both"), ("own", "varied", "both")
VALIDATION = ("within", "extra")
REST = "rest"  # --unlabelled: the training part beyond the n pairs, without its labels
USUAL_COUNTS = (10, 25, 50)
FEWEST_VALIDATION, FEWEST_SAMPLES = 4, 500
FEWEST_TRAINING = {"within": 4, "extra": 2}  # two folds of two, whose pairs are then told apart
JUDGE = SegmenterConfig(channels=(16, 32, 64, 128), steps=600, batch_size=16, evaluate_every=50)


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """What a study can be told.

    Arguments:
        n_train: numbers of real pairs, None for all of them; 10, 25, 50 and all as far as there are so many,
            unless given.
        validation: "within": the n pairs are all labels that there are. "extra": as many again validate beside
            them, but at least 4.
        ratios: synthetic pairs for each real one in the batches. The first is what the answer is about; with
            extra validation pairs another, where these say so beyond one standard error.
        dials: values of the samples to compare, by the dial's name, the first alike: `{"temperature": (0.7, 1)}`;
            what is not given is as usual.
        filter, layouts: of the samples, alike; filter is "on", "off" or "both", layouts are the system's "own",
            "varied" training layouts, or "both"; of both the one that is named first here.
        seeds, seed: how many, from which on.
        samples: different synthetic pairs an arm may draw from; max(ratio * n, 500) unless given.
        arms: names of arms beside the usual ones: the baselines of former versions (`arms.BESIDE`), and those with a
            pool (`arms.POOLED`). Where A is among them, these arms and no others.
        unlabelled: the pool: images without labels, or "rest", the training part beyond the n pairs, its labels
            hidden.
        share: whether to find out if the synthetic pairs may be shared in place of the images.
        system, preset, size, crop, scale, augment, settings, group_by: as for `train`; `augment` rules what
            is done in all arms.
        normalize: of all images, as for `train`. rebalance: of the generators' training pairs, likewise.
        generator_minutes: time limit of each generator's training.
        synthetic: pairs made from the whole training part by any program, in place of generators.
        curve: only arms R and A, the learning curve.
        budget: minutes after which nothing more is begun.
        segmenter, judge: sizes and training of the arms' network, and of the filter's judge.
        device, precision, threads: where and how to compute.

    Raises InputError for values out of range.
    """

    n_train: tuple[int | None, ...] | None = None
    validation: str = "within"
    ratios: tuple[float, ...] = (1.0,)
    dials: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    filter: str = "on"
    layouts: str = "own"
    seeds: int = 3
    seed: int = 0
    samples: int | None = None
    arms: tuple[str, ...] = ()
    unlabelled: DataSet | str | Path | None = None
    share: bool = False
    system: str | None = None
    preset: str = "small"
    size: tuple[int, int] | None = None
    crop: bool = False
    scale: float = 1.0
    augment: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    group_by: str | None = None
    normalize: str = "none"
    rebalance: str = "none"
    generator_minutes: float | None = None
    synthetic: str | Path | None = None
    curve: bool = False
    budget: float | None = None
    segmenter: ArmConfig = field(default_factory=ArmConfig)
    judge: SegmenterConfig = field(default_factory=lambda: JUDGE)
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.validation not in VALIDATION:
            raise InputError(f"--validation {self.validation}: expected one of {', '.join(VALIDATION)}")
        fewest = FEWEST_TRAINING[self.validation]
        for n in self.n_train or ():
            if n is not None and n < fewest:
                raise InputError(
                    f"--n-train {n}: expected at least {fewest} real pairs, or all, with --validation {self.validation}"
                )
        for name in self.arms:
            if name not in (*BESIDE, *POOLED, *USUAL):
                known = ", ".join((*BESIDE, *POOLED, *USUAL))
                raise InputError(f"--arms {name}: expected some of {known}")
            if name in POOLED and self.unlabelled is None:
                raise InputError(
                    f"--arms {name}: learns from images without labels; name them by --unlabelled DIR, or take "
                    f"--unlabelled {REST}"
                )
        if self.n_train == () or not self.ratios or not all(self.dials.values()):
            raise InputError("--n-train, --ratio, and every dial each need at least one value")
        for ratio in self.ratios:
            if not 0 < ratio <= 100:
                raise InputError(
                    f"--ratio {ratio:g}: expected more than 0 and at most 100 synthetic pairs for each real "
                    f"one"
                )
        for name, values in self.dials.items():
            for one in values:
                check_ranges({name: one})
        if self.filter not in FILTERS:
            raise InputError(f"--filter {self.filter}: expected one of {', '.join(FILTERS)}")
        if self.layouts not in LAYOUTS:
            raise InputError(f"--layouts {self.layouts}: expected one of {', '.join(LAYOUTS)}")
        several(self.seed, self.seeds)
        if self.samples is not None and self.samples < 1:
            raise InputError(f"--samples {self.samples}: expected at least 1")
        for name, minutes in (("--budget", self.budget), ("--generator-minutes", self.generator_minutes)):
            if minutes is not None and not (minutes > 0 and math.isfinite(minutes)):
                raise InputError(f"{name} {minutes:g}: expected more than 0 minutes")
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.curve and self.synthetic is not None:
            raise InputError("--curve trains on real pairs alone; leave out --synthetic, or --curve")
        if self.curve and (self.unlabelled is not None or self.share):
            other = "--share" if self.unlabelled is None else f"--unlabelled {self.pool_in_words}"
            raise InputError(f"--curve trains arms R and A alone; leave out {other}, or --curve")
        others = [name for name in self.arms if self.curve and name not in ("R", "A", *BESIDE)]
        if others:
            raise InputError(
                f"--curve trains arms R and A alone; leave out --arms {','.join(others)}, or --curve"
            )
        if self.unlabelled is not None and not set(self.arms) & set(POOLED):
            raise InputError(
                f"--unlabelled {self.pool_in_words}: no arm has a use for it; name some of {', '.join(POOLED)} by "
                f"--arms"
            )
        if self.synthetic is not None:
            if self.n_train is not None and set(self.n_train) != {None}:
                raise InputError(
                    "--synthetic: its pairs were made from the whole training part, so only --n-train all "
                    "can be studied"
                )
            made: dict[str, object] = {
                "--system": self.system,
                "--generator-minutes": self.generator_minutes,
                "--set": self.settings or None,
            }
            made |= {DIALS[name].option if name in DIALS else f"--dial {name}": 1 for name in self.dials}
            wrong = [name for name, value in made.items() if value is not None]
            if wrong:
                raise InputError(f"--synthetic takes the place of a generator; leave out {', '.join(wrong)}")
        if self.segmenter.network == "lite0":
            lite0()  # raises where its weights are missing
        weights = self.segmenter.encoder_weights
        if weights is not None and self.segmenter.network != "dense":
            raise InputError(f"--encoder-weights {weights}: are a DenseNet's; add --network dense")
        if weights is not None and not weights.is_file():
            raise InputError(f"--encoder-weights {weights}: no such file")

    @property
    def wanted(self) -> frozenset[str]:
        """Names of the arms to train; A is always among them, and S where the choice of its form decides others."""
        named = frozenset(self.arms)
        named |= {"S"} if named & {"S+ST", "accuracy", "diversity"} else set[str]()
        if self.curve:
            return frozenset({"R", "A", *(named & set(BESIDE))})
        shared = {"Y"} if self.share else set[str]()
        return named | shared if "A" in named else named | shared | set(USUAL)

    @property
    def wanted_in_words(self) -> str:
        """The arms to train, and why there are more than were named."""
        order = (*USUAL, *BESIDE, *POOLED)
        text = f"to train: {', '.join(name for name in order if name in self.wanted)}"
        if self.curve or not self.arms or "A" in self.arms:
            return text
        return f"{text}; the usual ones beside those of --arms: name A, too, for {','.join(('A', *self.arms))} alone"

    @property
    def pool_in_words(self) -> str | None:
        """Where the images without labels lie, or "rest"; None where there are none."""
        if isinstance(self.unlabelled, DataSet):
            return self.unlabelled.source
        return None if self.unlabelled is None else str(self.unlabelled)

    @property
    def draws(self) -> bool:
        """True if any arm learns from synthetic pairs of the system, or given ones."""
        return bool(self.wanted & {"S", "Y", "S+ST", "accuracy", "diversity"})

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Seeds of the cells."""
        return several(self.seed, self.seeds)


@dataclass(frozen=True, order=True)
class Cell:
    """n training pairs under a seed."""

    n: int
    seed: int

    @property
    def folder(self) -> str:
        """Below the study's folder."""
        return f"cells/n-{self.n}/seed-{self.seed}"


@dataclass(frozen=True)
class Way:
    """How samples are drawn.

    Attributes:
        dials: values by name, of the dials that are said: the first that the system heeds, and those that are not
            as usual. Without hash: a mapping has none.
        filter: "on" or "off". vary: training layouts are varied.
        given: they were given, and not drawn.
    """

    dials: Dials = field(default_factory=dict, hash=False)
    filter: str = "off"
    vary: bool = False
    given: bool = False

    @property
    def key(self) -> str:
        """Fit for a file name: "t0.85-g2-on-varied"."""
        if self.given:
            return "given"
        dials = [f"{_SHORT.get(name, name)}{value:g}" for name, value in self.dials.items()]
        return "-".join([*dials, self.filter, *(["varied"] if self.vary else [])])

    @property
    def words(self) -> str:
        """For people."""
        if self.given:
            return "given pairs"
        dials = [f"{name.replace('_', ' ')} {value:g}" for name, value in self.dials.items()]
        return ", ".join([*dials, f"filter {self.filter}", *(["varied layouts"] if self.vary else [])])


GIVEN = Way(given=True)
_WAY = re.compile(r"(?P<dials>(?:[a-z_]+-?[0-9.]+(?:e[+-]?\d+)?-)*)(?P<filter>on|off)(?P<varied>-varied)?")
_DIAL = re.compile(r"([a-z_]+)(-?[0-9.]+(?:e[+-]?\d+)?)-")
_SHORT = {"temperature": "t", "guidance": "g"}  # in file names, as the first version wrote them


def way_of(key: str) -> Way | None:
    """The way that has this key; None for another text."""
    if key == GIVEN.key:
        return GIVEN
    found, names = _WAY.fullmatch(key), {short: name for name, short in _SHORT.items()}
    if found is None:
        return None
    dials = {names.get(name, name): float(value) for name, value in _DIAL.findall(found["dials"])}
    return Way(dials, found["filter"], found["varied"] is not None)


def ways(options: StudyOptions, heeded: Sequence[Dial]) -> tuple[Way, ...]:
    """All ways of drawing that are compared, by a system that heeds these dials; the usual one is the first."""
    if options.synthetic is not None:
        return (GIVEN,)
    filters = ("on", "off") if options.filter == "both" else (options.filter,)
    varied = (False, True) if options.layouts == "both" else (options.layouts == "varied",)
    values = [dict.fromkeys(options.dials.get(dial.name, (dial.usual,))) for dial in heeded]
    return tuple(
        Way(_said(heeded, chosen), one, vary)
        for chosen in product(*values)
        for one in filters
        for vary in varied
    )


def _said(heeded: Sequence[Dial], values: Sequence[float]) -> Dials:
    """The first dial, and those that are not as usual."""
    return {
        dial.name: value
        for place, (dial, value) in enumerate(zip(heeded, values, strict=True))
        if place == 0 or value != dial.usual
    }


def counts(options: StudyOptions, pool: int, source: str) -> tuple[int, ...]:
    """The numbers of training pairs to study, rising; raises InputError for more than the pool has."""
    if options.synthetic is not None:
        return (pool,)
    asked = options.n_train or (*(n for n in USUAL_COUNTS if n < pool), None)
    for n in asked:
        if n is not None and n > pool:
            raise InputError(
                f"--n-train {n}: {source} has {pool} training pairs (without its validation pairs); take "
                f"fewer, or all"
            )
    return tuple(sorted({pool if n is None else n for n in asked}))


def samples_needed(n: int, ratio: float | None, samples: int | None) -> int:
    """Different synthetic pairs that an arm draws from. It does not depend on the other arms, so that a study
    can be extended.
    """
    share = 1.0 if ratio is None or math.isinf(ratio) else ratio
    return samples or max(math.ceil(share * n), FEWEST_SAMPLES)


def pairs_of_cell(cell: Cell, parts: Split, validation: str = "within") -> Split:
    """The training pairs of a cell and those that validate beside them, sorted by name, and the whole test part."""
    training = in_order(parts.training, cell.seed, parts.groups)[: cell.n]
    few = min(len(parts.validation), max(cell.n, FEWEST_VALIDATION)) if validation == "extra" else 0
    beside = in_order(parts.validation, cell.seed, parts.groups)[:few]
    return Split(tuple(sorted(training)), tuple(sorted(beside)), parts.test, parts.groups)
