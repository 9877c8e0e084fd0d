"""The parts of `explain`: paths alone, attention maps and chosen pixels, twins of equal size."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.explanation.attention_maps import (
    LastAttention,
    Pixel,
    attended,
    choose_pixels,
    last_attention,
    maps_of,
    regions,
)
from labelmint.explanation.contestants import Contestant, Difference, difference, unlike
from labelmint.explanation.held_out import Mean, mean_of, tokens_of
from labelmint.explanation.paths_alone import Contributions, contributions, mean_vectors, pictures_alone
from labelmint.explanation.pictures import AttendedImage, draw_attention
from labelmint.explanation.twins import _pairs_of
from labelmint.tokenizers.dual_path import DualPathConfig, DualPathVQVAE
from labelmint.tokenizers.vqvae import VQVAE
from labelmint.types import ClassInfo, ClassSet, Layout

CPU = torch.device("cpu")
CLASSES = ClassSet(
    (ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell"), ClassInfo(id=2, name="other"))
)
SIZES = DualPathConfig(channels=16, residual_channels=8, codebook_size=16, code_dim=8)


def views(count: int = 6, size: tuple[int, int] = (16, 24)) -> Pairs:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 1), dtype=np.uint8) for _ in range(count)]
    ids = [
        np.repeat(np.arange(2, dtype=np.uint8), size[1] // 2)[None].repeat(size[0], axis=0)
        for _ in range(count)
    ]
    names = tuple(f"image_{i}" for i in range(count))
    return Pairs(images, ids, Geometry(size=size), 0, names=names)


def errors_of(tokenizer: DualPathVQVAE, made: Pairs, reference: Pairs) -> Contributions:
    means = mean_vectors(tokenizer, reference, CPU)
    return contributions(tokenizer, made, tokens_of(tokenizer, made, CPU), means, len(reference), CPU, seed=0)


def made_tokenizer(**sizes: Any) -> DualPathVQVAE:
    torch.manual_seed(0)
    made = DualPathVQVAE(SIZES.model_copy(update=sizes), 1, (16, 24))
    made(torch.rand(4, 1, 16, 24) * 2 - 1)  # the first batch lends the codebooks their entries
    with torch.no_grad():
        for module in made.modules():
            if hasattr(module, "gamma"):
                module.gamma.fill_(0.5)
    return made.eval()


@pytest.fixture
def tokenizer() -> DualPathVQVAE:
    return made_tokenizer()


@pytest.mark.parametrize("name", ["$x_{$", r"\alpha^2", "a$b$c"])
def test_names_of_classes_are_drawn_as_they_are(tmp_path: Path, name: str) -> None:
    what = Pixel(1, 1, f"{name}, the largest object")
    image = AttendedImage(image=np.zeros((8, 8, 3), np.uint8), pixels=[what], maps=[np.full((2, 2), 0.25)])
    draw_attention([image], tmp_path / "attention.png")
    assert (tmp_path / "attention.png").is_file()


def test_a_twin_views_pairs_as_often_as_its_run() -> None:
    images = [np.full((8, 8, 1), k, np.uint8) for k in range(20)]
    ids = [np.zeros((8, 8), np.uint8) for _ in range(20)]
    ids[3][2, 2] = 1  # a rare class
    pairs = Pairs(images, ids, Geometry(size=(8, 8)), 5, {0: 0, 1: 1})
    prepared: Any = SimpleNamespace(training=pairs, validation=pairs)
    for how in ("none", "classes"):
        config: Any = SimpleNamespace(request=SimpleNamespace(seed=5, rebalance=how))
        training, validation = _pairs_of(config, prepared)
        wanted = pairs.rebalanced(how).batch(0, 16)
        assert torch.equal(training.batch(0, 16).image, wanted.image)
        assert torch.equal(validation.batch(0, 16).image, pairs.batch(0, 16).image)


# Paths alone ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["tanh", "linear"])
def test_both_paths_together_are_the_tokenizer_itself_beyond_the_image_s_bounds_too(output: str) -> None:
    tokenizer, made = made_tokenizer(output=output), views()
    with torch.no_grad():
        tokenizer.decoder.last_layer.mul_(50)
        batch = made.fixed(0, len(made))
        image = tokenizer.decode(tokenizer.encode(batch))
    assert float((image.abs() > 0.99).float().mean()) > 0.1
    found = errors_of(tokenizer, made, made).both.value
    assert found == pytest.approx(float((image - batch.image).square().mean()), rel=1e-4)


def test_where_all_views_are_one_the_mean_takes_nothing_away(tokenizer: DualPathVQVAE) -> None:
    """Then each path's mean vectors are its vectors, and every reconstruction but that with zeros is the full
    one.
    """
    made = views(1)
    found = errors_of(tokenizer, made, made)
    assert found.neither.value == pytest.approx(found.both.value, rel=1e-4)
    assert all(one.mean.value == pytest.approx(found.both.value, rel=1e-4) for one in found.alone)
    assert all(one.zeros.value != pytest.approx(found.both.value, rel=1e-4) for one in found.alone)


def test_a_path_alone_depends_on_its_own_vectors_only(tokenizer: DualPathVQVAE) -> None:
    batch = views().fixed(0, 2)
    before = pictures_alone(tokenizer, batch, mean_vectors(tokenizer, views(), CPU))
    with torch.no_grad():
        tokenizer.quantizers[1].codebook.copy_(torch.randn_like(tokenizer.quantizers[1].codebook))  # type: ignore[union-attr,operator,arg-type]
    after = pictures_alone(tokenizer, batch, mean_vectors(tokenizer, views(), CPU))
    assert np.array_equal(before["attention, zeros"], after["attention, zeros"])
    assert not np.array_equal(before["convolution, zeros"], after["convolution, zeros"])
    assert np.array_equal(
        before["image"], batch.image.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    )


def test_it_does_not_matter_how_views_are_batched(
    tokenizer: DualPathVQVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labelmint.explanation import held_out

    whole = errors_of(tokenizer, views(), views(4))
    monkeypatch.setattr(held_out, "AT_ONCE", 2)
    assert errors_of(tokenizer, views(), views(4)).alone[0].mean.value == pytest.approx(
        whole.alone[0].mean.value, rel=1e-5
    )


def test_what_is_measured_is_the_error_of_what_is_drawn(tokenizer: DualPathVQVAE) -> None:
    made, reference = views(), views(4)
    found = errors_of(tokenizer, made, reference)
    drawn = pictures_alone(tokenizer, made.fixed(0, len(made)), mean_vectors(tokenizer, reference, CPU))

    def error(title: str) -> float:
        return float(np.mean((drawn[title].astype(float) - drawn["image"]) ** 2)) / 127.5**2

    assert error("both paths") == pytest.approx(found.both.value, rel=0.01)
    assert error("neither") == pytest.approx(found.neither.value, rel=0.01)
    assert error("attention path") == pytest.approx(found.alone[0].mean.value, rel=0.01)
    assert error("convolution, zeros") == pytest.approx(found.alone[1].zeros.value, rel=0.01)


# Attention --------------------------------------------------------------------------------------------------


def last_of(tokenizer: Any, made: Pairs, count: int) -> LastAttention | None:
    batch = made.fixed(0, count)
    return last_attention(tokenizer, tokenizer.encode(batch)["image"], batch.layouts)


def test_the_last_module_is_the_one_that_runs_last_in_the_decoder(tokenizer: DualPathVQVAE) -> None:
    last = last_of(tokenizer, views(), 2)
    assert last is not None
    assert last.name == "decoder.attend_second"  # maps of 16 x 24 / 2 are still narrower than 17
    assert last.inputs.shape[-2:] == (8, 12)
    blind = VQVAE(SIZES, 1, (16, 24), attention=False).eval()
    assert last_of(blind, views(), 1) is None


def test_the_map_of_a_pixel_is_the_row_of_its_cell(tokenizer: DualPathVQVAE) -> None:
    last = last_of(tokenizer, views(), 3)
    assert last is not None
    layout = Layout(label_map=views().ids[1])
    pixels = choose_pixels(layout, frozenset({0}), CLASSES)
    weights = last.module.weights(last.inputs)[1]
    for pixel, found in zip(pixels, maps_of(last, 1, pixels, (16, 24)), strict=True):
        assert found.sum() == pytest.approx(1, abs=1e-4)
        cell = pixel.row // 2 * 12 + pixel.column // 2
        assert np.allclose(found.ravel(), weights[cell].detach(), atol=1e-6)


def test_pixels_lie_in_what_they_are_said_to_lie_in() -> None:
    label_map, instances = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint16)
    for number, (rows, columns, class_id) in enumerate(
        ((slice(1, 9), slice(1, 9), 1), (slice(3, 18), slice(9, 22), 1), (slice(12, 16), slice(24, 28), 2)),
        start=1,
    ):
        label_map[rows, columns], instances[rows, columns] = class_id, number
    largest, background, second = choose_pixels(
        Layout(label_map=label_map, instances=instances), frozenset({0, 255}), CLASSES
    )
    assert (instances[largest[:2]], largest.what) == (2, "cell, the largest object")
    assert (label_map[background[:2]], background.what) == (0, "background")
    assert (instances[second[:2]], second.what) == (1, "cell, the second object")
    # without instances the touching cells are one
    pieces = regions(Layout(label_map=label_map), frozenset({0, 255}), CLASSES)
    assert [int(region.mask.sum()) for region in pieces if region.what != "background"] == [
        8 * 8 + 15 * 13,
        16,
    ]


def test_ignored_pixels_are_neither_object_nor_background() -> None:
    label_map = np.full((6, 6), 255, np.uint8)
    assert regions(Layout(label_map=label_map), frozenset({0, 255}), CLASSES) == []
    label_map[2:4] = 1
    assert [region.what for region in regions(Layout(label_map=label_map), frozenset({0, 255}), CLASSES)] == [
        "cell, the largest object"
    ]


def test_blind_attention_finds_the_own_class_by_chance(tokenizer: DualPathVQVAE) -> None:
    """With keys of zero every cell gets the same weight: the figures must say so."""
    last = last_of(tokenizer, views(), 1)
    assert last is not None
    with torch.no_grad():
        last.module.project.weight.zero_()
        last.module.project.bias.zero_()  # type: ignore[union-attr]
    found = attended(tokenizer, views(), tokens_of(tokenizer, views(), CPU), np.array([0, 1]), CLASSES, CPU)
    assert found is not None
    assert found.effective_cells == pytest.approx(8 * 12, rel=1e-4)
    assert [one.name for one in found.classes] == ["background", "cell"]
    assert all(one.own == pytest.approx(one.by_chance) == pytest.approx(0.5) for one in found.classes)


def test_what_attention_adds_does_not_depend_on_how_views_are_batched(
    tokenizer: DualPathVQVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, adds = views(), []
    made.images[5][:] = 255  # the last view is unlike the others
    tokens = tokens_of(tokenizer, made, CPU)
    for at_once in (6, 5):
        monkeypatch.setattr("labelmint.explanation.held_out.AT_ONCE", at_once)
        found = attended(tokenizer, made, tokens, np.array([0, 1]), CLASSES, CPU)
        assert found is not None
        adds.append(found.adds)
    assert adds[1] == pytest.approx(adds[0], rel=1e-5)


def test_a_cell_is_of_the_class_that_covers_most_of_it_in_whatever_colors(tokenizer: DualPathVQVAE) -> None:
    """Cells of four pixels: two of background, in the left half two of one color of the other class, else one
    each of three.
    """
    made, of_classes = views(1), {}
    for name, symbols in (("colors", [0, 1, 2, 3]), ("classes", [0, 1, 1, 1])):
        ids = np.zeros((16, 24), np.uint8)
        ids[::2, ::2], ids[1::2, ::2], ids[1::2, 1::2] = symbols[1], symbols[2], symbols[3]
        ids[:, :8] = 0
        pairs = Pairs(list(made.images), [ids], Geometry(size=(16, 24)), 0)
        seen = pairs
        found = attended(
            tokenizer, seen, tokens_of(tokenizer, seen, CPU), np.array([0, 1, 1, 1]), CLASSES, CPU
        )
        assert found is not None
        of_classes[name] = {one.name: (one.own, one.by_chance) for one in found.classes}
    assert of_classes["colors"] == of_classes["classes"]
    assert of_classes["colors"]["cell"][1] == pytest.approx(2 / 3)


# Comparing --------------------------------------------------------------------------------------------------


def contestant(name: str, errors: Any, **more: Any) -> Contestant:
    facts: dict[str, Any] = {
        "paths": 2,
        "seed": 0,
        "steps": 10,
        "batch_size": 8,
        "parameters": 1000,
        "channels": 16,
        "residual_channels": 8,
        "codebook_size": 16,
        "tokens": 8,
        "bits": 32.0,
        "psnr": 1.0,
        "settings": {"learning_rate": 1e-3, "augment": []},
    }
    values = np.asarray(errors, float)
    return Contestant(
        name=name, errors=values, mse=Mean(value=float(values.mean()), low=0, high=1), **(facts | more)
    )


def test_the_ratio_of_errors_is_known_and_its_interval_holds_it() -> None:
    noise = np.random.default_rng(0).random(6) + 0.5
    found = difference([contestant("a", noise * 0.5)], [contestant("b", noise)], views(), 0)
    assert (found.ratio, found.low, found.high) == (pytest.approx(0.5),) * 3  # each image says the same
    assert found.verdict.startswith("lower error with a than with b")
    other = difference([contestant("b", noise)], [contestant("a", noise * 0.5)], views(), 0)
    assert other.ratio == pytest.approx(2)
    assert other.verdict.startswith("higher error with b than with a")


def test_where_images_disagree_no_difference_is_claimed() -> None:
    found = difference(
        [contestant("a", [1, 2, 3, 3, 2, 1])], [contestant("b", [3, 2, 1, 1, 2, 3])], views(), 0
    )
    assert found.low < 1 < found.high
    assert found.verdict.startswith("no difference")


def test_seeds_are_averaged_and_their_spread_is_told() -> None:
    two = [contestant("a", [1.0] * 6), contestant("a", [3.0] * 6)]
    found = difference(two, [contestant("b", [2.0] * 6)] * 2, views(), 0)
    assert (found.ratio, found.seeds, found.spread) == (pytest.approx(1), 2, pytest.approx(3))


def test_with_several_seeds_a_difference_must_be_larger_than_that_between_seeds() -> None:
    """Every image says that a is better, and so does the mean over seeds; but seeds differ by more than the
    two kinds do.
    """
    noise = np.random.default_rng(0).random(6) + 0.5

    def found(spread: float, seeds: int) -> Difference:
        factors = np.linspace(1 - spread, 1 + spread, seeds) if seeds > 1 else [1.0]
        a, b = (
            [contestant(name, noise * size * factor) for factor in factors]
            for name, size in (("a", 0.8), ("b", 1.0))
        )
        return difference(a, b, views(), 0)

    assert found(0, 1).high < 1
    assert found(0, 1).verdict.startswith("lower error with a than with b; another seed may say otherwise")
    wide, narrow = found(0.5, 3), found(0.01, 3)
    assert wide.low < wide.ratio < 1 < wide.high
    assert wide.verdict.startswith("no difference between a and b can be told on these images with 3 seeds")
    assert narrow.high < 1
    assert narrow.verdict.startswith("lower error with a than with b; bits")
    # by hand: t at 4 degrees of freedom, a pooled deviation, three seeds each
    logs = np.log([0.99, 1.0, 1.01])
    half = 2.776445 * logs.std(ddof=1) * np.sqrt(2 / 3)
    assert np.log(narrow.high / narrow.ratio) == pytest.approx(half, rel=1e-5)  # images all agree here
    assert np.log(narrow.ratio / narrow.low) == pytest.approx(half, rel=1e-5)


def test_one_image_tells_no_difference_and_has_no_interval() -> None:
    """Its tiles all agree: an interval over images would have no width, and make any difference a sure one."""
    tiles = views()
    tiles.groups = ("image_0",) * len(tiles)
    for seeds in (1, 2):
        a, b = ([contestant(name, [size] * 6)] * seeds for name, size in (("a", 0.5), ("b", 1.0)))
        found = difference(a, b, tiles, 0)
        assert (found.ratio, found.low, found.high) == (pytest.approx(0.5), None, None)
        assert found.verdict.startswith("no difference between a and b can be told on views of one image")
    assert mean_of(np.arange(6.0), tiles, 0) == Mean(value=2.5, low=None, high=None)


def test_what_is_not_alike_is_said() -> None:
    a = contestant("a", [1] * 6)
    assert unlike(a, contestant("b", [1] * 6, parameters=1020)) == {}
    assert unlike(a, contestant("b", [1] * 6, parameters=1100, steps=20)) == {
        "steps": [10, 20],
        "parameters": [1000, 1100],
    }
    other = contestant("b", [1] * 6, settings={"learning_rate": 2e-3, "augment": ["flip"]})
    assert unlike(a, other) == {"learning_rate": [1e-3, 2e-3], "augment": [[], ["flip"]]}
