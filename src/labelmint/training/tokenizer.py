"""Training a tokenizer: minimize the three-part loss of the VQ-VAE over random views of the training images."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.objectives.reconstruction import vq_loss
from labelmint.progress import Report
from labelmint.protocols import Tokenizer
from labelmint.tokenizers.quantizer import Quantizer
from labelmint.training.accumulation import backward_in_parts, slices
from labelmint.training.clock import learning_rate, stop_on_interrupt
from labelmint.training.loop import Stage, reseed
from labelmint.training.run_folder import RunFolder
from labelmint.types import Batch, LayoutBatch

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # seconds to import, and drawing does without

__all__ = ["TokenizerTraining", "codebook_use", "set_parts", "train_tokenizer"]


class TokenizerTraining(BaseModel):
    """How a tokenizer is trained (Table 4)."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    steps: int = Field(3000, ge=1, description="iterations")
    batch_size: int = Field(32, ge=1)
    accumulate: int = Field(
        1, ge=1, description="parts of a batch, one after the other; more take less memory"
    )
    learning_rate: float = Field(1e-3, gt=0)
    commitment: float = Field(0.25, ge=0, description="weight of the commitment loss")
    balance: float = Field(
        0.0, ge=0, le=1, description="1 counts every image relative to its own contrast, 0 all pixels alike"
    )
    shown: float = Field(
        0.0, ge=0, le=1, description="share of the views drawn to show each class as often as the others"
    )
    evaluate_every: int = Field(200, ge=1, description="steps between held-out figures")
    share: float = Field(0.25, gt=0, description="of a time budget, relative to the other parts")


def train_tokenizer(
    fabric: Fabric,
    run: RunFolder,
    tokenizer: nn.Module,
    training: Pairs,
    validation: Pairs,
    config: TokenizerTraining,
    seconds: float | None,
    report: Report,
) -> dict[str, float]:
    """Train in place and answer "held_out_mse" on [-1, 1], "codes_used" (a share), "steps" and "seconds".

    Goes on from the run's checkpoint. Raises KeyboardInterrupt after saving when it was asked to stop.
    """
    optimizer = torch.optim.Adam(
        [p for p in tokenizer.parameters() if p.requires_grad], lr=config.learning_rate, fused=True
    )
    stage = Stage("tokenizer", fabric, run, tokenizer, optimizer, config.steps, seconds, report)
    model, wrapped = fabric.setup(tokenizer, optimizer)
    variance, rank, world = training.variance, fabric.global_rank, fabric.world_size
    figures: dict[str, float] = {}
    training = training.showing(config.shown)
    set_parts(tokenizer, len(slices(config.batch_size // world, config.accumulate)))
    with stop_on_interrupt() as asked_to_stop:
        while not stage.over(asked_to_stop()):
            reseed(training.seed, "tokenizer", stage.step, rank)
            stage.set_learning_rate(learning_rate(config.learning_rate, stage.progress))
            batch = training.batch(stage.step, config.batch_size, rank, world).to(fabric.device)
            model.train()

            def loss_of(part: slice, batch: Batch = batch) -> tuple[Tensor, dict[str, Tensor]]:
                few = Batch(batch.image[part], LayoutBatch(batch.layouts.ids[part]))
                return vq_loss(model, few, variance, config.commitment, config.balance)

            wrapped.zero_grad()
            terms = backward_in_parts(fabric, model, len(batch.image), config.accumulate, loss_of)
            wrapped.step()
            stage.step += 1

            if stage.step % config.evaluate_every == 0:
                figures = _held_out(tokenizer, validation, fabric.device)
            if stage.step % 25 == 0 or stage.step % config.evaluate_every == 0:
                stage.tell(
                    {**{name: float(term) for name, term in terms.items()}, **figures}, config.batch_size
                )
            stage.save_if_due()
    set_parts(tokenizer, 1)
    tokenizer.eval()
    figures = _held_out(tokenizer, validation, fabric.device)
    stage.tell(figures, config.batch_size)
    return {**figures, "steps": stage.step, "seconds": stage.clock.elapsed}


def set_parts(tokenizer: nn.Module, parts: int) -> None:
    """A codebook that learns by moving averages sees a batch whole, after its last part."""
    for module in tokenizer.modules():
        if isinstance(module, Quantizer):
            module.parts = parts


@torch.no_grad()
def _held_out(
    tokenizer: nn.Module, validation: Pairs, device: torch.device, at_most: int = 256, at_once: int = 32
) -> dict[str, float]:
    tokenizer.eval()
    total, count, tokens = 0.0, 0, []
    for first in range(0, min(len(validation), at_most), at_once):
        batch = validation.fixed(first, min(at_once, at_most - first)).to(device)
        reconstruction, quantized = tokenizer(batch.image, batch.layouts)
        total += float((reconstruction - batch.image).square().mean()) * len(batch.image)
        count += len(batch.image)
        tokens.append([q.tokens.flatten().cpu() for q in quantized])
    used = [codebook_use(torch.cat(path), tokenizer) for path in zip(*tokens, strict=True)]
    return {"held_out_mse": total / count, "codes_used": sum(used) / len(used)}


def codebook_use(tokens: Tensor, tokenizer: nn.Module) -> float:
    """Share of the codebook's entries among these tokens, in (0, 1]."""
    return len(tokens.unique()) / cast(Tokenizer, tokenizer).streams[0].codebook_size
