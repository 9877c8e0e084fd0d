"""The judge: a segmenter trained on real pairs alone. It says what an image shows without seeing its label.

FOLDER/judge/weights.safetensors     FOLDER/judge/part.json: how it was trained, and the standard that real
                                     pairs set
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.hardware import choose_precision
from labelmint.progress import Report
from labelmint.segmenters.agreement import SCORE, doubt_thresholds, read_pairs
from labelmint.segmenters.dense_unet import DenseUNet
from labelmint.segmenters.lite_unet import LiteUNet
from labelmint.segmenters.mirrored import Mirrored
from labelmint.segmenters.standard import DOUBTFUL, RealData, Standard
from labelmint.segmenters.training import train_unet
from labelmint.segmenters.unet import SegmenterConfig, UNet
from labelmint.storage import write_json
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array

__all__ = ["Judge", "load_judge", "train_judge"]

_AT_ONCE = 64
_MEND = "run `labelmint evaluate RUN DATA --out REPORT` with that run"
_NUMBERS_AT_ONCE = 1 << 25  # of probabilities: 128 MB


class Judge:
    """A trained U-Net over K classes; make one with `train_judge`, open a stored one with `load_judge`.

    Attributes:
        about: how it was trained: held-out Dice, steps, digest of its weights.
        standard: what real validation pairs reach before it; None where it was never set.
    """

    def __init__(
        self,
        network: UNet | DenseUNet | LiteUNet | Mirrored,
        about: dict[str, Any],
        standard: Standard | None = None,
    ) -> None:
        self._network, self.about, self.standard = network.eval(), about, standard

    def predict(self, images: Array, tell: Callable[[int, int], None] = lambda done, of: None) -> Array:
        """Class indices (N, H, W) int16 that the images (N, H, W, C) uint8 show."""
        return self._each(images, lambda x: self._network(x).argmax(dim=1).to(torch.int16), tell)

    @torch.no_grad()
    def probabilities(self, images: Array) -> Iterator[tuple[slice, torch.Tensor]]:
        """Class probabilities (n, K, H, W) float32 of images (N, H, W, C) uint8, n at a time, each with the
        n's place among the N.
        """
        step, first = _AT_ONCE, 0
        while first < len(images):
            where = slice(first, first + step)
            shares = self._network(self._as_seen(images[where])).softmax(dim=1).cpu()
            yield where, shares
            first += len(shares)
            step = min(max(_NUMBERS_AT_ONCE // shares[0].numel(), 1), _AT_ONCE)

    def features(self, images: Array, tell: Callable[[int, int], None] = lambda done, of: None) -> Array:
        """Features (N, D) float64 of images (N, H, W, C) uint8: the means of the lowest map."""
        return self._each(images, self._network.features, tell).astype(np.float64)

    @torch.no_grad()
    def _each(
        self, images: Array, compute: Callable[[torch.Tensor], torch.Tensor], tell: Callable[[int, int], None]
    ) -> Array:
        found = []
        for first in range(0, len(images), _AT_ONCE):
            found.append(compute(self._as_seen(images[first : first + _AT_ONCE])).cpu())
            tell(min(first + _AT_ONCE, len(images)), len(images))
        if not found:
            raise InputError("there are no images to look at")
        return torch.cat(found).numpy()

    def _as_seen(self, images: Array) -> torch.Tensor:
        device = next(self._network.parameters()).device
        return EIGHT_BITS.to_unit(images).to(device, memory_format=torch.channels_last)


def train_judge(
    folder: Path,
    key: str,
    training: Pairs,
    validation: Pairs,
    *,
    image_channels: int,
    classes: int,
    foreground: tuple[int, ...],
    config: SegmenterConfig,
    device: torch.device,
    precision: str = "auto",
    data: RealData | None = None,
    report: Report,
) -> Judge:
    """The judge stored in folder/judge when it was made from the same (`key`), else a new one, stored there.

    Arguments:
        folder: a run, or the folder of a report.
        key: digest of all that decides the judge but its settings: data, views, seed.
        training, validation: real pairs; symbol maps hold class indices 0..K-1 and -1 for ignored pixels.
        precision: "auto", "32" or "bf16"; what was chosen is stored beside the weights.
        data: where the pairs lie; with it the standard is stored beside the judge, that `synthesize --filter`
            needs.
        image_channels, classes: C and K. foreground: the class indices that its held-out figure is about.
    """
    with torch.random.fork_rng(devices=[]):
        chosen = choose_precision(precision, device)  # by a measurement on random numbers
        torch.manual_seed(training.seed)
        network = UNet(image_channels, classes, config)
    store, wanted = RunFolder(folder), {"key": key, "config": config.model_dump(mode="json")}
    stored = _stored(store, wanted)
    if stored is not None:
        network.load_state_dict(stored[0])
    network = network.to_fast_layout().to(device)
    if stored is None:
        facts = train_unet(
            network, training, validation, foreground, config, bfloat16=chosen == "bf16-mixed", report=report
        )
        folder.mkdir(parents=True, exist_ok=True)
        store.save_part("judge", network.state_dict(), {**wanted, **facts, "precision": chosen})
    judge = Judge(network, store.read_json("judge/part.json"))
    if data is not None:
        _set_standard(store, judge, validation, data)
    return judge


def load_judge(folder: Path, device: torch.device) -> Judge:
    """The judge stored in folder/judge, with its standard; raises InputError when there is none, or one that
    can't be opened or was stored by a version that set no such standard.
    """
    store = RunFolder(folder)
    if not store.finished("judge"):
        raise InputError(f"{folder}: holds no judge; {_MEND}")
    try:
        weights, about = store.load_part("judge")
        standard = _standard_of(about)
        if standard is not None:
            config = SegmenterConfig.model_validate(about.get("config"))
            network = UNet(standard.data.image_channels, len(standard.data.class_ids), config)
            network.load_state_dict(weights)
            return Judge(network.to_fast_layout().to(device), about, standard)
    except (InputError, ValidationError, RuntimeError):
        raise InputError(
            f"{folder / 'judge'}: the stored judge is damaged; remove that folder and {_MEND}"
        ) from None
    raise InputError(
        f"{folder / 'judge'}: lacks what real pairs reach before the judge, for an older version stored it; "
        f"{_MEND}"
    )


def _standard_of(about: dict[str, Any]) -> Standard | None:
    """The stored standard; None where there is none, or one of another formula."""
    stored = about.get("standard")
    if not isinstance(stored, dict) or stored.get("score") != SCORE:
        return None
    return Standard.model_validate(stored)


def _set_standard(store: RunFolder, judge: Judge, validation: Pairs, data: RealData) -> None:
    """Measure the standard and store it, unless it is stored for the same data."""
    try:
        judge.standard = _standard_of(judge.about)
    except ValidationError:  # damaged: as good as none
        judge.standard = None
    if judge.standard is not None and judge.standard.data == data:
        return
    views = [
        validation.geometry.center(image, ids)
        for image, ids in zip(validation.images, validation.ids, strict=True)
    ]
    images, labels = (np.stack(part) for part in zip(*views, strict=True))
    reading = read_pairs(judge, images, labels)
    judge.standard = Standard(
        score=SCORE,
        scores=tuple(sorted(round(float(score), 6) for score in reading.scores)),
        doubts=tuple(doubt_thresholds(reading.labelled, labels, len(data.class_ids), DOUBTFUL)),
        data=data,
    )
    judge.about["standard"] = judge.standard.to_json()
    write_json(store.path / "judge" / "part.json", judge.about)


def _stored(
    store: RunFolder, wanted: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Weights and facts of the stored judge where it is the wanted one; a damaged one is as good as none, for
    it can be made again.
    """
    if not store.finished("judge"):
        return None
    try:
        weights, about = store.load_part("judge")
    except InputError:
        return None
    return (weights, about) if {name: about.get(name) for name in wanted} == wanted else None
