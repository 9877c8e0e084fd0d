"""Cityscapes, shrunk: classes, split by city, labels by majority, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.datasets.originals import cityscapes

from labelmint.datasets.cityscapes import CITYSCAPES_CLASSES, prepare_cityscapes, shrink_ids
from labelmint.datasets.splits import group_of
from labelmint.errors import InputError

NAME = "aachen_000000_000019"


@pytest.mark.parametrize("kind", ["labelIds", "labelTrainIds"])
def test_scenes_have_the_training_classes(tmp_path: Path, kind: str) -> None:
    prepared = prepare_cityscapes(cityscapes(tmp_path, kind), size=(4, 8))
    assert len(CITYSCAPES_CLASSES) == 19
    assert prepared.test == {"lindau_000000_000019"}
    assert {group_of(name, prepared.group_by) for name in prepared.items} == {"aachen", "bochum", "lindau"}
    for pair in prepared:
        assert pair.image.shape == (4, 8, 3)
        label = pair.layout.label_map
        assert label[0, 0] == 255
        assert [CITYSCAPES_CLASSES.name_of(label[place]) for place in ((3, 0), (0, 7), (3, 7))] == [
            "road",
            "car",
            "pole",
        ]
        assert len(np.unique(pair.image)) == 4  # shrunk by whole blocks, no value is mixed


def test_without_val_a_city_is_for_testing(tmp_path: Path) -> None:
    cityscapes(tmp_path)
    (tmp_path / "leftImg8bit" / "val").rename(tmp_path / "gone")
    prepared = prepare_cityscapes(tmp_path, size=(4, 8))
    assert 0 < len({name.split("_")[0] for name in prepared.test}) < 2
    cities = {name: name.split("_")[0] for name in prepared.items}
    assert all(
        (name in prepared.test) == (cities[name] in {cities[one] for one in prepared.test})
        for name in prepared.items
    )


@given(
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(0, 5),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_a_small_label_takes_the_class_that_most_pixels_have(
    h: int, w: int, more_h: int, more_w: int, random: object
) -> None:
    rng = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    ids = rng.choice(np.array([0, 3, 255], np.uint8), (h + more_h, w + more_w))
    small = shrink_ids(ids, (h, w))
    rows = [int((i + 0.5) * h / len(ids)) for i in range(len(ids))]
    columns = [int((j + 0.5) * w / ids.shape[1]) for j in range(ids.shape[1])]
    for y in range(h):
        for x in range(w):
            cell = ids[
                np.ix_(
                    [i for i, row in enumerate(rows) if row == y],
                    [j for j, column in enumerate(columns) if column == x],
                )
            ]
            values, counts = np.unique(cell, return_counts=True)
            assert small[y, x] == values[counts.argmax()]
    assert small.dtype == ids.dtype


def png(path: Path, array: np.ndarray) -> None:  # type: ignore[type-arg]
    Image.fromarray(array).save(path)


LABEL = f"gtFine/train/aachen/{NAME}_gtFine_labelIds.png"
IMAGE = f"leftImg8bit/train/aachen/{NAME}_leftImg8bit.png"
BAD = {
    "no label": (lambda folder: (folder / LABEL).unlink(), "no label for it"),
    "unknown id": (lambda folder: png(folder / LABEL, np.full((16, 32), 77, np.uint8)), "holds the id 77"),
    "instance ids": (
        lambda folder: png(folder / LABEL, np.full((16, 32), 26001, np.uint16)),
        "holds the id 26001",
    ),
    "colors": (
        lambda folder: png(folder / LABEL, np.full((16, 32, 3), (128, 64, 128), np.uint8)),
        "a colored (RGB) label",
    ),
    "other size": (
        lambda folder: png(folder / LABEL, np.full((8, 16), 7, np.uint8)),
        "use the originals of both",
    ),
    "broken image": (
        lambda folder: (folder / IMAGE).write_bytes((folder / IMAGE).read_bytes()[:60]),
        "damaged",
    ),
    "no image": (lambda folder: (folder / IMAGE).write_bytes(b"a text"), "not a readable"),
    "other city": (
        lambda folder: (folder / IMAGE).rename(folder / IMAGE.replace("/aachen/", "/bochum/")),
        "move it back",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_originals_are_refused(tmp_path: Path, kind: str) -> None:
    spoil, words = BAD[kind]
    spoil(cityscapes(tmp_path))
    with pytest.raises(InputError) as caught:
        list(prepare_cityscapes(tmp_path, size=(4, 8)))
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_folders_and_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no leftImg8bit/train"):
        prepare_cityscapes(tmp_path)
    with pytest.raises(InputError, match="less than the 128x256"):
        list(prepare_cityscapes(cityscapes(tmp_path)))
    with pytest.raises(InputError, match="cannot be shrunk"):
        shrink_ids(np.zeros((4, 4), np.uint8), (5, 4))
