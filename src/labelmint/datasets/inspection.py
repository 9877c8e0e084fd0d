"""What a data set holds, and what is odd about it, before anything is trained on it.

Every pair is loaded once, a few of them ahead; files that can't be read are findings, never the end of the inspection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from labelmint.datasets import oddities
from labelmint.datasets.ahead import ahead
from labelmint.datasets.duplicates import near_duplicates
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.oddities import TRAILING_NUMBER
from labelmint.datasets.splits import Split, group_of, split_of
from labelmint.datasets.tally import Keeps, Tally, add
from labelmint.datasets.token_grid import check_grid, kept_as_written, kept_objects
from labelmint.errors import InputError, printable
from labelmint.types import AnnotatedImage, Array, DataSet, Finding

__all__ = ["TRAILING_NUMBER", "ClassCount", "Inspection", "inspect"]


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """One class over the whole set.

    Arguments:
        pixels, share: pixels, and their share of all pixels.
        images: in how many images it is seen.
        objects: how many objects it has (see `Inspection.objects_are`); background and ignored ids have none.
        objects_at_size: how many are left at the inspected size; None without a size.
        objects_kept: how many of those tokens keep; None where they are not known.
        boxes: how many have one, where boxes were asked for; else None.
    """

    id: int
    name: str
    pixels: int
    share: float
    images: int
    objects: int
    objects_at_size: int | None = None
    objects_kept: int | None = None
    boxes: int | None = None


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found.

    Arguments:
        pairs: how many names; readable: how many could be loaded.
        smallest, median, largest: (H, W), each side on its own; sizes: how many different ones there are.
        channels: how many images have 1 (grey) and 3 (RGB) channels.
        objects_are: what was counted as objects: "objects" (as annotated), "instances" or "connected
            components".
        split: how many names train, validate and test.
        size: of a view, and scale: by which images are resized before crops of that size; None where it is
            resized to it. grid: as given; tokens: what keeps objects at that size, in words.
        labelled: False for images without labels.
        boxes: which objects have boxes, in words; None where that was not asked for.
        group_by: the expression of the groups, as given; suggested_group_by: one to consider, where names
            look like neighbors.
    """

    source: str
    format: str
    pairs: int
    readable: int
    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    sizes: int
    channels: dict[int, int]
    objects_are: str
    classes: tuple[ClassCount, ...]
    split: dict[str, int]
    group_by: str | None
    suggested_group_by: str | None
    size: tuple[int, int] | None
    scale: float | None
    grid: tuple[int, int] | None
    tokens: str | None
    findings: tuple[Finding, ...]
    labelled: bool = True
    boxes: str | None = None

    def __str__(self) -> str:
        """What was found, in lines for people."""
        parts = ", ".join(f"{count} {side}" for side, count in self.split.items())
        spread = (
            f" to {_by(self.largest)}, median {_by(self.median)}, {self.sizes} different sizes"
            if self.sizes > 1
            else ""
        )
        kinds = ", ".join(
            f"{count} {'grey' if channels == 1 else 'RGB'}" for channels, count in self.channels.items()
        )
        what = "pairs" if self.labelled else "images without labels"
        lines = [
            f"{printable(self.source)}: format {self.format}, {self.pairs} {what}, {self.readable} readable ({parts})",
            f"images: {_by(self.smallest)}{spread}; {kinds}"
            if self.readable
            else "images: none could be read",
            *(self._labels() if self.labelled else ()),
        ]
        odd = [f"  {finding.kind}: {printable(finding.text)}" for finding in self.findings]
        return "\n".join([*lines, *(["what is odd:", *odd] if odd else ["nothing odd was found"])])

    def _labels(self) -> list[str]:
        """What is counted as objects, and the classes."""
        objects = "as annotated" if self.objects_are == "objects" else self.objects_are
        boxes = [f"boxes: {self.boxes}"] if self.boxes is not None else []
        return [f"objects: {objects}", *boxes, *self._table()]

    def _table(self) -> list[str]:
        """The classes, and where tokens are known what they keep of their objects."""
        width = max([5, *(len(printable(count.name)) for count in self.classes)])
        head = f"  {'id':>5}  {'class':<{width}}  {'pixels':>14}  {'share':>7}  {'images':>7}  {'objects':>8}"
        rows = [head + ("" if self.boxes is None else f"  {'boxes':>8}") + self._kept()]
        for one in self.classes:
            if not one.pixels and not one.objects:  # named among the findings
                continue
            row = (
                f"  {one.id:>5}  {printable(one.name):<{width}}  {one.pixels:>14,}  {one.share:>7.2%}  "
                f"{one.images:>7,}  {one.objects:>8,}"
            )
            row += "" if one.boxes is None else f"  {one.boxes:>8,}"
            rows.append(
                row
                + ("" if one.objects_kept is None else f"  {one.objects_kept:,} of {one.objects_at_size:,}")
            )
        return rows

    def _kept(self) -> str:
        """The head of the last column."""
        if self.tokens is None or self.size is None:
            return ""
        seen = _by(self.size) if self.scale is None else f"{self.scale:g} of their size"
        return f"  kept of those at {seen} by {self.tokens}"

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        return asdict(self) | {"channels": {str(k): n for k, n in self.channels.items()}}


