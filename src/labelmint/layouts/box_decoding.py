"""Drawing sets of boxes that meet wishes: what may come next, object by object, so that every wish is met.

A wished object takes its place by size, as all objects do. So that it does not come last, and smallest, only because
nothing asked for it before, each wish has a *due* size: that of an object of its class in the training pairs that is
large enough, small enough and fits into its region. Of each object first class and size are drawn,

    it is of a wish's class and size           -> it is that wish, and its place is drawn within the wish's region
    else it is smaller than the largest due    -> that wish comes in its stead, about as large as it is due
    else                                       -> it stays, free

and where the end is drawn, or no row is left, the wishes that are still open come. Classes of which there may be no
more are not drawn, nor are coordinates from which a wish could not be met any more. So no layout is drawn in vain.

An object may be a little larger than the one before it. The prior learned blurred sizes, and if each were held below
the last one, all objects would shrink along a layout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from labelmint.errors import InputError
from labelmint.layouts.wishes import Wish, Wishes
from labelmint.priors.boxes import COLUMNS, BoxCode
from labelmint.types import Array

__all__ = ["Objects", "check_wishes"]

_ABOUT = 1.6  # a wish that comes in another's stead: at most as many times larger or smaller than it is due
_LARGER = 1.5  # than the object before, in area
_SLACK = 1e-9


class _Open:
    """A wish that is not met yet.

    Attributes:
        kind: of its object. fits: (sizes, sizes), the widths and heights that it can have.
        across, down: (sizes, places), the places that it can have, by its width and its height.
        least: the smallest area that fits. due: the area at which it comes at the latest.
    """

    def __init__(self, wish: Wish, kind: int, code: BoxCode) -> None:
        x0, y0, x1, y1 = wish.within
        with np.errstate(invalid="ignore"):  # NaN: it can't lie there
            self.across = (code.across >= x0 - _SLACK) & (code.across <= x1 + _SLACK)
            self.down = (code.down >= y0 - _SLACK) & (code.down <= y1 + _SLACK)
        sizes = np.sqrt(code.areas)
        right = (sizes >= wish.least - _SLACK) & (sizes <= wish.most + _SLACK)
        self.kind, self.areas = kind, code.areas
        reached = np.outer(self.across.any(axis=1), self.down.any(axis=1))
        self.fits: Array = right & reached
        self.least = float(self.areas[self.fits].min(initial=np.inf))
        self.due = np.inf

    def draw_due(self, seen: Array, number: float) -> None:
        """Draw the due area of the sizes of its class that were seen (sizes, sizes) and fit; of all that fit where none
        of these was.
        """
        weights = np.where(self.fits, seen, 0.0)
        weights = (weights if weights.any() else self.fits.astype(float)).ravel().cumsum()
        place = int(np.searchsorted(weights, number * weights[-1], side="right"))
        self.due = float(self.areas.ravel()[min(place, weights.size - 1)])

    def bring_below(self, last: float) -> None:
        """Have it due at most at the largest area that fits and still may come."""
        if self.due > last:
            self.due = float(self.areas[self.fits & (self.areas <= last)].max())


@dataclass
class _Object:
    """The object that is being drawn: its tokens so far as numbers of kind, width and height, and the wish that it is
    to meet, if one. `stead`: its size has to be about what is due.
    """

    kind: int
    wish: _Open | None = None
    wide: int = -1
    high: int = -1
    allowed: Array = field(default_factory=lambda: np.zeros(0))


class Objects:
    """The objects of one layout while they are drawn.

    Arguments:
        code: how they are written. wishes: what is wished, or None.
        kind_of: the kind of each class id.
        seen: (kinds, sizes, sizes), how often objects of each size were seen.
        numbers: in [0, 1), one a wish.
    """

    def __init__(
        self,
        code: BoxCode,
        wishes: Wishes | None,
        kind_of: Mapping[int, int],
        seen: Array,
        numbers: Sequence[float],
    ) -> None:
        wished = () if wishes is None else wishes.objects
        self._code, self._row, self._over = code, 0, False
        self._last = np.inf  # the largest area that may come
        self._open = [_Open(wish, kind_of[wish.class_id], code) for wish in wished]
        for one, number in zip(self._open, numbers, strict=False):
            one.draw_due(seen[one.kind], number)
        most = {} if wishes is None else wishes.most_of
        self._most = {kind_of[class_id]: count for class_id, count in most.items() if class_id in kind_of}
        self._counts = Counter[int]()
        self._object: _Object | None = None

    # What may come ------------------------------------------------------------------------------------------

    def legal(self, column: int) -> Array:
        """(K,), true for the tokens that may come in a column of the object that is being drawn."""
        code, found = self._code, np.zeros(self._code.codebook_size, bool)
        if self._over:
            found[code.kinds] = True
        elif column == 0:
            found[: code.kinds] = [self._may_be(kind) for kind in range(code.kinds)]
            found[code.kinds] = True
        else:
            self._coordinates(column, found)
        return found

    def _coordinates(self, column: int, found: Array) -> None:
        code, one = self._code, self._object
        assert one is not None
        if column == 1:
            found[code.first_size : code.first_place] = one.allowed.any(axis=1)
        elif column == 2:
            found[code.first_size : code.first_place] = one.allowed[one.wide]
        elif column == 3:
            places = ~np.isnan(code.across) if one.wish is None else one.wish.across
            found[code.first_place :] = places[one.wide]
        else:
            places = ~np.isnan(code.down) if one.wish is None else one.wish.down
            found[code.first_place :] = places[one.high]

    def _may_be(self, kind: int) -> bool:
        return self._has_room(kind) or bool(self._meeting(kind).any())

    def _has_room(self, kind: int) -> bool:
        """True where a further object of a kind may be there, beside those that are wished for."""
        wished = sum(one.kind == kind for one in self._open)
        rows = self._code.rows - self._row > len(self._open)
        return rows and self._counts[kind] + wished < self._most.get(kind, self._code.rows + 1)

    def _meeting(self, kind: int) -> Array:
        """(sizes, sizes), sizes at which an object of a kind meets a wish, and all others still can be met."""
        found = np.zeros_like(self._code.areas, bool)
        for one in self._open:
            if one.kind == kind:
                found |= self._sizes_of(one)
        return found

    def _sizes_of(self, wish: _Open) -> Array:
        """(sizes, sizes), those with which a wish can come now."""
        areas, floor = (
            self._code.areas,
            max([one.least for one in self._open if one is not wish], default=0.0),
        )
        return wish.fits & (areas <= self._last) & (areas >= floor)

    # What came ----------------------------------------------------------------------------------------------

    def draw(self, column: int, token: int) -> int | None:
        """Take a token that may come. Returns None, or after column 2 the kind of another object that has to come in
        this one's stead: its columns are drawn again, from that kind on.
        """
        code, one = self._code, self._object
        if self._over:
            return None
        if column == 0:
            if token == code.kinds and not self._open:
                self._over = True
            elif token == code.kinds:
                self._begin_wish(self._next_due())
            else:
                room = self._has_room(token)
                allowed = code.areas <= self._last if room else self._meeting(token)
                self._object = _Object(token, allowed=allowed)
            return None
        assert one is not None
        if column == 1:
            one.wide = token - code.first_size
        elif column == 2:
            one.high = token - code.first_size
            return self._settled(one)
        elif column == COLUMNS - 1:
            self._done(one)
        return None

    @property
    def kind(self) -> int:
        """The token of the kind of the object that is being drawn, or the end."""
        return self._code.kinds if self._over or self._object is None else self._object.kind

    def _settled(self, one: _Object) -> int | None:
        """Find the wish that an object meets, or another that has to come first."""
        if one.wish is not None or not self._open:
            return None
        area, due = self._code.areas[one.wide, one.high], self._next_due()
        meets = [
            wish for wish in self._open if wish.kind == one.kind and self._sizes_of(wish)[one.wide, one.high]
        ]
        if due in meets or (meets and area >= due.due):
            one.wish = due if due in meets else max(meets, key=lambda wish: wish.due)
            return None
        if area < due.due:
            self._begin_wish(due)
            return due.kind
        return None

    def _next_due(self) -> _Open:
        return max(self._open, key=lambda wish: wish.due)

    def _begin_wish(self, wish: _Open) -> None:
        sizes, areas = self._sizes_of(wish), self._code.areas
        about = sizes & (areas <= wish.due * _ABOUT) & (areas >= wish.due / _ABOUT)
        self._object = _Object(wish.kind, wish, allowed=about if about.any() else sizes)

    def _done(self, one: _Object) -> None:
        self._last = _LARGER * float(self._code.areas[one.wide, one.high])
        self._counts[one.kind] += 1
        self._row += 1
        self._over = self._row == self._code.rows
        if one.wish is not None:
            self._open.remove(one.wish)
        for wish in self._open:
            wish.bring_below(self._last)
        self._object = None


def check_wishes(wishes: Wishes, code: BoxCode, kind_of: Mapping[int, int], names: Mapping[int, str]) -> None:
    """Raise InputError for wishes that no layout can meet: of a class without boxes, more than a layout has, or of a
    size that does not fit into their region.
    """
    if len(wishes.objects) > code.rows:
        raise InputError(
            f"{len(wishes.objects)} objects are wished for, and a layout has at most {code.rows}; wish for fewer"
        )
    for wish in wishes.objects:
        name = names.get(wish.class_id, f"class {wish.class_id}")
        if wish.class_id not in kind_of:
            raise InputError(
                f"no boxes of {name} were learned; there are {', '.join(names[k] for k in kind_of)}"
            )
        if not _Open(wish, kind_of[wish.class_id], code).fits.any():
            raise InputError(
                f"no {name} of size {wish.least:g} to {wish.most:g} (a side, in shares of the image) has its center in "
                f"{', '.join(f'{side:g}' for side in wish.within)}; take other sizes, or a larger region"
            )
