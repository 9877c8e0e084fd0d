"""Tables 2 and 3 of the long MSGNet paper, the core of `table2_malaria` and `table3_brats`: a segmenter without and
with generated pairs, as arms of `labelmint study` on all real pairs.

    as the papers measure    arms R and "accuracy": neither is augmented
    over augmentation        arms A and S: the same question to a segmenter that is augmented strongly

The numbers are mean and standard deviation over seeds of the Dice of all test pixels at once, mean over the foreground
classes. The paper gives the same two numbers; it says neither how many repetitions its deviation is of, nor which
classes its mean is over. Everything is kept in OUT, so that a command that was stopped goes on.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from experiments.common import answer, at_least, plain, write_json
from PIL import Image

import labelmint
from labelmint import study
from labelmint.cli.options import parse_size
from labelmint.reports.results import Results
from labelmint.segmenters.plateau import ArmConfig
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, DataSet, Layout

__all__ = ["Made", "Row", "StudyTable", "make", "prepared", "table"]

_ARMS = ("R", "accuracy", "A", "S")
_HEAD = (
    "| model | published, without | with | R | R + generated | A | A + generated (S) |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Two rows of a table: without and with generated pairs.

    Attributes:
        model: in words. network: settings of the segmenter. published: Dice without and with, as printed.
    """

    model: str
    network: dict[str, Any]
    published: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Made:
    """How a table's data are made from those that are given.

    Attributes:
        classes: names by their new ids. class_of: (image, label map) -> new label map.
        size: (H, W) that images are resized to, or None.
    """

    classes: tuple[str, ...]
    class_of: Callable[[Array, Array], Array]
    size: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class StudyTable:
    """A table.

    Attributes:
        name: "table2". rows, made: as above.
        options: of the study.
    """

    name: str
    rows: Sequence[Row]
    made: Made
    options: dict[str, Any]


def prepared(data: DataSet, made: Made, folder: Path) -> DataSet:
    """The data of a table, written where they are not there yet. Raises InputError as reading and writing do."""
    if not folder.exists():
        classes = ClassSet(tuple(ClassInfo(id=k, name=name) for k, name in enumerate(made.classes)))

        def load(name: str) -> AnnotatedImage:
            return _resized(data.load(name), made)

        loaded = DataSet(
            source=data.source,
            format="memory",
            classes=classes,
            names=data.names,
            load=load,
            train=data.train,
            test=data.test,
        )
        labelmint.write(loaded, folder, format="folder", classes=classes)
    return labelmint.read(folder)


def _resized(pair: AnnotatedImage, made: Made) -> AnnotatedImage:
    image, ids = pair.image, made.class_of(pair.image, pair.layout.label_map).astype(np.uint8)
    if made.size is not None:
        size = (made.size[1], made.size[0])
        channels = [
            np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BOX))
            for one in np.moveaxis(image, -1, 0)
        ]
        image = np.stack(channels, axis=-1)
        ids = np.asarray(Image.fromarray(ids).resize(size, Image.Resampling.NEAREST))
    return AnnotatedImage(name=pair.name, image=image, layout=Layout(label_map=ids))


def make(which: StudyTable, says: str, arguments: list[str] | None) -> int:
    """Make a table as its script is told; returns the exit code."""
    parser = argparse.ArgumentParser(description=says, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the real data, with a test part")
    parser.add_argument("--out", type=Path, required=True, help="folder of the studies and the table")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--system", default="msgnet")
    parser.add_argument("--preset", default="small", help="of the generators")
    parser.add_argument("--generator-minutes", type=float, default=None)
    parser.add_argument("--size", type=parse_size, default=None, help="of the views, as in 96x96")
    parser.add_argument("--most-steps", type=int, default=8000, help="of a segmenter")
    parser.add_argument("--samples", type=int, default=None, help="different generated pairs")
    parser.add_argument("--filter", default="off", help="on or off; the papers have none")
    parser.add_argument("--encoder-weights", type=Path, default=None, help="of the DenseNet, a local file")
    parser.add_argument("--budget", type=float, default=None, help="minutes of each study")
    parser.add_argument(
        "--rows", type=int, default=None, help="how many rows of the table, from the first on"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    chosen = parser.parse_args(arguments)
    return answer(lambda: table(which, chosen))


def table(which: StudyTable, chosen: argparse.Namespace, tell: Callable[[str], None] = print) -> None:
    """Make the rows of a table, and write OUT/NAME.json and OUT/NAME.md."""
    at_least(1, seeds=chosen.seeds, most_steps=chosen.most_steps)
    data = prepared(labelmint.read(chosen.data), which.made, chosen.out / "data")
    options = dict(which.options)
    if chosen.size is not None:
        options["size"] = chosen.size
    found = []
    for place, row in enumerate(which.rows[: chosen.rows]):
        weights = chosen.encoder_weights if row.network.get("network") == "dense" else None
        segmenter = ArmConfig(**row.network, encoder_weights=weights, most_steps=chosen.most_steps)
        tell(row.model)
        results = study(
            data,
            chosen.out / f"study-{place + 1}",
            n_train=(None,),
            arms=_ARMS,
            seeds=chosen.seeds,
            system=chosen.system,
            preset=chosen.preset,
            generator_minutes=chosen.generator_minutes,
            samples=chosen.samples,
            filter=chosen.filter,
            budget=chosen.budget,
            segmenter=segmenter,
            device=chosen.device,
            report=plain(tell),
            **options,
        )
        found.append(_row(row, results, weights is not None))
    content = {"table": which.name, "system": chosen.system, "preset": chosen.preset, "rows": found}
    write_json(chosen.out / f"{which.name}.json", content)
    text = "\n".join([_HEAD, *(_line(one) for one in found)]) + "\n"
    (chosen.out / f"{which.name}.md").write_text(text, encoding="utf-8")
    tell(text)


def _row(row: Row, results: Results, pretrained: bool) -> dict[str, Any]:
    """Test Dice of each arm by seed, from the table of all that was trained."""
    training = next(section for section in results.sections if section.name == "training").tables[0]
    arm, dice = training.head.index("arm"), training.head.index("test Dice")
    by_arm: dict[str, list[float]] = {name: [] for name in _ARMS}
    for line in training.rows:
        name = str(line[arm]).partition("-")[0]
        if name in by_arm:
            by_arm[name].append(float(str(line[dice])))
    untrained = row.network.get("network") == "dense" and not pretrained
    return {
        "model": f"{row.model}, not pretrained here" if untrained else row.model,
        "published": row.published,
        "dice": by_arm,
        "verdict": results.verdict.text,
    }


def _line(row: dict[str, Any]) -> str:
    cells = [row["model"], *row["published"], *(_spread(row["dice"][name]) for name in _ARMS)]
    return f"| {' | '.join(cells)} |"


def _spread(values: Sequence[float]) -> str:
    """Mean and standard deviation as the paper prints them."""
    if not values:
        return "-"
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"
