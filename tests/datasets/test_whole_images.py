"""What is seen of labels by systems that learn from images alone."""

import dataclasses

import numpy as np
from tests.helpers import digits, of_one_class

from labelmint.datasets.watching import loaded, told, watched
from labelmint.datasets.whole_images import one_class_each, whole_images, without_labels
from labelmint.formats.images_alone import UNLABELLED
from labelmint.types import AnnotatedImage, Finding, Layout


def test_labels_go_and_names_images_and_parts_stay() -> None:
    data = dataclasses.replace(digits(), test=digits().names[:5])
    found = whole_images(data)
    assert "labels are left unused" in found.said
    bare = found.data
    assert (bare.names, bare.test, bare.classes) == (data.names, data.test, UNLABELLED)
    for pair in (bare[3], bare.undecoded(data.names[3])):
        assert np.array_equal(pair.image, data[3].image)
        assert (pair.layout.label_map.any(), pair.layout.objects, pair.layout.instances) == (False, (), None)
    assert bare.layout(data.names[3]).size == data[3].layout.size
    assert whole_images(bare) == (bare, "")


def test_one_class_an_image_is_kept_where_there_are_several_classes() -> None:
    data = of_one_class(digits())
    assert whole_images(data).data is data
    assert not one_class_each(digits())
    alone = data.subset(data.names[::2])  # all of one class
    assert not one_class_each(alone)

    def spoiled(name: str) -> AnnotatedImage:
        pair = data.load(name)
        label_map = pair.layout.label_map.copy()
        label_map[0, 0] = 255
        return pair.with_layout(Layout(label_map=label_map)) if name == data.names[-1] else pair

    assert not one_class_each(dataclasses.replace(data, load=spoiled))


def test_images_are_looked_at_without_their_labels_too() -> None:
    said: list[Finding] = []

    def noted(name: str) -> AnnotatedImage:
        return dataclasses.replace(digits().load(name), notes=("orientation tags",))

    data = without_labels(watched(dataclasses.replace(digits(), load=noted), said.append))
    assert len([*loaded(data, data.names[:3])]) == 3
    told(data)
    assert [finding.kind for finding in said] == ["orientation tags"]
