"""Arms: each trains on what it says, learns what its pairs teach, and is scored on the real test part."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics.meandice import compute_dice

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.datasets.ranges import Range, normalized
from labelmint.evaluation.views import Views
from labelmint.progress import Event
from labelmint.segmenters.plateau import ArmConfig
from labelmint.types import Array
from labelmint.usefulness.arm_training import train_arm
from labelmint.usefulness.arms import ArmResult, arm_named, batches, network
from labelmint.usefulness.ground import Ground
from labelmint.usefulness.readings import reading_of
from labelmint.usefulness.recipe import ALTERNATIVES, STRONG, Recipe
from labelmint.usefulness.scoring import scores
from labelmint.usefulness.settling import HeldOut, Settled, Trial

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
USUAL = Settled(
    recipe=STRONG.model_copy(update={"recolored": False}),
    phases=(80, 20),
    reached=True,
    dice=0.9,
    most_steps=100,
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


def ground(within: bool = True) -> Ground:
    images, labels = pairs(12, 0)
    training = [
        Pair(name=str(k), group=str(k), image=image, ids=one)
        for k, (image, one) in enumerate(zip(images, labels, strict=True))
    ]
    return Ground(
        training=training,
        validation=None if within else views(8, 1),
        folds=((0, 2, 4, 6, 8, 10), (1, 3, 5, 7, 9, 11)) if within else (),
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
    within: bool = True,
    **more: object,
) -> ArmResult:
    arm = arm_named(name, ratio)
    return train_arm(
        arm,
        ground(within),
        synthetic,
        config=config,
        usual=None if arm.settles else USUAL,
        device=torch.device("cpu"),
        precision="32",
        report=lambda event: None,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", ["R", "C", "S", "Y", "accuracy", "diversity", "A0n"])
def test_every_arm_learns_from_true_pairs(name: str, tmp_path: Path) -> None:
    arm = arm_named(name, 1.0)
    found = result(name, views(12, 3) if arm.ratio else None, 1.0, predictions=tmp_path / "read.npz")
    assert found.test.dice > 0.7
    assert found.arm == name
    with np.load(tmp_path / "read.npz") as stored:
        assert scores(ground().test.labels, stored["read"], 3, (1, 2)) == found.test
    assert ArmResult.model_validate_json(found.model_dump_json()) == found


def test_images_are_seen_as_they_are_and_spread_unless_all_are_spread() -> None:
    plain, recipe = ground(), STRONG.model_copy(update={"spread": True})
    whole = plain.to_train(plain.training, recipe)
    assert len(whole) == 2 * len(plain.training)
    for one, other in zip(plain.training, whole[len(plain.training) :], strict=True):
        assert np.array_equal(other.image, normalized(one.image, "image"))
        assert other.ids is one.ids
    assert [one is plain.test for one in plain.to_read(recipe, plain.test)] == [True, False]
    for same in (plain.seen(STRONG.model_copy(update={"normalize": True})), replace(plain, normalized=True)):
        assert same.to_train(same.training, recipe) is same.training
        assert same.to_read(recipe, same.test) == [same.test]
    as_it_is = recipe.model_copy(update={"spread": False})
    assert plain.to_train(plain.training, as_it_is) is plain.training


def test_images_that_are_spread_are_mapped_where_memory_does_not_hold_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images that they are made from are mapped, too."""
    plain, recipe = replace(ground(), folder=tmp_path), STRONG.model_copy(update={"normalize": True})
    held = plain.to_train(plain.training, STRONG), plain.seen(recipe).training
    monkeypatch.setattr("labelmint.datasets.keeping.available_memory", lambda device: 0)
    mapped = plain.to_train(plain.training, STRONG), plain.seen(recipe).training
    assert isinstance(mapped[0][-1].image, np.memmap) and isinstance(mapped[1][-1].image, np.memmap)
    for before, now in zip(held, mapped, strict=True):
        assert [one.name for one in now] == [one.name for one in before]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(before, now, strict=True))
        assert all(np.array_equal(a.ids, b.ids) for a, b in zip(before, now, strict=True))
    assert not list(tmp_path.iterdir())  # the file has no name


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


def test_the_strong_arm_finds_out_that_polarity_tells_the_classes() -> None:
    """Inverted, one class looks as the other does: what was held out says so."""
    assert arm_named("A").alternatives == tuple(ALTERNATIVES)
    config = CONFIG.model_copy(update={"patience": 5, "most_steps": 70})
    plain = STRONG.model_copy(update={"spread": False})  # 70 steps are few for as many looks again
    found = train_arm(
        replace(arm_named("A"), recipe=plain, alternatives=tuple(ALTERNATIVES)[:1]),
        ground(),
        None,
        config=config,
        device=torch.device("cpu"),
        precision="32",
        report=lambda event: None,
    )
    (first,) = found.settled.tried
    assert first.taken
    assert first.error is not None
    assert first.gain > first.error
    assert not found.settled.recipe.recolored
    assert found.test.dice > 0.6
    # of all pairs, each read by the segmenter that had not seen it
    assert found.validation is not None
    assert int(np.array(found.validation.confusion).sum()) == 12 * SIDE * SIDE


