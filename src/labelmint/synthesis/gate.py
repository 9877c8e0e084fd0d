"""The gate: candidates that are near-copies of training images are withheld.

The search and the rule are those of `evaluate` (`metrics.memorization`); but the rule's threshold is set on
the validation images alone, so that no test image decides what is written. It is measured once for a judge
and stored beside it, in copy_rule.json. Images without labels that the system learned from are searched, too, where
they are given: a run stores their names, and not where they lie.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelmint.datasets.fitting import fitted
from labelmint.datasets.pair import Pair
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.splits import group_of
from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.metrics.copy_rule import CopyRule
from labelmint.metrics.memorization import CopySearch, Distances
from labelmint.progress import Event, Report
from labelmint.runs.unlabelled import read_pool
from labelmint.segmenters.standard import RealData, digest_of_images
from labelmint.storage import write_json
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array, DataSet

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["FEWEST_GROUPS", "Gate", "TooFewHeldOut", "open_gate"]

FEWEST_GROUPS = 2
_WORK = 4e10  # of the search for one image: 500 of them take what the search of an evaluation may take
_VERSION = 1

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What is withheld, and what from.

    Attributes:
        search: over training and validation images. rule: when a sample counts as a copy.
        names: of the training pairs and of the images without labels, in the order of the search.
        searched: share of the positions in these images that is compared; 1 unless the work is too much.
    """

    search: CopySearch
    rule: CopyRule
    names: Sequence[str]
    searched: float = 1.0

    def judge(self, images: Array, report: Report) -> tuple[Distances, Array]:
        """Distances of images (N, H, W, C) uint8, and which of them (N,) are near-copies."""
        found = self.search.distances(images, _teller(report))
        return found, self.rule.judge(found.near, found.far, found.flat)

    def nearest(self, found: Distances, row: int) -> str:
        """Name of the training pair that is nearest to a sample."""
        return self.names[int(found.to_training.reference[row])]


class TooFewHeldOut(InputError):
    """The rule for copies can't be set on so few validation images."""


def open_gate(
    system: TrainedSystem,
    real: RealData,
    data: DataSet | str | Path | None,
    report: Report,
    *,
    unlabelled: DataSet | str | Path | None = None,
) -> Gate:
    """Find the real images again and set the rule, or take the stored one.

    Arguments:
        real: what the run's judge learned from.
        data: the real data where it lies elsewhere now; else it is looked for where the judge found it.
        unlabelled: the images without labels that the system learned from; None leaves them unsearched.

    Raises InputError when data or images are missing, have changed, are not those that the system was trained on,
    or hold too few validation images.
    """
    _check_training(system, real)
    source = data if isinstance(data, DataSet) else _read(system, real, data)
    missing = sorted({*real.training, *real.validation} - set(source.names))
    if missing:
        raise InputError(
            f"{source.source}: lacks {len(missing)} pairs that the judge of {system.path} was trained on, "
            f"{missing[0]!r} for one; give that data by --data, run `labelmint evaluate` again, or pass --filter off"
        )
    beside = _beside(system, unlabelled, report) if unlabelled is not None else []
    names = [*real.training, *real.validation]
    loaded = fitted(
        source,
        names,
        system.geometry,
        channels=system.config.image_channels,
        normalize=system.config.request.normalize,
        tell=lambda done, of: report(Event("load real images", done, of)),
    )
    images = [one.image for one in loaded]
    if digest_of_images(names, images) != real.digest:
        raise InputError(
            f"{source.source}: its images differ from those that the judge of {system.path} was trained on; "
            f"give that data by --data, run `labelmint evaluate` again, or pass --filter off"
        )
    count = len(real.training)
    groups = [group_of(name, system.config.request.group_by) for name in names]
    if len(set(groups[count:])) < FEWEST_GROUPS:
        raise TooFewHeldOut(
            f"{source.source}: a search for copies needs {FEWEST_GROUPS} validation images (of different groups) to "
            f"compare with, and the judge of {system.path} had {len(set(groups[count:]))}; label more images and "
            f"train again, or pass --filter off"
        )
    search = CopySearch(
        [*images[:count], *(one.image for one in beside)],
        images[count:],
        training_groups=[*groups[:count], *(f"unlabelled {one.name}" for one in beside)],
        held_out_groups=groups[count:],
        work_a_query=_WORK,
    )
    rule = _rule(system, real, search, report, beside=bool(beside))
    names = [*real.training, *(one.name for one in beside)]
    return Gate(search=search, rule=rule, names=names, searched=search.searched(system.size))


def _beside(system: TrainedSystem, given: DataSet | str | Path, report: Report) -> list[Pair]:
    """The images without labels that a system learned from; raises InputError for others."""
    config, names = system.config, RunFolder(system.path).read_json("split.json").get("unlabelled", ())
    source = read_pool(given)
    if not names:
        raise InputError(
            f"--unlabelled {source.source}: {system.path} learned from no images without labels; leave it out"
        )
    lacking = sorted(set(names) - set(source.names))
    loaded = (
        []
        if lacking
        else list(
            fitted(
                source,
                names,
                system.geometry,
                channels=config.image_channels,
                normalize=config.request.normalize,
                tell=lambda done, of: report(Event("load images without labels", done, of)),
            )
        )
    )
    seen = Pairs.of(loaded, system.geometry, 0, source=source.source, labelled=False)
    if lacking or seen.digest() != config.pool_digest:
        what = f"lacks {len(lacking)} of the" if lacking else "holds other images than the"
        raise InputError(
            f"--unlabelled {source.source}: {what} {len(names)} that {system.path} learned from; give these, or leave "
            f"it out"
        )
    return loaded


def _check_training(system: TrainedSystem, real: RealData) -> None:
    trained = set(RunFolder(system.path).read_json("split.json").get("training", ()))
    if not trained <= set(real.training) or trained & set(real.validation):
        raise InputError(
            f"{system.path}: its judge was trained on other pairs than the system; run `labelmint evaluate` "
            f"on the run again, or pass "
            "--filter off"
        )


def _read(system: TrainedSystem, real: RealData, given: str | Path | None) -> DataSet:
    ignore = system.classes.ignore
    if given is not None:
        return read(given, ignore=ignore)
    if not Path(real.source).exists():
        raise InputError(
            f"{real.source}: the real images, which candidates are compared with, are no longer there; say "
            f"by --data where they are, "
            "or pass --filter off"
        )
    return read(real.source, format=real.format, ignore=ignore)


def _rule(
    system: TrainedSystem, real: RealData, search: CopySearch, report: Report, *, beside: bool
) -> CopyRule:
    file = system.path / "judge" / "copy_rule.json"
    key = {
        "version": _VERSION,
        "data": real.digest,
        "size": list(system.size),
        "group_by": system.config.request.group_by,
        **({"unlabelled": system.config.pool_digest} if beside else {}),
    }
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["key"] == key:
            return CopyRule(
                threshold=float(stored["threshold"]), ratios=np.array(stored["ratios"], np.float64)
            )
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it is measured again
    rule, _ = search.rule(system.size, tell=_teller(report))
    ratios = [round(float(ratio), 4) for ratio in np.sort(rule.ratios)]
    with suppress(OSError):  # a run that may not be written to still serves
        write_json(file, {"key": key, "threshold": rule.threshold, "ratios": ratios})
    return rule


def _teller(report: Report) -> Tell:
    return lambda what, done, of: report(Event(what, done, of))
