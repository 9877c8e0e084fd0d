"""How a two-stage system writes pairs in tokens: those of the image, and the layout as the image prior is given it.

"layouts"   the layout as it is seen after a label map: MSGNet
"tokens"    its tokens z_s: p(z | z_s), the coupled VQ-model
"shown"     what its tokens stand for: patterns
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor

from labelmint.protocols import LayoutTokenizer, Tokenizer
from labelmint.tokenizers.label_map import LabelMap
from labelmint.types import Batch, LayoutBatch

__all__ = ["PairTokens"]


@dataclass(frozen=True, kw_only=True)
class PairTokens:
    """The tokens of pairs.

    Arguments:
        tokenizer: of images; one of two streams writes the layout beside them, as "semantics".
        of_layouts: the tokenizer whose layout tokens the layout prior models, and the image prior may be given.
        given: what the image prior is given of a layout, as above.
        label_map: what layouts pass through before anything sees them; at full size they stay as they are.
        references: whether layouts are written in tokens together with their images only.
    """

    tokenizer: Tokenizer
    of_layouts: LayoutTokenizer
    given: Literal["layouts", "tokens", "shown"]
    label_map: LabelMap
    references: bool = False

    def see(self, layouts: LayoutBatch) -> LayoutBatch:
        """Given layouts as the generator sees them, with the tokens that they came with."""
        return replace(self.label_map.as_seen(layouts), tokens=layouts.tokens)

    def image_tokens(self, batch: Batch) -> tuple[Tensor, LayoutBatch]:
        """What the image prior learns: tokens (B, h, w), and what it is given of the layouts."""
        found = self.tokenizer.encode(batch)
        if self.given == "layouts":
            return found["image"], self.label_map.as_seen(batch.layouts)
        semantics = found.get("semantics")
        if semantics is None:
            semantics = self.of_layouts.encode_layouts(batch.layouts)
        return found["image"], self.condition(semantics)

    def layout_tokens(self, batch: Batch) -> tuple[Tensor, None]:
        """What the layout prior learns."""
        return self.of_layouts.encode_layouts(batch.layouts), None

    def condition(self, semantics: Tensor) -> LayoutBatch:
        """What the image prior is given of layouts that are written in tokens (B, h, w)."""
        ids = self.of_layouts.decode_layouts(semantics) if self.given == "shown" else semantics
        return LayoutBatch(ids, tokens=semantics)

    def codes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tokens of images and of their layouts, which may have been written together."""
        tokens, given = self.image_tokens(batch)
        return tokens, given.tokens if given.tokens is not None else self.layout_tokens(batch)[0]
