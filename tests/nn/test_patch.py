"""The patch discriminator: of images alone it is what it was, and given layouts it heeds them."""

import hashlib

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.initial import begin_normal
from labelmint.nn.patch import MultiScaleDiscriminator, OneForEach, PatchDiscriminator
from labelmint.types import LayoutBatch


def verdicts_of(discriminator: nn.Module, image: Tensor, layouts: LayoutBatch | None = None) -> Tensor:
    """Those of a discriminator of one size."""
    ((*_, verdicts),) = discriminator(image, layouts)
    assert isinstance(verdicts, Tensor)
    return verdicts


def layouts_of(items: int) -> LayoutBatch:
    return LayoutBatch(torch.randint(5, (items, 32, 32), dtype=torch.uint8))


def test_without_symbols_weights_outputs_and_random_numbers_stay_as_they_were() -> None:
    """Runs store these weights by these names, and draw them from the same numbers."""
    torch.manual_seed(5)
    discriminator = PatchDiscriminator(3, 8, 2)
    image = torch.randn(2, 3, 32, 32)
    verdicts, following = verdicts_of(discriminator, image), torch.rand(1)
    digest = hashlib.sha256(b"".join(w.detach().numpy().tobytes() for w in discriminator.parameters()))
    assert digest.hexdigest() == "bb75ce1dd8951d1b13e98301f81b8195d798b8d2ab7bc3a5aafe251baad1e52f"
    places = [f"{i}.{kind}" for i in (3, 6) for kind in ("weight", "bias")]
    names = ["0.weight", "0.bias", "2.weight", *places[:2], "5.weight", *places[2:], "8.weight", "8.bias"]
    assert list(discriminator.state_dict()) == [f"layers.{name}" for name in names]
    wanted = torch.tensor([-0.1350536346, -0.1151397526, -0.3700663149])
    assert verdicts.detach().flatten()[:3].allclose(wanted, atol=1e-5)
    assert float(following) == pytest.approx(0.3179834485)
    assert verdicts_of(discriminator, image, layouts_of(2)).equal(verdicts)


def test_a_verdict_heeds_image_and_layout_and_every_weight_learns() -> None:
    torch.manual_seed(0)
    discriminator, image, layouts = (
        PatchDiscriminator(1, 8, 2, symbols=5),
        torch.randn(2, 1, 32, 32),
        layouts_of(2),
    )
    verdicts = verdicts_of(discriminator, image, layouts)
    assert verdicts.shape == verdicts_of(PatchDiscriminator(1, 8, 2), image).shape
    other = layouts_of(2)
    other.ids[0] = layouts.ids[0]
    changed = verdicts_of(discriminator, image, other)
    assert changed[0].allclose(verdicts[0], atol=1e-5)
    assert not changed[1].allclose(verdicts[1], atol=1e-3)
    assert not verdicts_of(discriminator, -image, layouts).allclose(verdicts, atol=1e-3)
    verdicts.square().mean().backward()
    for weights in discriminator.parameters():
        assert weights.grad is not None
        assert weights.grad.isfinite().all()
        assert weights.grad.abs().max() > 0
    with pytest.raises(ValueError, match="needs the layouts"):
        discriminator(image)


@pytest.mark.parametrize("symbols", [0, 5])
def test_features_are_the_maps_on_the_way_to_the_verdicts(symbols: int) -> None:
    torch.manual_seed(0)
    discriminator, image, layouts = (
        PatchDiscriminator(1, 8, 2, symbols),
        torch.randn(2, 1, 32, 32),
        layouts_of(2),
    )
    ((*maps, verdicts),) = discriminator(image, layouts)
    assert [tuple(one.shape[1:]) for one in maps] == [(8, 16, 16), (16, 8, 8), (32, 7, 7)]
    assert discriminator.layers[2:](maps[0]).equal(verdicts)


def test_published_weights_begin_small_and_an_embedding_keeps_its_own() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1, 32, 2, symbols=5)
    assert discriminator.embed is not None
    embedded = discriminator.embed.embed.weight.clone()
    assert begin_normal(discriminator) is discriminator
    assert discriminator.embed.embed.weight.equal(embedded)
    for module in discriminator.layers:
        if isinstance(module, nn.Conv2d | nn.GroupNorm):
            mean = 1.0 if isinstance(module, nn.GroupNorm) else 0.0
            assert float(module.weight.detach().mean()) == pytest.approx(mean, abs=0.01)
            assert float(module.weight.detach().std()) == pytest.approx(0.02, rel=0.3)
            assert module.bias is None or not module.bias.any()


def test_coarser_discriminators_see_images_and_layouts_averaged() -> None:
    torch.manual_seed(0)
    discriminator, image, layouts = (
        MultiScaleDiscriminator(1, 8, 2, 2, symbols=5),
        torch.randn(2, 1, 32, 32),
        layouts_of(2),
    )
    assert discriminator.embed is not None
    fine, coarse = discriminator(image, layouts)
    assert [maps[-1].shape[2:] for maps in (fine, coarse)] == [(6, 6), (2, 2)]
    pooled = functional.avg_pool2d(
        torch.cat([image, discriminator.embed(layouts)], dim=1), 3, 2, 1, count_include_pad=False
    )
    discriminator.eval()
    assert discriminator(image, layouts)[1][-1].equal(discriminator.each[1].maps(pooled)[-1])


def test_of_smaller_images_only_the_discriminators_of_their_size_judge() -> None:
    torch.manual_seed(0)
    discriminator = MultiScaleDiscriminator(1, 8, 1, 2, symbols=5, spectral=False, edges=True, height=32)
    small, layouts = torch.randn(2, 1, 16, 16), layouts_of(2)
    layouts.ids = layouts.ids[:, ::2, ::2]
    assert discriminator.embed is not None
    assert len(discriminator(torch.randn(2, 1, 32, 32), layouts_of(2))) == 2
    (found,) = discriminator(small, layouts)
    seen = torch.cat([small, discriminator.embed(layouts)], dim=1)
    assert found[-1].equal(discriminator.each[1].maps(seen)[-1])


def test_each_of_several_images_has_a_discriminator_of_its_own() -> None:
    torch.manual_seed(0)
    each = [MultiScaleDiscriminator(3, 8, 1, 2, symbols=5) for _ in range(2)]
    images, layouts = torch.randn(2, 6, 16, 16), layouts_of(2)
    layouts.ids = layouts.ids[:, :16, :16]
    found = OneForEach(*each).eval()(images, layouts)
    wanted = [maps for k, one in enumerate(each) for maps in one(images[:, 3 * k : 3 * k + 3], layouts)]
    assert [maps[-1].tolist() for maps in found] == [maps[-1].tolist() for maps in wanted]


def test_spectral_norm_bounds_every_layer_between_the_first_and_the_last() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1, 8, 2, spectral=True)
    begin_normal(discriminator, 3.0)
    for _ in range(30):
        discriminator(torch.randn(1, 1, 32, 32))
    norms = [
        float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2))
        for layer in discriminator.layers
        if isinstance(layer, nn.Conv2d)
    ]
    assert norms[1:-1] == pytest.approx([1, 1], rel=0.02)
    assert min(norms[0], norms[-1]) > 5
