"""Training a VQ-model of images, of layouts, or of both: a VQ-VAE, and with an adversary a VQGAN.

    tokenizer:      minimize L_rec + p d + codebooks + lambda (cross-entropy + codebook) [+ strength w L_G],
                    `objectives.vq_model`
    discriminator:  minimize L_D on the same images and their reconstructions, `objectives.adversarial`

The adversary begins late, after a share of the training: before that it would only learn to tell blur. For
half of that share the discriminator learns unheeded: one that knows nothing yet is led by what it should
judge. It has a learning rate of its own: at the tokenizer's (1e-3 in the small presets) it told nothing in
300 steps even of a tokenizer that stood still; at 2e-4 its loss fell from 1 to 0.87. One Adam holds both
networks. It keeps its averages for every weight apart and passes over weights without a gradient, so it is
two optimizers that are saved as one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.nn.patch import PatchDiscriminator
from labelmint.objectives.adversarial import adaptive_weight, discriminator_loss, generator_loss
from labelmint.objectives.perceptual import VGGDistance
from labelmint.objectives.structure import structure_distance
from labelmint.objectives.vq_model import Distance, vq_model_loss
from labelmint.progress import Report
from labelmint.tokenizers.coupled import Coupled
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.levels import Reconstruction
from labelmint.tokenizers.patterns import Patterns
from labelmint.tokenizers.vq_model import VQModel
from labelmint.training.accumulation import backward_in_parts, slices
from labelmint.training.clock import learning_rate, stop_on_interrupt
from labelmint.training.loop import Stage, reseed
from labelmint.training.run_folder import RunFolder
from labelmint.training.tokenizer import TokenizerTraining, set_parts
from labelmint.types import Batch, LayoutBatch

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # seconds to import, and drawing does without

__all__ = ["VQModelTraining", "count_patterns", "distance_of", "train_vq_model"]

_PATTERN_BATCH, _PATTERN_VIEWS, _PATTERN_PIXELS = 32, 2048, 1 << 25  # that patterns are counted in
_BETAS = {False: (0.9, 0.999), True: (0.5, 0.9)}  # of Adam; those with an adversary are VQGAN's


class VQModelTraining(TokenizerTraining):
    """How a VQ-model is trained; a VQ-VAE unless `adversary` is above 0. Published for VQGAN: absolute,
    distance 1, adversary 0.8.
    """

    error: Literal["squared", "absolute"] = Field("squared", description="of the reconstruction")
    distance: float = Field(
        0.0, ge=0, description="weight of the perceptual distance, or of the structure distance without `vgg`"
    )
    vgg: str = Field("", description="file with the state dict of a VGG-19, for the perceptual distance")
    adversary: float = Field(0.0, ge=0, description="strength of the adversary; 0 leaves it out")
    adversary_from: float = Field(
        0.3, ge=0, le=1, description="share of the training after which it is heeded"
    )
    discriminator_learning_rate: float | None = Field(
        None, gt=0, description="highest of its schedule; the tokenizer's where there is none"
    )
    discriminator_channels: int = Field(64, ge=8, multiple_of=8)
    discriminator_layers: int = Field(
        3, ge=1, le=5, description="its strided layers; a patch is 16, 34, 70, ... pixels wide"
    )
    semantic_weight: float = Field(
        0.1,
        ge=0,
        description="lambda: weight of the layout's loss beside the image's; nothing with "
        "layout_encoder=patterns",
    )


def train_vq_model(
    name: str,
    fabric: Fabric,
    run: RunFolder,
    tokenizer: nn.Module,
    training: Pairs,
    validation: Pairs,
    config: VQModelTraining,
    seconds: float | None,
    report: Report,
) -> dict[str, float]:
    """Train in place and answer the held-out figures, "steps" and "seconds".

    Held-out figures: "held_out_mse" on [-1, 1], "held_out_misread", the share of a layout's pixels that come
    back as another class, and "codes_used", a share; those that the tokenizer has. Ignored pixels are a
    symbol like others: layouts are drawn with theirs. Goes on from the run's checkpoint. Raises
    KeyboardInterrupt after saving when it was asked to stop.
    """
    if isinstance(tokenizer, CoupledPatterns):
        # As what a prior does before its steps: a part of the time budget, but not of the schedule.
        begin = time.perf_counter()
        count_patterns(tokenizer.patterns, training.showing(config.shown))
        seconds = max(seconds - (time.perf_counter() - begin), 1.0) if seconds is not None else None
    networks = nn.ModuleDict({"tokenizer": tokenizer})
    if config.adversary > 0:
        reseed(training.seed, f"{name}/discriminator", 0, 0)
        channels = training.fixed(0, 1).image.shape[1]
        judge = PatchDiscriminator(channels, config.discriminator_channels, config.discriminator_layers)
        networks["discriminator"] = judge.to(fabric.device)
    groups = [_group(tokenizer, config.learning_rate)]
    if "discriminator" in networks:
        groups.append(
            _group(networks["discriminator"], config.discriminator_learning_rate or config.learning_rate)
        )
    optimizer = torch.optim.Adam(groups, betas=_BETAS[config.adversary > 0], fused=True)
    stage = Stage(name, fabric, run, networks, optimizer, config.steps, seconds, report)
    model, wrapped = (
        fabric.setup_module(tokenizer),
        cast(torch.optim.Optimizer, fabric.setup_optimizers(optimizer)),
    )
    adversary = (
        _Adversary(fabric, networks["discriminator"], tokenizer, config.adversary)
        if config.adversary > 0
        else None
    )
    variance, rank, world = training.variance, fabric.global_rank, fabric.world_size
    distance = distance_of(config, fabric.device)
    figures: dict[str, float] = {}
    training = training.showing(config.shown)
    set_parts(tokenizer, len(slices(config.batch_size // world, config.accumulate)))
    with stop_on_interrupt() as asked_to_stop:
        while not stage.over(asked_to_stop()):
            reseed(training.seed, name, stage.step, rank)
            stage.set_learning_rate(learning_rate(config.learning_rate, stage.progress))
            batch = training.batch(stage.step, config.batch_size, rank, world).to(fabric.device)
            learner = adversary if stage.progress >= config.adversary_from / 2 else None
            rival = learner if stage.progress >= config.adversary_from else None
            made: list[Tensor] = []
            model.train()

            def loss_of(
                part: slice,
                batch: Batch = batch,
                learner: _Adversary | None = learner,
                rival: _Adversary | None = rival,
                made: list[Tensor] = made,
            ) -> tuple[Tensor, dict[str, Tensor]]:
                few = Batch(batch.image[part], LayoutBatch(batch.layouts.ids[part]))
                found = Reconstruction(*model(few.image, few.layouts))
                if rival is not None:
                    found = found._replace(image=rival.made())
                loss = vq_model_loss(
                    found,
                    few,
                    variance=variance,
                    commitment=config.commitment,
                    balance=config.balance,
                    error=config.error,
                    distance=distance,
                    semantic_weight=config.semantic_weight,
                )
                if learner is not None and found.image is not None:
                    made.append(found.image.detach().float())
                if rival is None or found.image is None:
                    return loss.fidelity + loss.others, loss.terms
                against, terms = rival.against(
                    found.image, loss.fidelity, cast(VQModel, tokenizer).last_layer
                )
                return loss.fidelity + loss.others + against, {**loss.terms, **terms}

            wrapped.zero_grad()
            terms = backward_in_parts(fabric, model, len(batch.image), config.accumulate, loss_of)
            wrapped.step()
            if learner is not None and made:
                wrapped.zero_grad()
                terms |= learner.learn(batch.image, torch.cat(made), config.accumulate)
                wrapped.step()
            stage.step += 1

            if stage.step % config.evaluate_every == 0:
                figures = _held_out(tokenizer, validation, fabric.device)
            if stage.step % 25 == 0 or stage.step % config.evaluate_every == 0:
                stage.tell(
                    {**{key: float(term) for key, term in terms.items()}, **figures}, config.batch_size
                )
            stage.save_if_due()
    if adversary is not None:
        adversary.watching.remove()
    set_parts(tokenizer, 1)
    tokenizer.eval()
    figures = _held_out(tokenizer, validation, fabric.device)
    stage.tell(figures, config.batch_size)
    return {**figures, "steps": stage.step, "seconds": stage.clock.elapsed}


def count_patterns(patterns: Patterns, training: Pairs) -> None:
    """Fill a table from random views, the same in every process; where each pair has one view, from these."""
    views = min(
        max(_PATTERN_PIXELS // training.fixed(0, 1).layouts.ids.numel(), _PATTERN_BATCH), _PATTERN_VIEWS
    )
    if training.still:
        batches = (training.fixed(first, _PATTERN_BATCH) for first in range(0, len(training), _PATTERN_BATCH))
    else:
        batches = (training.batch(step, _PATTERN_BATCH) for step in range(-(-views // _PATTERN_BATCH)))
    patterns.count(batch.layouts.ids for batch in batches)


def _group(network: nn.Module, rate: float) -> dict[str, Any]:
    return {"params": [p for p in network.parameters() if p.requires_grad], "lr": rate}


class _Adversary:
    """The discriminator in training. Its weights are still while the tokenizer learns from it.

    In mixed precision Fabric guards what a module answers against every way back but its own, and the
    adaptive weight needs gradients of the last layer alone. So the images are taken where the tokenizer
    itself answers them, before they are guarded.
    """

    def __init__(self, fabric: Fabric, network: nn.Module, tokenizer: nn.Module, strength: float) -> None:
        self.fabric, self.network, self.strength = fabric, network, strength
        self.wrapped = fabric.setup_module(network)
        self.watching = tokenizer.register_forward_hook(self._note)
        self._made: Tensor | None = None

    def _note(self, tokenizer: nn.Module, given: object, found: Reconstruction) -> Reconstruction:
        self._made = found.image
        return found._replace(image=found.image.view_as(found.image) if found.image is not None else None)

    def made(self) -> Tensor | None:
        """The images that the tokenizer answered last."""
        return self._made.float() if self._made is not None else None

    def against(self, made: Tensor, fidelity: Tensor, last_layer: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The tokenizer's loss from it, and its terms."""
        self.network.requires_grad_(False)
        with self.fabric.autocast():
            adversarial = generator_loss(self.network(made))
        weight = adaptive_weight(fidelity, adversarial, last_layer)
        return self.strength * weight * adversarial, {"adversarial": adversarial, "adaptive_weight": weight}

    def learn(self, real: Tensor, made: Tensor, parts: int) -> dict[str, Tensor]:
        """Add the gradient of its own loss; both kinds of images in one pass."""
        self.network.requires_grad_(True)

        def loss_of(part: slice) -> tuple[Tensor, dict[str, Tensor]]:
            of_real, of_made = self.wrapped(torch.cat([real[part], made[part]])).chunk(2)
            loss = discriminator_loss(of_real, of_made)
            return loss, {"discriminator": loss}

        return backward_in_parts(self.fabric, self.wrapped, len(real), parts, loss_of)


