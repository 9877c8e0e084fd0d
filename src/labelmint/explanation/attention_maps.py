"""Where the decoder's last self-attention module looks (Figure 4 of the long MSGNet paper).

    w_ij = softmax_j(q_i . k_j / sqrt(D)),    i the cell of the chosen pixel, j every cell of the module's
    grid

The paper reads off two pictures that "a pixel from the background has a stronger association with the
background". That is counted here over held-out views: the share of w_i that falls on cells of i's own class,
beside the share of such cells, which blind attention would find.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.explanation.held_out import encoded
from labelmint.nn.attention import SelfAttention
from labelmint.nn.sight import area_fractions
from labelmint.protocols import Tokenizer
from labelmint.types import Array, ClassSet, Layout, LayoutBatch

__all__ = [
    "Attended",
    "ClassAttention",
    "LastAttention",
    "Pixel",
    "Region",
    "attended",
    "choose_pixels",
    "last_attention",
    "maps_of",
    "regions",
]

_RANKS = ("the largest", "the second")


class LastAttention(NamedTuple):
    """The module that ran last, its name in the tokenizer, and what went in, (B, C, h, w)."""

    name: str
    module: SelfAttention
    inputs: Tensor


class Pixel(NamedTuple):
    """A chosen pixel, and what it lies in, in words."""

    row: int
    column: int
    what: str


class Region(NamedTuple):
    """A mask (H, W), and what it covers, in words."""

    mask: Array
    what: str


@dataclass(frozen=True, kw_only=True)
class ClassAttention:
    """Mean over the cells of a class in held-out views: the share of attention that falls on cells of that
    class, and the share of the cells that are of it. Views that are all of the class say nothing and are left
    out.
    """

    name: str
    own: float
    by_chance: float


@dataclass(frozen=True, kw_only=True)
class Attended:
    """The last self-attention module over held-out views.

    Attributes:
        module: its name. grid: (h, w). views: how many it was looked at on.
        gamma: its learned gate. adds: size of what it adds, over that of what it adds to (root mean squares).
        effective_cells: mean of exp(entropy) of its rows, 1 to h w.
        classes: of the cells' majority.
    """

    module: str
    grid: tuple[int, int]
    views: int
    gamma: float
    adds: float
    effective_cells: float
    classes: tuple[ClassAttention, ...]


@torch.no_grad()
def last_attention(tokenizer: nn.Module, tokens: Tensor, layouts: LayoutBatch) -> LastAttention | None:
    """Decode tokens (B, rows, w) and watch; None where the decoder has no self-attention."""
    named = cast(Tokenizer, tokenizer)
    (stream,) = named.streams
    with _watched(tokenizer) as seen:
        named.decode({stream.name: tokens}, layouts)
    return seen[-1] if seen else None


@contextmanager
def _watched(module: nn.Module) -> Iterator[list[LastAttention]]:
    """The self-attention modules within a module in the order in which they run, with their inputs."""
    seen: list[LastAttention] = []
    hooks = []
    for name, part in module.named_modules():
        if isinstance(part, SelfAttention):

            def note(ran: nn.Module, inputs: tuple[Any, ...], name: str = name) -> None:
                seen.append(LastAttention(name, cast(SelfAttention, ran), inputs[0].detach()))

            hooks.append(part.register_forward_pre_hook(note))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def maps_of(last: LastAttention, item: int, pixels: list[Pixel], size: tuple[int, int]) -> list[Array]:
    """Attention (h, w) of the cell of each pixel of one image of size (H, W); each map sums to 1."""
    inputs = last.inputs[item : item + 1]
    height, width = inputs.shape[-2:]
    weights = last.module.weights(inputs)[0].reshape(height, width, height, width)
    return [weights[p.row * height // size[0], p.column * width // size[1]].cpu().numpy() for p in pixels]


# Chosen pixels ----------------------------------------------------------------------------------------------


def regions(layout: Layout, without: frozenset[int], classes: ClassSet) -> list[Region]:
    """The largest object, the background and the second object of a layout; fewer where it lacks one of them.

    Arguments:
        layout: its instances are the objects; without instances, the connected pieces of a class.
        without: class ids that have no objects; of these, ignored ones are no background either.
    """
    objects = _objects(layout, without)
    covered = np.any(objects, axis=0) if objects else np.zeros(layout.size, bool)
    background = ~covered & ~np.isin(layout.label_map, classes.ignore)
    named = [
        Region(mask, f"{classes.name_of(_class_in(layout, mask))}, {which} object")
        for mask, which in zip(objects, _RANKS, strict=False)
    ]
    return named[:1] + ([Region(background, "background")] if background.any() else []) + named[1:]


def choose_pixels(layout: Layout, without: frozenset[int], classes: ClassSet) -> list[Pixel]:
    """One pixel in each of the `regions`, as deep inside as can be."""
    return [Pixel(*_deepest(region.mask), region.what) for region in regions(layout, without, classes)]


def _objects(layout: Layout, without: frozenset[int]) -> list[Array]:
    """Masks (H, W) of all objects, the largest first."""
    from scipy import ndimage

    if layout.instances is not None:
        masks = [layout.instances == i for i in np.unique(layout.instances) if i > 0]
    else:
        masks = []
        for class_id in sorted(set(np.unique(layout.label_map).tolist()) - without):
            pieces, count = ndimage.label(layout.label_map == class_id)
            masks += [pieces == i for i in range(1, count + 1)]
    return sorted(masks, key=lambda mask: -int(mask.sum()))


def _class_in(layout: Layout, mask: Array) -> int:
    return int(np.bincount(layout.label_map[mask]).argmax())


def _deepest(mask: Array) -> tuple[int, int]:
    """The pixel of a mask that is farthest from all others and from the border."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row), int(column)


