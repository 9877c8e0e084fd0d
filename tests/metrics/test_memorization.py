"""Copies: training views are caught though disguised, and new or real held-out views are not called copies."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from labelmint.datasets.digits import make_digits
from labelmint.errors import InputError
from labelmint.metrics import memorization as module
from labelmint.metrics.copy_rule import (
    CERTAIN,
    FLAT,
    HIGHEST_THRESHOLD,
    LOWEST_THRESHOLD,
    calibrate,
    deviations,
    grains,
    halves,
    ratios,
    without_grain,
)
from labelmint.metrics.memorization import Memorization, memorization
from labelmint.metrics.nearest_view import nearest_views, turned

Images = list[np.ndarray]
SIZE = 32


@cache
def textures(n: int, seed: int, size: int = 64) -> Images:
    """Bright blobs on a dark ground, with uneven light and a little noise."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        blobs = ndimage.gaussian_filter(rng.normal(size=(size, size, 1)), (4, 4, 0)) * 8 > 0.25
        grain, light = (
            ndimage.gaussian_filter(rng.normal(size=(size, size, 3)), (s, s, 0)) * s for s in (1, 12)
        )
        image = 50 + 90 * ndimage.gaussian_filter(blobs.astype(float), (1, 1, 0)) + 25 * grain + 40 * light
        found.append((image + rng.normal(0, 1, image.shape)).clip(0, 255).astype(np.uint8))
    return found


def views(images: Images, n: int, seed: int, size: int = SIZE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        image = images[k % len(images)]
        top, left = (int(rng.integers(side - size + 1)) for side in image.shape[:2])
        found.append(image[top : top + size, left : left + size])
    return np.stack(found)


TRAINING, HELD_OUT = textures(12, 0), textures(10, 1)
DISGUISES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "as they are": lambda image, rng: image,
    "moved": lambda image, rng: ndimage.shift(image, (*rng.integers(-3, 4, 2), 0), order=0, mode="nearest"),
    "turned": lambda image, rng: turned(image, int(rng.integers(1, 8))),
    "brightened": lambda image, rng: (image * 1.2 + 15).clip(0, 255),
    "noisy": lambda image, rng: (image + rng.normal(0, 3, image.shape)).clip(0, 255).round(),
    "blurred": lambda image, rng: ndimage.gaussian_filter(image.astype(float), (0.7, 0.7, 0)).round(),
}


EACH, NEW, FLAT_ONES = 6, 16, 4
ALL = EACH * len(DISGUISES) + NEW + FLAT_ONES


@cache
def found_in(what: str) -> Memorization:
    """One search for all disguises, then new ones, and flat ones."""
    rng = np.random.default_rng(5)
    copied = [disguise(image, rng) for disguise in DISGUISES.values() for image in views(TRAINING, EACH, 3)]
    flat = np.full((FLAT_ONES, SIZE, SIZE, 3), (20, 0, 30))
    samples = np.concatenate([np.stack(copied), views(textures(10, 2), NEW, 4), flat]).astype(np.uint8)
    groups = [f"patient {k // 2}" for k in range(12)]
    return memorization(samples, TRAINING, HELD_OUT, training_groups=groups, real_views=60)


@pytest.mark.parametrize("name", DISGUISES)
def test_training_views_passed_off_as_samples_are_caught(name: str) -> None:
    first = EACH * list(DISGUISES).index(name)
    assert found_in("all").copies[first : first + EACH].mean() >= (1.0 if name == "as they are" else 0.95)


def test_new_images_of_the_same_process_and_flat_ones_are_no_copies() -> None:
    found = found_in("all")
    assert found.copies[-NEW - FLAT_ONES :].mean() <= 0.05
    assert found.flat.tolist() == [False] * (ALL - FLAT_ONES) + [True] * FLAT_ONES
    assert not found.copies[-FLAT_ONES:].any()


def test_copies_are_counted_and_their_groups_named() -> None:
    found = found_in("all")
    assert found.copies_per_1000 == pytest.approx(1000 * found.copies.sum() / ALL)
    assert found.sources[:EACH] == tuple(f"patient {k % 12 // 2}" for k in range(EACH))
    assert sum(found.groups.values()) == found.copies.sum() == len(found.sources)
    assert list(found.groups.values()) == sorted(found.groups.values(), reverse=True)
    assert found.alarms <= 0.04


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_real_held_out_images_passed_off_as_samples_are_not_called_copies(seed: int) -> None:
    samples, rest = views(HELD_OUT[5:], 20, seed), HELD_OUT[:5]
    assert memorization(samples, TRAINING, rest, real_views=30, seed=seed).copies.mean() <= 0.05


@pytest.mark.slow
def test_digits_on_canvases() -> None:
    canvases = [pair.image for pair in make_digits("pairs", 100)]
    new = [pair.image for pair in make_digits("pairs", 100, seed=7)][80:]
    training, held_out = canvases[:70], canvases[70:]
    samples = np.stack([*training[:8], *(turned(image, 6) for image in training[:8]), *new])
    copies = memorization(samples, training, held_out).copies
    assert copies[:16].all()
    assert copies[16:].mean() <= 0.05


@pytest.mark.parametrize("image", [np.zeros((16, 16, 1), np.uint8), *(textures(3, 9, 16))])
def test_one_image_repeated_is_judged_as_one(image: np.ndarray) -> None:
    training, held_out = (
        [*(part[..., : image.shape[2]] for part in textures(4, seed, 24))] for seed in (0, 1)
    )
    copies = memorization(np.stack([image] * 5), training, held_out, real_views=20).copies
    assert copies.all() or not copies.any()


