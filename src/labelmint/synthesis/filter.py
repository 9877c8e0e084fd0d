"""The filter: candidates whose image does not show what their label says are dropped, or their doubtful
pixels ignored.

    on       dropped: agreement (`segmenters.agreement`) below the threshold that at most 5 % of real
             validation views fall below
    ignore   a pixel is doubtful where the judge gives its class less than it gives all but 1 % of the real
             pixels of that class; it is written as ignored. Dropped: pairs that would lose more than half of
             their pixels or of their objects' pixels, and those that are still below the threshold
    both     then the gate: near-copies of training images are withheld (`synthesis.gate`)

All thresholds come from real validation pairs, never from the test part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from labelmint.datasets.enlarged_layouts import averaged, repeated
from labelmint.datasets.ranges import normalized
from labelmint.errors import InputError
from labelmint.metrics.copy_rule import ratios
from labelmint.progress import Report
from labelmint.segmenters.agreement import Reading, agreement_scores, read_pairs
from labelmint.segmenters.judge import Judge, load_judge
from labelmint.segmenters.standard import Standard
from labelmint.segmenters.training import IGNORED
from labelmint.synthesis.filter_facts import FilterFacts
from labelmint.synthesis.gate import Gate, open_gate
from labelmint.synthesis.verdicts import Reason, Verdict
from labelmint.training.run_folder import RunFolder
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["MODES", "SHARE", "Filter", "Seen", "open_filter", "with_ignored"]

MODES = ("auto", "on", "ignore", "off")
SHARE = 0.05
_MOST_IGNORED = 0.5


class Seen(NamedTuple):
    """N pairs as the judge sees them: images (N, H, W, C) uint8, class indices (N, H, W), and its reading."""

    images: Array
    labels: Array
    reading: Reading


@dataclass(kw_only=True)
class Filter:
    """Judge, thresholds and gate; make one with `open_filter`.

    Attributes:
        mode: "on" or "ignore". share: of real validation views that may fall below the threshold.
        judge, standard: of the run. classes: of the candidates.
        gate: None until `prepare` opens it. normalize: as the run has it.
        factor: how many times as many pixels a side candidates have as what the judge learned from.
        pool: digest of the images without labels that the gate searches, too; "" where it does not.
    """

    mode: str
    share: float
    judge: Judge
    standard: Standard
    classes: ClassSet
    gate: Gate | None = field(default=None)
    normalize: str = "none"
    factor: int = 1
    pool: str = ""

    @property
    def threshold(self) -> float:
        """Agreement below which a candidate is dropped."""
        return self.standard.threshold(self.share)

    @property
    def facts(self) -> FilterFacts:
        """What it says of itself."""
        settings = {
            "mode": self.mode,
            "share": self.share,
            "threshold": self.threshold,
            "real_views": len(self.standard.scores),
            "score": self.standard.score,
            "judge": self.judge.about["sha256"],
            "real_data": self.standard.data.digest,
            **({"unlabelled": self.pool} if self.pool else {}),
        }
        return FilterFacts(settings=settings, dice=float(self.judge.about["held_out_dice"]))

    def indices(self, label_maps: Array) -> Array:
        """Class ids (N, H, W) -> the judge's class indices int16, -1 where ignored."""
        ids = self.standard.data.class_ids
        lookup = np.full(65536, IGNORED, np.int16)
        lookup[list(ids)] = np.arange(len(ids), dtype=np.int16)
        found: Array = lookup[label_maps]
        return found

    def seen(self, pairs: Sequence[AnnotatedImage]) -> Seen:
        """Pairs as the judge sees them, and what it reads."""
        images = self._as_seen([pair.image for pair in pairs])
        labels = self.indices(
            np.stack([pair.layout.label_map[:: self.factor, :: self.factor] for pair in pairs])
        )
        return Seen(images, labels, read_pairs(self.judge, images, labels))

    def reading(self, pairs: Sequence[AnnotatedImage]) -> list[Verdict]:
        """The judge's verdicts on pairs, numbered from 0; the gate has not seen them yet."""
        images, labels, seen = self.seen(pairs)
        maps = [pair.layout.label_map[:: self.factor, :: self.factor] for pair in pairs]
        doubtful, passing = np.zeros(labels.shape, bool), seen.scores
        if self.mode == "ignore":
            floor = np.append(self.standard.doubts, 0.0)  # its last place is that of the label -1
            doubtful = seen.labelled < floor[labels]
            passing = agreement_scores(self.judge, images, np.where(doubtful, IGNORED, labels))
        ids, found = np.array(self.standard.data.class_ids, np.uint16), []
        for row, label_map in enumerate(maps):
            reason = Reason.DISAGREES if passing[row] < self.threshold else None
            if self._mostly(doubtful[row], label_map):
                reason = Reason.DOUBTFUL
            mask = repeated(doubtful[row], self.factor) if doubtful[row].any() else None
            read = None if reason is None else repeated(ids[seen.read[row]], self.factor)
            score = float(seen.scores[row])
            found.append(Verdict(index=row, reason=reason, agreement=score, doubtful=mask, read=read))
        return found

    def _mostly(self, doubtful: Array, label_map: Array) -> bool:
        seen = ~np.isin(label_map, self.classes.ignore)
        objects = ~np.isin(label_map, list(self.classes.without_objects))
        return any(doubtful[part].mean() > _MOST_IGNORED for part in (seen, objects) if part.any())

    def withheld(self, verdicts: Sequence[Verdict], images: Array, report: Report) -> list[Verdict]:
        """The verdicts once the gate has seen the candidates (N, H, W, C) that were accepted so far."""
        assert self.gate is not None, "prepare() comes first"
        kept = [row for row, verdict in enumerate(verdicts) if verdict.reason is None]
        if not kept:
            return list(verdicts)
        distances, copies = self.gate.judge(self._as_seen(images[kept]), report)
        found = list(verdicts)
        near = ratios(distances.near, distances.far, self.gate.rule.noise)
        for place, row in enumerate(kept):
            found[row] = replace(
                verdicts[row],
                reason=Reason.NEAR_COPY if copies[place] else None,
                distance=float(distances.near[place]),
                ratio=float(near[place]),
                nearest=self.gate.nearest(distances, place),
            )
        return found

    def prepare(
        self,
        system: TrainedSystem,
        data: DataSet | str | Path | None,
        report: Report,
        *,
        unlabelled: DataSet | str | Path | None = None,
    ) -> None:
        """Open the gate; raises InputError when the real images can't be had."""
        if self.gate is None:
            self.gate = open_gate(system, self.standard.data, data, report, unlabelled=unlabelled)

    def _as_seen(self, images: Sequence[Array] | Array) -> Array:
        """Images as the judge and the gate were given real ones: enlarged ones as the means of their squares."""
        return np.stack([normalized(averaged(image, self.factor), self.normalize) for image in images])


