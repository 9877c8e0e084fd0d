"""What formats of objects share: one record an image, its layout painted from the objects when it is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from labelmint.errors import InputError
from labelmint.formats.format import Orientation
from labelmint.formats.image_files import image_size, read_labelled
from labelmint.formats.opened import MAX_PIXELS, Inside
from labelmint.formats.painting import PaintedLayout, painted
from labelmint.formats.undecoded import undecoded
from labelmint.types import AnnotatedImage, LayoutObject

__all__ = ["Record", "RecordLoader", "named_before", "names_of", "or_swapped", "size_of"]

K = TypeVar("K")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One image of an object format.

    Arguments:
        path: its file. size: (H, W) as its annotation states it, or as it is read where that states none.
        objects: in file order. stated: False where the size is that of the file.
    """

    path: Path | Inside
    size: tuple[int, int]
    objects: tuple[LayoutObject, ...] = ()
    stated: bool = True


@dataclass(frozen=True)
class RecordLoader:
    """name -> AnnotatedImage, the maps painted from the objects on a ground: the class, or an ignore id, of what none
    covers. Images with an orientation tag are taken as `orientation` says.
    """

    records: Mapping[str, Record]
    source: str
    ground: int = 0
    orientation: Orientation = "auto"

    def __call__(self, name: str) -> AnnotatedImage:
        record = self.records[name]
        stated = record.size if record.stated else None
        image, text, notes, tag = read_labelled(record.path, stated, self.orientation)
        (height, width), (stated_height, stated_width) = image.shape[:2], record.size
        if (height, width) != record.size:
            if (width, height) == record.size:
                raise _swapped_error(record.path, record.size, self.source)
            raise InputError(
                f"{record.path} is {height}x{width} pixels (height x width){tag}, but {self.source} says "
                f"{stated_height}x{stated_width}; "
                "use the images that were annotated"
            )
        layout = painted(record.objects, record.size, self.ground)
        return AnnotatedImage(name=name, image=image, layout=layout, provenance=text, notes=notes)

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, decoded and painted when that is asked for, where its file may be copied."""
        record = self.records[name]
        layout = PaintedLayout(record.objects, record.size, self.ground)
        return undecoded(name, record.path, lambda size: layout) or self(name)

    def files_of(self, name: str) -> tuple[Path, ...]:
        """The files of one pair."""
        path = self.records[name].path
        return (path,) if isinstance(path, Path) else ()


def names_of(file_names: Sequence[str], source: str) -> list[str]:
    """A name for each file: without folder and ending, or with the folders joined by "__" where names would collide;
    and with the ending where files differ in it only.

    Raises InputError where the same file is listed twice, and where two have one name even so.
    """
    paths = [PurePosixPath(file_name.replace("\\", "/").lstrip("/")) for file_name in file_names]
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = ["__".join((*path.parts[:-1], path.stem)) for path in paths]
    often = Counter(names)
    names = [
        f"{name}{path.suffix}" if often[name] > 1 else name for name, path in zip(names, paths, strict=True)
    ]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        first, second = [str(path) for name, path in zip(names, paths, strict=True) if name == doubled[0]][:2]
        raise InputError(
            f"{source}: {len(doubled)} images are listed twice, first {first!r}; keep one of each"
            if first == second
            else f"{source}: {first!r} and {second!r} would have one name; rename one of them"
        )
    return names


def named_before(files: Iterable[tuple[K, Path | Inside | None]]) -> list[K]:
    """The keys of files that an earlier key has, too; None is no file."""
    owner: dict[Path | Inside, K] = {}
    return [key for key, file in files if file is not None and owner.setdefault(file, key) != key]


def size_of(
    stated: tuple[Any, Any], picture: Path | Inside, orientation: Orientation, what: str
) -> tuple[tuple[int, int], bool]:
    """(H, W) as an annotation states it, or as the picture is read where a side is None; and whether it is stated.

    Raises InputError, for the annotation that is called `what`, where height or width are none.
    """
    height, width = stated
    if height is None or width is None:
        return image_size(picture, orientation), False
    whole = type(height) is int and type(width) is int
    if not whole or height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise InputError(
            f"{what} states a height of {height!r:.40} and a width of {width!r:.40}; expected whole numbers above 0, "
            f"and at most {MAX_PIXELS} pixels"
        )
    return (height, width), True


def or_swapped(error: InputError, picture: Path | Inside, size: tuple[int, int], source: str) -> InputError:
    """The error of an object, or its cause where the sides of its image are stated in the wrong order.

    Arguments:
        picture: the image's file. size: (H, W) as stated. source: the file that states it.
    """
    try:
        swapped = size[0] != size[1] and image_size(picture) == size[::-1]
    except InputError:
        swapped = False
    return _swapped_error(picture, size, source) if swapped else error


def _swapped_error(picture: Path | Inside, size: tuple[int, int], source: str) -> InputError:
    return InputError(
        f"{source}: width and height of {picture.name!r} are swapped: it is {size[1]}x{size[0]} pixels (height x "
        f"width), stated are {size[0]}x{size[1]}; swap them"
    )