def test_ratios_and_the_noise_that_keeps_black_images_equal() -> None:
    assert ratios(np.array([0, 3, 0.01]), np.array([0, 1, 0]), noise=1) == pytest.approx([1, 2, 1.01])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5])
def test_the_rule_leaves_the_asked_share_of_real_items_below(share: float) -> None:
    rng = np.random.default_rng(0)
    near, far = rng.uniform(5, 10, 200), rng.uniform(10, 13, 200)
    rule = calibrate(near, far, share=share)
    assert rule.judge(near, far).sum() == round(200 * share)


def test_the_threshold_is_never_above_its_highest() -> None:
    rule = calibrate(np.full(50, 30.0), np.full(50, 10.0))
    assert rule.threshold == HIGHEST_THRESHOLD
    assert rule.judge(np.array([9.0, 6.0]), np.array([10.0, 10.0])).tolist() == [False, True]


def test_doubled_files_in_the_real_data_do_not_switch_the_search_off() -> None:
    near, far = np.full(200, 12.0), np.full(200, 12.0)
    near[:6] = 2.0  # 3 % of the held-out items stand in the training part, too
    rule = calibrate(near, far)
    assert rule.judge(np.array([3.0]), np.array([12.0])).all()
    assert rule.judge(near, far).sum() == 6


def test_what_is_equal_is_a_copy_unless_held_out_images_are_as_near() -> None:
    rule = calibrate(np.array([1.0, 2.0]), np.array([10.0, 20.0]))
    near, far = (
        np.array([CERTAIN / 2, CERTAIN / 2, CERTAIN * 2]),
        np.array([CERTAIN, CERTAIN / 2, CERTAIN * 3]),
    )
    assert rule.judge(near, far).tolist() == [True, False, False]
    assert rule.judge(near, far, np.array([True, False, False])).tolist() == [False, False, False]


def test_flat_items_do_not_set_the_threshold() -> None:
    near, far = np.array([0.0, 10.0, 10.0]), np.array([90.0, 15.0, 15.0])
    flat = np.array([True, False, False])
    assert calibrate(near, far).threshold == LOWEST_THRESHOLD
    assert calibrate(near, far, flat).ratios.tolist() == pytest.approx([11 / 16] * 2)
    with pytest.raises(InputError, match="flat"):
        calibrate(near, far, np.ones(3, bool))


def test_deviations_are_from_the_mean_color() -> None:
    pink = np.full((4, 4, 3), (200, 30, 90), np.uint8)
    striped = pink.copy()
    striped[::2] += 10
    assert deviations([pink, striped]) == pytest.approx([0, 5])
    assert deviations([pink])[0] < FLAT


def test_groups_stay_whole_and_both_halves_have_some() -> None:
    for count in (2, 3, 10, 31):
        groups = [f"slide {k}" for k in range(count) for _ in range(k % 3 + 1)]
        half = halves(groups)
        assert abs(2 * len({g for g, h in zip(groups, half, strict=True) if h}) - count) <= 1
        assert all(
            len({bool(h) for g, h in zip(groups, half, strict=True) if g == name}) == 1 for name in groups
        )
        assert halves(groups[::-1])[::-1].tolist() == half.tolist()


def test_a_real_view_is_never_compared_with_its_own_group(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def spy(queries: np.ndarray, references: Images, **options: object) -> object:
        found = nearest_views(queries, references, **options)  # type: ignore[arg-type]
        if found.distance.min() == 0:
            calls.append(len(references))
        return found

    monkeypatch.setattr(module, "nearest_views", spy)
    twins = [image for image in textures(4, 1, 40) for _ in range(2)]
    memorization(
        views(textures(2, 2), 3, 0),
        TRAINING[:3],
        twins,
        held_out_groups=[str(k // 2) for k in range(8)],
        real_views=16,
    )
    assert calls == []
    memorization(views(textures(2, 2), 3, 0), TRAINING[:3], twins, real_views=16)
    assert calls != []


def test_bad_requests_are_refused() -> None:
    samples, training, held_out = views(TRAINING, 3, 0), TRAINING[:2], HELD_OUT[:3]
    for options, match in (
        ({"held_out_groups": ["a", "a", "a"]}, "at least 2 held-out groups"),
        ({"held_out_groups": ["a", "b"]}, "each held-out image needs a group"),
        ({"training_groups": ["a", "b"], "held_out_groups": ["b", "c", "d"]}, "'b' is both"),
        ({"share": 1.0}, "share"),
    ):
        with pytest.raises(InputError, match=match):
            memorization(samples, training, held_out, **{"real_views": 6, **options})


@pytest.mark.parametrize("noise", [1, 3, 8])
def test_the_grain_is_that_of_smoothed_noise_and_edges_and_slopes_have_none(noise: float) -> None:
    rng = np.random.default_rng(0)
    ground = np.add.outer(np.arange(64.0), np.where(np.arange(64) < 30, 20, 120))[..., None].repeat(3, axis=2)
    assert grains([ground])[0] == pytest.approx(0, abs=1e-4)
    assert grains([ground + rng.normal(0, noise, ground.shape)])[0] == pytest.approx(noise / 3, rel=0.05)


def test_grain_is_taken_from_distances_and_never_more_than_there_is() -> None:
    assert without_grain(np.array([5, 1, 0]), np.array([3, 2, 0])) == pytest.approx([4, 0, 0])
