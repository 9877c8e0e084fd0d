"""`labelmint systems`: what can be trained, and at which sizes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from labelmint.cli.options import AsJson
from labelmint.cli.printing import print_json, table

__all__ = ["systems"]


def systems(
    presets: Annotated[bool, typer.Option("--presets", help="List the presets alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the systems, where each was published and what it is made of, and the presets that give their
    sizes.
    """
    from labelmint.systems.catalogue import PRESETS, SYSTEMS, catalogue

    rows = catalogue()
    sizes = [
        {
            "name": p.name,
            "size": list(p.size),
            "system": p.system,
            "purpose": p.purpose,
            "settings": {name: SYSTEMS[name].presets[p.name]().model_dump() for name in p.systems},
        }
        for p in PRESETS.values()
    ]
    if as_json:
        print_json(sizes if presets else rows)
        return
    if not presets:
        print(_systems_text(rows), end="\n\n")
    print(_presets_text(sizes))


def _systems_text(rows: list[dict[str, Any]]) -> str:
    heads = ("system", "layout source p(s)", "image generator p(x given s)")
    lines = [table(heads, [(r["name"], r["layout_source"], r["image_generator"]) for r in rows], indent="")]
    return "\n".join([*lines, "", "Sources:", *(f"  {row['name']}: {row['source']}" for row in rows)])


def _presets_text(sizes: list[dict[str, Any]]) -> str:
    lines = [(s["name"], "x".join(map(str, s["size"])), s["system"], s["purpose"]) for s in sizes]
    return table(("preset", "size", "system unless given", "made for"), lines, indent="")
