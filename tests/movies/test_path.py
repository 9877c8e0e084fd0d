"""An object that moves in a layout: its way, its size, what it leaves behind, and what can't move."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from labelmint.errors import InputError
from labelmint.movies.path import Path, moved, walked
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, DataSet, Layout

SKY, ROAD, CAR, BACKGROUND = 0, 1, 2, 3


def street(*, instances: bool = False, background: bool = False) -> DataSet:
    """Sky above a road, and on the road a car of 8 x 12 pixels beside one of 2 x 2."""
    label_map = np.full((40, 60), ROAD, np.uint8)
    label_map[:20] = BACKGROUND if background else SKY
    label_map[22:30, 20:32] = CAR
    label_map[22:24, 40:42] = CAR
    label_map[21, 21] = 255
    numbered = None
    if instances:
        numbered = np.zeros((40, 60), np.uint8)
        numbered[22:30, 20:32], numbered[22:24, 40:42], numbered[22:30, 32] = 5, 6, 7
    classes = [ClassInfo(id=i, name=name) for i, name in enumerate(("sky", "road", "car"))]
    classes += [ClassInfo(id=BACKGROUND, name="background")] if background else []
    layout = Layout(label_map=label_map, instances=numbered)
    pair = AnnotatedImage(name="street", image=np.zeros((40, 60, 3), np.uint8), layout=layout)
    return DataSet(
        source="streets",
        format="memory",
        classes=ClassSet(tuple(classes)),
        names=("street",),
        load=lambda name: pair,
    )


def maps(data: DataSet, by: tuple[float, float], zoom: float, frames: int = 5) -> list[Array]:
    found = moved(data, "street", "car", Path(by, zoom), frames)
    return [found.layout(name).label_map for name in found.names]


def test_the_way_goes_there_and_back_at_one_speed() -> None:
    assert [walked(frame, 5) for frame in range(5)] == [0, 0.5, 1, 0.5, 0]
    assert [walked(frame, 6) for frame in range(6)] == [0, 0.5, 1, 1, 0.5, 0]
    assert [walked(frame, 3) for frame in range(3)] == [0, 1, 0]


def test_a_car_drives_away_and_comes_back() -> None:
    data = street()
    there = maps(data, (16, -12), 0.5)
    assert np.array_equal(there[0], data.layout("street").label_map)
    assert np.array_equal(there[0], there[4])
    assert np.array_equal(there[1], there[3])
    far = there[2] == CAR
    rows, columns = np.nonzero(far & ~(data.layout("street").label_map == CAR))
    assert (rows.min(), rows.max() + 1) == (12, 16)  # around a center 12 above that of 22 ... 30
    assert (columns.min(), columns.max() + 1) == (39, 45)
    assert (there[2][22:30, 20:32] == ROAD).all()  # what it left
    assert (there[2][22:24, 40:42] == CAR).all()  # the other stands
    assert [int((one == 255).sum()) for one in there] == [1] * 5  # nothing ignored spreads


def test_what_leaves_the_picture_is_gone_and_what_grows_covers_it() -> None:
    gone = maps(street(), (100, 0), 1.0)[2]
    assert (gone == CAR).sum() == 4
    assert (maps(street(), (0, 0), 20.0)[2] == CAR).all()


def test_an_instance_moves_whole_and_leaves_the_ground_behind() -> None:
    data = street(instances=True)
    found = moved(data, "street", "car", Path((0, 5), 1.0), 3)
    far = found.layout(found.names[1])
    assert far.instances is not None
    assert (far.instances[27:35, 20:32] == 5).all()
    assert (far.instances[22:27, 20:32] == 0).all()  # not 7, which touches it
    assert (far.instances == 7).sum() == 8
    with_background = maps(street(background=True), (0, -15), 1.0)[2]
    assert (with_background[22:30, 20:32] == ROAD).all()  # the nearest, not the background


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bus", "there is no such class in streets; there are sky, road, car, background"),
        ("background", "is what objects stand on"),
        (
            "train",
            "the layout 'street' of streets shows none; it shows road, car, background, ignore; choose",
        ),
    ],
)
def test_what_can_t_move_is_refused(name: str, said: str) -> None:
    data = street(background=True)
    if name == "train":
        classes = ClassSet((*data.classes.classes, ClassInfo(id=9, name="train")))
        data = dataclasses.replace(data, classes=classes)
    with pytest.raises(InputError, match=said):
        moved(data, "street", name, Path((1, 1), 1.0), 3)
