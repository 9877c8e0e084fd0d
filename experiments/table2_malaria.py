"""Table 2 of the long MSGNet paper: malaria, a U-Net without and with generated patches, plain and with a DenseNet-161
encoder.

    python -m experiments.table2_malaria --data BBBC041 --out DIR [--encoder-weights densenet161.pth]

As in appendix A.3: the infected classes are one, all else is background; smears at 256x256, patches of 96x96; 0.65
generated patches for each real one (6,500 beside 10,000). The paper had 1,208 smears to train on. Its encoder was
pretrained on ImageNet, whose weights are not fetched: without --encoder-weights the row says so.
"""

from __future__ import annotations

import sys

import numpy as np
from experiments.tables_of_study import Made, Row, StudyTable, make

from labelmint.types import Array

__all__ = ["TABLE", "main"]

_INFECTED = (2, 3, 4, 5)  # trophozoite, ring, schizont, gametocyte


def infected(image: Array, label_map: Array) -> Array:
    """1 on infected cells, 0 elsewhere."""
    return np.isin(label_map, _INFECTED).astype(np.uint8)


TABLE = StudyTable(
    name="table2",
    rows=(
        Row(model="U-Net", network={}, published=("0.537 ± 0.005", "0.559 ± 0.008")),
        Row(
            model="DenseNet-161 encoder",
            network={"network": "dense", "depth": "161"},
            published=("0.634 ± 0.004", "0.645 ± 0.006"),
        ),
    ),
    made=Made(classes=("background", "infected"), class_of=infected, size=(256, 256)),
    options={"size": (96, 96), "crop": True, "augment": ("flips", "turns"), "ratios": (0.65,)},
)


def main(arguments: list[str] | None = None) -> int:
    """Write OUT/table2.json and OUT/table2.md; returns the exit code."""
    return make(TABLE, __doc__ or "", arguments)


if __name__ == "__main__":
    sys.exit(main())
