"""Advice on which images of a pool to label next: the public `advise`.

OUT/advice.txt     the names, one a line, the most useful first
OUT/advice.json    names, clusters, what the labels so far miss, and the weights of the features
OUT/advice.png     the pictures, each with the size of its cluster
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmint.datasets.pair import Pair
from labelmint.datasets.splits import split_of
from labelmint.datasets.unlabelled import open_pool
from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.formats.files import new_folder
from labelmint.hardware import choose_hardware
from labelmint.metrics.looks import color, contrast, joined, scale
from labelmint.pool.advice import Advice, Cluster, choose
from labelmint.pool.embedding import embedded
from labelmint.pool.images import Pool, in_channels, load_pool, loaded_pairs, looks_of_test
from labelmint.pool.looks import missed_looks
from labelmint.pool.seeing import Seeing
from labelmint.pool.sheet import write_sheet
from labelmint.pool.stored import EnsembleFolder
from labelmint.progress import Event, Report
from labelmint.storage import refuse_inside, refuse_taken, refuse_unwritable, write_json, write_text
from labelmint.types import Array, DataSet

__all__ = ["WEIGHTS", "AdviseOptions", "advise"]

WEIGHTS = {"scale": 1.0, "contrast": 1.0, "color": 1.0, "embedding": 1.0}
_MOST_CLUSTERS = 500


@dataclass(frozen=True, kw_only=True)
class AdviseOptions(Seeing):
    """How images are chosen.

    Arguments:
        n: images to label. clusters: of the pool; n, and as many more as are labelled, but at most n more, and at most
            500 in all.
        steps: of training the embedding; 0 goes by scale, contrast and color alone.
        ensemble: folder of `label`, whose segmenters disagree about images worth labelling.
        unlabelled_format: of the pool; found out unless given.

    Raises InputError for values out of range.
    """

    n: int = 10
    clusters: int | None = None
    steps: int = 300
    ensemble: str | Path | None = None
    unlabelled_format: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n < 1:
            raise InputError(f"-n {self.n}: expected at least 1 image")
        if self.clusters is not None and not 1 <= self.clusters <= _MOST_CLUSTERS:
            raise InputError(f"--clusters {self.clusters}: expected 1 to {_MOST_CLUSTERS}")
        if self.steps < 0:
            raise InputError(f"--steps {self.steps}: expected at least 0")


def advise(
    unlabelled: str | Path | DataSet,
    labelled: str | Path | DataSet | None = None,
    out: str | Path | None = None,
    options: AdviseOptions | None = None,
    *,
    report: Report | None = None,
    warn: Callable[[str], None] | None = None,
    **more: Any,
) -> Advice:
    """Choose the images of a pool that are worth labelling next.

    Arguments:
        unlabelled: a folder of images, or a data set whose labels are not looked at.
        labelled: what is labelled already, but for its test part, which is never advised; None for nothing.
        out: a folder to write; None writes nothing.
        options: or `more`, the fields of `AdviseOptions` by name.
        report: called with an `Event` now and then.
        warn: called with a line for what a person should know; Python's `warnings.warn` unless given.

    Raises InputError for bad data and values, a folder that is taken or lies in the data, and a pool of fewer images
    than are asked for.
    """
    options, say, tell = options or AdviseOptions(**more), warn or _warn, report or (lambda event: None)
    if out is not None:
        _refuse_place(Path(out), [one for one in (unlabelled, labelled) if one is not None])
    hardware = choose_hardware(options.device, options.precision, options.threads, None)
    images = (
        unlabelled if isinstance(unlabelled, DataSet) else open_pool(unlabelled, options.unlabelled_format)
    )
    folder = Path(gettempdir() if out is None else out)
    pool = load_pool(images, options.geometry, normalize=options.normalize, folder=folder, tell=tell)
    known, tested = _labelled(labelled, options, pool.channels, folder, tell)
    pool = pool.beside(known, tested)
    for line in pool.left_out:
        say(line)
    count = options.clusters or min(options.n + min(len(known), options.n), _MOST_CLUSTERS)
    if options.n > len(pool.pairs):
        raise InputError(
            f"-n {options.n}: the pool holds {len(pool.pairs)} images without labels; ask for fewer"
        )
    unsure = _disagreement(images, pool, options, hardware.device, folder, tell)
    features = _features([*pool.pairs, *known], options, hardware.device, tell)
    names, mine = [pair.name for pair in pool.pairs], len(pool.pairs)
    joint = joined(features, WEIGHTS)
    picks, kinds, found = choose(
        joint[:mine], joint[mine:], names, options.n, min(count, mine), unsure, options.seed
    )
    words = [_words(kinds, len(known), mine), *missed_looks(features, found, kinds, mine)]
    advice = Advice(
        picks=tuple(picks),
        clusters=tuple(kinds),
        words=tuple(words),
        weights={name: WEIGHTS[name] for name in features},
    )
    if out is not None:
        _write(Path(out), advice, pool)
    return advice


def _refuse_place(out: Path, sources: Sequence[str | Path | DataSet]) -> None:
    """Raise InputError where no new folder can be written, or one inside of the images."""
    refuse_inside(out, [one.source if isinstance(one, DataSet) else one for one in sources])
    refuse_taken(out)
    refuse_unwritable(out)


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=3)


def _labelled(
    labelled: str | Path | DataSet | None, options: AdviseOptions, channels: int, folder: Path, tell: Report
) -> tuple[list[Pair], frozenset[bytes]]:
    """The labelled images at the scale of training, whose labels are not looked at any further, and what their test
    part looks like.
    """
    if labelled is None:
        return [], frozenset()
    data = labelled if isinstance(labelled, DataSet) else read(labelled)
    parts = split_of(data, options.group_by)
    pairs = loaded_pairs(
        data,
        sorted({*parts.training, *parts.validation}),
        options.geometry,
        normalize=options.normalize,
        group_by=None,
        folder=folder,
        tell=tell,
        least_channels=channels,
    )
    return pairs, looks_of_test(data, options.geometry, normalize=options.normalize)


def _features(
    pairs: Sequence[Pair], options: AdviseOptions, device: str, tell: Report
) -> dict[str, npt.NDArray[np.float64]]:
    """Each block of features (N, D)."""
    import torch

    images = [pair.image for pair in pairs]
    found = {
        name: np.stack([measure(image) for image in images])
        for name, measure in (("scale", scale), ("contrast", contrast), ("color", color))
    }
    if options.steps:
        found["embedding"] = embedded(
            images,
            options.geometry,
            steps=options.steps,
            seed=options.seed,
            device=torch.device(device),
            report=tell,
        )
    return found


def _disagreement(
    data: DataSet, pool: Pool, options: AdviseOptions, device: str, folder: Path, tell: Report
) -> npt.NDArray[np.float64] | None:
    """What the ensemble disagrees by about each image, seen as it sees images; None without one."""
    import torch

    if options.ensemble is None:
        return None
    ensemble, geometry, normalize, channels = EnsembleFolder(options.ensemble).open(torch.device(device))
    names = [pair.name for pair in pool.pairs]
    seen = load_pool(data.subset(names), geometry, normalize=normalize, folder=folder, tell=tell)
    if seen.channels > channels:
        raise InputError(
            f"{data.source}: holds color images, and the ensemble {options.ensemble} was trained on grey ones; leave "
            f"out --ensemble"
        )
    found = []
    for done, pair in enumerate(in_channels(seen.pairs, channels), start=1):
        found.append(ensemble.disagreement(pair.image))
        tell(Event("disagreement", done, len(seen.pairs)))
    return np.array(found)


def _words(kinds: Sequence[Cluster], labelled: int, pool: int) -> str:
    """What the labels so far miss."""
    bare = [one for one in kinds if not one.covered]
    if not labelled:
        sizes = f"{min(one.images for one in kinds)} to {max(one.images for one in kinds)} images"
        return f"nothing is labelled yet; the {pool} images fall into {len(kinds)} clusters of {sizes}"
    if not bare:
        return f"each of the {len(kinds)} clusters of the pool holds a labelled image"
    share = sum(one.share for one in bare)
    return f"{len(bare)} of {len(kinds)} clusters, {share:.0%} of the pool, hold no labelled image"


def _write(out: Path, advice: Advice, pool: Pool) -> None:
    images: dict[str, Array] = {pair.name: pair.image for pair in pool.pairs}
    sizes = {one.number: one.images for one in advice.clusters}
    with new_folder(out) as folder:
        write_text(folder / "advice.txt", "".join(f"{name}\n" for name in advice.names))
        write_json(folder / "advice.json", advice.to_json())
        write_sheet(
            folder / "advice.png",
            [images[pick.name] for pick in advice.picks],
            [f"{pick.name}: 1 of {sizes[pick.cluster]}" for pick in advice.picks],
            columns=5,
        )
