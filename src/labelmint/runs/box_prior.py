"""The prior over boxes of any run: that of a run of `boxes`, else one that is fitted once to the layouts that the run
stores, and kept beside it.

    RUN/box_prior/layout_prior/      weights and part.json, with the digest of the layouts that it was fitted to
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.hardware import Hardware, open_fabric
from labelmint.layouts.box_prior import BoxPrior
from labelmint.layouts.boxes import BoxRule, BoxSettings, salient_classes
from labelmint.progress import Report
from labelmint.runs.boxes_for import stored_boxes
from labelmint.runs.trained import TrainedSystem
from labelmint.runs.weights import load_weights
from labelmint.systems.boxes import BoxPriorSection, box_prior, tiny
from labelmint.systems.system import Facts
from labelmint.training.regime import Bench, Stage
from labelmint.training.run_folder import RunFolder

__all__ = ["box_prior_of"]

_FOLDER = "box_prior"
_STEPS = 400  # about half a minute of one core, for layouts of some dozen objects
_MOST_BOXES = 32
_FLIPS = {"flips", "mirror", "turns"}


def box_prior_of(run: TrainedSystem, report: Report | None = None) -> BoxPrior:
    """The prior over the boxes of a run's layouts, in symbols of the run.

    Of a run that sees boxes they are those that it sees; of any other run those that `BoxSettings` finds as they are.

    Arguments:
        report: is told of progress where a prior is fitted.

    Raises InputError for layouts without objects, for a damaged run, and where the prior can't be written.
    """
    own = run.wired.layouts
    if isinstance(own, BoxPrior):
        own.digest = run.digest
        return own
    if not run.classes.labelled or run.learned_from_images:
        raise InputError(
            f"{run.path}: {run.system} learned from images without layouts, so there are no boxes"
        )
    rule, kept = _rule(run), RunFolder(run.path / _FOLDER)
    stage, source = _untrained(run, rule)
    layouts = RunFolder(run.path).read_json("layouts/part.json")["sha256"]
    try:
        if not _is_of(kept, stage, str(layouts)):
            _fit_aside(run, rule, stage, kept.path, str(layouts), report or (lambda event: None))
        source.digest = load_weights(kept, (stage,), run.device)
    except InputError as error:
        if not kept.path.exists():
            raise
        raise InputError(f"{error}; or remove {kept.path}, and the prior is fitted anew") from None
    return source


def _rule(run: TrainedSystem) -> BoxRule:
    """Which boxes stand for the layouts of a run."""
    if run.config.boxes is not None:
        return run.config.boxes
    table, settings = run.config.symbol_table, BoxSettings(most_boxes=_MOST_BOXES)
    counts = np.bincount(run.training_layouts().numpy().ravel(), minlength=len(table))
    pixels = Counter[int]()
    for (class_id, _), count in zip(table.symbols, counts.tolist(), strict=True):
        pixels[class_id] += count
    salient = salient_classes({one: count for one, count in pixels.items() if count}, run.classes, settings)
    return BoxRule.of(table, run.classes, salient, settings)


def _untrained(run: TrainedSystem, rule: BoxRule) -> tuple[Stage, BoxPrior]:
    config = run.config
    section: BoxPriorSection = tiny().layout_prior.model_copy(update={"steps": _STEPS})
    facts = Facts(
        config.image_channels,
        run.size,
        len(config.symbols),
        names=tuple(run.classes.name_of(class_id) for class_id, _ in config.symbols),
        boxes=rule,
        class_ids=tuple(class_id for class_id, _ in config.symbols),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.request.seed)
        return box_prior(section, rule, facts)


def _fit_aside(
    run: TrainedSystem, rule: BoxRule, stage: Stage, folder: Path, layouts: str, report: Report
) -> None:
    """Fit the prior beside its place, which it takes when it is whole, unless another process was faster: both fit the
    same.
    """
    try:
        own = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".partial", dir=folder.parent))
    except OSError as error:
        raise _unwritable(run, error) from None
    try:
        aside = own / folder.name  # with the rights that folders have here
        aside.mkdir()
        with torch.random.fork_rng(devices=[]):
            about = _fit(run, rule, stage, RunFolder(aside), report)
        RunFolder(aside).save_part(
            stage.name,
            stage.module.state_dict(),
            {"part": stage.name, "config": stage.regime.settings.model_dump(), **about, "layouts": layouts},
        )
        if not _is_of(RunFolder(folder), stage, layouts):
            shutil.rmtree(folder, ignore_errors=True)
            aside.rename(folder)
    except OSError as error:
        if not _is_of(RunFolder(folder), stage, layouts):
            raise _unwritable(run, error) from None
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _is_of(kept: RunFolder, stage: Stage, layouts: str) -> bool:
    """True if a folder holds a prior of these layouts."""
    return kept.finished(stage.name) and kept.read_json(f"{stage.name}/part.json").get("layouts") == layouts


def _unwritable(run: TrainedSystem, error: OSError) -> InputError:
    return InputError(
        f"{run.path}: the prior over its boxes can't be kept there ({error.strerror or error}); make the folder "
        f"writable, or copy the run"
    )


def _fit(
    run: TrainedSystem, rule: BoxRule, stage: Stage, aside: RunFolder, report: Report
) -> dict[str, float]:
    """Train on nine tenths of the stored layouts, and stop by the others."""
    ids, boxes = stored_boxes(run, rule)
    request = run.config.request
    pairs = Pairs(
        [np.zeros((*run.size, 1), np.uint8)] * len(ids),
        [*ids],
        Geometry(size=run.size, augment=frozenset(_FLIPS & {*request.augment})),
        request.seed,
        boxes=[some[some[:, 0] >= 0] for some in boxes],
        most_boxes=rule.most,
        source=str(run.path),
    )
    places = range(len(pairs))
    held_out = [place for place in places if place % 10 == 9] or [places[-1]]
    training = [place for place in places if place not in {*held_out}] or held_out
    bench = Bench(
        fabric=open_fabric(Hardware("cpu", "32-true", torch.get_num_threads())),
        run=aside,
        training=pairs.take(training),
        validation=pairs.take(held_out),
        seconds=None,
        report=report,
    )
    stage.regime.begin(stage.module, bench.training, stage.name)
    return dict(stage.regime.train(stage, bench))
