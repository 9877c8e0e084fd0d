"""Which pairs train, which validate, which are never looked at.

Training reads the names of the train part (or all) minus those of the test part. Where the data have a validation
part beside a test part, it validates; else a tenth of the names, chosen by a hash of the name or of its group, so that
a name's place does not depend on the others. Without a test part the validation part is the test part, with a train
part beside it or alone: what people call "val" is then all that was kept apart. Neighbors (slices of a patient, crops
of a slide) belong to one group.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from labelmint.errors import InputError
from labelmint.types import DataSet

__all__ = ["Split", "group_of", "held_out", "split", "split_of"]

ONE_IN = 10


@dataclass(frozen=True)
class Split:
    """Lists of names, sorted; and the group of each name where groups were asked for."""

    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    groups: dict[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self)


def held_out(data: DataSet) -> tuple[str, ...] | None:
    """The names of the test part of a data set, by the rule above; None where it has none."""
    return data.validation if data.test is None else data.test


def split_of(data: DataSet, group_by: str | None = None) -> Split:
    """The split of a data set; raises InputError as `split` does."""
    validation = data.validation if data.test is not None else None
    return split(data.names, data.train, held_out(data), validation, group_by=group_by)


def split(
    names: Sequence[str],
    train: Sequence[str] | None,
    test: Sequence[str] | None,
    validation: Sequence[str] | None = None,
    *,
    group_by: str | None = None,
) -> Split:
    """Divide names.

    Arguments:
        names: of all pairs.
        train, test: the names of these parts, or None.
        validation: names that validate, in place of a tenth; or None.
        group_by: regular expression; the group is its first capture group, or the whole match.

    Raises InputError for a bad expression, a name that it does not match, and a group on both sides of the
    split.
    """
    groups = {name: group_of(name, group_by) for name in names}
    apart = sorted(set(test or ()) & set(names))
    given = sorted((set(validation or ()) & set(names)) - set(apart))
    pool = sorted((set(names) if train is None else set(train) & set(names)) - {*apart, *given})
    if group_by:
        _refuse_shared(groups, {"training": pool, "validation": given, "test": apart})
    if given:
        return Split(tuple(pool), tuple(given), tuple(apart), groups if group_by else None)
    by_hash = sorted({groups[name] for name in pool}, key=_hash)
    chosen = {group for group in by_hash if _hash(group) % ONE_IN == 0}
    if len(by_hash) >= 2:
        chosen = chosen or {by_hash[0]}
        chosen = chosen - {by_hash[-1]} if len(chosen) == len(by_hash) else chosen
    else:
        chosen = set()
    return Split(
        training=tuple(name for name in pool if groups[name] not in chosen),
        validation=tuple(name for name in pool if groups[name] in chosen),
        test=tuple(apart),
        groups=groups if group_by else None,
    )


def _refuse_shared(groups: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> None:
    for (one, these), (other, those) in combinations(lists.items(), 2):
        shared = {groups[name] for name in these} & {groups[name] for name in those}
        if shared:
            raise InputError(
                f"group {min(shared)!r} has names in both the {one} and the {other} list ({len(shared)} such "
                f"groups); move each group to one side of train.txt, val.txt and test.txt"
            )


def group_of(name: str, group_by: str | None) -> str:
    """The group of a name; the name itself where no expression is given."""
    if group_by is None:
        return name
    try:
        match = re.search(group_by, name)
    except re.error as error:
        raise InputError(f"--group-by {group_by}: not a regular expression ({error})") from None
    group: str | None = None if match is None else match.group(1 if match.re.groups else 0)
    if group is None:
        raise InputError(f"--group-by {group_by}: does not match the name {name!r}; every name needs a group")
    return group


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
