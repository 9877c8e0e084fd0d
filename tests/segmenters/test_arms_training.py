"""What an arm's segmenter is trained on, and until when: augmentation, copy-paste, the mixture, the plateau."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.measure import label
from torch import Tensor, nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.progress import Event
from labelmint.segmenters.augmentation import augment
from labelmint.segmenters.copy_paste import CopyPaste
from labelmint.segmenters.mixture import Mixture
from labelmint.segmenters.plateau import ArmConfig, Plateau, train_to_plateau, validation_loss
from labelmint.segmenters.stepping import training_step
from labelmint.segmenters.training import segmentation_loss
from labelmint.types import Batch, LayoutBatch

SIZE = (24, 32)


def painted(ids: Tensor) -> Tensor:
    """Images whose red says which class a pixel has, whatever its brightness: (B, 3, H, W)."""
    image = torch.full((len(ids), 3, *ids.shape[1:]), -0.6)
    image[:, 0] = torch.where(ids > 0, 0.8, -0.6)
    return image


def blobs(count: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    ids = np.zeros((count, *SIZE), np.int16)
    for k in range(count):
        top, left = rng.integers(3, 11, 2)
        ids[k, top : top + 9, left : left + 12] = 1
    return torch.from_numpy(ids)


def test_image_and_label_move_alike() -> None:
    ids = blobs(16)
    image, moved = augment(painted(ids), ids, torch.Generator().manual_seed(3), turn=45.0)
    assert image.shape == (16, 3, *SIZE)
    assert moved.dtype == ids.dtype
    assert float((moved != ids).float().mean(dim=(1, 2)).gt(0.01).float().mean()) > 0.3  # most were moved
    red = image[:, 0] - image[:, 1]  # brightness and contrast change both channels alike
    apart = [float(red[k][moved[k] == 1].median() - red[k][moved[k] == 0].median()) for k in range(16)]
    assert min(apart) > 0.2
    agree = ((red > 0.3) == (moved == 1)).float().mean()
    assert agree > 0.93


def test_augmentation_keeps_ignored_pixels_and_range() -> None:
    ids = blobs(8)
    ids[:, :4] = -1
    image, moved = augment(painted(ids), ids, torch.Generator().manual_seed(0), turn=15.0)
    assert set(moved.unique().tolist()) == {-1, 0, 1}
    assert float(image.abs().max()) <= 1.0


def test_augmentation_is_a_function_of_its_seed() -> None:
    ids = blobs(4)
    first, second, other = (
        augment(painted(ids), ids, torch.Generator().manual_seed(s), turn=15.0)[0] for s in (1, 1, 2)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_turn_is_rigid_on_views_that_are_not_square() -> None:
    """A disk stays a disk: area and extent along both axes change by the zoom and stretch alone."""
    rows, columns = np.mgrid[:96, :160]
    disk = torch.from_numpy((((rows - 48) ** 2 + (columns - 80) ** 2) < 20**2).astype(np.int16))[None].repeat(
        64, 1, 1
    )
    _, moved = augment(painted(disk), disk, torch.Generator().manual_seed(0), turn=90.0)
    ratios = []
    for one in moved:
        pieces: NDArray[np.int64] = label(one.numpy())  # type: ignore[no-untyped-call]
        middle = torch.from_numpy(pieces == pieces[48, 80])  # not its mirror images beyond the edges
        high, wide = (int(middle.any(dim=axis).sum()) for axis in (1, 0))
        ratios.append(high / wide)
    assert min(ratios) > 0.65
    # exp(2 * 0.15) and the shear; without the aspect's correction it reaches 1.67^2
    assert max(ratios) < 1.55


def donors() -> tuple[list[NDArray[np.uint8]], list[NDArray[np.int16]], list[NDArray[np.int64]]]:
    image, labels, objects = (
        np.full((*SIZE, 3), 200, np.uint8),
        np.zeros(SIZE, np.int16),
        np.zeros(SIZE, np.int64),
    )
    labels[8:14, 10:18], objects[8:14, 10:18] = 2, 1
    return [image], [labels], [objects]


def test_what_is_pasted_brings_its_pixels_and_its_label() -> None:
    paste, image, labels = (
        CopyPaste(*donors(), Geometry(size=SIZE)),
        np.zeros((*SIZE, 3), np.uint8),
        np.zeros(SIZE, np.int16),
    )
    pasted = 0
    for seed in range(40):
        found, ids = paste(np.random.default_rng(seed), image, labels)
        assert ((found[..., 0] == 200) == (ids == 2)).all()
        assert ids.dtype == labels.dtype
        pasted += int((ids == 2).any())
    assert 10 < pasted < 30  # half of the views


def test_background_is_never_pasted() -> None:
    images, labels, objects = donors()
    paste = CopyPaste(images, labels, [np.zeros_like(objects[0])], Geometry(size=SIZE))
    image, ids = np.zeros((*SIZE, 3), np.uint8), np.ones(SIZE, np.int16)
    for seed in range(10):
        found, after = paste(np.random.default_rng(seed), image, ids)
        assert (found == 0).all()
        assert (after == 1).all()


def flat(value: int, count: int = 6) -> Pairs:
    return Pairs(
        [np.full((*SIZE, 3), value, np.uint8)] * count,
        [np.zeros(SIZE, np.int16)] * count,
        Geometry(size=SIZE),
        0,
    )


@pytest.mark.parametrize(("ratio", "share"), [(0.0, 0.0), (0.5, 1 / 3), (1.0, 0.5), (math.inf, 1.0)])
def test_the_mixture_has_the_ratio_asked_for(ratio: float, share: float) -> None:
    mixture = Mixture(flat(0), flat(255), ratio=ratio, turn=None, copy_paste=None, seed=0)
    synthetic = torch.cat([mixture.batch(step, 20).image[:, 0, 0, 0] for step in range(40)]) > 0
    assert float(synthetic.float().mean()) == pytest.approx(share, abs=0.05)


def test_batches_are_functions_of_seed_and_step() -> None:
    def batch(seed: int, step: int) -> Tensor:
        return (
            Mixture(flat(40), flat(255), ratio=1.0, turn=15.0, copy_paste=None, seed=seed)
            .batch(step, 4)
            .image
        )

    assert torch.equal(batch(0, 3), batch(0, 3))
    assert not torch.equal(batch(0, 3), batch(0, 4))
    assert not torch.equal(batch(0, 3), batch(1, 3))


def test_a_third_of_the_views_are_drawn_to_show_each_class_alike() -> None:
    """A class of one pixel in one of twelve large images stands in every sixth view, and the other, in
    another image, too.
    """
    images, ids = (
        [np.zeros((200, 200, 3), np.uint8)] * 12,
        [np.zeros((200, 200), np.int16) for _ in range(12)],
    )
    ids[3][150, 40], ids[8][2, 190] = 1, 2
    pairs = Pairs(images, ids, Geometry(size=SIZE, crop=True, augment=frozenset(("zoom", "flips"))), 0)
    for real, made, ratio in ((pairs, None, 0.0), (None, pairs, math.inf)):
        mixture = Mixture(real, made, ratio=ratio, turn=None, copy_paste=None, seed=0, foreground=(1, 2, 5))
        seen = torch.cat([mixture.batch(step, 20).layouts.ids.flatten(1) for step in range(30)])
        for k in (1, 2):
            assert float((seen == k).any(dim=1).float().mean()) == pytest.approx(1 / 6, abs=0.05)


def test_a_mixture_without_its_pairs_is_refused() -> None:
    for ratio in (1.0, math.inf):
        with pytest.raises(ValueError, match="not there"):
            Mixture(flat(0), None, ratio=ratio, turn=None, copy_paste=None, seed=0)


class _Script:
    """Batches of a task that can be learned in a few steps."""

    def batch(self, step: int, size: int) -> Batch:
        ids = blobs(size, step)
        return Batch(painted(ids), LayoutBatch(ids))


def pixelwise() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))


CONFIG = ArmConfig(batch_size=4, evaluate_every=5, patience=2, learning_rate=2e-2, most_steps=400)


def train(
    network: nn.Module, validation: Batch, config: ArmConfig, least: int = 0, epoch: int = 1
) -> tuple[Plateau, list[Event]]:
    events: list[Event] = []
    done = train_to_plateau(
        network,
        _Script(),
        validation,
        config,
        least_steps=least,
        epoch=epoch,
        bfloat16=False,
        report=events.append,
        stage="a",
    )
    return done, events


def test_training_ends_on_the_plateau_with_the_best_weights() -> None:
    ids = blobs(4, 99)
    network = pixelwise()
    done, events = train(network, Batch(painted(ids), LayoutBatch(ids)), CONFIG)
    assert done.reached
    assert done.steps < 400
    assert done.best_step < done.steps
    with torch.no_grad():
        assert float((network(painted(ids)).argmax(1) == ids).float().mean()) > 0.99
    assert min(event.losses["held_out_loss"] for event in events) == done.validation_loss


def test_labels_that_can_not_be_learned_reach_the_plateau_at_once() -> None:
    ids = blobs(4, 99)
    noise = torch.rand(4, 3, *SIZE) * 2 - 1
    done, _ = train(pixelwise(), Batch(noise, LayoutBatch(ids)), CONFIG)
    learned, _ = train(pixelwise(), Batch(painted(ids), LayoutBatch(ids)), CONFIG)
    assert done.validation_loss > 5 * learned.validation_loss


def test_the_validation_loss_is_that_of_all_pairs_at_once() -> None:
    """A rare class, found without a mistake in the last block: blocks without it do not speak against it."""
    ids = torch.zeros(40, *SIZE, dtype=torch.int16)
    ids[-1, :4] = 1
    network, image = pixelwise().eval(), painted(ids)
    with torch.no_grad():
        wanted = float(segmentation_loss(network(image).double(), ids.long()))
    assert validation_loss(network, Batch(image, LayoutBatch(ids)), torch.device("cpu")) == pytest.approx(
        wanted, abs=1e-5
    )


def test_least_steps_and_most_steps_are_kept() -> None:
    ids = blobs(4, 99)
    validation = Batch(painted(ids), LayoutBatch(ids))
    few = CONFIG.model_copy(update={"most_steps": 12})
    done, _ = train(pixelwise(), validation, few, least=40)  # more than most_steps: no arm gets fewer than A
    assert done.steps == 40
    short, _ = train(pixelwise(), validation, few)
    assert short.steps == 12
    assert not short.reached


def test_a_plateau_lasts_six_epochs() -> None:
    ids = blobs(4, 99)
    noise = Batch(torch.rand(4, 3, *SIZE) * 2 - 1, LayoutBatch(ids))
    short, _ = train(pixelwise(), noise, CONFIG)
    long, _ = train(pixelwise(), noise, CONFIG, epoch=4)
    assert long.steps >= short.steps + 2 * 14  # three plateaus of 24 steps instead of 10


def test_a_step_is_that_of_adamw_with_clipped_gradients() -> None:
    """Fused kernels compute what the formulas of one parameter after the other say."""
    ids = blobs(4, 99)
    batch, plain, ours = Batch(painted(ids), LayoutBatch(ids)), pixelwise(), pixelwise()
    ours.load_state_dict(plain.state_dict())
    simple = torch.optim.AdamW(
        plain.parameters(), lr=CONFIG.learning_rate, weight_decay=CONFIG.weight_decay, foreach=False
    )
    optimizer = CONFIG.optimizer(ours)
    for _ in range(5):
        training_step(ours, optimizer, batch, torch.device("cpu"), False)
        simple.zero_grad()
        segmentation_loss(plain(batch.image), ids.long()).backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0, foreach=False)
        simple.step()
    for mine, wanted in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(mine, wanted, rtol=1e-4, atol=1e-6)
