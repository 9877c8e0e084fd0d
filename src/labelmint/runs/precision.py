"""The precision in which a system draws: float32, or weights and activations of its priors in bfloat16.

In bfloat16 the last layer stays in float32, so logits are float32, and so are keys and values on a CPU;
tokenizers stay as they are. Half as many bytes are read, and processors that multiply bfloat16 (AVX-512 BF16,
AMX, every newer GPU) do so faster in large batches (docs/performance.md); on a CPU a single sample takes
longer, as its products are too small. The samples are others, from nearly the same distribution. Measured on
a trained pair of priors, 32x16 tokens and a layout of 32x32: logits differ by 0.02 and 0.01 on average and by
2 and 4 % of the largest at most, probabilities by a total variation of 0.003 and 0.0002, the likelihood of
the same tokens by 0.0002 nats a token.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from labelmint.errors import InputError
from labelmint.hardware import fastest
from labelmint.priors.guided import NetworkPrior
from labelmint.systems.system import Wired

__all__ = ["bfloat16_is_slow", "named_precision", "priors_in_bfloat16"]

_NAMES = {"32": "32-true", "bf16": "bf16-true"}


def named_precision(asked: str) -> str:
    """ "32" -> "32-true", "bf16" -> "bf16-true", the names of Lightning Fabric; raises InputError for
    anything else.
    """
    if asked not in {*_NAMES, *_NAMES.values()}:
        raise InputError(f"--precision {asked}: expected 32 or bf16")
    return _NAMES.get(asked, asked)


def priors_in_bfloat16(wired: Wired) -> None:
    """Round the weights of the priors, in place; whatever else there is stays as it is."""
    for stage in wired.stages:
        if isinstance(stage.module, NetworkPrior):
            stage.module.to_bfloat16()


def bfloat16_is_slow(device: torch.device, batch_size: int) -> bool:
    """True if a product of a step's size takes longer in bfloat16 than in float32: a measurement of some
    milliseconds.
    """
    x, weight = torch.ones(batch_size, 384, device=device), torch.ones(384, 256, device=device)
    single, half = fastest(
        [partial(_products, x, weight), partial(_products, x.bfloat16(), weight.bfloat16())]
    )
    return half > single


def _products(x: Tensor, weight: Tensor) -> None:
    for _ in range(10):
        product = x @ weight
    float(product[0, 0])  # waits for a GPU
