"""Given pairs as a system takes them: in its tokens where parts of them are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.symbols import SymbolTable
from labelmint.errors import InputError
from labelmint.protocols import Keeping
from labelmint.runs.given import Given, Part, cells, check_given, part_of
from labelmint.types import DataSet, Kept

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["InTokens", "given_by", "in_tokens"]

_AT_ONCE = 32  # pairs that are encoded at a time


def given_by(system: TrainedSystem, data: DataSet | Pairs, *, references: bool, keep: Sequence[str]) -> Given:
    """The pairs of a data set as a system takes them; the arguments are those of `TrainedSystem.given`.

    Raises InputError for parts that are none, for a layout's part where the system draws no layouts, and for
    references that a system has no use for or lacks.
    """
    parts = {text: part_of(text, system.classes, system.size) for text in keep}
    of_layouts = [text for text, part in parts.items() if part.of == "layout"]
    check_given(system, data.source, references, of_layouts)
    if not references and not parts:
        layouts = (
            data.fixed(0, len(data)).layouts if isinstance(data, Pairs) else system.as_trained.layouts(data)
        )
        boxes = layouts.boxes if system.config.boxes else None
        return Given(ids=layouts.ids, boxes=boxes, names=tuple(data.names))
    if not isinstance(system.images, Keeping):
        raise InputError(
            f"--keep {keep[0]}: {system.system} does not write an image in one grid of tokens, so nothing of it "
            f"can be kept; leave it out, or train msgnet or mint"
        )
    pairs = data if isinstance(data, Pairs) else system.pairs_of(data)
    found = in_tokens(pairs, system.images, parts, system.config.symbol_table, data.source, system.device)
    return Given(
        ids=found.ids,
        tokens=found.tokens if references else None,
        layout=found.layout,
        image=found.image,
        keep=tuple(keep),
        names=tuple(data.names),
    )


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
