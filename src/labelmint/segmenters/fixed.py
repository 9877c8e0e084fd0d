"""Training a segmenter for numbers of steps that are known beforehand, so that no pair has to validate it.

    loss = CE + 1 - Dice (`segmenters.training`);   the learning rate of phase i is the first one times 0.2^i

The weights at the end, or their moving average, are kept. `segmenters.plateau` finds the numbers of steps.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from torch import nn

from labelmint.progress import Report
from labelmint.segmenters.plateau import FALL, ArmConfig
from labelmint.segmenters.stepping import AddedLoss, Averaged, Batches, Steps, told
from labelmint.training.clock import stop_on_interrupt

__all__ = ["train_for"]


def train_for(
    network: nn.Module,
    batches: Batches,
    phases: Sequence[int],
    config: ArmConfig,
    *,
    average: float = 0.0,
    added: AddedLoss | None = None,
    bfloat16: bool,
    report: Report,
    stage: str,
) -> float:
    """Train in place; returns seconds.

    Arguments:
        phases: steps at each learning rate, the highest first.
        average: decay of the moving average of the weights that is kept; 0 for the last weights.
        added: a loss that is added to that of the batches.
        stage: the name of its events.
    """
    rates = [config.learning_rate * FALL**i for i, steps in enumerate(phases) for _ in range(steps)]
    optimizer = config.optimizer(network)
    kept, begin = Averaged(network, average), time.perf_counter()
    training = Steps(network, kept, optimizer, batches, config.batch_size, added, bfloat16)
    with stop_on_interrupt() as asked_to_stop:
        for done, rate in enumerate(rates, start=1):
            if asked_to_stop():
                raise KeyboardInterrupt
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = training.take(done - 1)
            if done % config.evaluate_every and done != len(rates):
                continue
            losses, spent = {"loss": float(loss)}, time.perf_counter() - begin
            report(told(stage, done, len(rates), config.batch_size, spent, losses))
    network.load_state_dict(kept.network.state_dict())
    network.eval()
    return time.perf_counter() - begin
