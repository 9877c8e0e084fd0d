"""Negative log-likelihood of sets of boxes, in nats an object: L = -1/(B n) sum_b sum_i log p(z_bi | z_b,<i).

n is the mean number of objects of a training layout. Tokens after the end count nothing, and only what can stand in a
column is weighed. Few layouts must not be learned by heart: in training a coordinate is blurred over its neighbors,

    -log p(z_i)  becomes  -sum_k q(k | z_i) log p(k),    q(k | z) ~ exp(-(k - z)^2 / 2 sigma^2),

so that objects a little larger, or a little to the side, are as likely; and the coordinates that are read are moved by
normal numbers of the same deviation, so that none is known by its exact place.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from labelmint.priors.boxes import COLUMNS, BoxCode, BoxTransformer
from labelmint.types import LayoutBatch

__all__ = ["BoxNats"]


class BoxNats:
    """The loss of a `BoxTransformer`, called as `negative_log_likelihood` is.

    Arguments:
        code: of the boxes. blur: sigma, in steps of a coordinate; 0 for none. Of a module in evaluation mode nothing
            is blurred or moved.
    """

    def __init__(self, code: BoxCode, blur: float) -> None:
        self.code, self.blur = code, blur
        self._legal = torch.from_numpy(code.legal)
        self._blurred = _blurred(code, blur)

    def __call__(
        self, prior: nn.Module, tokens: Tensor, layouts: LayoutBatch | None, noise: float = 0.0
    ) -> Tensor:
        """Scalar, a mean over the B layouts.

        Arguments:
            prior: which may be wrapped. tokens: (B, rows, 5). layouts: None.
            noise: share of the tokens read that are replaced by others of their column.
        """
        longest = int((tokens[..., 0] < self.code.kinds).sum(dim=1).max())
        tokens = tokens[
            :, : min(longest + 1, tokens.shape[1])
        ]  # nothing is computed of rows that no layout has
        read = self._read(tokens, noise) if prior.training else tokens
        logits = prior(read, layouts).float().permute(0, 2, 3, 1)
        logs = logits.masked_fill(~self._legal.to(logits.device), -1e9).log_softmax(dim=-1)
        if prior.training and self.blur:
            nats = -(self._blurred.to(logs.device)[tokens] * logs).sum(dim=-1)
        else:
            nats = -logs.gather(-1, tokens[..., None])[..., 0]
        objects = cast(BoxTransformer, prior).objects
        loss: Tensor = (nats * self._counts(tokens)).sum() / (len(tokens) * objects)
        return loss

    def _counts(self, tokens: Tensor) -> Tensor:
        """(B, rows, 5), 1 for each token up to the end, and 0 after it."""
        ended = (tokens[..., 0] == self.code.kinds).cumsum(dim=1)
        before = torch.cat([torch.zeros_like(ended[:, :1]), ended[:, :-1]], dim=1)
        return torch.stack([before == 0, *[ended == 0] * (COLUMNS - 1)], dim=2).float()

    def _read(self, tokens: Tensor, noise: float) -> Tensor:
        """Tokens as they are read in training: moved, and a share of them replaced."""
        read, code = tokens, self.code
        steps = (torch.randn(tokens.shape, device=tokens.device) * self.blur).round().long()
        other, replaced = (torch.rand(tokens.shape, device=tokens.device) for _ in range(2))
        spans = ((0, code.first_size), (code.first_size, code.sizes), (code.first_place, code.places))
        for first, count in spans:
            here = (tokens >= first) & (tokens < first + count)
            moved = tokens if first == 0 else (tokens + steps).clamp(first, first + count - 1)
            drawn = first + (other * count).long().clamp(max=count - 1)
            read = torch.where(here, torch.where(replaced < noise, drawn, moved), read)
        return read


def _blurred(code: BoxCode, blur: float) -> Tensor:
    """(K, K), q(k | z): 1 for classes and the end, and normal around a coordinate."""
    found = torch.eye(code.codebook_size)
    if blur:
        for first, count in ((code.first_size, code.sizes), (code.first_place, code.places)):
            steps = torch.arange(count, dtype=torch.float32)
            near = torch.exp(-((steps[:, None] - steps) ** 2) / (2 * blur**2))
            found[first : first + count, first : first + count] = near / near.sum(dim=1, keepdim=True)
    return found
