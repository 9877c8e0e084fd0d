"""`labelmint inspect`: what labelled images hold, and what is odd about them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmint.cli.options import (
    AsJson,
    Crop,
    DataSets,
    FormatIn,
    GroupBy,
    Ignore,
    Merge,
    Orientation,
    Scale,
    System,
    open_merged,
    parse_size,
)
from labelmint.cli.printing import print_json
from labelmint.cli.progress import Progress

if TYPE_CHECKING:
    from labelmint.datasets.geometry import Geometry
    from labelmint.types import AnnotatedImage, DataSet

__all__ = ["inspect"]

_RAREST, _CLASSES = 6, 12  # images of a class, and classes, in the picture of rare looks


def inspect(
    data: DataSets,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Tell how many objects of each class survive at this size.",
            show_default=False,
        ),
    ] = None,
    crop: Crop = False,
    scale: Scale = 1.0,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw a contact sheet of images with their layouts.", show_default=False
        ),
    ] = None,
    rare: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Draw the images in which the look of each class is rarest; --rebalance appearance shows such ones "
            "more often.",
            show_default=False,
        ),
    ] = None,
    system: System = None,
    preset: Annotated[str, typer.Option(help="With --size: the preset of that system.")] = "small",
    merge: Merge = None,
    format_in: FormatIn = None,
    ignore: Ignore = "",
    orientation: Orientation = "auto",
    group_by: GroupBy = None,
    as_json: AsJson = False,
) -> None:
    """Say what was found: sizes, pixels and objects of each class, and what is odd."""
    from labelmint.datasets.geometry import Geometry
    from labelmint.datasets.inspection import inspect as look
    from labelmint.errors import InputError
    from labelmint.progress import Event

    named = f"--system {system}" if system is not None else "--crop" if crop else f"--scale {scale:g}"
    if size is None and (system is not None or crop or scale != 1):
        raise InputError(f"{named}: is about what survives at a size; give --size HxW as well")
    seen = Geometry(size=parse_size(size), crop=crop, scale=scale) if size is not None else None
    source = open_merged(data, merge, format_in, ignore, strict=False, orientation=orientation, alone=True)
    if size is not None and not source.classes.labelled:
        raise InputError(
            f"--size {size}: is about what survives of labels, and {source.source} holds images without; leave it out"
        )
    with Progress() as progress:

        def tell(stage: str, done: int, of: int) -> None:
            if done % 50 == 0 or done == of:
                progress.report(Event(stage, done, of))

        kept = _kept(source, seen, system, preset, partial(tell, "layouts")) if seen is not None else {}
        found = look(source, geometry=seen, group_by=group_by, tell=partial(tell, "images"), **kept)
    if sheet is not None:
        _draw(source, sheet)
    if rare is not None:
        _draw_rare(source, rare)
    if as_json:
        print_json(found.to_json())
    else:
        print(found)
        print(*_good_for(source), sep="\n", end="")


def _good_for(source: DataSet) -> list[str]:
    """What a set is good for that most systems do not learn from."""
    from labelmint.systems.catalogue import learning_from_images

    if source.classes.labelled and source.format != "class-folders":
        return []
    names = " or ".join(f"--system {name}" for name in learning_from_images())
    labels = "one class an image" if source.classes.labelled else "images without labels"
    drawn = "draws images of each class" if source.classes.labelled else "draws more such images"
    return [
        f"good for: {labels} train with {names}, which {drawn}; all other systems learn from labels of pixels",
        "",
    ]


def _kept(
    source: DataSet, seen: Geometry, system: str | None, preset: str, tell: Callable[[int, int], None]
) -> dict[str, Any]:
    """What the system keeps."""
    from labelmint.runs.kept import kept_by

    return kept_by(preset, seen, source, tell, system)._asdict()


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


def _draw_rare(source: DataSet, file: Path) -> None:
    """A column a class, the largest first; its rarest image on top."""
    import numpy as np

    from labelmint.datasets.rare_images import rarest
    from labelmint.pictures import under_heads

    found = [*rarest(source, _RAREST).items()][:_CLASSES]
    columns = [[source.load(name).image for name in names] for _, names in found]
    nothing = np.full_like(columns[0][0], 255)
    rows = [
        [column[k] if k < len(column) else nothing for column in columns]
        for k in range(max(map(len, columns)))
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    under_heads(rows, [source.classes.name_of(class_id) for class_id, _ in found], file)
