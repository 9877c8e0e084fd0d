"""Layouts of labelled pairs, moved: warped or zoomed toward another image, mirrored and turned.

p ~ area,  t ~ U{1 ... T},  u ~ U(0, strength)
warped:   g(y, x) = (x, y) + min(u, u_pt) d_pt(y, x)          u_pt: beyond which the field folds
zoomed:   g(y, x) = place + (x, y) / z_pt^u                   place ~ U, so that as much as can be lies inside
s = s_p(g), by the nearest pixel;    the batch carries p and g, by which the image is moved alike
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelmint.layouts.fineness import MOST_ZOOM
from labelmint.layouts.pair_memory import PairMemory
from labelmint.nn.free_form import FreeForm, sampled
from labelmint.protocols import Dial, Dials
from labelmint.seeds import Seed, uniforms
from labelmint.types import Kept, LayoutBatch

__all__ = ["STRENGTH", "MovedLayouts"]

STRENGTH = Dial(
    "strength",
    1.2,
    0.0,
    2.0,
    "how far shapes are moved toward those of other images: 0 not at all, 1 to them",
)
_DRAWN = 8  # numbers a sample


class MovedLayouts:
    """LayoutSource over the pairs of a memory.

    Arguments:
        memory: filled before the first draw. size: (H, W) of the layouts.
        form: the free-form deformations of such layouts.
    """

    def __init__(self, memory: PairMemory, size: tuple[int, int], form: FreeForm) -> None:
        self.memory, self.size, self.form = memory, size, form

    @property
    def dials(self) -> tuple[Dial, ...]:
        """How far shapes are moved."""
        return (STRENGTH,)

    def sample(self, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None) -> LayoutBatch:
        """One layout a seed, with its pair and the places that its pixels were taken from."""
        numbers = uniforms(seeds, "layout", _DRAWN).double()
        bounds = self.memory.weights.cumsum(dim=0)
        pairs = torch.searchsorted(bounds, numbers[:, 0].contiguous(), right=True).clamp(max=len(bounds) - 1)
        places = torch.stack(
            [
                self._places(int(pair), row[1:].tolist(), dials[STRENGTH.name])
                for pair, row in zip(pairs, numbers, strict=True)
            ]
        )
        ids = [
            sampled(self.memory.map(int(pair))[None, None], some[None], "nearest")[0, 0]
            for pair, some in zip(pairs, places, strict=True)
        ]
        return LayoutBatch(torch.stack(ids), pairs=pairs, places=places)

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Maps and places of so many samples, and what is at hand to make one: the whole map of its pair, as floats."""
        return (batch_size + 4) * self.size[0] * self.size[1] * 16 + 4 * self.memory.largest

    def _places(self, pair: int, numbers: list[float], strength: float) -> Tensor:
        """Places (H, W, 2) in a pair, by seven numbers in [0, 1)."""
        which, share, down, across, *turns = numbers
        memory, zoom = self.memory, 1.0
        moves = memory.strengths.shape[1] if memory.warped else memory.zooms.shape[1]
        move = int(which * moves)
        if moves and not memory.warped:
            zoom = float(memory.zooms[pair, move]) ** (share * strength)
            zoom = min(max(zoom, 1 / MOST_ZOOM), MOST_ZOOM)
        room = [have - want / zoom for have, want in zip(memory.sizes[pair].tolist(), self.size, strict=True)]
        # What is larger than the pair lies around its middle.
        top, left = (
            free * at if free > 0 else free / 2 for free, at in zip(room, (down, across), strict=True)
        )
        if zoom == 1:
            top, left = float(round(top)), float(round(left))
        rows, columns = ((torch.arange(side) + 0.5) / zoom - 0.5 for side in self.size)
        y, x = torch.meshgrid(rows + top, columns + left, indexing="ij")
        places = torch.stack([x, y], dim=-1)
        if moves and memory.warped:
            strongest = min(share * strength, float(memory.strengths[pair, move]))
            field = self.form(memory.controls[pair, move][None])[0]
            places = places + strongest * field.permute(1, 2, 0)
        return self._turned(places, turns)

    def _turned(self, places: Tensor, numbers: list[float]) -> Tensor:
        mirrored = [
            int(axis) for axis, number in zip(self.memory.mirrored, numbers, strict=False) if number < 0.5
        ]
        places = places.flip(mirrored) if mirrored else places
        return places.rot90(int(4 * numbers[2])) if self.memory.turned else places
