"""Remembering: the pairs and the donors are kept as they are, and what is found are the moves between them.

    aligned data (`layouts.alignment`):  c_pt = argmin_c 1 - NCC(x_p(g_c), y_t) + lambda bending(c)
    other data:                          z_pt, so that x_p is as fine as y_t (`layouts.fineness`)

Nothing is random but which images are taken where there are too many, and that is a hash of their names.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from labelmint.datasets.geometry import mirrored_axes
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.layouts.alignment import ALIGNED, alignment
from labelmint.layouts.fineness import fitting_zooms, radial_spectrum
from labelmint.layouts.pair_memory import PairMemory
from labelmint.layouts.registration import misfit
from labelmint.nn.free_form import FreeForm
from labelmint.progress import Event
from labelmint.training.clock import Clock
from labelmint.training.regime import Bench, Learning, Networks, Player, Stage
from labelmint.training.warps import Search
from labelmint.types import Batch

__all__ = ["Remember", "Remembering", "Shape"]

Shape: TypeAlias = Literal["auto", "warp", "zoom", "none"]
_CHECKED = 256  # images that say whether the data are aligned


class Remembering(Learning):
    """How moves are found, and how much is kept."""

    steps: int = Field(60, ge=1, description="of the search for each batch of warps")
    batch_size: int = Field(64, ge=1, description="warps searched for at once")
    registrations: int = Field(
        1024, ge=1, description="warps in all: each pair toward as many other images as that allows"
    )
    stiffness: float = Field(1.0, ge=0, description="lambda: how much warps are kept from bending")
    donors: int = Field(1024, ge=1, description="images that looks are taken from, at most")
    shape: Shape = Field(
        "auto",
        description="how shapes are moved: warp (toward images that show the same things in the same places), zoom (to "
        "be as fine as others), none; auto decides by the data",
    )
    share: float = Field(1.0, gt=0, description="of a time budget, relative to the other parts")


class Remember:
    """Regime of a `PairMemory`.

    Arguments:
        settings: of the search. form: the free-form deformations.
        crop: whether views are cut out of larger images, which are not warped.
    """

    def __init__(self, settings: Remembering, form: FreeForm, crop: bool) -> None:
        self.settings, self.form, self.crop = settings, form, crop

    def players(self, module: nn.Module) -> tuple[Player, ...]:
        """The memory, which has no weights."""
        return (Player("module", module, self.settings.learning_rate),)

    def steps(self, views: int) -> int:
        """Steps of all batches of warps that there may be."""
        if self.crop or self.settings.shape not in ("auto", "warp"):
            return 1
        return self.settings.steps * math.ceil(self.settings.registrations / self.settings.batch_size)

    def drawn(self, views: int) -> int:
        """None."""
        return 0

    def begin(self, module: nn.Module, pairs: Pairs, name: str) -> None:
        """Nothing is prepared."""

    def terms(self, player: str, networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The misfit of the images of a batch toward one another, before the first step of a search."""
        grey = batch.image.float().mean(dim=1, keepdim=True)
        height, width = grey.shape[2:]
        form = FreeForm((height, width), min(self.form.spacing)).to(grey.device)
        controls = torch.zeros(len(grey), 2, *form.grid, device=grey.device, requires_grad=True)
        found = misfit(grey, grey.roll(1, 0), form, controls, self.settings.stiffness).mean()
        return found, {"misfit": found.detach()}

    def losses(self, networks: Networks, batch: Batch) -> Iterator[Tensor]:
        """The misfit."""
        for player in networks:
            yield self.terms(player, networks, batch)[0]

    @property
    def copies(self) -> int:
        """None."""
        return 0

    def kept_bytes(self, module: nn.Module, views: int, size: tuple[int, int]) -> int:
        """Pairs and donors, a byte a level."""
        return 4 * size[0] * size[1] * (views + self.settings.donors)

    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """Nothing: nothing was learned."""
        return {}

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        """Fill the memory. Raises InputError where a pair has no image to take looks and shapes from;
        KeyboardInterrupt after saving what was found when it was asked to stop.
        """
        memory, training = cast(PairMemory, stage.module), bench.training
        pool = training if bench.pool is None else bench.pool
        clock = Clock(1, bench.seconds, bench.run.elapsed(stage.name), bench.now)
        _hold_pairs(memory, training, pool, _thinned(pool.names, self.settings.donors), own=pool is training)
        alike = 0.0 if self.crop else alignment(_fixed(pool, _thinned(pool.names, _CHECKED)))
        shape = self._shape(training, alike)
        memory.hold(
            mirrored=torch.tensor(mirrored_axes(training.geometry.augment), dtype=torch.int64),
            turned=torch.tensor("turns" in training.geometry.augment),
            warped=torch.tensor(shape == "warp"),
            aligned=torch.tensor(alike >= ALIGNED and not _anywhere(training)),
        )
        figures = {"alignment": alike}
        if shape == "warp":
            search = Search(stage.name, self.form, self.settings.steps, self.settings.stiffness)
            figures |= search.fill(
                memory, self.settings.registrations, self.settings.batch_size, bench, clock
            )
        elif shape == "zoom":
            _fit_zooms(memory, training, pool)
        if bench.fabric.global_rank == 0:
            bench.run.log({"stage": stage.name, "step": 1, "seconds": round(clock.elapsed, 2), **figures})
            bench.report(Event(stage.name, 1, 1, message=_said(shape, alike, training, bench.pool)))
        return {**figures, "steps": 1, "seconds": clock.elapsed}

    def _shape(self, training: Pairs, alike: float) -> str:
        """How shapes are moved: as asked, or warped where the data are aligned and may not be turned."""
        if self.settings.shape != "auto":
            return self.settings.shape
        return "warp" if alike >= ALIGNED and not _anywhere(training) else "zoom"


