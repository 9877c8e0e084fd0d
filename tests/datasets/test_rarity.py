"""How rare a look is, and how often rebalanced batches show it."""

import numpy as np
import pytest

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.rare_images import rarest
from labelmint.datasets.rarity import density, rarity_of
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, DataSet, Layout

SIZES = [(8, 8), (12, 9), (20, 8)]


def street(n: int = 100, channels: int = 3) -> tuple[list[Array], list[Array]]:
    """Ground (0) that is grey and sky (1) that is blue, but in two images in a hundred, red; of several sizes."""
    rng, images, ids = np.random.default_rng(0), [], []
    for k in range(n):
        height, width = SIZES[k % len(SIZES)]
        image = rng.normal(100, 5, (height, width, channels))
        image[: height // 2] += [[[0, 0, 60][:channels]]] if k % 50 else [[[90, -60, -60][:channels]]]
        image += rng.normal(0, 5, channels)
        one = np.zeros((height, width), np.uint8)
        one[: height // 2] = 1
        images.append(image.clip(0, 255).astype(np.uint8))
        ids.append(one)
    return images, ids


def pairs(rebalance: str, class_of: dict[int, int] | None = None) -> Pairs:
    images, ids = street()
    geometry = Geometry(size=(8, 8), crop=True)
    return Pairs(images, ids, geometry, 0, {0: 0, 1: 1} if class_of is None else class_of).rebalanced(
        rebalance
    )


def share_of_red(some: Pairs, turns: slice = slice(None)) -> float:
    items = np.concatenate([some.batch(step, 20).items[turns].numpy() for step in range(25)])  # type: ignore[index]
    return float((items % 50 == 0).mean())


def test_a_color_in_two_images_of_a_hundred_has_the_share_that_its_rarity_gives() -> None:
    images, ids = street()
    scores = rarity_of(images, ids, {0: 0, 1: 1}).scores
    expected = scores[::50].sum(axis=0) / scores.sum(axis=0)
    assert expected[1] > 0.08 and expected[0] < 0.05  # the sky alone is red
    assert share_of_red(pairs("none")) == 0.02
    found = pairs("appearance")
    for turn in (0, 1):  # of ground and of sky, in turns: ground is larger or equal
        assert share_of_red(found, slice(turn, None, 2)) == pytest.approx(
            expected[found._rare.places[turn]],
            abs=0.06,  # type: ignore[union-attr]
        )
    assert all((view == k).any() for k in (0, 1) for view in found.batch(0, 20).layouts.ids[k::2])


def test_with_many_images_it_is_the_plain_kernel_density() -> None:
    colors = np.random.default_rng(0).normal(100, [20, 5, 9], (500, 3))
    found = density(colors, np.cov(colors.T))
    spread = np.cov(colors.T) * 500 ** (-2 / 7)
    apart = colors[:5, None] - colors[None]
    kernels = np.exp(-np.einsum("nmi,ij,nmj->nm", apart, np.linalg.inv(spread), apart) / 2)
    plain = kernels.mean(axis=1) / np.sqrt((2 * np.pi) ** 3 * np.linalg.det(spread))
    np.testing.assert_allclose(found[:5], plain, rtol=0.2)  # a level more of deviation


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_few_images_one_color_and_any_channels_have_finite_scores(channels: int) -> None:
    images, ids = street(6, channels)
    ids[3] = ids[3].copy()
    ids[3][-1, -1] = 7  # a class of one image
    ids[4] = np.full_like(ids[4], 9)  # an id that is ignored
    images[5] = np.zeros_like(images[5])
    found = rarity_of(images, ids, {0: 0, 1: 1, 7: 70})
    assert found.classes == (-10, -7, -6, -5, -4, -3, 0, 1, 70) or set(found.classes) >= {-10, 0, 1, 70}
    assert np.isfinite(found.scores).all() and (found.scores >= 0).all()
    weights = found.of_ids
    assert weights.shape == (6, 10)
    assert (weights[3, [0, 1, 7]] > 0).all() and weights.max() == 1.0
    assert weights[0, 7] == 0.0


def test_each_class_is_shown_as_often_as_the_others_whatever_share_a_stage_asks_for() -> None:
    some = pairs("classes").showing(0.0)
    shown = np.concatenate([some.batch(step, 20).layouts.ids.numpy() for step in range(5)])
    assert (shown == 0).any(axis=(1, 2)).mean() > 0.5 < (shown == 1).any(axis=(1, 2)).mean()
    assert not some.still


def test_the_rarest_images_of_each_class_are_named_largest_class_first() -> None:
    images, ids = street(60)
    made = {
        f"{k:02d}": AnnotatedImage(name=f"{k:02d}", image=image, layout=Layout(label_map=one))
        for k, (image, one) in enumerate(zip(images, ids, strict=True))
    }
    classes = ClassSet(
        (ClassInfo(id=0, name="ground"), ClassInfo(id=1, name="sky"), ClassInfo(id=9, name="none"))
    )
    data = DataSet(
        source="street", format="memory", classes=classes, names=tuple(made), load=made.__getitem__
    )
    found = rarest(data, 2)
    assert list(found) == [0, 1]
    assert {"00", "50"} == set(found[1]) != set(found[0])


def test_where_no_pair_can_be_read_the_first_reason_is_told() -> None:
    def load(name: str) -> AnnotatedImage:
        raise InputError(f"{name}.tif: holds 32 bits a channel")

    classes = ClassSet((ClassInfo(id=0, name="ground"),))
    data = DataSet(source="deep", format="memory", classes=classes, names=("a", "b"), load=load)
    with pytest.raises(InputError, match=r"for 2 pairs can't be read, first a\.tif: holds 32 bits"):
        rarest(data, 2)


def test_what_can_not_be_rebalanced_is_refused() -> None:
    with pytest.raises(InputError, match="--rebalance rare: expected one of none, classes, appearance"):
        pairs("rare")
    with pytest.raises(InputError, match="shows no class"):
        pairs("appearance", {5: 5})
