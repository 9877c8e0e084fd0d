"""An object that moves along a path and comes back: the car that drives away (CIMLE's supplement, C.2).

    p_f = min(f, F - 1 - f) / floor((F - 1) / 2),    f = 0 ... F - 1,    F > 2                     (1)
    mask_f(c + p_f d + z^p_f r) = mask(c + r),    z > 0                                            (2)

The way there and back is walked at one speed (1). At p of it the object is shown around its center c, shifted by p d
and z^p times as large (2), so each frame changes its size by the same factor. Where it stood, a pixel takes what the
nearest pixel has that shows no object of its class and no other instance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labelmint.datasets.objects import object_map
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array, ClassSet, DataSet, Layout

__all__ = ["Path", "moved", "walked"]


@dataclass(frozen=True)
class Path:
    """Where an object goes: by (x, y) pixels, to `zoom` times its size."""

    by: tuple[float, float]
    zoom: float

    def at(self, p: float) -> tuple[float, float, float]:
        """Shift to the right, shift down, and size, at p of the way."""
        return p * self.by[0], p * self.by[1], self.zoom**p


def walked(frame: int, frames: int) -> float:
    """Equation (1)."""
    return min(frame, frames - 1 - frame) / ((frames - 1) // 2)


def moved(data: DataSet, name: str, class_name: str, path: Path, frames: int) -> DataSet:
    """The layout of a data set as its largest object of a class goes there and back, a layout a frame.

    Raises InputError for a class that is none, that has no objects, or of which the layout shows none.
    """
    classes = data.classes
    if class_name not in classes.names:
        raise InputError(
            f"--move {class_name}: there is no such class in {data.source}; there are {', '.join(classes.names)}"
        )
    class_id = classes.ids[classes.names.index(class_name)]
    if class_id in classes.without_objects:
        raise InputError(
            f"--move {class_name}: is what objects stand on, and none itself; name another class"
        )
    scene = _Scene(data.layout(name), classes, class_id)
    if not scene.mask.any():
        seen = ", ".join(classes.name_of(one) for one in sorted(np.unique(scene.layout.label_map).tolist()))
        raise InputError(
            f"--move {class_name}: the layout {name!r} of {data.source} shows none; it shows {seen}; choose another "
            f"with --name"
        )
    names = tuple(f"{frame:06d}" for frame in range(frames))
    return DataSet(
        source=data.source,
        format=data.format,
        classes=classes,
        names=names,
        load=_Frames(scene, path, frames),
    )


@dataclass(frozen=True)
class _Scene:
    """A layout, and which object of it moves: the largest of a class."""

    layout: Layout
    classes: ClassSet
    class_id: int

    @cached_property
    def objects(self) -> tuple[Array, list[int]]:
        """Objects numbered from 1 on, (H, W), and the class of each."""
        return object_map(self.layout.label_map, self.layout.instances, self.classes.without_objects)

    @cached_property
    def mask(self) -> Array:
        """Booleans (H, W) of the object that moves, none where there is no such object; of equals the first."""
        numbered, of_class = self.objects
        own = [k for k, class_id in enumerate(of_class, 1) if class_id == self.class_id]
        areas = np.bincount(numbered.ravel(), minlength=len(of_class) + 1)
        found: Array = numbered == (max(own, key=lambda k: areas[k]) if own else -1)
        return found

    @cached_property
    def without(self) -> Layout:
        """The layout with what lies behind the object."""
        from scipy import ndimage

        label_map, numbered = self.layout.label_map, self.layout.instances
        known = ~self.mask & ~np.isin(label_map, self.classes.ignore)
        ground = known & (label_map != self.class_id) & (True if numbered is None else numbered == 0)
        beside = [ground, known, ~self.mask]
        rest = next((one for one in beside if one.any()), None)
        if rest is None:
            return self.layout  # one object is all of it
        rows, columns = ndimage.distance_transform_edt(~rest, return_distances=False, return_indices=True)
        maps = [
            None if one is None else np.where(self.mask, one[rows, columns], one)
            for one in (self.layout.label_map, self.layout.instances)
        ]
        assert maps[0] is not None
        return Layout(label_map=maps[0], instances=maps[1])

    def at(self, right: float, down: float, size: float) -> Layout:
        """The layout with the object shifted and scaled."""
        mask, (height, width) = self.mask, self.mask.shape
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        center = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
        old = [
            np.floor(middle + (np.arange(extent) + 0.5 - middle - shift) / size).astype(np.int64)
            for middle, extent, shift in zip(center, (height, width), (down, right), strict=True)
        ]
        inside = ((old[0] >= 0) & (old[0] < height))[:, None] & ((old[1] >= 0) & (old[1] < width))
        shown = mask[old[0].clip(0, height - 1)][:, old[1].clip(0, width - 1)] & inside
        label_map, instances = self.without.label_map.copy(), self.without.instances
        label_map[shown] = self.class_id
        if instances is not None and self.layout.instances is not None:
            instances = instances.copy()
            instances[shown] = self.layout.instances[mask][0]
        return Layout(label_map=label_map, instances=instances)


@dataclass(frozen=True)
class _Frames:
    """name -> the layout of that frame, with a blank image."""

    scene: _Scene
    path: Path
    frames: int

    def __call__(self, name: str) -> AnnotatedImage:
        layout = self.layout(name)
        return AnnotatedImage(name=name, image=np.zeros((*layout.size, 1), np.uint8), layout=layout)

    def layout(self, name: str) -> Layout:
        """The layout of the frame; at the ends of the way it is that of the data."""
        p = walked(int(name), self.frames)
        if p == 0:
            return Layout(label_map=self.scene.layout.label_map, instances=self.scene.layout.instances)
        return self.scene.at(*self.path.at(p))
