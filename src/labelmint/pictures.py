"""Pictures for people: images beside their layouts, real beside synthetic, grids of images, loss curves.

Every function returns its pixels (H, W, 3) uint8 where that makes sense and, given a path, writes them as
PNG: aside first, then renamed. Small images are enlarged by a whole factor, so that each pixel is seen as it
is; large ones are shrunk.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from labelmint.storage import write_aside
from labelmint.types import AnnotatedImage, Array, ClassSet, Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BLANK",
    "contact_sheet",
    "curves",
    "image_grid",
    "overlay",
    "painted",
    "palette",
    "side_by_side",
    "under_heads",
]

_CELL, _GAP = 128, 6  # pixels that a cell is about wide, and between cells
_PAPER, _GROUND, _INK = 255, 225, (30, 30, 30)
BLANK = 160  # level of an image that shows nothing, on which white and black classes are seen
_FILL = 0.4  # how much of the class color covers the image
_LEGEND_ENTRIES = 32
_FIRST_COLORS = (
    (230, 25, 75),
    (60, 180, 75),
    (255, 200, 0),
    (0, 130, 200),
    (245, 130, 48),
    (145, 30, 180),
    (70, 240, 240),
    (240, 50, 230),
    (170, 110, 40),
    (210, 245, 60),
    (0, 128, 128),
    (250, 150, 180),
    (128, 128, 0),
    (0, 0, 160),
    (170, 255, 195),
    (128, 0, 0),
)


def palette(classes: ClassSet) -> dict[int, tuple[int, int, int]]:
    """The color of each class id and ignore id: the class's own, or one from a fixed palette; the background
    has none.
    """
    colors: dict[int, tuple[int, int, int]] = {}
    for place, info in enumerate(info for info in classes.classes if not _is_background(classes, info.id)):
        colors[info.id] = info.color or _color(place)
    return colors | dict.fromkeys(classes.ignore, (128, 128, 128))


def _is_background(classes: ClassSet, class_id: int) -> bool:
    return class_id not in classes.ignore and class_id in classes.without_objects


def _color(place: int) -> tuple[int, int, int]:
    if place < len(_FIRST_COLORS):
        return _FIRST_COLORS[place]
    # The golden ratio spreads the hues of any number of further classes.
    red, green, blue = colorsys.hsv_to_rgb(
        place * 0.618034 % 1, 0.45 + 0.5 * (place % 2), 0.95 - 0.3 * (place % 3) / 2
    )
    return round(red * 255), round(green * 255), round(blue * 255)


# Cells ------------------------------------------------------------------------------------------------------


def overlay(image: Array, layout: Layout, classes: ClassSet) -> Array:
    """An image (H, W, C) under its layout: classes tinted, and each class and instance outlined; (H, W, 3)
    uint8.
    """
    colors = palette(classes)
    size = max([*colors, int(layout.label_map.max(initial=0))]) + 1
    lookup, tinted = np.zeros((size, 3)), np.zeros(size, bool)
    for class_id, color in colors.items():
        lookup[class_id], tinted[class_id] = color, True
    shade, tint = lookup[layout.label_map], tinted[layout.label_map]
    picture = _rgb(image).astype(np.float64)
    picture[tint] = (1 - _FILL) * picture[tint] + _FILL * shade[tint]
    outline = tint & _edges(layout)
    picture[outline] = shade[outline]
    return picture.round().astype(np.uint8)


def painted(layout: Layout, classes: ClassSet) -> Array:
    """A layout alone, (H, W, 3) uint8: each class in its color, what has none in light grey, and lines around classes
    and instances.
    """
    colors = palette(classes)
    lookup = np.full((max([*colors, int(layout.label_map.max(initial=0))]) + 1, 3), _GROUND, np.uint8)
    for class_id, color in colors.items():
        lookup[class_id] = color
    picture: Array = lookup[layout.label_map]
    if layout.instances is not None:
        picture[_edges(layout) & (layout.instances > 0)] = _INK
    return picture


def _edges(layout: Layout) -> Array:
    """Pixels (H, W) with a neighbor above or left, below or right, of another class or instance."""
    edges = np.zeros(layout.size, bool)
    for ids in (layout.label_map,) if layout.instances is None else (layout.label_map, layout.instances):
        down, right = ids[1:] != ids[:-1], ids[:, 1:] != ids[:, :-1]
        edges[1:] |= down
        edges[:-1] |= down
        edges[:, 1:] |= right
        edges[:, :-1] |= right
    return edges


def _rgb(image: Array) -> Array:
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def _shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """About 128 pixels at the longer side: enlarged by a whole factor, or shrunk."""
    longer = max(size)
    if longer > _CELL * 1.25:
        return max(round(size[0] * _CELL / longer), 1), max(round(size[1] * _CELL / longer), 1)
    factor = max(round(_CELL * 0.9 / longer), 1)
    return size[0] * factor, size[1] * factor


def _resized(image: Array, size: tuple[int, int]) -> Array:
    method = Image.Resampling.BOX if size[0] < image.shape[0] else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(_rgb(image)).resize((size[1], size[0]), method))


def _resized_layout(layout: Layout, size: tuple[int, int]) -> Layout:
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for new, old in zip(size, layout.size, strict=True)
    )
    where = (rows[:, None], columns[None])
    instances = None if layout.instances is None else layout.instances[where]
    return Layout(label_map=layout.label_map[where], instances=instances)


def _cell(pair: AnnotatedImage, classes: ClassSet, boxes: Array | None = None) -> Array:
    """A pair at the size of showing: the image with its boxes, and beside it, if it has a label, under its layout."""
    size = _shown_size(pair.layout.size)
    image = _resized(pair.image, size)
    if not classes.labelled:
        return image
    if boxes is not None:
        down, across = (shown / side for shown, side in zip(size, pair.layout.size, strict=True))
        image = _outlined(image, boxes * [1, across, down, across, down], classes)
    gap = np.full((size[0], 2, 3), _PAPER, np.uint8)
    return np.concatenate([image, gap, overlay(image, _resized_layout(pair.layout, size), classes)], axis=1)


def _outlined(image: Array, boxes: Array, classes: ClassSet) -> Array:
    """An image (H, W, 3) with the outlines of boxes (N, 5), each in the color of its class."""
    picture, colors = Image.fromarray(_rgb(image)), palette(classes)
    draw = ImageDraw.Draw(picture)
    for class_id, x0, y0, x1, y1 in boxes.tolist():
        corners = (round(x0), round(y0), max(round(x1) - 1, round(x0)), max(round(y1) - 1, round(y0)))
        draw.rectangle(corners, outline=colors.get(int(class_id), _INK))
    return np.asarray(picture)


# Sheets -----------------------------------------------------------------------------------------------------


def contact_sheet(
    pairs: Iterable[AnnotatedImage],
    classes: ClassSet,
    path: str | Path | None = None,
    *,
    columns: int = 4,
    limit: int = 48,
    boxes: Callable[[AnnotatedImage], Array] | None = None,
) -> Array:
    """Each image beside itself under its layout, with a legend of the classes that are seen.

    Arguments:
        pairs: labelled images; no more than `limit` are drawn.
        classes: their classes.
        path: PNG to write.
        columns: pairs a row.
        boxes: a pair's boxes (N, 5), class ids and corners, to be drawn on its image; None for none.
    """
    cells, seen = _cells(pairs, classes, limit, boxes)
    return _written(_stack([_tile(cells, columns), _legend(seen, classes)]), path)


def side_by_side(
    real: Iterable[AnnotatedImage],
    synthetic: Iterable[AnnotatedImage],
    classes: ClassSet,
    path: str | Path | None = None,
    *,
    columns: int = 2,
    limit: int = 16,
) -> Array:
    """Real pairs on the left, synthetic ones on the right, each as in `contact_sheet`, at most `limit` a
    side.
    """
    sides = [_cells(pairs, classes, limit) for pairs in (real, synthetic)]
    blocks = [
        _stack([_title(title), _tile(cells, columns)])
        for title, (cells, _) in zip(("real", "synthetic"), sides, strict=True)
    ]
    gap = np.full((1, 4 * _GAP, 3), _PAPER, np.uint8)
    sheet = _stack([_beside([blocks[0], gap, blocks[1]]), _legend(sides[0][1] | sides[1][1], classes)])
    return _written(sheet, path)


def _cells(
    pairs: Iterable[AnnotatedImage],
    classes: ClassSet,
    limit: int,
    boxes: Callable[[AnnotatedImage], Array] | None = None,
) -> tuple[list[Array], set[int]]:
    """Cells of the first pairs, and the class ids that they show; holds one pair at a time."""
    cells, seen = [], set()
    for pair in islice(pairs, limit):
        cells.append(_cell(pair, classes, None if boxes is None else boxes(pair)))
        seen |= set(np.unique(pair.layout.label_map).tolist()) if classes.labelled else set()
    return cells, seen


def image_grid(images: Sequence[Array] | Array, path: str | Path | None = None, *, columns: int = 8) -> Array:
    """Images (N, H, W, C) uint8, or a list of such, in rows."""
    return _written(
        _tile([_resized(image, _shown_size((image.shape[0], image.shape[1]))) for image in images], columns),
        path,
    )


def under_heads(
    rows: Sequence[Sequence[Array]], heads: Sequence[str], path: str | Path | None = None
) -> Array:
    """Images (H, W, C) uint8 in rows, each column under its head.

    Arguments:
        rows: of as many images as there are heads, all of one size.
        path: PNG to write.
    """
    height, width = _shown_size((rows[0][0].shape[0], rows[0][0].shape[1]))
    titles = [_title(head) for head in heads]
    columns = []
    for place, title in enumerate(titles):
        column = _tile([_resized(row[place], (height, width)) for row in rows], 1)
        columns.append(_stack([title[:, : max(column.shape[1], _extent(heads[place]))], column]))
    return _written(_beside(columns), path)


def _tile(cells: Sequence[Array], columns: int) -> Array:
    """Cells in rows, each in the middle of a box that fits the largest."""
    if not cells:
        return np.full((_CELL, _CELL, 3), _PAPER, np.uint8)
    columns = max(min(columns, len(cells)), 1)
    height, width = (max(cell.shape[axis] for cell in cells) + _GAP for axis in (0, 1))
    sheet = np.full((-(-len(cells) // columns) * height + _GAP, columns * width + _GAP, 3), _PAPER, np.uint8)
    for place, cell in enumerate(cells):
        row, column = divmod(place, columns)
        top = _GAP + row * height + (height - _GAP - cell.shape[0]) // 2
        left = _GAP + column * width + (width - _GAP - cell.shape[1]) // 2
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet


def _stack(parts: Sequence[Array]) -> Array:
    return np.concatenate(_padded(parts, axis=1), axis=0)


def _beside(parts: Sequence[Array]) -> Array:
    return np.concatenate(_padded(parts, axis=0), axis=1)


def _padded(parts: Sequence[Array], axis: int) -> list[Array]:
    """Parts widened with paper to the largest along an axis."""
    extent = max(part.shape[axis] for part in parts)
    room = [[(0, extent - part.shape[axis]) if a == axis else (0, 0) for a in range(3)] for part in parts]
    return [np.pad(part, pad, constant_values=_PAPER) for part, pad in zip(parts, room, strict=True)]


def _extent(text: str) -> int:
    """Pixels that a title is wide."""
    return max(9 * len(text) + 2 * _GAP, 60)


def _title(text: str) -> Array:
    picture = Image.new("RGB", (max(_extent(text), 120), 26), (_PAPER,) * 3)
    ImageDraw.Draw(picture).text((_GAP, 4), text, fill=_INK, font=ImageFont.load_default(size=16))
    return np.asarray(picture)


def _legend(shown: set[int], classes: ClassSet, width: int = 4 * _CELL) -> Array:
    """A box of color and a name for each class seen, in lines."""
    colors = palette(classes)
    seen = sorted(shown & set(colors))
    font, line = ImageFont.load_default(size=13), 20
    entries: list[tuple[str, tuple[int, int, int] | None]] = [
        (classes.name_of(i), colors[i]) for i in seen[:_LEGEND_ENTRIES]
    ]
    if len(seen) > _LEGEND_ENTRIES:
        entries.append((f"and {len(seen) - _LEGEND_ENTRIES} more", None))
    places, x, y = [], _GAP, _GAP
    for name, _ in entries:
        extent = round(font.getlength(name)) + 30
        if x + extent > width and x > _GAP:
            x, y = _GAP, y + line
        places.append((x, y))
        x += extent
    extents = [
        px + round(font.getlength(name)) + 30 for (px, _), (name, _) in zip(places, entries, strict=True)
    ]
    widest = max([width, *extents])
    picture = Image.new("RGB", (widest, y + line + _GAP if entries else _GAP), (_PAPER,) * 3)
    draw = ImageDraw.Draw(picture)
    for (left, top), (name, color) in zip(places, entries, strict=True):
        if color is not None:
            draw.rectangle((left, top + 2, left + 12, top + 14), fill=color, outline=_INK)
        draw.text((left + 17, top), name, fill=_INK, font=font)
    return np.asarray(picture)


# Curves -----------------------------------------------------------------------------------------------------

_NOT_LOSSES = ("step", "seconds", "images_per_second")


def curves(rows: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Losses of a run's log over steps, one panel a stage; held-out figures stand out.

    Arguments:
        rows: of log.jsonl: "stage", "step", and numbers by name; names beginning with "held_out" are held-out
            figures.
        path: PNG to write.
    """
    from matplotlib.figure import Figure

    stages = list(dict.fromkeys(str(row["stage"]) for row in rows)) or ["nothing logged yet"]
    figure = Figure(figsize=(5.2 * len(stages), 3.6), dpi=100, layout="constrained")
    for axes, stage in zip(figure.subplots(1, len(stages), squeeze=False)[0], stages, strict=True):
        _stage_curves(axes, stage, [row for row in rows if row["stage"] == stage])
    with write_aside(Path(path)) as aside:
        figure.savefig(aside, format="png")


