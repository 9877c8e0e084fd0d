"""What is odd about a data set: findings from one pass over it, and from its split."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from labelmint.datasets.duplicates import Lookalikes
from labelmint.datasets.splits import Split
from labelmint.datasets.tally import Tally
from labelmint.types import NOTES, DataSet, Finding

__all__ = ["TRAILING_NUMBER", "of_lookalikes", "of_names", "of_pairs"]

TRAILING_NUMBER = r"^(.*?)(?:[-_. ]?\d+)?$"  # the group of names that differ in a trailing number only
_SHOWN = 5
_FEWEST_THIN = 3  # ids without an area from which labels are called smeared, where they are a quarter of all
_THIN = 0.1  # blocks of 2x2 pixels a pixel below which an id has no area; a disc of 3 pixels has 0.4
_FEW_PIXELS = 4096  # of all labels, below which nothing is said of areas
_UNEQUAL = 4  # largest area over smallest from which sizes are called very unequal


def of_pairs(data: DataSet, tally: Tally) -> list[Finding]:
    """Pairs that can't be read, unknown ids, empty labels, classes never seen, objects without a pixel, smeared labels,
    what was noted of images, very unequal sizes.
    """
    found = [Finding(kind="unreadable", text=text, names=(name,)) for name, text in tally.unreadable[:_SHOWN]]
    if len(tally.unreadable) > _SHOWN:
        names = tuple(name for name, _ in tally.unreadable[_SHOWN:])
        found.append(
            Finding(
                kind="unreadable",
                text=f"and {len(names)} more pairs that can't be read, first {names[0]!r}",
                names=names,
            )
        )
    if tally.unknown:
        found.append(_unknown_ids(tally))
    if tally.strange:
        shown = _most_common(tally.strange, "objects")
        text = (
            f"{tally.strange.total()} objects are of ids that are no classes: {shown}; "
            "add them to the names in classes.json, or pass --ignore"
        )
        found.append(Finding(kind="unknown ids", text=text))
    if tally.empty and data.classes.labelled:
        text = (
            f"{len(tally.empty)} labels hold no class but background or ignored ids, first {tally.empty[0]!r}"
        )
        found.append(Finding(kind="empty labels", text=text, names=tuple(tally.empty)))
    for kind, those in sorted(tally.noted.items()):
        text = f"{len(those)} {NOTES[kind]}; first {those[0]!r}"
        found.append(Finding(kind=kind, text=text, names=tuple(those)))
    return found + _unseen(data, tally) + _without_pixels(tally) + _smeared(tally) + _unequal(tally)


def _unseen(data: DataSet, tally: Tally) -> list[Finding]:
    unseen = [
        info.name for info in data.classes.classes if not tally.images[info.id] and not tally.objects[info.id]
    ]
    if not unseen or not tally.names:
        return []
    shown = ", ".join(unseen[:_SHOWN]) + (f" and {len(unseen) - _SHOWN} more" if len(unseen) > _SHOWN else "")
    some = len(tally.names) + len(tally.unreadable) < len(data.names)
    where = f" in the {len(tally.names)} pairs that were loaded" if some else ""
    text = f"{len(unseen)} classes are listed but never seen{where}: {shown}"
    return [Finding(kind="classes never seen", text=text)]


def _without_pixels(tally: Tally) -> list[Finding]:
    """Objects that are annotated, and cover no pixel of what was painted from them."""
    if not tally.hidden:
        return []
    count = sum(tally.hidden.values())
    why = (
        "their coordinates lie between 0 and 1; multiply them by the width and height of the image"
        if 2 * tally.fractions >= count
        else "they are smaller than a pixel, or hidden under others"
    )
    text = f"{count} of {tally.annotated} objects cover no pixel, first one of {next(iter(tally.hidden))!r}: {why}"
    return [Finding(kind="objects without pixels", text=text, names=tuple(tally.hidden))]


def _smeared(tally: Tally) -> list[Finding]:
    """Ids that no one meant: where labels were saved as JPEG or resized with smoothing, many ids are left that have
    no area, since they stand in rims and specks alone.
    """
    thin = sorted(i for i, pixels in tally.drawn.items() if pixels and tally.solid[i] < _THIN * pixels)
    if (
        len(thin) < _FEWEST_THIN
        or 4 * len(thin) < len(tally.drawn)
        or sum(tally.drawn.values()) < _FEW_PIXELS
    ):
        return []
    shown = ", ".join(map(str, thin[:_SHOWN])) + (" and so on" if len(thin) > _SHOWN else "")
    text = (
        f"{len(thin)} of {len(tally.drawn)} ids stand in rims and specks alone ({shown}), as where labels were saved "
        f"as JPEG or resized with smoothing; export the labels again without either, and list the classes in "
        f"classes.json"
    )
    return [Finding(kind="smeared labels", text=text)]


def _unknown_ids(tally: Tally) -> Finding:
    values: Counter[int] = Counter()
    for unknown in tally.unknown.values():
        values.update(unknown)
    text = (
        f"{len(tally.unknown)} labels hold ids that are no classes: {_most_common(values, 'pixels')}; "
        "add them to the names in classes.json, or pass --ignore"
    )
    return Finding(kind="unknown ids", text=text, names=tuple(tally.unknown))


def _most_common(values: Counter[int], of: str) -> str:
    shown = ", ".join(f"{value} ({count} {of})" for value, count in values.most_common(_SHOWN))
    return shown + (f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else "")


def _unequal(tally: Tally) -> list[Finding]:
    by_area = sorted(set(tally.sizes), key=lambda size: size[0] * size[1])
    if len(by_area) < 2:
        return []
    (low_h, low_w), (high_h, high_w) = by_area[0], by_area[-1]
    ratios = sorted(width / height for height, width in by_area)
    if high_h * high_w < _UNEQUAL * low_h * low_w and ratios[-1] < 2 * ratios[0]:
        return []
    text = (
        f"sizes are very unequal, from {low_h}x{low_w} to {high_h}x{high_w} pixels; resizing all to one "
        f"--size changes the "
        "scale or the shape of what they show; consider --crop"
    )
    return [Finding(kind="very unequal sizes", text=text)]


def of_lookalikes(tally: Tally, alike: Lookalikes | None, parts: Split) -> list[Finding]:
    """Identical and near-duplicate images, and those of them that lie on different sides of the split."""
    if alike is None or not len(alike.pairs):
        return []
    at_least = "" if alike.complete else "at least "
    identical = [(a, b) for a, b in alike.pairs.tolist() if tally.digests[a] == tally.digests[b]]
    near = [(a, b) for a, b in alike.pairs.tolist() if tally.digests[a] != tally.digests[b]]
    found = []
    for kind, pairs in (("identical images", identical), ("near-duplicate images", near)):
        if pairs:
            text = f"{at_least}{len(pairs)} pairs of {kind}: {_named(tally, pairs)}"
            found.append(Finding(kind=kind, text=text, names=_names(tally, pairs)))
    side = (
        dict.fromkeys(parts.training, "training")
        | dict.fromkeys(parts.validation, "validation")
        | dict.fromkeys(parts.test, "test")
    )
    across: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for a, b in alike.pairs.tolist():
        sides = {side.get(tally.names[a]), side.get(tally.names[b])} - {None}
        if len(sides) == 2:
            across["test" if "test" in sides else "validation"].append((a, b))
    for other, pairs in sorted(across.items()):
        text = (
            f"{at_least}{len(pairs)} pairs of look-alike images have one on the training and one on the "
            f"{other} side: "
            f"{_named(tally, pairs)}; move them to one side, or keep them together with --group-by"
        )
        found.append(Finding(kind="neighbors across the split", text=text, names=_names(tally, pairs)))
    return found


def _named(tally: Tally, pairs: Sequence[tuple[int, int]]) -> str:
    shown = ", ".join(f"{tally.names[a]} and {tally.names[b]}" for a, b in pairs[:3])
    return shown + ("; ..." if len(pairs) > 3 else "")


def _names(tally: Tally, pairs: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    return tuple(sorted({tally.names[index] for pair in pairs for index in pair}))


def of_names(parts: Split, group_by: str | None) -> tuple[str | None, list[Finding]]:
    """Series of names that differ in a trailing number only and lie on several sides of the split.

    One series for the whole set is mere counting; several long ones are likely patients, slides or films.
    """
    sides = [{_stem(name) for name in names} for names in (parts.training, parts.validation, parts.test)]
    names = [*parts.training, *parts.validation, *parts.test]
    stems = {_stem(name) for name in names}
    across = sorted((sides[0] & sides[1]) | ((sides[0] | sides[1]) & sides[2]))
    if group_by is not None or not across or len(stems) < 3 or 2 * len(stems) > len(names):
        return None, []
    text = (
        f"{len(across)} of {len(stems)} series of names that differ in a trailing number only are divided "
        f"between training, "
        f"validation and test, first {across[0]!r}; if a series shows one thing (slices of a patient, frames "
        f"of a film), keep it "
        f"together with --group-by '{TRAILING_NUMBER}'"
    )
    return TRAILING_NUMBER, [Finding(kind="neighbors across the split", text=text)]


def _stem(name: str) -> str:
    match = re.search(TRAILING_NUMBER, name)
    return match.group(1) if match else name
