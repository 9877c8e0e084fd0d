"""The two readings of "n labels": they train, hold out and settle an arm's segmenter (`settling`).

Within   the n training pairs are all labels that there are     Beside   other pairs validate

Each training of an arm that settles something is kept below the cell's folder until the arm is done, so that a study
that was stopped goes on with the next one.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labelmint.datasets.geometry import Geometry, mirrored_axes
from labelmint.datasets.pairs import Pairs
from labelmint.evaluation.views import Views
from labelmint.progress import Report
from labelmint.segmenters.fixed import train_for
from labelmint.segmenters.judge import Judge
from labelmint.segmenters.mirrored import Mirrored
from labelmint.segmenters.mixture import Mixture
from labelmint.segmenters.plateau import ArmConfig, Plateau, train_to_plateau
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array, Batch
from labelmint.usefulness.arms import Arm, batches, consistency, network
from labelmint.usefulness.ground import Ground
from labelmint.usefulness.recipe import ALTERNATIVES, Recipe
from labelmint.usefulness.scoring import Scores, scores
from labelmint.usefulness.settling import Attempt, HeldOut, Settled, Trial, Tried, joined, settle

__all__ = ["Beside", "Done", "Within", "reading_of"]

_SHORT = 0.4  # patience of cross-fitting next to that of a training whose weights are kept


@dataclass(frozen=True, kw_only=True)
class Done:
    """A segmenter that was trained, by what, and what is known of it on held-out pairs."""

    network: nn.Module
    settled: Settled
    best_step: int | None
    validation_loss: float | None
    validation: Scores | None
    seconds: float


class _Reading(ABC):
    """What both readings do alike.

    Arguments:
        arm, ground, synthetic, trials: as for `train_arm`. precision: "32-true" or "bf16-mixed".
    """

    def __init__(
        self,
        arm: Arm,
        ground: Ground,
        synthetic: Views | None,
        *,
        config: ArmConfig,
        seed: int,
        device: torch.device,
        precision: str,
        report: Report,
        trials: Path | None = None,
    ) -> None:
        self.arm, self.ground, self.synthetic, self.config = arm, ground, synthetic, config
        self.seed, self.device, self.report, self.trials = seed, device, report, trials
        self.bfloat16 = precision == "bf16-mixed"

    @abstractmethod
    def settled(self) -> Done:
        """The arm's own choices, and the segmenter that comes of them."""

    @abstractmethod
    def followed(self, usual: Settled) -> Done:
        """A segmenter that trains by what arm A settled on."""

    def read(self, segmenter: nn.Module, recipe: Recipe, ground: Ground, views: Views) -> Array:
        """Class indices (N, H, W) that are read from views of a ground whose images are as the recipe has them."""
        axes = mirrored_axes(self.ground.geometry.augment) if recipe.mirrored else ()
        judge, seen = Judge(Mirrored(segmenter, axes), {}), ground.to_read(recipe, views)
        if len(seen) == 1:
            return judge.predict(views.images)
        every = zip(*(judge.probabilities(one.images) for one in seen), strict=True)
        read = [sum(shares for _, shares in parts).argmax(dim=1).to(torch.int16) for parts in every]
        return torch.cat(read).numpy()

    def recipe_after(self, usual: Settled) -> Recipe:
        """The arm's recipe; where it is the strong one, as arm A settled it."""
        own = self.arm.recipe
        return usual.recipe if own.augmentation == usual.recipe.augmentation else own

    def fresh(self) -> nn.Module:
        """The untrained segmenter."""
        return network(self.ground, self.config, self.seed).to(self.device)

    def batches(self, ground: Ground, recipe: Recipe) -> Mixture:
        """Batches of a ground whose images are as the recipe has them."""
        return batches(self.arm, ground, self.synthetic, recipe, self.seed)

    def to_plateau(
        self, segmenter: nn.Module, ground: Ground, recipe: Recipe, config: ArmConfig, least: int, says: str
    ) -> Plateau:
        """Train until the loss on the ground's validation views is at a plateau."""
        assert ground.validation is not None
        return train_to_plateau(
            segmenter,
            self.batches(ground, recipe),
            _fixed(ground.validation),
            config,
            least_steps=least,
            epoch=_epoch(ground, config),
            average=recipe.average,
            added=consistency(self.arm, ground, recipe, self.seed),
            bfloat16=self.bfloat16,
            report=self.report,
            stage=f"arm {self.arm.key}{says}",
        )

    def for_steps(
        self, segmenter: nn.Module, ground: Ground, recipe: Recipe, phases: Sequence[int], says: str
    ) -> float:
        """Train for so many steps; returns seconds."""
        return train_for(
            segmenter,
            self.batches(ground, recipe),
            phases,
            self.config,
            average=recipe.average,
            added=consistency(self.arm, ground, recipe, self.seed),
            bfloat16=self.bfloat16,
            report=self.report,
            stage=f"arm {self.arm.key}{says}",
        )

    def kept(self, segmenter: nn.Module, what: tuple[object, ...], train: Callable[[], Plateau]) -> Plateau:
        """Train a segmenter, or load what an earlier call trained.

        Arguments:
            what: all that tells this training from others of its arm.
        """
        if self.trials is None:
            return train()
        about = (*what, self.config.model_dump_json(), self.seed, self.bfloat16)
        store, part = RunFolder(self.trials), hashlib.sha256(repr(about).encode()).hexdigest()[:16]
        if store.finished(part):
            weights, known = store.load_part(part, store.removed(part))
            segmenter.load_state_dict(weights)
            return Plateau(**{**known["end"], "phases": tuple(known["end"]["phases"])})
        end = train()
        store.save_part(part, segmenter.state_dict(), {"end": asdict(end)})
        return end

    def held_out(self, segmenter: nn.Module, ground: Ground, recipe: Recipe) -> HeldOut:
        """What is read from the ground's validation views."""
        assert ground.validation is not None
        return HeldOut(ground.validation, self.read(segmenter, recipe, ground, ground.validation))

    def scored(self, held: HeldOut) -> Scores:
        """Scores of what was read from held-out pairs."""
        return scores(held.views.labels, held.read, self.ground.classes, self.ground.foreground)

    def choose(self, attempt: Attempt, *, same_steps: bool) -> tuple[Trial, Trial, tuple[Tried, ...]]:
        """The trial of the usual recipe, that of the one that is taken, and what else was tried: images that are
        spread already are not spread to try it.
        """
        other = [
            name
            for name in self.arm.alternatives
            if not (self.ground.normalized and ALTERNATIVES[name].get("normalize"))
        ]
        return settle(
            self.arm.recipe,
            attempt,
            classes=self.ground.classes,
            foreground=self.ground.foreground,
            alternatives=other,
            same_steps=same_steps,
        )