def _anywhere(pairs: Pairs) -> bool:
    """True if things may lie in any place, as those do that are turned or turned upside down."""
    return bool(pairs.geometry.augment & {"flips", "turns"})


def _thinned(names: Sequence[str], most: int) -> list[int]:
    """Places of at most so many names, those of the smallest hashes where there are more."""
    by_hash = sorted(
        range(len(names)), key=lambda k: hashlib.sha256(names[k].encode("utf-8", "surrogateescape")).digest()
    )
    return sorted(by_hash[:most])


def _fixed(pairs: Pairs, places: Sequence[int]) -> Tensor:
    """Images (N, C, H, W) in [-1, 1] of some pairs in their fixed views."""
    return pairs.take(places).fixed(0, len(places)).image


def _hold_pairs(memory: PairMemory, training: Pairs, pool: Pairs, places: Sequence[int], own: bool) -> None:
    """Keep the pairs whole and of the donors at these places views; those of a pool belong to no pair's group."""
    number = {name: k for k, name in enumerate(dict.fromkeys(training.groups))}
    memory.hold_pairs(
        [torch.from_numpy(np.array(pair.image)).permute(2, 0, 1) for pair in training],
        [torch.from_numpy(np.array(pair.ids)) for pair in training],
    )
    views = pool.take(places).tiles(pool.geometry.size, len(places))
    donors = EIGHT_BITS.from_unit(views.fixed(0, len(views)).image)
    memory.hold_names(training.names, views.names)
    groups = [number[name] for name in views.groups] if own else range(len(number), len(number) + len(views))
    memory.hold(
        groups=torch.tensor([number[name] for name in training.groups]),
        donors=torch.from_numpy(donors).permute(0, 3, 1, 2),
        donor_groups=torch.tensor([*groups]),
    )
    lonely = [name for k, name in enumerate(training.names) if not len(memory.donors_of(k))]
    if lonely:
        raise InputError(
            f"{training.source}: {lonely[0]!r} has no image of another group beside it to take looks and shapes from; "
            f"give images without labels by --unlabelled"
        )


def _fit_zooms(memory: PairMemory, training: Pairs, pool: Pairs) -> None:
    """Keep the zooms of each pair toward images of a pool, or of other pairs where that is what the pool is."""
    places = _thinned(pool.names, 1024)
    spectra, others = (
        np.stack([radial_spectrum(pairs.images[k]) for k in some])
        for pairs, some in ((training, range(len(training))), (pool, places))
    )
    memory.hold(zooms=torch.from_numpy(fitting_zooms(spectra, others)).float())


def _said(shape: str, alike: float, training: Pairs, pool: Pairs | None) -> str:
    """What was decided, a line."""
    ways = {
        "warp": "warped toward other images",
        "zoom": "zoomed to be as fine as other images",
        "none": "left as they are",
    }
    source = f"{len(training)} labelled images" if pool is None else f"{len(pool)} images without labels"
    beside = " (no --unlabelled)" if pool is None else ""
    return (
        f"looks come from {source}{beside}; shapes are {ways[shape]} (images are alike place by place to {alike:.2f}); "
        f"the run holds the training images"
    )
