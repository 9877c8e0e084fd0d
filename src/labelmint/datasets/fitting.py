"""Loading: from a data set on disk to pairs at the scale of training, each image decoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.datasets.ranges import Range, range_of
from labelmint.datasets.scaling import as_channels
from labelmint.datasets.splits import group_of
from labelmint.datasets.watching import loaded
from labelmint.errors import InputError
from labelmint.types import Array, DataSet, Layout

__all__ = ["Tell", "check_ids", "fitted", "fitted_image", "fitted_layout"]

Tell = Callable[[int, int], None]  # pairs done, of all
_EVERY = 50  # pairs between two reports


def fitted(
    data: DataSet,
    names: Sequence[str],
    geometry: Geometry,
    *,
    channels: int | None = None,
    group_by: str | None = None,
    normalize: str = "none",
    tell: Tell = lambda done, of: None,
) -> Iterator[Pair]:
    """Pairs of a data set at the scale of training, one after the other; their `ids` and boxes hold class ids.

    Arguments:
        channels: of the images; as many as each has where None.
        group_by: regular expression of the groups.
        normalize: "image" spreads each image from its own range (`datasets.ranges`) before it is resized.
        tell: called with (pairs loaded, pairs in all).

    Raises InputError for ids that are no classes, color images where grey ones are wanted, and crops that do not
    fit in.
    """
    for done, (name, one) in enumerate(zip(names, loaded(data, names), strict=True), start=1):
        check_ids(data, name, one.layout)
        image, levels = fitted_image(
            f"{data.source}: {name!r}", name, one.image, geometry, channels=channels, normalize=normalize
        )
        ids, instances, boxes = fitted_layout(name, one.layout, geometry)
        yield Pair(
            name=name,
            group=group_of(name, group_by),
            image=image,
            ids=ids,
            instances=instances,
            boxes=boxes,
            range=levels,
        )
        if done % _EVERY == 0 or done == len(names):
            tell(done, len(names))


def fitted_image(
    where: str, name: str, image: Array, geometry: Geometry, *, channels: int | None, normalize: str
) -> tuple[Array, Range | None]:
    """An image (H, W, C) at the scale of training, and the range that it was spread from, if it was; the options are
    those of `fitted`.

    Raises InputError for a color image where grey ones are wanted, in which it is called `where`, and for crops that
    do not fit in.
    """
    if channels is not None and image.shape[2] > channels:
        raise InputError(
            f"{where} is a color image, and those trained on are grey; convert it to grey, or train on color images"
        )
    levels = range_of(image) if normalize == "image" else None
    found = geometry.fit_image(name, image if levels is None else levels.spread(image))
    return found if channels is None else as_channels(found, channels), levels


def fitted_layout(name: str, layout: Layout, geometry: Geometry) -> tuple[Array, Array | None, Array | None]:
    """A layout at the scale of training: class ids (H, W), instances (H, W) or None, and the boxes (N, 5) of
    its objects, class ids and corners, or None where it has no objects. Crowds are regions, not objects, and
    get no box.
    """
    maps = [layout.label_map] + ([] if layout.instances is None else [layout.instances])
    ids, *instances = geometry.fit_maps(name, maps)
    boxes = None
    if layout.objects:
        rows = [(one.class_id, *one.box) for one in layout.objects if not one.crowd]
        boxes = geometry.fit_boxes(name, np.array(rows, np.float64).reshape(-1, 5), layout.size)
    return ids, instances[0] if instances else None, boxes


def check_ids(data: DataSet, name: str, layout: Layout) -> None:
    """Raise InputError for ids of a layout that are neither classes nor ignored."""
    known = {*data.classes.ids, *data.classes.ignore}
    strange = next((one.class_id for one in layout.objects if one.class_id not in known), None)
    if strange is not None:
        raise InputError(
            f"{data.source}: an object of {name!r} has class id {strange}, which is no class; list it in "
            f"classes.json"
        )
    unknown = data.classes.unknown(layout.label_map)
    if unknown:
        shown = ", ".join(f"{value} ({count} pixels)" for value, count in list(unknown.items())[:5])
        raise InputError(
            f"{data.source}: the label of {name!r} holds ids that are no classes: {shown}; list them in "
            f"classes.json, or pass --ignore"
        )