class Within(_Reading):
    """The n training pairs are all labels that there are: they are cross-fitted in two folds."""

    def settled(self) -> Done:
        first, best, tried = self.choose(self._cross_fitted, same_steps=True)
        longer = len(self.ground.training) / (sum(map(len, self.ground.folds)) / len(self.ground.folds))
        longer = min(longer, max(self.config.most_steps / sum(first.phases), 1.0))
        settled = Settled(
            recipe=best.recipe,
            phases=tuple(round(longer * steps) for steps in first.phases),
            reached=first.reached,
            dice=first.scores.dice,
            most_steps=self.config.most_steps,
            tried=tried,
        )
        return replace(self.followed(settled), validation_loss=best.loss, validation=best.scores)

    def followed(self, usual: Settled) -> Done:
        recipe, segmenter = self.recipe_after(usual), self.fresh()
        seconds = self.for_steps(segmenter, self.ground.seen(recipe), recipe, usual.phases, "")
        return Done(
            network=segmenter,
            settled=usual.model_copy(update={"recipe": recipe}),
            best_step=None,
            validation_loss=None,
            validation=None,
            seconds=seconds,
        )

    def _cross_fitted(self, recipe: Recipe, phases: Sequence[int] | None, says: str) -> Trial:
        """Two segmenters, each held to the fold that the other trained on."""
        held, ends = [], []
        short = max(round(_SHORT * self.config.patience), 1)
        config = self.config.model_copy(update={"patience": short})
        for k in range(len(self.ground.folds)):
            fold, segmenter = self.ground.fold(k).seen(recipe), self.fresh()
            where = f", {says}, fold {k + 1} of {len(self.ground.folds)}"
            train = partial(self._fitted, segmenter, fold, recipe, phases, config, where)
            end = self.kept(segmenter, (recipe, phases, k), train)
            ends += [end] if phases is None else []
            held.append(self.held_out(segmenter, fold, recipe))
        both = joined(held)
        return Trial(
            recipe=recipe,
            phases=tuple(phases) if phases is not None else _mean_phases([end.phases for end in ends]),
            reached=all(end.reached for end in ends),
            best_step=None,
            loss=sum(end.validation_loss for end in ends) / len(ends) if ends else None,
            held_out=both,
            scores=self.scored(both),
            network=None,
        )

    def _fitted(
        self,
        segmenter: nn.Module,
        fold: Ground,
        recipe: Recipe,
        phases: Sequence[int] | None,
        config: ArmConfig,
        where: str,
    ) -> Plateau:
        """Train on a fold: to the plateau of its loss, or for so many steps."""
        if phases is None:
            return self.to_plateau(segmenter, fold, recipe, config, 0, where)
        seconds = self.for_steps(segmenter, fold, recipe, phases, where)
        steps = sum(phases)
        return Plateau(
            steps=steps,
            best_step=steps,
            validation_loss=0.0,
            reached=True,
            seconds=seconds,
            phases=tuple(phases),
        )


