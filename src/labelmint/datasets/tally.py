"""One pass over a data set: what its pairs hold, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from labelmint.datasets.duplicates import digest_of, view_from_afar
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.objects import object_map
from labelmint.formats.painting import PaintedLayout, without_pixels
from labelmint.types import AnnotatedImage, Array, DataSet, Layout

__all__ = ["Keeps", "Tally", "add", "count"]

# A label map and instances at the size of training -> objects by class, and those that tokens keep.
Keeps = Callable[[Array, Array | None], tuple[Counter[int], Counter[int]]]


@dataclass
class Tally:
    """What one pass over the pairs gathers.

    names, sizes, digests and views have one entry a readable pair. Counters are by class id; `channels` by
    their number, `counted` by what the objects of a pair are; `strange` counts objects
    of ids that are no classes, which no pixel has. Of the maps that no objects were painted into,
    `drawn` counts pixels and `solid` blocks of 2x2 pixels of one id. `noted` has the names of pairs by the notes
    of their images (`types.NOTES`). `annotated` objects were to be painted; `hidden` has the pairs where some of
    them cover no pixel, with their number, and `fractions` counts those with coordinates between 0 and 1 alone.
    """

    names: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    channels: Counter[int] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    images: Counter[int] = field(default_factory=Counter)
    objects: Counter[int] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    at_size: Counter[int] = field(default_factory=Counter)
    kept: Counter[int] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    unknown: dict[str, dict[int, int]] = field(default_factory=dict)
    strange: Counter[int] = field(default_factory=Counter)
    empty: list[str] = field(default_factory=list)
    solid: Counter[int] = field(default_factory=Counter)
    drawn: Counter[int] = field(default_factory=Counter)
    noted: dict[str, list[str]] = field(default_factory=dict)
    annotated: int = 0
    fractions: int = 0
    hidden: dict[str, int] = field(default_factory=dict)
    digests: list[bytes] = field(default_factory=list)
    views: list[Array] = field(default_factory=list)


def add(
    tally: Tally,
    data: DataSet,
    pair: AnnotatedImage,
    geometry: Geometry | None,
    keeps: Keeps | None,
    without: frozenset[int],
) -> None:
    """One pair; with a geometry, and what tokens keep, its objects are counted as training sees them too."""
    layout = pair.layout
    if geometry is not None and keeps is not None:  # first: a pair that does not fit is not counted in part
        maps = geometry.fit_maps(
            pair.name, [m for m in (layout.label_map, layout.instances) if m is not None]
        )
        at_size, kept = keeps(maps[0], maps[1] if len(maps) > 1 else None)
        tally.at_size.update(at_size)
        tally.kept.update(kept)
    count(tally, data, pair, without)
    tally.counted[_kind(layout)] += 1
    if not layout.objects:
        tally.objects.update(object_map(layout.label_map, layout.instances, without)[1])
    tally.digests.append(digest_of(pair.image))
    tally.views.append(view_from_afar(pair.image))


def count(tally: Tally, data: DataSet, pair: AnnotatedImage, without: frozenset[int]) -> None:
    """What is counted of a pair whatever it is loaded for: its pixels, where they are not still to be painted, and what
    is odd about it.
    """
    layout = pair.layout
    tally.names.append(pair.name)
    tally.sizes.append(layout.size)
    tally.channels[pair.channels] += 1
    for note in pair.notes:
        tally.noted.setdefault(note, []).append(pair.name)
    if layout.objects:
        tally.objects.update(one.class_id for one in layout.objects if one.class_id not in without)
        _compare(tally, pair)
    if isinstance(layout, PaintedLayout):
        present = {layout.ground, *(one.class_id for one in layout.objects)}
    else:
        present = _count_pixels(tally, data, pair)
    tally.images.update(present)
    if present <= without:
        tally.empty.append(pair.name)
    known = {*data.classes.ids, *data.classes.ignore, *tally.unknown.get(pair.name, ())}
    tally.strange.update(one.class_id for one in layout.objects if one.class_id not in known)


def _count_pixels(tally: Tally, data: DataSet, pair: AnnotatedImage) -> set[int]:
    """Count the pixels of a map; returns the ids that it holds."""
    label_map = pair.layout.label_map
    counts = np.bincount(label_map.ravel())
    found = {class_id: int(counts[class_id]) for class_id in np.flatnonzero(counts).tolist()}
    tally.pixels.update(found)
    known = {*data.classes.ids, *data.classes.ignore}
    if unknown := {class_id: count for class_id, count in found.items() if class_id not in known}:
        tally.unknown[pair.name] = unknown
    if not pair.layout.objects:
        blocks = np.bincount(_solid(label_map))
        tally.solid.update({int(i): int(blocks[i]) for i in np.flatnonzero(blocks)})
        tally.drawn.update(found)
    return set(found)


def _solid(label_map: Array) -> Array:
    """The ids of the blocks of 2x2 pixels that hold one id alone, (N,)."""
    corner = label_map[:-1, :-1]
    same = (corner == label_map[1:, 1:]) & (corner == label_map[1:, :-1]) & (corner == label_map[:-1, 1:])
    solid: Array = corner[same]
    return solid


def _compare(tally: Tally, pair: AnnotatedImage) -> None:
    """What was annotated with what was painted."""
    layout = pair.layout
    tally.annotated += len(layout.objects)
    tally.fractions += sum(min(one.box) >= 0 and max(one.box) <= 1 for one in layout.objects)
    if isinstance(layout, PaintedLayout):
        hidden = without_pixels(layout.objects, layout.size)
        tally.hidden.update({pair.name: hidden} if hidden else {})
    elif layout.instances is not None:
        painted = int(np.count_nonzero(np.bincount(layout.instances.ravel())[1:]))
        if painted < len(layout.objects):
            tally.hidden[pair.name] = len(layout.objects) - painted


def _kind(layout: Layout) -> str:
    """What the objects of a pair are: as annotated, else instances, else connected components."""
    if layout.objects:
        return "objects"
    return "connected components" if layout.instances is None else "instances"
