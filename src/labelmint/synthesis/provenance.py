"""Where a sample came from, said in its PNG, in the manifest, and in the data-set card.

Nothing here holds a date, a path or anything else that differs between two exports of the same samples.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labelmint.datasets.objects import object_map
from labelmint.types import ClassSet, Layout

__all__ = ["SOURCE_TYPE", "Origin", "card", "contents", "count_objects", "count_pixels", "manifest_row"]

_MEASURED = "checked by a judge trained on real pairs alone (Filter, below)"
_UNFILTERED = "- Filter: off; no pair was dropped, and no copies of training images were looked for"

_DRAWN = (
    "**Every image of this data set is synthetic**: it was generated together with its label, and shows "
    "nothing that exists.",
    "The label was drawn first and the image for it, so the label is what the image was asked to show; how "
    "faithfully the",
)
_KEPT = (
    "**Every image of this data set is synthetic but for what was kept**: parts of given pairs, as the "
    "system's tokenizer has them, which",
    "show what exists. The rest of the images was drawn for their labels, given or drawn before; how "
    "faithfully the",
)
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """All that decides a sample, apart from its index.

    Arguments:
        version: of labelmint.
        system: its name. weights: SHA-256 of its weights.
        seed, batch_size, temperature, layout_temperature: as given.
        layouts: "drawn", "training layouts of the run", or that they were "given"; layouts_digest: SHA-256 of
            given ones.
        per_layout: images a given layout. vary: whether layouts were turned, zoomed and mixed into new ones.
        guidance: how much more than its own the image prior heeds the layout (`priors.guided`); 1 is its own.
        keep: parts of the given pairs that were kept (`runs.given`).
        device, precision, threads: the same bytes are promised for the same ones only.
    """

    version: str
    system: str
    weights: str
    seed: int
    batch_size: int
    temperature: float
    layout_temperature: float
    layouts: str
    layouts_digest: str | None
    per_layout: int
    device: str
    precision: str
    threads: int
    vary: bool = False
    guidance: float = 1.0
    keep: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A plain dict; what versions before did not know stands there only where it is used."""
        usual: dict[str, Any] = {"vary": False, "guidance": 1.0, "keep": []}
        plain = {**asdict(self), "keep": list(self.keep)}
        return {name: value for name, value in plain.items() if name not in usual or value != usual[name]}

    @property
    def layouts_in_words(self) -> str:
        """Where layouts came from, and what was done to them."""
        return f"{self.layouts}, varied" if self.vary else self.layouts

    def texts(self, index: int) -> dict[str, str]:
        """The text chunks of sample `index`'s PNG."""
        return {
            "generator": "labelmint",
            "version": self.version,
            "system": self.system,
            "weights": self.weights,
            "seed": str(self.seed),
            "index": str(index),
            "temperature": f"{self.temperature:g}",
            "layout_temperature": f"{self.layout_temperature:g}",
            **({"guidance": f"{self.guidance:g}"} if self.guidance != 1 else {}),
            "batch_size": str(self.batch_size),
            "layouts": self.layouts_in_words,
            **({"keep": " ".join(self.keep)} if self.keep else {}),
            "synthetic": "true",
            "DigitalSourceType": SOURCE_TYPE,
        }


def count_pixels(layout: Layout, classes: ClassSet) -> dict[str, int]:
    """Pixels of each class (by name) that the layout holds."""
    ids, counts = np.unique(layout.label_map, return_counts=True)
    return {classes.name_of(int(i)): int(n) for i, n in zip(ids, counts, strict=True)}


def count_objects(layout: Layout, classes: ClassSet) -> dict[str, int]:
    """Objects of each class (by name): instances where there are any, else connected pieces of all classes
    that have objects.
    """
    _, found = object_map(layout.label_map, layout.instances, classes.without_objects)
    return {classes.name_of(i): count for i, count in sorted(Counter(found).items())}


def contents(layout: Layout, classes: ClassSet) -> dict[str, dict[str, int]]:
    """What a layout holds, for manifest.jsonl."""
    return {"objects": count_objects(layout, classes), "pixels": count_pixels(layout, classes)}