def _stage_curves(axes: Axes, stage: str, rows: Sequence[Mapping[str, Any]]) -> None:
    axes.set_title(stage.replace("_", " "))
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    names = [
        name
        for name in dict.fromkeys(key for row in rows for key in row)
        if name not in (*_NOT_LOSSES, "stage")
    ]
    for name in names:
        points = [(row["step"], row[name]) for row in rows if _is_number(row.get(name))]
        held_out = name.startswith("held_out") or name == "codes_used"
        if held_out:  # the log repeats the latest figure on each line until there is a new one
            points = [point for k, point in enumerate(points) if k == 0 or point[1] != points[k - 1][1]]
        if any(value > 0 for _, value in points):
            style: dict[str, Any] = (
                {"marker": "o", "markersize": 3, "linewidth": 1.8}
                if held_out
                else {"linewidth": 1, "alpha": 0.8}
            )
            axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), **style)
    if axes.lines:
        low, high = axes.dataLim.intervaly
        if low > 0 and high > 10 * low:
            axes.set_yscale("log")
        axes.legend(fontsize=8)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _written(picture: Array, path: str | Path | None) -> Array:
    """Write a picture as PNG, aside and then renamed, where a path is given."""
    if path is not None:
        with write_aside(Path(path)) as aside:
            Image.fromarray(picture).save(aside, format="PNG", compress_level=6)
    return picture
