"""A judge, a system and candidates of the filter's tests, true, false and copied."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from scipy import ndimage

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.symbols import SymbolTable
from labelmint.dials import LAYOUT_TEMPERATURE, TEMPERATURE, settled
from labelmint.protocols import Dials
from labelmint.runs.draw import Draw
from labelmint.segmenters.agreement import SCORE, doubt_thresholds, read_pairs
from labelmint.segmenters.standard import RealData, Standard, digest_of_images
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout

SIDE = 24
CLASSES = ClassSet((ClassInfo(id=3, name="background"), ClassInfo(id=7, name="blob")))
TRAINING, VALIDATION = tuple(f"t{i}" for i in range(10)), tuple(f"v{i}" for i in range(6))


@cache
def pair(name: str, seed: int, stem: int = 1) -> AnnotatedImage:
    """Bright blobs on an uneven ground; blobs are labelled 7."""
    rng = np.random.default_rng((stem, seed))
    blobs = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2.5)
    shown = blobs > np.quantile(blobs, 0.75)
    light = 60 + 30 * ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 3) / 0.1
    image = np.where(shown, 220, light.clip(20, 100)) + rng.normal(0, 2, (SIDE, SIDE))
    labels = np.where(shown, 7, 3).astype(np.uint8)
    return AnnotatedImage(
        name=name,
        image=image.clip(0, 255).astype(np.uint8)[..., None],
        layout=Layout(label_map=labels, instances=shown.astype(np.uint16)),
    )


class Reader:
    """A judge that sees blobs in what is bright, and is never quite sure."""

    def __init__(self, standard: Standard | None = None, dice: float = 0.9) -> None:
        self.standard, self.about = standard, {"sha256": "abc", "held_out_dice": dice}

    def probabilities(self, images: np.ndarray) -> Iterator[tuple[slice, torch.Tensor]]:
        blob = torch.from_numpy(0.02 + 0.96 / (1 + np.exp(-(images[..., 0] - 160.0) / 10))).float()
        yield slice(0, len(images)), torch.stack([1 - blob, blob], dim=1)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return (images[..., 0] > 160).astype(np.int16)


def standard_of(data: DataSet, source: str) -> Standard:
    views = [data.load(name) for name in VALIDATION]
    images = np.stack([one.image for one in views])
    labels = np.stack([np.where(one.layout.label_map == 7, 1, 0) for one in views]).astype(np.int16)
    reading = read_pairs(Reader(), images, labels)  # type: ignore[arg-type]
    names = [*TRAINING, *VALIDATION]
    about = RealData(
        source=source,
        format="folder",
        training=TRAINING,
        validation=VALIDATION,
        class_ids=CLASSES.ids,
        image_channels=1,
        digest=digest_of_images(names, [data.load(name).image for name in names]),
    )
    scores = tuple(sorted((reading.scores - 0.02).tolist()))  # six views hardly spread: with a little leeway
    return Standard(
        score=SCORE,
        scores=scores,
        doubts=tuple(doubt_thresholds(reading.labelled, labels, 2, 0.01)),
        data=about,
    )


class System:
    """Candidate i: of every five, one is a training image, one has the label of another, one has a label with
    a false corner.
    """

    system, digest, device, size, classes = "fake", "0123", torch.device("cpu"), (SIDE, SIDE), CLASSES
    has_layout_prior, precision, geometry = True, "32-true", Geometry(size=(SIDE, SIDE))
    threads_asked, layouts_from, ranges, learned_from_images = False, None, None, False
    moves_pairs = False
    upscaled_by, described = None, None
    config = SimpleNamespace(
        symbol_table=SymbolTable(((3, 0), (7, 0))),
        has_instances=True,
        image_channels=1,
        request=SimpleNamespace(group_by=None, normalize="none"),
        boxes=None,
        pool_digest="",
        pool_images=0,
    )

    def __init__(self, path: Path, stop_at: int | None = None) -> None:
        self.path, self.stop_at = path, stop_at
        self.drawn: list[int] = []

    dials = (TEMPERATURE, LAYOUT_TEMPERATURE)

    def resolve(self, dials: Dials, *, draws_layouts: bool = True) -> dict[str, float]:
        return settled("fake", [self], dials)

    def check_batch(self, batch_size: int, dials: Dials) -> None:
        """Any fits."""

    def chunk(self, number: int, draw: Draw) -> list[AnnotatedImage]:
        if number == self.stop_at:
            raise KeyboardInterrupt
        self.drawn.append(number)
        return [candidate(number * draw.batch_size + row) for row in range(draw.batch_size)]


def candidate(index: int) -> AnnotatedImage:
    kind, name = index % 5, f"synthetic_{index:06d}"
    made = pair(name, index, stem=2)
    if kind == 1:
        made = pair(name, index % 10, stem=1)  # training image
    if kind == 2:
        made = AnnotatedImage(name=name, image=made.image, layout=pair("other", index, stem=3).layout)
    if kind == 3:
        labels = made.layout.label_map.copy()
        labels[:4, :4] = 10 - labels[:4, :4]
        made = AnnotatedImage(
            name=name, image=made.image, layout=Layout(label_map=labels, instances=made.layout.instances)
        )
    return made
