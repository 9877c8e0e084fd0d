"""Do given layouts ask for sizes that the run never saw? Such objects come out wrong (Figure 16 of the MSGNet
paper's long form).

    outside:  v < (1 - t) min_k or v > (1 + t) max_k,   t = 5 %,   for v = area, width or height in pixels of
              an object of class k, min_k and max_k over the objects of that class in the layouts stored in
              the run

An object is an instance, else a connected piece of a class, at the size of the run, and before the layout
grid makes it coarser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelmint.datasets.objects import object_map
from labelmint.types import Array, ClassSet

if TYPE_CHECKING:
    from torch import Tensor

    from labelmint.runs.trained import TrainedSystem

__all__ = ["AT_MOST", "MEASURES", "TOLERANCE", "GivenSizes", "object_sizes", "outside_sizes", "size_warnings"]

TOLERANCE = 0.05
# layouts of either kind that are looked at, all that a run stores: half a second at 64x64 pixels
AT_MOST = 4096
MEASURES = ("area", "width", "height")

Sizes = dict[int, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class GivenSizes:
    """Sizes of the objects of given layouts, and between what sizes those lay that the run was trained on.

    Attributes:
        count: how many layouts are given. looked_at: training layouts that were looked at.
        trained: the least and the greatest (2, 3) of each class id. given: sizes by the index of a layout.
    """

    count: int
    looked_at: int
    trained: Sizes
    given: dict[int, Sizes]

    @classmethod
    def measured(cls, system: TrainedSystem, layouts: Tensor, used: Iterable[int]) -> GivenSizes:
        """Sizes of those of given symbol maps (N, H, W) that are used, and of the first `AT_MOST` stored in the run."""
        stored = system.training_layouts()[:AT_MOST]
        trained = {
            class_id: np.stack([sizes.min(axis=0), sizes.max(axis=0)])
            for class_id, sizes in object_sizes(system, stored).items()
        }
        given = {int(k): object_sizes(system, layouts[k : k + 1]) for k in used}
        return cls(len(layouts), len(stored), trained, given)

    def warnings(self, used: Sequence[int], classes: ClassSet) -> list[str]:
        """One line for each class of which objects of the layouts used, the first `AT_MOST` of them, lie outside."""
        found: dict[int, list[Array]] = {}
        for index in used[:AT_MOST]:
            for class_id, sizes in self.given[index].items():
                found.setdefault(class_id, []).append(sizes)
        joined = {class_id: np.concatenate(sizes) for class_id, sizes in sorted(found.items())}
        return outside_sizes(joined, self.trained, classes, self.looked_at)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, of which `from_json` makes it again."""
        given = [[index, _to_json(sizes)] for index, sizes in self.given.items()]
        return {
            "count": self.count,
            "looked_at": self.looked_at,
            "trained": _to_json(self.trained),
            "given": given,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> GivenSizes:
        """The same as was stored; raises KeyError, TypeError or ValueError for anything else."""
        given = {int(index): _from_json(sizes) for index, sizes in content["given"]}
        return cls(int(content["count"]), int(content["looked_at"]), _from_json(content["trained"]), given)


def _to_json(sizes: Sizes) -> list[Any]:
    return [[class_id, rows.tolist()] for class_id, rows in sizes.items()]


def _from_json(content: list[Any]) -> Sizes:
    return {int(class_id): np.array(rows, np.int64) for class_id, rows in content}


def size_warnings(system: TrainedSystem, layouts: Tensor, used: Sequence[int]) -> list[str]:
    """One line for each class of which given objects lie outside the sizes that the run was trained on; none
    where all lie inside.

    Arguments:
        system: whose stored layouts say what it was trained on; the first `AT_MOST` count.
        layouts: symbol maps (N, H, W), from `system.layouts_of`.
        used: indices of those that are drawn; the first `AT_MOST` are looked at.
    """
    return GivenSizes.measured(system, layouts, used[:AT_MOST]).warnings(used, system.classes)


def object_sizes(system: TrainedSystem, layouts: Tensor) -> Sizes:
    """Area, width and height in pixels, (M, 3), of the M objects of each class id in symbol maps (N, H, W)."""
    without = system.classes.without_objects
    table, has_instances = system.config.symbol_table, system.config.has_instances
    found: dict[int, list[Array]] = {}
    for ids in layouts.numpy():
        layout = table.layout(ids, has_instances)
        numbered, classes = object_map(layout.label_map, layout.instances, without)
        for class_id, sizes in zip(classes, _sizes(numbered, len(classes)), strict=True):
            found.setdefault(class_id, []).append(sizes)
    return {class_id: np.array(rows, np.int64) for class_id, rows in sorted(found.items())}


def _sizes(numbered: Array, count: int) -> Array:
    """(count, 3) of objects numbered from 1 on."""
    from scipy import ndimage

    areas = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    boxes = [
        (columns.stop - columns.start, rows.stop - rows.start)
        for rows, columns in ndimage.find_objects(numbered, count)
    ]
    return np.column_stack([areas, np.array(boxes, np.int64).reshape(-1, 2)])


def outside_sizes(given: Sizes, trained: Sizes, classes: ClassSet, looked_at: int) -> list[str]:
    """The lines for objects (M, 3) by class id, against those of `looked_at` training layouts."""
    lines = []
    for class_id, sizes in given.items():
        name = f"class {classes.name_of(class_id)!r}: "
        if class_id not in trained:
            lines.append(
                f"{name}none of the {looked_at} training layouts looked at holds such an object; the images "
                f"may be wrong"
            )
            continue
        low, high = trained[class_id].min(axis=0), trained[class_id].max(axis=0)
        outside = (sizes < (1 - TOLERANCE) * low) | (sizes > (1 + TOLERANCE) * high)
        if outside.any():
            broken = ", ".join(
                f"{measure} {sizes[:, k].min()} to {sizes[:, k].max()} (trained on {low[k]} to {high[k]})"
                for k, measure in enumerate(MEASURES)
                if outside[:, k].any()
            )
            wrong = int(outside.any(axis=1).sum())
            lines.append(
                f"{name}{wrong} of {len(sizes)} given objects lie outside the sizes of {looked_at} training "
                f"layouts, in pixels: {broken}; "
                "their images may be wrong"
            )
    return lines
