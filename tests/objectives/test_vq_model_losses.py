"""The losses of a VQ-model: each equals its formula, and does what it is for."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.errors import InputError
from labelmint.objectives.adversarial import adaptive_weight, discriminator_loss, generator_loss
from labelmint.objectives.codebook import codebook_loss
from labelmint.objectives.perceptual import VGGDistance, _places
from labelmint.objectives.semantic import semantic_loss
from labelmint.objectives.structure import structure_distance
from labelmint.objectives.vq_model import vq_model_loss
from labelmint.tokenizers.quantizer import Quantized
from labelmint.tokenizers.reconstruction import Reconstruction
from labelmint.types import Batch, LayoutBatch


def quantized(commitment: float, codebook: float) -> Quantized:
    nothing = torch.zeros(1)
    return Quantized(nothing, nothing, torch.tensor(commitment), torch.tensor(codebook))


def test_beta_weighs_the_commitment_and_not_the_codebook() -> None:
    assert float(codebook_loss([quantized(0.2, 1.0), quantized(0.4, 2.0)], 0.25)) == pytest.approx(
        3.0 + 0.25 * 0.6
    )


def test_the_semantic_loss_is_the_cross_entropy_of_the_pixels() -> None:
    torch.manual_seed(0)
    logits, ids = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 4, 4), dtype=torch.uint8)
    pixels = -logits.log_softmax(1).gather(1, ids.long()[:, None])[:, 0]
    assert float(semantic_loss(logits, ids)) == pytest.approx(float(pixels.mean()), rel=1e-5)


def test_bytes_are_no_negative_numbers() -> None:
    ids = torch.full((1, 4, 4), 156, dtype=torch.uint8)  # -100 as a byte
    ids[0, 0] = 3
    assert float(semantic_loss(torch.zeros(1, 243, 4, 4), ids)) == pytest.approx(math.log(243))


def test_a_model_of_both_minimizes_equation_three_and_one_of_either_its_own_part() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.zeros(2, 1, 4, 4), LayoutBatch(torch.randint(3, (2, 4, 4), dtype=torch.uint8)))
    both = Reconstruction(
        batch.image + 0.5, [quantized(0.2, 1.0)], torch.randn(2, 3, 4, 4), (quantized(0.4, 2.0),)
    )

    def total(found: Reconstruction, **options: object) -> float:
        loss = vq_model_loss(found, batch, variance=0.5, commitment=0.25, **options)  # type: ignore[arg-type]
        return float(loss.fidelity + loss.others)

    image, layout = 0.25 / 0.5 + 1.05, float(semantic_loss(both.logits, batch.layouts.ids)) + 2.1  # type: ignore[arg-type]
    assert total(both, semantic_weight=0.1) == pytest.approx(image + 0.1 * layout)
    assert total(both._replace(logits=None)) == pytest.approx(image)
    assert total(both._replace(image=None), semantic_weight=0.1) == pytest.approx(layout)
    assert total(both._replace(logits=None), error="absolute") == pytest.approx(0.5 / 0.5**0.5 + 1.05)
    assert total(both._replace(logits=None), distance=(2.0, lambda x, y: (x - y).mean())) == pytest.approx(
        image + 2 * 0.5
    )


def textured(contrast: float) -> Tensor:
    torch.manual_seed(0)
    return contrast * functional.avg_pool2d(torch.rand(2, 3, 66, 66) * 2 - 1, 3, stride=1)


def test_the_structure_distance_grows_with_blur_and_prefers_shifted_texture_to_none() -> None:
    image = textured(1.0)
    blurred = [
        functional.avg_pool2d(image, k, stride=1, padding=k // 2, count_include_pad=False)
        for k in (1, 3, 5, 9)
    ]
    distances = [float(structure_distance(blur, image)) for blur in blurred]
    assert distances == sorted(distances)
    assert distances[0] == 0
    flat = image.mean(dim=(2, 3), keepdim=True).expand_as(image)
    shifted = image.roll((7, 11), (2, 3))
    assert float((shifted - image).square().mean()) > 1.5 * float((flat - image).square().mean())
    assert float(structure_distance(shifted, image)) < float(structure_distance(flat, image))


def test_the_structure_distance_sees_every_pixel() -> None:
    image = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    apart = {}
    for place in ((15, 15), (0, 0), (0, 31), (31, 0), (31, 31), (31, 15), (15, 31)):
        changed = image.clone()
        changed[:, :, place[0], place[1]] += 0.5
        apart[place] = float(structure_distance(changed, image))
    assert min(apart.values()) > 0.4 * apart[15, 15]


def test_the_structure_distance_counts_relative_to_the_contrast() -> None:
    bright, dim = (float(structure_distance(0.5 * textured(c), textured(c))) for c in (1.0, 0.3))
    assert dim == pytest.approx(bright, rel=0.2)
    image = textured(1.0).requires_grad_()
    structure_distance(image, torch.zeros_like(image)).backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("side", [5, 9, 16, 20])
def test_small_images_have_a_structure_distance_of_the_sizes_that_fit(side: int) -> None:
    image = textured(1.0)[..., :side, :side]
    assert float(structure_distance(image, image)) == 0
    assert 0 < float(structure_distance(0.5 * image, image)) < 2


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VGG-19's state dict with few of its random numbers: most weights are zero and share their memory."""
    torch.manual_seed(0)
    path, inputs, state = tmp_path_factory.mktemp("vgg") / "vgg19.pth", 3, {}
    widths = [64] * 2 + [128] * 2 + [256] * 4 + [512] * 5
    for place, width in zip(_places(), widths, strict=True):
        kernel = torch.randn(1, 1, 3, 3).div(9 * inputs**0.5)
        state[f"features.{place}.weight"] = kernel.expand(width, inputs, 3, 3)
        state[f"features.{place}.bias"] = torch.rand(1).expand(width)
        inputs = width
    torch.save(state, path)
    return path


