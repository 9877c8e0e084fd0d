"""Descriptions: are wishes met, within how many candidates, and does what is left open stay natural?

    python experiments/descriptions.py RUN DATA --of camvid --out report

Sentences are those of tests/layouts/descriptions.json about the set and further ones of the grammar of
tests/layouts/sentences.py. What is left open are the classes that no sentence names: sizes, counts and overlaps of
their objects. Its distance to held-out layouts is set against that of layouts drawn without a sentence:

    sizes       Kolmogorov-Smirnov of sqrt(area), mean over classes
    counts      total variation of the number of objects, mean over classes
    overlaps    Kolmogorov-Smirnov of each object's largest IoU with another of these classes
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tests.layouts.sentences import HAND, Sentence, by_hand, generated

import labelmint
from labelmint.errors import InputError
from labelmint.layouts.described import MOST_CANDIDATES, DescribedLayouts
from labelmint.layouts.description import refuse_impossible
from labelmint.layouts.grammar import understood
from labelmint.layouts.lexicon import Lexicon
from labelmint.layouts.usual import sizes_of
from labelmint.metrics.layout_statistics import kolmogorov_smirnov, total_variation
from labelmint.runs.described import described_layouts
from labelmint.runs.trained import TrainedSystem, load
from labelmint.seeds import Seed
from labelmint.types import Array

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print and write."""
    options = _options(words)
    system = load(options.run)
    sentences = [one for one in by_hand() if one.of == options.of]
    sentences += generated(options.of, options.generated, seed=options.seed)
    synonyms = HAND["sets"][options.of]["synonyms"]
    found: dict[str, Any] = {"run": system.digest, "set": options.of, "seed": options.seed}
    found["wishes"] = _wishes(system, sentences, synonyms, options.per_sentence, options.seed)
    found["impossible"] = _impossible(system, options.of, synonyms)
    if options.natural:
        found["left open"] = _left_open(system, options, synonyms)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "descriptions.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    return found


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--of", choices=sorted(HAND["sets"]), required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--generated", type=int, default=67)
    parser.add_argument("--per-sentence", type=int, default=4)
    parser.add_argument(
        "--natural", type=int, default=12, help="sentences whose open part is measured; 0 for none"
    )
    parser.add_argument("--layouts", type=int, default=64, help="drawn for each of these")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(sys.argv[1:] if words is None else words)


def _wishes(
    system: TrainedSystem, sentences: Sequence[Sentence], synonyms: dict[str, str], count: int, seed: int
) -> dict[str, Any]:
    """How many wishes are met within 20 candidates, and how many candidates that takes."""
    met: list[bool] = []
    candidates: list[int] = []
    failed: dict[str, str] = {}
    refused: dict[str, str] = {}
    seeds = [(seed, index) for index in range(count)]
    for one in sentences:
        try:
            source = described_layouts(system, one.text, synonyms)
        except InputError as error:
            refused[one.text] = str(error)
            continue
        for layout in source.found(seeds, _usual_dials(source)):
            met += layout.met.wishes
            candidates.append(layout.candidates)
            if not layout.met.all:
                failed.setdefault(one.text, str(source.description))
    return {
        "sentences": len(sentences),
        "layouts": len(candidates),
        "wishes": len(met),
        "met": float(np.mean(met)),
        "candidates": float(np.mean(candidates)),
        "at the first candidate": float(np.mean(np.array(candidates) == 1)),
        "most candidates": MOST_CANDIDATES,
        "failed": failed,
        "refused": refused,
    }


def _usual_dials(source: DescribedLayouts) -> dict[str, float]:
    return {dial.name: dial.usual for dial in source.dials}


def _impossible(system: TrainedSystem, of: str, synonyms: dict[str, str]) -> dict[str, Any]:
    """How many impossible sentences are refused in one line, each with the classes and bounds of its set."""
    rows = [row for row in HAND["impossible"] if row["set"] == of]
    known = HAND["sets"][of]
    lexicon = Lexicon(system.classes, synonyms)
    boxed = [one.id for one in system.classes.classes if one.name not in known["without boxes"]]
    refused = 0
    for row in rows:
        try:
            refuse_impossible(understood(row["sentence"], lexicon), boxed, known["most boxes"])
        except InputError as error:
            refused += "\n" not in str(error)
    return {"sentences": len(rows), "refused": refused}


