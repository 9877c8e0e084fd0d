"""A data set in its original layout, on its way to the format `folder`: what each of malaria, brats,
cityscapes, gta5 and clevr hands over.

The original is read item by item (an image, a patient). All pairs of an item lie on one side of the split,
and a regular expression finds the group of a pair in its name, for `--group-by` in training.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelmint.errors import InputError
from labelmint.formats import check_target, write
from labelmint.formats.files import new_folder
from labelmint.formats.format import Part
from labelmint.storage import write_text
from labelmint.types import AnnotatedImage, ClassSet, Finding

__all__ = ["Prepared", "Written", "held_out", "original_folder", "write_prepared"]

ONE_IN = 10


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A data set that is ready to be read and written.

    Arguments:
        name: of the data set.
        source: where its original lies, for messages.
        classes: of the label maps.
        items: what is read one by one, in order.
        pairs_of: item -> its labelled images (any number), read when they are asked for.
        test: the items whose pairs go to test.txt. validation: those whose pairs go to val.txt; all others go to
            train.txt.
        group_by: regular expression whose first group is what must stay on one side of a split; "" where
            pairs have nothing in common.
        choices: the options that decided what the pairs are, kept in prepared.json.
        findings: what is odd about the original, and what became of it.
    """

    name: str
    source: str
    classes: ClassSet
    items: tuple[str, ...]
    pairs_of: Callable[[str], Iterator[AnnotatedImage]]
    test: frozenset[str]
    group_by: str
    choices: Mapping[str, Any] = field(default_factory=dict)
    validation: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()

    def __iter__(self) -> Iterator[AnnotatedImage]:
        return (pair for item in self.items for pair in self.pairs_of(item))


@dataclass(frozen=True, kw_only=True)
class Written:
    """How many labelled images were written, and how many of them train, test and validate."""

    pairs: int
    train: int
    test: int
    validation: int = 0


def original_folder(source: str | Path, expected: str) -> Path:
    """The folder of an original data set; raises InputError where there is none, saying what is expected in
    it.
    """
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --source takes {expected}")
    return folder


def held_out(groups: Iterable[str]) -> frozenset[str]:
    """A tenth of the groups, by a hash of each name, so that a group's place hardly depends on the others.

    At least one of two or more groups, never all. The hash is another one than `splits.split` takes for
    validation: with the same, what is left would hold nothing to validate on.
    """
    by_hash = sorted(set(groups), key=_hash)
    chosen = {group for group in by_hash if _hash(group) % ONE_IN == 0} or set(by_hash[:1])
    return frozenset(chosen) if len(chosen) < len(by_hash) else frozenset(by_hash[:-1])


def _hash(group: str) -> int:
    return int.from_bytes(
        hashlib.sha256(f"test {group}".encode(errors="surrogateescape")).digest()[:8], "big"
    )


def write_prepared(
    prepared: Prepared, out: str | Path, tell: Callable[[int, int], None] = lambda done, of: None
) -> Written:
    """Write a data set as a folder with train.txt, test.txt and prepared.json, whole or not at all.

    Arguments:
        prepared: what to write; one item is held in memory at a time.
        out: a folder that does not exist yet, or is empty, outside of the original, which is only read.
        tell: called with (items done, items).

    Raises InputError for a taken folder, one inside of the original, a bad file of that, and where no pair is left.
    """
    check_target(out, format="folder", sources=[prepared.source])
    parts: dict[str, Part] = {}  # of each name

    def pairs() -> Iterator[AnnotatedImage]:
        for done, item in enumerate(prepared.items, 1):
            for pair in prepared.pairs_of(item):
                parts[pair.name] = _part_of(item, prepared)
                yield pair
            tell(done, len(prepared.items))
        if not parts:
            raise InputError(
                f"{prepared.source}: nothing is left of it with {dict(prepared.choices)}; is it the right "
                f"folder?"
            )

    with new_folder(out) as folder:
        write(pairs(), folder, format="folder", classes=prepared.classes, parts=parts)
        counts = Counter(parts.values())
        if not counts["train"]:
            raise InputError(
                f"{prepared.source}: all {len(parts)} pairs are for testing and none to train on; more items are needed"
            )
        written = Written(
            pairs=len(parts), train=counts["train"], test=counts["test"], validation=counts["validation"]
        )
        write_text(folder / "prepared.json", _card(prepared, written))
    return written


def _part_of(item: str, prepared: Prepared) -> Part:
    if item in prepared.test:
        return "test"
    return "validation" if item in prepared.validation else "train"


def _card(prepared: Prepared, written: Written) -> str:
    card = {
        "data_set": prepared.name,
        "choices": dict(prepared.choices),
        "group_by": prepared.group_by,
        "pairs": written.pairs,
        "train": written.train,
        "test": written.test,
        **({"validation": written.validation} if written.validation else {}),
    }
    return json.dumps(card, indent=1) + "\n"
