"""The judge: learns what labels say, repeats itself, keeps to what it was trained on, and is stored and found
again.
"""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers import canvases

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.metrics.overlap import confusion, dice
from labelmint.progress import Event
from labelmint.segmenters.agreement import agreement_scores
from labelmint.segmenters.judge import Judge, load_judge, train_judge
from labelmint.segmenters.standard import RealData, digest_of_images
from labelmint.segmenters.training import IGNORED, LossCounts, loss_counts, segmentation_loss
from labelmint.segmenters.unet import SegmenterConfig, UNet

SMALL = SegmenterConfig(channels=(8, 16, 32), residual_units=1, steps=60, batch_size=16, evaluate_every=20)


def images_of() -> list[np.ndarray]:
    return [pair.image for pair in canvases("pairs", 120)]


@functools.cache
def ink() -> list[np.ndarray]:
    """Digit or not, of every pixel."""
    return [(pair.layout.label_map > 0).astype(np.int16) for pair in canvases("pairs", 120)]


def pairs(labels: list[np.ndarray], part: slice) -> Pairs:
    return Pairs(images_of()[part], labels[part], Geometry(size=(32, 32)), seed=0)


def trained(
    folder: Path,
    labels: list[np.ndarray],
    key: str = "key",
    config: SegmenterConfig = SMALL,
    events: list[Event] | None = None,
    data: RealData | None = None,
) -> Judge:
    return train_judge(
        folder,
        key,
        pairs(labels, slice(90)),
        pairs(labels, slice(90, None)),
        image_channels=1,
        classes=2,
        foreground=(1,),
        config=config,
        device=torch.device("cpu"),
        precision="32",
        data=data,
        report=(events if events is not None else []).append,
    )


def test_it_learns_what_true_labels_say_and_less_of_shuffled_ones(tmp_path: Path) -> None:
    judge = trained(tmp_path / "true", ink())
    images, labels = np.stack(images_of()[90:]), np.stack(ink()[90:])
    assert dice(confusion(labels, judge.predict(images), 2))[1] > 0.7
    assert dice(confusion(np.roll(labels, 1, axis=0), judge.predict(images), 2))[1] < 0.5
    assert float(judge.about["held_out_dice"]) > 0.7


def test_it_is_stored_found_again_and_made_anew_for_other_data_or_settings(tmp_path: Path) -> None:
    events: list[Event] = []
    few = SMALL.model_copy(update={"steps": 4, "evaluate_every": 2})
    first = trained(tmp_path, ink(), config=few, events=events)
    assert [event.step for event in events] == [4]
    assert events[-1].stage == "judge"
    images = np.stack(images_of()[:8])
    again = trained(tmp_path, ink(), config=few, events=(told := []))
    assert not told
    assert np.array_equal(again.predict(images), first.predict(images))
    for change in ({"key": "other"}, {"config": few.model_copy(update={"learning_rate": 1e-3})}):
        trained(tmp_path, ink(), **{"config": few, **change}, events=(told := []))  # type: ignore[arg-type]
        assert told


def test_the_same_seed_makes_the_same_judge_and_leaves_the_random_state_alone(tmp_path: Path) -> None:
    few = SMALL.model_copy(update={"steps": 3})
    state = torch.get_rng_state()
    one, two = (trained(tmp_path / name, ink(), config=few) for name in "ab")
    assert one.about["sha256"] == two.about["sha256"]
    assert torch.equal(torch.get_rng_state(), state)


def test_ignored_pixels_teach_nothing() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, requires_grad=True)
    labels = torch.randint(0, 3, (2, 8, 8))
    labels[:, :4] = IGNORED
    torch.autograd.backward(segmentation_loss(logits, labels))
    assert logits.grad is not None
    assert logits.grad[:, :, :4].abs().max() == 0
    assert logits.grad[:, :, 4:].abs().min() > 0
    assert segmentation_loss(logits, torch.full_like(labels, IGNORED)) == 0


def test_the_loss_is_that_of_monai_and_pytorch() -> None:
    from monai.losses.dice import DiceLoss

    torch.manual_seed(0)
    logits, labels = torch.randn(3, 4, 8, 8), torch.randint(0, 4, (3, 8, 8))
    oracle = torch.nn.functional.cross_entropy(logits, labels)
    oracle = oracle + DiceLoss(batch=True, softmax=True, to_onehot_y=True)(logits, labels[:, None])
    assert torch.allclose(segmentation_loss(logits, labels), oracle, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 5])
