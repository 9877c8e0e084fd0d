"""What is to be evaluated: a run, or pairs that any program made; and the real data that it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.datasets.splits import Split, held_out, split, split_of
from labelmint.errors import InputError
from labelmint.evaluation.views import Views, digest_of_pixels, view_digests
from labelmint.formats import read
from labelmint.runs.trained import TrainedSystem, load
from labelmint.systems.catalogue import check_mints
from labelmint.training.run_folder import RunFolder
from labelmint.types import DataSet

__all__ = [
    "FEWEST_SAMPLES",
    "Subject",
    "check_parts",
    "is_run",
    "open_subject",
    "refuse_overlap",
    "refuse_views",
    "split_of_run",
]

FEWEST_SAMPLES = 20


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A run or a set of pairs, with the view of the real data that it is compared on.

    Attributes:
        path: as given. system: of a run, else None. pairs: of a set, else None.
        geometry: how real pairs come to the size of the samples, with the augmentation that the judge may
            use.
        parts: training, validation and test names of the real data.
        group_by: expression of the groups. normalize: what is done to the range of all images.
    """

    path: Path
    system: TrainedSystem | None
    pairs: DataSet | None
    geometry: Geometry
    parts: Split
    group_by: str | None
    normalize: str = "none"

    @property
    def title(self) -> str:
        """In a few words."""
        return f"{self.system.system} in {self.path}" if self.system else str(self.path)


def open_subject(
    path: Path,
    data: DataSet,
    *,
    size: tuple[int, int] | None,
    crop: bool,
    scale: float,
    augment: Sequence[str],
    group_by: str | None,
    device: str,
    threads: int | None,
    normalize: str = "none",
) -> Subject:
    """Open what stands at `path`; raises InputError for what is neither a run nor labelled images, for
    options that have no meaning with it, and for real data without a test part.
    """
    if is_run(path):
        if size or crop or scale != 1 or augment or group_by or normalize != "none":
            raise InputError(
                f"{path}: is a run, which knows its own size, crop, scale, augmentation, groups and ranges; leave "
                f"out those options"
            )
        system = load(path, device=device, threads=threads)
        check_mints(system.system, path)
        request = system.config.request
        geometry, normalize = request.geometry, request.normalize
        parts, group_by, pairs = split_of_run(system, data), request.group_by, None
    else:
        system, pairs = None, read(path)
        geometry = Geometry(size=size or _size_of(pairs), crop=crop, scale=scale, augment=frozenset(augment))
        parts = split_of(data, group_by)
    check_parts(data, parts)
    return Subject(
        path=path,
        system=system,
        pairs=pairs,
        geometry=geometry,
        parts=parts,
        group_by=group_by,
        normalize=normalize,
    )


def check_parts(data: DataSet, parts: Split) -> None:
    """Raise InputError for real data without a test part, or without pairs to make a judge of."""
    if not parts.test:
        raise InputError(
            f"{data.source}: has no test part; write the names of some pairs that were never trained on into "
            f"test.txt, one a line"
        )
    if not parts.training or not parts.validation:
        raise InputError(
            f"{data.source}: pairs to train the judge on and others to validate it on are needed; label more "
            f"images"
        )


def is_run(path: Path) -> bool:
    """True for a run folder."""
    return (path / "config.json").is_file() and (path / "split.json").is_file()


def _size_of(pairs: DataSet) -> tuple[int, int]:
    if not pairs.names:
        raise InputError(f"{pairs.source}: holds no pairs")
    return pairs[0].layout.size


def split_of_run(system: TrainedSystem, data: DataSet) -> Split:
    """The run's own lists, with the data's test part; raises InputError when the two do not belong together."""
    stored = RunFolder(system.path).read_json("split.json")
    training, validation = (tuple(stored.get(name, ())) for name in ("training", "validation"))
    missing = sorted({*training, *validation} - set(data.names))
    if missing:
        raise InputError(
            f"{data.source}: lacks {len(missing)} pairs that {system.path} was trained on, {missing[0]!r} "
            f"for one; give the data "
            "that the run was trained on, all sets where it was several"
        )
    test = tuple(sorted(set(held_out(data) or ()) & set(data.names)))
    overlap = sorted({*training, *validation} & set(test))
    if overlap:
        which = (
            "test part"
            if data.test is not None
            else "part val, which is the test part where there is no other,"
        )
        raise InputError(
            f"{data.source}: {len(overlap)} names of the {which} were trained on by {system.path}, "
            f"{overlap[0]!r} for one; a test part must be new to the run"
        )
    if system.config.request.group_by:
        # no group on both sides
        split([*training, *validation, *test], None, test, group_by=system.config.request.group_by)
    return Split(training=training, validation=validation, test=test)


def refuse_overlap(data: DataSet, samples: DataSet, fewest: int = FEWEST_SAMPLES) -> None:
    """Raise InputError for too few samples, and for a synthetic set that is the real data itself."""
    if len(samples) < fewest:
        raise InputError(
            f"{samples.source}: holds {len(samples)} pairs; an evaluation needs at least {fewest}"
        )
    if samples.source == data.source:
        raise InputError(
            f"{samples.source}: was given as synthetic and as real data; give the synthetic pairs first, "
            f"then the real data"
        )


def refuse_views(synthetic: Views, test: Sequence[Pair], source: str) -> None:
    """Raise InputError when synthetic images are, pixel for pixel, views of the test part."""
    tested = view_digests(test, (synthetic.images.shape[1], synthetic.images.shape[2]))
    digests = (digest_of_pixels(image) for image in synthetic.images)
    same = [(name, tested[d]) for d, name in zip(digests, synthetic.names, strict=True) if d in tested]
    if same:
        raise InputError(
            f"{source}: {len(same)} synthetic images are images of the test part, {same[0][0]!r} is "
            f"{same[0][1]!r} for one; "
            "what is judged must not hold what it is judged by"
        )
