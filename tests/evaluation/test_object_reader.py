"""The reader of objects: reads real test digits, knows wrong labels, and cuts real and synthetic alike."""

import dataclasses

import numpy as np
import pytest
import torch
from tests.helpers import canvases

from labelmint.datasets.digits import split
from labelmint.errors import InputError
from labelmint.evaluation.object_reader import ObjectReader, cut
from labelmint.types import Layout

N = 600
TRAIN = len(split(N)[0])


@pytest.fixture(scope="module")
def reader() -> ObjectReader:
    return ObjectReader.train(*cut(canvases("pairs", N)[:TRAIN]), steps=50)


def test_real_test_digits_are_read_and_wrong_labels_are_not(reader: ObjectReader) -> None:
    crops, digits = cut(canvases("pairs", N)[TRAIN:])
    assert len(crops) == 2 * (N - TRAIN)
    assert reader.accuracy(crops, digits) >= 0.96
    assert reader.accuracy(crops, digits % 10 + 1) < 0.05
    assert np.isnan(reader.accuracy(crops[:0], digits[:0]))


def test_boxes_that_are_off_by_a_pixel_are_fair(reader: ObjectReader) -> None:
    rng, off = np.random.default_rng(0), []
    for pair in canvases("pairs", N)[TRAIN:]:
        objects = [
            dataclasses.replace(item, box=tuple(np.add(item.box, rng.integers(-1, 2, 4))))
            for item in pair.layout.objects
        ]
        off.append(
            dataclasses.replace(pair, layout=Layout(label_map=pair.layout.label_map, objects=tuple(objects)))
        )
    assert reader.accuracy(*cut(off)) >= 0.9


def test_training_repeats_itself_and_leaves_the_random_state_alone() -> None:
    crops, digits = cut(canvases("pairs", N)[:40])
    state = torch.get_rng_state()
    first, second = (ObjectReader.train(crops, digits, seed=5, steps=3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(first.read(crops), second.read(crops))
    with pytest.raises(InputError, match="none"):
        ObjectReader.train(crops[:0], digits[:0])


def test_cutting_takes_instances_or_objects_alike() -> None:
    objects = [
        dataclasses.replace(pair, layout=dataclasses.replace(pair.layout, instances=None))
        for pair in canvases("pairs", N)[:10]
    ]
    from_instances, from_objects = cut(canvases("pairs", N)[:10]), cut(objects)
    assert np.array_equal(from_instances[0], from_objects[0])
    assert np.array_equal(from_instances[1], from_objects[1])
    assert cut(canvases("pairs", N)[:10], size=20)[0].shape == (20, 20, 20, 1)
    assert cut([])[0].shape == (0, 12, 12, 1)
    assert len(cut(canvases("pairs", N)[:1], smallest=13)[0]) == 0
