"""The values that everything passes around: classes, layouts, annotated images, data sets, and batches of
layouts.

Shape legend, used by every docstring of the package:

    B  items of a batch            H W  height and width of an image in pixels
    C  image channels (1 or 3)     h w  height and width of a grid of tokens or cells
    S  layout symbols              K    entries of a codebook
    N  objects or positions        D    width of a vector

A *layout* s says what is where; its dense form is the *label map*, an (H, W) array of class ids as they stand
in the files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from labelmint.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "HIDDEN_COLORS",
    "NOTES",
    "TURNED",
    "AnnotatedImage",
    "Array",
    "Batch",
    "ClassInfo",
    "ClassSet",
    "DataSet",
    "Finding",
    "Kept",
    "Layout",
    "LayoutBatch",
    "LayoutObject",
]

Array: TypeAlias = npt.NDArray[Any]
TURNED, HIDDEN_COLORS = "orientation tags", "transparent images"
# What may be noted of an image when it is read: kind -> what became of the images.
NOTES: Mapping[str, str] = {
    TURNED: "images carry an orientation tag, and their labels fit them both turned and as their pixels lie, or state "
    "no size; they are taken turned, as viewers and annotation tools show them (--orientation stored: as their pixels "
    "lie)",
    HIDDEN_COLORS: "images are transparent in part, and their alpha is dropped: colors that no viewer shows are "
    "learned; lay them over a ground of one color first if these mean nothing",
}
Polygons: TypeAlias = tuple[tuple[float, ...], ...]  # each x0, y0, x1, y1, ... in pixels


@dataclass(frozen=True, kw_only=True)
class ClassInfo:
    """One class: its id in label maps, its name, and its color (None: one of a fixed palette)."""

    id: int
    name: str
    color: tuple[int, int, int] | None = None
    category: int | None = None  # COCO category id where it differs from `id`


@dataclass(frozen=True)
class ClassSet:
    """The classes of a data set, ordered by id, and the ids that mean "ignore".

    Ids lie in [0, 65535]. Ignore ids are symbols of their own: generated like a class, written back, left out of losses
    and scores; an id that is a class is not ignored. Raises InputError for doubled ids and ids out of range.
    """

    classes: tuple[ClassInfo, ...]
    ignore: tuple[int, ...] = (255,)

    def __post_init__(self) -> None:
        ids = [info.id for info in self.classes]
        if len(set(ids)) != len(ids):
            raise InputError(
                f"class ids must differ, but these are doubled: {sorted({i for i in ids if ids.count(i) > 1})}"
            )
        if any(not 0 <= i <= 65535 for i in [*ids, *self.ignore]):
            raise InputError(f"class ids must lie in 0..65535, got {sorted([*ids, *self.ignore])}")
        for info in self.classes:
            if info.name != info.name.encode("utf-8", "ignore").decode():
                raise InputError(f"the class name {info.name!r} is no valid text; rename the class")
        object.__setattr__(self, "classes", tuple(sorted(self.classes, key=lambda info: info.id)))
        object.__setattr__(self, "ignore", tuple(sorted(set(self.ignore) - set(ids))))

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(info.id for info in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(info.name for info in self.classes)

    @property
    def labelled(self) -> bool:
        """False for images without labels, which have no class (`formats.images_alone.UNLABELLED`)."""
        return bool(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def name_of(self, class_id: int) -> str:
        """Name of a class id; "ignore" for ignore ids."""
        return {info.id: info.name for info in self.classes}.get(class_id, "ignore")

    @cached_property
    def backgrounds(self) -> tuple[int, ...]:
        """Ids of the classes that are ground: named "background" in any case, with underscores or a word more."""
        return tuple(
            info.id for info in self.classes if info.name.lower().strip("_").split(" ")[0] == "background"
        )

    @property
    def ground(self) -> int | None:
        """The id of what no object covers: the first background; None where every pixel has a class of its own."""
        return next(iter(self.backgrounds), None)

    @cached_property
    def without_objects(self) -> frozenset[int]:
        """Ids that are no objects: ignored ones and backgrounds."""
        return frozenset({*self.backgrounds, *self.ignore})

    def unknown(self, label_map: Array) -> dict[int, int]:
        """Ids of a label map that are neither classes nor ignored, each with its count of pixels."""
        if label_map.dtype == np.uint8:  # nearly always, and found in a hundredth of the time of counting
            known_bytes, other = self._known_bytes
            if label_map.max(initial=0) < other or not label_map.tobytes().translate(None, known_bytes):
                return {}
        if label_map.dtype == np.uint16 and self._known[label_map].all():
            return {}
        values, counts = np.unique(label_map, return_counts=True)
        known = {*self.ids, *self.ignore}
        return {int(v): int(c) for v, c in zip(values, counts, strict=True) if int(v) not in known}

    @cached_property
    def _known_bytes(self) -> tuple[bytes, int]:
        """The known ids up to 255, and the first number that is none of them."""
        known = bytes(i for i in (*self.ids, *self.ignore) if i <= 255)
        return known, next(i for i in range(257) if i > 255 or i not in known)

    @cached_property
    def _known(self) -> Array:
        """True for each of the 65,536 ids that is a class or ignored."""
        known = np.zeros(1 << 16, bool)
        known[[*self.ids, *self.ignore]] = True
        return known


@dataclass(frozen=True, kw_only=True)
class LayoutObject:
    """One annotated object.

    Arguments:
        class_id: the id of its class.
        box: x0, y0, x1, y1 in float pixels, x1 and y1 exclusive: one pixel at the origin is (0, 0, 1, 1).
        rle: COCO's compressed run-length encoding, `{"size": [H, W], "counts": str}`, or None.
        polygons: polygons in pixels, or None. An object with neither is its filled box.
        crowd: COCO's iscrowd.
        attributes: whatever else the format says of the object; kept and written back.
    """

    class_id: int
    box: tuple[float, float, float, float]
    rle: Mapping[str, Any] | None = None
    polygons: Polygons | None = None
    crowd: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        x0, y0, x1, y1 = self.box
        return max(x1 - x0, 0.0) * max(y1 - y0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is where in one image.

    Arguments:
        label_map: (H, W) unsigned class ids, as in the files.
        instances: (H, W) unsigned, 0 = none, each other value one object; None where the data have none.
        objects: the annotated objects as read, in file order; empty where the data have none. The maps above are
            painted from them when a format holds objects only; converters between such formats copy them, not the maps.
    """

    label_map: Array
    instances: Array | None = None
    objects: tuple[LayoutObject, ...] = ()

    def __post_init__(self) -> None:
        if self.label_map.ndim != 2:
            raise InputError(f"a label map must have shape (H, W), got {self.label_map.shape}")
        if self.instances is not None and self.instances.shape != self.label_map.shape:
            raise InputError(
                f"instances must have the label map's shape {self.label_map.shape}, got {self.instances.shape}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        height, width = self.label_map.shape
        return int(height), int(width)


@dataclass(frozen=True, kw_only=True)
class AnnotatedImage:
    """An image and its layout, drawn together.

    Arguments:
        name: without folder or extension, unique in its data set.
        image: (H, W, C) uint8, C = 1 (grey) or 3 (RGB).
        layout: of the same height and width.
        provenance: where the image came from, written into its PNG as text (synthetic images only).
        notes: the kinds of what was decided or dropped when it was read, of `NOTES`.
    """

    name: str
    image: Array
    layout: Layout
    provenance: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] not in (1, 3) or self.image.dtype != np.uint8:
            got = f"{self.image.dtype} {self.image.shape}"
            raise InputError(
                f"{self.name}: an image must be uint8 of shape (H, W, 1) or (H, W, 3), got {got}"
            )
        if self.image.shape[:2] != self.layout.size:
            sizes = f"the image is {self.image.shape[:2]} and its layout {self.layout.size} pixels"
            raise InputError(f"{self.name}: {sizes}")

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return int(self.image.shape[2])

    def with_layout(self, layout: Layout, name: str | None = None) -> AnnotatedImage:
        """Return the image with another layout, and another name where one is given."""
        return dataclasses.replace(self, name=name or self.name, layout=layout)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something odd in a data set that a person should know: what kind, which names, one line of text."""

    kind: str
    text: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DataSet(Sequence[AnnotatedImage]):
    """Labelled images, each loaded when it is asked for.

    Arguments:
        source: where it was read from, for messages.
        format: name of its format.
        classes: its classes.
        names: one name a pair, sorted.
        load: name -> AnnotatedImage; raises InputError naming the file that is bad. A loader with a method
            `layout`, name -> Layout, can do without the image; one with `undecoded`, name -> AnnotatedImage, can put
            off decoding the image and painting the maps until they are asked for; one with `files_of`, name -> paths,
            says which files it reads.
        train, validation, test: names of the parts as the files have them, None for none; see `datasets.splits`.
        findings: what was odd on reading (unpaired names and the like).
        extras: what its format says beside the pairs (ids, licenses), to write that format again; its text says which
            that is. None for nothing.
        origins: the paths that it was read from, each with how; empty where these do not decide its pairs.
    """

    source: str
    format: str
    classes: ClassSet
    names: tuple[str, ...]
    load: Callable[[str], AnnotatedImage]
    train: tuple[str, ...] | None = None
    validation: tuple[str, ...] | None = None
    test: tuple[str, ...] | None = None
    findings: tuple[Finding, ...] = ()
    extras: object | None = field(default=None, repr=False)
    origins: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name in self.names:
            if not name.isprintable() and name != name.encode("utf-8", "ignore").decode():
                raise InputError(f"{self.source}: the file name {name!r} is not valid UTF-8; rename the file")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> AnnotatedImage:  # type: ignore[override]
        return self.load(self.names[index])

    def __iter__(self) -> Iterator[AnnotatedImage]:
        return (self.load(name) for name in self.names)

    def layout(self, name: str) -> Layout:
        """The layout of one pair; its image is not decoded where the loader can do without."""
        alone: Callable[[str], Layout] | None = getattr(self.load, "layout", None)
        return self.load(name).layout if alone is None else alone(name)

    def undecoded(self, name: str) -> AnnotatedImage:
        """One pair, decoded and painted when that is first asked for, where the loader can put it off."""
        later: Callable[[str], AnnotatedImage] | None = getattr(self.load, "undecoded", None)
        return self.load(name) if later is None else later(name)

    def subset(self, names: Sequence[str]) -> DataSet:
        """Return the data set with these names only; raises InputError for a name that it lacks."""
        missing = sorted(set(names) - set(self.names))
        if missing:
            raise InputError(f"{self.source}: no pair named {missing[0]!r} ({len(missing)} such names)")
        return dataclasses.replace(self, names=tuple(names))


class _InRows:
    """A value whose parts are tensors of B rows each, or None, or such values themselves."""

    def __getitem__(self, rows: slice | Tensor) -> Self:
        """Some of the rows, with all that is known of them."""
        return self._each(lambda part: part[rows])

    def to(self, device: Any) -> Self:
        """The value on another device."""
        return self._each(lambda part: part.to(device))

    def _each(self, change: Callable[[Any], Any]) -> Self:
        return type(self)(**{name: change(part) for name, part in vars(self).items() if part is not None})


@dataclass
class LayoutBatch(_InRows):
    """A batch of layouts as the parts see them, not frozen: Lightning Fabric moves such values.

    Arguments:
        ids: (B, H, W) small integers, the dense symbol indices 0..S-1 of `datasets.symbols.SymbolTable`.
        instances: (B, H, W), 0 = none, or None.
        boxes: (B, N, 5) floats, symbol and x0, y0, x1, y1 in pixels, rows padded with -1; or None.
        tokens: (B, h, w), of a layout tokenizer; backgrounds: (B, m, H, W), what retrieval found; or None.
        pairs, places: (B,) the pair that each was moved from, (B, H, W, 2) x and y there (`layouts.moved`); or None.
        styles: (B,) the kind of look of the image that belongs to each (`runs.kinds`), -1 = not known; or None.
        labelled: (B,) bool, False where a layout means nothing, as its image has no label; None: all mean something.
    """

    ids: Tensor
    instances: Tensor | None = None
    boxes: Tensor | None = None
    tokens: Tensor | None = None
    backgrounds: Tensor | None = None
    pairs: Tensor | None = None
    places: Tensor | None = None
    styles: Tensor | None = None
    labelled: Tensor | None = None

    def __len__(self) -> int:
        return self.ids.shape[0]


@dataclass
class Batch(_InRows):
    """Images and their layouts.

    Arguments:
        image: (B, C, H, W) floats in [-1, 1].
        layouts: of the same B, H and W.
        items, codes: (B,) the number of each pair in its data set, (B, *shape) the noise chosen for it; or None.
        labelled: (B,) bool, False where an image has no label, so that its layout means nothing; None: all have one.
    """

    image: Tensor
    layouts: LayoutBatch
    items: Tensor | None = None
    codes: Tensor | None = None
    labelled: Tensor | None = None

    def __len__(self) -> int:
        return self.image.shape[0]


class Kept(NamedTuple):
    """Tokens (B, h, w) that stand already, and where they are kept, (B, h, w) booleans; all others are drawn."""

    tokens: Tensor
    where: Tensor

    def flat(self, device: Any) -> Kept:
        """Return both in raster order, (B, N)."""
        return Kept(self.tokens.flatten(1).to(device), self.where.flatten(1).to(device))
