"""Table 3 of the long MSGNet paper: slices of brain tumors, a U-Net without and with generated slices.

    python -m experiments.table3_brats --data BRATS --out DIR

As in appendix A.4: edema, enhancing tumor, and the necrotic and non-enhancing core are three classes. The paper has two
backgrounds, one a mode, and does not say how one label map holds both; here they are what lies outside the head, where
both modes are 0, and the rest of the brain. It does not say how many slices were generated either; here there is one
for each real one. Slices of a patient are a group: nothing validates that was trained on.
"""

from __future__ import annotations

import sys

import numpy as np
from experiments.tables_of_study import Made, Row, StudyTable, make

from labelmint.types import Array

__all__ = ["TABLE", "main"]

# 0 background, 1 necrosis, 2 edema, 3 non-enhancing, 4 enhancing tumor
_CLASS_OF = np.array([1, 3, 2, 3, 4], np.uint8)


def regions(image: Array, label_map: Array) -> Array:
    """0 outside the head, 1 brain, 2 edema, 3 core, 4 enhancing tumor."""
    found: Array = _CLASS_OF[label_map]
    outside = (image == 0).all(axis=-1) & (label_map == 0)
    return np.where(outside, np.uint8(0), found)


TABLE = StudyTable(
    name="table3",
    rows=(Row(model="U-Net", network={}, published=("0.614 ± 0.008", "0.645 ± 0.003")),),
    made=Made(
        classes=(
            "background",
            "background brain",
            "edema",
            "necrotic and non-enhancing core",
            "enhancing tumor",
        ),
        class_of=regions,
    ),
    options={"size": (96, 96), "augment": ("mirror",), "ratios": (1.0,), "group_by": r"(pat\d+)"},
)


def main(arguments: list[str] | None = None) -> int:
    """Write OUT/table3.json and OUT/table3.md; returns the exit code."""
    return make(TABLE, __doc__ or "", arguments)


if __name__ == "__main__":
    sys.exit(main())
