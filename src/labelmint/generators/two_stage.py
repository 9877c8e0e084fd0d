"""The two-stage generator: z ~ p(z | s) from a prior, then x = decode(z).

The layout enters as it is, or as its tokens z_s: then the prior is p(z | z_s), and a coupled tokenizer
decodes x from both.

References:
    Neural Discrete Representation Learning (van den Oord et al., 2017), https://arxiv.org/abs/1711.00937
    Semantic Image Synthesis with Semantically Coupled VQ-Model (Alaniz et al., 2022),
    https://arxiv.org/abs/2209.02536
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.dials import TEMPERATURE
from labelmint.generators.pair_tokens import PairTokens
from labelmint.nn.peak_memory import SPARE, bytes_by_rows
from labelmint.priors.guided import NetworkPrior
from labelmint.priors.samplers import Samplers, dials_of, lacking_of
from labelmint.protocols import Dial, Dials
from labelmint.seeds import Seed, uniforms
from labelmint.types import Batch, Kept, LayoutBatch

__all__ = ["TwoStage"]


class TwoStage:
    """ImageGenerator of a prior and a tokenizer, both in evaluation mode.

    Arguments:
        prior: over the tokenizer's last stream.
        written: how pairs are written in tokens.
    """

    random = True

    def __init__(self, prior: NetworkPrior, written: PairTokens) -> None:
        stream = written.tokenizer.streams[-1]
        if stream.grid != prior.grid or stream.codebook_size != prior.codebook_size:
            raise ValueError(
                f"the prior is over {prior.grid} tokens of {prior.codebook_size} values, the tokenizer has "
                f"{stream}"
            )
        self.prior, self.written, self.stream = prior, written, stream
        self.tokenizer, self.size = written.tokenizer, written.label_map.size
        self._samplers = Samplers(prior)

    @property
    def needs_references(self) -> bool:
        """True if layouts are written in tokens together with their images only."""
        return self.written.references

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tokens of images and of their layouts."""
        return self.written.codes(batch)

    @property
    def dials(self) -> tuple[Dial, ...]:
        """The temperature, and guidance where the prior learned to do without its layout."""
        return dials_of(self.prior)

    @property
    def lacking(self) -> Mapping[str, str]:
        """Guidance, where the prior did not learn that."""
        return lacking_of(self.prior, "prior")

    @torch.no_grad()
    def sample(
        self, layouts: LayoutBatch, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1]; some tokens may be kept of other images."""
        tokens, given = self._shown_to_prior(layouts)
        numbers = uniforms(seeds, self.stream.name, self.stream.grid[0] * self.stream.grid[1])
        sampler = self._samplers.of(dials)
        condition, device = sampler.prior.prepare(given), layouts.ids.device
        temperature = dials[TEMPERATURE.name]
        tokens[self.stream.name] = sampler.draw(condition, numbers, temperature, device, kept)
        return self.tokenizer.decode(tokens, layouts)

    @torch.no_grad()
    def given_back(self, batch: Batch) -> Tensor:
        """Images (B, C, H, W) in [-1, 1], decoded from the tokens of those of the batch."""
        return self.tokenizer.decode(self.tokenizer.encode(batch), batch.layouts)

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """The prior's state, with guidance that of twice the rows, and all else that drawing does."""
        states = self._samplers.state_bytes(batch_size, dials)
        return int(SPARE * (states + self._beside(batch_size)))

    def _shown_to_prior(self, layouts: LayoutBatch) -> tuple[dict[str, Tensor], LayoutBatch]:
        """Tokens of the layouts, where they have any here, and what the prior is given."""
        if self.written.given == "layouts":
            return {}, layouts
        tokens = (
            layouts.tokens if layouts.tokens is not None else self.written.of_layouts.encode_layouts(layouts)
        )
        return {"semantics": tokens}, LayoutBatch(self.written.condition(tokens).ids)

    @cached_property
    def _beside(self) -> Callable[[int], int]:
        """Bytes of all but the steps of the prior."""
        return bytes_by_rows(self._rehearse).of

    def _rehearse(self, count: int) -> object:
        """All that `sample` does for n layouts but the steps of the prior, and then pixels of it."""
        device = next(self.prior.parameters()).device
        blank = {
            stream.name: torch.zeros(count, *stream.grid, dtype=torch.long, device=device)
            for stream in self.tokenizer.streams
        }
        ids = torch.zeros(count, *self.size, dtype=torch.int16, device=device)
        layouts = LayoutBatch(ids, tokens=blank["semantics"] if self.written.references else None)
        tokens, given = self._shown_to_prior(layouts)
        condition = self.prior.prepare(given)
        return condition, EIGHT_BITS.from_unit(self.tokenizer.decode({**blank, **tokens}, layouts))