# Over many views --------------------------------------------------------------------------------------------


@torch.no_grad()
def attended(
    tokenizer: nn.Module,
    views: Pairs,
    tokens: Tensor,
    class_of: Array,
    classes: ClassSet,
    device: torch.device,
    at_most: int = 256,
) -> Attended | None:
    """What the last module does on held-out views; None where the decoder has none.

    Arguments:
        tokens: of the views, (N, rows, w).
        class_of: class id of each symbol, (S,).
        classes: their names.
    """
    sums: dict[int, Array] = {}
    entropies, squares, seen, last = 0.0, np.zeros(2), 0, None
    ids, of = np.unique(class_of, return_inverse=True)
    for batch, its in encoded(views, tokens, device):
        last = last_attention(tokenizer, its, batch.layouts)
        if last is None:
            return None
        added = last.module(last.inputs) - last.inputs
        of_each = (each.square().mean(dim=(1, 2, 3)).double().sum() for each in (added, last.inputs))
        squares += [float(each) for each in of_each]  # summed over views: the last batch may hold fewer
        shares = area_fractions(batch.layouts.ids, _grid(last), len(class_of))
        # Symbols are class x color: a cell may be mostly of a class and mostly of no symbol of it.
        by_class = shares.new_zeros(len(shares), len(ids), *_grid(last)).index_add(
            1, torch.from_numpy(of).to(device), shares
        )
        cells = ids[by_class.argmax(dim=1).flatten(1).cpu().numpy()]
        for item, majority in enumerate(cells):
            weights = last.module.weights(last.inputs[item : item + 1])[0].double().cpu().numpy()
            entropies += float(np.exp(-(weights * np.log(np.maximum(weights, 1e-300))).sum(axis=1)).mean())
            _add_by_class(sums, weights, majority)
        seen += len(cells)
        if seen >= at_most:
            break
    assert last is not None  # there is a view
    return Attended(
        module=last.name,
        grid=_grid(last),
        views=seen,
        gamma=float(last.module.gamma.detach()),
        adds=float(np.sqrt(squares[0] / max(squares[1], 1e-12))),
        effective_cells=entropies / seen,
        classes=tuple(
            ClassAttention(name=classes.name_of(k), own=float(own / count), by_chance=float(chance / count))
            for k, (own, chance, count) in sorted(sums.items())
        ),
    )


def _grid(last: LastAttention) -> tuple[int, int]:
    return int(last.inputs.shape[-2]), int(last.inputs.shape[-1])


def _add_by_class(sums: dict[int, Array], weights: Array, cells: Array) -> None:
    """Add, class by class, (attention on the own class, share of its cells, 1) of each of its cells."""
    for k in np.unique(cells):
        mine = cells == k
        if not mine.all():
            found = np.array([weights[mine][:, mine].sum(), mine.mean() * mine.sum(), mine.sum()])
            sums[int(k)] = sums.get(int(k), np.zeros(3)) + found
