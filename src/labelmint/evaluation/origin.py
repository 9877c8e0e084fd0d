"""How the figures were obtained: all that another person needs to obtain them again."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from labelmint.datasets.pair import digest_of
from labelmint.evaluation.material import Material
from labelmint.evaluation.options import Options
from labelmint.evaluation.subject import Subject
from labelmint.hardware import choose_device
from labelmint.types import DataSet
from labelmint.version import __version__

if TYPE_CHECKING:
    from labelmint.evaluation.known_weights import Inception, Vgg
    from labelmint.nn.efficientnet import EfficientNetLite0

__all__ = ["Known", "machine", "origin_of", "versions"]

Known: TypeAlias = "tuple[Inception | None, Vgg | None, EfficientNetLite0 | None]"


def origin_of(
    about: Subject,
    data: DataSet,
    samples: DataSet,
    material: Material,
    options: Options,
    known: Known,
    command: Sequence[str],
    seconds: float,
) -> dict[str, Any]:
    """A plain dict for the report."""
    device = choose_device(options.device)
    weights = {
        name: network.sha256
        for name, network in zip(("fid", "lpips", "features"), known, strict=True)
        if network is not None
    }
    return {
        "command": shlex.join(command),
        "subject": str(about.path),
        "data": data.source,
        "data_sha256": digest_of([*material.training, *material.validation, *material.test]),
        "pairs": {
            "training": len(about.parts.training),
            "validation": len(about.parts.validation),
            "test": len(about.parts.test),
            "test_views": len(material.real),
            "samples": len(material.synthetic),
        },
        "size": "x".join(map(str, material.size)),
        "groups": about.group_by or "every image its own",
        "seed": options.seed,
        **(about.system.resolve(options.dials) if about.system else {}),
        "system": about.system.system if about.system else None,
        "weights_sha256": about.system.digest if about.system else None,
        "judge": {
            name: material.judge.about[name]
            for name in ("sha256", "steps", "best_step", "held_out_dice", "precision")
        },
        **({"known_weights_sha256": weights} if weights else {}),
        "versions": versions(),
        "hardware": machine(device),
        "seconds": round(seconds, 1),
    }


def versions() -> dict[str, str]:
    """Versions of labelmint and of what it computes with, by name."""
    used = {name: version(name) for name in ("torch", "monai", "torchmetrics", "numpy")}
    return {"labelmint": __version__, "python": platform.python_version(), **used}


def machine(device: torch.device) -> str:
    """Processor, cores, threads and accelerator in words."""
    accelerator = f", {torch.cuda.get_device_name()}" if device.type == "cuda" else ""
    return f"{_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads{accelerator}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
