"""The judge of an evaluation or of a cell of a study: the classes that it is about, and the real pairs that
it learns from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair, digest_of
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.evaluation.views import Views, tiles
from labelmint.progress import Report
from labelmint.segmenters.judge import Judge, train_judge
from labelmint.segmenters.standard import RealData, digest_of_images
from labelmint.segmenters.unet import SegmenterConfig
from labelmint.types import DataSet

__all__ = ["VALIDATION_VIEWS", "foreground_of", "judge_of", "refuse_one_class"]

VALIDATION_VIEWS = 256


def refuse_one_class(data: DataSet) -> None:
    """Raise InputError where there is nothing to tell apart."""
    if not data.classes.labelled:
        raise InputError(
            f"{data.source}: holds images without labels, and the judge that compares images learns from labels; give "
            f"labelled ones"
        )
    if len(data.classes) < 2:
        ignored = ", ".join(map(str, data.classes.ignore))
        raise InputError(
            f"{data.source}: has the one class {data.classes.names[0]!r}, so a judge has nothing to tell apart; "
            f"name what else its labels mean in classes.json (pixels of id {ignored} are ignored unless they are named)"
        )


def foreground_of(data: DataSet, test: Views) -> tuple[int, ...]:
    """Class indices that have objects; raises InputError where there is nothing to tell apart, or none of
    them in the test part.
    """
    refuse_one_class(data)
    without = data.classes.without_objects
    foreground = tuple(k for k, class_id in enumerate(data.classes.ids) if class_id not in without)
    if not np.isin(test.labels, foreground).any():
        raise InputError(
            f"{data.source}: no pixel of the test part has a foreground class; put pairs that hold "
            f"{_listed(data, foreground)} into test.txt"
        )
    return foreground


def _listed(data: DataSet, foreground: Sequence[int]) -> str:
    names = [data.classes.names[k] for k in foreground]
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")


def judge_of(
    folder: Path,
    data: DataSet,
    training: Sequence[Pair],
    validation: Sequence[Pair],
    geometry: Geometry,
    *,
    channels: int,
    foreground: tuple[int, ...],
    seed: int,
    config: SegmenterConfig,
    device: torch.device,
    precision: str,
    report: Report,
) -> Judge:
    """The judge in folder/judge, trained on these pairs unless it is there (`train_judge`).

    Arguments:
        folder: a run, or the folder of a report.
        training, validation: real pairs with images of `channels` channels. geometry: of the views.
    """
    fixed = tiles(validation, geometry.size, VALIDATION_VIEWS)  # all of the images, not only their middles
    pairs = Pairs.of(training, geometry, seed)
    held_out = Pairs(list(fixed.images), list(fixed.labels), Geometry(size=geometry.size), seed)
    how = (
        geometry.size,
        geometry.crop,
        geometry.scale,
        sorted(geometry.augment),
        seed,
        channels,
        data.classes.ids,
        foreground,
    )
    both = [*training, *validation]
    real = RealData(
        source=str(Path(data.source).resolve()) if Path(data.source).exists() else data.source,
        format=data.format,
        training=tuple(one.name for one in training),
        validation=tuple(one.name for one in validation),
        class_ids=data.classes.ids,
        image_channels=channels,
        digest=digest_of_images([one.name for one in both], [one.image for one in both]),
    )
    return train_judge(
        folder,
        digest_of(both, how),
        pairs,
        held_out,
        image_channels=channels,
        classes=len(data.classes),
        foreground=foreground,
        config=config,
        device=device,
        precision=precision,
        data=real,
        report=report,
    )
