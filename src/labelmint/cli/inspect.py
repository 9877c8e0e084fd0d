"""`labelmint inspect`: what labelled images hold, and what is odd about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labelmint.cli.options import AsJson, DataSets, FormatIn, GroupBy, Ignore, Merge, open_merged, parse_size
from labelmint.cli.printing import print_json
from labelmint.cli.progress import Progress

if TYPE_CHECKING:
    from labelmint.types import AnnotatedImage, DataSet

__all__ = ["inspect"]


def inspect(
    data: DataSets,
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Tell how many objects of each class survive at this size.", show_default=False),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw a contact sheet of images with their layouts.", show_default=False),
    ] = None,
    preset: Annotated[str, typer.Option(help="With --size: the preset whose layout grid is meant.")] = "small",
    merge: Merge = None,
    format_in: FormatIn = None,
    ignore: Ignore = "",
    group_by: GroupBy = None,
    as_json: AsJson = False,
) -> None:
    """Say what was found: sizes, pixels and objects of each class, and what is odd."""
    from labelmint.datasets.inspection import inspect as look
    from labelmint.training.clock import Event

    wanted = parse_size(size) if size is not None else None
    grid = _layout_grid(wanted, preset) if wanted is not None else None
    source = open_merged(data, merge, format_in, ignore, strict=False)
    with Progress() as progress:
        tell = lambda done, of: progress.report(Event("images", done, of)) if done % 50 == 0 or done == of else None  # noqa: E731
        found = look(source, size=wanted, grid=grid, group_by=group_by, tell=tell)
    if sheet is not None:
        _draw(source, sheet)
    if as_json:
        print_json(found.to_json())
    else:
        print(found)


def _layout_grid(size: tuple[int, int], preset: str) -> tuple[int, int]:
    """The grid (h, w) of the layouts of a preset's system at that size; the size itself where layouts are given as they are."""
    import torch

    from labelmint.systems.catalogue import system_named
    from labelmint.systems.parts import Facts
    from labelmint.systems.presets import preset_named

    chosen = preset_named(preset)
    with torch.device("meta"):  # shapes alone
        return system_named(chosen.system).build(chosen.settings(), Facts(1, size, 2)).label_map.grid


def _draw(source: DataSet, sheet: Path) -> None:
    """The first pairs that can be read."""
    from labelmint.errors import InputError
    from labelmint.pictures import contact_sheet

    pairs: list[AnnotatedImage] = []
    for name in source.names:
        if len(pairs) == 24:
            break
        try:
            pairs.append(source.load(name))
        except InputError:  # told as a finding
            continue
    sheet.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(pairs, source.classes, sheet)
