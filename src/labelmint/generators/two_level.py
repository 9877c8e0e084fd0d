"""The generator over two levels of tokens (VQ-VAE-2): what is where first, then how it looks.

    top ~ p(top | s),    bottom ~ p(bottom | top, s),    x = decode(top, bottom)

With guidance the top heeds its layout more, and the bottom both its layout and the top: it learned to do without
the two together.

References:
    Generating Diverse High-Fidelity Images with VQ-VAE-2 (Razavi et al., 2019),
    https://arxiv.org/abs/1906.00446
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.dials import TEMPERATURE
from labelmint.errors import InputError
from labelmint.nn.peak_memory import SPARE, bytes_by_rows
from labelmint.priors.guided import NetworkPrior
from labelmint.priors.samplers import Samplers, dials_of, lacking_of
from labelmint.protocols import Dial, Dials
from labelmint.seeds import Seed, uniforms
from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.two_level import TwoLevelVQ
from labelmint.types import Batch, Kept, LayoutBatch

__all__ = ["LevelTokens", "TwoLevels"]


class LevelTokens:
    """What each prior learns of pairs.

    Arguments:
        tokenizer: of images. label_map: what layouts pass through before anything sees them.
    """

    def __init__(self, tokenizer: TwoLevelVQ, label_map: LabelMap) -> None:
        self.tokenizer, self.label_map = tokenizer, label_map

    def see(self, layouts: LayoutBatch) -> LayoutBatch:
        """Given layouts as the generator sees them, with the tokens that they came with."""
        return replace(self.label_map.as_seen(layouts), tokens=layouts.tokens)

    def top(self, batch: Batch) -> tuple[Tensor, LayoutBatch]:
        """The tokens of the top, and the layouts that it is given."""
        return self.tokenizer.encode(batch)["top"], self.label_map.as_seen(batch.layouts)

    def bottom(self, batch: Batch) -> tuple[Tensor, LayoutBatch]:
        """The tokens of the bottom, and the layouts that it is given, with the tokens of the top."""
        found = self.tokenizer.encode(batch)
        return found["bottom"], replace(self.label_map.as_seen(batch.layouts), tokens=found["top"])

    def layouts(self, batch: Batch) -> tuple[Tensor, None]:
        """What the layout prior learns."""
        return self.label_map.encode_layouts(batch.layouts), None


class TwoLevels:
    """ImageGenerator of a prior a level, and their tokenizer, all in evaluation mode.

    Arguments:
        top: the prior over the top. bottom: the prior over the bottom, which is given the top.
        tokenizer: whose tokens they are.
    """

    random = True

    def __init__(self, top: NetworkPrior, bottom: NetworkPrior, tokenizer: TwoLevelVQ) -> None:
        self.tokenizer, self._bottom = tokenizer, bottom
        self._samplers = {"top": Samplers(top), "bottom": Samplers(bottom)}

    @property
    def streams(self) -> tuple[str, ...]:
        """The levels: the bottom can be drawn anew for the same top."""
        return tuple(self._samplers)

    @property
    def dials(self) -> tuple[Dial, ...]:
        """The temperature, and guidance where both priors learned to do without their layout."""
        first, second = (dials_of(each.prior) for each in self._samplers.values())
        return first if len(first) < len(second) else second

    @property
    def lacking(self) -> Mapping[str, str]:
        """Guidance, where a prior did not learn to do without its layout."""
        sections = [f"{level}_prior" for level in self._samplers]
        return {
            name: reason
            for each in self._samplers.values()
            for name, reason in lacking_of(each.prior, *sections).items()
        }

    @torch.no_grad()
    def sample(
        self, layouts: LayoutBatch, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1]; raises InputError for tokens to keep, which would be of two grids."""
        if kept is not None:
            raise InputError("nothing of an image can be kept: its tokens are of two grids")
        tokens: dict[str, Tensor] = {}
        for stream in self.tokenizer.streams:
            sampler = self._samplers[stream.name].of(dials)
            condition = sampler.prior.prepare(replace(layouts, tokens=tokens.get("top")))
            numbers = uniforms(seeds, stream.name, stream.grid[0] * stream.grid[1])
            tokens[stream.name] = sampler.draw(
                condition, numbers, dials[TEMPERATURE.name], layouts.ids.device
            )
        return self.tokenizer.decode(tokens)

    @torch.no_grad()
    def given_back(self, batch: Batch) -> Tensor:
        """Images (B, C, H, W) in [-1, 1], decoded from the tokens of those of the batch."""
        return self.tokenizer.decode(self.tokenizer.encode(batch))

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """The states of both priors, which stay, and all else that drawing does."""
        states = sum(each.state_bytes(batch_size, dials) for each in self._samplers.values())
        return int(SPARE * (states + self._beside(batch_size)))

    @cached_property
    def _beside(self) -> Callable[[int], int]:
        """Bytes of all but the steps of the priors."""
        return bytes_by_rows(self._rehearse).of

    def _rehearse(self, count: int) -> object:
        """All that `sample` does for n layouts but the steps of the priors, and then pixels of it."""
        device = next(self._bottom.parameters()).device
        tokens = {
            stream.name: torch.zeros(count, *stream.grid, dtype=torch.long, device=device)
            for stream in self.tokenizer.streams
        }
        ids = torch.zeros(count, *self.tokenizer.size, dtype=torch.int16, device=device)
        condition = self._bottom.prepare(LayoutBatch(ids, tokens=tokens["top"]))
        return condition, EIGHT_BITS.from_unit(self.tokenizer.decode(tokens))
