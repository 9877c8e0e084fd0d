"""What a layout of boxes is to hold: objects that are wished for, and how many there may be of a class.

    met(s)  <=>  each wish is met by an object of s of its own, and no class has more objects in s than it may

"Three rings" is three wishes for a ring, "exactly three" is that and at most three of its class, "no ring" is at most
none. Whatever no wish names is left to the prior.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["Wish", "Wishes", "size_of"]

Box: TypeAlias = Sequence[float]  # x0, y0, x1, y1, in widths and heights of the image

_SLACK = 1e-6  # of single precision: a box that was drawn to meet a wish does


def size_of(box: Box) -> float:
    """sqrt(area of the box / area of the image), in [0, 1]."""
    x0, y0, x1, y1 = box
    return float((max(x1 - x0, 0.0) * max(y1 - y0, 0.0)) ** 0.5)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One object that is to be there.

    Arguments:
        class_id: of its class, as in the classes of the run.
        within: x0, y0, x1, y1 in [0, 1], x to the right and y downward: where the center of its box has to lie.
        least, most: of its size, as `size_of` has it.

    Raises ValueError for a region or sizes that nothing fits.
    """

    class_id: int
    within: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    least: float = 0.0
    most: float = 1.0

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.within
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise ValueError(f"within must be x0 < x1 and y0 < y1 in [0, 1], got {self.within}")
        if not (0 <= self.least < self.most <= 1):
            raise ValueError(f"sizes must be least < most in [0, 1], got {self.least} and {self.most}")

    def met_by(self, class_id: int, box: Box) -> bool:
        """True for a box of that class in the right place and of the right size."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        x0, y0, x1, y1 = self.within
        return (
            class_id == self.class_id
            and x0 - _SLACK <= x <= x1 + _SLACK
            and y0 - _SLACK <= y <= y1 + _SLACK
            and self.least - _SLACK <= size_of(box) <= self.most + _SLACK
        )


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """All that is wished of one layout.

    Arguments:
        objects: each is met by an object of its own.
        most_of: by class id, how many objects there may be of it, those that are wished for among them.

    Raises ValueError where more objects of a class are wished for than there may be.
    """

    objects: tuple[Wish, ...] = ()
    most_of: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for class_id, most in self.most_of.items():
            wished = sum(wish.class_id == class_id for wish in self.objects)
            if wished > most:
                raise ValueError(f"{wished} objects of class {class_id} are wished for, of at most {most}")

    def met_by(self, objects: Sequence[tuple[int, Box]]) -> bool:
        """True if a layout with such objects, of a class id and a box each, holds all that is wished for."""
        counts = {class_id: sum(one == class_id for one, _ in objects) for class_id in self.most_of}
        if any(counts[class_id] > most for class_id, most in self.most_of.items()):
            return False
        return len(self.matched(objects)) == len(self.objects)

    def matched(self, objects: Sequence[tuple[int, Box]]) -> dict[int, int]:
        """The most wishes that objects of their own can meet: the object's number by the wish's."""
        by_object: dict[int, int] = {}

        def place(wish: int, tried: set[int]) -> bool:
            for number, (class_id, box) in enumerate(objects):
                if number in tried or not self.objects[wish].met_by(class_id, box):
                    continue
                tried.add(number)
                if number not in by_object or place(by_object[number], tried):
                    by_object[number] = wish
                    return True
            return False

        for wish in range(len(self.objects)):
            place(wish, set())
        return {wish: number for number, wish in by_object.items()}
