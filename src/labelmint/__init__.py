"""labelmint trains on images with their labels and mints new ones: any number of new images, each with its
exact label.

    data = labelmint.read("my-data")
    system = labelmint.train(data, "run", preset="tiny")
    pairs = labelmint.load("run").synthesize(100, seed=0)
    labelmint.write(pairs, "new", format="folder", classes=system.classes)

Everything is loaded where it is used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "AnnotatedImage",
    "ClassSet",
    "InputError",
    "Layout",
    "__version__",
    "evaluate",
    "explain",
    "load",
    "read",
    "study",
    "train",
    "write",
]

if TYPE_CHECKING:
    from labelmint.errors import InputError
    from labelmint.evaluation.evaluate import evaluate
    from labelmint.evaluation.explain import explain
    from labelmint.evaluation.study import study
    from labelmint.formats import read, write
    from labelmint.systems.pipeline import train
    from labelmint.systems.trained import load
    from labelmint.types import AnnotatedImage, ClassSet, Layout

    __version__: str

_HOMES = {
    "AnnotatedImage": "labelmint.types",
    "ClassSet": "labelmint.types",
    "InputError": "labelmint.errors",
    "Layout": "labelmint.types",
    "evaluate": "labelmint.evaluation.evaluate",
    "explain": "labelmint.evaluation.explain",
    "load": "labelmint.systems",
    "read": "labelmint.formats",
    "study": "labelmint.evaluation.study",
    "train": "labelmint.systems",
    "write": "labelmint.formats",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'labelmint' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("labelmint")
    except PackageNotFoundError:  # a source tree that was never installed
        return "0+unknown"
