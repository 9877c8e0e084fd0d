"""Folds hold every pair out once; windows and flips read what the network reads; members are kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.pool.rounds import decisive
from labelmint.progress import Event
from labelmint.segmenters import ensemble
from labelmint.segmenters.dense_unet import DEPTHS, DenseSizes, DenseUNet
from labelmint.segmenters.ensemble import Ensemble, Learning, stored_ensemble, train_ensemble
from labelmint.segmenters.folds import cross_fitted, folds_of
from labelmint.segmenters.plateau import ArmConfig
from labelmint.segmenters.windows import by_windows
from labelmint.types import Array


def pair(k: int, group: str = "", rare: bool = False) -> Pair:
    image = np.random.default_rng(k).integers(0, 255, (16, 16, 1), np.uint8)
    ids = (image[..., 0] > 127).astype(np.int16)
    ids[:2] = 2 if rare else ids[:2]
    return Pair(name=str(k), group=group or str(k), image=image, ids=ids)


def test_every_pair_is_held_out_once_and_groups_stay_together() -> None:
    pairs = [pair(k, group=str(k // 2)) for k in range(10)]
    folds = folds_of(pairs, 3)
    assert sorted(place for fold in folds for place in fold) == list(range(10))
    of_group = [
        {k for k, fold in enumerate(folds) for place in fold if pairs[place].group == str(g)}
        for g in range(5)
    ]
    assert all(len(found) == 1 for found in of_group)
    for fold, lesson in zip(folds, cross_fitted(pairs, folds, 3), strict=True):
        assert [one.name for one in lesson.held_out] == [str(place) for place in fold]
        assert len(lesson.training) + len(lesson.held_out) == 10


def test_a_rare_class_is_in_as_many_folds_as_it_can_be() -> None:
    pairs = [pair(k, rare=k in (2, 5, 7)) for k in range(9)]
    assert all(any(place in (2, 5, 7) for place in fold) for fold in folds_of(pairs, 3))


def test_more_members_than_folds_share_them() -> None:
    pairs = [pair(0), pair(1)]
    folds = folds_of(pairs, 3)
    assert len(folds) == 2
    assert [one.held_out[0].name for one in cross_fitted(pairs, folds, 3)][0::2] == [str(folds[0][0])] * 2


def test_windows_read_what_the_whole_reads() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 5, padding=2), nn.MaxPool2d(2), nn.Upsample(scale_factor=2)
    ).eval()
    image = torch.randn(1, 1, 300, 200)
    with torch.no_grad():
        whole = network(image)
        assert torch.allclose(by_windows(network, image, window=64, margin=64), whole, atol=1e-5)
        assert torch.equal(by_windows(network, image), whole)


class _Constant(nn.Module):
    """A network with equal logits everywhere."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=torch.float32))

    def forward(self, image: Tensor) -> Tensor:
        return self.logits[None, :, None, None].expand(len(image), -1, *image.shape[-2:])


def test_the_ensemble_is_the_mean_and_disagrees_where_members_do() -> None:
    image: Array = np.zeros((4, 4, 1), np.uint8)
    apart = Ensemble([_Constant(9, -9), _Constant(-9, 9)], ())
    assert torch.allclose(apart.probabilities(image), torch.full((2, 4, 4), 0.5), atol=1e-4)
    assert apart.disagreement(image) == pytest.approx(np.log(2), abs=1e-3)
    assert Ensemble([_Constant(0, 0)] * 2, ()).disagreement(image) == pytest.approx(0, abs=1e-6)
    assert apart.only([0]).probabilities(image)[0].min() > 0.99


