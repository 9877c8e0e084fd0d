"""Where samples came from (`runs.origin`), said in the manifest and in the data-set card.

Nothing here holds a date, a path or anything else that differs between two exports of the same samples.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from labelmint.datasets.objects import object_map
from labelmint.dials import DIALS
from labelmint.formats.card import in_a_cell
from labelmint.protocols import in_digits
from labelmint.runs.origin import Origin
from labelmint.runs.streams import in_words
from labelmint.types import AnnotatedImage, ClassSet, Layout

__all__ = [
    "card",
    "class_table",
    "command_of",
    "contents",
    "count_objects",
    "count_pixels",
    "manifest_row",
    "moved_from",
]

_MEASURED = "checked by a judge trained on real pairs alone (Filter, below)"
_UNFILTERED = "- Filter: off; no pair was dropped, and no copies of training images were looked for\n"
_TABLE = ("| class | objects | pixels |", "| --- | ---: | ---: |")
_REJECTED = "\n- `rejected.jsonl`, `rejected.png`: what was not written, and why"

_DRAWN = (
    "**Every image of this data set is synthetic**: it was generated together with its label, and shows "
    "nothing that exists.",
    "The label was drawn first and the image for it, so the label is what the image was asked to show; how "
    "faithfully the",
)
_OF_BOXES = {
    "boxes": "- Labels: boxes, as the generator saw them, and maps of these filled; no outline was ever said\n",
    "given": "- Labels: whole maps, of which the generator saw the boxes of objects alone; what these do not tell is "
    "ignored\n",
}
_KEPT = (
    "**Every image of this data set is synthetic but for what was kept**: parts of given pairs, as the "
    "system's tokenizer has them, which",
    "show what exists. The rest of the images was drawn for their labels, given or drawn before; how "
    "faithfully the",
)
_BARE = (
    "**Every image of this data set is synthetic**: it was generated, and shows nothing that exists.",
    "No image has a label: the system learned from images alone. Images can resemble those that it was trained on,",
)


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
    """What a layout holds, for manifest.jsonl; nothing where there are no labels."""
    if not classes.labelled:
        return {"objects": {}, "pixels": {}}
    return {"objects": count_objects(layout, classes), "pixels": count_pixels(layout, classes)}


def moved_from(pair: AnnotatedImage) -> dict[str, str]:
    """The names of the training images that a pair was made of, for manifest.jsonl; {} where it was drawn."""
    return {part: pair.provenance[part] for part in ("pair", "donor") if part in pair.provenance}


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
        **({"layouts_digest": origin.layouts_digest} if origin.layouts_digest else {}),
        "dials": dict(origin.said),
        **origin.chosen,
        "layout": layout_source,
        **({"labels": origin.labels} if origin.labels else {}),
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
    images: str = "png",
    labelled: bool = True,
) -> str:
    """README.md of the data set: `card.md`, filled.

    Arguments:
        origin: of all samples. n: how many. indices: of the first and the last candidate for them.
        filtered: "mode", "share", "most" and "lines" of the filter's section; None when it was off.
        size: (H, W) of the images. format: of the files.
        objects, pixels: sums over all samples, by name of the class.
        versions: of the libraries that decide the bytes. images: the format of the images.
        labelled: False for images without labels.
    """
    template = resources.files("labelmint.synthesis").joinpath("card.md").read_text(encoding="utf-8")
    digest = f" (SHA-256 `{origin.layouts_digest}`)" if origin.layouts_digest else ""
    wanted = f"-n {n} --seed {origin.seed} --start {indices[0]} --format {format}"
    wanted += f" --image-format {images}" if images != "png" else ""
    return template.format(
        n=n,
        kind="labelled images" if labelled else "images without labels",
        what="\n".join(_what(origin, filtered is not None) if labelled else _BARE),
        version=origin.version,
        system=origin.system,
        weights=origin.weights,
        layouts=origin.layouts_in_words + digest,
        chosen=_chosen(origin),
        counted="Accepted of candidates" if filtered else "Samples",
        first=indices[0],
        last=indices[1],
        seed=origin.seed,
        height=size[0],
        width=size[1],
        format=format,
        labels=_OF_BOXES[origin.labels] if origin.labels else "",
        unfiltered="" if filtered else _UNFILTERED,
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
        table="\n".join([*class_table(objects, pixels), "", ""]) if labelled else "",
        holds=", what its layout holds" if labelled else "",
        shown=" with their labels" if labelled else "",
        filter="\n".join(["## Filter", "", *filtered["lines"], "", ""]) if filtered else "",
        command=command_of(origin, wanted, filtered),
        judge="The filter needs the judge that the run held then.\n" if filtered else "",
        rejected=_REJECTED if filtered else "",
    )


def _chosen(origin: Origin) -> str:
    """Lines for streams drawn anew, a style, a description and an enlargement, where there are such."""
    lines = []
    if origin.reseed:
        lines.append(f"- Drawn from other seeds: {in_words(origin.reseed)}\n")
    if origin.style_image:
        lines.append(f"- Style: that of `{origin.style_image}` (SHA-256 `{origin.style_sha256}`)\n")
    if origin.upscaled_by:
        by = f"{origin.upscale_factor} times a side by a run of {origin.upscaled_by}"
        digest = f"(SHA-256 of its weights `{origin.upscale_digest}`)"
        lines.append(f"- Enlarged: {by} {digest}; every pixel of a label became a square of as many\n")
    if origin.description:
        lines.append(f"- Described: {origin.description!r}\n")
    return "".join(lines)


def _what(origin: Origin, measured: bool) -> list[str]:
    """What labelled images are, in lines."""
    about = _MEASURED if measured else "not measured here"
    obeyed = f"image obeys was {about}. Images can resemble those that the system was trained on,"
    return [*(_KEPT if origin.keep else _DRAWN), obeyed]


def class_table(objects: Mapping[str, int], pixels: Mapping[str, int]) -> list[str]:
    """Objects and pixels by class, a line each in order of the pixels, as a table of Markdown."""
    total = max(sum(pixels.values()), 1)
    return [*_TABLE] + [
        f"| {in_a_cell(name)} | {objects.get(name, 0):,} | {100 * count / total:.2f} % |"
        for name, count in pixels.items()
    ]


def command_of(origin: Origin, wanted: str, filtered: Mapping[str, Any] | None) -> str:
    """The command that makes the data set again; `wanted` are the options that say which samples."""
    dials = " ".join(_option(name, value) for name, value in origin.said.items())
    again = " --filter off"
    if filtered:
        again = (
            f" \\\n  --filter {filtered['mode']} --filter-share {_percent(filtered['share'])} --most-candidates "
            f"{filtered['most']}{' --unlabelled POOL' if 'unlabelled' in filtered else ''}"
        )
    machine = f"--batch-size {origin.batch_size} --device {origin.device} --threads {origin.threads}"
    lines = [f"labelmint synthesize RUN --out DIR {wanted}", dials, machine + _given(origin) + again]
    return " \\\n  ".join(line for line in lines if line)


def _option(name: str, value: float) -> str:
    """A dial on the command line."""
    return DIALS[name].given(value) if name in DIALS else f"--dial {name}={in_digits(value)}"


def _percent(share: float) -> str:
    """The shortest percentage that gives a share back, divided by 100."""
    found = (in_digits(float(f"{100 * share:.{digits}g}")) for digits in range(1, 18))
    return next((text for text in found if float(text) / 100 == share), in_digits(100 * share))


def _given(origin: Origin) -> str:
    """The options that say where layouts come from and what is kept."""
    data = " --layouts DATA" if origin.layouts.startswith("given") else ""
    data = " --reference DATA" if origin.layouts == "given with their images" else data
    data = " --layouts-from OTHER_RUN" if origin.layouts.startswith("drawn by a run of ") else data
    return "".join(
        [
            data,
            *(f" --keep {shlex.quote(part)}" for part in origin.keep),
            f" --per-layout {origin.per_layout}" if origin.per_layout != 1 else "",
            " --vary" if origin.vary else "",
            *(f" --reseed {name}={seed}" for name, seed in sorted(origin.reseed.items())),
            f" --style-image {shlex.quote(origin.style_image)}" if origin.style_image else "",
            f" --labels {origin.labels}" if origin.labels else "",
            " --upscale UPSCALER_RUN" if origin.upscaled_by else "",
            f" --describe {shlex.quote(origin.description)}" if origin.description else "",
            " --synonyms FILE" if origin.synonyms else "",
            " --precision bf16" if origin.precision == "bf16-true" else "",
        ]
    )
