"""Canvases of digits: real digits, exact labels, the compositions of the paper, disjoint training and test."""

from itertools import combinations

import numpy as np
import pytest

from labelmint.datasets.canvas import COMPOSITIONS, DIGIT_CLASSES, PAIRS, enlarge
from labelmint.datasets.digits import digit_source, make_digits, original_digits, split
from labelmint.errors import InputError


def test_shipped_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    images, labels = original_digits()
    assert np.array_equal(images, load_digits().images)
    assert np.array_equal(labels, load_digits().target)


def test_training_and_test_digits_are_disjoint_and_hold_every_class() -> None:
    source = digit_source()
    assert len(source.train_images) + len(source.test_images) == 1797
    train, test = (
        {image.tobytes() for image in images} for images in (source.train_images, source.test_images)
    )
    assert not train & test
    assert set(source.train_labels) == set(source.test_labels) == set(range(10))


@pytest.mark.parametrize("composition", COMPOSITIONS)
@pytest.mark.parametrize(("canvas", "digit_size"), [((32, 32), None), ((48, 80), None), ((32, 32), 8)])
def test_every_canvas_is_composed_as_the_paper_says(
    composition: str, canvas: tuple[int, int], digit_size: int | None
) -> None:
    grid = _grid_of(canvas) if composition == "pairs" else np.zeros(canvas, np.uint8)
    for pair in make_digits(composition, 40, canvas=canvas, digit_size=digit_size, seed=3):
        layout = pair.layout
        assert pair.image.shape == (*canvas, 1)
        assert DIGIT_CLASSES.unknown(layout.label_map) == {}
        assert len(layout.objects) == (2 if composition == "pairs" else 3)
        assert layout.instances is not None
        painted = np.zeros(canvas, np.uint8)
        for k, item in enumerate(layout.objects):
            x0, y0, x1, y1 = (int(value) for value in item.box)
            assert x1 - x0 == y1 - y0
            cell = (slice(y0, y1), slice(x0, x1))
            assert painted[cell].sum() == 0, "digits overlap"
            painted[cell] = item.class_id
            assert (layout.instances[cell] == k + 1).all()
            assert pair.image[cell].max() > 150
        assert np.array_equal(painted, layout.label_map), "the label is the filled cell"
        assert np.array_equal(pair.image[..., 0][painted == 0], grid[painted == 0]), "outside is background"
        if composition == "pairs":
            assert {item.class_id - 1 for item in layout.objects} in [set(p) for p in PAIRS]
        if composition == "upper":
            assert layout.label_map[canvas[0] // 2 :].sum() == 0


@pytest.mark.parametrize("n", [2, 3, 4, 5, 12, 40])
def test_of_two_or_more_canvases_some_train_and_some_test(n: int) -> None:
    train, test = split(n)
    assert train
    assert test
    assert len(train) + len(test) == n


def _grid_of(canvas: tuple[int, int]) -> np.ndarray:
    period, pixels = min(canvas) // 4, np.zeros(canvas, np.uint8)
    pixels[period // 2 :: period] = pixels[:, period // 2 :: period] = 40
    return pixels


def test_canvases_depend_on_seed_composition_and_index_alone() -> None:
    few, many = list(make_digits("three", 10, seed=1))[:8], list(make_digits("three", 30, seed=1))[:8]
    for a, b in zip(few, many, strict=True):
        assert a.name == b.name
        assert np.array_equal(a.image, b.image)
    other = next(make_digits("three", 10, seed=2))
    assert not np.array_equal(few[0].image, other.image)


def test_tight_canvases_are_not_all_one_pattern() -> None:
    corners = [tuple(item.box[:2] for item in pair.layout.objects) for pair in make_digits("upper", 60)]
    assert len(set(corners)) > 50
    full = next(make_digits("three", 1, canvas=(8, 24), digit_size=8))
    assert (full.layout.label_map > 0).all()


def test_test_canvases_show_test_digits_only() -> None:
    source, n = digit_source(), 20
    train, test = split(n)
    assert len(train) == 16
    halves = {False: source.train_images, True: source.test_images}
    known = {side: {enlarge(image, 12).tobytes() for image in images} for side, images in halves.items()}
    for pair in make_digits("three", n):
        for item in pair.layout.objects:
            x0, y0, x1, y1 = (int(value) for value in item.box)
            assert pair.image[y0:y1, x0:x1, 0].tobytes() in known[pair.name in test]


@pytest.mark.parametrize(
    ("composition", "n", "canvas", "digit_size", "seed", "words"),
    [
        ("four", 1, (32, 32), None, 0, "three, pairs, upper"),
        ("three", 0, (32, 32), None, 0, "at least 1"),
        ("three", 1, (8, 8), 8, 0, "larger canvas"),
        ("upper", 1, (32, 32), 12, 0, "do not fit on 16x32"),
        ("pairs", 1, (4, 4), None, 0, "do not fit"),
        ("pairs", 1, (32, 32), None, -1, "--seed -1"),
    ],
)
def test_what_can_not_be_made_is_refused(
    composition: str, n: int, canvas: tuple[int, int], digit_size: int | None, seed: int, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        list(make_digits(composition, n, canvas=canvas, digit_size=digit_size, seed=seed))


def test_names_of_pairs_cover_all_digits() -> None:
    assert sorted(value for pair in PAIRS for value in pair) == list(range(10))
    assert all(not set(a) & set(b) for a, b in combinations(PAIRS, 2))
