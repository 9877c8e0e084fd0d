"""Pictures of a run: loss curves, reconstructions beside their originals, samples with their labels."""

from __future__ import annotations

import numpy as np
import torch

from labelmint import pictures
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.runs.config import read_run_config
from labelmint.runs.trained import TrainedSystem
from labelmint.systems.system import Wired
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array

__all__ = ["LAST_PREVIEW", "write_previews"]

LAST_PREVIEW = "samples.png"
_COLUMNS = 8


def write_previews(run: RunFolder, wired: Wired, validation: Pairs, device: torch.device) -> None:
    """Write curves.png, reconstructions.png and samples.png into the run folder."""
    config = read_run_config(run)
    pictures.curves(run.read_log(), run.path / "curves.png")
    columns = min(_COLUMNS, len(validation))
    pictures.image_grid(
        _reconstructions(wired, validation, device, columns),
        run.path / "reconstructions.png",
        columns=columns,
    )
    system = TrainedSystem(run.path, config, wired, "", device)
    pictures.contact_sheet(system.sample_chunk(0, batch_size=16), config.class_set, run.path / LAST_PREVIEW)


@torch.no_grad()
def _reconstructions(wired: Wired, validation: Pairs, device: torch.device, columns: int) -> list[Array]:
    """Rows of held-out images, each row followed by its reconstruction, the last ones filled with white; (H,
    W, C) uint8 each.
    """
    batch = validation.fixed(0, 2 * columns)
    batch = batch.to(device)
    decoded = wired.images.given_back(batch)
    originals, reconstructed = (EIGHT_BITS.from_unit(images) for images in (batch.image, decoded))
    rows: list[Array] = []
    for first in range(0, len(originals), columns):
        for images in (originals, reconstructed):
            row = [*images[first : first + columns]]
            rows += row + [np.full_like(originals[0], 255)] * (columns - len(row))
    return rows
