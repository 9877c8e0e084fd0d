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
    "SyntheticPairs",
    "__version__",
    "advise",
    "compare",
    "evaluate",
    "explain",
    "label",
    "load",
    "read",
    "study",
    "train",
    "write",
]

if TYPE_CHECKING:
    from labelmint.comparison.compare import compare
    from labelmint.errors import InputError
    from labelmint.evaluation.evaluate import evaluate
    from labelmint.explanation.explain import explain
    from labelmint.formats import read, write
    from labelmint.pool.advise import advise
    from labelmint.pool.label import label
    from labelmint.runs.synthetic_pairs import SyntheticPairs
    from labelmint.runs.train import train
    from labelmint.runs.trained import load
    from labelmint.types import AnnotatedImage, ClassSet, Layout
    from labelmint.usefulness.study import study
    from labelmint.version import __version__

_HOMES = {
    "AnnotatedImage": "labelmint.types",
    "ClassSet": "labelmint.types",
    "InputError": "labelmint.errors",
    "Layout": "labelmint.types",
    "SyntheticPairs": "labelmint.runs.synthetic_pairs",
    "advise": "labelmint.pool.advise",
    "compare": "labelmint.comparison.compare",
    "evaluate": "labelmint.evaluation.evaluate",
    "explain": "labelmint.explanation.explain",
    "label": "labelmint.pool.label",
    "load": "labelmint.runs.trained",
    "read": "labelmint.formats",
    "study": "labelmint.usefulness.study",
    "train": "labelmint.runs.train",
    "write": "labelmint.formats",
    "__version__": "labelmint.version",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labelmint' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