class Beside(_Reading):
    """Other pairs validate: each training goes to the plateau of its loss on them."""

    def settled(self) -> Done:
        first, best, tried = self.choose(self._tried, same_steps=False)
        settled = Settled(
            recipe=best.recipe,
            phases=best.phases,
            reached=best.reached,
            dice=first.scores.dice,
            most_steps=self.config.most_steps,
            tried=tried,
        )
        return _done(best, settled)

    def followed(self, usual: Settled) -> Done:
        trial = self._trained(self.recipe_after(usual), sum(usual.phases), "", keeps=False)
        settled = usual.model_copy(
            update={
                "recipe": trial.recipe,
                "phases": trial.phases,
                "reached": trial.reached,
                "most_steps": self.config.most_steps,
            }
        )
        return _done(trial, settled)

    def _tried(self, recipe: Recipe, phases: Sequence[int] | None, says: str) -> Trial:
        return self._trained(recipe, 0, f", {says}", keeps=True)

    def _trained(self, recipe: Recipe, least_steps: int, says: str, *, keeps: bool) -> Trial:
        ground, segmenter = self.ground.seen(recipe), self.fresh()
        train = partial(self.to_plateau, segmenter, ground, recipe, self.config, least_steps, says)
        end = self.kept(segmenter, (recipe,), train) if keeps else train()
        held = self.held_out(segmenter, ground, recipe)
        return Trial(
            recipe=recipe,
            phases=end.phases,
            reached=end.reached,
            best_step=end.best_step,
            loss=end.validation_loss,
            held_out=held,
            scores=self.scored(held),
            network=segmenter,
            seconds=end.seconds,
        )


def reading_of(arm: Arm, ground: Ground, synthetic: Views | None, **how: Any) -> Within | Beside:
    """The reading that the ground is made for; `how` as `train_arm` has it."""
    return (Within if ground.folds else Beside)(arm, ground, synthetic, **how)


def _done(trial: Trial, settled: Settled) -> Done:
    assert trial.network is not None
    return Done(
        network=trial.network,
        settled=settled,
        best_step=trial.best_step,
        validation_loss=trial.loss,
        validation=trial.scores,
        seconds=trial.seconds,
    )


def _mean_phases(of_folds: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Steps at each learning rate, the mean over folds; one that ended early had none of the lower rates."""
    most = max(map(len, of_folds))
    filled = [[*steps, *(0 for _ in range(most - len(steps)))] for steps in of_folds]
    return tuple(max(round(sum(some) / len(filled)), 1) for some in zip(*filled, strict=True))


def _epoch(ground: Ground, config: ArmConfig) -> int:
    """Steps that see the area of the real training pairs once."""
    seen = math.prod(ground.geometry.size) * config.batch_size
    return math.ceil(sum(one.ids.size for one in ground.training) / seen)


def _fixed(views: Views) -> Batch:
    """All views as one batch."""
    size = (int(views.images.shape[1]), int(views.images.shape[2]))
    return Pairs(list(views.images), list(views.labels), Geometry(size=size), 0).fixed(0, len(views))
