"""Pairs of a data set that samples are made for or from: their layouts, their references, and what is kept of
them.

    layout:CLASS            the layout where it shows that class is kept, the rest of it is drawn
    image:CLASS             the image where the layout shows that class is kept, the rest of it is drawn
    image:x0,y0,x1,y1       the image within that box is kept, in pixels of a sample, x1 and y1 exclusive

What is kept are tokens: those of which at least half of the pixels lie in such a part. Pixels come back as
the tokenizer has them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from labelmint.errors import InputError
from labelmint.layouts.empirical import EmpiricalLayouts
from labelmint.seeds import Seed
from labelmint.types import ClassSet, Kept

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["Given", "Part", "cells", "check_given", "part_of"]

_BOX = re.compile(r"\d+,\d+,\d+,\d+")


class Part(NamedTuple):
    """What is kept of a pair: of its "layout" or its "image", where a class is shown, or within (x0, y0, x1,
    y1).
    """

    of: str
    class_id: int | None
    box: tuple[int, int, int, int] | None

    def within(self, class_ids: Tensor) -> Tensor:
        """Booleans (B, H, W), given class ids."""
        if self.class_id is not None:
            return class_ids == self.class_id
        x0, y0, x1, y1 = self.box or (0, 0, 0, 0)
        inside = torch.zeros_like(class_ids, dtype=torch.bool)
        inside[:, y0:y1, x0:x1] = True
        return inside


def part_of(text: str, classes: ClassSet, size: tuple[int, int]) -> Part:
    """A part as written above, for samples of (H, W); raises InputError for anything else."""
    of, colon, which = text.partition(":")
    if of not in ("layout", "image") or not colon or not which:
        raise InputError(f"--keep {text}: expected layout:CLASS, image:CLASS or image:x0,y0,x1,y1")
    if _BOX.fullmatch(which):
        if of == "layout":
            raise InputError(
                f"--keep {text}: boxes are of images; of a layout keep a class, as in "
                f"layout:{classes.names[0]}"
            )
        x0, y0, x1, y1 = (int(number) for number in which.split(","))
        if not (x0 < x1 <= size[1] and y0 < y1 <= size[0]):
            raise InputError(
                f"--keep {text}: expected x0 < x1 <= {size[1]} and y0 < y1 <= {size[0]}, in pixels of a "
                f"sample"
            )
        return Part(of, None, (x0, y0, x1, y1))
    if which not in classes.names:
        raise InputError(f"--keep {text}: there is no class {which!r}; there are {', '.join(classes.names)}")
    return Part(of, classes.ids[classes.names.index(which)], None)


def check_given(system: TrainedSystem, source: str, references: bool, of_layouts: Sequence[str]) -> None:
    """Raise InputError where no layouts are heeded, where layouts are to be kept that are not drawn, and for
    references that are of no use or lacking.
    """
    if not system.classes.labelled:
        raise InputError(
            f"--layouts {source}: {system.path} learned from images without labels, so there are no layouts; leave "
            f"it out"
        )
    if system.moves_pairs:
        raise InputError(
            f"--layouts {source}: {system.system} takes layout and image from one labelled pair, so no other layout "
            f"can be given; leave it out"
        )
    if of_layouts and (system.wired.layouts is None or system.layouts_from is not None):
        raise InputError(
            f"--keep {of_layouts[0]}: {system.system} draws no layouts, so given ones are kept whole; leave "
            f"it out, or train msgnet or mint"
        )
    if references != system.needs_references:
        raise InputError(
            f"--reference {source}: {system.system} needs no reference images here; give --layouts instead"
            if references
            else f"--layouts {source}: this run writes layouts in tokens together with images "
            f"(tokenizer.reference); give --reference"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """N pairs, in order; a sample takes one of them.

    Attributes:
        ids: symbol maps (N, H, W).
        tokens: of the layouts written together with their images, (N, h, w), where they were references; else
            None.
        boxes: (N, n, 5) of the layouts, for a system that sees boxes; else None.
        layout, image: what is kept of each, over all N; None where nothing is.
        keep: the same in words, as above.
        names: of the pairs, where they are known.
    """

    ids: Tensor
    tokens: Tensor | None = None
    boxes: Tensor | None = None
    layout: Kept | None = None
    image: Kept | None = None
    keep: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        kept = [part for both in (self.layout, self.image) if both is not None for part in both]
        every = [self.ids, *(one for one in (self.tokens, self.boxes) if one is not None), *kept]
        return hashlib.sha256(b"".join(one.numpy().tobytes() for one in every)).hexdigest()

    @property
    def whence(self) -> str:
        """Where layouts come from, in words."""
        if self.layout is not None:
            return "given, and drawn anew but for what is kept"
        return "given" if self.tokens is None else "given with their images"

    def layouts(self, per_layout: int) -> EmpiricalLayouts:
        """Their layouts as a source."""
        return EmpiricalLayouts(self.ids, per_layout, self.tokens, self.boxes)

    def kept(self, seeds: Sequence[Seed], per_layout: int) -> tuple[Kept | None, Kept | None]:
        """What is kept of the layouts and of the images of some samples."""
        rows = torch.tensor([self.layouts(per_layout).which(seed) for seed in seeds])
        layout, image = (
            Kept(*(part[rows] for part in kept)) if kept is not None else None
            for kept in (self.layout, self.image)
        )
        return layout, image


def cells(within: Sequence[Tensor], tokens: Tensor) -> Tensor:
    """Booleans like tokens (N, stack h, w): those of which at least half of the pixels lie in one of some
    regions (N, H, W).
    """
    if not within:
        return torch.zeros_like(tokens, dtype=torch.bool)
    region, (rows, columns) = torch.stack(list(within)).any(dim=0), tokens.shape[1:]
    stack = max(rows * region.shape[2] // (columns * region.shape[1]), 1)
    shares = functional.adaptive_avg_pool2d(region[:, None].float(), (rows // stack, columns))
    return (shares[:, 0] >= 0.5).repeat(1, stack, 1)
