"""The generator of BachGAN: boxes retrieve the layouts of training pairs that have alike ones, the backgrounds of these
are fused, and a SPADE generator draws the image of what was fused.

    q = boxes, filled,    r_k = background k with q over it,    k = 1 ... m                      maps of classes
    f = relu(conv3(q)),   f_k = relu(conv3(r_k)),               the same convolution for all            (1)
    s = f + relu(conv3(f + mean over k of f_k))                                                         (2)
    x = SPADE(s, z)

Where a background shows objects of its own, it lends nothing: there r_k has a class for what is not known. With m = 0
nothing is retrieved, and s is q: SPADE that sees boxes alone.

References:
    BachGAN: High-Resolution Image Synthesis from Salient Object Layout (Li et al., 2020): Sections 3.1 to 3.3
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.generators.encoded import Encoded
from labelmint.generators.spade import SpadeConfig, SpadeGenerator
from labelmint.layouts.bank import BackgroundBank, Similarity
from labelmint.layouts.boxes import BoxRule
from labelmint.protocols import Dials
from labelmint.seeds import Seed
from labelmint.types import Batch, LayoutBatch

__all__ = ["BachConfig", "BachGenerator", "FusedBackgrounds", "FusedMaps", "Retrieving", "bank_of"]


class BachConfig(SpadeConfig):
    """Sizes of a generator of boxes with retrieved backgrounds; the defaults are those published."""

    retrieved: int = Field(
        3, ge=0, le=16, description="layouts whose backgrounds are fused; 0: boxes are all that is seen"
    )
    similarity: Similarity = Field(
        "boxes",
        description="whether a query's boxes are compared with boxes, as published, or with maps, as in the "
        "authors' code",
    )


def bank_of(
    config: BachConfig, rule: BoxRule, class_of: Sequence[int], size: tuple[int, int], objects: bool = False
) -> BackgroundBank:
    """An empty bank for layouts of the symbols that a rule is for; `objects`: whether it lends these, too."""
    salient = {class_of[symbol] for symbol in rule.first}
    return BackgroundBank(
        class_of, sorted(salient), class_of[rule.ignored], size, rule.most, config.similarity, objects
    )


class FusedMaps(nn.Module):
    """Maps of classes, m a layout, and one of its own where there is one -> maps (B, channels, H, W); Equations (1) and
    (2).

    Arguments:
        classes: how many. channels: of the maps.
        fuses: whether there is more than a map of its own, which is embedded alone otherwise.
    """

    def __init__(self, classes: int, channels: int, fuses: bool = True) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, channels)
        self.each = nn.Conv2d(channels, channels, 3, padding=1) if fuses else None
        self.fuse = nn.Conv2d(channels, channels, 3, padding=1) if fuses else None

    def fused(self, lent: Tensor, query: Tensor | None = None) -> Tensor:
        """The fused features of m maps (B, m, H, W) and one (B, H, W) of its own; without one, of their mean."""
        if self.each is None or self.fuse is None:
            assert query is not None
            return self._embedded(query)
        own = None if query is None else self.each(self._embedded(query)).relu()
        mean = self.each(self._embedded(lent.flatten(0, 1))).relu().unflatten(0, lent.shape[:2]).mean(dim=1)
        found: Tensor = mean + self.fuse(mean).relu() if own is None else own + self.fuse(own + mean).relu()
        return found

    def begin(self) -> None:
        """Convolutions that pass on about as much as they are given: the others begin near zero."""
        for layer in (self.each, self.fuse):
            if layer is not None:
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def _embedded(self, classes: Tensor) -> Tensor:
        found: Tensor = self.embed(classes)
        return found.permute(0, 3, 1, 2).contiguous()


class FusedBackgrounds(FusedMaps):
    """Layouts with boxes filled and backgrounds of m layouts -> maps (B, channels, H, W).

    Arguments:
        class_of: the class of each symbol. boxed: symbols that stand for boxes.
        nothing: the class of what is not known.
        channels: of the maps. retrieved: m.
    """

    class_of: Tensor
    boxed: Tensor

    def __init__(
        self, class_of: Sequence[int], boxed: Sequence[int], nothing: int, channels: int, retrieved: int
    ) -> None:
        super().__init__(nothing + 1, channels, fuses=retrieved > 0)
        self.register_buffer("class_of", torch.tensor(class_of), persistent=False)
        self.register_buffer(
            "boxed", torch.tensor([symbol in boxed for symbol in range(len(class_of))]), persistent=False
        )

    def forward(self, layouts: LayoutBatch) -> Tensor:
        """At full size; ValueError without backgrounds."""
        if layouts.backgrounds is None:
            raise ValueError("needs layouts with their backgrounds, as `BachGenerator.completed` finds them")
        ids = layouts.ids.long()
        query = self.class_of[ids]
        lent = torch.where(self.boxed[ids][:, None], query[:, None], layouts.backgrounds.long())
        return self.fused(lent, query)


class Retrieving:
    """What networks have in common that see boxes and find by themselves what the bank lends for these.

    Attributes:
        bank: which is filled before the first step. rule: which boxes stand for a layout. retrieved: m.
    """

    bank: BackgroundBank
    rule: BoxRule
    retrieved: int

    def keep(self, pairs: Pairs) -> None:
        """Fill the bank."""
        if self.retrieved:
            self.bank.fill(pairs)

    def kept_bytes(self, views: int, boxes: int) -> int:
        """Memory that the bank takes, once it is searched."""
        return self.bank.filled_bytes(views, boxes) if self.retrieved else 0

    def completed(
        self, layouts: LayoutBatch, seeds: Sequence[Seed], items: Sequence[int] | None = None
    ) -> LayoutBatch:
        """Layouts as boxes, with what m layouts of the bank lend; those that have it stay as they are.

        Arguments:
            seeds: of the samples. items: the training pairs that these layouts are of.
        """
        if layouts.backgrounds is not None:
            return layouts
        seen = self.rule.see(layouts)
        assert seen.boxes is not None
        boxes = [some[some[:, 0] >= 0] for some in seen.boxes.cpu().double().numpy()]
        lent = self.bank.lend(
            boxes, self.retrieved, seeds, items if items is not None else [None] * len(boxes)
        )
        return replace(seen, backgrounds=lent.to(seen.ids.device))

    def seen(self, batch: Batch) -> Batch:
        """A training batch with its backgrounds, by torch's seed where nothing is alike."""
        seeds = [(torch.initial_seed(), row) for row in range(len(batch))]
        items = None if batch.items is None else batch.items.tolist()
        return replace(batch, layouts=self.completed(batch.layouts, seeds, items))


class BachGenerator(Retrieving, SpadeGenerator):
    """LayoutToImage of BachGAN; it sees boxes alone, and finds backgrounds for these by itself.

    Arguments:
        config: sizes. rule: which boxes stand for a layout. class_of: the class of each symbol.
        image_channels: C, 1 or 3. size: (H, W).
    """

    def __init__(
        self,
        config: BachConfig,
        rule: BoxRule,
        class_of: Sequence[int],
        image_channels: int,
        size: tuple[int, int],
    ) -> None:
        bank = bank_of(config, rule, class_of, size)
        boxed = [*set(rule.first.values())]
        sight = FusedBackgrounds(class_of, boxed, bank.nothing, config.layout_channels, config.retrieved)
        super().__init__(config, len(class_of), image_channels, size, sight)
        sight.begin()
        self.rule, self.bank, self.retrieved = rule, bank, config.retrieved

    def forward(
        self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials, image: Tensor | None = None
    ) -> Tensor | Encoded:
        """Images as SPADE draws them; layouts without backgrounds are completed, by one seed where nothing is alike."""
        return super().forward(self.completed(layouts, [(0, 0)] * len(layouts)), noise, dials, image)
