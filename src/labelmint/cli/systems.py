"""`labelmint systems`: what can be trained."""

from __future__ import annotations

from labelmint.cli.options import AsJson
from labelmint.cli.printing import print_json, table

__all__ = ["systems"]


def systems(as_json: AsJson = False) -> None:
    """List the systems: where each was published and what it is made of."""
    from labelmint.systems import catalogue

    rows = catalogue()
    if as_json:
        print_json(rows)
        return
    print(
        table(
            ("system", "layout source p(s)", "image generator p(x given s)", "presets"),
            [(r["name"], r["layout_source"], r["image_generator"], ", ".join(r["presets"])) for r in rows],
            indent="",
        )
    )
    print("\nSources:")
    for row in rows:
        print(f"  {row['name']}: {row['source']}")
