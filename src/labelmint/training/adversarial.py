"""Minimizing an objective against a discriminator that learns beside it; the one adversarial loop.

    the module:         minimize  fidelity + others + strength w L_G(D(x')) + matching L_FM(D; x, x')
    its discriminator:  minimize  L_D(D(x), D(x')) + penalty on the same images x and x'
                        or  (L_D(D(x), D(x')) + L_D(D(x), D_wrong(x))) / 2 + penalty

w is 1, or the adaptive weight of VQGAN (`objectives.adversarial`), L_FM feature matching. Of few images the
discriminator sees augmented ones, real and made alike (`training.differentiable`). It may learn several times a step,
then also from further batches. D_wrong judges real images beside the labels of others, in systems that have it, so
that the discriminator heeds labels (`nn.object_discriminator`). It judges all images that are made of an item, where
there are several. There may be phases, from coarse to fine (`training.phases`). The adversary may begin late, after a
share of the training: before that it would only learn to tell blur. For half of that share the discriminator learns
unheeded: one that knows nothing yet is led by what it should judge. It has a learning rate of its own. One Adam holds
both networks: it keeps its averages for every weight apart and passes over weights without a gradient, so it is two
optimizers that are saved as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from labelmint.datasets.beside import with_unlabelled
from labelmint.datasets.pairs import Pairs
from labelmint.objectives.adversarial import GanLoss, adaptive_weight, feature_matching
from labelmint.objectives.objective import Loss, Objective
from labelmint.objectives.penalties import Penalty, penalty_of
from labelmint.tokenizers.codebooks import see_in_parts
from labelmint.training.accumulation import backward_in_parts, parts_of, slices
from labelmint.training.average import Average, Settling, synchronize
from labelmint.training.clock import learning_rate, stop_on_interrupt
from labelmint.training.differentiable import augmented
from labelmint.training.loop import Loop, reseed
from labelmint.training.phases import Phase, free, phase_at, smaller
from labelmint.training.regime import MOST_JUDGED, Bench, Learning, Networks, Player, Stage
from labelmint.types import Batch, LayoutBatch

__all__ = ["Adversarial", "Against", "HasLastLayer"]

MODULE, DISCRIMINATOR = "module", "discriminator"
_MOST_SETTLED = 1024  # batches of an epoch from which a module takes what it keeps of the pairs
_COLLAPSED = 0.25  # of the real images' spread


class HasLastLayer(Protocol):
    """A module whose images end in one layer, as the adaptive weight needs it."""

    @property
    def last_layer(self) -> Tensor:
        """The weights of the last layer of its images."""


@dataclass(frozen=True, kw_only=True)
class Against:
    """Against whom a module learns, and how.

    Arguments:
        discriminator: makes the network that tells real images from made ones, given also their layouts.
        loss: of both sides.
        rate: the discriminator's highest learning rate. betas: of Adam, for both.
        strength: of the adversary in the module's loss. summed: whether the verdicts of several discriminators add up
            there; else their mean counts.
        adaptive: whether it is weighed against the fidelity by gradients at `last_layer` of the module.
        begins: the share of the training after which it is heeded.
        matching: weight of feature matching.
        penalty: on the discriminator's gradients, and `penalty_weight`.
        updates: of the discriminator for each of the module.
        wrong: layouts -> items (n,) and others (n,) whose labels these are not true of; the discriminator is called
            with both, and answers the verdicts on the real images of these items so labelled behind all others. None
            tells it no wrong labels.
        augment_below: with fewer training pairs, what the discriminator sees is augmented; `unknown` is the symbol of
            what it is not shown.
    """

    discriminator: Callable[[], nn.Module]
    loss: GanLoss
    rate: float
    betas: tuple[float, float] = (0.5, 0.999)
    strength: float = 1.0
    summed: bool = False
    adaptive: bool = False
    begins: float = 0.0
    matching: float = 0.0
    penalty: Penalty = "none"
    penalty_weight: float = 10.0
    updates: int = 1
    wrong: Callable[[LayoutBatch], tuple[Tensor, Tensor]] | None = None
    augment_below: int = 0
    unknown: int = 0


class Adversarial:
    """Regime of two players: the module with its objective, and the discriminator that it learns against.

    Arguments:
        settings: steps, batch size, rate. objective: of the module. against: the other player.
        half_life: of the moving average of the module's weights, a share of the steps done; 0 keeps the last.
        phases: of the training; without any, the whole module learns at full size.
        see: a batch as both players see it; a batch that is seen already stays as it is. None for as it is.
        unlabelled: the share of the images without labels in a batch, where there are any; both players see these.
    """

    def __init__(
        self,
        settings: Learning,
        objective: Objective,
        against: Against,
        half_life: float = 0.0,
        phases: Sequence[Phase] = (),
        see: Callable[[Batch], Batch] | None = None,
        unlabelled: float = 0.0,
    ) -> None:
        self.settings, self.objective, self.against = settings, objective, against
        self.half_life, self.phases, self.see = half_life, phases, see or _as_it_is
        self.unlabelled = unlabelled
        self._rival: nn.Module | None = None
        self._few = False  # training pairs, so that images are augmented for the discriminator

    def players(self, module: nn.Module) -> tuple[Player, ...]:
        """The module, then the discriminator."""
        if self._rival is None:
            self._rival = self.against.discriminator()
        betas = self.against.betas
        return (
            Player(MODULE, module, self.settings.learning_rate, betas),
            Player(DISCRIMINATOR, self._rival, self.against.rate, betas),
        )

    def steps(self, views: int) -> int:
        """The steps of the settings."""
        return self.settings.steps

    def drawn(self, views: int) -> int:
        """None."""
        return 0

    def begin(self, module: nn.Module, pairs: Pairs, name: str) -> None:
        """What the objective does before the first step, and a new discriminator, the same for the same seed."""
        self.objective.begin(module, pairs.showing(self.settings.shown))
        free(module, phase_at(self.phases, 1.0))
        self._few = len(pairs) < self.against.augment_below
        reseed(pairs.seed, f"{name}/discriminator", 0, 0)
        self._rival = self.against.discriminator().to(next(module.parameters()).device)

    def terms(self, player: str, networks: Networks, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of either player once the adversary is heeded; the discriminator's on images made anew."""
        batch = self.see(batch)
        if player == MODULE:
            found = self.objective(networks[MODULE], batch)
            return self._against(found, networks, batch)
        made = self._made(networks[MODULE], batch)
        return self._judged(networks[DISCRIMINATOR], networks[DISCRIMINATOR], batch, made)

    def _made(self, network: nn.Module, batch: Batch, parts: int = 1) -> Tensor:
        """Images of a batch, without a way back."""
        with torch.no_grad():
            found = [self.objective(network, some).image for some in parts_of(batch, parts, network)]
        return torch.cat([image.float() for image in found if image is not None])

    def _against(
        self, found: Loss, networks: Networks, batch: Batch, turn: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The module's loss: its objective's, and what the discriminator, standing still, says of its images."""
        loss, against = found.fidelity + found.others, self.against
        if found.image is None:
            return loss, found.terms
        rival = networks[DISCRIMINATOR].requires_grad_(False).eval()
        made, real, layouts = self._shown(found.image, batch, turn)
        of_made = rival(made, layouts)
        each = torch.stack([against.loss.generator(maps[-1]) for maps in of_made])
        adversarial = each.sum() if against.summed else each.mean()
        terms = {**found.terms, "adversarial": adversarial.detach()}
        weight: float | Tensor = 1.0
        if against.adaptive:
            last = cast(HasLastLayer, networks[MODULE]).last_layer
            weight = terms["adaptive_weight"] = adaptive_weight(found.fidelity, adversarial, last)
        loss = loss + against.strength * weight * adversarial
        if against.matching:
            with torch.no_grad():
                of_real = rival(real, layouts)
            alike = slice(-found.chance or None)
            matched = feature_matching(
                *([[x[alike] for x in maps] for maps in of] for of in (of_real, of_made))
            )
            loss, terms["matching"] = loss + against.matching * matched, matched.detach()
        return loss, terms

    def _judged(
        self, rival: nn.Module, bare: nn.Module, batch: Batch, made: Tensor, turn: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The discriminator's loss; both kinds of images in one pass. The penalty sees it `bare`: wrapped by Fabric, it
        would compute in mixed precision again, and its gradients would be guarded.
        """
        rival.requires_grad_(True).train()
        made, real, layouts = self._shown(made, batch, turn)
        both, count = torch.arange(len(batch), device=made.device).repeat(2), len(batch)
        mixed = (
            () if self.against.wrong is None else (self.against.wrong(layouts),)
        )  # the real images come first
        judged = [maps[-1] for maps in rival(torch.cat([real, made]), layouts[both], *mixed)]
        # Of each item there may be several verdicts, in the order of the items.
        halves = [count if mixed else len(maps) // 2 for maps in judged]
        verdicts = [(maps[:n], maps[n : 2 * n]) for n, maps in zip(halves, judged, strict=True)]
        loss = torch.stack([self.against.loss.discriminator(*one) for one in verdicts]).mean()
        # Behind the first column of two there may be how likely classes are.
        judged_apart = [(of_real > of_made)[:, :1].float().mean() for of_real, of_made in verdicts]
        apart = torch.stack(judged_apart).mean()
        terms = {DISCRIMINATOR: loss.detach(), "told_apart": apart}
        if mixed and len(mixed[0][0]):
            mislabelled = [
                self.against.loss.discriminator(maps[:count], maps[2 * count :]) for maps in judged
            ]
            wrong = torch.stack(mislabelled).mean()
            loss, terms["wrong"] = (loss + wrong) / 2, wrong.detach()
        if self.against.penalty != "none":
            penalty = penalty_of(self.against.penalty, bare, real, made, layouts)
            loss, terms["penalty"] = loss + self.against.penalty_weight * penalty, penalty.detach()
        return loss, terms

    def _shown(self, made: Tensor, batch: Batch, turn: int) -> tuple[Tensor, Tensor, LayoutBatch]:
        """Made and real images and their layouts as the discriminator sees them: augmented where there are few, anew in
        each turn of a step, which is one of its updates and a part of the batch. Where several images are made of an
        item, side by side in the channels, the real one stands as often.
        """
        each, real, layouts = made.split(batch.image.shape[1], dim=1), batch.image, batch.layouts
        if self._few:
            seen = (*each, real)
            (*each, real), layouts = augmented(
                seen, layouts, self.against.unknown, torch.initial_seed() + turn
            )
        return torch.cat(each, dim=1), real.repeat(1, len(each), 1, 1), layouts

    def losses(self, networks: Networks, batch: Batch) -> Iterator[Tensor]:
        """The module's, then the discriminator's, which at first judges the images that are there."""
        batch = self.see(batch)
        found = self.objective(networks[MODULE], batch)
        made = found.image.detach().float() if found.image is not None else None
        yield self._against(found, networks, batch)[0]
        del found
        for k in range(self.against.updates):
            if k or made is None:
                made = self._made(networks[MODULE], batch)
            rival = networks[DISCRIMINATOR]
            yield self._judged(rival, rival, batch, made)[0]

    @property
    def copies(self) -> int:
        """The average, where there is one."""
        return int(self.half_life > 0)

    def kept_bytes(self, module: nn.Module, views: int, size: tuple[int, int]) -> int:
        """Nothing."""
        return 0

    def held_out(
        self, module: nn.Module, pairs: Pairs, device: torch.device, at_most: int | None = None
    ) -> dict[str, float]:
        """The objective's figures."""
        return self.objective.held_out(module.eval(), pairs, device, at_most)

    def train(self, stage: Stage, bench: Bench) -> dict[str, float]:
        """Train in place; the figures are the objective's."""
        settings, against, fabric, module = self.settings, self.against, bench.fabric, stage.module
        if self.phases:
            module.requires_grad_(True)  # all of it learns in one of them
        synchronize(module, fabric)
        players = self.players(module)
        rival = players[1].module
        # One named like its stage: checkpoints of former versions are gone on with.
        networks = nn.ModuleDict({stage.name: module, DISCRIMINATOR: rival})
        optimizer = torch.optim.Adam([player.group for player in players], betas=against.betas, fused=True)
        loop = Loop(stage.name, bench, networks, optimizer, settings.steps, bench.seconds)
        wrapped = cast(torch.optim.Optimizer, fabric.setup_optimizers(optimizer))
        model, judge = fabric.setup_module(module), fabric.setup_module(rival)
        made_by = _Unguarded(model, module) if against.adaptive else model
        average = Average(module, loop, self.half_life)
        rank, world = fabric.global_rank, fabric.world_size
        training, figures = bench.training.showing(settings.shown), dict[str, float]()
        see_in_parts(module, len(slices(settings.batch_size // world, bench.accumulate)))

        def views(number: int, rank: int = rank, world: int = world) -> Batch:
            batch = with_unlabelled(
                training, bench.pool, self.unlabelled, number, settings.batch_size, rank, world
            )
            batch = self.see(batch).to(fabric.device)
            return smaller(batch, phase_at(self.phases, loop.progress).shrink)

        with stop_on_interrupt() as asked_to_stop:
            while not loop.over(asked_to_stop()):
                reseed(training.seed, stage.name, loop.step, rank)
                loop.set_learning_rate(learning_rate(settings.learning_rate, loop.progress))
                free(module, phase_at(self.phases, loop.progress))
                batch = views(loop.step * against.updates)
                learns, heeded = (loop.progress >= share for share in (against.begins / 2, against.begins))
                made: list[Tensor] = []
                model.train()

                def of_module(
                    part: slice, batch: Batch = batch, heeded: bool = heeded, made: list[Tensor] = made
                ) -> tuple[Tensor, dict[str, Tensor]]:
                    found = self.objective(made_by, batch[part])
                    if found.image is not None:
                        made.append(found.image.detach().float())
                    if not heeded:
                        return found.fidelity + found.others, found.terms
                    with fabric.autocast():  # the discriminator's own way is closed to the gradient here
                        networks = {MODULE: module, DISCRIMINATOR: rival}
                        return self._against(found, networks, batch[part], part.start)

                def of_rival(
                    part: slice, batch: Batch = batch, made: list[Tensor] = made, before: int = 0
                ) -> tuple[Tensor, dict[str, Tensor]]:
                    some = torch.cat(made)[part]
                    return self._judged(judge, rival, batch[part], some, before + part.start)

                wrapped.zero_grad()
                terms = backward_in_parts(fabric, model, len(batch), bench.accumulate, of_module)
                wrapped.step()
                average.move(loop.step + 1)
                for k in range(against.updates if learns and made else 0):
                    if k:
                        batch = views(loop.step * against.updates + k)
                        made = [self._made(model, batch, bench.accumulate)]
                    wrapped.zero_grad()
                    again = partial(of_rival, batch=batch, made=made, before=k * len(batch))
                    terms |= backward_in_parts(fabric, judge, len(batch), bench.accumulate, again)
                    wrapped.step()
                loop.step += 1

                # Held-out pairs are whole, so a network that does not make whole images yet has no figures.
                new = (
                    loop.step % settings.evaluate_every == 0
                    and phase_at(self.phases, loop.progress).shrink == 1
                )
                if new:
                    figures = self.held_out(average.judged(), bench.validation, fabric.device, MOST_JUDGED)
                if loop.step % 25 == 0 or loop.step % settings.evaluate_every == 0:
                    told = {name: float(term) for name, term in terms.items()}
                    loop.tell({**told, **figures}, settings.batch_size, _collapse(figures) if new else "")
                loop.save_if_due()
        if isinstance(made_by, _Unguarded):
            made_by.leave()
        see_in_parts(module, 1)
        # The same batches in every process: the first one's statistics are kept.
        reseed(training.seed, f"{stage.name}/kept", 0, 0)
        parts = partial(parts_of, parts=bench.accumulate, network=module)
        average.give_back(lambda number: [self.objective(module, x) for x in parts(views(number, 0, 1))])
        if isinstance(module, Settling):
            count = min(-(-len(training) // settings.batch_size), _MOST_SETTLED)
            batches = (training.batch(number, settings.batch_size) for number in range(count))
            module.eval().settle(x.to(fabric.device) for batch in batches for x in parts(batch))
        figures = self.held_out(module, bench.validation, fabric.device, MOST_JUDGED)
        loop.tell(figures, settings.batch_size)
        return {**figures, "steps": loop.step, "seconds": loop.clock.elapsed}


def _as_it_is(batch: Batch) -> Batch:
    return batch


def _collapse(figures: dict[str, float]) -> str:
    """What a person should know of images that look alike whatever is asked for."""
    if figures.get("spread", 1.0) < _COLLAPSED:
        return f"its images vary {figures['spread']:.0%} as much as real ones: it may collapse"
    return ""


class _Unguarded:
    """A module wrapped by Fabric whose images come as the module itself makes them.

    In mixed precision Fabric guards what a module returns against every way back but its own, and the adaptive
    weight needs gradients at the last layer alone. So the images are taken before they are guarded. A module
    returns its images, or a named tuple that holds them as `image`.
    """

    def __init__(self, model: nn.Module, module: nn.Module) -> None:
        self._model, self._made = model, cast(Any, None)
        self._hook = module.register_forward_hook(self._note)

    def _note(self, module: nn.Module, given: object, found: Any) -> Any:
        self._made = found if isinstance(found, Tensor) else found.image
        return _with_image(found, self._made.view_as(self._made) if self._made is not None else None)

    def __call__(self, *given: Any) -> Any:
        found = self._model(*given)
        return _with_image(found, self._made.float() if self._made is not None else None)

    def leave(self) -> None:
        """Let the module return its images as before."""
        self._hook.remove()


def _with_image(found: Any, image: Tensor | None) -> Any:
    return image if isinstance(found, Tensor) else found._replace(image=image)
