"""`labelmint inspect`: what labelled images hold, and what is odd about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from labelmint.cli.takes import takes

if TYPE_CHECKING:
    from labelmint.datasets.geometry import Geometry
    from labelmint.layouts.boxes import BoxSettings
    from labelmint.runs.boxed import Boxed
    from labelmint.types import AnnotatedImage, DataSet

__all__ = ["inspect"]

_RAREST, _CLASSES = 6, 12  # images of a class, and classes, in the picture of rare looks
_PRESET = "small"


@dataclass(frozen=True)
class _CommandLine:
    """The options of the verb, in the order of --help."""

    data: DataSets
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Count how many objects of each class survive at this size.",
            show_default=False,
        ),
    ] = None
    crop: Crop = False
    scale: Scale = 1.0
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw a contact sheet of images with their layouts.", show_default=False
        ),
    ] = None
    boxes: Annotated[
        bool,
        typer.Option(
            "--boxes",
            help="Count the boxes that a system of boxes would see, and draw them on the images of --sheet.",
        ),
    ] = False
    salient: Annotated[
        str,
        typer.Option(
            metavar="CLASSES",
            help="With --boxes: classes that have boxes, with commas between them. Unless given, those that cover at "
            "most a tenth of the pixels.",
        ),
    ] = ""
    least_box: Annotated[
        float,
        typer.Option(min=0, metavar="PIXELS", help="With --boxes: no smaller ones around objects of maps."),
    ] = 4.0
    most_boxes: Annotated[
        int, typer.Option(min=1, max=256, metavar="N", help="With --boxes: the N largest of an image.")
    ] = 16
    rare: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Draw the images in which the look of each class is rarest; --rebalance appearance shows such ones "
            "more often.",
            show_default=False,
        ),
    ] = None
    system: System = None
    preset: Annotated[str, typer.Option(help="With --size: the preset of that system.")] = _PRESET
    merge: Merge = None
    format_in: FormatIn = None
    ignore: Ignore = ""
    orientation: Orientation = "auto"
    group_by: GroupBy = None
    as_json: AsJson = False


@takes(_CommandLine)
def inspect(chosen: _CommandLine) -> None:
    """Say what was found: sizes, pixels and objects of each class, and what is odd."""
    from labelmint.datasets.inspection import inspect as look
    from labelmint.errors import InputError
    from labelmint.progress import Event

    seen, asked = _seen(chosen), _asked(chosen)
    for option, file in (("--sheet", chosen.sheet), ("--rare", chosen.rare)):
        if file is not None and file.is_dir():
            raise InputError(f"{option} {file}: is a folder; name a file, as in {option} sheet.png")
    source = open_merged(
        chosen.data,
        chosen.merge,
        chosen.format_in,
        chosen.ignore,
        strict=False,
        orientation=chosen.orientation,
        alone=True,
    )
    if not source.classes.labelled:
        for option, given in (("--size", chosen.size), ("--boxes", chosen.boxes), ("--rare", chosen.rare)):
            if given:
                raise InputError(
                    f"{option}: is about labels, and {source.source} holds images without; leave it out"
                )
    with Progress() as progress:

        def tell(stage: str, done: int, of: int) -> None:
            if done % 50 == 0 or done == of:
                progress.report(Event(stage, done, of))

        kept = _kept(source, seen, chosen.system, chosen.preset, partial(tell, "layouts")) if seen else {}
        having = _boxed(source, seen, asked, chosen.group_by, partial(tell, "boxes")) if asked else None
        found = look(
            source,
            geometry=seen,
            group_by=chosen.group_by,
            tell=partial(tell, "images"),
            boxes=having.counted.boxes if having is not None else None,
            boxes_are=str(having.counted) if having is not None else None,
            **kept,
        )
    if chosen.as_json:
        print_json(found.to_json())
    else:
        print(found)
        print(*_good_for(source), sep="\n", end="", flush=True)
    if chosen.sheet is not None:  # what was found is said first, wherever pictures can't be written
        _draw(source, chosen.sheet, having)
    if chosen.rare is not None:
        _draw_rare(source, chosen.rare)


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


def _seen(chosen: _CommandLine) -> Geometry | None:
    """How images come to the size that is asked about; None for none."""
    from labelmint.datasets.geometry import Geometry
    from labelmint.errors import InputError

    if chosen.size is not None:
        return Geometry(size=parse_size(chosen.size), crop=chosen.crop, scale=chosen.scale)
    of_size = {
        f"--system {chosen.system}": chosen.system is not None,
        f"--preset {chosen.preset}": chosen.preset != _PRESET,
        "--crop": chosen.crop,
        f"--scale {chosen.scale:g}": chosen.scale != 1,
    }
    for option, given in of_size.items():
        if given:
            raise InputError(f"{option}: is about what survives at a size; give --size HxW as well")
    return None


def _kept(
    source: DataSet, seen: Geometry, system: str | None, preset: str, tell: Callable[[int, int], None]
) -> dict[str, Any]:
    """What the system keeps."""
    from labelmint.runs.kept import kept_by

    return kept_by(preset, seen, source, tell, system)._asdict()


def _asked(chosen: _CommandLine) -> BoxSettings | None:
    """Which boxes are asked for; None for none."""
    from labelmint.errors import InputError
    from labelmint.layouts.boxes import BoxSettings

    asked = BoxSettings(salient=chosen.salient, least_box=chosen.least_box, most_boxes=chosen.most_boxes)
    if chosen.boxes:
        return asked
    for option, value in asked.model_dump(exclude_defaults=True).items():
        raise InputError(f"--{option.replace('_', '-')} {value}: is about boxes; give --boxes as well")
    return None


def _boxed(
    source: DataSet,
    seen: Geometry | None,
    asked: BoxSettings,
    group_by: str | None,
    tell: Callable[[int, int], None],
) -> Boxed:
    """What has boxes."""
    from labelmint.runs.boxed import boxed

    return boxed(source, asked, seen, group_by, tell)


def _draw(source: DataSet, sheet: Path, having: Boxed | None) -> None:
    """The first pairs that can be read, with their boxes if these were asked for."""
    from labelmint.errors import InputError
    from labelmint.pictures import contact_sheet

    pairs: list[AnnotatedImage] = []
    for name in source.names:
        if len(pairs) == 24:
            break
        try:
            pairs.append(source.load(name))
        except (InputError, OSError):  # told as a finding
            continue
    sheet.parent.mkdir(parents=True, exist_ok=True)
    boxes = None if having is None else (lambda pair: having.of(pair.layout))
    contact_sheet(pairs, source.classes, sheet, boxes=boxes)


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
