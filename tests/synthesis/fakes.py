"""A system that trains nothing, and what is minted of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from labelmint.datasets.digits import DIGIT_CLASSES
from labelmint.datasets.symbols import SymbolTable
from labelmint.dials import LAYOUT_TEMPERATURE, TEMPERATURE, settled
from labelmint.protocols import Dial, Dials
from labelmint.runs.draw import Draw
from labelmint.runs.given import Given
from labelmint.runs.origin import origin_of
from labelmint.synthesis import mint
from labelmint.types import AnnotatedImage, DataSet, Layout

EVALUATIONS = Dial("grain", 8, 1, 64, "Steps of the fake.", whole=True)


class Fake:
    """A system whose sample i depends on (seed, i) alone; notes which chunks it drew and can be interrupted."""

    system, digest, device, size, classes = "fake", "0123", torch.device("cpu"), (16, 16), DIGIT_CLASSES
    path, precision, threads_asked, needs_references = Path("no-run"), "32-true", False, False
    ranges, layouts_from, upscaled_by, described, learned_from_images = None, None, None, None, False
    moves_pairs = False
    config = SimpleNamespace(symbol_table=SymbolTable(((0, 0),)), has_instances=False, boxes=None)

    def __init__(
        self,
        *,
        own_layouts: bool = True,
        stop_at: int | None = None,
        digest: str = "0123",
        precision: str = "32-true",
        usual: int = 8,
    ) -> None:
        self.precision, self.usual = precision, usual
        self.has_layout_prior, self.stop_at, self.digest = own_layouts, stop_at, digest
        self.drawn: list[int] = []
        self.threads: list[int] = []  # with which it drew
        self.told: dict[str, Dials] = {}  # the dials that each method was told

    @property
    def dials(self) -> tuple[Dial, ...]:
        layouts = LAYOUT_TEMPERATURE._replace(usual=0.75)
        return (TEMPERATURE, layouts, EVALUATIONS) if self.has_layout_prior else (TEMPERATURE, EVALUATIONS)

    def resolve(self, dials: Dials, *, draws_layouts: bool = True) -> dict[str, float]:
        return settled("fake", [self], dials)

    def usual_batch(self, warn: Any, dials: Dials) -> int:
        self.told["usual_batch"] = dials
        return self.usual

    def check_batch(self, batch_size: int, dials: Dials) -> None:
        self.told["check_batch"] = dials

    def chunk(self, number: int, draw: Draw) -> list[AnnotatedImage]:
        if number == self.stop_at:
            raise KeyboardInterrupt
        self.drawn.append(number)
        self.threads.append(torch.get_num_threads())
        self.told["chunk"] = draw.dials
        origin = origin_of(self, draw, torch.get_num_threads())  # type: ignore[arg-type]
        indices = range(number * draw.batch_size, (number + 1) * draw.batch_size)
        return [replace(self._pair(draw.seed, i), provenance=origin.texts(i)) for i in indices]

    def _pair(self, seed: int, index: int) -> AnnotatedImage:
        rng = np.random.default_rng((seed, index))
        instances = np.zeros((16, 16), np.uint16)
        instances[2:6, 2:6], instances[8:12, 3:9] = 1, 2
        labels = np.zeros((16, 16), np.uint8)
        labels[instances == 1], labels[instances == 2] = 1 + index % 10, 3
        return AnnotatedImage(
            name=f"synthetic_{index:06d}",
            image=rng.integers(0, 256, (16, 16, 1), dtype=np.uint8),
            layout=Layout(label_map=labels, instances=instances),
        )

    def given(self, data: DataSet, **how: Any) -> Given:
        return Given(ids=torch.zeros(len(data), 16, 16, dtype=torch.int16), names=data.names)

    def training_layouts(self) -> torch.Tensor:
        return torch.zeros(3, 16, 16, dtype=torch.int16)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def make(out: Path, system: Fake | None = None, **options: Any) -> Path:
    return mint(system or Fake(), out, **{"n": 10, "batch_size": 4, **options})  # type: ignore[arg-type]
