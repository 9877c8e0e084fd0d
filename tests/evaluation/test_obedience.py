"""What counts where objects of labels are looked for in readings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np

from labelmint.evaluation.material import Material
from labelmint.evaluation.obedience import _counted
from labelmint.evaluation.views import Views
from labelmint.types import ClassInfo, ClassSet

CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell")), ignore=(255,))


def test_what_is_read_where_labels_are_ignored_is_no_false_alarm() -> None:
    labels, instances = np.zeros((1, 8, 16), np.int16), np.zeros((1, 8, 16), np.uint16)
    labels[0, 2:6, 2:6] = instances[0, 2:6, 2:6] = 1
    readings = labels.copy()
    readings[0, 2:6, 10:14] = 1
    labels[0, :, 8:] = -1
    views = Views(
        names=("a",),
        groups=("a",),
        images=np.zeros((1, 8, 16, 1), np.uint8),
        labels=labels,
        instances=instances,
    )
    material = cast(Material, SimpleNamespace(classes=CLASSES, backgrounds=frozenset({0, 255})))
    found, labelled, read, matched = _counted(material, views, readings, np.arange(1))[0]
    assert (found, labelled, read, matched) == (1, 1, 1, 1)
