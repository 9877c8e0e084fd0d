"""How an arm's segmenter sees its pairs, and how its weights and readings are averaged."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from labelmint.datasets.geometry import Geometry
from labelmint.segmenters.mixture import SMALL_TURN, TURN
from labelmint.segmenters.strong import Strong

__all__ = ["ALTERNATIVES", "NARROW", "PLAIN", "STRONG", "Recipe", "strong_change", "turn_of"]

_ZOOM, _FREE_ZOOM = 2.0, 2.5  # the latter beside the views' own zoom, where `--augment` allows that


class Recipe(BaseModel):
    """What is done to pairs and weights.

    Attributes:
        augmentation: "none", the "narrow" one (`segmenters.augmentation`) or the "strong" one.
        recolored: of the strong one: whether polarity and color change. mixed: whether views are mixed (CutMix).
        normalize: whether each image is spread from its own 0.5 to its 99.5 percentile.
        spread: whether half of the views are of images that are spread so, and an image is read as it is and spread,
            and both readings averaged; without a meaning where all are spread.
        average: decay of the moving average of the weights; 0 for the weights themselves.
        mirrored: whether mirror images are read too and averaged, where `--augment` allows mirroring.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    augmentation: Literal["none", "narrow", "strong"]
    recolored: bool = False
    mixed: bool = False
    normalize: bool = False
    average: float = 0.0
    mirrored: bool = False
    spread: bool = False


STRONG = Recipe(augmentation="strong", recolored=True, average=0.99, mirrored=True, spread=True)
NARROW = Recipe(augmentation="narrow")
PLAIN = Recipe(augmentation="none")

# what arm A tries beside `STRONG`, in this order: name -> what it changes
ALTERNATIVES: dict[str, dict[str, bool]] = {
    "colors and polarity kept": {"recolored": False},
    "each image spread from its own range": {"normalize": True},
    "CutMix": {"mixed": True},
}


def strong_change(recipe: Recipe, geometry: Geometry) -> Strong | None:
    """The strong augmentation of a recipe; None where it has another."""
    if recipe.augmentation != "strong":
        return None
    return Strong(
        turn=turn_of(geometry),
        zoom=_FREE_ZOOM if "zoom" in geometry.augment else _ZOOM,
        recolored=recipe.recolored,
        mixed=recipe.mixed,
    )


def turn_of(geometry: Geometry) -> float:
    """The largest turn in degrees that keeps labels true."""
    return TURN if "turns" in geometry.augment else SMALL_TURN
