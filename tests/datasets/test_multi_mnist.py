"""Original idx files: read whole, or refused with a line that names the file."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from labelmint.datasets.multi_mnist import make_multi_mnist, read_idx, read_mnist
from labelmint.errors import InputError


def _idx(values: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    shape = values.shape if shape is None else shape
    return (
        bytes((0, 0, 8, len(shape)))
        + struct.pack(f">{len(shape)}I", *shape)
        + values.astype(np.uint8).tobytes()
    )


def _write_set(folder: Path, zipped: bool) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 20)):
        # Training digits are bright, test digits are dim, so that a canvas tells where its digits came from.
        images = (
            rng.integers(200, 256, (count, 28, 28))
            if part == "train"
            else rng.integers(60, 120, (count, 28, 28))
        )
        for kind, values in (("images-idx3", images), ("labels-idx1", np.arange(count) % 10)):
            content = _idx(values)
            path = folder / f"{part}-{kind}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)


@pytest.mark.parametrize("zipped", [False, True])
def test_canvases_are_made_from_idx_files(tmp_path: Path, zipped: bool) -> None:
    _write_set(tmp_path, zipped)
    pairs = list(make_multi_mnist(tmp_path, "upper", 10))
    assert all(pair.image.shape == (64, 64, 1) and len(pair.layout.objects) == 3 for pair in pairs)
    assert all(pair.layout.label_map[32:].sum() == 0 for pair in pairs)
    assert [bool(pair.image.max() > 150) for pair in pairs] == [True] * 8 + [False] * 2


GOOD = _idx(np.zeros((2, 3, 3)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an idx file"),
        (b"a text", "not an idx file"),
        (_idx(np.zeros(4)), "not an idx file of unsigned bytes in 3 dimensions"),
        (b"\0\0\x0d\x03" + GOOD[4:], "not an idx file"),
        (GOOD[:9], "damaged"),
        (GOOD[:-1], "expected 18 bytes.*found 17"),
        (GOOD + b"x", "found more"),
        (_idx(np.zeros(5), (60000, 60000, 60000)), "promises"),
        (gzip.compress(GOOD, mtime=0)[:-9], "damaged gzip"),
        (gzip.compress(GOOD, mtime=0)[:10] + b"\xff" * 20, "damaged gzip"),
        (gzip.compress(GOOD, mtime=0)[:-8] + b"\0" * 8, "damaged gzip"),
        (gzip.compress(b"\0" * (1 << 20), mtime=0), "not an idx file"),
        (gzip.compress(GOOD + b"\0" * (1 << 24), mtime=0), "found more"),
    ],
    ids=range(13),
)
def test_bad_idx_files_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "values"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sets_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_mnist(tmp_path / "nowhere")
    with pytest.raises(InputError, match="lacks train-images-idx3-ubyte"):
        read_mnist(tmp_path)
    _write_set(tmp_path, zipped=False)
    labels = tmp_path / "train-labels-idx1-ubyte"
    for values, words in (
        (np.arange(39) % 10, "39 labels"),
        (np.zeros(40), "found no digit 1"),
        (np.arange(40) % 11, "label 10"),
    ):
        labels.write_bytes(_idx(values))
        with pytest.raises(InputError, match=words):
            read_mnist(tmp_path)
