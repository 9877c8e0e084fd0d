"""Arms: each trains on what it says, learns what its pairs teach, and is scored on the real test part."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.metrics.meandice import compute_dice

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.evaluation.views import Views
from labelmint.segmenters.plateau import ArmConfig
from labelmint.types import Array
from labelmint.usefulness.arms import ArmResult, Ground, arm_named, batches, network, scores, train_arm

SIDE = 16
CONFIG = ArmConfig(
    channels=(8, 16),
    residual_units=0,
    batch_size=8,
    evaluate_every=10,
    patience=2,
    most_steps=80,
    learning_rate=1e-2,
)
BRIEF = CONFIG.model_copy(update={"most_steps": 30})


def pairs(count: int, seed: int) -> tuple[Array, Array]:
    """Grey images with a bright square (class 1) and a dark one (class 2) on noise."""
    rng = np.random.default_rng(seed)
    images, labels = rng.normal(120, 12, (count, SIDE, SIDE, 1)), np.zeros((count, SIDE, SIDE), np.int16)
    for k in range(count):
        for class_index, level in ((1, 220.0), (2, 20.0)):
            top, left = rng.integers(0, SIDE - 6, 2)
            images[k, top : top + 6, left : left + 6, 0] += level - 120
            labels[k, top : top + 6, left : left + 6] = class_index
    return images.clip(0, 255).astype(np.uint8), labels


def views(count: int, seed: int) -> Views:
    images, labels = pairs(count, seed)
    names = tuple(f"{seed}-{k}" for k in range(count))
    return Views(names=names, groups=names, images=images, labels=labels, instances=None)


def ground() -> Ground:
    images, labels = pairs(12, 0)
    training = [
        Pair(name=str(k), group=str(k), image=image, ids=one)
        for k, (image, one) in enumerate(zip(images, labels, strict=True))
    ]
    return Ground(
        training=training,
        validation=views(8, 1),
        test=views(16, 2),
        classes=3,
        foreground=(1, 2),
        backgrounds=frozenset({0}),
        geometry=Geometry(size=(SIDE, SIDE), augment=frozenset({"flips"})),
    )


def result(
    name: str,
    synthetic: Views | None = None,
    ratio: float | None = None,
    config: ArmConfig = CONFIG,
    **more: object,
) -> ArmResult:
    return train_arm(
        arm_named(name, ratio),
        ground(),
        synthetic,
        config=config,
        device=torch.device("cpu"),
        precision="32",
        report=lambda event: None,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", ["R", "A", "C", "S", "Y", "accuracy", "diversity"])
def test_every_arm_learns_from_true_pairs(name: str, tmp_path: Path) -> None:
    arm = arm_named(name, 1.0)
    found = result(name, views(12, 3) if arm.ratio else None, 1.0, predictions=tmp_path / "read.npz")
    assert found.test.dice > 0.75
    assert found.arm == name
    with np.load(tmp_path / "read.npz") as stored:
        assert scores(ground().test.labels, stored["read"], 3, (1, 2)) == found.test
    assert ArmResult.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(("depth", "layers"), [("121", 121), ("161", 161)])
def test_the_dense_network_is_built_as_deep_as_asked(depth: str, layers: int) -> None:
    config = ArmConfig.model_validate({"network": "dense", "depth": depth})
    convolutions = [
        name
        for name, module in network(ground(), config, 0).encoder.named_modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    assert len(convolutions) == layers - 1  # the last of the published layers is the classifier


def test_synthetic_pairs_decide_what_synthetic_arms_learn() -> None:
    """With the two classes exchanged in the synthetic labels, arms that see them alone read them exchanged."""
    made = views(12, 3)
    wrong = replace(made, labels=np.array([0, 2, 1], np.int16)[made.labels])
    found = result("Y", wrong)
    assert found.test.dice < 0.2
    confusion = np.array(found.test.confusion)
    assert confusion[1, 2] > confusion[1, 1]


def test_the_same_arm_again_is_the_same_and_another_seed_is_not() -> None:
    first, again, other = (result("A", config=BRIEF, seed=seed).test.confusion for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_no_arm_gets_fewer_steps_than_asked() -> None:
    assert result("R", config=BRIEF, least_steps=50).steps >= 50


def test_arms_without_augmentation_see_pairs_as_they_are() -> None:
    images = {one.image.tobytes() for one in ground().training}
    for name, as_they_are in (("R", True), ("A", False)):
        batch = batches(arm_named(name), ground(), None, 0).batch(0, 16).image
        seen = ((batch.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
        assert all(one.tobytes() in images for one in seen) == as_they_are


def test_arms_have_keys_of_their_own() -> None:
    keys = [arm_named(name).key for name in ("R", "A", "C")] + [
        arm_named("S", ratio).key for ratio in (0.5, 1.0)
    ]
    keys += [arm_named("accuracy", 1.0).key, arm_named("diversity").key, arm_named("Y").key]
    assert len(set(keys)) == 8
    assert math.isinf(arm_named("Y").ratio or 0)
    with pytest.raises(ValueError, match="no arm"):
        arm_named("X")


def test_scores_are_monais_and_leave_ignored_pixels_out() -> None:
    rng = np.random.default_rng(0)
    labels, read = (
        rng.integers(0, 3, (4, 12, 12)).astype(np.int16),
        rng.integers(0, 3, (4, 12, 12)).astype(np.int16),
    )
    found = scores(labels, read, 3, (1, 2))
    # Set-level Dice is MONAI's of all pixels as one image.
    one_hot = [
        torch.nn.functional.one_hot(torch.from_numpy(x.astype(np.int64)).reshape(1, 1, -1), 3).movedim(-1, 1)
        for x in (read, labels)
    ]
    expected = compute_dice(one_hot[0], one_hot[1])[0]
    assert [round(value or 0, 6) for value in found.dice_by_class] == [
        round(float(value), 6) for value in expected
    ]
    assert found.dice == pytest.approx(float(expected[1:].mean()), abs=1e-6)
    ignored = labels.copy()
    ignored[:, :6] = -1
    assert int(np.array(scores(ignored, read, 3, (1, 2)).confusion).sum()) == 4 * 6 * 12


def test_a_perfect_reading_scores_one() -> None:
    labels = views(4, 5).labels
    found = scores(labels, labels.copy(), 3, (1, 2))
    assert (found.dice, found.miou, found.boundary) == (1.0, 1.0, 1.0)
