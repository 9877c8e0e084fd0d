"""A system: a composition of a layout source and an image generator, with its settings and presets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from labelmint.layouts.boxes import BoxRule
from labelmint.protocols import ImageGenerator, Keeping, LayoutSource, Upscaler
from labelmint.systems.sections import Sections
from labelmint.training.regime import Stage
from labelmint.types import LayoutBatch

__all__ = ["GIVEN", "Facts", "Role", "System", "Wired"]

GIVEN = "layouts of a data set"
Role: TypeAlias = Literal["images", "layouts", "upscaler"]


class Facts(NamedTuple):
    """What the data decide.

    Attributes:
        image_channels: C. size: (H, W). symbols: S, the number of layout symbols.
        kinds: the class of each symbol, numbered from 0 on; empty where it is not known.
        whole: symbols of which all pixels are one object: those without instances where the data have instances,
            else the ground and what is ignored.
        names: of the class of each symbol; none where only shapes are asked for.
        boxes: which boxes stand for a layout, for a system that sees boxes; else None.
        class_ids: the id of the class of each symbol; none where only shapes are asked for.
        crop: whether images are crops of larger ones.
        pool: the number of images without labels beside the labelled ones.
    """

    image_channels: int
    size: tuple[int, int]
    symbols: int
    kinds: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    boxes: BoxRule | None = None
    class_ids: tuple[int, ...] = ()
    crop: bool = False
    pool: int = 0


def _as_they_are(layouts: LayoutBatch) -> LayoutBatch:
    return layouts


@dataclass(frozen=True, kw_only=True)
class Wired:
    """A system that is wired, trained or not.

    Arguments:
        stages: what is trained, in order.
        images: p(x given s), of the modules of the stages; None of a system of another role.
        layouts: p(s), or None where layouts are given.
        upscaler: enlarges the images of other runs; None of a system of another role.
        see: given layouts as the generator sees them, which is what their images are labelled with.
        reach: pixels within which instances of a class need different symbols.
        cell: pixels a side of the cells that layouts consist of once they are seen.
    """

    stages: tuple[Stage, ...]
    images: ImageGenerator | None = None
    layouts: LayoutSource | None = None
    upscaler: Upscaler | None = None
    see: Callable[[LayoutBatch], LayoutBatch] = _as_they_are
    reach: int = 1
    cell: int = 1

    @property
    def keeping(self) -> Keeping | None:
        """The image generator, where it writes pairs in tokens."""
        images: object = self.images
        return images if isinstance(images, Keeping) else None

    @property
    def needs_references(self) -> bool:
        """True if layouts are written in tokens together with their images only."""
        return self.keeping is not None and self.keeping.needs_references


@dataclass(frozen=True, kw_only=True)
class System:
    """What a paper owns.

    Arguments:
        name: as on the command line. source: where it was published.
        layout_source, image_generator: what it is made of, in words.
        sections: the type of its settings.
        wire: makes it of its settings and of what the data decide. Raises InputError for settings that do not go
            together.
        presets: functions that return its settings, by the name of the preset.
        from_images: True if it learns from images without labels, and of labels sees at most a class of the image as a
            whole (`datasets.whole_images`).
        from_pool: True if it has a use for images without labels beside the labelled ones.
        of_pairs: True if each sample is a training pair, moved: layout and image come from one pair, so no other layout
            can be given, and the run holds the training images.
        role: what a run of it is for: "images" of its own, "layouts" for the images of other runs, or an "upscaler" of
            these.
    """

    name: str
    source: str
    layout_source: str
    image_generator: str
    sections: type[Sections]
    wire: Callable[[Any, Facts], Wired]
    presets: Mapping[str, Callable[[], Sections]]
    from_images: bool = False
    from_pool: bool = False
    of_pairs: bool = False
    role: Role = "images"