def manifest_row(
    name: str,
    origin: Origin,
    index: int,
    layout_source: str | None,
    holds: Mapping[str, Mapping[str, int]],
    facts: Mapping[str, Any],
) -> str:
    """One line of manifest.jsonl; `holds` are the layout's `contents`, `facts` is what the filter says of the
    pair.
    """
    row = {
        "name": name,
        "index": index,
        "seed": origin.seed,
        "chunk": index // origin.batch_size,
        "batch_size": origin.batch_size,
        "device": origin.device,
        "precision": origin.precision,
        "threads": origin.threads,
        "weights": origin.weights,
        "layout": layout_source,
        **holds,
        **facts,
    }
    return json.dumps(row, ensure_ascii=False) + "\n"


def card(
    origin: Origin,
    *,
    n: int,
    indices: tuple[int, int],
    filtered: Mapping[str, Any] | None = None,
    size: tuple[int, int],
    format: str,
    objects: Mapping[str, int],
    pixels: Mapping[str, int],
    versions: Mapping[str, str],
) -> str:
    """README.md of the data set.

    Arguments:
        origin: of all samples. n: how many. indices: of the first and the last candidate for them.
        filtered: "mode", "share", "most" and "lines" of the filter's section; None when it was off.
        size: (H, W) of the images. format: of the files.
        objects, pixels: sums over all samples, by name of the class.
        versions: of the libraries that decide the bytes.
    """
    total = max(sum(pixels.values()), 1)
    rows = [
        f"| {name} | {objects.get(name, 0):,} | {100 * count / total:.2f} % |"
        for name, count in pixels.items()
    ]
    given = " --layouts DATA" if origin.layouts.startswith("given") else ""
    given = " --reference DATA" if origin.layouts == "given with their images" else given
    given += "".join(f" --keep {shlex.quote(part)}" for part in origin.keep)
    given += f" --per-layout {origin.per_layout}" if origin.per_layout != 1 else ""
    guided = f" --guidance {origin.guidance:g}" if origin.guidance != 1 else ""
    given += " --vary" if origin.vary else ""
    given += " --precision bf16" if origin.precision == "bf16-true" else ""
    again = "--filter off"
    if filtered:
        again = (
            f"\\\n  --filter {filtered['mode']} --filter-share {100 * filtered['share']:g} --most-candidates "
            f"{filtered['most']}"
        )
    lines = [
        f"# {n} synthetic labelled images",
        "",
        *(_KEPT if origin.keep else _DRAWN),
        f"image obeys was {_MEASURED if filtered else 'not measured here'}. Images can resemble those that "
        f"the system was trained on,",
        "and the terms of the training data may bind what is done with them.",
        "",
        f"- Made by: labelmint {origin.version}, system `{origin.system}`, weights SHA-256 "
        f"`{origin.weights}`",
        f"- Layouts: {origin.layouts_in_words}"
        + (f" (SHA-256 `{origin.layouts_digest}`)" if origin.layouts_digest else ""),
        f"- {'Accepted of candidates' if filtered else 'Samples'} {indices[0]} to {indices[1]} of seed "
        f"{origin.seed}; "
        f"{size[0]}x{size[1]} pixels; format `{format}`",
        *([] if filtered else [_UNFILTERED]),
        f"- Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        "",
        "| class | objects | pixels |",
        "| --- | ---: | ---: |",
        *rows,
        "",
        *(["## Filter", "", *filtered["lines"], ""] if filtered else []),
        "## To make it again",
        "",
        "```sh",
        f"labelmint synthesize RUN --out DIR -n {n} --seed {origin.seed} --start {indices[0]} --format "
        f"{format} \\",
        f"  --temperature {origin.temperature:g} --layout-temperature {origin.layout_temperature:g}{guided} "
        f"\\",
        f"  --batch-size {origin.batch_size} --device {origin.device} --threads {origin.threads}{given} "
        f"{again}",
        "```",
        "",
        "With the same weights, versions, batch size, device, precision and threads the bytes are the same.",
        *(["The filter needs the judge that the run held then."] if filtered else []),
        "",
        "## Files",
        "",
        "- `manifest.jsonl`: one line a sample: name, index, seed, what its layout holds",
        "- `settings.json`: everything that decides the samples",
        "- `contact_sheet.png`: the first samples with their labels",
        *(["- `rejected.jsonl`, `rejected.png`: what was not written, and why"] if filtered else []),
    ]
    return "\n".join(lines) + "\n"
