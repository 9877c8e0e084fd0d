"""The generator that is one network: seeds, modes, memory, and what it refuses."""

import pytest
import torch
from torch import Tensor, nn

from labelmint.errors import InputError
from labelmint.generators.network import OneNetwork, draw_noise
from labelmint.generators.unet import UNetConfig, UNetGenerator
from labelmint.nn.peak_memory import SPARE, peak_bytes
from labelmint.protocols import Dial, Dials, Noise
from labelmint.seeds import Seeds
from labelmint.types import Batch, Kept, LayoutBatch

SEEDS = [(7, index) for index in range(3)]
SEEN = LayoutBatch(torch.zeros(1, 16, 16, dtype=torch.uint8))


def layouts() -> LayoutBatch:
    torch.manual_seed(1)
    return LayoutBatch(torch.randint(5, (3, 16, 16), dtype=torch.uint8))


def unet(dropout: float = 0.5) -> OneNetwork:
    torch.manual_seed(0)
    config = UNetConfig(channels=8, downsamplings=4, layout_channels=4, dropout=dropout)
    return OneNetwork(UNetGenerator(config, 5, 3, (16, 16)), SEEN)


class _Shades(nn.Module):
    """The mean of two normal numbers times a dial, as a shade; an image's own mean is its code."""

    noise, dials = Noise("normal", (2,)), (Dial("contrast", 1.0, 0.0, 9.0, "Factor of the shade."),)

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))
        self.deterministic = nn.Dropout().eval()

    def forward(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        assert noise is not None
        assert not self.training
        rows = [noise] * (1000 if dials["contrast"] > 1 else 1)
        shade = self.one * torch.stack(rows).mean(dim=(0, 2)) * dials["contrast"]
        return shade[:, None, None, None].expand(-1, 1, *layouts.ids.shape[1:]) + 0

    def code_of(self, batch: Batch) -> Tensor:
        assert not self.training
        return batch.image.mean(dim=(1, 2, 3))[:, None].expand(-1, 2)


class _Completed(_Shades):
    """What a layout lacks is drawn by seed: here its first symbol."""

    def completed(self, layouts: LayoutBatch, seeds: Seeds) -> LayoutBatch:
        return LayoutBatch(layouts.ids + torch.tensor([[[index]] for _, index in seeds], dtype=torch.uint8))

    def forward(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        return super().forward(layouts, noise, dials) + layouts.ids[:, None] / 8


def test_in_a_style_what_completes_a_layout_goes_by_seed() -> None:
    generator, given = OneNetwork(_Completed(), SEEN), LayoutBatch(torch.zeros(3, 16, 16, dtype=torch.uint8))
    dials, style = {"contrast": 1.0}, torch.zeros(1, 2)
    images = generator.in_style(given, SEEDS, style, dials)
    assert images[:, 0, 0, 0].tolist() == [0.0, 0.125, 0.25]
    assert generator.in_style(given, [(7, 2)] * 3, style, dials)[:, 0, 0, 0].tolist() == [0.25] * 3


def test_an_image_is_a_function_of_layout_and_seed() -> None:
    generator, given = unet(), layouts()
    images = generator.sample(given, SEEDS, {})
    assert generator.random
    assert generator.dials == ()
    assert images.shape == (3, 3, 16, 16)
    assert images.abs().max() <= 1
    assert not images.requires_grad
    assert images.equal(generator.sample(given, SEEDS, {}))
    others = generator.sample(given, [*SEEDS[:2], (8, 2)], {})
    assert others[:2].equal(images[:2])
    assert not others[2].equal(images[2])
    changed = LayoutBatch(given.ids.clone())
    changed.ids[2] = given.ids[0]
    others = generator.sample(changed, SEEDS, {})
    assert others[:2].equal(images[:2])
    assert not others[2].equal(images[2])


def test_without_noise_every_seed_gives_the_same_image() -> None:
    generator = unet(dropout=0)
    assert not generator.random
    images = generator.sample(layouts(), SEEDS, {})
    assert images.equal(generator.sample(layouts(), [(8, 9), (8, 10), (8, 11)], {}))


def test_nothing_can_be_kept_and_nothing_is_given_back_without_an_encoder() -> None:
    generator, tokens = unet(), torch.zeros(3, 4, 4, dtype=torch.long)
    with pytest.raises(InputError, match="nothing of an image can be kept"):
        generator.sample(layouts(), SEEDS, {}, kept=Kept(tokens, tokens > 0))
    assert generator.given_back(Batch(torch.zeros(3, 3, 16, 16), layouts())) is None


def test_dials_and_codes_reach_the_network_and_its_modes_come_back() -> None:
    network = _Shades()
    generator = OneNetwork(network, SEEN)
    images = generator.sample(layouts(), SEEDS, {"contrast": 0.1, "of another part": 2.0})
    assert generator.sample(layouts(), SEEDS, {"contrast": 0.2}).allclose(2 * images)
    assert generator.sample(layouts(), SEEDS, {"contrast": 9.0}).abs().max() == 1
    image = torch.linspace(-0.9, 0.9, 3)[:, None, None, None].expand(-1, 1, 16, 16)
    given_back = generator.given_back(Batch(image, layouts()))
    assert given_back is not None
    assert given_back.allclose(image)
    assert (network.training, network.deterministic.training) == (True, False)


class _Apart(nn.Module):
    """Two shades from streams of their own, the left one and the right one."""

    noise, dials = Noise("normal", (3,), (("left", 1), ("right", 2))), ()

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        assert noise is not None
        wide = noise[:, [0, 0, 0, 0, 1, 1, 2, 2], None] * self.one / 4
        return wide.expand(-1, -1, 8).transpose(1, 2)[:, None]


def test_one_of_several_streams_is_drawn_anew_while_the_others_stay() -> None:
    given, seeds = LayoutBatch(torch.zeros(3, 8, 8, dtype=torch.uint8)), Seeds(SEEDS, {"right": 5})
    generator = OneNetwork(_Apart(), given)
    assert (generator.streams, unet().streams) == (("left", "right"), ())
    images, anew = (generator.sample(given, each, {}) for each in (SEEDS, seeds))
    assert anew[..., :4].equal(images[..., :4])
    assert not anew[..., 4:].isclose(images[..., 4:]).any()
    whole = generator.sample(given, [(5, index) for _, index in SEEDS], {})
    assert anew[..., 4:].equal(whole[..., 4:])


def test_bytes_grow_with_the_batch_and_are_what_drawing_takes() -> None:
    generator, many = unet(), LayoutBatch(torch.zeros(16, 16, 16, dtype=torch.uint8))
    sizes = [generator.drawing_bytes(batch, {}) for batch in (1, 2, 16)]
    assert sizes == sorted(set(sizes))
    held = peak_bytes(lambda: generator.sample(many, [(0, i) for i in range(16)], {}))
    assert held <= sizes[-1] < 2 * SPARE * held
    shades = OneNetwork(_Shades(), SEEN)
    assert shades.drawing_bytes(4, {"contrast": 2.0}) > shades.drawing_bytes(4, {"contrast": 1.0})


@pytest.mark.parametrize("noise", [None, Noise("normal", (2, 3)), Noise("uniform", (50,))])
def test_noise_to_learn_from_is_torchs(noise: Noise | None) -> None:
    torch.manual_seed(0)
    found = draw_noise(noise, 100, torch.device("cpu"))
    assert (found is None) == (noise is None)
    if noise is not None and found is not None:
        assert found.shape == (100, *noise.shape)
        assert (noise.kind == "uniform") == bool(((found >= 0) & (found < 1)).all())
        torch.manual_seed(0)
        assert found.equal(torch.randn(100, 2, 3) if noise.kind == "normal" else torch.rand(100, 50))
