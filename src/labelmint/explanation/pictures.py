"""The pictures of `explain`: columns of images under headings, attention as heat over grey images, use of
codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelmint.datasets.scaling import EIGHT_BITS, as_channels
from labelmint.explanation.attention_maps import Pixel
from labelmint.metrics.codes import CodeUse, Shared
from labelmint.storage import write_aside
from labelmint.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["AttendedImage", "draw_attention", "draw_codes", "draw_columns"]

_INCHES, _DPI = 1.5, 100  # of a cell; of the file
# how much of the heat's color covers the image at its hottest; how bright the image is under it
_HEAT, _DIM = 0.85, 0.5


@dataclass(frozen=True, kw_only=True)
class AttendedImage:
    """An image (H, W, C) uint8 with chosen pixels and the attention (h, w) of each."""

    image: Array
    pixels: Sequence[Pixel]
    maps: Sequence[Array]


def draw_columns(columns: Mapping[str, Array], notes: Mapping[str, str], path: Path) -> None:
    """Images (N, H, W, C) uint8 under their headings, one row an item; a note under a heading where there is
    one.
    """
    rows = len(next(iter(columns.values())))
    figure, cells = _cells(rows, len(columns), aspect=_aspect(next(iter(columns.values()))[0]))
    for place, (title, images) in enumerate(columns.items()):
        note = notes.get(title)
        cells[0][place].set_title(title if note is None else f"{title}\n{note}", fontsize=8)
        for row in range(rows):
            _show(cells[row][place], images[row])
    _save(figure, path)


def draw_attention(images: Sequence[AttendedImage], path: Path) -> None:
    """A row an image: the image with its pixels numbered, then the attention of each pixel over the greyed
    and dimmed image.

    Each map is colored from 0 to its own strongest cell, whose share of the attention stands above it.
    """
    columns = 1 + max(len(one.pixels) for one in images)
    figure, cells = _cells(len(images), columns, aspect=_aspect(images[0].image), heading=0.36)
    for row, one in zip(cells, images, strict=True):
        _show(row[0], one.image)
        for number, pixel in enumerate(one.pixels, start=1):
            _mark(row[0], pixel, str(number))
        for number, (axes, pixel, weights) in enumerate(
            zip(row[1:], one.pixels, one.maps, strict=False), start=1
        ):
            _show(axes, _heated(one.image, weights))
            _mark(axes, pixel)
            strongest = f"strongest cell {weights.max():.2%}, blind {1 / weights.size:.2%}"
            # names of classes are no formulas, whatever signs they hold
            axes.set_title(f"{number}: {pixel.what}\n{strongest}", fontsize=6, parse_math=False)
    _save(figure, path)


def draw_codes(uses: Mapping[str, CodeUse], shared: Shared | None, path: Path) -> None:
    """Shares of the entries of each codebook, largest first; and, of two paths, the bits that their tokens
    have and share.
    """
    from matplotlib.figure import Figure

    panels = len(uses) + (shared is not None)
    figure = Figure(figsize=(3.4 * panels, 2.8), dpi=_DPI, layout="constrained")
    panel = list(figure.subplots(1, panels, squeeze=False)[0])
    for axes, (name, use) in zip(panel, uses.items(), strict=False):
        axes.bar(range(use.entries), use.shares, width=1.0, color="tab:blue")
        axes.axhline(1 / use.entries, color="black", linewidth=1, linestyle="--", label="even use")
        axes.set_title(
            f"{name}\n{use.used} of {use.entries} used, perplexity {use.perplexity:.1f}", fontsize=9
        )
        axes.set_xlabel("entry, most used first", fontsize=8)
        axes.set_ylabel("share of tokens", fontsize=8)
        axes.legend(fontsize=7)
    if shared is not None:
        bars = dict(zip((f"in {name}" for name in uses), shared.entropies, strict=True))
        bars |= {"counted as shared": shared.found, "by chance and place": shared.shuffled}
        panel[-1].barh(
            list(bars), list(bars.values()), color=["tab:blue", "tab:blue", "tab:orange", "lightgrey"]
        )
        panel[-1].invert_yaxis()
        panel[-1].set_title(f"bits a place\n{shared.share:.0%} of the smaller is shared", fontsize=9)
    for axes in panel:
        axes.tick_params(labelsize=7)
    _save(figure, path)


def _cells(
    rows: int, columns: int, *, aspect: float, heading: float = 0.0
) -> tuple[Figure, list[list[Axes]]]:
    """An empty sheet of rows and columns; `heading` inches are kept free above each cell."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(
        figsize=(columns * _INCHES + 0.1, rows * (_INCHES * aspect + heading) + (0.0 if heading else 0.45)),
        dpi=_DPI,
        layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01),
    )
    cells = [list(row) for row in figure.subplots(rows, columns, squeeze=False)]
    for axes in (axes for row in cells for axes in row):
        axes.axis("off")
    return figure, cells


def _aspect(image: Array) -> float:
    return float(image.shape[0] / image.shape[1])


def _show(axes: Axes, image: Array) -> None:
    axes.imshow(as_channels(image, 3), interpolation="nearest")


def _mark(axes: Axes, pixel: Pixel, text: str = "") -> None:
    for color, width in (("black", 3.0), ("cyan", 1.4)):  # dark around light: seen on any ground
        axes.plot(pixel.column, pixel.row, marker="+", markersize=8, markeredgewidth=width, color=color)
    if text:
        axes.annotate(
            text,
            (pixel.column, pixel.row),
            xytext=(3, 3),
            textcoords="offset points",
            color="black",
            fontsize=7,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "cyan", "linewidth": 0},
        )


def _heated(image: Array, weights: Array) -> Array:
    """The greyed and dimmed image (H, W, C) under weights (h, w), enlarged bilinearly; (H, W, 3) uint8."""
    from matplotlib import colormaps
    from PIL import Image

    heat = Image.fromarray((weights / max(float(weights.max()), 1e-12)).astype(np.float32))
    share = np.asarray(heat.resize((image.shape[1], image.shape[0]), Image.Resampling.BILINEAR)).clip(0, 1)
    grey = _DIM * as_channels(image.mean(axis=2, keepdims=True), 3) / (EIGHT_BITS.levels - 1)
    cover = _HEAT * share[..., None]
    picture: Array = ((1 - cover) * grey + cover * colormaps["inferno"](0.25 + 0.75 * share)[..., :3]) * 255
    return picture.round().astype(np.uint8)


def _save(figure: Figure, path: Path) -> None:
    """Aside, then renamed: there whole or not at all."""
    with write_aside(path) as aside:
        figure.savefig(aside, format="png")
