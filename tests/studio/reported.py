"""A small report beside a run, its samples, and a judge that knows them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from tests.helpers import digits

from labelmint import formats
from labelmint.reports.files import write_report
from labelmint.reports.results import Chart, Figure, Picture, Results, Section, Series, Table, Verdict
from labelmint.runs.trained import TrainedSystem
from labelmint.studio.session import Session
from labelmint.types import AnnotatedImage, Array

__all__ = ["RESULTS", "Knowing", "samples", "session_with_report"]

RATIO = Figure(name="ratio", title="Ratio", value=0.81234, low=0.7, high=0.9, real=0.95, how="a by b")
REFUSED = Figure(name="none", title="None", value=None, refused="needs 100 samples, not 3")
RESULTS = Results(
    title="Evaluation of run on digits",
    verdict=Verdict(level="mixed", text="It is so so.", reasons=("for one",)),
    headline=("ratio",),
    overview=Picture(title="Both", file="overview.png"),
    sections=(
        Section(
            name="one",
            title="Is it?",
            summary="It may be.",
            figures=(RATIO, REFUSED),
            tables=(Table(title="Classes", head=("class", "n"), rows=(("a", 1234), ("b", None))),),
            charts=(
                Chart(
                    title="Bars",
                    kind="bars",
                    x_label="",
                    y_label="n",
                    series=(Series(name="s", x=("a",), y=(1.0,)),),
                ),
            ),
        ),
    ),
)


def samples() -> list[AnnotatedImage]:
    """Three canvases, the second with the label of the third."""
    first, second, third = (digits(8)[place] for place in range(3))
    return [first, second.with_layout(third.layout), third]


class Knowing:
    """A judge that reads the digits of the first canvases as they are."""

    def __init__(self) -> None:
        ids = digits(8).classes.ids
        self.known = {one.image.tobytes(): np.searchsorted(ids, one.layout.label_map) for one in digits(8)}
        self.classes = len(ids)
        self.standard = SimpleNamespace(
            data=SimpleNamespace(class_ids=ids), threshold=lambda share: 0.5, scores=(0.9,)
        )

    def probabilities(self, images: Array) -> Iterator[tuple[slice, torch.Tensor]]:
        maps = torch.from_numpy(np.stack([self.known[image.tobytes()] for image in images]))
        sure = torch.nn.functional.one_hot(maps, self.classes).movedim(3, 1)
        yield slice(0, len(images)), 0.89 * sure + 0.11 / self.classes


def session_with_report(trained: TrainedSystem, place: Path) -> Session:
    """A session of run/ with a judge; beside it report/ about it, and things that are none of either."""
    (place / "run" / "judge").mkdir(parents=True)
    (place / "run" / "judge" / "part.json").write_text("{}", encoding="utf-8")
    for name in ("config.json", "split.json"):
        (place / "run" / name).write_bytes((trained.path / name).read_bytes())
    for name, weights in (("report", trained.digest), ("other", "0" * 64)):
        write_report(RESULTS, place / name)
        mark = {"evaluation": 1, "weights": weights}
        (place / name / "request.json").write_text(json.dumps(mark), encoding="utf-8")
        Image.new("RGB", (3, 2)).save(place / name / "overview.png")
    formats.write(iter(samples()), place / "report" / "synthetic", format="folder", classes=digits(8).classes)
    Image.new("L", (1, 1)).save(place / "secret.png")
    (place / "report" / "link.png").symlink_to(place / "secret.png")
    (place / "report" / "text.png").write_text("no picture", encoding="utf-8")
    system = copy.copy(trained)
    system.path = place / "run"
    return Session(system, digits())