class _Bright(nn.Module):
    """Class 1 where a pixel lies above the middle of all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.steep = nn.Parameter(torch.tensor(9.0))

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([-self.steep * image[:, :1], self.steep * image[:, :1]], dim=1)


def test_an_image_is_read_as_it_is_and_spread() -> None:
    """All levels of a dark image lie below the middle; spread, its upper ones do not."""
    image = np.repeat(np.arange(0, 32, 4, dtype=np.uint8)[:, None, None], 8, axis=1)
    plain, both = (
        Ensemble([_Bright()], (), spread=spread).probabilities(image)[1] for spread in (False, True)
    )
    assert plain.max() < 0.01
    assert both[0].max() < 0.01
    assert both[-1].min() == pytest.approx(0.5, abs=0.01)


def test_encoders_of_members_begin_with_the_weights_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished member does without the file; two files of the same weights are the same to an ensemble."""
    monkeypatch.setattr("labelmint.segmenters.ensemble._train", lambda *about: {})
    monkeypatch.setitem(DEPTHS, "121", DenseSizes(blocks=(1, 1, 1, 1), growth=4, first=8))
    encoder = DenseUNet(1, 2, depth="121").encoder.state_dict()
    files = [tmp_path / f"weights-{k}.pth" for k in range(3)]
    torch.save(encoder, files[0])
    files[1].write_bytes(files[0].read_bytes())
    torch.save({name: 2 * value for name, value in encoder.items()}, files[2])
    first, same, other = (ArmConfig(network="dense", encoder_weights=file) for file in files)
    assert decisive(first) == decisive(same) != decisive(other)
    learning = Learning(
        geometry=Geometry(size=(16, 16)),
        channels=1,
        classes=2,
        foreground=(1,),
        config=first,
        recolored=True,
        spread=False,
        ratio=1.0,
        seed=0,
        device=torch.device("cpu"),
        precision="32-true",
    )
    pairs = [pair(k) for k in range(4)]
    for _ in range(2):
        made = train_ensemble(
            tmp_path, "key", cross_fitted(pairs, folds_of(pairs, 2), 2), [], learning, lambda event: None
        )
        for member in made.members:
            assert isinstance(member, DenseUNet)
            found = member.encoder.state_dict()
            assert all(torch.equal(found[name], value) for name, value in encoder.items())
        files[0].unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"--encoder-weights .*weights-0.pth: no such file"):
        decisive(first)


def test_the_time_left_is_that_of_all_members_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [0.0], list[Event]()
    monkeypatch.setattr(ensemble.time, "perf_counter", lambda: now[0])
    tell = ensemble._told(told.append, 0, 3, later=3)
    for step in (250, 1000):
        now[0] = step / 10
        tell(Event("segmenter", step, 1000, 1.0, (1000 - step) / 10, at_most=True))
    assert [event.seconds_left for event in told] == [75 + 5 * 100, 5 * 100]


def test_stored_members_are_used_again_and_only_for_the_same(tmp_path: Path) -> None:
    config = ArmConfig(channels=(4, 8), residual_units=1, batch_size=2, most_steps=2, evaluate_every=1)
    geometry = Geometry(size=(8, 8), crop=True, augment=frozenset({"flips"}))
    learning = Learning(
        geometry=geometry,
        channels=1,
        classes=2,
        foreground=(1,),
        config=config,
        recolored=True,
        spread=True,
        ratio=1.0,
        seed=0,
        device=torch.device("cpu"),
        precision="32-true",
    )
    pairs = [pair(k) for k in range(4)]
    lessons = cross_fitted(pairs, folds_of(pairs, 2), 2)
    told = []
    folder = tmp_path / "ensemble"
    made = train_ensemble(folder, "key", lessons, [pair(9)], learning, told.append)
    assert len(told) == 4
    again = train_ensemble(folder, "key", lessons, [], learning, told.append)
    assert len(told) == 4
    opened = stored_ensemble(
        folder,
        2,
        channels=1,
        classes=2,
        config=config,
        geometry=geometry,
        spread=True,
        device=torch.device("cpu"),
    )
    wanted = made.probabilities(pairs[0].image)
    assert all(torch.equal(one.probabilities(pairs[0].image), wanted) for one in (again, opened))
    with pytest.raises(InputError, match="other data or settings"):
        train_ensemble(folder, "another", lessons, [], learning, told.append)
