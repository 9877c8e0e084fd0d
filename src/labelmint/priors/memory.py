"""How much memory drawing takes, before any is taken."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from labelmint.priors.grouped import OnTrunk
from labelmint.priors.guided import GuidedPrior, NetworkPrior
from labelmint.priors.transformer import TransformerPrior

__all__ = ["state_bytes"]


def state_bytes(prior: NetworkPrior | GuidedPrior, batch_size: int) -> int:
    """Bytes of everything that a batch keeps between steps: inputs, keys, values, and the copy of the weights.

    The state is made without its contents, by PyTorch's "meta" device, and its tensors are counted, each
    memory once.
    """
    if isinstance(prior, GuidedPrior):
        return state_bytes(prior.prior, 2 * batch_size)
    weights = {id(one): nn.Parameter(one.to("meta"), requires_grad=False) for one in prior.parameters()}
    memo: dict[int, Any] = {**weights, **{id(one): one.to("meta") for one in prior.buffers()}}
    empty = copy.deepcopy(prior, memo)  # what is in the memo is not copied: the weights are never there twice
    shape, dtype = _condition_shape(prior)
    condition = None if shape is None else torch.empty(batch_size, *shape, device="meta", dtype=dtype)
    stores = [one.untyped_storage() for one in _tensors(empty.start(batch_size, condition))]
    return sum({store._cdata: store.nbytes() for store in stores}.values())


def _condition_shape(prior: NetworkPrior) -> tuple[tuple[int, ...] | None, torch.dtype]:
    """Shape of the condition of one sample, None where it has none, and its type."""
    network = prior.trunk if isinstance(prior, OnTrunk) else prior
    dtype = network.embed.weight.dtype
    if network.condition is None:
        return None, dtype
    if isinstance(network, TransformerPrior):
        return (network.cells, network.config.width), dtype
    return (network.config.condition_channels, *network.grid), dtype


def _tensors(part: Any) -> Iterator[Tensor]:
    if isinstance(part, Tensor):
        yield part
    elif is_dataclass(part) and not isinstance(part, type):
        for one in fields(part):
            yield from _tensors(getattr(part, one.name))
    elif isinstance(part, list | tuple):
        for one in part:
            yield from _tensors(one)
    elif isinstance(part, nn.Module):
        yield from part.parameters()