def open_filter(system: TrainedSystem, mode: str, *, share: float = SHARE) -> Filter | None:
    """The filter of a run; None where it is off.

    Arguments:
        mode: "on", "ignore", "off", or "auto": on where the run holds a judge, else off.
        share: of real validation views that may fall below the threshold; from 0 to below 1.

    Raises InputError for other values, and when the run's judge is missing, damaged, of an older version, or
    knows other classes.
    """
    if mode not in MODES:
        raise InputError(f"--filter {mode}: expected one of {', '.join(MODES)}")
    if not 0 <= share < 1:
        raise InputError(f"--filter-share {100 * share:g}: expected a percentage from 0 to below 100")
    if mode == "off" or (mode == "auto" and not RunFolder(system.path).finished("judge")):
        return None
    try:
        judge = load_judge(system.path, system.device)
    except InputError as error:
        raise InputError(f"{error}, or pass --filter off") from None
    assert judge.standard is not None
    unknown = sorted(set(system.classes.ids) - set(judge.standard.data.class_ids))
    if unknown:
        raise InputError(
            f"{system.path / 'judge'}: does not know the class {system.classes.name_of(unknown[0])!r} of the "
            f"run; run `labelmint "
            "evaluate` with the run's own data, or pass --filter off"
        )
    if mode == "ignore" and not system.classes.ignore:
        raise InputError(
            f"--filter ignore: the classes of {system.path} leave no id for ignored pixels (255 is a class); "
            f"pass --filter on"
        )
    return Filter(
        mode="ignore" if mode == "ignore" else "on",
        share=share,
        judge=judge,
        standard=judge.standard,
        classes=system.classes,
        normalize=system.config.request.normalize,
        factor=1 if system.upscaled_by is None else system.upscaled_by.factor,
    )


def with_ignored(pair: AnnotatedImage, doubtful: Array | None, classes: ClassSet) -> AnnotatedImage:
    """The pair with doubtful pixels (H, W) as ignored ones, which belong to no object."""
    if doubtful is None:
        return pair
    layout, ignored = pair.layout, classes.ignore[0]
    label_map = layout.label_map.astype(np.promote_types(layout.label_map.dtype, np.min_scalar_type(ignored)))
    label_map[doubtful] = ignored
    instances = (
        None
        if layout.instances is None
        else np.where(doubtful, 0, layout.instances).astype(layout.instances.dtype)
    )
    # Outlines of objects would contradict the map.
    return pair.with_layout(replace(layout, label_map=label_map, instances=instances, objects=()))
