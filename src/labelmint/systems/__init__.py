"""The papers' systems as compositions of parts; presets; training, planning and loading them."""

from __future__ import annotations

from labelmint.systems.catalogue import SYSTEMS, catalogue
from labelmint.systems.pipeline import plan, train
from labelmint.systems.presets import PRESETS
from labelmint.systems.trained import TrainedSystem, load

__all__ = ["PRESETS", "SYSTEMS", "TrainedSystem", "catalogue", "load", "plan", "train"]