def test_images_that_are_spread_already_are_not_spread_to_try_it() -> None:
    def attempt(recipe: Recipe, phases: Sequence[int] | None, says: str) -> Trial:
        asked.append(says)
        seen = views(4, 1)
        held = HeldOut(seen, seen.labels)
        exact = scores(seen.labels, seen.labels, 3, (1, 2))
        return Trial(
            recipe=recipe,
            phases=(1,),
            reached=True,
            best_step=None,
            loss=None,
            held_out=held,
            scores=exact,
            network=None,
        )

    for normalized_already, left in ((False, 3), (True, 2)):
        asked: list[str] = []
        reading = reading_of(
            arm_named("A"),
            replace(ground(), normalized=normalized_already),
            None,
            config=CONFIG,
            seed=0,
            device=torch.device("cpu"),
            precision="32-true",
            report=lambda event: None,
        )
        reading.choose(attempt, same_steps=True)
        assert len(asked) == 1 + left
        assert ("each image spread from its own range" in asked) is not normalized_already


@pytest.mark.parametrize("within", [True, False])
def test_an_arm_that_was_stopped_goes_on_with_the_next_training(tmp_path: Path, within: bool) -> None:
    def trained(stop: str = "", trials: Path | None = tmp_path / "trials") -> tuple[ArmResult, set[str]]:
        stages: set[str] = set()

        def report(event: Event) -> None:
            assert event.at_most == (not within or "usual" in event.stage)  # else the steps are known
            if stop and stop in event.stage:
                raise KeyboardInterrupt
            stages.add(event.stage)

        arm = replace(arm_named("A"), alternatives=("colors and polarity kept", "CutMix"))
        config = BRIEF.model_copy(update={"most_steps": 10})
        about = {"config": config, "device": torch.device("cpu"), "precision": "32", "report": report}
        return train_arm(arm, ground(within), None, trials=trials, **about), stages  # type: ignore[arg-type]

    whole, stages = trained(trials=None)
    with pytest.raises(KeyboardInterrupt):
        trained("CutMix, fold 2" if within else "CutMix")
    again, others = trained()
    assert again.model_copy(update={"seconds": 0}) == whole.model_copy(update={"seconds": 0})
    left = {"arm A, CutMix, fold 2 of 2", "arm A"} if within else {"arm A, CutMix"}
    assert others == left < stages
    # of a higher limit all is trained anew
    other = replace(arm_named("A"), alternatives=())
    more: dict[str, Any] = {"config": BRIEF, "device": torch.device("cpu"), "precision": "32"}
    found = [
        train_arm(other, ground(within), None, trials=trials, report=lambda event: None, **more)
        for trials in (tmp_path / "trials", None)
    ]
    assert found[0].test == found[1].test


def test_cross_fitting_never_holds_a_segmenter_to_a_pair_it_saw() -> None:
    whole = ground()
    for k in (0, 1):
        fold = whole.fold(k)
        assert fold.validation is not None
        seen = {one.name for one in fold.training}
        assert seen | set(fold.validation.names) == {one.name for one in whole.training}
        assert not seen & set(fold.validation.names)


def test_the_same_arm_again_is_the_same_and_another_seed_is_not() -> None:
    first, again, other = (result("A0n", config=BRIEF, seed=seed).test.confusion for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_arms_train_as_long_as_arm_a_says() -> None:
    usual = USUAL.model_copy(update={"phases": (15, 5)})
    assert result("A0", config=BRIEF, within=False).validation is not None
    arm, about = (
        arm_named("R"),
        {"config": BRIEF, "device": torch.device("cpu"), "report": lambda event: None},
    )
    within = train_arm(arm, ground(), None, usual=usual, **about)  # type: ignore[arg-type]
    assert (within.steps, within.validation, within.best_step) == (20, None, None)
    beside = train_arm(arm, ground(False), None, usual=USUAL.model_copy(update={"phases": (50,)}), **about)  # type: ignore[arg-type]
    assert beside.steps >= 50
    assert beside.validation is not None


def test_images_spread_from_their_own_range_are_spread_as_a_whole() -> None:
    plain = ground(within=False)
    ranges = {name: Range(20.0, 220.0) for name in plain.test.names}
    seen = replace(plain, ranges=ranges).seen(STRONG.model_copy(update={"normalize": True}))
    assert (seen.test.images == Range(20.0, 220.0).spread(plain.test.images)).all()
    assert (seen.training[0].image == normalized(plain.training[0].image, "image")).all()
    assert plain.seen(STRONG) is plain


def test_arms_without_augmentation_see_pairs_as_they_are() -> None:
    images = {one.image.tobytes() for one in ground().training}
    for name, as_they_are in (("R", True), ("A", False), ("A0", False)):
        arm = arm_named(name)
        batch = batches(arm, ground(), None, arm.recipe, 0).batch(0, 16).image
        seen = ((batch.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
        assert all(one.tobytes() in images for one in seen) == as_they_are


def test_arms_have_keys_of_their_own() -> None:
    keys = [arm_named(name).key for name in ("R", "A", "C", "A0", "A0n")] + [
        arm_named("S", ratio).key for ratio in (0.5, 1.0)
    ]
    keys += [arm_named("accuracy", 1.0).key, arm_named("diversity").key, arm_named("Y").key]
    assert len(set(keys)) == 10
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
