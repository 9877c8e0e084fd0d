"""Pictures: what is drawn lies where it should, files appear whole, and any input can be drawn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint import pictures
from labelmint.datasets.digits import DIGIT_CLASSES
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, Layout
from tests.helpers import canvases

PAIRS = list(canvases("three", 6))


def test_an_overlay_tints_classes_and_leaves_the_background_alone() -> None:
    pair = PAIRS[0]
    picture = pictures.overlay(pair.image, pair.layout, DIGIT_CLASSES)
    background = pair.layout.label_map == 0
    assert np.array_equal(picture[background], np.repeat(pair.image[background], 3, axis=1))
    for item in pair.layout.objects:
        x0, y0, x1, y1 = (int(value) for value in item.box)
        assert tuple(picture[y0, x0 + 1 if x0 == 0 else x0]) != (0, 0, 0)
        assert (picture[y0:y1, x0:x1].astype(int).sum(axis=2) > 0).all()


def test_touching_instances_are_told_apart() -> None:
    label_map, instances = np.ones((8, 8), np.uint8), np.ones((8, 8), np.uint8)
    instances[:, 4:] = 2
    image = np.zeros((8, 8, 1), np.uint8)
    apart, together = (
        pictures.overlay(image, Layout(label_map=label_map, instances=one), DIGIT_CLASSES)
        for one in (instances, instances * 0 + 1)
    )
    assert (apart[:, 3:5] != together[:, 3:5]).any(axis=2).all()
    assert np.array_equal(apart[:, :3], together[:, :3])


def test_colors_differ_and_a_class_keeps_its_own() -> None:
    many = ClassSet(
        tuple(ClassInfo(id=i, name=f"c{i}", color=(1, 2, 3) if i == 7 else None) for i in range(200))
    )
    colors = pictures.palette(many)
    assert colors[7] == (1, 2, 3)
    assert len(set(colors.values())) > 150
    assert 0 not in pictures.palette(DIGIT_CLASSES)


def test_sheets_are_written_whole_and_equal_what_is_answered(tmp_path: Path) -> None:
    for draw in (
        lambda path: pictures.contact_sheet(iter(PAIRS), DIGIT_CLASSES, path, columns=2, limit=3),
        lambda path: pictures.side_by_side(PAIRS, PAIRS[:1], DIGIT_CLASSES, path),
        lambda path: pictures.image_grid([pair.image for pair in PAIRS], path, columns=4),
    ):
        answered = draw(tmp_path / "sheet.png")
        with Image.open(tmp_path / "sheet.png") as written:
            assert np.array_equal(np.asarray(written), answered)
        assert [file.name for file in tmp_path.iterdir()] == ["sheet.png"]
        first = (tmp_path / "sheet.png").read_bytes()
        draw(tmp_path / "sheet.png")
        assert (tmp_path / "sheet.png").read_bytes() == first


def test_every_pixel_of_a_small_image_is_shown() -> None:
    grid = pictures.image_grid(np.stack([pair.image for pair in PAIRS]), columns=3)
    cell = grid[6 : 6 + 128, 6 : 6 + 128]
    assert np.array_equal(cell[::4, ::4], np.repeat(PAIRS[0].image, 3, axis=2))


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (500, 90), (700, 1100)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_any_id_can_be_drawn(size: tuple[int, int], channels: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size, channels)).astype(np.uint8)
    label_map = rng.choice(np.array([0, 1, 255, 40000], np.uint16), size)
    pair = AnnotatedImage(name="a", image=image, layout=Layout(label_map=label_map))
    names = ClassSet((ClassInfo(id=0, name="Hintergründe"), ClassInfo(id=1, name="x" * 200)))
    assert pictures.contact_sheet([pair, PAIRS[0]], names).ndim == 3
    assert pictures.contact_sheet([], names).ndim == 3


def test_curves_of_any_log_are_drawn(tmp_path: Path) -> None:
    rows = [
        {"stage": "prior", "step": k, "seconds": 0.1, "nats": 1 / k, "held_out_nats": 2.0, "note": "x"}
        for k in range(1, 9)
    ]
    rows += [
        {"stage": "tokenizer", "step": 1, "mse": float("nan")},
        {"stage": "tokenizer", "step": 2, "mse": 0.0},
    ]
    for part in (rows, rows[:1], []):
        pictures.curves(part, tmp_path / "curves.png")
        with Image.open(tmp_path / "curves.png") as written:
            assert min(written.size) > 100
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]


def test_a_layout_alone_shows_its_colors_and_lines_between_instances() -> None:
    label_map, instances = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    label_map[:4], instances[:4, :4], instances[:4, 4:] = 1, 1, 2
    plain = pictures.painted(Layout(label_map=label_map), DIGIT_CLASSES)
    color = pictures.palette(DIGIT_CLASSES)[1]
    assert (plain[:4] == color).all() and len(np.unique(plain[4:])) == 1
    lined = pictures.painted(Layout(label_map=label_map, instances=instances), DIGIT_CLASSES)
    assert (lined[:4, 3:5] != color).any(axis=2).all()
    assert np.array_equal(lined[:2, :3], plain[:2, :3]) and np.array_equal(lined[4:], plain[4:])


def test_columns_stand_under_their_heads(tmp_path: Path) -> None:
    colors = [[(200, 40 * row, 40 * column) for column in range(3)] for row in range(2)]
    images = [[np.full((64, 64, 3), color, np.uint8) for color in row] for row in colors]
    sheet = pictures.under_heads(images, ("a", "b", "a long name of a system"), tmp_path / "sheet.png")
    places = [np.argwhere((sheet == color).all(axis=2)) for row in colors for color in row]
    assert all(len(place) == 128 * 128 for place in places)  # twice as large
    tops, lefts = zip(*(place.min(axis=0).tolist() for place in places), strict=True)
    assert tops == (tops[0],) * 3 + (tops[3],) * 3 and tops[0] < tops[3]
    assert lefts[:3] == lefts[3:] and list(lefts[:3]) == sorted(lefts[:3])
    with Image.open(tmp_path / "sheet.png") as written:
        assert np.array_equal(np.asarray(written), sheet)


def test_white_and_black_classes_are_seen_on_an_image_that_shows_nothing() -> None:
    colors = ((255, 255, 255), (0, 0, 0))
    classes = ClassSet(
        (
            ClassInfo(id=0, name="background"),
            *(ClassInfo(id=k, name=f"c{k}", color=color) for k, color in enumerate(colors, 1)),
        )
    )
    blank, label_map = np.full((12, 24, 1), pictures.BLANK, np.uint8), np.zeros((12, 24), np.uint8)
    label_map[3:9, 3:9], label_map[3:9, 15:21] = 1, 2
    picture = pictures.overlay(blank, Layout(label_map=label_map), classes).astype(int)
    for column in (5, 17):  # the box, and its outline
        assert abs(picture[5, column] - picture[0, 0]).min() > 30
        assert abs(picture[3, column] - picture[0, 0]).min() > 90