def inspect(
    data: DataSet,
    *,
    geometry: Geometry | None = None,
    grid: tuple[int, int] | None = None,
    written: Callable[[Array], Array] | None = None,
    tokens: str | None = None,
    boxes: Mapping[int, int] | None = None,
    boxes_are: str | None = None,
    group_by: str | None = None,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Inspection:
    """Load every pair once and say what there is.

    Arguments:
        data: read with `strict=False`, so that what is wrong becomes a finding.
        geometry: how images would be resized, or cut into crops, for training.
        grid: (h, w) of the tokens of a view; with both, objects that are kept are counted.
        written: a label map after it was written in those tokens and read again; None where a token is a cell of
            one class. tokens: what they are, in words.
        boxes: how many objects of each class have one, and boxes_are: which, in words; None where it is not known.
        group_by: expression of the groups, as for `splits.split`.
        tell: called with (pairs done, pairs in all).

    Raises InputError for a grid that does not divide the size and for an expression that is bad or matches
    not all names.
    """
    parts, conflict = _split(data, group_by)
    tally, without = Tally(), data.classes.without_objects
    keeps = None if grid is None else _keeps(grid, geometry, written, without)
    tokens = None if grid is None else tokens or f"{_by(grid)} cells of one class"
    loaded = ahead(partial(_read, data), data.names)
    for done, (name, one) in enumerate(zip(data.names, loaded, strict=True), 1):
        try:
            if not isinstance(one, AnnotatedImage):
                raise one
            add(tally, data, one, geometry, keeps, without)
        except (InputError, OSError) as error:
            tally.unreadable.append((name, " ".join(str(error).split())))
        tell(done, len(data.names))
    alike = near_duplicates(np.stack(tally.views), tally.digests) if tally.views else None
    suggestion, neighbors = oddities.of_names(parts, group_by)
    findings = (
        *data.findings,
        *conflict,
        *oddities.of_pairs(data, tally),
        *oddities.of_lookalikes(tally, alike, parts),
        *neighbors,
    )
    found = _inspection(data, tally, parts, findings, geometry, grid, tokens, group_by, suggestion)
    if boxes is None:
        return found
    counted = tuple(replace(one, boxes=boxes.get(one.id, 0)) for one in found.classes)
    return replace(found, classes=counted, boxes=boxes_are)


def _keeps(
    grid: tuple[int, int],
    geometry: Geometry | None,
    written: Callable[[Array], Array] | None,
    without: Collection[int],
) -> Keeps:
    """Which objects of a view its tokens keep."""
    if geometry is None:
        raise InputError("a token grid needs a size: pass --size too")
    cell = check_grid(geometry.size, grid)
    if written is None:
        return partial(kept_objects, cell=cell, passed_over=without)
    return partial(kept_as_written, cell=cell, written=written, passed_over=without)


def _read(data: DataSet, name: str) -> AnnotatedImage | InputError | OSError:
    """A pair, or why it can't be read."""
    try:
        return data.load(name)
    except (InputError, OSError) as error:
        return error


def _split(data: DataSet, group_by: str | None) -> tuple[Split, tuple[Finding, ...]]:
    """The split as training would make it; a group on both of its sides is a finding here."""
    for name in data.names:
        group_of(name, group_by)
    try:
        return split_of(data, group_by), ()
    except InputError as error:
        return split_of(data), (Finding(kind="neighbors across the split", text=str(error)),)


def _inspection(
    data: DataSet,
    tally: Tally,
    parts: Split,
    findings: Sequence[Finding],
    geometry: Geometry | None,
    grid: tuple[int, int] | None,
    tokens: str | None,
    group_by: str | None,
    suggestion: str | None,
) -> Inspection:
    sides = np.array(tally.sizes or [(0, 0)])
    smallest, median, largest = (
        (int(y), int(x)) for y, x in (sides.min(0), np.median(sides, axis=0), sides.max(0))
    )
    # A pair of instances or components in a set of annotated objects is an image without any: what most pairs
    # have is named.
    return Inspection(
        source=data.source,
        format=data.format,
        pairs=len(data.names),
        readable=len(tally.names),
        smallest=smallest,
        median=median,
        largest=largest,
        sizes=len(set(tally.sizes)),
        channels=dict(sorted(tally.channels.items())),
        objects_are=tally.counted.most_common(1)[0][0] if tally.counted else "objects",
        classes=_class_counts(data, tally, at_size=tokens is not None),
        split={"training": len(parts.training), "validation": len(parts.validation), "test": len(parts.test)},
        group_by=group_by,
        suggested_group_by=suggestion,
        size=None if geometry is None else geometry.size,
        scale=geometry.scale if geometry is not None and geometry.crop else None,
        grid=grid,
        tokens=tokens,
        findings=tuple(findings),
        labelled=data.classes.labelled,
    )


def _class_counts(data: DataSet, tally: Tally, at_size: bool) -> tuple[ClassCount, ...]:
    total = max(sum(tally.pixels.values()), 1)
    if not data.classes.labelled:
        return ()
    ids = [*data.classes.ids, *(class_id for class_id in data.classes.ignore if tally.pixels[class_id])]
    return tuple(
        ClassCount(
            id=class_id,
            name=data.classes.name_of(class_id),
            pixels=tally.pixels[class_id],
            share=tally.pixels[class_id] / total,
            images=tally.images[class_id],
            objects=tally.objects[class_id],
            objects_at_size=tally.at_size[class_id] if at_size else None,
            objects_kept=tally.kept[class_id] if at_size else None,
        )
        for class_id in ids
    )
