"""`labelmint describe`: the layouts that a sentence stands for, before any image is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from labelmint.cli.dial_options import LayoutTemperature
from labelmint.cli.errors import interruptible
from labelmint.cli.options import AsJson, Device, Seed, ThreadsToDraw
from labelmint.cli.printing import print_json, quoted, table
from labelmint.cli.progress import Progress
from labelmint.cli.takes import takes
from labelmint.protocols import in_digits

if TYPE_CHECKING:
    from labelmint.layouts.described import DescribedLayouts, Found
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Describe", "Synonyms", "describe", "read_names"]

_AT_ONCE, _SHOWN = 32, 48  # layouts that are drawn together, as `synthesize` does, and on the picture

Describe: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help='Draw layouts that are as a sentence says, as in "two cars on the left and no trees"; `labelmint '
        "describe` shows what is understood.",
        show_default=False,
    ),
]
Synonyms: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help='Other names of classes for a description: a JSON file, as in {"erythrocyte": "red blood cell"}.',
        show_default=False,
    ),
]


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    run: Annotated[
        Path, typer.Argument(help="A run folder, as `labelmint train` wrote it.", show_default=False)
    ]
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT", help='A sentence, as in "three cars and a tree on the left".', show_default=False
        ),
    ]
    n: Annotated[int, typer.Option("-n", metavar="N", help="How many layouts.")] = 8
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write layouts.png, the layouts with a legend, and layouts.json, their objects; it must be new or "
            "empty.",
            show_default=False,
        ),
    ] = None
    synonyms: Synonyms = None
    seed: Seed = 0
    layout_temperature: LayoutTemperature = None
    device: Device = "auto"
    threads: ThreadsToDraw = None
    as_json: AsJson = False


@takes(_CommandLine)
def describe(chosen: _CommandLine) -> None:
    """Show how a sentence is understood, and draw layouts for it.

    The layouts are those that `synthesize --describe` with the same seed draws images for.
    """
    from labelmint.errors import InputError
    from labelmint.formats.files import new_folder
    from labelmint.runs.described import described_layouts
    from labelmint.runs.draw import Draw, asked
    from labelmint.runs.streams import LAYOUT
    from labelmint.runs.trained import load
    from labelmint.storage import refuse_taken

    if chosen.n < 1:
        raise InputError(f"-n {chosen.n}: expected at least 1")
    if chosen.out is not None:
        refuse_taken(chosen.out)
    system = load(chosen.run, device=chosen.device, threads=chosen.threads)
    names = read_names(chosen.synonyms)
    with Progress() as progress, interruptible("stopped; nothing was written"):
        source = described_layouts(system, chosen.text, names, progress.report)
    values = asked({"layout_temperature": chosen.layout_temperature})
    dials = {dial.name: values.get(dial.name, dial.usual) for dial in source.dials}
    for dial in source.dials:
        dial.check(dials[dial.name])
    with interruptible("stopped; nothing was written"):
        seeds = Draw(seed=chosen.seed).seeds(LAYOUT, range(chosen.n))
        parts = (seeds[first : first + _AT_ONCE] for first in range(0, chosen.n, _AT_ONCE))
        found = [one for part in parts for one in source.found(part, dials)]
    if chosen.out is not None:
        with new_folder(chosen.out) as folder:
            _write(folder, system, source, found)
    facts = _facts(chosen, source, found)
    print_json(facts) if chosen.as_json else print(_told(facts, chosen, system))


def read_names(file: Path | None) -> dict[str, str] | None:
    """The synonyms of a file, if one is named."""
    from labelmint.layouts.lexicon import read_synonyms

    return None if file is None else read_synonyms(file)


def _facts(chosen: _CommandLine, source: DescribedLayouts, found: Sequence[Found]) -> dict[str, Any]:
    """What was understood, and how far the layouts are as described."""
    wishes = source.description.wishes()
    return {
        "text": chosen.text,
        "wishes": [
            {"wish": wish, "met": sum(one.met.wishes[place] for one in found), "of": len(found)}
            for place, wish in enumerate(wishes)
        ],
        "layouts": len(found),
        "met": sum(one.met.all for one in found),
        "candidates": [one.candidates for one in found],
        "out": str(chosen.out) if chosen.out is not None else None,
    }


def _told(facts: dict[str, Any], chosen: _CommandLine, system: TrainedSystem) -> str:
    from labelmint.layouts.described import MOST_CANDIDATES

    rows = [(wish["wish"], f"{wish['met']} of {wish['of']}") for wish in facts["wishes"]]
    mean = sum(facts["candidates"]) / facts["layouts"]
    text, run = quoted(chosen.text), quoted(chosen.run)
    again = f" --seed {chosen.seed}" if chosen.seed else ""
    if chosen.synonyms is not None:
        again += f" --synonyms {quoted(chosen.synonyms)}"
    if chosen.layout_temperature is not None:
        again += f" --layout-temperature {in_digits(chosen.layout_temperature)}"
    lines = [
        f"understood {facts['text']!r} as:",
        table(("wish", "met"), rows),
        f"{facts['met']} of {facts['layouts']} layouts meet all of it, after {mean:.1f} candidates each (at most "
        f"{MOST_CANDIDATES})",
    ]
    if facts["met"] < facts["layouts"]:
        lines.append("  the others come nearest; synthesize would stop at them, so wish for less at once")
    if facts["out"] is not None:
        lines.append(f"  look at {Path(facts['out']) / 'layouts.png'}")
    if facts["met"]:
        if system.role == "layouts" or system.moves_pairs:  # whose images are drawn by another run
            run = f"RUN --layouts-from {run}"
        lines.append(
            f"next: labelmint synthesize {run} --out DIR -n {facts['layouts']}{again} --describe {text}"
        )
    return "\n".join(lines)


def _write(folder: Path, system: TrainedSystem, source: DescribedLayouts, found: Sequence[Found]) -> None:
    """The picture of the first layouts, and the objects of all."""
    import numpy as np

    from labelmint.pictures import BLANK, contact_sheet
    from labelmint.storage import write_json
    from labelmint.types import AnnotatedImage

    blank, scale = np.full((*system.size, 3), BLANK, np.uint8), [system.size[1], system.size[0]] * 2
    objects = {str(row): source.objects(one.boxes) * [1, *scale] for row, one in enumerate(found)}
    # of maps all of whose pixels have a class, what is not known beside boxes has none
    unknown = next(iter(system.classes.ignore), max(system.classes.ids) + 1)
    shown = source.layouts([one.boxes for one in found[:_SHOWN]])
    layouts = source.rule.labels(shown, system.config.symbol_table, unknown)
    pairs = [AnnotatedImage(name=str(row), image=blank, layout=layout) for row, layout in enumerate(layouts)]
    contact_sheet(pairs, system.classes, folder / "layouts.png", boxes=lambda pair: objects[pair.name])
    content = [
        {
            "met": dict(zip(source.description.wishes(), one.met.wishes, strict=True)),
            "candidates": one.candidates,
            "objects": [
                {
                    "class": system.classes.name_of(int(class_id)),
                    "box": [round(float(side), 2) for side in box],
                }
                for class_id, *box in objects[str(row)]
            ],
        }
        for row, one in enumerate(found)
    ]
    write_json(folder / "layouts.json", {"size": list(system.size), "layouts": content})
