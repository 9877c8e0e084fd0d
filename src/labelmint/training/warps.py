"""The search for warps of all labelled pairs toward other images, in batches, stopped and gone on with.

    k-th warp: of pair k mod P toward its k // P-th image, in the order of a hash; k < R

Each batch is found from nothing, so a search that was stopped ends with the warps of one that never was. Of each pair
the warps that came out less alike than its median are dropped: of images that show different things a warp makes
neither.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from labelmint.layouts.pair_memory import PairMemory
from labelmint.layouts.registration import register, strongest
from labelmint.nn.free_form import FreeForm
from labelmint.progress import Event
from labelmint.training.clock import Clock, stop_on_interrupt
from labelmint.training.regime import Bench

__all__ = ["Search"]


@dataclass(frozen=True)
class Search:
    """How warps are found.

    Arguments:
        stage: its name, for reports and checkpoints. form: the deformations. steps, stiffness: of each batch.
    """

    stage: str
    form: FreeForm
    steps: int
    stiffness: float

    def fill(
        self, memory: PairMemory, most: int, batch_size: int, bench: Bench, clock: Clock
    ) -> dict[str, float]:
        """Find warps into a memory that holds pairs and donors: `most` in all, fewer where the time ends before.

        Of several processes each finds all; the first one decides when to end, and alone writes and reports.
        Returns how many there are, and how alike the images are that they make, on average. Raises KeyboardInterrupt
        after saving what was found when it was asked to stop.
        """
        each = min(max(most // len(memory), 1), min(len(memory.donors_of(k)) for k in range(len(memory))))
        order = [_order(memory, pair)[:each] for pair in range(len(memory))]
        wanted = [(pair, int(order[pair][t])) for t in range(each) for pair in range(len(memory))]
        controls, alike = _restored(bench, self.stage, self.form)
        found_before, began = len(alike), clock.elapsed
        fabric, form = bench.fabric, self.form.to(bench.fabric.device)
        with stop_on_interrupt() as asked_to_stop:
            while len(alike) < len(wanted):
                done = len(alike)
                decided = (done > 0 and clock.over(0)), asked_to_stop()
                over, stop = fabric.broadcast(decided) if fabric.world_size > 1 else decided
                if stop:
                    if fabric.global_rank == 0:
                        found_so_far = {"controls": controls, "alike": alike}
                        where = {"step": done, "elapsed": clock.elapsed}
                        bench.run.save_checkpoint(self.stage, found_so_far, where)
                    raise KeyboardInterrupt
                if over:
                    break
                found = self._batch(memory, wanted[done : done + batch_size], form, bench)
                controls, alike = torch.cat([controls, found[0]]), torch.cat([alike, found[1]])
                speed = (len(alike) - found_before) / max(clock.elapsed - began, 1e-6)
                if fabric.global_rank == 0:
                    left = (len(wanted) - len(alike)) / speed
                    bench.report(Event(self.stage, len(alike), len(wanted), speed, left))
        self._keep(memory, controls, alike)
        return {"warps": float(len(alike)), "likeness": float(alike.mean())}

    def _batch(
        self, memory: PairMemory, wanted: list[tuple[int, int]], form: FreeForm, bench: Bench
    ) -> tuple[Tensor, Tensor]:
        moving = torch.stack([_grey(memory.image(pair)) for pair, _ in wanted])
        fixed = torch.stack([_grey(memory.donors[donor]) for _, donor in wanted])
        device = bench.fabric.device
        controls, alike = register(
            moving.to(device), fixed.to(device), form, steps=self.steps, stiffness=self.stiffness
        )
        return controls.cpu(), alike.cpu()

    def _keep(self, memory: PairMemory, controls: Tensor, alike: Tensor) -> None:
        """Keep the better half of each pair's warps, as many for each."""
        pairs = len(memory)
        each = len(alike) // pairs
        if not each:
            return
        by_pair = alike[: each * pairs].view(each, pairs).T
        best = by_pair.argsort(dim=1, descending=True, stable=True)[:, : (each + 1) // 2].sort(dim=1).values
        every = controls[: each * pairs].view(each, pairs, *controls.shape[1:]).transpose(0, 1)
        kept = every[torch.arange(pairs)[:, None], best]
        strengths = strongest(self.form.cpu(), kept.flatten(0, 1)).view(kept.shape[:2])
        memory.hold(controls=kept, strengths=strengths)


def _order(memory: PairMemory, pair: int) -> Tensor:
    """The donors of a pair, in the order of a hash of both."""
    donors = memory.donors_of(pair)
    by_hash = sorted(
        range(len(donors)), key=lambda k: hashlib.sha256(f"{pair} {int(donors[k])}".encode()).digest()
    )
    return donors[by_hash]


def _restored(bench: Bench, stage: str, form: FreeForm) -> tuple[Tensor, Tensor]:
    """The warps that a stopped search had found, or none."""
    found = bench.run.load_checkpoint(stage)
    if found is None:
        return torch.zeros(0, 2, *form.grid), torch.zeros(0)
    return found[0]["controls"], found[0]["alike"]


def _grey(image: Tensor) -> Tensor:
    """An image (C, H, W) uint8 as (1, H, W) in [-1, 1]."""
    return image.float().mean(dim=0, keepdim=True) / 127.5 - 1
