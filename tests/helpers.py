"""What tests of several folders share: canvases of digits, the smallest settings of every system, and what is
made once for all workers.
"""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from labelmint.datasets.digits import DIGIT_CLASSES, make_digits, split
from labelmint.datasets.pairs import Pairs
from labelmint.generators.two_stage import TwoStage
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem
from labelmint.runs.wire import wire
from labelmint.systems.catalogue import SYSTEMS, settings_of
from labelmint.systems.sections import with_values
from labelmint.systems.system import Wired
from labelmint.training.run_folder import RunFolder
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout

__all__ = [
    "SMALLEST",
    "SMALLEST_MINT",
    "TINY",
    "canvases",
    "contents",
    "digits",
    "empty_previews",
    "made_once",
    "of_one_class",
    "spread",
    "tiny_settings",
    "trained_as",
    "two_stage",
    "untrained",
]

# Of `msgnet`, which most tests of a run are about, and of `mint`, the default: what the README and the demo
# train.
SMALLEST = (
    "tokenizer.channels=16",
    "tokenizer.residual_channels=8",
    "tokenizer.codebook_size=16",
    "tokenizer.steps=20",
    "tokenizer.batch_size=8",
    "prior.channels=16",
    "prior.residual_channels=16",
    "prior.blocks=1",
    "prior.epochs=1",
    "prior.batch_size=8",
    "layout_prior.channels=16",
    "layout_prior.residual_channels=16",
    "layout_prior.blocks=1",
    "layout_prior.epochs=2",
    "layout_prior.batch_size=8",
)
SMALLEST_MINT = (
    "tokenizer.channels=16",
    "tokenizer.code_dim=8",
    "tokenizer.codebook_size=16",
    "tokenizer.semantic_codebook_size=16",
    "tokenizer.steps=20",
    "tokenizer.batch_size=8",
    "prior.channels=16",
    "prior.residual_channels=16",
    "prior.blocks=1",
    "prior.epochs=1",
    "prior.batch_size=8",
    "layout_prior.channels=16",
    "layout_prior.residual_channels=16",
    "layout_prior.blocks=1",
    "layout_prior.epochs=2",
    "layout_prior.batch_size=8",
)
TINY = dict(setting.split("=") for setting in SMALLEST) | {
    "tokenizer.steps": "24",
    "tokenizer.evaluate_every": "12",
    "prior.epochs": "2",
    "prior.evaluate_every": "4",
    "layout_prior.epochs": "2",
    "layout_prior.evaluate_every": "4",
}
_TINY_VQ = {
    "tokenizer.channels": "16",
    "tokenizer.code_dim": "8",
    "tokenizer.codebook_size": "16",
    "tokenizer.semantic_codebook_size": "16",
    "tokenizer.steps": "24",
    "tokenizer.batch_size": "8",
    "tokenizer.evaluate_every": "12",
    "prior.epochs": "2",
    "prior.batch_size": "8",
    "prior.evaluate_every": "4",
    "layout_prior.epochs": "2",
    "layout_prior.batch_size": "8",
    "layout_prior.evaluate_every": "4",
}
_TRANSFORMER = {"prior.width": "32", "prior.layers": "1", "prior.heads": "2"}
_SNAIL = {
    "prior.channels": "16",
    "prior.residual_channels": "16",
    "prior.blocks": "1",
    "layout_prior.channels": "16",
}
_ADVERSARY = {"tokenizer.discriminator_channels": "8", "tokenizer.adversary_from": "0.5"}
_APART = {
    "layout_tokenizer.steps": "12",
    "layout_tokenizer.batch_size": "8",
    "layout_tokenizer.channels": "16",
}


_UPSCALER = {
    "upscaler.channels": "4",
    "upscaler.steps": "12",
    "upscaler.batch_size": "4",
    "upscaler.evaluate_every": "6",
    "upscaler.patch": "4",
}


