"""The `images` format: images without labels, for what learns from these alone; read only.

All images of a folder and below it; of images/ (or img/ and so on) where there is one. Folders named train, val and
test are parts, or train.txt, val.txt and test.txt name these.

It is never found by itself where labels are needed: a folder whose labels went astray looks alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.files import Parts, read_splits
from labelmint.formats.format import AS_USUAL, Format, Orientation, Reading, part_of_folders
from labelmint.formats.image_files import image_size, read_labelled
from labelmint.formats.maps import files_below
from labelmint.formats.odd import Odd
from labelmint.formats.pairing import IMAGE_FOLDERS, folders_called
from labelmint.formats.records import names_of
from labelmint.formats.undecoded import undecoded
from labelmint.types import AnnotatedImage, ClassSet, DataSet, Layout

__all__ = ["FORMAT", "UNLABELLED", "WholeLoader", "everywhere", "read_images"]

UNLABELLED = ClassSet((), ignore=(0,))  # of no pixel is known what it shows


def read_images(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read the images of a folder; raises InputError where there is none."""
    if not path.is_dir():
        raise InputError(f"{path}: images without labels are read from a folder, not from a file")
    own = next((one for one in folders_called(path, IMAGE_FOLDERS) if next(files_below(one), None)), path)
    files = [*files_below(own)]
    if not files:
        raise InputError(f"{path}: holds no images")
    relative = [file.relative_to(own).as_posix() for file in files]
    names = names_of(relative, str(path))
    odd = Odd(reading.strict)
    parts = read_splits(path, names, odd)
    if parts == Parts():
        parts = Parts.of({name: part_of_folders(file) for name, file in zip(names, relative, strict=True)})
    return DataSet(
        source=str(path),
        format="images",
        classes=UNLABELLED,
        names=tuple(sorted(names)),
        load=WholeLoader(dict(zip(names, files, strict=True)), {}, reading.orientation),
        **parts._asdict(),
        findings=odd.findings,
    )


@dataclass(frozen=True)
class WholeLoader:
    """name -> AnnotatedImage whose label is one id everywhere.

    Arguments:
        files: of the images. ids: of their classes; 0 for those that are not there, which nothing is known of.
    """

    files: Mapping[str, Path]
    ids: Mapping[str, int]
    orientation: Orientation = "auto"

    def __call__(self, name: str) -> AnnotatedImage:
        read = read_labelled(self.files[name], None, self.orientation)
        layout = self._layout(name, (read.pixels.shape[0], read.pixels.shape[1]))
        return AnnotatedImage(
            name=name, image=read.pixels, layout=layout, provenance=read.text, notes=read.notes
        )

    def undecoded(self, name: str) -> AnnotatedImage:
        """The image, decoded when that is asked for, where its file may be copied."""
        return undecoded(name, self.files[name], lambda size: self._layout(name, size)) or self(name)

    def layout(self, name: str) -> Layout:
        """The layout alone; of the image the header is read."""
        return self._layout(name, image_size(self.files[name], self.orientation))

    def files_of(self, name: str) -> tuple[Path, ...]:
        """The files of one pair."""
        return (self.files[name],)

    def _layout(self, name: str, size: tuple[int, int]) -> Layout:
        return everywhere(self.ids.get(name, 0), size)


def everywhere(which: int, size: tuple[int, int]) -> Layout:
    """The layout (H, W) that has one id everywhere, 0 for an image without a label; it takes no memory."""
    return Layout(label_map=np.broadcast_to((np.uint8 if which < 256 else np.uint16)(which), size))


FORMAT = Format(
    name="images",
    title="Images without labels, for systems that learn from images alone",
    recognizes=lambda path: False,
    reads=read_images,
)
