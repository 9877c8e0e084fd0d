"""Layouts of boxes drawn from a prior over sets of boxes, freely or so that wishes are met.

    z ~ p(z), token by token,    boxes = decode(z),    s = the map of these filled

A box of a map is at least a pixel wide and high, and none reaches beyond the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from labelmint.dials import LAYOUT_TEMPERATURE
from labelmint.layouts.box_decoding import Objects, check_wishes
from labelmint.layouts.boxes import BoxRule
from labelmint.layouts.wishes import Wishes
from labelmint.nn.peak_memory import SPARE
from labelmint.priors.boxes import COLUMNS, BoxTransformer
from labelmint.priors.graphed import choose
from labelmint.protocols import Dials, State
from labelmint.seeds import Seed, uniforms
from labelmint.types import Array, Kept, LayoutBatch

__all__ = ["BoxPrior"]

_LAYOUT, _WISHES = "layout", "wishes"  # streams of random numbers


class BoxPrior:
    """LayoutSource of a prior over sets of boxes, in evaluation mode.

    Arguments:
        prior: over the tokens of sets of boxes.
        rule: which boxes stand for a layout: kind k is the k-th of its symbols.
        class_of: the class id of each symbol. names: of each symbol.
        temperature: at which it draws unless told otherwise.
    """

    def __init__(
        self,
        prior: BoxTransformer,
        rule: BoxRule,
        class_of: Sequence[int],
        names: Sequence[str],
        temperature: float = LAYOUT_TEMPERATURE.usual,
    ) -> None:
        self.prior, self.rule, self.code = prior, rule, prior.code
        self.symbols = kinds_of(rule)
        self.class_ids = tuple(class_of[symbol] for symbol in self.symbols)
        self.names = {class_of[symbol]: names[symbol] for symbol in self.symbols}
        self.dials = (LAYOUT_TEMPERATURE._replace(usual=temperature),)
        self._kind_of = {class_id: kind for kind, class_id in enumerate(self.class_ids)}
        self.digest = ""  # SHA-256 of its weights, where it is known
        self._state: State = None

    @property
    def device(self) -> torch.device:
        """Where it draws: where its prior is."""
        return next(self.prior.parameters()).device

    def check(self, wishes: Wishes) -> None:
        """Raise InputError for wishes that no layout can meet."""
        check_wishes(wishes, self.code, self._kind_of, self.names)

    def sample(
        self,
        seeds: Sequence[Seed],
        dials: Dials,
        kept: Kept | None = None,
        wishes: Sequence[Wishes | None] | None = None,
    ) -> LayoutBatch:
        """Boxes (B, most, 5), symbols and corners in pixels, the largest first; and the maps of these filled.

        Arguments:
            kept: has no meaning for boxes.
            wishes: of each layout, or None; row r depends on seed r and wish r alone.

        Raises InputError for wishes that no layout can meet.
        """
        asked = [None] * len(seeds) if wishes is None else [*wishes]
        for one in asked:
            if one is not None:
                self.check(one)
        tokens = self._draw(seeds, dials[LAYOUT_TEMPERATURE.name], asked)
        height, width = self.code.size
        boxes = torch.full((len(seeds), self.rule.most, 5), -1.0)
        for row, some in enumerate(tokens):
            found = self.code.decode(some)
            found[:, 0] = np.array(self.symbols)[found[:, 0].astype(int)]
            found[:, 1:] *= [width, height, width, height]
            areas = np.prod(found[:, 3:] - found[:, 1:3], axis=1)
            found = found[np.argsort(-areas, kind="stable")]
            boxes[row, : len(found)] = torch.from_numpy(found)
        blank = torch.zeros(len(seeds), height, width, dtype=torch.uint8)
        return self.rule.see(LayoutBatch(blank, boxes=boxes)).to(self.device)

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """The prior's state, which stays."""
        return int(SPARE * self.prior.drawing_bytes(batch_size))

    @torch.inference_mode()
    def _draw(self, seeds: Sequence[Seed], temperature: float, asked: Sequence[Wishes | None]) -> Array:
        """Tokens (B, rows, 5)."""
        code, most = self.code, max((len(one.objects) for one in asked if one is not None), default=0)
        numbers = uniforms(seeds, _LAYOUT, code.rows * COLUMNS).to(self.device)
        due = uniforms(seeds, _WISHES, most).tolist() if most else [[]] * len(seeds)
        seen = self.prior.seen.cpu().double().numpy()
        layouts = [Objects(code, one, self._kind_of, seen, own) for one, own in zip(asked, due, strict=True)]
        drawing = _Drawing(self, numbers, temperature, layouts, self._state)
        self._state = drawing.state
        for row in range(code.rows):
            if not drawing.draw_row(row):
                break
        return drawing.tokens.cpu().numpy()


class _Drawing:
    """The tokens of a batch while they are drawn, the rows of all layouts in step."""

    def __init__(
        self, source: BoxPrior, numbers: Tensor, temperature: float, layouts: Sequence[Objects], reuse: State
    ) -> None:
        self.prior, self.numbers, self.temperature, self.layouts = source.prior, numbers, temperature, layouts
        self.end = source.code.kinds
        self.state = self.prior.start(len(layouts), None, reuse)
        shape = (len(layouts), source.code.rows, COLUMNS)
        self.tokens = torch.full(shape, self.end, dtype=torch.long, device=numbers.device)

    def draw_row(self, row: int) -> bool:
        """Draw an object of each layout; False where none has a further one."""
        self.prior.next_object(self.state, self.tokens[:, row - 1] if row else None)
        every = [True] * len(self.layouts)
        self._draw(row, 0, every)
        if bool((self.tokens[:, row, 0] == self.end).all()):
            return False
        self._draw(row, 1, every)
        others = self._draw(row, 2, every)
        again = [kind is not None for kind in others]
        if any(again):  # another object comes in the stead of that which was drawn
            for layout, kind in enumerate(others):
                if kind is not None:
                    self.tokens[layout, row, 0] = kind
            for column in (1, 2):
                self._draw(row, column, again)
        for column in (3, 4):
            self._draw(row, column, every)
        return True

    def _draw(self, row: int, column: int, chosen: Sequence[bool]) -> list[int | None]:
        """Draw a column of the chosen layouts; returns the kind of another object that has to come first, or None, of
        each.
        """
        logits = self.prior.next_column(self.state, self.tokens[:, row, :column]).float()
        every = np.ones(logits.shape[1], bool)
        legal = np.stack(
            [one.legal(column) if yes else every for one, yes in zip(self.layouts, chosen, strict=True)]
        )
        masked = logits.masked_fill(~torch.from_numpy(legal).to(logits.device), -torch.inf)
        place = row * COLUMNS + column
        drawn = _within(choose(masked, self.numbers[:, place : place + 1], self.temperature), masked).tolist()
        found: list[int | None] = [None] * len(drawn)
        for layout, (one, token, yes) in enumerate(zip(self.layouts, drawn, chosen, strict=True)):
            if yes:
                found[layout] = one.draw(column, token)
                # a wish may come in place of the end
                self.tokens[layout, row, column] = one.kind if column == 0 else token
        return found


def _within(drawn: Tensor, masked: Tensor) -> Tensor:
    """Tokens that may come: where rounding took another the likeliest one."""
    fine = masked.gather(1, drawn[:, None])[:, 0].isfinite()
    return torch.where(fine, drawn, masked.argmax(dim=1))


def kinds_of(rule: BoxRule) -> tuple[int, ...]:
    """The symbols of boxes, in order: kind k of an object is the k-th."""
    return tuple(sorted(set(rule.first.values())))