_OF_NETWORKS = {
    "rdn": _UPSCALER | {"upscaler.blocks": "1", "upscaler.convolutions": "2", "upscaler.growth": "4"},
    "srcnn": _UPSCALER,
    "pix2pix": {
        "generator.channels": "8",
        "generator.layout_channels": "4",
        "generator.discriminator_channels": "8",
        "generator.discriminator_layers": "1",
        "generator.steps": "12",
        "generator.evaluate_every": "6",
    },
    "spade": {
        "generator.channels": "8",
        "generator.widest": "2",
        "generator.doublings": "2",
        "generator.code": "4",
        "generator.hidden": "8",
        "generator.layout_channels": "4",
        "generator.discriminator_channels": "8",
        "generator.discriminator_layers": "1",
        "generator.steps": "12",
        "generator.evaluate_every": "6",
    },
    "pix2pixhd": {
        "generator.channels": "8",
        "generator.downsamplings": "1",
        "generator.blocks": "1",
        "generator.layout_channels": "4",
        "generator.discriminator_channels": "8",
        "generator.discriminator_layers": "1",
        "generator.steps": "12",
        "generator.evaluate_every": "6",
    },
    "bicyclegan": {
        "generator.channels": "8",
        "generator.downsamplings": "3",
        "generator.encoder_channels": "8",
        "generator.layout_channels": "4",
        "generator.discriminator_channels": "8",
        "generator.discriminator_layers": "1",
        "generator.discriminator_scales": "1",
        "generator.steps": "12",
        "generator.evaluate_every": "6",
    },
    "boxes": {
        "layout_prior.width": "16",
        "layout_prior.layers": "1",
        "layout_prior.heads": "2",
        "layout_prior.sizes": "8",
        "layout_prior.places": "12",
        "layout_prior.most_boxes": "4",
        "layout_prior.steps": "12",
        "layout_prior.batch_size": "8",
        "layout_prior.evaluate_every": "6",
    },
    "biggan": {
        "generator.channels": "8",
        "generator.widest": "2",
        "generator.doublings": "2",
        "generator.code_part": "4",
        "generator.class_channels": "4",
        "generator.discriminator_channels": "8",
        "generator.discriminator_updates": "2",
        "generator.steps": "12",
        "generator.evaluate_every": "6",
    },
    "obj-cgan": {
        "generator.channels": "16",
        "generator.layout_channels": "16",
        "generator.discriminator_channels": "8",
        "generator.steps": "12",
        "generator.batch_size": "8",
        "generator.evaluate_every": "6",
    },
    "layout2im": {
        "generator.channels": "8",
        "generator.code": "4",
        "generator.class_channels": "4",
        "generator.lstm_layers": "1",
        "generator.residual": "1",
        "generator.crops": "16",
        "generator.discriminator_channels": "8",
        "generator.steps": "12",
        "generator.batch_size": "8",
        "generator.evaluate_every": "6",
    },
    "crn": {
        "generator.channels": "16",
        "generator.doublings": "2",
        "generator.steps": "12",
        "generator.evaluate_every": "6",
    },
    "cimle": {
        "crn.channels": "16",
        "crn.doublings": "2",
        "crn.steps": "12",
        "crn.batch_size": "4",
        "generator.noise_channels": "2",
        "generator.noise_hidden": "8",
        "generator.codes": "3",
        "generator.round_layouts": "8",
        "generator.round_steps": "6",
        "generator.steps": "12",
        "generator.batch_size": "4",
        "generator.evaluate_every": "6",
    },
    "flow": {
        "generator.widths": "16,24",
        "generator.time_channels": "16",
        "generator.steps": "12",
        "generator.batch_size": "8",
        "generator.evaluate_every": "6",
    },
}


_OF_NETWORKS["bachgan"] = _OF_NETWORKS["spade"] | {"generator.layout_channels": "8"}
_OF_NETWORKS["bachgan-wgan"] = _OF_NETWORKS["bachgan"] | {"generator.discriminator_updates": "1"}
_OF_NETWORKS["bachgan-apart"] = _OF_NETWORKS["bachgan"] | {"generator.object_code": "4"}
_TWO_LEVELS = {
    key.replace("prior.", f"{level}_prior.") if key.startswith("prior.") else key: value
    for level in ("top", "bottom")
    for key, value in (_TINY_VQ | _SNAIL).items()
    if key != "tokenizer.semantic_codebook_size"
}


