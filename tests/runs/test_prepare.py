"""From a data set to pairs in memory: objects and instances arrive, digests stay, layouts need no images."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.symbols import SymbolTable
from labelmint.errors import InputError
from labelmint.formats import read, write
from labelmint.layouts.boxes import BoxSettings
from labelmint.runs.prepare import AsTrained, Prepared, prepare
from labelmint.runs.trained import TrainedSystem
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

CLASSES = ClassSet(
    tuple(ClassInfo(id=i, name=name) for i, name in ((0, "background"), (5, "cell"), (9, "dust")))
)


def scene(k: int) -> AnnotatedImage:
    """Two touching cells, a crowd of dust, and in every other pair a speck of dust."""
    ids, instances = np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint16)
    ids[2:8, 2:14] = 5
    instances[2:8, 2:8], instances[2:8, 8:14] = 300, 7
    objects = [
        LayoutObject(class_id=5, box=(2, 2, 8, 8)),
        LayoutObject(class_id=5, box=(8, 2, 14, 8)),
        LayoutObject(class_id=9, box=(0, 0, 16, 16), crowd=True),
    ]
    if k % 2:
        ids[12, 3] = 9
        objects.append(LayoutObject(class_id=9, box=(3, 12, 4, 13)))
    layout = Layout(label_map=ids, instances=instances, objects=tuple(objects))
    return AnnotatedImage(name=f"{k:02d}", image=(ids * 20 + k)[..., None], layout=layout)


def scenes(count: int = 20) -> DataSet:
    pairs = {f"{k:02d}": scene(k) for k in range(count)}
    return DataSet(
        source="scenes", format="memory", classes=CLASSES, names=tuple(pairs), load=pairs.__getitem__
    )


def prepared(data: DataSet, size: tuple[int, int] = (16, 16)) -> Prepared:
    return prepare(data, Geometry(size=size), cell=4, group_by=None, seed=0, force=False)


def test_objects_and_instances_arrive_under_their_symbols_and_numbers() -> None:
    made = prepared(scenes())
    assert made.symbols.symbols == ((0, 0), (5, 1), (5, 2), (9, 0))
    batch = made.training.fixed(0, len(made.training))
    assert batch.layouts.boxes is not None
    assert batch.layouts.instances is not None
    assert batch.layouts.instances.unique().tolist() == [0, 7, 300]
    for name, boxes in zip(made.training.names, batch.layouts.boxes.tolist(), strict=True):
        speck = [3.0, 3, 12, 4, 13] if int(name) % 2 else [-1.0] * 5
        assert boxes == [[1, 2, 2, 8, 8], [1, 8, 2, 14, 8], speck]


def test_boxes_shrink_with_their_images() -> None:
    boxes = prepared(scenes(), (8, 8)).training.fixed(0, 1).layouts.boxes
    assert boxes is not None
    assert boxes[0].tolist() == [[1, 1, 1, 4, 4], [1, 4, 1, 7, 4]]  # none around a speck of half a pixel


def test_the_digest_of_label_maps_alone_is_that_of_their_pixels_and_symbols() -> None:
    data = scenes()
    bare = replace(
        data,
        load=lambda name: replace(
            scene(int(name)), layout=Layout(label_map=scene(int(name)).layout.label_map)
        ),
    )
    made = prepared(bare)
    digest = hashlib.sha256(repr((made.split, made.symbols, CLASSES)).encode())
    for name in (*made.split.training, *made.split.validation):
        pair = bare.load(name)
        digest.update(pair.image.tobytes())
        digest.update(made.symbols.index(pair.layout.label_map, None).tobytes())
    assert made.digest == digest.hexdigest() != prepared(data).digest
    assert made.training.fixed(0, 1).layouts.boxes is None


def test_instances_of_the_same_maps_are_told_apart_by_their_boxes(trained: TrainedSystem) -> None:
    def made(numbers: tuple[int, int]) -> Prepared:
        ids, instances = np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint16)
        for number, at in zip(numbers, (slice(1, 5), slice(9, 15)), strict=True):
            ids[at, at], instances[at, at] = 5, number
        pair = AnnotatedImage(
            name="", image=ids[..., None], layout=Layout(label_map=ids, instances=instances)
        )
        data = replace(scenes(), load=lambda name: replace(pair, name=name))
        settings = BoxSettings(salient="cell")
        return prepare(
            data, Geometry(size=(16, 16)), cell=4, group_by=None, seed=0, force=False, boxes=settings
        )

    apart, one = made((1, 2)), made((1, 1))
    assert apart.digest == one.digest, "colors keep apart only what touches"
    assert apart.boxes_digest == made((3, 7)).boxes_digest != one.boxes_digest
    before, now = (
        trained.config.model_copy(update={"boxes_digest": each.boxes_digest}) for each in (apart, one)
    )
    assert before.difference(now) == "the objects of the data differ"
    assert trained.config.difference(now) is None, "older runs say nothing of boxes"


def test_data_whose_objects_are_all_too_small_for_a_box_are_refused() -> None:
    bare = Layout(label_map=scene(0).layout.label_map, instances=scene(0).layout.instances)
    data = replace(scenes(), load=lambda name: replace(scene(int(name)), layout=bare))

    def made(least: float) -> Prepared:
        settings = BoxSettings(salient="cell", least_box=least)
        return prepare(
            data, Geometry(size=(16, 16)), cell=4, group_by=None, seed=0, force=False, boxes=settings
        )

    assert made(36).boxes is not None
    with pytest.raises(
        InputError, match=r"no object of cell has a box at 16x16 .*: 36 are smaller than least_box=37"
    ):
        made(37)


def test_what_another_data_set_ignores_by_another_id_is_what_the_run_ignores() -> None:
    def ignoring(one: int) -> DataSet:
        ids = np.array([[5, one], [0, 9]], np.uint8)
        pair = AnnotatedImage(name="a", image=ids[..., None], layout=Layout(label_map=ids))
        classes = replace(CLASSES, ignore=(one,))
        return replace(scenes(), classes=classes, names=("a",), load=lambda name: pair)

    def seen(symbols: tuple[tuple[int, int], ...]) -> AsTrained:
        classes, geometry = replace(CLASSES, ignore=(11,)), Geometry(size=(2, 2))
        return AsTrained(
            geometry=geometry, symbols=SymbolTable(symbols), classes=classes, cell=4, channels=1, seed=0
        )

    run = seen(((0, 0), (5, 0), (9, 0), (11, 0)))
    for data in (ignoring(11), ignoring(255)):
        assert run.layouts(data).ids.tolist() == [[[1, 3], [0, 2]]]
        assert run.pairs(data).ids[0].tolist() == [[1, 3], [0, 2]]
    with pytest.raises(InputError, match=r"not trained on: \[255"):
        seen(((0, 0), (5, 0), (9, 0))).layouts(ignoring(255))  # it saw nothing ignored


def test_layouts_are_taken_without_their_images(tmp_path: Path) -> None:
    folder = write([scene(k) for k in range(3)], tmp_path / "set", format="folder", classes=CLASSES)
    seen = AsTrained(
        geometry=Geometry(size=(8, 8)),
        symbols=prepared(scenes()).symbols,
        classes=CLASSES,
        cell=4,
        channels=1,
        seed=0,
    )
    whole, pairs = seen.layouts(read(folder)).ids, seen.pairs(read(folder))
    np.testing.assert_array_equal(whole, np.stack(list(pairs.ids)))
    data = read(folder)
    for file in (folder / "images").iterdir():
        file.write_bytes(b"no image")
    np.testing.assert_array_equal(seen.layouts(data).ids, whole)
    with pytest.raises(InputError):
        seen.pairs(data)
