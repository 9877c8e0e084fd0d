"""Writing the `webdataset` format: shards of 1,000 pairs without times or owners, and classes.json beside them."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from shutil import rmtree

from labelmint.formats.class_list import dump_classes
from labelmint.formats.folder import write_pair
from labelmint.formats.format import PART_WORDS, PLAIN, Writing
from labelmint.formats.images_out import ending_of
from labelmint.formats.named_classes import CLASSES
from labelmint.formats.writers import uniquely_named, write_each
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, ClassSet

__all__ = ["PAIRS_A_SHARD", "write_webdataset"]

PAIRS_A_SHARD = 1000
_AT_ONCE = 200  # pairs that wait as files before they go into their shard
_OTHERS = "data"  # the prefix of pairs that are in no part


def write_webdataset(
    pairs: Iterable[AnnotatedImage], folder: Path, classes: ClassSet, writing: Writing = PLAIN
) -> list[str]:
    """Write shards into an empty folder that exists; returns the names of the pairs.

    Raises InputError for a doubled name and for ids that are no classes.
    """
    names: dict[str, None] = {}
    counts: Counter[str] = Counter()
    waiting, aside = uniquely_named(pairs, names), folder / ".pairs"
    while endings := _written(islice(waiting, _AT_ONCE), aside, classes, writing):
        shards: dict[str, list[str]] = {}
        for name in endings:
            part = writing.parts.get(name)
            prefix = PART_WORDS[part][0] if part else _OTHERS
            shards.setdefault(f"{prefix}-{counts[prefix] // PAIRS_A_SHARD:06d}.tar", []).append(name)
            counts[prefix] += 1
        for shard, its in shards.items():
            with tarfile.open(folder / shard, "a", format=tarfile.PAX_FORMAT) as archive:
                for name in its:
                    _add_pair(archive, name, aside, endings[name])
        rmtree(aside)
    rmtree(aside)
    if classes.labelled:
        write_text(folder / CLASSES, dump_classes(classes))
    return list(names)


def _written(
    pairs: Iterable[AnnotatedImage], aside: Path, classes: ClassSet, writing: Writing
) -> dict[str, str]:
    """Write some pairs as files; returns the ending of each image, by the name of the pair."""
    for part in ("images", "labels"):
        (aside / part).mkdir(parents=True)
    endings: dict[str, str] = {}

    def remembered() -> Iterator[AnnotatedImage]:
        for pair in pairs:
            endings[pair.name] = ending_of(pair, writing)
            yield pair

    write_each(remembered(), lambda pair: write_pair(pair, aside, classes, writing))
    return endings


def _add_pair(archive: tarfile.TarFile, name: str, aside: Path, image: str) -> None:
    """Add the files of a pair, whose image has the ending `image`."""
    key = name.replace("%", "%25").replace(".", "%2E")
    for place, ending, kind in (
        ("images", image, image),
        ("labels", "png", "seg.png"),
        ("instances", "png", "instances.png"),
        ("objects", "json", "json"),
    ):
        file = aside / place / f"{name}.{ending}"
        if file.is_file():
            _add(archive, f"{key}.{kind}", file)


def _add(archive: tarfile.TarFile, name: str, file: Path) -> None:
    """Add a file without its time and owner, so that two writes are alike."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = file.stat().st_size, 0o644
    with file.open("rb") as stream:
        archive.addfile(info, stream)