def spread(wired: Wired) -> Wired:
    """A system whose weights stand apart: on fresh ones a layout changes next to nothing, and on ones further apart
    than these a prior is certain of every token, so that no seed changes anything.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for stage in wired.stages:
            if stage.name in ("prior", "top_prior", "bottom_prior", "generator"):
                for weights in stage.module.parameters():
                    weights.add_(torch.randn(weights.shape, generator=generator), alpha=0.1)
    return wired


def tiny_settings(system: str) -> dict[str, str]:
    """The smallest settings of a system."""
    of_vq = {
        "vqvae-t": _TRANSFORMER | _APART,
        "vqgan-t": _TRANSFORMER | _APART | _ADVERSARY,
        "svqvae-t": _TRANSFORMER,
        "svqgan-t": _TRANSFORMER | _ADVERSARY,
        "mint": _SNAIL,
    }
    if system == "msgnet-vq2":
        return _TWO_LEVELS
    found = _TINY_VQ | of_vq[system] if system in of_vq else TINY | _OF_NETWORKS.get(system, {})
    if system == "transfer":
        return {"generator.steps": "4", "generator.registrations": "240"}
    if system == "boxes":  # whose section is no PixelSNAIL
        found = _OF_NETWORKS[system]
    known = SYSTEMS[system].sections.model_fields
    return {key: value for key, value in found.items() if key.partition(".")[0] in known}


@functools.cache
def canvases(composition: str, n: int, seed: int = 0) -> tuple[AnnotatedImage, ...]:
    """n canvases of digits, made once a process. To be read only."""
    return tuple(make_digits(composition, n, seed=seed))


@functools.cache
def digits(n: int = 60, seed: int = 0) -> DataSet:
    """n canvases of pairs of digits as a data set in memory. To be read only."""
    pairs = {pair.name: pair for pair in canvases("pairs", n, seed)}
    training, test = split(n)
    return DataSet(
        source="digits",
        format="memory",
        classes=DIGIT_CLASSES,
        names=tuple(pairs),
        load=pairs.__getitem__,
        train=tuple(training),
        test=tuple(test),
    )


def trained_as(system: str, out: Path) -> TrainedSystem:
    """A run of the smallest settings of a system; where there is one, what is missing there."""
    return train(
        digits(), out, system=system, preset="tiny", settings=tiny_settings(system), precision="32", threads=1
    )


def untrained(trained: TrainedSystem, name: str, **more: str) -> TrainedSystem:
    """A run of another system on the same pairs, with weights that stand apart."""
    values = tiny_settings(name) | {f"generator.{key}": value for key, value in more.items()}
    settings = with_values(settings_of(name, "tiny"), [f"{key}={value}" for key, value in values.items()])
    request = trained.config.request.model_copy(update={"system": name, "settings": settings})
    config = trained.config.model_copy(update={"request": request})
    return TrainedSystem(trained.path, config, spread(wire(config)), "0" * 64, torch.device("cpu"))


def two_stage(wired: Wired) -> TwoStage:
    """The generator of a system that writes images in tokens."""
    assert isinstance(wired.images, TwoStage)
    return wired.images


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The path that `make` makes, made by the first worker that asks for it. To be read only.

    It is made aside and renamed when it is whole, under a lock that the other workers wait at.
    """
    own = factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    place.mkdir(exist_ok=True)
    made, aside = place / name, place / f"{name}.partial"
    with (place / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(aside, ignore_errors=True)
            make(aside)
            aside.rename(made)
    return made


def empty_previews(run: RunFolder, wired: Wired, validation: Pairs, device: torch.device) -> None:
    """Empty files in place of a run's pictures, whose samples and curves take seconds to draw."""
    images = wired.images
    given_back = None if images is None else images.given_back(validation.fixed(0, 1).to(device))
    for name in ("curves.png", *["reconstructions.png"][: given_back is not None], "samples.png"):
        (run.path / name).touch()


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file, by its path in the folder."""
    stats = {file.relative_to(folder).as_posix(): file.stat() for file in folder.rglob("*") if file.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def of_one_class(data: DataSet) -> DataSet:
    """The data set with one class an image, "even" or "odd" in turn, in place of its labels."""
    classes = ClassSet((ClassInfo(id=3, name="even"), ClassInfo(id=7, name="odd")))
    place = {name: place for place, name in enumerate(data.names)}

    def load(name: str) -> AnnotatedImage:
        pair = data.load(name)
        label_map = np.full(pair.layout.size, (3, 7)[place[name] % 2], np.uint8)
        return pair.with_layout(Layout(label_map=label_map))

    return dataclasses.replace(data, classes=classes, load=load)