def test_counts_and_gradients_are_those_of_the_pixels_that_are_not_ignored(classes: int) -> None:
    """The plain definition takes them out of the batch first."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(3, classes, 8, 8, generator=rng).requires_grad_()
    labels = torch.randint(IGNORED, classes - 1, (3, 8, 8), generator=rng)  # the last class is nowhere
    seen = labels != IGNORED
    kept, values = labels[seen], logits.movedim(1, -1)[seen]
    hot, shares = torch.nn.functional.one_hot(kept, classes), values.softmax(dim=1)
    surprise = torch.nn.functional.cross_entropy(values, kept, reduction="sum")
    wanted = (surprise, seen.sum(), (shares * hot).sum(dim=0), (shares + hot).sum(dim=0))
    for found, plain in zip(loss_counts(logits, labels), wanted, strict=True):
        assert torch.allclose(found.double(), plain.double(), rtol=1e-5)
    assert loss_counts(logits, labels, torch.float64).sizes.dtype == torch.float64
    (gradient,) = torch.autograd.grad(segmentation_loss(logits, labels), logits)
    (plain_gradient,) = torch.autograd.grad(LossCounts(*wanted).loss, logits)
    assert torch.allclose(gradient, plain_gradient, rtol=1e-4, atol=1e-7)


def test_no_foreground_to_validate_on_is_told_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no foreground class"):
        trained(tmp_path / "none", [np.full((32, 32), IGNORED, np.int16) for _ in ink()], events=(told := []))
    assert not told


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (5, 9)])
def test_any_size_goes_through_and_features_are_means_of_the_lowest_map(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = UNet(3, 4, SMALL).eval()
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert network(images).shape == (2, 4, *size)
        features = network.features(images)
        assert features.shape == (2, 32)
        assert torch.allclose(network.features(images[:1])[0], features[0], atol=1e-5)
    assert not torch.allclose(features[0], features[1])


def test_no_images_are_refused(tmp_path: Path) -> None:
    judge = trained(tmp_path, ink(), config=SMALL.model_copy(update={"steps": 1}))
    with pytest.raises(InputError, match="no images"):
        judge.predict(np.zeros((0, 32, 32, 1), np.uint8))


REAL = RealData(
    source="canvases",
    format="folder",
    training=("a",),
    validation=("b",),
    class_ids=(0, 1),
    image_channels=1,
    digest=digest_of_images([], []),
)


def test_the_standard_is_what_real_validation_pairs_reach_and_is_added_to_a_stored_judge(
    tmp_path: Path,
) -> None:
    few = SMALL.model_copy(update={"steps": 20})
    first = trained(tmp_path, ink(), config=few)
    assert first.standard is None
    with pytest.raises(InputError, match=r"older version.*labelmint evaluate"):
        load_judge(tmp_path, torch.device("cpu"))
    again = trained(tmp_path, ink(), config=few, events=(told := []), data=REAL)
    assert not told
    assert again.standard is not None
    scores = agreement_scores(again, np.stack(images_of()[90:]), np.stack(ink()[90:]))
    assert again.standard.scores == pytest.approx(sorted(scores), abs=1e-5)
    below = [np.mean(scores < again.standard.threshold(0.1) + side) for side in (-1e-5, 1e-5)]
    assert below[0] <= 0.1 <= below[1] + 1e-9
    opened = load_judge(tmp_path, torch.device("cpu"))
    assert opened.standard == again.standard
    assert np.array_equal(opened.predict(np.stack(images_of()[:9])), again.predict(np.stack(images_of()[:9])))
    moved = REAL.model_copy(update={"source": "elsewhere"})
    assert trained(tmp_path, ink(), config=few, data=moved).standard == again.standard.model_copy(
        update={"data": moved}
    )


def test_judges_that_can_not_be_opened_are_refused_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no judge.*labelmint evaluate"):
        load_judge(tmp_path, torch.device("cpu"))
    trained(tmp_path, ink(), config=SMALL.model_copy(update={"steps": 1}), data=REAL)
    file = tmp_path / "judge" / "part.json"
    about = json.loads(file.read_text())
    for damage in (
        {"config": {"layers": 3}},
        {"standard": {**about["standard"], "scores": "many"}},
        {"sha256": "0"},
    ):
        file.write_text(json.dumps({**about, **damage}))
        with pytest.raises(InputError, match=r"damaged.*labelmint evaluate"):
            load_judge(tmp_path, torch.device("cpu"))


def test_probabilities_are_those_of_the_prediction(tmp_path: Path) -> None:
    judge, images = (
        trained(tmp_path, ink(), config=SMALL.model_copy(update={"steps": 5})),
        np.stack(images_of()[:70]),
    )
    blocks = list(judge.probabilities(images))
    whole = torch.cat([shares for _, shares in blocks])
    assert [where.start for where, _ in blocks] == [0, 64]
    assert torch.allclose(whole.sum(dim=1), torch.ones(70, 32, 32), atol=1e-5)
    assert np.mean(whole.argmax(dim=1).numpy() == judge.predict(images)) > 0.999
