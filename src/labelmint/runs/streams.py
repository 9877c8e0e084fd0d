"""Streams of random numbers that a drawing takes: "layout" and "image", and those that a part tells apart itself.

    seed of the set for a stream = --reseed STREAM, else --reseed of its part ("layout" or "image"), else --seed

So images are drawn anew for the layouts that were drawn before, or layouts for the same dice of the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from labelmint.errors import InputError
from labelmint.protocols import Streamed

if TYPE_CHECKING:
    from labelmint.runs.draw import Draw
    from labelmint.runs.trained import TrainedSystem

__all__ = ["IMAGE", "LAYOUT", "check_reseed", "in_words", "streams_of"]

LAYOUT, IMAGE = "layout", "image"


def streams_of(part: object) -> tuple[str, ...]:
    """The streams that a part tells apart itself."""
    return part.streams if isinstance(part, Streamed) else ()


def in_words(reseed: Mapping[str, int]) -> str:
    """Streams and their seeds as on the command line, sorted by name: "image=7 layout=3"."""
    return " ".join(f"{name}={seed}" for name, seed in sorted(reseed.items()))


def check_reseed(system: TrainedSystem, draw: Draw) -> None:
    """Raise InputError for a stream that the system does not have, and for one that nothing is drawn from here."""
    if not draw.reseed:
        return
    of_layouts = (LAYOUT, *streams_of(system.own_layouts))
    of_images = (IMAGE, *streams_of(system.images))
    for name, seed in draw.reseed.items():
        if name not in (*of_layouts, *of_images):
            raise InputError(
                f"--reseed {name}={seed}: {system.system} draws from no stream of that name; there are "
                f"{', '.join((*of_layouts, *of_images))}"
            )
        reason = _still_layouts(system, draw) if name in of_layouts else _still_images(system, draw)
        if reason:
            raise InputError(f"--reseed {name}={seed}: {reason}; leave it out")


def _still_layouts(system: TrainedSystem, draw: Draw) -> str:
    """Why no layouts are drawn; empty where they are."""
    if draw.vary or (system.has_layout_prior and draw.draws_layouts):
        return ""
    return "layouts are taken as they are here, and nothing of them is drawn (--vary varies them)"


def _still_images(system: TrainedSystem, draw: Draw) -> str:
    """Why nothing of the images is left to chance; empty where something is."""
    if system.ranges is not None or (system.images.random and draw.style is None):
        return ""
    if draw.style is not None:
        return "with --style-image a layout has one image"
    return f"{system.system} draws one image of a layout, whatever the seed"
