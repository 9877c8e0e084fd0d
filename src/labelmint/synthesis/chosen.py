"""Pairs that a person chose, of whatever draws, as a data set: whole or not at all.

OUT/...                 the pairs, named kept_0001, kept_0002, ... in the order of choosing, in any format
OUT/manifest.jsonl      a line a pair: what decides it, as `synthesize` writes it
OUT/settings.json       the draws that they are of, each once
OUT/contact_sheet.png, README.md, croissant.json
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmint import formats, pictures
from labelmint.errors import InputError
from labelmint.formats.files import in_place_of, new_folder
from labelmint.storage import write_json, write_text
from labelmint.synthesis.provenance import class_table, contents, manifest_row, moved_from
from labelmint.synthesis.publish import (
    ON_THE_SHEET,
    in_order,
    section,
    versions_here,
    write_metadata,
    write_pairs,
)

if TYPE_CHECKING:
    from labelmint.runs.origin import Origin
    from labelmint.types import AnnotatedImage, ClassSet

__all__ = ["SETTINGS", "Chosen", "write_chosen"]

SETTINGS = "settings.json"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A pair that was drawn.

    Attributes:
        pair, origin, index: itself, and what decides it.
        source: name of the layout that it was drawn for; None where that was drawn, too.
        facts: what else is said of it in manifest and image: `{"painted": True}` of a layout painted by hand.
    """

    pair: AnnotatedImage
    origin: Origin
    index: int
    source: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def write_chosen(
    chosen: Sequence[Chosen], out: Path, classes: ClassSet, format: str = "folder", *, again: bool = False
) -> list[str]:
    """Write a data set.

    Arguments:
        chosen: pairs of one run. out: a folder that is new or empty.
        format: one of `formats.WRITABLE`.
        again: takes the place of what an earlier call wrote there, which goes when the new set is whole.

    Returns what the format does not carry, a line each.

    Raises InputError for no pairs, a format that can't hold them, and a folder that is taken; OSError where nothing
    more can be written.
    """
    if not chosen:
        raise InputError("nothing is kept yet; keep a pair first")
    images = formats.check_target(out / "new" if again else out, format=format, classes=classes)
    named = [
        replace(one, pair=replace(one.pair, name=f"kept_{number:04d}"))
        for number, one in enumerate(chosen, 1)
    ]
    with in_place_of(out) if again and out.exists() else new_folder(out) as folder:
        pairs = (one.pair for one in named)
        lost = write_pairs(pairs, folder, classes, formats.FORMATS[format], images or "png")
        _describe(named, folder, classes, format, lost)
    return lost


def _describe(
    chosen: Sequence[Chosen], folder: Path, classes: ClassSet, format: str, lost: Sequence[str]
) -> None:
    """All files beside the pairs."""
    objects, pixels, rows = Counter[str](), Counter[str](), []
    for one in chosen:
        holds = contents(one.pair.layout, classes)
        objects.update(holds["objects"])
        pixels.update(holds["pixels"])
        facts = {**moved_from(one.pair), **one.facts}
        rows.append(manifest_row(one.pair.name, one.origin, one.index, one.source, holds, facts))
    write_text(folder / "manifest.jsonl", "".join(rows))
    shown = [one.pair for one in chosen[:ON_THE_SHEET]]
    pictures.contact_sheet(shown, classes, folder / "contact_sheet.png")
    draws = list({json.dumps(one.origin.to_json(), sort_keys=True): one.origin for one in chosen}.values())
    write_json(
        folder / SETTINGS,
        {"chosen": len(chosen), "draws": [one.to_json() for one in draws], "format": format},
    )
    table = class_table(objects, {name: pixels[name] for name in in_order(classes.names, pixels)})
    text = _card(chosen, format, table if classes.labelled else []) + section("Not carried over", lost)
    write_text(folder / "README.md", text)
    write_metadata([one.pair.name for one in chosen], classes, chosen[0].origin.system, folder, format)


def _card(chosen: Sequence[Chosen], format: str, table: Sequence[str]) -> str:
    """README.md of the data set."""
    origin, (height, width) = chosen[0].origin, chosen[0].pair.layout.size
    painted = sum(bool(one.facts.get("painted")) for one in chosen)
    template = resources.files("labelmint.synthesis").joinpath("chosen.md").read_text(encoding="utf-8")
    return template.format(
        n=len(chosen),
        kind="pairs" if table else "images without labels",
        label="Its label is the layout that it was drawn for. " if table else "",
        version=origin.version,
        system=origin.system,
        weights=origin.weights,
        painted=painted,
        others=len(chosen) - painted,
        height=height,
        width=width,
        format=format,
        versions=", ".join(f"{name} {version}" for name, version in versions_here().items()),
        table="\n".join([*table, "", ""]) if table else "",
    )
