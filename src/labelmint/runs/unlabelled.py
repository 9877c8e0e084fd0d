"""The pool: images without labels beside the labelled ones, for systems that have a use for them.

An image that is, pixel by pixel, one of the labelled data set is left out, whatever part of that it belongs to: of the
test part nothing may be seen, and the others are known with their labels. The test part of a pool is left out, too.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from labelmint.datasets.duplicates import digest_of
from labelmint.datasets.fitting import fitted
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.keeping import shelved
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import as_channels
from labelmint.datasets.splits import Split, held_out
from labelmint.datasets.whole_images import without_labels
from labelmint.errors import InputError
from labelmint.runs.config import Request
from labelmint.systems.catalogue import SYSTEMS, learning_from_pools, settings_of
from labelmint.systems.sections import PriorSection, SeesPool, TransformerSection
from labelmint.types import Array, DataSet

__all__ = ["Pool", "check_shares", "check_takes_pool", "pool_of", "read_pool", "seed_of_pool"]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Images without labels, at the scale of training.

    Attributes:
        pairs: the images, their maps None. digest: SHA-256 of names and pixels. said: what became of them, a line.
    """

    pairs: Pairs
    digest: str
    said: str


def check_takes_pool(system: str, source: object) -> None:
    """Raise InputError for a system, by its name, that has no use for images without labels beside labelled ones."""
    if not SYSTEMS[system].from_pool:
        why = (
            "learns from images alone; give them as DATA"
            if SYSTEMS[system].from_images
            else "learns from pairs alone"
        )
        raise InputError(
            f"--unlabelled {source}: {system} {why}; leave it out, or train one of {', '.join(learning_from_pools())}"
        )


def check_shares(request: Request, pool: object, *, begun: bool = False) -> None:
    """Raise InputError for a share of images without labels in the batches where there are none, or where the system
    has no use for any.

    Arguments:
        pool: the images, or None.
        begun: whether a run is gone on with: those of former versions may say a share that they never had a use for.
    """
    if begun:
        return
    usual = settings_of(request.system, request.preset).each()
    for name, section in request.settings.each().items():
        if not isinstance(section, SeesPool | PriorSection | TransformerSection):
            continue
        share = section.unlabelled
        if not share or share == getattr(usual[name], "unlabelled", None):
            continue
        asked = f"--set {name}.unlabelled={share:g}"
        if not SYSTEMS[request.system].from_pool:
            raise InputError(
                f"{asked}: {request.system} learns from pairs alone; leave it out, or train one of "
                f"{', '.join(learning_from_pools())}"
            )
        if pool is None:
            raise InputError(
                f"{asked}: there are no images without labels; give some with --unlabelled, or leave it out"
            )


def read_pool(pool: DataSet | str | Path) -> DataSet:
    """The images of a folder, or of a data set, without labels; raises InputError where there are none."""
    if isinstance(pool, DataSet):
        return without_labels(pool)
    from labelmint.datasets.unlabelled import open_pool

    try:
        return open_pool(pool)
    except InputError as error:
        raise InputError(f"--unlabelled {error}") from None


def seed_of_pool(seed: int) -> int:
    """The seed of a pool's batches: with that of the pairs, each image would be cropped and turned as the pair is that
    stands in its place.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/pool".encode()).digest()[:7], "big")


def pool_of(
    pool: DataSet,
    data: DataSet,
    parts: Split,
    geometry: Geometry,
    *,
    channels: int,
    normalize: str,
    seed: int,
    folder: Path,
    tell: Callable[[int, int], None],
) -> Pool:
    """The images of a pool that are not those of the labelled data, fitted as these are.

    Arguments:
        parts: of the labelled data. channels: of its images. geometry, normalize: of the training. seed: of batches.
        folder: that takes images which memory does not hold.
        tell: called with (images loaded, images in all).

    Raises InputError where none is left, for color images beside grey ones, and for crops that do not fit in.
    """
    where = {name: part for part in ("training", "validation", "test") for name in getattr(parts, part)}
    known = {_looks(data.load(name).image): where.get(name, "other") for name in data.names}
    apart = set(held_out(pool) or ())
    left, equal = list[str](), Counter[str]()
    for name in pool.names:
        part = "" if name in apart else known.get(_looks(pool.load(name).image), "")
        if part:
            equal[part] += 1
        elif name not in apart:
            left.append(name)
    if not left:
        raise InputError(
            f"--unlabelled {pool.source}: none of its {len(pool.names)} images is new: they are images of "
            f"{data.source}, or a test part; give other images"
        )
    images = fitted(pool, left, geometry, channels=channels, normalize=normalize, tell=tell)
    loaded = shelved(images, len(left), folder, pool.source)
    pairs = Pairs.of(loaded, geometry, seed, source=pool.source, labelled=False)
    return Pool(pairs=pairs, digest=pairs.digest(), said=_said(pool, len(left), equal, len(apart)))


def _looks(image: Array) -> bytes:
    """The digest of an image (H, W, C), the same for a grey one that is stored in color."""
    return digest_of(as_channels(image, 3))


def _said(pool: DataSet, count: int, equal: Counter[str], apart: int) -> str:
    gone = [f"{number} that are {part} images of the labelled data" for part, number in sorted(equal.items())]
    gone += [f"{apart} of its own test part"] if apart else []
    without = f", without {' and '.join(gone)}" if gone else ""
    return f"{pool.source}: {count} images without labels{without}"
