"""Class ids from the colors of label files: RGB files, and palettes.

A palette file can mean its indices (as VOC's do) or its colors (as an optimizer leaves them, which numbers them
anew in each file). Its colors decide where all that it uses have a meaning; else its indices are the ids, and
`Palettes` refuses what contradicts that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["MEND", "MEND_INSTANCES", "Color", "Colors", "Palettes", "ids_of_colors", "ids_of_palette"]

Color = tuple[int, int, int]
Colors = Mapping[Color, int]  # color -> class id

MEND = (
    'say what the colors mean in classes.json ("colors": {"1": [255, 0, 0]}), or save class ids as grey PNGs'
)
MEND_INSTANCES = "save instances as grey PNGs of 8 or 16 bits"  # no list says what their colors mean
_BLACK_AND_WHITE = {0: (0, 0, 0), 1: (255, 255, 255)}  # how masks of one bit are shown


@dataclass
class Palettes:
    """The palettes of the label files of one data set, which must agree where their indices are ids.

    Arguments:
        mend: how to say what colors mean, for messages.
    """

    mend: str = MEND
    _first: dict[int, tuple[Color, str]] = field(default_factory=dict)

    def check(self, source: object, used: Mapping[int, Color]) -> None:
        """Raise InputError where a file's used entries differ from another's, or are greys that are no indices."""
        for index, color in used.items():
            known, other = self._first.setdefault(index, (color, Path(str(source)).name))
            if known != color:
                raise InputError(
                    f"{source}: its palette shows index {index} as {list(color)}, and that of {other} as "
                    f"{list(known)}, so indices are no class ids; {self.mend}"
                )
        black_and_white = all(_BLACK_AND_WHITE.get(index) == color for index, color in used.items())
        if black_and_white or len(set(used.values())) < len(used) or not all(map(_is_grey, used.values())):
            return
        other_grey = [(index, color[0]) for index, color in used.items() if color[0] != index]
        if other_grey:
            index, level = other_grey[0]
            raise InputError(
                f"{source}: its palette shows index {index} as grey {level}, so either may be the class id; save class "
                f"ids as a grey PNG without a palette, or {self.mend}"
            )


def _is_grey(color: Color) -> bool:
    return color[0] == color[1] == color[2]


def ids_of_palette(
    source: object,
    indices: Array,
    palette: Sequence[int],
    colors: Colors | None,
    palettes: Palettes | None,
    mend: str = MEND,
) -> Array:
    """Class ids (H, W) of a palette file.

    Arguments:
        indices: (H, W) uint8. palette: red, green, blue of index 0, then of index 1, and so on.
        colors: color -> id. mend: how to say what colors mean, for messages.
        palettes: to check it against those of other files where indices are ids; None: indices are never doubted.
    """
    padded = [*palette, *[0] * (768 - len(palette))]
    used: dict[int, Color] = {
        index: (padded[3 * index], padded[3 * index + 1], padded[3 * index + 2])
        for index in np.flatnonzero(np.bincount(indices.ravel())).tolist()
    }
    meaning = {index: id_ for index, color in used.items() if (id_ := (colors or {}).get(color)) is not None}
    told_apart = len(set(used.values())) == len(used)
    if used and told_apart and len(meaning) == len(used):
        table = np.zeros(256, dtype=np.uint8 if max(meaning.values()) <= 255 else np.uint16)
        table[list(meaning)] = list(meaning.values())
        return table[indices]
    wrong = [index for index, id_ in meaning.items() if id_ != index]
    if told_apart and wrong:
        unlisted = next(color for index, color in used.items() if index not in meaning)
        raise InputError(
            f"{source}: its palette shows index {wrong[0]} in the color of class {meaning[wrong[0]]}, but its color "
            f"{list(unlisted)} has no meaning; {mend}"
        )
    if palettes is not None and not meaning:
        palettes.check(source, used)
    return indices.astype(np.uint8)


def ids_of_colors(
    source: object, pixels: Array, colors: Colors | None, mend: str = MEND, *, opaque: bool = True
) -> Array:
    """Class ids (H, W) of RGB pixels (H, W, 3): by `colors`, or without any the value that all channels have.

    Raises InputError for colors without a meaning, with their counts; `mend` is how to say what they mean.
    """
    if not colors:
        if opaque and (pixels == pixels[:, :, :1]).all():
            return np.ascontiguousarray(pixels[:, :, 0])
        raise InputError(f"{source}: a colored (RGB) label; {mend}")
    codes = pixels.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    found, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    meaning = {(red << 16) | (green << 8) | blue: id_ for (red, green, blue), id_ in colors.items()}
    unknown = sorted(
        (-int(n), int(code)) for code, n in zip(found, counts, strict=True) if int(code) not in meaning
    )
    if unknown:
        shown = ", ".join(
            f"{[code >> 16, code >> 8 & 255, code & 255]} ({-n} pixels)" for n, code in unknown[:5]
        )
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise InputError(
            f"{source}: colors without a meaning, as smoothing leaves them, too: {shown}{more}; {mend}"
        )
    dtype = np.uint8 if max(meaning.values()) <= 255 else np.uint16
    return np.array([meaning[int(code)] for code in found], dtype=dtype)[place.reshape(codes.shape)]
