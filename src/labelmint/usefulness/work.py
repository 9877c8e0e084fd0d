"""The work of a study: what is trained in which order, what is there already, what the budget leaves out.

    1  A at every number of pairs, under every seed: it shows the headroom, and settles what the others do; then
       A0 and A0n, where they are asked for, at the numbers to study
    2  for each n from the smallest, for each seed: the arms with a pool, ST, FM and TR
    3  for each n from the smallest, for each seed: C, the samples, S at every ratio, Y
    4  for each n, once ratio and way are fixed: S+ST, R and the papers' pair, "accuracy" and "diversity"

Arms that are not asked for are left out; those that an earlier call trained are reported all the same. A piece of
work is not begun when its expected time no longer fits into the budget; it is done in a later call.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelmint.datasets.pair import Pair
from labelmint.evaluation.views import Views
from labelmint.hardware import choose_device, choose_precision
from labelmint.progress import Report
from labelmint.storage import write_json
from labelmint.usefulness.arms import BESIDE, POOLED, Arm, ArmResult, arm_named
from labelmint.usefulness.cells import CellFolder, Record, arm_key
from labelmint.usefulness.figures import blind_dice
from labelmint.usefulness.known import Known
from labelmint.usefulness.outcome import Candidate, Outcome
from labelmint.usefulness.pace import ARM, MAKE, POOL, SETTLE, SHARE, Ahead
from labelmint.usefulness.plan import GIVEN, Cell, StudyOptions, Way, counts, samples_needed, ways
from labelmint.usefulness.pool_images import PoolImages
from labelmint.usefulness.real import RealPairs
from labelmint.usefulness.samples import Maker
from labelmint.usefulness.sharing import shared

__all__ = ["Study", "TrainArm"]

TrainArm = Callable[..., ArmResult]  # `arm_training.train_arm`
_TRIALS = "trials"


class Study:
    """One call of a study over its folder; `run` does the work and answers all that is known.

    Arguments:
        real: the data. maker: of synthetic pairs, None where no arm learns from them. train:
            `arm_training.train_arm`, or what stands in for it.
        images: without labels; None where no arm has a use for them.
    """

    def __init__(
        self,
        folder: Path,
        real: RealPairs,
        options: StudyOptions,
        maker: Maker | None,
        train: TrainArm,
        tell: Report,
        images: PoolImages | None = None,
    ) -> None:
        self._folder, self._real, self._options, self.maker = folder, real, options, maker
        self._images, self._wanted = images, options.wanted
        self._train = train
        self.pool = len(real.parts.training)
        self.studied = counts(options, self.pool, real.data.source)
        self.numbers = tuple(sorted({*self.studied, self.pool}))  # the headroom needs A with all pairs
        self.ways = {n: () if maker is None else ways(options, maker.dials) for n in self.studied}
        self._known = Known(options, self.ways)
        self._held: dict[tuple[Cell, Way], Views | None] = {}
        self._device = choose_device(options.device)
        self._precision = self._one_precision()
        self._ahead = Ahead(tell, options.budget)

    def cells(self) -> list[Cell]:
        """All that real pairs are needed for."""
        return [Cell(n, seed) for n in self.numbers for seed in self._options.all_seeds]

    def check_pool(self) -> None:
        """Raise InputError where the pool leaves no image beside the labelled ones."""
        if self._images is not None:
            self._images.check([cell for cell in self.cells() if cell.n in self.studied])

    def run(self) -> Outcome:
        """Do what is not done, as far as the budget goes."""
        self._foresee()
        for cell in self.cells():
            self._arm(cell, arm_named("A"))
        for name in BESIDE:
            for cell in self.cells():
                if cell.n in self.studied:
                    self._asked(cell, arm_named(name))
        for n in self.studied:
            self._with_pool(n)
        for n in self.studied if self.maker is not None else ():
            self._with_samples(n, self.ways[n], baseline=True)
            self._instead(n)
        for n in self.numbers if self._options.curve else self.studied:
            self._at_last(n)
        for n in self.studied if self._options.share else ():
            self._share(n)
        self._recall()
        return self._outcome()

    def _one_precision(self) -> str:
        """Precision of all arms of a study: as asked for, else that of an arm that is there, else the faster
        one here.
        """
        found = [CellFolder(self._folder, cell).arm("A") for cell in self.cells()]
        stored = [record.result.precision for record in found if record is not None]
        if self._options.precision != "auto" or not stored:
            stored = [choose_precision(self._options.precision, self._device)]
        return stored[0].partition("-")[0]

    # The three parts ----------------------------------------------------------------------------------------

    def _with_pool(self, n: int) -> None:
        for cell in (Cell(n, seed) for seed in self._options.all_seeds):
            for name in ("ST", "FM", "TR") if self._has_pool(cell) else ():
                self._asked(cell, arm_named(name))

    def _has_pool(self, cell: Cell) -> bool:
        return self._images is not None and bool(self._images.unlabelled.of(cell))

    def _with_samples(self, n: int, chosen: Sequence[Way], *, baseline: bool) -> None:
        for seed in self._options.all_seeds:
            cell = Cell(n, seed)
            if baseline:
                self._asked(cell, arm_named("C"))
            for way in chosen:
                if self._samples(cell, way):
                    for ratio in self._known.ratios:
                        self._asked(cell, arm_named("S", ratio), way)
                    self._asked(cell, arm_named("Y"), way)

    def _instead(self, n: int) -> None:
        """Where the filter refused samples under every way, the same without a filter: then something is
        known at least.
        """
        if self.ways[n] and self._known.refused(n) >= set(self.ways[n]):
            plain = tuple(dict.fromkeys(replace(way, filter="off") for way in self.ways[n]))
            self.ways[n] = (*self.ways[n], *plain)
            self._with_samples(n, plain, baseline=False)

    def _at_last(self, n: int) -> None:
        """What waits for the choice of ratio and way, and C and R, which no choice concerns."""
        chosen = self._known.chosen(n)
        for seed in self._options.all_seeds:
            cell = Cell(n, seed)
            for name in ("C", "R"):
                self._asked(cell, arm_named(name))
            names = ("S+ST", "accuracy", "diversity") if self._has_pool(cell) else ("accuracy", "diversity")
            if chosen is not None:
                for name in names:
                    self._asked(cell, arm_named(name, chosen.ratio), chosen.way)
            elif late := self._wanted & set(names):
                self._ahead.leave_out(
                    ARM, cell, f"arms {' and '.join(name for name in names if name in late)}"
                )

    def _share(self, n: int) -> None:
        """What the pairs of arm Y give away, in the way that is chosen."""
        chosen = self._known.chosen(n) or self._known.drawable(n)
        for seed in self._options.all_seeds if chosen is not None else ():
            assert chosen is not None
            cell, count = Cell(n, seed), samples_needed(n, 1.0, self._options.samples)
            folder, key = CellFolder(self._folder, cell), f"{chosen.way.key}-{count}"
            names = self._real.pairs(cell) if chosen.way.given else self._real.of_generator(cell)
            found = folder.shared(key)
            if found is not None and found.members > len(names.training):  # by a former version
                found = None
            if found is None and not self._ahead.fits(SHARE, n):
                self._ahead.leave_out(SHARE, cell, SHARE)
            elif found is None and self._samples(cell, chosen.way):
                views = self._views(cell, chosen.way)
                assert views is not None
                views = views.take(range(min(count, len(views))))
                tell = self._ahead.telling(SHARE, cell)
                pool = self._learned_beside(cell)
                found = shared(cell, self._real, views, tell, trained=names.training, pool=pool)
                folder.save_shared(key, found)
                self._ahead.finished(SHARE, n)
            if found is not None:
                self._ahead.pace.saw(SHARE, n, found.seconds)
                self._known.take_shared(cell, found)

    def _learned_beside(self, cell: Cell) -> Sequence[Pair]:
        """Images without labels that the generator of a cell learns from."""
        if self.maker is None or not self.maker.from_pool:
            return ()
        assert self._images is not None
        return self._images.unlabelled.of(cell)

    def _asked(self, cell: Cell, arm: Arm, way: Way | None = None) -> None:
        """An arm, where it is asked for."""
        if arm.name in self._wanted and not self._known.has(cell, arm_key(arm, way)):
            self._arm(cell, arm, way)

    def _recall(self) -> None:
        """Take in what an earlier call trained and this one was not asked for."""
        for cell in (cell for cell in self.cells() if cell.n in self.studied):
            folder = CellFolder(self._folder, cell)
            for arm, way in folder.trained():
                record = None if arm.name in self._wanted else folder.arm(arm_key(arm, way))
                if record is None or self._outdated(record, cell, arm):
                    continue
                self._known.take_arm(cell, arm_key(arm, way), record)
                if way is not None:
                    ratio = arm.ratio if arm.ratio and math.isfinite(arm.ratio) else self._known.ratios[0]
                    self._known.take_earlier(cell.n, Candidate(ratio, way))
                if way is not None and (drawn := folder.drawn(way)) is not None:
                    self._known.take_drawn(cell, way, drawn)

    # Pieces of work -----------------------------------------------------------------------------------------

    def _arm(self, cell: Cell, arm: Arm, way: Way | None = None) -> None:
        """Train an arm unless it is there, or what it needs is not, or the time is up."""
        key, folder = arm_key(arm, way), CellFolder(self._folder, cell)
        record, kind = folder.arm(key), SETTLE if arm.settles else POOL if arm.name in POOLED else ARM
        if record is None or self._outdated(record, cell, arm):
            whole = arm.settles or self._known.has(cell, "A")
            record = self._trained(cell, arm, way) if whole and self._ahead.fits(kind, cell.n) else None
            if record is None:
                self._ahead.leave_out(kind, cell, f"arm {key}")
                return
            folder.save_arm(key, record)
            shutil.rmtree(folder.path / _TRIALS / key, ignore_errors=True)
            self._ahead.finished(kind, cell.n)
        self._ahead.pace.saw(kind, cell.n, record.seconds)
        if arm.name == "A":  # the others train as long as it did at last
            self._ahead.pace.saw(ARM, cell.n, record.result.seconds)
        self._known.take_arm(cell, key, record)

    def _outdated(self, record: Record, cell: Cell, arm: Arm) -> bool:
        """True if an arm was stopped by a lower step limit than today's, or did not train as arm A says now."""
        settled, limit = record.result.settled, self._options.segmenter.most_steps
        cut = not settled.reached and settled.most_steps < limit
        usual = None if arm.settles else self._known.settled(cell)
        if usual is None:
            return cut
        if settled.tried != usual.tried:
            return True
        if self._options.validation == "extra":
            return cut or record.result.steps < sum(usual.phases)
        return settled.phases != usual.phases

    def _trained(self, cell: Cell, arm: Arm, way: Way | None) -> Record | None:
        """A newly trained arm; None where there are no samples for it."""
        begin, options, folder = time.perf_counter(), self._options, self._folder / cell.folder
        synthetic = self._pairs_for(cell, arm, way)
        if arm.ratio is not None and synthetic is None:
            return None
        ground = self._real.ground(cell, "extra" if arm.extra else "")
        if arm.pool:
            assert self._images is not None
            usual, tell = self._known.settled(cell), self._ahead.telling(POOL, cell)
            ground = self._images.beside(ground, cell, arm, usual, self._precision, tell)
        self._write_names(cell, arm)
        shown = cell.seed == options.seed and arm.name in ("A", "S", *POOLED)
        result = self._train(
            arm,
            ground,
            synthetic,
            config=options.segmenter,
            usual=None if arm.settles else self._known.settled(cell),
            seed=cell.seed,
            device=self._device,
            precision=self._precision,
            report=self._ahead.telling(SETTLE if arm.settles else ARM, cell),
            predictions=folder / f"{arm_key(arm, way)}.npz" if shown else None,
            trials=folder / _TRIALS / arm.key if arm.settles else None,
        )
        samples = None if synthetic is None else len(synthetic)
        return Record(result=result, samples=samples, seconds=time.perf_counter() - begin)

    def _pairs_for(self, cell: Cell, arm: Arm, way: Way | None) -> Views | None:
        """The synthetic pairs of an arm; None where it has none, or they could not be had."""
        if arm.ratio is None:
            return None
        count = samples_needed(cell.n, arm.ratio, self._options.samples)
        if arm.name == "TR":
            assert self._images is not None
            return self._images.moved(cell, count, self._ahead.telling(POOL, cell))
        assert way is not None
        found = self._views(cell, way)
        return found if found is None or way == GIVEN else found.take(range(min(count, len(found))))

    def _write_names(self, cell: Cell, arm: Arm) -> None:
        """pairs.json: which pairs a cell may use; pairs-A0.json where an arm has others beside them."""
        folder, reading = self._folder / cell.folder, "extra" if arm.extra else self._options.validation
        names, extra = self._real.pairs(cell, reading), reading != self._options.validation
        file = folder / (f"pairs-{arm.name}.json" if extra else "pairs.json")
        told: dict[str, Any] = {"training": names.training}
        if names.validation:
            told["validation"] = names.validation
        else:
            folds = self._real.ground(cell, reading).folds
            told["folds"] = [[names.training[place] for place in fold] for fold in folds]
        folder.mkdir(parents=True, exist_ok=True)
        write_json(file, told)  # in place of those of a call with other settings, which made nothing

    def _samples(self, cell: Cell, way: Way) -> bool:
        """Make a cell's samples unless they are there; whether there are any."""
        folder = CellFolder(self._folder, cell)
        drawn = folder.drawn(way)
        if drawn is None:
            if not self._known.has(cell, "A") or not self._ahead.fits(MAKE, cell.n):
                self._ahead.leave_out(MAKE, cell, f"samples and their arms ({way.words})")
                for _ in range(len(self._known.ratios) + 1):
                    self._ahead.finished(ARM, cell.n)
                return False
            self._views(cell, way)
            drawn = folder.drawn(way)
            assert drawn is not None
            self._ahead.finished(MAKE, cell.n)
        self._ahead.pace.saw(MAKE, cell.n, drawn.seconds)
        self._known.take_drawn(cell, way, drawn)
        return not drawn.refused

    def _views(self, cell: Cell, way: Way) -> Views | None:
        """The samples of a cell, as many as its hungriest arm may draw from; the last ones are held in
        memory.
        """
        assert self.maker is not None
        if (cell, way) not in self._held:
            folder = CellFolder(self._folder, cell)
            count = max(
                samples_needed(cell.n, ratio, self._options.samples) for ratio in (*self._known.ratios, 1.0)
            )
            folder.path.mkdir(parents=True, exist_ok=True)
            views, drawn = self.maker.make(cell, way, count, folder.path, self._ahead.telling(MAKE, cell))
            if folder.drawn(way) is None:
                folder.save_drawn(way, drawn)
            self._held = {(cell, way): views}
        return self._held[cell, way]

    # Time ---------------------------------------------------------------------------------------------------

    def _foresee(self) -> None:
        """Count what is ahead, so that the time left can be told; times of what is there already are known."""
        options, ahead = self._options, self._ahead
        for cell in self.cells():
            studied, wanted = cell.n in self.studied, self._wanted
            ahead.add(SETTLE, cell.n, 1 + len(wanted & set(BESIDE)) * studied)
            ahead.add(ARM, cell.n, int(options.curve))
            if not options.curve and studied:
                plans = len(self.ways[cell.n]) if self.maker is not None else 0
                drawn = plans * (len(self._known.ratios) * ("S" in wanted) + ("Y" in wanted))
                ahead.add(ARM, cell.n, drawn + len(wanted & {"C", "R", "accuracy", "diversity"}))
                ahead.add(MAKE, cell.n, plans)
                ahead.add(POOL, cell.n, len(wanted & set(POOLED)) * self._has_pool(cell))
            ahead.add(SHARE, cell.n, int(options.share and studied))
            for file in (self._folder / cell.folder).glob("*.json"):
                if not file.stem.startswith("pairs"):
                    kind = MAKE if file.stem.startswith("drawn-") else ARM
                    kind = SHARE if file.stem.startswith("given-away-") else kind
                    kind = SETTLE if file.stem in ("A", *BESIDE) else kind
                    kind = POOL if file.stem.startswith(POOLED) else kind
                    ahead.add(kind, cell.n, -1)
        if (
            options.budget is not None
            and self.maker is not None
            and any(ahead.holds(MAKE, n) for n in self.studied)
        ):
            ahead.pace.guess[MAKE] = self.maker.expected_seconds()

    def _outcome(self) -> Outcome:
        return Outcome(
            points=tuple(self._known.point(n, self._wanted) for n in self.numbers),
            studied=() if self._options.curve else self.studied,
            pool=self.pool,
            seeds=self._options.all_seeds,
            curve=self._options.curve,
            given=self._options.synthetic is not None,
            left_out=tuple(self._ahead.left_out),
            blind=blind_dice(self._real.test.labels, self._real.foreground),
        )
