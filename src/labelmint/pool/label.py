"""Labels minted for images without any, from a few labelled ones: the public `label`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labelmint.datasets.unlabelled import open_pool
from labelmint.errors import InputError
from labelmint.formats import check_target, read
from labelmint.hardware import choose_device
from labelmint.pool.images import load_pool, looks_of_test
from labelmint.pool.labelled import load_labelled, with_ignore
from labelmint.pool.options import LabelOptions
from labelmint.pool.outcome import write_outcome
from labelmint.pool.rounds import teach
from labelmint.progress import Report
from labelmint.storage import alone, refuse_unwritable
from labelmint.types import DataSet

__all__ = ["label"]


def label(
    unlabelled: str | Path | DataSet,
    labelled: str | Path | DataSet,
    out: str | Path,
    options: LabelOptions | None = None,
    *,
    report: Report | None = None,
    warn: Callable[[str], None] | None = None,
    **more: Any,
) -> Path:
    """Mint a label for each image of a pool and write them as a data set: whole or not at all.

    Arguments:
        unlabelled: a folder of images, or a data set whose labels are not looked at.
        labelled: the labelled images, or where they lie. Their test part is left alone: what equals one of its images
            is left out of the pool.
        out: the folder to write: the data set with settings.json, doubt.csv and doubt.png.
        options: or `more`, the fields of `LabelOptions` by name.
        report: called with an `Event` now and then.
        warn: called with a line for what a person should know; Python's `warnings.warn` unless given.

    Returns:
        the folder.

    Raises InputError for bad data and values, a folder that is taken, and an ensemble of something else, or one that
    another command works on.
    """
    options, say, tell = options or LabelOptions(**more), warn or _warn, report or (lambda event: None)
    out = Path(out)
    known = labelled if isinstance(labelled, DataSet) else read(labelled)
    images = (
        unlabelled if isinstance(unlabelled, DataSet) else open_pool(unlabelled, options.unlabelled_format)
    )
    sources = [one.source for one in (known, images) if Path(one.source).exists()]
    classes = with_ignore(known.classes)
    check_target(
        out, format=options.format, image_format=options.image_format, sources=sources, classes=classes
    )
    # "." and ".." name no folder to stand beside
    named = out if out.name not in ("", "..") else out.resolve()
    beside = named.with_name(f"{named.name}-ensemble")
    refuse_unwritable(out)
    folder = Path(options.ensemble) if options.ensemble is not None else beside
    if out.resolve() in (folder.resolve(), *folder.resolve().parents):  # which must be empty in the end
        raise InputError(f"--ensemble {folder}: lies in the folder of the labels, {out}; name another")
    every = load_pool(images, options.geometry, normalize=options.normalize, folder=folder, tell=tell)
    ground = load_labelled(known, options, options.members, every.channels, folder, tell)
    pool = every.beside(ground.pairs, looks_of_test(known, options.geometry, normalize=options.normalize))
    for line in pool.left_out:
        say(line)
    choose_device(options.device)  # before a folder is made
    with alone(folder):
        taught = teach(ground, pool, options, folder, tell)
    return write_outcome(out, ground, pool, taught, options, say, tell)


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=3)
