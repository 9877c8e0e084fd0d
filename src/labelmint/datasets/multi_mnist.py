"""Multi-MNIST as published: MNIST digits on a canvas of 64x64, from the original idx files.

An idx file (LeCun, Cortes and Burges, the MNIST database) is big-endian: two zero bytes, the type (8 =
unsigned byte), the number of dimensions, the dimensions as 32-bit integers, then the values. Training
canvases draw from the training files, test canvases from t10k.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from labelmint.datasets.canvas import COMPOSITIONS, DIGIT_CLASSES, DigitSource, compose, split
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array

__all__ = ["COMPOSITIONS", "DIGIT_CLASSES", "make_multi_mnist", "read_idx", "read_mnist", "split"]

_UNSIGNED_BYTE = 8
_LARGEST = 1 << 28  # bytes of values; MNIST has 47 million


def make_multi_mnist(
    source: str | Path,
    composition: str,
    n: int,
    *,
    canvas: tuple[int, int] = (64, 64),
    digit_size: int | None = None,
    seed: int = 0,
) -> Iterator[AnnotatedImage]:
    """n grey canvases of MNIST digits, like `digits.make_digits`.

    Arguments:
        source: folder with the four idx files, each plain or gzipped.
        composition, n, canvas, digit_size, seed: as for `canvas.compose`.

    Raises InputError for a missing, truncated or strange file, and as `canvas.compose` does.
    """
    return compose(read_mnist(source), composition, n, canvas=canvas, digit_size=digit_size, seed=seed)


def read_mnist(source: str | Path) -> DigitSource:
    """The four files of MNIST in a folder."""
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; --source takes the folder that holds MNIST's four idx files"
        )
    return DigitSource(*_read_half(folder, "train"), *_read_half(folder, "t10k"))


def _read_half(folder: Path, part: str) -> tuple[Array, Array]:
    """Images (N, h, w) and classes (N,) of "train" or "t10k", checked against each other."""
    images_file, labels_file = (
        _find(folder, f"{part}-images-idx3-ubyte"),
        _find(folder, f"{part}-labels-idx1-ubyte"),
    )
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if len(images) != len(labels):
        raise InputError(
            f"{images_file}: {len(images)} images, but {labels_file.name} holds {len(labels)} labels; use "
            f"files of one set"
        )
    if min(images.shape) < 1:
        raise InputError(f"{images_file}: holds no pixels (dimensions {images.shape})")
    missing = sorted(set(range(10)) - set(np.unique(labels).tolist()))
    if missing or labels.max() > 9:
        found = f"no digit {missing[0]}" if missing else f"the label {labels.max()}"
        raise InputError(f"{labels_file}: expected every digit from 0 to 9 and nothing else, found {found}")
    return images, labels


def _find(folder: Path, name: str) -> Path:
    """The file, or its gzipped form."""
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    raise InputError(
        f"{folder}: lacks {name} (or {name}.gz); --source takes the folder that holds MNIST's four idx files"
    )


def read_idx(path: str | Path, dimensions: int) -> Array:
    """The unsigned bytes of an idx file, plain or gzipped (by its first bytes, whatever its name).

    Arguments:
        path: the file.
        dimensions: how many it must have: 3 for images, 1 for labels.

    Raises InputError for another type or number of dimensions, for too few or too many bytes, and for more
    than 256 MiB. The header is checked before anything is unpacked, and no more is unpacked than it promises.
    """
    path = Path(path)
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            return _read_values(gzip.GzipFile(fileobj=raw).read if zipped else raw.read, path, dimensions)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InputError(f"{path}: damaged gzip file ({error}); fetch it again") from None


def _read_values(read: Callable[[int], bytes], path: Path, dimensions: int) -> Array:
    header = read(4 + 4 * dimensions)
    if header[:4] != bytes((0, 0, _UNSIGNED_BYTE, dimensions)):
        begin = header[:4].hex(" ") or "nothing"
        raise InputError(
            f"{path}: not an idx file of unsigned bytes in {dimensions} dimensions (it begins with {begin})"
        )
    shape = tuple(int.from_bytes(header[4 + 4 * k : 8 + 4 * k], "big") for k in range(dimensions))
    size = 1
    for extent in shape:
        size *= extent
    if size > _LARGEST:
        raise InputError(
            f"{path}: promises {size:,} bytes ({shape}), more than the {_LARGEST:,} that are read"
        )
    values = read(size + 1)
    if len(header) < 4 + 4 * dimensions or len(values) != size:
        found = "more" if len(values) > size else f"{len(values):,}"
        raise InputError(
            f"{path}: expected {size:,} bytes after the header ({shape}), found {found}; the file is "
            f"damaged, fetch it again"
        )
    return np.frombuffer(values, np.uint8).reshape(shape)