# What is left open ------------------------------------------------------------------------------------------


def _left_open(
    system: TrainedSystem, options: argparse.Namespace, synonyms: dict[str, str]
) -> dict[str, Any]:
    """Distances to held-out layouts with a sentence and without."""
    texts = [
        one for one in generated(options.of, 20 * options.natural, seed=options.seed + 1) if not one.only
    ]
    rows: list[dict[str, float]] = []
    free: list[Array] | None = None
    held: list[Array] | None = None
    for one in texts:
        if len(rows) == options.natural:
            break
        try:
            source = described_layouts(system, one.text, synonyms)
        except InputError:
            continue
        seeds = [(options.seed, index) for index in range(options.layouts)]
        held = _held_out(system, source, options.data) if held is None else held
        free = _free(source, seeds) if free is None else free
        drawn = [source.objects(layout.boxes) for layout in source.found(seeds, _usual_dials(source))]
        open_classes = [c for c in _classes(held) if c not in source.description.classes]
        with_it, without = (_distances(layouts, held, open_classes) for layouts in (drawn, free))
        rows.append(
            {f"{name} with": value for name, value in with_it.items()}
            | {f"{name} without": value for name, value in without.items()}
        )
    means = {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]}
    names = ("sizes", "counts", "overlaps")
    ratios = {name: means[f"{name} with"] / means[f"{name} without"] for name in names}
    return {"sentences": len(rows), "layouts of each": options.layouts, **means, "ratios": ratios}


def _held_out(system: TrainedSystem, source: DescribedLayouts, path: Path) -> list[Array]:
    """Objects of the test part."""
    data = labelmint.read(path)
    test = json.loads((system.path / "split.json").read_text(encoding="utf-8"))["test"]
    ids = system.layouts_of(data.subset(test)).numpy()
    return [source.objects(source.rule.of_map(one)) for one in ids]


def _free(source: DescribedLayouts, seeds: Sequence[Seed]) -> list[Array]:
    """Objects of layouts that are drawn without a sentence."""
    drawn = source.unasked(seeds, _usual_dials(source))
    return [source.objects(boxes) for boxes in drawn]


def _classes(layouts: Sequence[Array]) -> list[int]:
    return sorted({int(one) for layout in layouts for one in layout[:, 0]})


def _distances(drawn: Sequence[Array], held: Sequence[Array], classes: Sequence[int]) -> dict[str, float]:
    """Sizes, counts and overlaps of the objects of some classes."""
    sizes, counts = [], []
    for one in classes:
        a, b = ([layout[layout[:, 0] == one, 1:] for layout in layouts] for layouts in (drawn, held))
        counts.append(total_variation(np.array([len(x) for x in a]), np.array([len(x) for x in b])))
        joined = [np.concatenate(layouts) for layouts in (a, b)]
        if all(map(len, joined)):
            sizes.append(kolmogorov_smirnov(*(np.sort(sizes_of(boxes)) for boxes in joined)))
    overlaps = [
        np.sort(np.concatenate([_overlap(layout[np.isin(layout[:, 0], classes)]) for layout in layouts]))
        for layouts in (drawn, held)
    ]
    return {
        "sizes": float(np.mean(sizes)) if sizes else float("nan"),
        "counts": float(np.mean(counts)) if counts else float("nan"),
        "overlaps": kolmogorov_smirnov(*overlaps) if all(map(len, overlaps)) else float("nan"),
    }


def _overlap(objects: Array) -> Array:
    """The largest IoU of each object with another, (N,)."""
    boxes = objects[:, 1:]
    low, high = (
        np.maximum(boxes[:, None, :2], boxes[None, :, :2]),
        np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]),
    )
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = sizes_of(boxes) ** 2
    found = shared / np.maximum(areas[:, None] + areas[None] - shared, 1e-12)
    np.fill_diagonal(found, 0)
    largest: Array = found.max(axis=1, initial=0)
    return largest


if __name__ == "__main__":
    main()
