"""Given pairs in the tokens of a system, and which of these are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.symbols import SymbolTable
from labelmint.errors import InputError
from labelmint.protocols import Keeping
from labelmint.runs.given import Part, cells
from labelmint.types import Kept

__all__ = ["InTokens", "in_tokens"]

_AT_ONCE = 32  # pairs that are encoded at a time


class InTokens(NamedTuple):
    """Symbol maps (N, H, W), their tokens (N, h, w), and what is kept of layouts and of images; None: nothing."""

    ids: Tensor
    tokens: Tensor
    layout: Kept | None
    image: Kept | None


def in_tokens(
    pairs: Pairs,
    images: Keeping,
    parts: Mapping[str, Part],
    symbols: SymbolTable,
    source: str,
    device: torch.device,
) -> InTokens:
    """Encode pairs and find the tokens of parts.

    Arguments:
        images: the generator that writes pairs in tokens.
        parts: what is kept, by its words on the command line.
        symbols: of the pairs. source: of the pairs, for messages.

    Raises InputError for parts in which no token lies.
    """
    found = []
    class_of = torch.tensor([class_id for class_id, _ in symbols.symbols])
    for first in range(0, len(pairs), _AT_ONCE):
        batch = pairs.fixed(first, min(_AT_ONCE, len(pairs) - first))
        with torch.no_grad():
            drawn, layouts = (tokens.cpu() for tokens in images.codes(batch.to(device)))
        class_ids = class_of[batch.layouts.ids.long()]
        within = (
            cells([part.within(class_ids) for part in parts.values() if part.of == of], tokens)
            for of, tokens in (("layout", layouts), ("image", drawn))
        )
        found.append((batch.layouts.ids, layouts, drawn, *within))
    ids, layouts, drawn, of_layout, of_image = (torch.cat(every) for every in zip(*found, strict=True))
    kept = {
        of: _kept(of, tokens, where, parts, source)
        for of, tokens, where in (("layout", layouts, of_layout), ("image", drawn, of_image))
    }
    return InTokens(ids, layouts, kept["layout"], kept["image"])


def _kept(of: str, tokens: Tensor, where: Tensor, parts: Mapping[str, Part], source: str) -> Kept | None:
    asked = [text for text, part in parts.items() if part.of == of]
    if not asked:
        return None
    if not where.any():
        raise InputError(
            f"--keep {' --keep '.join(asked)}: keeps nothing of {source}: no token has half of its pixels there"
        )
    return Kept(tokens, where)
