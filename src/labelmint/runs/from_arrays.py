"""Given layouts from arrays, painted in a program, say: `labelmint.runs.from_arrays.given_arrays(system, maps)`.

They are taken as they are: at the size of the run's images, in classes that it was trained on. A run that sees boxes
takes those around the regions, as of any map (`layouts.boxes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from labelmint.datasets.geometry import Geometry
from labelmint.errors import InputError
from labelmint.runs.given import Given
from labelmint.types import AnnotatedImage, Array, DataSet, Layout

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["class_ids_of", "given_arrays", "takes_no_arrays"]

_SOURCE = "layouts from arrays"


def given_arrays(
    system: TrainedSystem,
    label_maps: Array | Sequence[Array],
    instances: Array | Sequence[Array] | None = None,
    names: Sequence[str] = (),
) -> Given:
    """Layouts as a system takes them: `Draw(layouts=given_arrays(system, maps))` draws images for them in turn.

    Arguments:
        label_maps: N maps (H, W) of class ids, of the size of the run's images.
        instances: N maps (H, W), 0 = none, each other value one object; None for none.
        names: of the layouts, for the manifest; "layout 0", ... unless given.

    Raises InputError for a run that takes no layouts, for another size, and for ids that the run was not trained on.
    """
    reason = takes_no_arrays(system)
    if reason is not None:
        raise InputError(f"{_SOURCE}: {reason}")
    maps = [np.asarray(one) for one in label_maps]
    objects = [None] * len(maps) if instances is None else [np.asarray(one) for one in instances]
    if len(objects) != len(maps):
        raise InputError(
            f"{_SOURCE}: {len(maps)} label maps and {len(objects)} instance maps; expected as many"
        )
    named = tuple(names) or tuple(f"layout {place}" for place in range(len(maps)))
    layouts = [_checked(system, one, own) for one, own in zip(maps, objects, strict=True)]
    held = _Held(dict(zip(named, layouts, strict=True)))
    data = DataSet(source=_SOURCE, format="arrays", classes=system.classes, names=named, load=held)
    as_they_are = replace(system.as_trained, geometry=Geometry(size=system.size))
    found = as_they_are.layouts(data)
    return Given(ids=found.ids, boxes=found.boxes if system.config.boxes else None, names=named)


def takes_no_arrays(system: TrainedSystem) -> str | None:
    """Why a run draws no images for layouts from arrays; None where it does."""
    if not system.classes.labelled:
        return "the run learned from images without labels, so there are no layouts"
    if system.learned_from_images:
        return "the run knows one class an image, and nothing of where it is"
    if system.moves_pairs:
        return (
            f"{system.system} takes layout and image from one labelled pair, so no other layout can be given"
        )
    if system.needs_references:
        return "the run writes layouts in tokens together with their images (tokenizer.reference), and arrays have none"
    return None


def class_ids_of(system: TrainedSystem) -> tuple[int, ...]:
    """The ids that layouts from arrays may hold: those of the classes and of what is ignored that it has seen."""
    return tuple(sorted({class_id for class_id, _ in system.config.symbol_table.symbols}))


def _checked(system: TrainedSystem, label_map: Array, instances: Array | None) -> Layout:
    """A layout of known classes at the run's size."""
    if label_map.shape != tuple(system.size):
        raise InputError(f"{_SOURCE}: expected maps of {system.size} pixels (H, W), got {label_map.shape}")
    known = class_ids_of(system)
    strange = sorted(set(np.unique(label_map).tolist()) - set(known))
    if strange:
        listed = ", ".join(f"{one} ({system.classes.name_of(one)})" for one in known)
        raise InputError(f"{_SOURCE}: the run was not trained on class id {strange[0]}; it knows {listed}")
    kind = np.uint8 if max(known) <= 255 else np.uint16
    objects = None if instances is None else instances.astype(np.uint16)
    return Layout(label_map=label_map.astype(kind), instances=objects)


@dataclass(frozen=True)
class _Held:
    """name -> a layout that is held, with a blank image."""

    layouts: dict[str, Layout]

    def __call__(self, name: str) -> AnnotatedImage:
        layout = self.layouts[name]
        return AnnotatedImage(name=name, image=np.zeros((*layout.size, 1), np.uint8), layout=layout)

    def layout(self, name: str) -> Layout:
        """The layout alone."""
        return self.layouts[name]