def distance_of(config: VQModelTraining, device: torch.device) -> tuple[float, Distance] | None:
    """The distance between images that a training asks for, and its weight."""
    if config.distance == 0:
        return None
    return config.distance, VGGDistance(config.vgg).to(device) if config.vgg else structure_distance


@torch.no_grad()
def _held_out(
    tokenizer: nn.Module, validation: Pairs, device: torch.device, at_most: int = 256, at_once: int = 32
) -> dict[str, float]:
    tokenizer.eval()
    both = cast(Coupled, tokenizer)  # of which it may have one half
    totals = dict.fromkeys(("mse", "pixels", "misread", "labels"), 0.0)
    tokens: list[dict[str, Tensor]] = []
    for first in range(0, min(len(validation), at_most), at_once):
        batch = validation.fixed(first, min(at_once, at_most - first)).to(device)
        tokens.append(both.encode(batch))
        if tokens[-1].keys() != {"semantics"}:
            totals["mse"] += float((both.decode(tokens[-1], batch.layouts) - batch.image).square().sum())
            totals["pixels"] += batch.image.numel()
        if "semantics" in tokens[-1]:
            misread = both.decode_layouts(tokens[-1]["semantics"]) != batch.layouts.ids
            totals["misread"] += int(misread.sum())
            totals["labels"] += misread.numel()
    used = [
        len(torch.cat([some[s.name] for some in tokens]).unique()) / s.codebook_size for s in both.streams
    ]
    shares = {"mse": "pixels", "misread": "labels"}
    figures = {f"held_out_{name}": totals[name] / totals[of] for name, of in shares.items() if totals[of]}
    return {**figures, "codes_used": sum(used) / len(used)}
