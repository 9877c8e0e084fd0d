"""Pictures of a run: loss curves, reconstructions beside their originals, samples with their labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labelmint import pictures
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.layouts.boxes import BoxRule
from labelmint.protocols import ImageGenerator, LayoutSource
from labelmint.runs.batch_size import fitting
from labelmint.runs.config import RunConfig, read_run_config
from labelmint.runs.draw import Draw
from labelmint.runs.enlarged import beside_bicubic
from labelmint.runs.trained import TrainedSystem
from labelmint.systems.system import Wired
from labelmint.training.run_folder import RunFolder
from labelmint.types import AnnotatedImage, Array, Batch

__all__ = ["LAST_PREVIEW", "write_previews"]

LAST_PREVIEW = "samples.png"
_COLUMNS, _ROWS, _SHOWN = 8, 4, 16


def write_previews(run: RunFolder, wired: Wired, validation: Pairs, device: torch.device) -> None:
    """Write curves.png, samples.png, and reconstructions.png where the generator gives images back. Of an upscaler
    samples.png shows images enlarged, of a run that draws layouts alone their boxes.

    Images are drawn as many at a time as memory holds: a training that took its batches in parts ends with pictures.
    """
    config = read_run_config(run)
    pictures.curves(run.read_log(), run.path / "curves.png")
    if wired.upscaler is not None:
        spread = np.linspace(0, len(validation) - 1, min(_ROWS, len(validation))).astype(int)
        images = validation.take(spread).fixed(0, _ROWS).image.to(device)
        beside_bicubic(wired.upscaler, images, run.path / LAST_PREVIEW)
    if wired.images is None:
        if wired.layouts is not None and config.boxes is not None:
            _write_boxes(run, config, config.boxes, wired.layouts, validation)
        return
    system = TrainedSystem(run.path, config, wired, "", device)
    # one is tried in any case: the weights are there by now
    at_once = fitting(_SHOWN, system.drawing_bytes, device) or 1
    columns = min(_COLUMNS, len(validation))
    batch = validation.fixed(0, 2 * columns)
    given_back = _given_back(wired.images, batch, at_once, device)
    if given_back is not None:
        rows = _in_rows(batch.image, given_back, columns)
        pictures.image_grid(rows, run.path / "reconstructions.png", columns=columns)
    draw = Draw(batch_size=at_once)
    samples = [pair for number in range(_SHOWN // at_once) for pair in system.chunk(number, draw)]
    pictures.contact_sheet(samples, config.class_set, run.path / LAST_PREVIEW)


def _given_back(images: ImageGenerator, batch: Batch, at_once: int, device: torch.device) -> Tensor | None:
    """What comes back of the images of a batch (B, C, H, W), on the CPU; None where nothing does."""
    found = []
    for first in range(0, len(batch), at_once):
        back = images.given_back(batch[first : first + at_once].to(device))
        if back is None:
            return None
        found.append(back.cpu())
    return torch.cat(found)


def _write_boxes(
    run: RunFolder, config: RunConfig, rule: BoxRule, source: LayoutSource, validation: Pairs
) -> None:
    """Write samples.png: held-out images with their boxes, and boxes that were drawn, on blank ones."""
    batch = validation.fixed(0, _SHOWN)
    drawn = source.sample(
        [(0, index) for index in range(_SHOWN)], {dial.name: dial.usual for dial in source.dials}
    )
    pixels = EIGHT_BITS.from_unit(batch.image)
    blank = np.full_like(pixels[0], pictures.BLANK)
    real, new = (
        [
            AnnotatedImage(name=str(row), image=image, layout=layout)
            for row, (image, layout) in enumerate(
                zip(images, rule.labels(seen.to("cpu"), config.symbol_table), strict=False)
            )
        ]
        for images, seen in ((pixels, rule.see(batch.layouts)), ([blank] * _SHOWN, drawn))
    )
    pictures.side_by_side(real, new, config.class_set, run.path / LAST_PREVIEW)


def _in_rows(originals: Tensor, given_back: Tensor, columns: int) -> list[Array]:
    """Rows of images, each row followed by what came back of it, the last ones filled with white; (H, W, C)
    uint8 each, of images (B, C, H, W) in [-1, 1].
    """
    before, after = EIGHT_BITS.from_unit(originals), EIGHT_BITS.from_unit(given_back)
    rows: list[Array] = []
    for first in range(0, len(before), columns):
        for images in (before, after):
            row = [*images[first : first + columns]]
            rows += row + [np.full_like(before[0], 255)] * (columns - len(row))
    return rows