def test_the_places_are_those_of_torchvision() -> None:
    assert _places() == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28]


def test_the_perceptual_distance_is_the_weighted_sum_over_the_first_features_of_each_stage(
    vgg_file: Path,
) -> None:
    distance = VGGDistance(vgg_file)
    state = torch.load(vgg_file, weights_only=True)
    torch.manual_seed(1)
    x, y = torch.rand(1, 1, 16, 16) * 2 - 1, torch.rand(1, 1, 16, 16) * 2 - 1

    def features(image: Tensor) -> list[Tensor]:
        shades = (image.repeat(1, 3, 1, 1) + 1) / 2
        z = (shades - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
            [0.229, 0.224, 0.225]
        ).view(3, 1, 1)
        found = []
        for i in _places():
            z = functional.max_pool2d(z, 2) if i in (5, 10, 19, 28) else z
            z = torch.relu(
                functional.conv2d(z, state[f"features.{i}.weight"], state[f"features.{i}.bias"], padding=1)
            )
            found += [z] if i in (0, 5, 10, 19, 28) else []
        return found

    weights = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
    wanted = sum(w * (a - b).abs().mean() for w, a, b in zip(weights, features(x), features(y), strict=True))
    assert float(distance(x, y)) == pytest.approx(float(wanted), rel=1e-4)
    assert float(distance(x, x)) == 0
    assert not any(parameter.requires_grad for parameter in distance.parameters())
    assert len(distance.sha256) == 64


def test_files_that_hold_no_vgg_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        VGGDistance(tmp_path / "missing.pth")
    torch.save({"features.0.weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"no features\.0\.weight of shape"):
        VGGDistance(tmp_path / "other.pth")
    torch.save(nn.Linear(2, 2), tmp_path / "pickled.pth")  # a program, not a state dict
    with pytest.raises(InputError, match="opened safely"):
        VGGDistance(tmp_path / "pickled.pth")
    (tmp_path / "text.pth").write_text("nothing")
    with pytest.raises(InputError, match="opened safely"):
        VGGDistance(tmp_path / "text.pth")


def test_hinge_losses() -> None:
    real, found = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    assert float(discriminator_loss(real, found)) == pytest.approx((0.5 + 1.0) / 2)
    assert float(generator_loss(found)) == 1.0


def test_the_adaptive_weight_makes_both_gradients_alike_within_its_bounds() -> None:
    layer = torch.tensor([1.0, 2.0], requires_grad=True)

    def weight(scale: float) -> Tensor:
        return adaptive_weight((3 * layer).sum(), (scale * layer).sum(), layer)

    assert float(weight(0.5)) == pytest.approx(3 * 2**0.5 / (0.5 * 2**0.5 + 1e-4))
    assert float(weight(0.0)) == 1e4
    assert not weight(1.0).requires_grad
